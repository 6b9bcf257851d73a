//! One task on one host, made ready: conditions, parameters, the module, who acts where.

use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::{Map, Value as Json, json};

use super::{
    Run, connection,
    controller::TaskController,
    cursor::Brought,
    keyword::{self, truth},
    machine::{Actor, Machine},
    play_host::PlayHost,
    repeat::Items,
    task_error::TaskError,
    variables::{Host, TaskVars},
};
use crate::{
    connection::Interpreter,
    inventory::{Layer, Layers, Level, Variable, Vars, name::host as host_name},
    module::{Context as ModuleContext, Module, Registry, about},
    playbook::{About, Action, DEFAULTS, Scope, Sets, Task},
    report::IN_OPTION,
    template::{Context, TemplateError, Trust, Var, is_omit},
    yaml::{self, Node, Span},
};

/// A task for one item, ready to be planned.
pub struct Prepared {
    /// The module with its parameters.
    pub module: Box<dyn Module>,
    /// Its full name.
    pub name: String,
    /// What it says of itself.
    pub about_module: About,
    /// Where it acts.
    pub machine: Arc<Machine>,
    /// As whom.
    pub actor: Actor,
    /// The user it acts as, by name.
    pub user: String,
    /// Where relative paths begin on this machine itself.
    pub folder: Option<String>,
    /// The host that facts it finds are about, where `delegate_facts` says that it is another one.
    pub about: Option<String>,
    /// Check mode, after the task's own `check_mode`.
    pub check: bool,
    /// Whether differences are wanted.
    pub diff: bool,
    /// Whether its arguments and results are to stand in no log.
    pub no_log: bool,
    /// `environment`, as export lines.
    pub environment: String,
    /// The same, by name.
    pub variables: IndexMap<String, String>,
    /// The interpreter that runs it there, where it takes one.
    pub interpreter: Interpreter,
    /// Files, templates and expressions.
    pub controller: TaskController,
}

/// A task's item, or the reason why it does nothing.
pub enum Readiness {
    /// To be planned.
    Ready(Box<Prepared>),
    /// `when` did not hold: the condition as written.
    Skip(Json),
}

/// Checks all conditions of a task, outermost first. Returns the first that does not hold.
pub fn conditions(run: &Run, task: &Task, vars: &Context) -> Result<Option<Json>, TaskError> {
    for when in task.scope.whens() {
        if !run.holds(when, vars).map_err(|e| TaskError::from(e).at(&when.span))? {
            return Ok(Some(when.to_json()));
        }
    }
    Ok(None)
}

/// The items a task is repeated over; `None` when it is not.
pub fn items(run: &Run, task: &Task, vars: &Context) -> Result<Option<Items>, TaskError> {
    match &task.loop_ {
        None => Ok(None),
        Some(over) => super::repeat::items(run, over, vars).map(Some),
    }
}

/// The variables of one item: `item`, its index, `ansible_loop`.
pub fn item_vars(task: &Task, items: &Items, index: usize) -> IndexMap<String, Var> {
    let values = item_values(task, items, index);
    values.iter().map(|(name, value)| (name.clone(), Var::rendered(value, &items.trust))).collect()
}

/// The same as a layer, for what an include brings in.
pub fn item_layer(task: &Task, items: &Items, index: usize) -> Vars {
    let Some(over) = &task.loop_ else { return Vars::new() };
    let values = item_values(task, items, index);
    values
        .into_iter()
        // Nothing but the user's own words is a template.
        .map(|(name, value)| {
            let own = |text: &str| items.trust.holds(text) && !text.contains(['{', '}']);
            (name, Variable::from(node(&value, &over.over.span, &own)))
        })
        .collect()
}

