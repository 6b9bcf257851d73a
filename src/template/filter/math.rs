//! Numbers and chance.

use minijinja::value::ValueKind;
use minijinja::{Error, State, Value};

use super::{Entry, on};
use crate::python::random::{Random, Seed};
use crate::template::args::Args;
use crate::template::value::{describe, items, string};

pub(super) const FILTERS: &[Entry] = &[
    on("abs", abs),
    on("filesizeformat", filesizeformat),
    on("human_readable", human_readable),
    on("human_to_bytes", human_to_bytes),
    on("log", log),
    on("pow", pow),
    on("random", random),
    on("root", root),
    on("round", round),
    on("shuffle", shuffle),
];

pub(super) const GENERAL: &[Entry] = &[on("random_mac", random_mac), on("version_sort", version_sort)];

fn number(value: &Value, args: &Args) -> Result<f64, Error> {
    match value.kind() {
        ValueKind::Number => f64::try_from(value.clone()),
        ValueKind::Bool => Ok(if value.is_true() { 1.0 } else { 0.0 }),
        _ => Err(args.wrong(format!("can only be used on numbers, not {}", describe(value)))),
    }
}

fn abs(_: &mut State, value: &Value, args: &mut Args) -> Result<Value, Error> {
    if let (true, Ok(whole)) = (value.is_integer(), i128::try_from(value.clone())) {
        return Ok(super::base::small(whole.saturating_abs()));
    }
    Ok(Value::from(number(value, args)?.abs()))
}

fn log(_: &mut State, value: &Value, args: &mut Args) -> Result<Value, Error> {
    let base = args.some("base").map(|b| number(&b, args)).transpose()?;
    let x = number(value, args)?;
    Ok(Value::from(match base {
        None => x.ln(),
        Some(base) if (base - 10.0).abs() < f64::EPSILON => x.log10(),
        Some(base) => x.log(base),
    }))
}

fn pow(_: &mut State, value: &Value, args: &mut Args) -> Result<Value, Error> {
    let exponent = args.value("y")?;
    Ok(Value::from(number(value, args)?.powf(number(&exponent, args)?)))
}

fn root(_: &mut State, value: &Value, args: &mut Args) -> Result<Value, Error> {
    let base = args.some("base").map_or(Ok(2.0), |b| number(&b, args))?;
    let x = number(value, args)?;
    Ok(Value::from(if (base - 2.0).abs() < f64::EPSILON { x.sqrt() } else { x.powf(1.0 / base) }))
}

fn round(_: &mut State, value: &Value, args: &mut Args) -> Result<Value, Error> {
    let precision = i32::try_from(args.int("precision", 0)?).unwrap_or(0).clamp(-300, 300);
    let method = args.text_or("method", "common")?;
    let x = number(value, args)?;
    let scale = 10f64.powi(precision);
    let rounded = match method.as_str() {
        "common" if precision >= 0 => {
            let places = usize::try_from(precision).unwrap_or(0);
            format!("{x:.places$}").parse().unwrap_or(x)
        }
        "common" => (x * scale).round_ties_even() / scale,
        "ceil" => (x * scale).ceil() / scale,
        "floor" => (x * scale).floor() / scale,
        other => return Err(args.wrong(format!("`{other}` is not a method: common, ceil or floor"))),
    };
    // Python leaves an integer an integer, and Jinja's directed rounding makes a float of it.
    if value.is_integer() && method == "common" && precision >= 0 {
        return Ok(value.clone());
    }
    Ok(Value::from(rounded))
}

/// The units of Ansible's sizes, the greatest first.
const UNITS: &[(char, f64)] = &[
    ('Y', 1_208_925_819_614_629_174_706_176.0),
    ('Z', 1_180_591_620_717_411_303_424.0),
    ('E', 1_152_921_504_606_846_976.0),
    ('P', 1_125_899_906_842_624.0),
    ('T', 1_099_511_627_776.0),
    ('G', 1_073_741_824.0),
    ('M', 1_048_576.0),
    ('K', 1024.0),
    ('B', 1.0),
];

fn human_readable(_: &mut State, value: &Value, args: &mut Args) -> Result<Value, Error> {
    let bits = args.flag("isbits", false)?;
    let unit = args.opt_text("unit")?.and_then(|u| u.to_uppercase().chars().next());
    let size = match value.as_str() {
        Some(text) => {
            text.trim().parse().map_err(|_| args.wrong(format!("failed on bad input: `{text}` is not a number")))?
        }
        None => number(value, args)?,
    };
    let base = if bits { "bits" } else { "Bytes" };
    let (letter, limit) = UNITS
        .iter()
        .find(|(letter, limit)| unit.map_or(size >= *limit, |unit| unit == *letter))
        .copied()
        .unwrap_or(('B', 1.0));
    let suffix = match (letter, bits) {
        ('B', _) => base.to_owned(),
        (_, true) => format!("{letter}b"),
        (_, false) => format!("{letter}B"),
    };
    Ok(Value::from(format!("{:.2} {suffix}", size / limit)))
}

