//! Lists and mappings that a template changes with `append` and `update`, and operators said as functions.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use indexmap::IndexMap;
use minijinja::value::{Enumerator, Object, ObjectRepr, ValueKind};
use minijinja::{Environment, Error, ErrorKind, State, Value};

use crate::template::bound;
use crate::template::error::failed;
use crate::template::filter;
use crate::template::value::{check, describe, items, pairs};

pub(super) fn register(env: &mut Environment<'static>) {
    env.add_function("__list", |value: &Value| -> Result<Value, Error> {
        Ok(Value::from_object(List(Mutex::new(value.try_iter()?.collect()))))
    });
    env.add_function("__dict", |value: &Value| -> Result<Value, Error> {
        Ok(Value::from_object(Dict(Mutex::new(pairs(value)?.into_iter().collect()))))
    });
    env.add_function("__percent", |left: &Value, right: &Value| percent(left, right));
    env.add_function("__minus", minus);
    env.add_function("__fits", |value: Value| bound::checked("what is put together", value));
}

/// `left % right`: a text is formatted, numbers leave a remainder with the sign of the divisor.
pub(crate) fn percent(left: &Value, right: &Value) -> Result<Value, Error> {
    check(left)?;
    check(right)?;
    if let Some(text) = left.as_str() {
        return filter::percent(text, right);
    }
    let whole = |v: &Value| i128::try_from(v.clone()).ok().filter(|_| v.is_integer() || v.kind() == ValueKind::Bool);
    match (whole(left), whole(right)) {
        (Some(_), Some(0)) => Err(failed("cannot divide by 0")),
        (Some(a), Some(b)) => {
            let rest = a.checked_rem(b).unwrap_or(0);
            let rest = if rest != 0 && (rest < 0) != (b < 0) { rest + b } else { rest };
            Ok(i64::try_from(rest).map_or_else(|_| Value::from(rest), Value::from))
        }
        _ => match (f64::try_from(left.clone()), f64::try_from(right.clone())) {
            (Ok(_), Ok(0.0)) => Err(failed("cannot divide by 0")),
            (Ok(a), Ok(b)) => Ok(Value::from(a - b * (a / b).floor())),
            _ => Err(failed(format!("{} % {} is not possible", describe(left), describe(right)))),
        },
    }
}

/// `left - right`: numbers and moments.
fn minus(left: &Value, right: &Value) -> Result<Value, Error> {
    check(left)?;
    check(right)?;
    if let Some(span) = filter::minus(left, right) {
        return Ok(span);
    }
    let whole = |v: &Value| i128::try_from(v.clone()).ok().filter(|_| v.is_integer() || v.kind() == ValueKind::Bool);
    if let (Some(a), Some(b)) = (whole(left), whole(right)) {
        let difference = a.checked_sub(b).ok_or_else(|| failed("the difference is too large"))?;
        return Ok(i64::try_from(difference).map_or_else(|_| Value::from(difference), Value::from));
    }
    match (f64::try_from(left.clone()), f64::try_from(right.clone())) {
        (Ok(a), Ok(b)) => Ok(Value::from(a - b)),
        _ => Err(failed(format!("{} - {} is not possible", describe(left), describe(right)))),
    }
}

/// A list that can grow.
#[derive(Debug)]
pub(super) struct List(Mutex<Vec<Value>>);

