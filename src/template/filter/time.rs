//! Dates and times.

use std::sync::Arc;

use jiff::civil;
use minijinja::value::{Object, ObjectRepr, ValueKind};
use minijinja::{Error, State, Value};

use super::{Entry, on};
use crate::template::args::Args;
use crate::template::error::failed;
use crate::template::value::{describe, string};

pub(super) const FILTERS: &[Entry] = &[on("strftime", strftime), on("to_datetime", to_datetime)];

pub(super) const GENERAL: &[Entry] = &[
    on("to_days", |s, v, a| unit(s, v, a, 86_400.0)),
    on("to_hours", |s, v, a| unit(s, v, a, 3600.0)),
    on("to_milliseconds", |s, v, a| unit(s, v, a, 0.001)),
    on("to_minutes", |s, v, a| unit(s, v, a, 60.0)),
    on("to_seconds", |s, v, a| unit(s, v, a, 1.0)),
    on("to_months", |s, v, a| unit(s, v, a, 0.0)),
    on("to_weeks", |s, v, a| unit(s, v, a, 604_800.0)),
    on("to_time_unit", to_time_unit),
    on("to_years", |s, v, a| unit(s, v, a, -1.0)),
];

/// A moment as Python's `datetime` shows it.
#[derive(Debug)]
pub(crate) struct Moment(pub civil::DateTime);

/// The time between two moments, Python's `timedelta`.
#[derive(Debug)]
pub(crate) struct Span(pub i64, pub i64);

impl Object for Moment {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let t = self.0;
        Some(match key.as_str()? {
            "year" => Value::from(t.year()),
            "month" => Value::from(t.month()),
            "day" => Value::from(t.day()),
            "hour" => Value::from(t.hour()),
            "minute" => Value::from(t.minute()),
            "second" => Value::from(t.second()),
            "microsecond" => Value::from(t.subsec_nanosecond() / 1000),
            _ => return None,
        })
    }

    fn custom_cmp(self: &Arc<Self>, other: &minijinja::value::DynObject) -> Option<std::cmp::Ordering> {
        other.downcast_ref::<Moment>().map(|other| self.0.cmp(&other.0))
    }

    fn render(self: &Arc<Self>, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let micros = self.0.subsec_nanosecond() / 1000;
        write!(f, "{}", self.0.strftime("%Y-%m-%d %H:%M:%S"))?;
        if micros > 0 { write!(f, ".{micros:06}") } else { Ok(()) }
    }

    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, method: &str, args: &[Value]) -> Result<Value, Error> {
        match method {
            "strftime" => {
                let pattern = args.first().and_then(Value::as_str).unwrap_or_default();
                formatted(&self.0.to_zoned(jiff::tz::TimeZone::UTC).map_err(|e| failed(e.to_string()))?, pattern)
            }
            "isoformat" => Ok(Value::from(self.0.strftime("%Y-%m-%dT%H:%M:%S").to_string())),
            "timestamp" => Ok(Value::from(seconds(self.0))),
            "weekday" => Ok(Value::from(self.0.weekday().to_monday_zero_offset())),
            "isoweekday" => Ok(Value::from(self.0.weekday().to_monday_one_offset())),
            "date" => Ok(Value::from(self.0.strftime("%Y-%m-%d").to_string())),
            "time" => Ok(Value::from(self.0.strftime("%H:%M:%S").to_string())),
            _ => Err(Error::from(minijinja::ErrorKind::UnknownMethod)),
        }
    }
}

fn seconds(t: civil::DateTime) -> f64 {
    t.to_zoned(jiff::tz::TimeZone::UTC).map_or(0.0, |z| z.timestamp().as_duration().as_secs_f64())
}

impl Object for Span {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        Some(match key.as_str()? {
            "days" => Value::from(self.0.div_euclid(86_400)),
            "seconds" => Value::from(self.0.rem_euclid(86_400)),
            "microseconds" => Value::from(self.1),
            _ => return None,
        })
    }

    fn custom_cmp(self: &Arc<Self>, other: &minijinja::value::DynObject) -> Option<std::cmp::Ordering> {
        other.downcast_ref::<Span>().map(|other| (self.0, self.1).cmp(&(other.0, other.1)))
    }

    fn render(self: &Arc<Self>, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (days, rest) = (self.0.div_euclid(86_400), self.0.rem_euclid(86_400));
        if days != 0 {
            write!(f, "{days} day{}, ", if days.abs() == 1 { "" } else { "s" })?;
        }
        write!(f, "{}:{:02}:{:02}", rest / 3600, rest / 60 % 60, rest % 60)?;
        if self.1 > 0 { write!(f, ".{:06}", self.1) } else { Ok(()) }
    }

    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, method: &str, _: &[Value]) -> Result<Value, Error> {
        #[allow(clippy::cast_precision_loss)] // Python does the same
        match method {
            "total_seconds" => Ok(Value::from(self.0 as f64 + self.1 as f64 / 1e6)),
            _ => Err(Error::from(minijinja::ErrorKind::UnknownMethod)),
        }
    }
}

