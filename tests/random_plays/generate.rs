//! Random plays: few paths, many tasks on them, so that tasks meet what others left.

mod language;

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng, seq::IndexedRandom as _};
use serde_json::{Map, Value as Json, json};

/// Where tasks put files; some of the names lead through links.
const FILES: &[&str] = &["f", "g", "d/a", "d/b", "d/s/a", "e/a", "ld/a", "lf", "new/a"];
const DIRECTORIES: &[&str] = &["d", "e", "d/s", "ld/s", "new", "new/deep"];
const LINKS: &[&str] = &["ld", "lf", "l", "d/l"];
const MODES: &[&str] = &["0644", "0600", "0755", "0640", "u+x", "g-r,o=", "a=rX"];
const CONTENTS: &[&str] = &["", "one\n", "one\ntwo\n", "one\ntwo\nthree\n", "key = old\n", "ü ' \" $x\n", "no end"];
const HANDLERS: &[&str] = &["first", "second", "third", "fourth"];

/// Which play a seed stands for: everything a run needs, as data.
///
/// `before` is what lies on the hosts, `site` the playbook, `files` what stands beside it, `flags` further arguments.
pub fn case(seed: u64, local: bool) -> Json {
    let rng = StdRng::seed_from_u64(seed);
    let mut world =
        World { rng, results: Vec::new(), facts: Vec::new(), names: 0, files: Map::new(), hosts: 1, local, within: 0 };
    world.hosts = if world.chance(25) { 2 } else { 1 };
    let before = world.before();
    for number in 0..2 {
        let text = world.template();
        world.files.insert(format!("t{number}.j2"), json!(text));
    }
    let plays = if world.chance(20) { 2 } else { 1 };
    let site: Vec<Json> = (0..plays).map(|number| world.play(number)).collect();
    let flags = world.flags();
    json!({"seed": seed, "hosts": world.hosts, "before": before, "site": site, "files": world.files, "flags": flags})
}

struct World {
    rng: StdRng,
    /// Registered variables, with whether they come from a loop.
    results: Vec<(String, bool)>,
    facts: Vec<String>,
    names: usize,
    files: Map<String, Json>,
    hosts: usize,
    /// The hosts are this machine itself: lookups see what tasks wrote.
    local: bool,
    within: usize,
}

impl World {
    fn chance(&mut self, percent: u32) -> bool {
        self.rng.random_range(0..100) < percent
    }

    fn pick<T: Clone>(&mut self, of: &[T]) -> T {
        of.choose(&mut self.rng).unwrap().clone()
    }

    fn path(&mut self, of: &[&str]) -> String {
        let of = match self.chance(6) {
            true => [FILES, DIRECTORIES, LINKS][self.rng.random_range(0..3)],
            false => of,
        };
        format!("{{{{ top }}}}/{}", self.pick(of))
    }

    fn file(&mut self) -> String {
        self.path(FILES)
    }

    fn directory(&mut self) -> String {
        self.path(DIRECTORIES)
    }

    fn before(&mut self) -> Vec<Json> {
        let mut nodes = vec![json!({"path": "d", "kind": "directory"})];
        for path in ["d/s", "e"] {
            if self.chance(70) {
                nodes.push(json!({"path": path, "kind": "directory"}));
            }
        }
        for path in ["f", "g", "d/a", "d/b", "d/s/a", "e/a"] {
            let parent = path.rsplit_once('/').map(|(parent, _)| parent);
            if parent.is_none_or(|p| nodes.iter().any(|n| n["path"] == p)) && self.chance(50) {
                let (content, mode) = (self.pick(CONTENTS), self.pick(&["0644", "0600", "0755"]));
                nodes.push(json!({"path": path, "kind": "file", "content": content, "mode": mode}));
            }
        }
        for (path, to) in [("ld", "d"), ("lf", "f"), ("l", "nowhere"), ("d/l", "../g")] {
            if self.chance(60) {
                nodes.push(json!({"path": path, "kind": "link", "target": to}));
            }
        }
        nodes
    }