/// A rendered value as if it were written at a place. Texts that are not the user's own words are never templates.
pub fn node(value: &Json, span: &Span, own: &dyn Fn(&str) -> bool) -> Node {
    let text = |text: &str| yaml::Value::String { text: text.to_owned(), unsafe_text: !own(text) };
    let value = match value {
        Json::Null => yaml::Value::Null,
        Json::Bool(flag) => yaml::Value::Bool(*flag),
        Json::Number(number) => match number.as_i64() {
            Some(whole) => yaml::Value::Int(whole),
            None => yaml::Value::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(found) => text(found),
        Json::Array(items) => yaml::Value::Seq(items.iter().map(|item| node(item, span, own)).collect()),
        Json::Object(map) => {
            let key = |name: &str| Node { value: text(name), span: span.clone() };
            yaml::Value::Map(map.iter().map(|(name, item)| (key(name), node(item, span, own))).collect())
        }
    };
    Node { value, span: span.clone() }
}

fn item_values(task: &Task, items: &Items, index: usize) -> IndexMap<String, Json> {
    let mut vars = IndexMap::new();
    let Some(over) = &task.loop_ else { return vars };
    let Some(item) = items.get(index) else { return vars };
    vars.insert(items.name.clone(), item.clone());
    vars.insert("ansible_loop_var".to_owned(), json!(items.name));
    if let Some(name) = over.control.index_var.as_ref().and_then(Node::as_str) {
        vars.insert(name.to_owned(), json!(index));
        vars.insert("ansible_index_var".to_owned(), json!(name));
    }
    if over.control.extended.as_ref().is_some_and(|n| truth(&n.to_json())) {
        let (count, last) = (items.len(), index + 1 == items.len());
        let mut extended = json!({
            "index": index + 1, "index0": index, "revindex": count - index, "revindex0": count - index - 1,
            "first": index == 0, "last": last, "length": count,
        });
        if over.control.extended_allitems.as_ref().is_none_or(|n| truth(&n.to_json())) {
            extended["allitems"] = json!(&items[..]);
        }
        if index > 0 {
            extended["previtem"] = items[index - 1].clone();
        }
        if !last {
            extended["nextitem"] = items[index + 1].clone();
        }
        vars.insert("ansible_loop".to_owned(), extended);
    }
    vars
}

/// The parameters of a module as rendered JSON, `omit`ted ones left out, `module_defaults` behind them; and whose words
/// those are that are evaluated again.
pub fn parameters(run: &Run, task: &Task, vars: &Context) -> Result<(Map<String, Json>, Trust), TaskError> {
    let (rendered, trust) = rendered(run, task, vars)?;
    let Action::Module { name, args, .. } = &task.action else { return Ok((rendered, trust)) };
    if !matches!(about(name).sets, Sets::Parameters | Sets::Host(_)) {
        return Ok((rendered, trust));
    }
    let decides: Vec<&String> =
        rendered.iter().filter(|(name, value)| connection::decides_here(name, value)).map(|(name, _)| name).collect();
    if !decides.is_empty() {
        let own = words(run, task, &vars.own_words());
        if let Some(name) = decides.into_iter().find(|name| own.get(*name) != rendered.get(*name)) {
            let place = args.iter().find(|(key, _)| key.as_str() == Some(name)).map(|(_, value)| &value.span);
            let error = connection::refused(name);
            return Err(match place {
                Some(place) => error.at(place),
                None => error,
            });
        }
    }
    Ok((rendered, trust))
}

/// A value for a message.
fn as_words(value: &Json) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The parameters as far as they can be rendered with these variables.
fn words(run: &Run, task: &Task, vars: &Context) -> Map<String, Json> {
    let mut all = Map::new();
    let Action::Module { args, template, .. } = &task.action else { return all };
    if let Some(Ok(Json::Object(given))) = template.as_ref().map(|node| run.engine.render_tree(node, vars)) {
        all.extend(given);
    }
    for (key, node) in args {
        if let (Ok(name), Ok(value)) = (run.engine.render_tree(key, vars), run.engine.render_tree(node, vars)) {
            all.insert(keyword::as_text(&name).unwrap_or_default(), value);
        }
    }
    all
}

/// The full name of a module that `module_defaults` names, or the group as it is.
fn full_name(key: String) -> String {
    Registry::get().find(&key).map_or(key, |entry| entry.name.to_owned())
}

/// What `module_defaults` has for a module: what its groups have, in their order, then what it has itself. Of levels that name the
/// same, the innermost alone counts.
fn defaults_of(run: &Run, task: &Task, module: &str, defaults: &Map<String, Json>) -> Map<String, Json> {
    let directory = task.scope.playbook_dir().unwrap_or(std::path::Path::new("."));
    let named = |key: &str| match key.strip_prefix("group/") {
        Some(group) => run.loader.in_group(group, module, directory),
        None => false,
    };
    let groups = defaults.iter().filter(|(key, _)| named(key)).map(|(_, value)| value);
    groups
        .chain(defaults.get(module))
        .filter_map(Json::as_object)
        .flatten()
        .map(|(k, v)| (k.clone(), v.clone()))
        .collect()
}

/// The error of a parameter that cannot be rendered.
fn of_option(error: TemplateError) -> TaskError {
    let undefined = error.is_undefined();
    let mut error = TaskError::from(error);
    if undefined {
        error.message.insert_str(0, IN_OPTION);
    }
    error
}

fn rendered(run: &Run, task: &Task, vars: &Context) -> Result<(Map<String, Json>, Trust), TaskError> {
    let Action::Module { name, args, free_form, template, .. } = &task.action else {
        return Ok((Map::new(), Trust::default()));
    };
    let mut trust = Trust::default();
    // What is an expression is evaluated once more after it is rendered.
    let evaluated = about(name).expressions.map(|expressions| expressions.parameter);
    let mut rendered = Map::new();
    let mut defaults = Map::new();
    for level in task.scope.module_defaults() {
        let all = match evaluated {
            Some(_) => run.engine.render_tree_noting(level, vars, &mut trust),
            None => run.engine.render_tree(level, vars),
        };
        if let Json::Object(all) = all.map_err(of_option)? {
            defaults.extend(all.into_iter().map(|(key, value)| (full_name(key), value)));
        }
    }
    rendered.extend(defaults_of(run, task, name, &defaults));
    let theirs = |module: &&'static str| {
        let theirs = defaults_of(run, task, &full_name((*module).to_owned()), &defaults);
        (!theirs.is_empty()).then(|| ((*module).to_owned(), Json::Object(theirs)))
    };
    let stood_for: Map<String, Json> = about(name).stands_for.iter().filter_map(theirs).collect();
    if !stood_for.is_empty() {
        rendered.insert(DEFAULTS.to_owned(), Json::Object(stood_for));
    }
    if let Some(template) = template {
        match run.engine.render_tree_noting(template, vars, &mut trust).map_err(of_option)? {
            Json::Object(given) => rendered.extend(given),
            other => {
                return Err(TaskError::new(format!("invalid or malformed argument: '{}'", as_words(&other)))
                    .at(&template.span)
                    .help(
                        "behind the name of a module stand `name=value` arguments, or a template that makes a mapping",
                    ));
            }
        }
    }
    for (key, node) in args {
        let mut name = key.key_text();
        let value = match evaluated.filter(|parameter| *parameter == name) {
            Some(_) => run.engine.render_tree_noting(node, vars, &mut trust),
            None => run.engine.render_tree(node, vars),
        };
        let value = value.map_err(|e| of_option(e).at(&node.span))?;
        if name.contains("{{") {
            let named = run.engine.render_tree(key, vars).map_err(|e| of_option(e).at(&key.span))?;
            name = super::keyword::as_text(&named).unwrap_or_default();
        }
        // As with Ansible what is omitted takes back what `module_defaults` has.
        match is_omit(&value) {
            true => drop(rendered.remove(&name)),
            false => drop(rendered.insert(name, value)),
        }
    }
    if let Some(text) = free_form {
        let parameter = Registry::get().find(name).and_then(|e| e.free_form).unwrap_or("_raw_params");
        let value = run.engine.render_tree(text, vars).map_err(of_option)?;
        rendered.insert(parameter.to_owned(), value);
    }
    Ok((rendered, trust))
}

