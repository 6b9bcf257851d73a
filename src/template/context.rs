//! The variables of one host at one moment, rendered when they are read.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use indexmap::IndexMap;
use minijinja::Value;
use minijinja::value::{Enumerator, Object, ObjectRepr};

use super::engine::Engine;
use super::error::{Kind, TemplateError, carry, decrypted};
use super::function::local::Local;
use super::lazy::{LazyMap, LazySeq};
use super::raw::{Piece, Raw, Var, is_template};
use super::trust::trusted;

/// How many variables may lead to one another before it is called a mistake.
const MAX_DEPTH: usize = 40;

/// How many template files may lead to one another by lookups: each takes much of the stack.
const MAX_FILES: usize = 12;

/// The name under which functions find the context again; no template can spell it.
pub(crate) const SELF: &str = "\u{0}context";

/// Variables by name, the precedence among their places already decided.
pub trait Vars: Send + Sync {
    /// The variable of a name. Called once per name and context.
    fn get(&self, name: &str) -> Option<Var>;

    /// All names, for suggestions and for `varnames`.
    fn names(&self) -> Vec<String>;

    /// Which of these names are those of variables, in their order.
    fn among(&self, names: &[&'static str]) -> Vec<&'static str> {
        names.iter().copied().filter(|name| self.get(name).is_some()).collect()
    }

    /// The variable of a name, if it is the user's own words and no data.
    fn own(&self, name: &str) -> Option<Var> {
        self.get(name).filter(Var::is_own)
    }

    /// What [`Vars::object`] gives, with nothing but the user's own words in it.
    fn own_object(&self, name: &str) -> Option<Value> {
        self.object(name)
    }

    /// A special name (`hostvars`, `groups`): an object of the caller's, asked for at each use and never remembered.
    fn object(&self, name: &str) -> Option<Value> {
        let _ = name;
        None
    }
}

impl Vars for IndexMap<String, Var> {
    fn get(&self, name: &str) -> Option<Var> {
        IndexMap::get(self, name).cloned()
    }

    fn names(&self) -> Vec<String> {
        self.keys().cloned().collect()
    }
}

/// Variables before others of the same name: task variables, the loop item.
struct Overlay {
    top: IndexMap<String, Var>,
    base: Arc<dyn Vars>,
}

impl Vars for Overlay {
    fn get(&self, name: &str) -> Option<Var> {
        self.top.get(name).cloned().or_else(|| self.base.get(name))
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.top.keys().cloned().collect();
        names.extend(self.base.names().into_iter().filter(|n| !self.top.contains_key(n)));
        names
    }

    fn among(&self, names: &[&'static str]) -> Vec<&'static str> {
        let below = self.base.among(names);
        names.iter().copied().filter(|name| self.top.contains_key(*name) || below.contains(name)).collect()
    }

    fn object(&self, name: &str) -> Option<Value> {
        if self.top.contains_key(name) { None } else { self.base.object(name) }
    }

    fn own(&self, name: &str) -> Option<Var> {
        match self.top.get(name) {
            Some(var) => Some(var.clone()).filter(Var::is_own),
            None => self.base.own(name),
        }
    }

    fn own_object(&self, name: &str) -> Option<Value> {
        if self.top.contains_key(name) { None } else { self.base.own_object(name) }
    }
}

/// Variables without those that are data: what a template comes to by the user's own words.
struct Own(Arc<dyn Vars>);

impl Vars for Own {
    fn get(&self, name: &str) -> Option<Var> {
        self.0.own(name)
    }

    fn names(&self) -> Vec<String> {
        self.0.names()
    }

    fn object(&self, name: &str) -> Option<Value> {
        self.0.own_object(name)
    }

    fn among(&self, names: &[&'static str]) -> Vec<&'static str> {
        self.0.among(names)
    }
}

/// The variables of one host at one moment. Cloning is cheap and shares what was rendered already.
#[derive(Clone)]
pub struct Context {
    pub(crate) inner: Arc<Inner>,
    _end: Arc<End>,
}

pub(crate) struct Inner {
    pub engine: Engine,
    pub vars: Arc<dyn Vars>,
    pub local: Arc<dyn Local>,
    memo: Mutex<Memo>,
    closed: AtomicBool,
}

#[derive(Default)]
struct Memo {
    names: HashMap<String, Value>,
    pieces: HashMap<usize, (Arc<Piece>, Value)>,
    /// What failed while an outer template is being rendered: the engine asks again to describe an error.
    failures: HashMap<usize, (Arc<Piece>, TemplateError)>,
    /// Why a value that exists came out undefined, by its last name.
    causes: HashMap<String, TemplateError>,
}

/// Values remembered may hold the context itself; forgetting them with the last handle lets all of it go.
struct End(Arc<Inner>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.closed.store(true, Ordering::Relaxed);
        let forgotten = std::mem::take(&mut *self.0.memo());
        drop(forgotten);
    }
}

/// A template that is being rendered.
struct Rendering {
    /// The name it is known by.
    name: String,
    /// The variables' context and the text; none for a template file.
    piece: Option<(usize, Arc<Piece>)>,
}

impl Rendering {
    /// Whether it is this text of these variables. A source may make the text anew each time that it is asked.
    fn is(&self, context: usize, piece: &Arc<Piece>, name: &str) -> bool {
        self.piece.as_ref().is_some_and(|(of, known)| {
            let place = |piece: &Piece| piece.span.as_ref().map(|span| span.place().to_string());
            let alike = || self.name == name && known.text == piece.text && place(known) == place(piece);
            *of == context && (Arc::ptr_eq(known, piece) || alike())
        })
    }
}

thread_local! {
    /// The templates being rendered by this thread, outermost first.
    static RENDERING: RefCell<Vec<Rendering>> = const { RefCell::new(Vec::new()) };
}

impl Context {
    /// Variables to be rendered by an engine; lookups read through `local`.
    pub fn new(engine: &Engine, vars: Arc<dyn Vars>, local: Arc<dyn Local>) -> Context {
        let inner = Arc::new(Inner {
            engine: engine.clone(),
            vars,
            local,
            memo: Mutex::default(),
            closed: AtomicBool::new(false),
        });
        Context { _end: Arc::new(End(inner.clone())), inner }
    }

    /// The same variables with some in front of them.
    #[must_use]
    pub fn with(&self, top: IndexMap<String, Var>) -> Context {
        let vars = Arc::new(Overlay { top, base: self.inner.vars.clone() });
        Context::new(&self.inner.engine, vars, self.inner.local.clone())
    }

    /// The same variables without those that are data. What renders alike with both was not chosen by a host.
    #[must_use]
    pub fn own_words(&self) -> Context {
        let vars = Arc::new(Own(self.inner.vars.clone()));
        Context::new(&self.inner.engine, vars, self.inner.local.clone())
    }

    /// All names there are.
    pub fn names(&self) -> Vec<String> {
        self.inner.vars.names()
    }

    /// The variables as an object, as `hostvars[HOST]` shows them.
    pub fn as_value(&self) -> Value {
        Value::from_object(All(self.inner.clone()))
    }

    /// Which of these names are those of variables, in their order.
    pub fn among(&self, names: &[&'static str]) -> Vec<&'static str> {
        self.inner.vars.among(names)
    }

    /// The rendered value of one variable, or none if there is no such variable.
    pub fn variable(&self, name: &str) -> Result<Option<serde_json::Value>, TemplateError> {
        let Some(value) = self.inner.lookup(name) else {
            return self.inner.cause(name).map_or(Ok(None), Err);
        };
        let unit = super::engine::Unit::plain(name, None);
        super::value::to_json(&value).map(Some).map_err(|e| super::explain::explain(&e, &unit, &self.inner))
    }
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Context")
    }
}

impl Inner {
    fn memo(&self) -> MutexGuard<'_, Memo> {
        self.memo.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remembers(&self) -> bool {
        !self.closed.load(Ordering::Relaxed)
    }

    /// Why a value that exists came out undefined.
    pub(crate) fn cause(&self, last_name: &str) -> Option<TemplateError> {
        self.memo().causes.get(last_name).cloned()
    }

    /// The rendered value of a name; an engine error is handed out as an invalid value.
    pub(crate) fn lookup(self: &Arc<Self>, name: &str) -> Option<Value> {
        if let Some(known) = self.memo().names.get(name) {
            return Some(known.clone());
        }
        if let Some(object) = self.vars.object(name) {
            return Some(object);
        }
        let Some(Var(raw)) = self.vars.get(name) else {
            return (name == "vars").then(|| Value::from_object(All(self.clone())));
        };
        let value = self.resolve(&raw, name)?;
        if self.remembers() && !matches!(value.kind(), minijinja::value::ValueKind::Invalid) {
            self.memo().names.insert(name.to_owned(), value.clone());
        }
        Some(value)
    }

    /// The value of a variable or of a part of one; none if it comes out undefined.
    pub(crate) fn resolve(self: &Arc<Self>, raw: &Raw, name: &str) -> Option<Value> {
        match raw {
            Raw::Plain(value) => Some(value.clone()),
            Raw::Seq(items) => Some(Value::from_object(LazySeq { items: items.clone(), context: self.clone() })),
            Raw::Map(entries) => Some(Value::from_object(LazyMap { entries: entries.clone(), context: self.clone() })),
            Raw::Encrypted(sealed) => Some(match decrypted(&sealed.text, name, &sealed.span) {
                // What was encrypted is never a template.
                Ok(text) if is_template(&text) => Value::from(text),
                Ok(text) => trusted(&text),
                Err(error) => Value::from(carry(error)),
            }),
            Raw::Template(piece) => match self.render(piece, name) {
                Ok(value) => Some(value),
                Err(error) if error.is_undefined() => {
                    self.memo().causes.insert(name.to_owned(), error);
                    None
                }
                Err(error) => Some(Value::from(carry(error))),
            },
        }
    }

    fn render(self: &Arc<Self>, piece: &Arc<Piece>, name: &str) -> Result<Value, TemplateError> {
        let key = Arc::as_ptr(piece) as usize;
        if let Some((_, value)) = self.memo().pieces.get(&key) {
            return Ok(value.clone());
        }
        if let Some((_, error)) = self.memo().failures.get(&key) {
            return Err(error.clone());
        }
        enter(Arc::as_ptr(self) as usize, piece, name).map_err(|error| error.at(piece.span.clone()))?;
        let result = self.engine.render_value(&piece.text, piece.span.as_ref(), self);
        let outermost = RENDERING.with_borrow_mut(|stack| {
            stack.pop();
            stack.is_empty()
        });
        let result = result.map_err(|error| error.through(format!("in the value of `{name}`")));
        let mut memo = self.memo();
        if outermost {
            memo.failures.clear();
        }
        match &result {
            Ok(value) if self.remembers() => {
                memo.pieces.insert(key, (piece.clone(), value.clone()));
            }
            Err(error) if !outermost => {
                memo.failures.insert(key, (piece.clone(), error.clone()));
            }
            _ => {}
        }
        drop(memo);
        result
    }
}

/// Notes that a template is being rendered, or says that it already is.
fn enter(context: usize, piece: &Arc<Piece>, name: &str) -> Result<(), TemplateError> {
    RENDERING.with_borrow_mut(|stack| {
        if let Some(at) = stack.iter().position(|r| r.is(context, piece, name)) {
            let mut chain: Vec<&str> = stack.iter().skip(at).map(|r| r.name.as_str()).collect();
            chain.push(name);
            return Err(TemplateError::new(Kind::Loop(chain.join(" -> ")), None)
                .with_help("break the loop: no variable can be made from itself"));
        }
        if stack.len() >= MAX_DEPTH {
            let first = stack.first().map_or("", |r| r.name.as_str());
            let message = format!("the value of `{first}` leads through more than {MAX_DEPTH} other variables");
            return Err(TemplateError::new(Kind::Failed(message), None));
        }
        stack.push(Rendering { name: name.to_owned(), piece: Some((context, piece.clone())) });
        Ok(())
    })
}

/// A template file being rendered by this thread, until it is dropped.
pub(crate) struct InsideFile;

impl Drop for InsideFile {
    fn drop(&mut self) {
        RENDERING.with_borrow_mut(|stack| stack.pop());
    }
}

/// Notes that a template file is being rendered. A file may lead to itself, but not for ever.
pub(crate) fn inside_file(name: &str) -> Result<InsideFile, TemplateError> {
    RENDERING.with_borrow_mut(|stack| {
        let files = stack.iter().filter(|r| r.piece.is_none()).count();
        if files >= MAX_FILES || stack.len() >= MAX_DEPTH {
            let message =
                format!("template files lead through more than {MAX_FILES} others, `{name}` the last of them");
            return Err(
                TemplateError::new(Kind::Failed(message), None).with_help("a template that looks itself up must end")
            );
        }
        stack.push(Rendering { name: name.to_owned(), piece: None });
        Ok(InsideFile)
    })
}

/// The root object of a template: names lead to variables.
#[derive(Clone)]
pub(crate) struct Root(pub Arc<Inner>);

impl std::fmt::Debug for Root {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("variables")
    }
}

impl Object for Root {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        if key == SELF {
            return Some(Value::from_dyn_object(self.clone()));
        }
        self.0.lookup(key)
    }
}

/// All variables as a mapping: `vars` and `hostvars[HOST]`.
pub(crate) struct All(pub Arc<Inner>);

impl std::fmt::Debug for All {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("variables")
    }
}

impl Object for All {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Map
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.0.lookup(key.as_str()?)
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        let names: BTreeSet<String> = self.0.vars.names().into_iter().collect();
        Enumerator::Values(names.into_iter().map(Value::from).collect())
    }
}

/// Whether a value is variables by name: those of a host, or hosts with theirs.
pub(crate) fn is_variables(value: &Value) -> bool {
    value.downcast_object_ref::<All>().is_some() || value.downcast_object_ref::<HostVars>().is_some()
}

/// Reads a host's variables for `hostvars[HOST]`.
type HostContext = dyn Fn(&str) -> Option<Context> + Send + Sync;

/// `hostvars`: hosts by name, each with its own rendered variables.
pub struct HostVars {
    hosts: Vec<String>,
    context: Box<HostContext>,
}

impl HostVars {
    /// An object for `Vars::object("hostvars")`; `context` gives the variables of a host.
    pub fn value(hosts: Vec<String>, context: impl Fn(&str) -> Option<Context> + Send + Sync + 'static) -> Value {
        Value::from_object(HostVars { hosts, context: Box::new(context) })
    }
}

impl std::fmt::Debug for HostVars {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("hostvars")
    }
}

impl Object for HostVars {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        (self.context)(key.as_str()?).map(|context| context.as_value())
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.hosts.iter().map(Value::from).collect())
    }
}