fn human_to_bytes(_: &mut State, value: &Value, args: &mut Args) -> Result<Value, Error> {
    let default = args.opt_text("default_unit")?;
    let bits = args.flag("isbits", false)?;
    let text = string(value)?;
    let text = text.trim();
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (digits, unit) = text.split_at(split);
    let wrong = |args: &Args| args.wrong(format!("`{text}` is not a size like `10M`"));
    let amount: f64 = digits.parse().map_err(|_| wrong(args))?;
    let unit = unit.trim();
    let unit = if unit.is_empty() { default.unwrap_or_default() } else { unit.to_owned() };
    let tail = if bits { ["b", "bit"] } else { ["B", "BYTE"] };
    let Some(letter) = unit.chars().next() else { return Ok(whole(amount)) };
    let rest = &unit[letter.len_utf8()..];
    let known = UNITS.iter().find(|(l, _)| *l == letter.to_ascii_uppercase()).map(|(_, limit)| *limit);
    let fits = rest.is_empty() || rest.to_uppercase() == tail[0].to_uppercase() || letter.eq_ignore_ascii_case(&'b');
    known.filter(|_| fits).map(|limit| whole((amount * limit).round())).ok_or_else(|| wrong(args))
}

fn whole(float: f64) -> Value {
    #[allow(clippy::cast_possible_truncation)] // sizes beyond i64 stay floats
    if float.abs() < 9e18 { Value::from(float.round() as i64) } else { Value::from(float) }
}

fn filesizeformat(_: &mut State, value: &Value, args: &mut Args) -> Result<Value, Error> {
    let binary = args.flag("binary", false)?;
    let size = match value.as_str() {
        Some(text) => text.trim().parse().map_err(|_| args.wrong(format!("`{text}` is not a number")))?,
        None => number(value, args)?,
    };
    let base: f64 = if binary { 1024.0 } else { 1000.0 };
    if (size - 1.0).abs() < f64::EPSILON {
        return Ok(Value::from("1 Byte"));
    }
    if size < base {
        return Ok(Value::from(format!("{} Bytes", size as i64)));
    }
    let names = ["kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"];
    let mut unit = base * base;
    for (index, name) in names.iter().enumerate() {
        if size < unit || index + 1 == names.len() {
            let name = if binary { format!("{}iB", name[..1].to_uppercase()) } else { (*name).to_owned() };
            return Ok(Value::from(format!("{:.1} {name}", base * size / unit)));
        }
        unit *= base;
    }
    Ok(Value::from(size))
}

/// A source of chance; Python's numbers for a seed.
pub(crate) fn chance(seed: Option<&Value>) -> Result<Random, Error> {
    let seed = match seed {
        None => None,
        Some(seed) if seed.is_integer() => i128::try_from(seed.clone()).ok().map(Seed::Int),
        Some(seed) => Some(match seed.kind() {
            ValueKind::Bool => Seed::Int(i128::from(seed.is_true())),
            ValueKind::Number => Seed::Float(f64::try_from(seed.clone())?),
            _ => Seed::Text(string(seed)?),
        }),
    };
    Ok(Random::new(seed.as_ref()))
}

fn random(_: &mut State, value: &Value, args: &mut Args) -> Result<Value, Error> {
    let end = value.as_i64().filter(|_| value.is_integer());
    let (start, step) = if end.is_some() { (args.int("start", 0)?, args.int("step", 1)?) } else { (0, 1) };
    let seed = args.some("seed");
    let mut chance = chance(seed.as_ref())?;
    if let Some(end) = end {
        if step == 0 || (step > 0) != (end > start) {
            return Err(args.wrong("there is no number to choose from"));
        }
        let count = end.abs_diff(start).div_ceil(step.unsigned_abs());
        let index = i64::try_from(chance.below(count)).unwrap_or(0);
        return Ok(Value::from(start.wrapping_add(index.wrapping_mul(step))));
    }
    let all = items(value)?;
    if all.is_empty() {
        return Err(args.wrong("there is nothing to choose from"));
    }
    Ok(all.get(chance.position(all.len())).cloned().unwrap_or_default())
}

fn shuffle(_: &mut State, value: &Value, args: &mut Args) -> Result<Value, Error> {
    let seed = args.some("seed").filter(Value::is_true);
    let mut all = items(value)?;
    chance(seed.as_ref())?.shuffle(&mut all);
    Ok(Value::from(all))
}

fn random_mac(_: &mut State, value: &Value, args: &mut Args) -> Result<Value, Error> {
    let seed = args.some("seed");
    let prefix = string(value)?;
    let mut parts: Vec<String> = prefix.trim_end_matches(':').split(':').map(str::to_lowercase).collect();
    let hex = |p: &String| p.len() == 2 && p.chars().all(|c| c.is_ascii_hexdigit());
    if parts.len() > 5 || !parts.iter().all(hex) {
        return Err(args.wrong(format!("`{prefix}` is not the beginning of a MAC address")));
    }
    // Ten digits, the first of which is not nought.
    let (lowest, highest) = (0x10_0000_0000, 0xff_ffff_ffff);
    let digits = format!("{:x}", lowest + chance(seed.as_ref())?.below(highest - lowest + 1));
    let missing = 6 - parts.len();
    parts.extend((0..missing).filter_map(|n| digits.get(2 * n..2 * n + 2)).map(str::to_owned));
    Ok(Value::from(parts.join(":")))
}

fn version_sort(_: &mut State, value: &Value, args: &mut Args) -> Result<Value, Error> {
    let reverse = args.flag("reverse", false)?;
    let mut all = items(value)?;
    all.sort_by(|a, b| crate::template::test::version::loose(&a.to_string(), &b.to_string()));
    if reverse {
        all.reverse();
    }
    Ok(Value::from(all))
}