/// Reads a module's rendered parameters; errors point at the parameter.
pub fn module(task: &Task, parameters: Map<String, Json>) -> Result<(Box<dyn Module>, String), TaskError> {
    let Action::Module { name, written, args, name_span, .. } = &task.action else {
        return Err(TaskError::new("this is no module"));
    };
    let entry = Registry::get()
        .find(name)
        .ok_or_else(|| TaskError::new(format!("there is no module `{written}`")).at(name_span))?;
    let parsed = entry.parse(parameters).map_err(|error| {
        let place = error.parameter.as_deref().and_then(|parameter| {
            let top = parameter.split(['.', '[']).next().unwrap_or(parameter);
            args.iter()
                .find(|(key, _)| key.as_str() == Some(top))
                .map(|(key, value)| if value.span.end > value.span.start { &value.span } else { &key.span })
        });
        let message = match &error.parameter {
            Some(parameter) if !error.named => format!("{parameter}: {}", error.message),
            _ => error.message.clone(),
        };
        let result = error.rc.iter().map(|rc| ("rc".to_owned(), Json::from(*rc))).collect();
        TaskError {
            help: error.help,
            result,
            of_module: true,
            ..TaskError::new(message).at(place.unwrap_or(name_span))
        }
    });
    Ok((parsed?, entry.name.to_owned()))
}

