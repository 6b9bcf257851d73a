//! The functions of JMESPath.

use jmespath::ast::Ast;
use serde_json::{Map, Value as Json, json};

use super::{equal, evaluate, order};
use crate::python::number;

/// The types of a parameter.
type Types = &'static [&'static str];

/// What a function takes.
struct Signature {
    name: &'static str,
    parameters: &'static [Types],
    /// The last parameter stands for any number of them, one at least.
    variadic: bool,
}

const fn takes(name: &'static str, parameters: &'static [Types]) -> Signature {
    Signature { name, parameters, variadic: false }
}

const ANY: Types = &[];
const LISTS: Types = &["array-number", "array-string"];

const FUNCTIONS: &[Signature] = &[
    takes("abs", &[&["number"]]),
    takes("avg", &[&["array-number"]]),
    takes("ceil", &[&["number"]]),
    takes("contains", &[&["array", "string"], ANY]),
    takes("ends_with", &[&["string"], &["string"]]),
    takes("floor", &[&["number"]]),
    takes("join", &[&["string"], &["array-string"]]),
    takes("keys", &[&["object"]]),
    takes("length", &[&["string", "array", "object"]]),
    takes("map", &[&["expref"], &["array"]]),
    takes("max", &[LISTS]),
    takes("max_by", &[&["array"], &["expref"]]),
    Signature { name: "merge", parameters: &[&["object"]], variadic: true },
    takes("min", &[LISTS]),
    takes("min_by", &[&["array"], &["expref"]]),
    Signature { name: "not_null", parameters: &[ANY], variadic: true },
    takes("reverse", &[&["array", "string"]]),
    takes("sort", &[LISTS]),
    takes("sort_by", &[&["array"], &["expref"]]),
    takes("starts_with", &[&["string"], &["string"]]),
    takes("sum", &[&["array-number"]]),
    takes("to_array", &[ANY]),
    takes("to_number", &[ANY]),
    takes("to_string", &[ANY]),
    takes("type", &[ANY]),
    takes("values", &[&["object"]]),
];

/// An argument: a value, or an expression for each item.
enum Argument<'a> {
    Value(Json),
    Expression(&'a Ast),
}

impl Argument<'_> {
    fn value(&self) -> &Json {
        match self {
            Argument::Value(value) => value,
            Argument::Expression(_) => &Json::Null,
        }
    }

    fn items(&self) -> &[Json] {
        self.value().as_array().map_or(&[], Vec::as_slice)
    }

    fn entries(&self) -> impl Iterator<Item = (&String, &Json)> {
        self.value().as_object().into_iter().flatten()
    }

    fn text(&self) -> &str {
        self.value().as_str().unwrap_or_default()
    }
}

fn type_of(value: &Json) -> &'static str {
    match value {
        Json::Null => "null",
        Json::Bool(_) => "boolean",
        Json::Number(_) => "number",
        Json::String(_) => "string",
        Json::Array(_) => "array",
        Json::Object(_) => "object",
    }
}

fn ill_typed(function: &str, value: &Json, types: &[&str]) -> String {
    let (expected, received) = (types.join(", "), type_of(value));
    format!(
        "In function {function}(), invalid type for value: {value}, expected one of: {expected}, received: {received}"
    )
}

fn check(function: &str, argument: &Argument<'_>, types: Types) -> Result<(), String> {
    let value = match argument {
        Argument::Expression(_) if types.contains(&"expref") => return Ok(()),
        Argument::Expression(_) => {
            return Err(format!("In function {function}(), an expression with `&` stands for a value"));
        }
        Argument::Value(_) if types.is_empty() => return Ok(()),
        Argument::Value(value) => value,
    };
    let own = type_of(value);
    if !types.iter().any(|known| known.split('-').next() == Some(own)) {
        return Err(ill_typed(function, value, types));
    }
    // All items are of the type that the first one is.
    let inner: Vec<&str> = types.iter().filter_map(|known| known.strip_prefix("array-")).collect();
    let items = argument.items();
    let Some(first) = items.first().filter(|_| !inner.is_empty()) else { return Ok(()) };
    let wanted = type_of(first);
    match items.iter().find(|item| !inner.contains(&wanted) || type_of(item) != wanted) {
        Some(item) => Err(ill_typed(function, item, types)),
        None => Ok(()),
    }
}

/// Calls a function with the arguments as they are for a value.
pub(super) fn call(name: &str, arguments: &[Ast], value: &Json) -> Result<Json, String> {
    let signature = FUNCTIONS.iter().find(|signature| signature.name == name);
    let signature = signature.ok_or_else(|| format!("Unknown function: {name}()"))?;
    let (wanted, given) = (signature.parameters.len(), arguments.len());
    if given < wanted || (given > wanted && !signature.variadic) {
        let (least, s) = (if signature.variadic { "at least " } else { "" }, if wanted == 1 { "" } else { "s" });
        return Err(format!("Expected {least}{wanted} argument{s} for function {name}(), received {given}"));
    }
    let argument = |node: &'_ Ast| -> Result<Json, String> { evaluate(node, value) };
    let mut all = Vec::new();
    for node in arguments {
        all.push(match node {
            Ast::Expref { ast, .. } => Argument::Expression(ast),
            node => Argument::Value(argument(node)?),
        });
    }
    let last = signature.parameters.last();
    for (argument, types) in
        all.iter().zip(signature.parameters.iter().chain(std::iter::repeat_with(|| last.unwrap_or(&ANY))))
    {
        check(name, argument, types)?;
    }
    match all.as_slice() {
        [one] => of_one(name, one),
        [first, second] if !signature.variadic => of_two(name, first, second),
        many => Ok(of_many(name, many)),
    }
}