    fn template(&mut self) -> String {
        let facts = [self.value(), self.value()];
        format!(
            "# {{{{ inventory_hostname }}}}\n{}\n{{% for i in [1, 2] %}}\nline {{{{ i }}}} {}\n{{% endfor %}}\n",
            facts[0], facts[1]
        )
    }

    /// A text with a variable in it that is defined or has a default.
    fn value(&mut self) -> String {
        let mut options = vec!["plain".to_owned(), "{{ setting }}".to_owned(), "{{ 1 + 2 }}-".to_owned()];
        if let Some((name, looped)) = self.results.choose(&mut self.rng).cloned() {
            options.push(format!("{{{{ {name} is changed }}}}-"));
            options.push(format!("c{{{{ {name}.changed | default('none') }}}}"));
            options.push(match looped {
                true => {
                    format!("n{{{{ {name}.results | default([]) | map(attribute='changed', default=0) | join(',') }}}}")
                }
                false => format!("o{{{{ {name}.stdout | default({name}.content | default('-')) }}}}"),
            });
            options.push(format!("s{{{{ ({name}.stat | default({{}})).exists | default('unknown') }}}}"));
            if self.hosts > 1 {
                options.push(format!("{{{{ (hostvars['h1']['{name}'] | default({{}})).changed | default('-') }}}}+"));
            }
        }
        if let Some(name) = self.facts.choose(&mut self.rng).cloned() {
            options.push(format!("v{{{{ {name} | default('unset') }}}}"));
        }
        if self.local {
            let path = format!("{}/{}", "{{ top }}", self.pick(&["f", "d/a", "g"])).replace("{{ top }}", "");
            options.push(format!("l{{{{ lookup('file', top ~ '{path}', errors='ignore') | default('', true) }}}}"));
        }
        if self.chance(25) {
            return self.expression();
        }
        self.pick(&options)
    }

    fn content(&mut self) -> String {
        match self.chance(60) {
            true => self.pick(CONTENTS).to_owned(),
            false => format!("{} {}\n", self.value(), self.pick(&["a", "b"])),
        }
    }

    fn condition(&mut self) -> String {
        let mut options =
            vec!["true".to_owned(), "setting == 'on'".to_owned(), "inventory_hostname == 'h1'".to_owned()];
        if self.chance(30) {
            options.push("false".to_owned());
        }
        if let Some((name, _)) = self.results.choose(&mut self.rng).cloned() {
            for test in ["is changed", "is not changed", "is failed", "is succeeded", "is skipped", "is not skipped"] {
                options.push(format!("{name} {test}"));
            }
            options.push(format!("({name}.stat | default({{}})).exists | default(false)"));
            options.push(format!("({name}.stdout | default('')) != ''"));
            options.push(format!("{name}.rc | default(0) == 0"));
        }
        if let Some(name) = self.facts.choose(&mut self.rng).cloned() {
            options.push(format!("{name} | default('x') == 'x'"));
        }
        self.pick(&options)
    }

    fn flags(&mut self) -> Vec<String> {
        let mut flags = Vec::new();
        match self.rng.random_range(0..100) {
            0..5 => flags.extend(["--tags", "red"]),
            5..10 => flags.extend(["--skip-tags", "red"]),
            10..12 => flags.extend(["--force-handlers"]),
            _ => {}
        }
        flags.into_iter().map(str::to_owned).collect()
    }

    fn play(&mut self, number: usize) -> Json {
        let count = self.rng.random_range(4..14);
        let tasks = self.tasks(count);
        let handlers: Vec<Json> = HANDLERS.iter().map(|name| self.handler(name)).collect();
        let mut play = json!({
            "name": format!("play {number}"), "hosts": "all", "gather_facts": false,
            "vars": {"top": "{{ base }}/{{ inventory_hostname }}", "setting": self.pick(&["on", "off"])},
        });
        if self.hosts > 1 && self.chance(15) {
            play["serial"] = json!(1);
        }
        if self.hosts > 1 && self.chance(10) {
            play["order"] = json!("reverse_inventory");
        }
        if self.chance(12) {
            play["roles"] = self.roles();
        }
        if self.chance(8) {
            play["module_defaults"] = json!({"file": {"mode": "0750"}, "copy": {"mode": "0604"}});
        }
        if self.chance(5) {
            play["any_errors_fatal"] = json!(true);
        }
        if self.chance(10) {
            let count = self.rng.random_range(1..4);
            play["pre_tasks"] = json!(self.tasks(count));
        }
        play["tasks"] = json!(tasks);
        play["handlers"] = json!(handlers);
        play
    }