/// `environment`: variables by name.
fn environment(run: &Run, task: &Task, vars: &Context) -> Result<IndexMap<String, String>, TaskError> {
    let mut all: IndexMap<String, String> = IndexMap::new();
    for node in task.scope.environments() {
        let rendered = match run.engine.render_tree(node, vars) {
            Ok(rendered) => rendered,
            Err(error) if of_facts_to_come(task, &error) => known_environment(run, node, vars),
            Err(error) => return Err(TaskError::from(error)),
        };
        let parts = match rendered {
            Json::Array(parts) => parts,
            other => vec![other],
        };
        for part in parts {
            match part {
                Json::Object(map) => {
                    for (name, value) in map {
                        let fits = !name.is_empty() && !name.starts_with(|c: char| c.is_ascii_digit());
                        if !fits || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
                            return Err(TaskError::new(format!("environment: `{name}` is no name of a variable"))
                                .at(&node.span));
                        }
                        let text = match value {
                            Json::Bool(true) => "True".to_owned(),
                            Json::Bool(false) => "False".to_owned(),
                            Json::Null => "None".to_owned(),
                            value => keyword::as_text(&value).unwrap_or_default(),
                        };
                        all.insert(name, text);
                    }
                }
                Json::Null => {}
                Json::String(s) if s.is_empty() => {}
                other => {
                    return Err(
                        TaskError::new(format!("environment must be a mapping, this is {other}")).at(&node.span)
                    );
                }
            }
        }
    }
    Ok(all)
}

/// Lines of shell that export variables.
fn exports(variables: &IndexMap<String, String>) -> String {
    variables.iter().map(|(name, value)| format!("export {name}={}\n", crate::sh::quote(value))).collect()
}

/// Whether an environment is made of the facts that this very task is to gather.
fn of_facts_to_come(task: &Task, error: &TemplateError) -> bool {
    let Action::Module { name, .. } = &task.action else { return false };
    let gathers = about(name).sets == Sets::AllFacts;
    gathers
        && error.is_undefined()
        && ["ansible_env", "ansible_facts"].iter().any(|name| error.to_string().contains(name))
}

/// The part of an environment that is known without facts.
fn known_environment(run: &Run, node: &Node, vars: &Context) -> Json {
    let mut known = Map::new();
    for (key, value) in node.as_map().unwrap_or_default() {
        if let Ok(value) = run.engine.render_tree(value, vars) {
            known.insert(key.key_text(), value);
        }
    }
    Json::Object(known)
}

/// Makes one item of a task ready on a machine; `brought` are the variables of the includes that it stands in.
pub fn prepare(of: &PlayHost, brought: &Brought, task: &Arc<Task>, vars: &Context) -> Result<Readiness, TaskError> {
    let (run, scope) = (&of.run, &task.scope);
    // As with Ansible it is asked before the conditions whether there is a host at all.
    let named = delegate(run, scope, vars);
    if let Err(error) = &named
        && error.message == EMPTY
    {
        return Err(error.clone());
    }
    if let Some(condition) = conditions(run, task, vars)? {
        return Ok(Readiness::Skip(condition));
    }
    let (parameters, trust) = parameters(run, task, vars)?;
    let (module, name) = module(task, parameters)?;
    let delegate = named?;
    let (on, reached) = match &delegate {
        None => (of.host.name.clone(), vars.clone()),
        Some(name) => delegated(of, name, task, brought, vars)?,
    };
    let (machine, login) = run.reach(&on, scope, vars, &reached)?;
    let actor = keyword::actor(run, scope, (vars, &on, &reached), login.as_deref())?;
    let user = actor.as_ref().map(|b| b.user.clone()).or(login).unwrap_or_default();
    let check = keyword::flag(run, scope, vars, |k| k.check_mode.as_ref())?.unwrap_or(run.options.check);
    let diff = keyword::flag(run, scope, vars, |k| k.diff.as_ref())?.unwrap_or(run.options.diff);
    let no_log = keyword::flag(run, scope, vars, |k| k.no_log.as_ref())?.unwrap_or(run.options.no_log);
    let facts_too = keyword::flag(run, scope, vars, |k| k.delegate_facts.as_ref())?.unwrap_or(false);
    let controller = TaskController::new(run.clone(), scope.clone(), vars.clone(), trust);
    let variables = environment(run, task, vars)?;
    let about_module = about(&name);
    let interpreter = match about_module.interpreted {
        true => connection::interpreter(run, &on, &reached, machine.is_local(), &variables)?,
        false => Interpreter::default(),
    };
    let folder = machine.is_local().then(|| std::env::current_dir().ok()).flatten();
    Ok(Readiness::Ready(Box::new(Prepared {
        about_module,
        module,
        name,
        machine,
        actor,
        user,
        folder: folder.map(|folder| folder.display().to_string()),
        about: delegate.filter(|_| facts_too),
        check,
        diff,
        no_log,
        environment: exports(&variables),
        variables,
        interpreter,
        controller,
    })))
}

