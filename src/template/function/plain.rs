//! Functions without a view of the outside, and the time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use minijinja::value::{Object, ObjectRepr, Rest, ValueOrKwargs};
use minijinja::{Environment, Error, State, Value};

use crate::template::args::Args;
use crate::template::bound;
use crate::template::error::{failed, unsupported};
use crate::template::filter;
use crate::template::trust::trusted;
use crate::template::value::{Omit, items, pairs};

pub(super) fn register(env: &mut Environment<'static>) {
    env.add_global("omit", Value::from_object(Omit));
    // A text that stands in a playbook's own template.
    env.add_function("__own", |text: String| trusted(&text));
    env.add_function("range", range);
    env.add_function("dict", dict);
    env.add_function("namespace", minijinja::functions::namespace);
    env.add_function("now", now);
    env.add_function("undef", undef);
    env.add_function("lipsum", |_: Rest<ValueOrKwargs>| -> Result<Value, Error> {
        Err(unsupported("the function `lipsum` is not supported", "write the text out"))
    });
    env.add_function("joiner", |separator: Option<String>| {
        Value::from_object(Joiner(separator.unwrap_or_else(|| ", ".to_owned()), AtomicUsize::new(0)))
    });
    env.add_function("cycler", |values: Rest<Value>| Value::from_object(Cycler(values.0, AtomicUsize::new(0))));
}

fn range(rest: Rest<ValueOrKwargs>) -> Result<Value, Error> {
    let mut args = Args::new("range", rest)?;
    let first = args.int("start", 0)?;
    let second = args.opt_int("stop")?;
    let step = args.int("step", 1)?;
    args.finish()?;
    let (start, stop) = second.map_or((0, first), |stop| (first, stop));
    if step == 0 {
        return Err(failed("range: the step must not be 0"));
    }
    let count = if (step > 0) == (stop > start) { stop.abs_diff(start).div_ceil(step.unsigned_abs()) } else { 0 };
    bound::items("range", usize::try_from(count).ok())?;
    let count = i64::try_from(count).unwrap_or(0);
    Ok((0..count).map(|i| Value::from(start.wrapping_add(i.wrapping_mul(step)))).collect())
}

fn dict(rest: Rest<ValueOrKwargs>) -> Result<Value, Error> {
    let mut args = Args::new("dict", rest)?;
    let mut out = indexmap::IndexMap::new();
    if let Some(base) = args.rest().into_iter().next() {
        if base.kind() == minijinja::value::ValueKind::Map {
            out.extend(pairs(&base)?);
        } else {
            for pair in items(&base)? {
                let pair = items(&pair)?;
                let [key, value] = pair.as_slice() else { return Err(failed("dict: every item must be a pair")) };
                out.insert(key.clone(), value.clone());
            }
        }
    }
    out.extend(args.rest_named().into_iter().map(|(k, v)| (Value::from(k), v)));
    Ok(Value::from(out))
}

fn now(rest: Rest<ValueOrKwargs>) -> Result<Value, Error> {
    let mut args = Args::new("now", rest)?;
    let utc = args.flag("utc", false)?;
    let pattern = args.opt_text("fmt")?;
    args.finish()?;
    let zone = if utc { jiff::tz::TimeZone::UTC } else { jiff::tz::TimeZone::system() };
    let now = jiff::Timestamp::now().to_zoned(zone);
    match pattern {
        Some(pattern) => filter::formatted(&now, &pattern),
        None => Ok(Value::from_object(filter::Moment(now.datetime()))),
    }
}

/// `undef(hint)`: a value that says itself that it is missing.
fn undef(rest: Rest<ValueOrKwargs>) -> Result<Value, Error> {
    let mut args = Args::new("undef", rest)?;
    let _hint = args.opt_text("hint")?;
    Ok(Value::UNDEFINED)
}

/// Gives nothing the first time and its separator afterwards.
#[derive(Debug)]
struct Joiner(String, AtomicUsize);

impl Object for Joiner {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn call(self: &Arc<Self>, _: &mut State<'_, '_>, _: &[Value]) -> Result<Value, Error> {
        let first = self.1.fetch_add(1, Ordering::Relaxed) == 0;
        Ok(Value::from(if first { "" } else { &self.0 }))
    }
}

/// Gives its values in turn.
#[derive(Debug)]
struct Cycler(Vec<Value>, AtomicUsize);

impl Cycler {
    fn at(&self, index: usize) -> Value {
        index.checked_rem(self.0.len()).and_then(|i| self.0.get(i)).cloned().unwrap_or_default()
    }
}

impl Object for Cycler {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        (key.as_str()? == "current").then(|| self.at(self.1.load(Ordering::Relaxed)))
    }

    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, method: &str, _: &[Value]) -> Result<Value, Error> {
        match method {
            "next" => Ok(self.at(self.1.fetch_add(1, Ordering::Relaxed))),
            "reset" => {
                self.1.store(0, Ordering::Relaxed);
                Ok(Value::from(()))
            }
            _ => Err(Error::from(minijinja::ErrorKind::UnknownMethod)),
        }
    }
}