impl List {
    fn lock(&self) -> MutexGuard<'_, Vec<Value>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps a collection out of itself: it could never be printed.
fn outside(this: *const (), value: &Value) -> Result<(), Error> {
    let same = value.downcast_object_ref::<List>().is_some_and(|l| std::ptr::from_ref(l).cast::<()>() == this)
        || value.downcast_object_ref::<Dict>().is_some_and(|d| std::ptr::from_ref(d).cast::<()>() == this);
    if same { Err(failed("a collection cannot be put into itself")) } else { check(value) }
}

/// A copy in which nothing can change any more what is put into another collection.
fn frozen(this: *const (), value: &Value, depth: usize) -> Result<Value, Error> {
    outside(this, value)?;
    if depth > 50 {
        return Err(failed("the collection is nested too deeply"));
    }
    if let Some(list) = value.downcast_object_ref::<List>() {
        let copy = list.lock().clone();
        copy.iter().try_for_each(|v| frozen(this, v, depth + 1).map(|_| ()))?;
    }
    Ok(value.clone())
}

impl Object for List {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.lock().get(key.as_usize()?).cloned()
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.lock().clone())
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        Some(self.lock().len())
    }

    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, method: &str, args: &[Value]) -> Result<Value, Error> {
        let this = Arc::as_ptr(self).cast::<()>();
        let first = args.first();
        let need = || first.ok_or_else(|| failed(format!("{method}: an argument is missing")));
        let none = || Ok(Value::from(()));
        match method {
            "append" | "add" => {
                let value = frozen(this, need()?, 0)?;
                self.lock().push(value);
                none()
            }
            "extend" => {
                let more = items(need()?)?;
                bound::items("extend", Some(self.lock().len() + more.len()))?;
                self.lock().extend(more);
                none()
            }
            "insert" => {
                let value = frozen(this, args.get(1).ok_or_else(|| failed("insert: an argument is missing"))?, 0)?;
                let mut list = self.lock();
                let at = position(need()?, list.len()).min(list.len());
                list.insert(at, value);
                none()
            }
            "pop" => {
                let mut list = self.lock();
                let at = first.map_or(list.len().saturating_sub(1), |v| position(v, list.len()));
                if at < list.len() { Ok(list.remove(at)) } else { Err(failed("pop: there is no such item")) }
            }
            "remove" => {
                let wanted = need()?.clone();
                let mut list = self.lock();
                match list.iter().position(|v| *v == wanted) {
                    Some(at) => {
                        list.remove(at);
                        none()
                    }
                    None => Err(failed(format!("remove: {} is not in the list", describe(&wanted)))),
                }
            }
            "clear" => {
                self.lock().clear();
                none()
            }
            "reverse" => {
                self.lock().reverse();
                none()
            }
            "sort" => {
                self.lock().sort();
                none()
            }
            _ => Err(Error::from(ErrorKind::UnknownMethod)),
        }
    }
}

fn position(index: &Value, len: usize) -> usize {
    match index.as_i64() {
        Some(i) if i < 0 => len.saturating_sub(usize::try_from(i.unsigned_abs()).unwrap_or(usize::MAX)),
        Some(i) => usize::try_from(i).unwrap_or(usize::MAX),
        None => usize::MAX,
    }
}

/// A mapping that can grow.
#[derive(Debug)]
pub(super) struct Dict(Mutex<IndexMap<Value, Value>>);

impl Dict {
    fn lock(&self) -> MutexGuard<'_, IndexMap<Value, Value>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Object for Dict {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Map
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.lock().get(key).cloned()
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.lock().keys().cloned().collect())
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        Some(self.lock().len())
    }

    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, method: &str, args: &[Value]) -> Result<Value, Error> {
        let this = Arc::as_ptr(self).cast::<()>();
        let need = || args.first().ok_or_else(|| failed(format!("{method}: an argument is missing")));
        match method {
            "update" => {
                let mut more = Vec::new();
                for arg in args {
                    if arg.is_kwargs() || arg.kind() == ValueKind::Map {
                        more.extend(pairs(arg)?);
                    } else {
                        for pair in items(arg)? {
                            more.push((pair.get_item_by_index(0)?, pair.get_item_by_index(1)?));
                        }
                    }
                }
                more.iter().try_for_each(|(_, value)| outside(this, value))?;
                self.lock().extend(more);
                Ok(Value::from(()))
            }
            "setdefault" => {
                let value = args.get(1).cloned().unwrap_or_else(|| Value::from(()));
                outside(this, &value)?;
                Ok(self.lock().entry(need()?.clone()).or_insert(value).clone())
            }
            "pop" => match (self.lock().shift_remove(need()?), args.get(1)) {
                (Some(value), _) => Ok(value),
                (None, Some(default)) => Ok(default.clone()),
                (None, None) => Err(failed(format!("pop: there is no key {}", describe(need()?)))),
            },
            "clear" => {
                self.lock().clear();
                Ok(Value::from(()))
            }
            _ => Err(Error::from(ErrorKind::UnknownMethod)),
        }
    }
}
