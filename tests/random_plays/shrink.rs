//! Makes a case that shows a difference smaller: leaves out tasks and keywords one by one as long as it still does.

use serde_json::Value as Json;

/// Keys without which a task is still a task.
const KEYWORDS: &[&str] = &[
    "when",
    "loop",
    "with_items",
    "notify",
    "register",
    "ignore_errors",
    "changed_when",
    "failed_when",
    "tags",
    "delegate_to",
    "run_once",
    "become",
    "rescue",
    "always",
    "vars",
    "until",
    "retries",
    "delay",
    "listen",
    "serial",
    "pre_tasks",
    "mode",
    "owner",
    "group",
    "any_errors_fatal",
    "creates",
    "removes",
    "chdir",
    "loop_control",
    "insertafter",
    "insertbefore",
    "recurse",
    "roles",
    "order",
    "module_defaults",
    "environment",
    "check_mode",
    "no_log",
];

/// The smallest case found with at most `tries` runs.
pub fn shrink(mut case: Json, mut tries: usize, fails: impl Fn(&Json) -> bool) -> Json {
    loop {
        let mut smaller = false;
        let mut candidates = Vec::new();
        collect(&case, String::new(), &mut candidates);
        for (pointer, key) in candidates.into_iter().rev() {
            if tries == 0 {
                return case;
            }
            let Some(without) = without(&case, &pointer, &key) else { continue };
            tries -= 1;
            if fails(&without) {
                case = without;
                smaller = true;
            }
        }
        if !smaller {
            return case;
        }
    }
}

/// Everything that can be left out: the pointer to what holds it, and its key or index.
fn collect(value: &Json, at: String, found: &mut Vec<(String, String)>) {
    match value {
        Json::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                if item.is_object() {
                    found.push((at.clone(), index.to_string()));
                }
                collect(item, format!("{at}/{index}"), found);
            }
        }
        Json::Object(fields) => {
            for (key, value) in fields {
                if KEYWORDS.contains(&key.as_str()) {
                    found.push((at.clone(), key.clone()));
                }
                collect(value, format!("{at}/{}", key.replace('~', "~0").replace('/', "~1")), found);
            }
        }
        _ => {}
    }
}

fn without(case: &Json, pointer: &str, key: &str) -> Option<Json> {
    let mut case = case.clone();
    match case.pointer_mut(pointer)? {
        Json::Object(fields) => fields.shift_remove(key).map(|_| ())?,
        Json::Array(items) => {
            let index: usize = key.parse().ok()?;
            (index < items.len() && (items.len() > 1 || !pointer.ends_with("/block"))).then(|| items.remove(index))?;
        }
        _ => return None,
    }
    Some(case)
}
