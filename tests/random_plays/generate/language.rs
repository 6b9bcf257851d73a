//! What the language itself has: roles, variables and who wins, loops in all their forms, expressions, `meta`.

use rand::RngExt as _;
use serde_json::{Map, Value as Json, json};

use super::World;

/// Expressions whose value every Jinja has the same of, whatever the play did.
const EXPRESSIONS: &[&str] = &[
    "{{ setting | upper }}.",
    "{{ [3, 1, 2] | sort | join('-') }}",
    "{{ 'a,b,c' | split(',') | last }}",
    "{{ {'b': 1, 'a': 2} | dict2items | map(attribute='key') | list | sort | join }}",
    "{{ 'one two' | regex_replace('(\\\\w+) (\\\\w+)', '\\\\2 \\\\1') }}",
    "{{ (setting == 'on') | ternary('yes', 'no') }}.",
    "{{ 'text' | hash('sha1') }}",
    "{{ 'ü' | b64encode }}",
    "{{ [1, [2, [3]]] | flatten | sum }}.",
    "{{ [1, 2, 3, 4] | select('odd') | map('string') | join }}.",
    "{{ ['a', 'b'] | product([1, 2]) | map('join') | join(',') }}",
    "{{ {'a': {'x': 1}} | combine({'a': {'y': 2}}, recursive=true) | to_json(sort_keys=true) }}-",
    "{{ lookup('vars', 'setting') }}",
    "{{ query('sequence', 'start=1 end=3') | join }}.",
    "{{ ['b', 'a', 'b'] | unique | join }}",
    "{{ '%s-%03d' | format(setting, 7) }}",
    "{{ 'a b' | quote }}",
    "{{ [1, 2, 3] | difference([2]) | join('+') }}.",
    "{{ '/etc/a.conf' | basename | splitext | first }}",
    "{% for k, v in {'x': 1, 'y': 2}.items() %}{{ k }}{{ v }}{{ '' if loop.last else ',' }}{% endfor %}",
    "{% set ns = namespace(n=0) %}{% for i in range(3) %}{% set ns.n = ns.n + i %}{% endfor %}{{ ns.n }}.",
    "{{ omitted | default('gone') }}",
    "{{ ansible_play_hosts | join(',') }}",
    "{{ inventory_hostname in groups['all'] }}.",
];

impl World {
    pub(super) fn expression(&mut self) -> String {
        self.pick(EXPRESSIONS).to_owned()
    }

    /// Several conditions in a form of its own: a list, words between them, braces of a variable.
    pub(super) fn conditions(&mut self) -> Json {
        let (one, other) = (self.condition(), self.condition());
        match self.rng.random_range(0..10) {
            0 => json!([one, other]),
            1 => json!(format!("({one}) and ({other})")),
            2 => json!(format!("({one}) or ({other})")),
            3 => json!(format!("not ({one})")),
            4 => json!("setting in ['on', 'plain']"),
            _ => json!(one),
        }
    }

    /// A role in the tree, by its name: tasks, defaults, variables, perhaps a handler and a second file of tasks.
    fn role(&mut self) -> String {
        let known = self.results.len();
        self.within += 1;
        self.names += 1;
        let name = format!("role{}", self.names);
        for file in ["main", "other"] {
            let count = self.rng.random_range(1..3);
            let mut tasks = self.tasks(count);
            tasks.push(json!({"name": self.name(), "debug": {"msg": "{{ of_role }} {{ setting }} {{ given | default('-') }}"}}));
            self.files.insert(format!("roles/{name}/tasks/{file}.yml"), json!(tasks));
        }
        let (defaults, value) = (self.value(), self.value());
        self.files
            .insert(format!("roles/{name}/defaults/main.yml"), json!({"of_role": defaults, "setting": "default"}));
        if self.chance(50) {
            let vars = if self.chance(50) { json!({"of_role": value}) } else { json!({"setting": value}) };
            self.files.insert(format!("roles/{name}/vars/main.yml"), vars);
        }
        if self.chance(40) {
            // Behind the play's own of that name, which wins.
            let text = format!("echo {name} >> {{{{ top }}}}/handled");
            let handler = json!([{"name": self.pick(super::HANDLERS), "listen": "topic", "shell": text}]);
            self.files.insert(format!("roles/{name}/handlers/main.yml"), handler);
        }
        self.within -= 1;
        // One file of the two is read.
        self.results.truncate(known);
        name
    }

    pub(super) fn role_task(&mut self) -> Json {
        let role = self.role();
        let how = if self.chance(60) { "include_role" } else { "import_role" };
        let mut parameters = json!({"name": role});
        if self.chance(25) {
            parameters["tasks_from"] = json!("other");
        }
        if how == "include_role" && self.chance(30) {
            parameters["public"] = json!(true);
        }
        let mut task = json!({"name": self.name(), how: parameters});
        if self.chance(50) {
            task["vars"] = json!({"given": self.value()});
        }
        if how == "include_role" && self.chance(25) {
            task["loop"] = json!(["x", "y"]);
            task["loop_control"] = json!({"loop_var": "outer", "index_var": "nth"});
            task["vars"] = json!({"given": "{{ outer }}{{ nth }}"});
        }
        if self.chance(30) {
            task["when"] = self.conditions();
        }
        if self.chance(15) {
            task["tags"] = json!(["red"]);
        }
        task
    }

    /// The roles of a play, as names and with variables.
    pub(super) fn roles(&mut self) -> Json {
        let (one, other) = (self.role(), self.role());
        json!([one, {"role": other, "vars": {"given": self.value()}, "tags": ["blue"]}])
    }