    fn handler(&mut self, name: &str) -> Json {
        let mut handler = match self.chance(60) {
            true => json!({"shell": format!("echo {name} >> {{{{ top }}}}/handled")}),
            false => self.action().0,
        };
        let task = handler.as_object_mut().unwrap();
        task.insert("name".into(), json!(name));
        if name == "second" || self.chance(30) {
            task.insert("listen".into(), json!(["topic"]));
        }
        if self.chance(15) {
            task.insert("notify".into(), json!(self.pick(HANDLERS)));
        }
        if self.chance(15) {
            task.insert("when".into(), json!(self.condition()));
        }
        if self.chance(50) {
            task.insert("ignore_errors".into(), json!(true));
        }
        Json::Object(std::mem::take(task))
    }

    fn tasks(&mut self, count: usize) -> Vec<Json> {
        (0..count).map(|_| self.task()).collect()
    }

    fn task(&mut self) -> Json {
        match self.rng.random_range(0..100) {
            0..8 if self.within < 2 => self.block(),
            8..13 if self.within < 2 => self.include(),
            13..15 => self.meta_task(),
            15..18 if self.within < 2 => self.role_task(),
            18..20 if self.within < 2 => self.told_rescue(),
            20..25 => self.loop_task(),
            25..27 => self.environment_task(),
            27..29 => self.grown_fact(),
            _ => self.simple(),
        }
    }

    fn name(&mut self) -> String {
        self.names += 1;
        format!("t{}", self.names)
    }

    fn block(&mut self) -> Json {
        self.within += 1;
        let mut block = Map::new();
        block.insert("name".into(), json!(self.name()));
        let count = self.rng.random_range(1..4);
        block.insert("block".into(), json!(self.tasks(count)));
        for part in ["rescue", "always"] {
            if self.chance(60) {
                let count = self.rng.random_range(1..3);
                block.insert(part.into(), json!(self.tasks(count)));
            }
        }
        if self.chance(30) {
            block.insert("when".into(), json!(self.condition()));
        }
        if self.chance(10) {
            block.insert("ignore_errors".into(), json!(true));
        }
        if self.chance(10) {
            block.insert("tags".into(), json!(["red"]));
        }
        self.within -= 1;
        Json::Object(block)
    }

    fn include(&mut self) -> Json {
        self.within += 1;
        self.names += 1;
        let file = format!("inc{}.yml", self.names);
        let count = self.rng.random_range(1..4);
        let tasks = self.tasks(count);
        self.files.insert(file.clone(), json!(tasks));
        self.within -= 1;
        let how = if self.chance(70) { "include_tasks" } else { "import_tasks" };
        let mut task = json!({"name": self.name(), how: file});
        if how == "include_tasks" && self.chance(30) {
            task["loop"] = json!(["x", "y"]);
            task["loop_control"] = json!({"loop_var": "outer"});
        }
        if self.chance(40) {
            task["when"] = self.conditions();
        }
        if self.chance(30) {
            task["vars"] = json!({"setting": self.value()});
        }
        task
    }

