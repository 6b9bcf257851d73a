//! The arguments of a filter, test, function or lookup: by position, then by name.

use minijinja::value::{Kwargs, Rest, Value, ValueKind, ValueOrKwargs};
use minijinja::{Error, State};

use crate::python::number;

use super::error::failed;
use super::value::{boolean_text, check, describe, items, string};

/// What a call was given. Each parameter is taken once, in the order of Ansible's signature.
pub(crate) struct Args {
    what: &'static str,
    positional: std::collections::VecDeque<Value>,
    named: Vec<(String, Value)>,
}

impl Args {
    pub(crate) fn new(what: &'static str, values: Rest<ValueOrKwargs>) -> Result<Args, Error> {
        let mut args = Args { what, positional: Default::default(), named: Vec::new() };
        for value in values.0 {
            let value = value.into_value();
            if value.is_kwargs() {
                let kwargs = Kwargs::try_from(value)?;
                for name in kwargs.args() {
                    let value = kwargs.peek::<Value>(name)?;
                    args.named.push((name.to_owned(), value));
                }
            } else {
                args.positional.push_back(value);
            }
        }
        Ok(args)
    }

    /// The first argument that is undefined or an error.
    pub(crate) fn missing(&self) -> Option<&Value> {
        self.positional.iter().chain(self.named.iter().map(|(_, v)| v)).find(|v| check(v).is_err())
    }

    /// Puts a value before all others.
    pub(crate) fn put_first(&mut self, value: Value) {
        self.positional.push_front(value);
    }

    /// A parameter as it is.
    pub(crate) fn next(&mut self, name: &str) -> Option<Value> {
        if let Some(value) = self.positional.pop_front() {
            return Some(value);
        }
        self.named(name)
    }

    /// A parameter that is given by name alone.
    pub(crate) fn named(&mut self, name: &str) -> Option<Value> {
        let at = self.named.iter().position(|(n, _)| n == name)?;
        Some(self.named.swap_remove(at).1)
    }

    /// A parameter that must be there.
    pub(crate) fn value(&mut self, name: &str) -> Result<Value, Error> {
        self.next(name).ok_or_else(|| failed(format!("{} needs the argument `{name}`", self.what)))
    }

    /// A parameter that may be left out or none.
    pub(crate) fn some(&mut self, name: &str) -> Option<Value> {
        self.next(name).filter(|v| !v.is_none())
    }

    pub(crate) fn text(&mut self, name: &str) -> Result<String, Error> {
        string(&self.value(name)?)
    }

    pub(crate) fn opt_text(&mut self, name: &str) -> Result<Option<String>, Error> {
        self.some(name).map(|v| string(&v)).transpose()
    }

    pub(crate) fn text_or(&mut self, name: &str, default: &str) -> Result<String, Error> {
        Ok(self.opt_text(name)?.unwrap_or_else(|| default.to_owned()))
    }

    pub(crate) fn flag(&mut self, name: &str, default: bool) -> Result<bool, Error> {
        let Some(value) = self.some(name) else { return Ok(default) };
        check(&value)?;
        Ok(value.as_str().and_then(boolean_text).unwrap_or_else(|| value.is_true()))
    }

    /// A truth value that is given by name alone.
    pub(crate) fn flag_named(&mut self, name: &str, default: bool) -> bool {
        self.named(name).map_or(default, |v| v.as_str().and_then(boolean_text).unwrap_or_else(|| v.is_true()))
    }

    pub(crate) fn opt_int(&mut self, name: &str) -> Result<Option<i64>, Error> {
        let Some(value) = self.some(name) else { return Ok(None) };
        let number = match value.kind() {
            ValueKind::String => value.as_str().and_then(|s| number::int(s, 10)).and_then(|n| i64::try_from(n).ok()),
            _ => value.as_i64(),
        };
        match number {
            Some(n) => Ok(Some(n)),
            None => Err(failed(format!("{}: `{name}` must be a whole number, not {}", self.what, describe(&value)))),
        }
    }

    pub(crate) fn int(&mut self, name: &str, default: i64) -> Result<i64, Error> {
        Ok(self.opt_int(name)?.unwrap_or(default))
    }

    pub(crate) fn count(&mut self, name: &str, default: usize) -> Result<usize, Error> {
        let number = self.int(name, i64::try_from(default).unwrap_or(i64::MAX))?;
        usize::try_from(number).map_err(|_| failed(format!("{}: `{name}` must not be negative", self.what)))
    }

    pub(crate) fn list(&mut self, name: &str) -> Result<Vec<Value>, Error> {
        items(&self.value(name)?)
    }

    /// Whether there are positional arguments.
    pub(crate) fn positional(&self) -> bool {
        !self.positional.is_empty()
    }

    /// All positional arguments that are left.
    pub(crate) fn rest(&mut self) -> Vec<Value> {
        self.positional.drain(..).collect()
    }

    /// All named arguments that are left.
    pub(crate) fn rest_named(&mut self) -> Vec<(String, Value)> {
        std::mem::take(&mut self.named)
    }

    /// Everything left, as another call's arguments.
    pub(crate) fn forward(&mut self) -> Vec<Value> {
        let mut values = self.rest();
        if !self.named.is_empty() {
            values.push(Value::from(self.rest_named().into_iter().collect::<Kwargs>()));
        }
        values
    }

    /// Refuses what nobody asked for.
    pub(crate) fn finish(&self) -> Result<(), Error> {
        if let Some((name, _)) = self.named.first() {
            return Err(failed(format!("{} has no argument `{name}`", self.what)));
        }
        if !self.positional.is_empty() {
            return Err(failed(format!("{} was given too many arguments", self.what)));
        }
        Ok(())
    }

    /// An error about the call.
    pub(crate) fn wrong(&self, message: impl std::fmt::Display) -> Error {
        failed(format!("{}: {message}", self.what))
    }
}

/// A filter: gets the value before the bar and the arguments.
pub(crate) type Filter = fn(&mut State, &Value, &mut Args) -> Result<Value, Error>;
