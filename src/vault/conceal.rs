//! What was decrypted in this run, and how it is kept out of every output. Only what is shown changes: results, conditions
//! and files have the values themselves.
//!
//! Texts of four characters and more are found wherever they stand, of several lines each line of eight and more; in base64, as JSON, shells and
//! URLs write them, too. Of whole files each word of eight characters and more that holds letters and digits is found. Short numbers are found where they stand by themselves. Words that protect nothing (`true`, `present`,
//! `localhost`) are left alone.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::hash::{Hash, Hasher as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock};

use aho_corasick::{AhoCorasick, Anchored, Input, MatchKind};
use base64::Engine as _;
use serde_json::Value as Json;

/// What stands in the place of a secret.
const MASK: &str = "***";
/// Shorter texts hide nothing: they would be found in every word.
const SHORTEST: usize = 4;
/// Shorter lines of longer texts are `}`, `fi` and `server {`.
const SHORTEST_LINE: usize = 8;
/// Shorter numbers are found where they stand by themselves.
const LONG_NUMBER: usize = 6;
/// Longer texts are found by their lines.
const LONGEST: usize = 4096;
/// So many bytes are looked for at most: a whole archive that was encrypted is not.
const MOST: usize = 4 << 20;

/// Words that are no secret, whoever wrote them.
const PLAIN: [&str; 24] = [
    "true",
    "false",
    "none",
    "null",
    "present",
    "absent",
    "latest",
    "started",
    "stopped",
    "restarted",
    "reloaded",
    "enabled",
    "disabled",
    "directory",
    "touch",
    "link",
    "file",
    "root",
    "localhost",
    "127.0.0.1",
    "0.0.0.0",
    "default",
    "http",
    "https",
];

static ANY: AtomicBool = AtomicBool::new(false);
static HIDDEN: RwLock<Hidden> = RwLock::new(Hidden {
    texts: BTreeSet::new(),
    values: BTreeSet::new(),
    taken: BTreeSet::new(),
    bytes: 0,
    finder: None,
});
static SOURCES: RwLock<BTreeSet<String>> = RwLock::new(BTreeSet::new());

struct Hidden {
    texts: BTreeSet<String>,
    /// What was written as `!vault`, as it is and however short.
    values: BTreeSet<String>,
    /// What was taken in already, by its hash: each host reads the same values again.
    taken: BTreeSet<u64>,
    bytes: usize,
    /// Made when it is asked for, dropped when a text is added.
    finder: Option<AhoCorasick>,
}

impl Hidden {
    fn add(&mut self, text: &str, shortest: usize) {
        let text = text.trim();
        if text.len() < shortest || text.len() > LONGEST || PLAIN.contains(&text.to_ascii_lowercase().as_str()) {
            return;
        }
        for form in forms(text) {
            if self.bytes + form.len() <= MOST && !self.texts.contains(&form) {
                self.bytes += form.len();
                self.texts.insert(form);
                self.finder = None;
            }
        }
    }
}

/// A text as it is written in several places.
fn forms(text: &str) -> Vec<String> {
    let mut forms = vec![text.to_owned()];
    let is_number = text.bytes().all(|b| b.is_ascii_digit());
    if !is_number {
        forms.push(base64::engine::general_purpose::STANDARD.encode(text));
        let json = Json::from(text).to_string();
        forms.push(json.trim_matches('"').to_owned());
        forms.push(percent(text));
        if text.contains('\'') {
            forms.extend([text.replace('\'', "'\\''"), text.replace('\'', "'\"'\"'"), text.replace('\'', "\\'")]);
        }
    }
    forms.retain(|form| form.len() >= SHORTEST);
    forms
}

fn percent(text: &str) -> String {
    let kept = |b: u8| b.is_ascii_alphanumeric() || b"_.-~/".contains(&b);
    let one = |b: u8| if kept(b) { char::from(b).to_string() } else { format!("%{b:02X}") };
    text.bytes().map(one).collect()
}

/// What a text was taken in as.
#[derive(Clone, Copy, Hash)]
enum Way {
    Text,
    Content,
}

impl Way {
    fn mark(self, text: &str) -> u64 {
        let mut hasher = std::hash::DefaultHasher::new();
        (self, text).hash(&mut hasher);
        hasher.finish()
    }

    fn is_taken(self, text: &str) -> bool {
        let mark = self.mark(text);
        HIDDEN.read().unwrap_or_else(PoisonError::into_inner).taken.contains(&mark)
    }
}

/// Keeps a decrypted text out of every output from now on.
pub fn conceal(text: &str) {
    if Way::Text.is_taken(text) {
        return;
    }
    let mut hidden = HIDDEN.write().unwrap_or_else(PoisonError::into_inner);
    hidden.add(text, SHORTEST);
    if text.trim().contains('\n') {
        for line in text.lines().map(str::trim) {
            hidden.add(line, SHORTEST_LINE);
            // `password: x`, `PASSWORD=x`: the value alone may be taken out of it.
            let value = line.split_once(": ").or_else(|| line.split_once('='));
            if let Some((_, value)) = value {
                hidden.add(value.trim().trim_matches(['"', '\'']), SHORTEST + 2);
            }
        }
    }
    if text.trim_start().starts_with(['{', '['])
        && let Ok(json) = serde_json::from_str::<Json>(text)
    {
        leaves(&json, &mut |leaf| hidden.add(leaf, SHORTEST));
    }
    hidden.taken.insert(Way::Text.mark(text));
    drop(hidden);
    ANY.store(true, Ordering::Release);
}