    fn simple(&mut self) -> Json {
        let (mut task, risky) = self.action();
        let name = self.name();
        let fields = task.as_object_mut().unwrap();
        let module = fields.keys().next().cloned().unwrap_or_default();
        fields.shift_insert(0, "name".into(), json!(name));
        let looped = !fields.contains_key("until") && self.chance(15);
        if looped {
            self.repeat(fields);
        }
        if self.chance(30) {
            let mut when = self.conditions();
            if looped && self.chance(50) {
                when = json!("item | string != 'b'");
            }
            fields.insert("when".into(), when);
        }
        if self.chance(35) && !fields.contains_key("register") && module != "set_fact" {
            fields.insert("register".into(), json!(format!("r{name}")));
        }
        // Ansible forgets what a group_by has notified.
        if self.chance(25) && module != "group_by" {
            let to = if self.chance(20) { "topic" } else { self.pick(HANDLERS) };
            fields.insert("notify".into(), json!(to));
        }
        if self.chance(8) {
            let when = if self.chance(50) { json!(false) } else { json!(self.condition()) };
            fields.insert("changed_when".into(), when);
        }
        if self.chance(5) {
            let when = if self.chance(70) { json!(false) } else { json!(self.condition()) };
            fields.insert("failed_when".into(), when);
        }
        if self.chance(if risky { 80 } else { 40 }) {
            fields.insert("ignore_errors".into(), json!(true));
        }
        if self.chance(8) {
            fields.insert("tags".into(), json!([self.pick(&["red", "blue", "always"])]));
        }
        if self.chance(5) {
            fields.insert("become".into(), json!(true));
        }
        // Ansible's `touch` fails in check mode on a file that is not there, if it is to keep times; what writes a file does not fail there
        // where its folder is missing, and would.
        if self.chance(3) && !matches!(module.as_str(), "file" | "copy" | "template" | "assemble") {
            fields.insert("check_mode".into(), json!(true));
        }
        if self.chance(3) {
            fields.insert("no_log".into(), json!(true));
        }
        if self.chance(8) {
            fields.insert("vars".into(), json!({"setting": self.expression()}));
        }
        if self.chance(6) && module != "set_fact" {
            fields.insert("delegate_to".into(), json!("localhost"));
            fields.insert("run_once".into(), json!(true));
            fields.insert("vars".into(), json!({"top": "{{ base }}/localhost"}));
        }
        if let Some(registered) = fields.get("register").and_then(Json::as_str) {
            self.results.push((registered.to_owned(), looped));
        }
        task
    }

    /// Turns a task into a loop; some of its texts then have the item in them.
    fn repeat(&mut self, task: &mut Map<String, Json>) {
        let over = match self.results.iter().rfind(|(_, looped)| *looped).cloned() {
            Some((name, _)) if self.chance(50) => {
                json!(format!("{{{{ {name}.results | default([]) | map(attribute='item', default='z') | list }}}}"))
            }
            _ => self.pick(&[json!(["a", "b", "c"]), json!(["a", "a"]), json!("{{ range(2) | list }}"), json!([])]),
        };
        let how = if self.chance(80) { "loop" } else { "with_items" };
        task.insert(how.into(), over);
        for value in task.values_mut() {
            let Json::Object(parameters) = value else { continue };
            for key in ["path", "dest", "content", "line", "block", "msg"] {
                let Some(Json::String(text)) = parameters.get_mut(key) else { continue };
                if self.rng.random_range(0..100) < 60 {
                    *text = match key {
                        "path" | "dest" => format!("{text}{{{{ item }}}}"),
                        _ => format!("{{{{ item }}}} {text}"),
                    };
                }
            }
        }
    }

    /// A module with its parameters, and whether it is likely to fail.
    fn action(&mut self) -> (Json, bool) {
        match self.rng.random_range(0..100) {
            0..22 => (self.file_task(), false),
            22..40 => (self.copy(), false),
            40..46 => (self.template_task(), false),
            46..56 => (self.lineinfile(), true),
            56..62 => (self.blockinfile(), true),
            62..76 => self.command(),
            76..81 => (self.stat(), false),
            81..83 => (json!({"slurp": {"src": self.file()}}), true),
            83..86 => (self.looking(), true),
            86..89 => (self.set_fact(), false),
            89..90 => (self.variables_file(), false),
            90..93 => (json!({"debug": {"msg": self.value()}}), false),
            93..95 => (json!({"assert": {"that": [self.condition()]}}), true),
            95..96 => (json!({"fail": {"msg": "wanted"}, "when": self.condition()}), true),
            96..98 => (self.replace(), true),
            _ => (self.retried(), false),
        }
    }

