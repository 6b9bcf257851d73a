//! Macros that take more than the arguments they name: `varargs` and `kwargs`.

use std::sync::Arc;

use indexmap::IndexMap;
use minijinja::value::{Kwargs, Object, ObjectRepr, Tuple};
use minijinja::{Environment, Error, State, Value};

pub(super) fn register(env: &mut Environment<'static>) {
    env.add_function("__macro", |inner: Value, names: String, used: String| {
        let names = names.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect();
        let uses = |name: &str| used.split(',').any(|known| known == name);
        Value::from_object(OpenMacro { inner, names, varargs: uses("varargs"), kwargs: uses("kwargs") })
    });
}

/// A macro, the names of its arguments, and which of the two it reads.
#[derive(Debug)]
struct OpenMacro {
    inner: Value,
    names: Vec<String>,
    varargs: bool,
    kwargs: bool,
}

impl Object for OpenMacro {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.inner.get_item(key).ok().filter(|value| !value.is_undefined())
    }

    fn call(self: &Arc<Self>, state: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
        let (mut given, mut named) = (Vec::new(), Vec::new());
        for value in args {
            match value.is_kwargs() {
                true => {
                    let kwargs = Kwargs::try_from(value.clone())?;
                    for name in kwargs.args() {
                        named.push((name.to_owned(), kwargs.peek::<Value>(name)?));
                    }
                }
                false => given.push(value.clone()),
            }
        }
        let more = match self.varargs && given.len() > self.names.len() {
            true => given.split_off(self.names.len()),
            false => Vec::new(),
        };
        let mut own: Vec<(String, Value)> = Vec::new();
        let mut others: IndexMap<String, Value> = IndexMap::new();
        for (name, value) in named {
            if self.kwargs && name != "caller" && !self.names.contains(&name) {
                others.insert(name, value);
            } else {
                own.push((name, value));
            }
        }
        if self.varargs {
            own.push(("varargs".to_owned(), Value::from(Tuple::new(more))));
        }
        if self.kwargs {
            own.push((
                "kwargs".to_owned(),
                Value::from_pairs(others.into_iter().map(|(name, value)| (Value::from(name), value))),
            ));
        }
        given.push(Value::from(own.into_iter().collect::<Kwargs>()));
        self.inner.call(state, &given)
    }
}