/// Keeps the content of a decrypted file out of every output, and what may be taken out of it: words that hold letters and
/// digits alike, as passwords and tokens do.
pub fn conceal_content(text: &str) {
    if Way::Content.is_taken(text) {
        return conceal(text);
    }
    let inside = |c: char| c.is_alphanumeric() || "-_.+$!%&*#@^~".contains(c);
    let mut hidden = HIDDEN.write().unwrap_or_else(PoisonError::into_inner);
    for word in text.split(|c| !inside(c)).filter(|word| word.len() <= LONGEST) {
        if word.contains(char::is_alphabetic) && word.contains(|c: char| c.is_ascii_digit()) {
            hidden.add(word, SHORTEST_LINE);
        }
    }
    hidden.taken.insert(Way::Content.mark(text));
    drop(hidden);
    conceal(text);
}

/// Keeps every word of a decrypted text out of every output: of one that could not be understood.
pub fn conceal_words(text: &str) {
    let mut hidden = HIDDEN.write().unwrap_or_else(PoisonError::into_inner);
    let marks: &[char] = &['"', '\'', ',', ':', '{', '}', '[', ']'];
    for word in text.split_whitespace() {
        hidden.add(word, SHORTEST);
        hidden.add(word.trim_matches(marks), SHORTEST);
    }
    drop(hidden);
    conceal(text);
}

/// Keeps the values of `NAME=VALUE` words out of every output: of an inventory of lines.
pub fn conceal_assigned(text: &str) {
    for line in text.lines() {
        let words = line.split_whitespace().chain([line]);
        for (_, value) in words.filter_map(|word| word.split_once('=')) {
            conceal(value.trim().trim_matches(['"', '\'']));
        }
    }
}

fn leaves(json: &Json, take: &mut dyn FnMut(&str)) {
    match json {
        Json::String(text) => take(text),
        Json::Number(number) => take(&number.to_string()),
        Json::Array(items) => items.iter().for_each(|item| leaves(item, take)),
        Json::Object(map) => map.values().for_each(|item| leaves(item, take)),
        Json::Null | Json::Bool(_) => {}
    }
}

/// The same for what was written as `!vault`.
pub fn conceal_value(text: &str) {
    if !is_value(text) {
        HIDDEN.write().unwrap_or_else(PoisonError::into_inner).values.insert(text.to_owned());
    }
    conceal(text);
}

/// Whether a text is one that was written as `!vault`.
pub fn is_value(text: &str) -> bool {
    ANY.load(Ordering::Acquire) && HIDDEN.read().unwrap_or_else(PoisonError::into_inner).values.contains(text)
}

/// Notes that what a file holds is secret: messages name places in it and quote nothing.
pub fn hide_source(name: &str) {
    SOURCES.write().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned());
}

/// Whether nothing may be quoted of a file.
pub fn is_hidden_source(name: &str) -> bool {
    SOURCES.read().unwrap_or_else(PoisonError::into_inner).contains(name)
}

/// A text with stars in the place of all that was decrypted.
pub fn mask(text: &str) -> Cow<'_, str> {
    if !ANY.load(Ordering::Acquire) || text.len() < SHORTEST {
        return Cow::Borrowed(text);
    }
    let Some(finder) = finder() else { return Cow::Borrowed(text) };
    let mut out = String::new();
    let (mut kept, mut from) = (0, 0);
    while let Some(found) = finder.find(Input::new(text).span(from..text.len()).anchored(Anchored::No)) {
        let (start, end) = (found.start(), found.end());
        let is_number = end - start < LONG_NUMBER && text.as_bytes()[start..end].iter().all(u8::is_ascii_digit);
        let around = [text[..start].chars().next_back(), text[end..].chars().next()];
        if is_number && around.into_iter().flatten().any(char::is_alphanumeric) {
            from = start + 1;
            continue;
        }
        out.push_str(&text[kept..start]);
        out.push_str(MASK);
        (kept, from) = (end, end);
    }
    if kept == 0 {
        return Cow::Borrowed(text);
    }
    out.push_str(&text[kept..]);
    Cow::Owned(out)
}

/// The finder of all texts. Cloning it is cheap.
fn finder() -> Option<AhoCorasick> {
    if let Some(finder) = &HIDDEN.read().unwrap_or_else(PoisonError::into_inner).finder {
        return Some(finder.clone());
    }
    let mut hidden = HIDDEN.write().unwrap_or_else(PoisonError::into_inner);
    if hidden.finder.is_none() && !hidden.texts.is_empty() {
        hidden.finder = AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(&hidden.texts).ok();
    }
    hidden.finder.clone()
}

/// The same for a value and all that is in it. The names of its own fields stay.
pub fn mask_json(value: &mut Json) {
    if ANY.load(Ordering::Acquire) {
        mask_at(value, 0);
    }
}

fn mask_at(value: &mut Json, depth: usize) {
    match value {
        Json::String(text) => {
            if let Cow::Owned(masked) = mask(text) {
                *text = masked;
            }
        }
        Json::Number(number) => {
            if let Cow::Owned(masked) = mask(&number.to_string()) {
                *value = Json::String(masked);
            }
        }
        Json::Array(items) => items.iter_mut().for_each(|item| mask_at(item, depth + 1)),
        Json::Object(map) => {
            map.values_mut().for_each(|item| mask_at(item, depth + 1));
            // `stdout`, `rc`, `ansible_facts`: fields of a result.
            let is_field = |key: &str| depth == 0 && key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
            if map.keys().any(|key| !is_field(key) && matches!(mask(key), Cow::Owned(_))) {
                let entries = std::mem::take(map).into_iter();
                let name = |key: String| if is_field(&key) { key } else { mask(&key).into_owned() };
                *map = entries.map(|(key, item)| (name(key), item)).collect();
            }
        }
        Json::Null | Json::Bool(_) => {}
    }
}