    fn attributes(&mut self, parameters: &mut Json) {
        if self.chance(40) {
            parameters["mode"] = json!(self.pick(MODES));
        }
        if self.chance(12) {
            parameters["owner"] = json!(self.pick(&["nobody", "root", "1"]));
        }
        if self.chance(8) {
            parameters["group"] = json!(self.pick(&["nogroup", "daemon", "0"]));
        }
    }

    fn file_task(&mut self) -> Json {
        let mut parameters = match self.rng.random_range(0..100) {
            0..30 => json!({"path": self.directory(), "state": "directory"}),
            30..40 => json!({"path": self.file(), "state": "touch"}),
            40..60 => {
                let of = self.pick(&[FILES, DIRECTORIES, LINKS]);
                json!({"path": self.path(of), "state": "absent"})
            }
            60..80 => {
                let to = self.pick(&["d", "e", "f", "../g", "{{ top }}/d", "{{ top }}/e", "nothing"]);
                json!({"path": self.path(LINKS), "state": "link", "src": to, "force": self.chance(60)})
            }
            // Not where a link may be: Ansible gives owner and mode to what the old link led to, and fails where there is nothing.
            80..84 => {
                // A file that takes its own place is left twice by Ansible, once under a name of its own.
                let (path, src) = (self.file(), self.file());
                let state = if src.starts_with(&path) { "touch" } else { "hard" };
                match state {
                    "hard" => json!({"path": path, "state": state, "src": src, "force": self.chance(50)}),
                    _ => json!({"path": path, "state": state}),
                }
            }
            _ => json!({"path": self.file(), "state": "file"}),
        };
        if parameters["state"] != "absent" && parameters["state"] != "link" {
            self.attributes(&mut parameters);
        }
        if parameters["state"] == "directory" && self.chance(10) {
            parameters["recurse"] = json!(true);
        }
        if parameters["state"] == "touch" && self.chance(40) {
            parameters["access_time"] = json!("preserve");
            parameters["modification_time"] = json!("preserve");
        }
        json!({"file": parameters})
    }

    fn copy(&mut self) -> Json {
        let mut parameters = match self.chance(85) {
            // Into a directory Ansible writes a file of a random name; that is refused here.
            true => json!({"content": self.content(), "dest": format!("{{{{ top }}}}/{}", self.pick(FILES))}),
            false => json!({"src": self.pick(&["t0.j2", "t1.j2"]), "dest": self.path(&["f", "d", "e/", "new/"])}),
        };
        if self.chance(10) {
            parameters = json!({"src": self.file(), "dest": self.file(), "remote_src": true});
        }
        self.attributes(&mut parameters);
        // A file of the host that is copied over another keeps that one's mode here, as the page of the module has it; with Ansible it has its own.
        if parameters["remote_src"] == true {
            parameters["owner"] = json!("root");
            parameters["mode"] = json!(self.pick(&["0644", "0600", "0755"]));
        }
        if self.chance(10) {
            parameters["force"] = json!(false);
        }
        json!({"copy": parameters})
    }

    fn template_task(&mut self) -> Json {
        let mut parameters = json!({"src": self.pick(&["t0.j2", "t1.j2"]), "dest": self.file()});
        self.attributes(&mut parameters);
        json!({"template": parameters})
    }