fn of_many(name: &str, all: &[Argument<'_>]) -> Json {
    match name {
        "merge" => {
            let entries = all.iter().flat_map(Argument::entries);
            Json::Object(entries.map(|(key, entry)| (key.clone(), entry.clone())).collect::<Map<_, _>>())
        }
        _ => all.iter().map(Argument::value).find(|value| !value.is_null()).cloned().unwrap_or_default(),
    }
}

/// A number that is whole where Python's would be.
fn whole(number: f64) -> Json {
    // Beyond these there is no whole number to hold it.
    if number.abs() < 9.2e18 { json!(number as i64) } else { json!(number) }
}

fn sum(items: &[Json]) -> Json {
    let exact = items.iter().try_fold(0i64, |sum, item| sum.checked_add(item.as_i64()?));
    exact.map_or_else(|| json!(items.iter().filter_map(Json::as_f64).sum::<f64>()), |sum| json!(sum))
}

fn to_number(value: &Json) -> Json {
    match value {
        Json::Number(_) => value.clone(),
        Json::String(text) => match number::int(text, 10).and_then(|n| i64::try_from(n).ok()) {
            Some(whole) => json!(whole),
            None => number::float(text).map_or(Json::Null, |number| json!(number)),
        },
        _ => Json::Null,
    }
}

/// The first of those that nothing goes before.
fn extreme<'a>(items: impl Iterator<Item = (&'a Json, &'a Json)>, wanted: std::cmp::Ordering) -> Json {
    let mut best: Option<(&Json, &Json)> = None;
    for (item, key) in items {
        if best.is_none_or(|(_, known)| order(key, known) == Some(wanted)) {
            best = Some((item, key));
        }
    }
    best.map_or(Json::Null, |(item, _)| item.clone())
}

fn of_one(name: &str, argument: &Argument<'_>) -> Result<Json, String> {
    let (value, items) = (argument.value(), argument.items());
    let number = value.as_f64().unwrap_or_default();
    Ok(match name {
        "abs" => value.as_i64().and_then(i64::checked_abs).map_or_else(|| json!(number.abs()), |whole| json!(whole)),
        "avg" if items.is_empty() => Json::Null,
        "avg" => json!(items.iter().filter_map(Json::as_f64).sum::<f64>() / items.len() as f64),
        "ceil" => whole(number.ceil()),
        "floor" => whole(number.floor()),
        "keys" => argument.entries().map(|(key, _)| json!(key)).collect(),
        "length" => match value {
            Json::String(text) => json!(text.chars().count()),
            Json::Object(entries) => json!(entries.len()),
            _ => json!(items.len()),
        },
        "max" => extreme(items.iter().zip(items), std::cmp::Ordering::Greater),
        "min" => extreme(items.iter().zip(items), std::cmp::Ordering::Less),
        "reverse" => match value {
            Json::String(text) => json!(text.chars().rev().collect::<String>()),
            _ => items.iter().rev().cloned().collect(),
        },
        "sort" => {
            let mut sorted = items.to_vec();
            sorted.sort_by(|a, b| order(a, b).unwrap_or(std::cmp::Ordering::Equal));
            Json::Array(sorted)
        }
        "sum" => sum(items),
        "to_array" if value.is_array() => value.clone(),
        "to_array" => json!([value]),
        "to_number" => to_number(value),
        "to_string" if value.is_string() => value.clone(),
        "to_string" => json!(crate::template::filter::data::compact(value)),
        "type" => json!(type_of(value)),
        "values" => argument.entries().map(|(_, entry)| entry.clone()).collect(),
        _ => of_many(name, std::slice::from_ref(argument)),
    })
}

/// The key of each item, all of one of these types.
fn keys(name: &str, items: &[Json], expression: &Ast) -> Result<Vec<Json>, String> {
    let mut types: &[&str] = &["number", "string"];
    let mut keys = Vec::new();
    for item in items {
        let key = evaluate(expression, item)?;
        if !types.contains(&type_of(&key)) {
            return Err(ill_typed(name, &key, types));
        }
        types = if key.is_string() { &["string"] } else { &["number"] };
        keys.push(key);
    }
    Ok(keys)
}

fn of_two(name: &str, first: &Argument<'_>, second: &Argument<'_>) -> Result<Json, String> {
    Ok(match (name, first, second) {
        ("map", Argument::Expression(expression), list) => {
            list.items().iter().map(|item| evaluate(expression, item)).collect::<Result<_, _>>()?
        }
        (_, list, Argument::Expression(expression)) => {
            let items = list.items();
            let keys = keys(name, items, expression)?;
            let mut pairs: Vec<(&Json, &Json)> = items.iter().zip(&keys).collect();
            match name {
                "max_by" => extreme(pairs.into_iter(), std::cmp::Ordering::Greater),
                "min_by" => extreme(pairs.into_iter(), std::cmp::Ordering::Less),
                _ => {
                    pairs.sort_by(|(_, a), (_, b)| order(a, b).unwrap_or(std::cmp::Ordering::Equal));
                    pairs.into_iter().map(|(item, _)| item.clone()).collect()
                }
            }
        }
        ("contains", subject, wanted) => match (subject.value(), wanted.value()) {
            (Json::String(text), Json::String(part)) => json!(text.contains(part.as_str())),
            (Json::String(_), other) => return Err(ill_typed(name, other, &["string"])),
            (_, wanted) => json!(subject.items().iter().any(|item| equal(item, wanted))),
        },
        ("ends_with", text, end) => json!(text.text().ends_with(end.text())),
        ("starts_with", text, start) => json!(text.text().starts_with(start.text())),
        (_, separator, list) => {
            let texts: Vec<&str> = list.items().iter().filter_map(Json::as_str).collect();
            json!(texts.join(separator.text()))
        }
    })
}