/// `left - right` of two moments.
pub(crate) fn minus(left: &Value, right: &Value) -> Option<Value> {
    let (left, right) = (left.downcast_object_ref::<Moment>()?, right.downcast_object_ref::<Moment>()?);
    let micros = left.0.duration_since(right.0).as_micros();
    let micros = i64::try_from(micros).ok()?;
    Some(Value::from_object(Span(micros.div_euclid(1_000_000), micros.rem_euclid(1_000_000))))
}

fn to_datetime(_: &mut State, value: &Value, args: &mut Args) -> Result<Value, Error> {
    let pattern = args.text_or("format", "%Y-%m-%d %H:%M:%S")?;
    let text = string(value)?;
    let wrong = |error: jiff::Error| failed(format!("to_datetime: `{text}` is not a time like `{pattern}`: {error}"));
    let broken = jiff::fmt::strtime::parse(pattern.replace("%f", "%6f").as_str(), &text)
        .or_else(|_| jiff::fmt::strtime::parse(pattern.replace(".%f", "%.f").as_str(), &text))
        .map_err(wrong)?;
    let moment = broken.to_datetime().or_else(|_| broken.to_date().map(|d| d.at(0, 0, 0, 0))).map_err(wrong)?;
    Ok(Value::from_object(Moment(moment)))
}

/// Formats a time by Python's pattern.
pub(crate) fn formatted(time: &jiff::Zoned, pattern: &str) -> Result<Value, Error> {
    let pattern = pattern.replace("%f", "%6f");
    jiff::fmt::strtime::format(&pattern, time)
        .map(Value::from)
        .map_err(|error| failed(format!("`{pattern}` is not a format of times: {error}")))
}

fn strftime(_: &mut State, value: &Value, args: &mut Args) -> Result<Value, Error> {
    let second = args.some("second");
    let utc = args.flag("utc", false)?;
    let zone = if utc { jiff::tz::TimeZone::UTC } else { jiff::tz::TimeZone::system() };
    let timestamp = match &second {
        None => jiff::Timestamp::now(),
        Some(second) => {
            let number = match second.as_str() {
                Some(text) => text.trim().parse().ok(),
                None => f64::try_from(second.clone()).ok(),
            };
            let number =
                number.ok_or_else(|| args.wrong(format!("{} is not a number of seconds", describe(second))))?;
            let duration = jiff::SignedDuration::try_from_secs_f64(number).map_err(|e| args.wrong(e))?;
            jiff::Timestamp::from_duration(duration).map_err(|e| args.wrong(e))?
        }
    };
    formatted(&timestamp.to_zoned(zone), &string(value)?)
}

/// `1h 30m` and the like as a number of one unit.
/// A length of time in the unit that is named.
fn to_time_unit(state: &mut State, value: &Value, args: &mut Args) -> Result<Value, Error> {
    let name = args.text_or("unit", "ms")?;
    let size = match name.as_str() {
        "ms" | "millisecond" | "milliseconds" | "msec" | "msecs" | "msecond" | "mseconds" => 0.001,
        "s" | "sec" | "secs" | "second" | "seconds" => 1.0,
        "m" | "min" | "mins" | "minute" | "minutes" => 60.0,
        "h" | "hour" | "hours" => 3600.0,
        "d" | "day" | "days" => 86_400.0,
        "w" | "week" | "weeks" => 604_800.0,
        "mo" | "month" | "months" => 0.0,
        "y" | "year" | "years" => -1.0,
        other => return Err(args.wrong(format!("`{other}` is not a unit of time"))),
    };
    unit(state, value, args, size)
}

fn unit(_: &mut State, value: &Value, args: &mut Args, size: f64) -> Result<Value, Error> {
    if value.kind() == ValueKind::Number {
        return Ok(value.clone());
    }
    let year = args.named("year").and_then(|v| f64::try_from(v).ok()).unwrap_or(365.0);
    let month = args.named("month").and_then(|v| f64::try_from(v).ok()).unwrap_or(30.0);
    // Months and years are as long as the call says.
    let size = match size {
        0.0 => month * 86_400.0,
        size if size < 0.0 => year * 86_400.0,
        size => size,
    };
    let text = string(value)?;
    let mut total = 0.0;
    for part in text.split_whitespace() {
        let split = part.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(part.len());
        let (digits, name) = part.split_at(split);
        let amount: f64 = digits.parse().map_err(|_| args.wrong(format!("`{part}` is not a length of time")))?;
        let factor = match name {
            "ms" | "millisecond" | "milliseconds" | "msec" | "msecs" => 0.001,
            "s" | "sec" | "secs" | "second" | "seconds" | "" => 1.0,
            "m" | "min" | "mins" | "minute" | "minutes" => 60.0,
            "h" | "hour" | "hours" => 3600.0,
            "d" | "day" | "days" => 86_400.0,
            "w" | "week" | "weeks" => 604_800.0,
            "mo" | "month" | "months" => month * 86_400.0,
            "y" | "year" | "years" => year * 86_400.0,
            other => return Err(args.wrong(format!("`{other}` is not a unit of time"))),
        };
        total += amount * factor;
    }
    Ok(Value::from(total / size))
}