    fn lineinfile(&mut self) -> Json {
        let mut parameters = json!({"path": self.file(), "create": self.chance(60)});
        match self.rng.random_range(0..4) {
            0 => {
                parameters["regexp"] = json!(self.pick(&["^one", "^key", "t.o", "^never"]));
                parameters["line"] = json!(self.pick(&["one more", "key = new", "two", "one"]));
            }
            1 => {
                parameters["state"] = json!("absent");
                parameters["regexp"] = json!(self.pick(&["^one", "^key", "e$"]));
            }
            _ => parameters["line"] = json!(format!("{}{}", self.pick(&["one", "added ", "key = "]), self.value())),
        }
        if parameters["state"] != "absent" && self.chance(30) {
            let where_ = self.pick(&["insertafter", "insertbefore"]);
            parameters[where_] = json!(self.pick(&["^one", "EOF", "^two"]));
            if where_ == "insertbefore" && parameters[where_] == "EOF" {
                parameters[where_] = json!("BOF");
            }
        }
        // By the name of a link Ansible gives a mode to nobody, and an owner to the link.
        if !parameters["path"].to_string().contains("/l") {
            self.attributes(&mut parameters);
        }
        json!({"lineinfile": parameters})
    }

    fn blockinfile(&mut self) -> Json {
        let mut parameters = json!({"path": self.file(), "create": self.chance(60), "block": self.content()});
        if self.chance(15) {
            // With `create`, Ansible makes an empty folder and no file in it.
            (parameters["state"], parameters["create"]) = (json!("absent"), json!(false));
        }
        if self.chance(30) {
            parameters["marker"] = json!("# {mark} other");
        }
        json!({"blockinfile": parameters})
    }

    fn replace(&mut self) -> Json {
        json!({"replace": {"path": self.file(), "regexp": self.pick(&["one", "^t", "o$", "[a-e]+"]), "replace": self.pick(&["1", "", "<\\g<0>>"])}})
    }

    fn command(&mut self) -> (Json, bool) {
        let (file, other, directory) = (self.file(), self.file(), self.directory());
        let line = match self.rng.random_range(0..11) {
            0 => format!("touch {file}"),
            1 => format!("rm -rf {other}"),
            2 => format!("cp {file} {other}"),
            3 => format!("mkdir -p {directory}"),
            4 => format!("ln -sfn {} {}", self.pick(&["d", "e", "f"]), self.path(&["ld", "lf"])),
            5 => format!("cat {file}"),
            6 => format!("test -e {file}"),
            7 => format!("chmod {} {file}", self.pick(&["600", "644", "751"])),
            8 => format!("echo {}", self.value()),
            9 => format!("ls {directory}"),
            _ => format!("rm -rf {directory}"),
        };
        let risky = !line.starts_with("echo");
        let mut task = match self.chance(60) {
            true => json!({"command": {"cmd": line}}),
            false => {
                let line = match self.rng.random_range(0..4) {
                    0 => format!("echo more >> {file}"),
                    1 => format!("echo {} > {file}", self.value()),
                    2 => format!("printf 'a\\nb\\n'; echo err >&2; exit {}", self.pick(&[0, 0, 3])),
                    _ => line,
                };
                json!({"shell": {"cmd": line}})
            }
        };
        let module = task.as_object().unwrap().keys().next().cloned().unwrap();
        match self.rng.random_range(0..10) {
            0..2 => task[&module]["creates"] = json!(self.file()),
            2..4 => task[&module]["removes"] = json!(self.file()),
            4 => task[&module]["chdir"] = json!("{{ top }}"),
            5 => task["changed_when"] = json!(false),
            6 => task["failed_when"] = json!(false),
            _ => {}
        }
        (task, risky)
    }

    fn stat(&mut self) -> Json {
        let of = self.pick(&[FILES, DIRECTORIES, LINKS]);
        json!({"stat": {"path": self.path(of), "follow": self.chance(30)}, "register": format!("s{}", self.names)})
    }

    fn set_fact(&mut self) -> Json {
        let name = format!("v{}", self.rng.random_range(0..3));
        let value = self.value();
        if !self.facts.contains(&name) {
            self.facts.push(name.clone());
        }
        json!({"set_fact": {name: value}})
    }

    /// Something that comes right at a later try.
    fn retried(&mut self) -> Json {
        let name = format!("u{}", self.names);
        json!({
            "shell": "echo x >> {{ top }}/tries; wc -l < {{ top }}/tries", "register": name,
            "until": format!("{name}.stdout | int >= {}", self.rng.random_range(1..4)), "retries": 2, "delay": 0,
        })
    }
}