/// What is wrong where `delegate_to` comes to nothing.
const EMPTY: &str = "delegate_to: the name of the host is empty";

/// The name that `delegate_to` gives; none where it is left out.
///
/// # Errors
/// An empty one: the task is for another host than its own, whatever that was to be.
fn delegate(run: &Run, scope: &Scope, vars: &Context) -> Result<Option<String>, TaskError> {
    let Some(value) = keyword::value(run, scope, vars, |k| k.delegate_to.as_ref())? else { return Ok(None) };
    match keyword::as_text(&value).filter(|name| !name.trim().is_empty()) {
        Some(name) => Ok(Some(name)),
        None if value.is_null() => Ok(None),
        None => Err(TaskError::new(EMPTY).help("name a host, or say `omit`")),
    }
}

/// The host that `delegate_to` names, and the variables by which it is reached: its own and those of the task's place. What is
/// known of the task's host alone does not count.
fn delegated(
    of: &PlayHost,
    name: &str,
    task: &Arc<Task>,
    brought: &Brought,
    vars: &Context,
) -> Result<(String, Context), TaskError> {
    let host = match of.run.hosts.get(name).or_else(|| of.run.hosts.at(name)) {
        Some(host) => host,
        None => {
            host_name(name).map_err(|fault| TaskError::new(format!("delegate_to: {fault}")))?;
            let extra = Layer { level: Level::ExtraVars, vars: Arc::new(of.run.options.extra_vars.clone()) };
            Arc::new(Host::new(name, Layers::new([extra]), None))
        }
    };
    let own = TaskVars::of_delegate(&of.run, &of.batch, &host, &task.scope, brought, &of.host.name);
    let mut item = IndexMap::new();
    for name in item_names(task) {
        if let Some(value) = vars.variable(&name).map_err(TaskError::from)? {
            item.insert(name, Var::data(&value));
        }
    }
    Ok((host.name.clone(), if item.is_empty() { own } else { own.with(item) }))
}

/// `ansible_delegated_vars` where a task reads it: how the host is reached that acts in the place of its own.
pub fn delegated_vars(of: &PlayHost, task: &Arc<Task>, vars: &Context) -> Option<Context> {
    const NAME: &str = "ansible_delegated_vars";
    if !of.run.features_of(task).references.names.contains(NAME) {
        return None;
    }
    let name = delegate(&of.run, &task.scope, vars).ok().flatten()?;
    let host = of.run.hosts.get(&name).or_else(|| of.run.hosts.at(&name));
    let own = host.as_ref().map_or(name.as_str(), |host| host.name.as_str());
    let mut known =
        Map::from_iter([("inventory_hostname".to_owned(), json!(own)), ("ansible_host".to_owned(), json!(name))]);
    let layers = host.as_ref().map(|host| host.layers());
    for variable in ["ansible_host", "ansible_port", "ansible_user", "ansible_connection"] {
        if let Some(found) = layers.as_ref().and_then(|layers| layers.get(variable)) {
            known.insert(variable.to_owned(), found.value.to_json());
        }
    }
    let value = json!({ name: known });
    Some(vars.with(IndexMap::from_iter([(NAME.to_owned(), Var::data(&value))])))
}

/// The names of the variables that a loop sets for each item.
fn item_names(task: &Task) -> Vec<String> {
    let Some(over) = &task.loop_ else { return Vec::new() };
    let index = over.control.index_var.as_ref().and_then(Node::as_str).map(str::to_owned);
    let fixed = [over.control.item_name(), "ansible_loop", "ansible_loop_var", "ansible_index_var"];
    fixed.into_iter().map(str::to_owned).chain(index).collect()
}

/// What a module sees while it plans.
pub fn context<'a>(prepared: &'a Prepared, host: &'a str) -> ModuleContext<'a> {
    ModuleContext {
        check: prepared.check,
        diff: prepared.diff,
        no_log: prepared.no_log,
        user: &prepared.user,
        host,
        folder: prepared.folder.as_deref(),
        environment: &prepared.environment,
        controller: &prepared.controller,
    }
}