    /// Variables from a file, behind a fact of the same name perhaps.
    pub(super) fn variables_file(&mut self) -> Json {
        self.names += 1;
        let file = format!("vars{}.yml", self.names);
        let name = self.pick(&["v0", "v1", "setting"]);
        let mut values = Map::new();
        values.insert(name.into(), json!(self.expression()));
        self.files.insert(file.clone(), Json::Object(values));
        if name != "setting" && !self.facts.iter().any(|f| f == name) {
            self.facts.push(name.to_owned());
        }
        match self.chance(30) {
            true => json!({"include_vars": {"file": file, "name": "read"}}),
            false => json!({"include_vars": file}),
        }
    }

    /// A loop with words of its own, done by a task that shows its item.
    pub(super) fn loop_task(&mut self) -> Json {
        let (how, over, shown) = match self.rng.random_range(0..9) {
            0 => ("with_dict", json!({"a": 1, "b": "{{ setting }}"}), "{{ item.key }}={{ item.value }}"),
            1 => ("with_together", json!([["a", "b"], [1, 2, 3]]), "{{ item.0 }}{{ item.1 | default('none', true) }}"),
            2 => ("with_nested", json!([["a", "b"], [1, 2]]), "{{ item | join }}"),
            3 => ("with_sequence", json!("start=0 end=4 stride=2 format=n%02d"), "{{ item }}"),
            4 => ("with_list", json!([["a"], ["b", ["c"]]]), "{{ item | flatten | join }}"),
            5 => ("with_indexed_items", json!(["a", "b"]), "{{ item.0 }}{{ item.1 }}"),
            6 => (
                "with_subelements",
                json!([[{"name": "x", "of": ["a", "b"]}, {"name": "y", "of": []}], "of"]),
                "{{ item.0.name }}{{ item.1 }}",
            ),
            7 => ("loop", json!("{{ {'k': setting} | dict2items }}"), "{{ item.key }}{{ item.value }}"),
            _ => ("with_items", json!([["a", "b"], "c"]), "{{ item }}"),
        };
        let mut task = json!({"name": self.name(), how: over, "register": format!("l{}", self.names)});
        let control = match self.rng.random_range(0..4) {
            0 => Some((json!({"index_var": "nth"}), "{{ nth }}:")),
            1 => Some((json!({"extended": true}), "{{ ansible_loop.index }}/{{ ansible_loop.length }}:")),
            2 => Some((json!({"label": "{{ item | string | length }}"}), "")),
            _ => None,
        };
        let prefix = control.as_ref().map_or("", |c| c.1);
        if let Some((control, _)) = control {
            task["loop_control"] = control;
        }
        match self.rng.random_range(0..3) {
            0 => task["debug"] = json!({"msg": format!("{prefix}{shown}")}),
            1 => task["command"] = json!({"cmd": format!("echo '{prefix}{shown}'")}),
            _ => task["copy"] = json!({"content": format!("{prefix}{shown}\n"), "dest": "{{ top }}/looped"}),
        }
        self.results.push((format!("l{}", self.names), true));
        task
    }

    /// A list that grows, item by item.
    pub(super) fn grown_fact(&mut self) -> Json {
        let over = self.pick(&[json!([1, 2, 3]), json!(["a"]), json!([])]);
        if !self.facts.iter().any(|f| f == "grown") {
            self.facts.push("grown".to_owned());
        }
        json!({"name": self.name(), "set_fact": {"grown": "{{ grown | default([]) + [item] }}"}, "loop": over})
    }

    pub(super) fn meta_task(&mut self) -> Json {
        let what =
            self.pick(&["flush_handlers", "flush_handlers", "noop", "end_host", "clear_host_errors", "end_role"]);
        // Only a role can be left, and only where nothing has to wait for who left.
        let what = if what == "end_role" { "noop" } else { what };
        let mut task = json!({"name": self.name(), "meta": what});
        if what == "end_host" {
            task["when"] = json!(self.pick(&["setting == 'off'", "inventory_hostname == 'h2'", "false"]));
        }
        task
    }

    /// A block that is told why it was entered.
    pub(super) fn told_rescue(&mut self) -> Json {
        let count = self.rng.random_range(1..3);
        self.within += 1;
        let mut tasks = self.tasks(count);
        tasks.push(json!({"name": self.name(), "command": {"cmd": "sh -c 'echo out; exit 3'"}}));
        let told = json!({"name": self.name(), "debug": {"msg":
            "{{ ansible_failed_task.name }} {{ ansible_failed_result.rc | default('-') }} {{ ansible_failed_result.failed }}"}});
        let last = self.task();
        self.within -= 1;
        json!({"name": self.name(), "block": tasks, "rescue": [told, last]})
    }

    /// A command that shows its environment.
    pub(super) fn environment_task(&mut self) -> Json {
        let value = self.expression();
        json!({
            "name": self.name(), "shell": {"cmd": "echo \"$SHOWN\" > {{ top }}/shown; echo \"$SHOWN\""},
            "environment": {"SHOWN": value}, "register": format!("e{}", self.names),
        })
    }

    /// What stands in a folder, and files put together.
    pub(super) fn looking(&mut self) -> Json {
        match self.rng.random_range(0..3) {
            0 => json!({"find": {"paths": self.directory(), "patterns": self.pick(&["*", "a*", "b"]),
                "recurse": self.chance(50), "file_type": self.pick(&["file", "directory", "any", "link"])}}),
            1 => json!({"assemble": {"src": self.directory(), "dest": self.file()}}),
            _ => json!({"group_by": {"key": format!("g_{}", self.pick(&["{{ setting }}", "x"]))}}),
        }
    }
}
