//! Paths that fit a shell pattern, as Python's `glob.glob` finds them; `**` is `*`, as without `recursive`.

use std::path::Path;

use super::fnmatch::{Pattern, has_magic};

/// The paths that fit, sorted. Names that begin with a dot fit only a pattern that does.
pub fn glob(pattern: &str) -> Vec<String> {
    let mut found = paths(pattern, false);
    found.sort();
    found
}

/// The paths; where `folders` is set, those of folders alone need be found.
fn paths(pattern: &str, folders: bool) -> Vec<String> {
    let (folder, name) = split(pattern);
    if !has_magic(pattern) {
        let there = if name.is_empty() { Path::new(folder).is_dir() } else { lexists(pattern) };
        return if there { vec![pattern.to_owned()] } else { Vec::new() };
    }
    let within = if has_magic(folder) && folder != pattern { paths(folder, true) } else { vec![folder.to_owned()] };
    let wanted = Pattern::new(name);
    let mut found = Vec::new();
    for folder in within {
        let names = match name {
            "" => {
                if Path::new(&folder).is_dir() {
                    vec![String::new()]
                } else {
                    Vec::new()
                }
            }
            plain if !has_magic(plain) => {
                if lexists(&join(&folder, plain)) {
                    vec![plain.to_owned()]
                } else {
                    Vec::new()
                }
            }
            _ => {
                let hidden = name.starts_with('.');
                let fits = |entry: &String| (hidden || !entry.starts_with('.')) && wanted.matches(entry);
                entries(&folder, folders).into_iter().filter(fits).collect()
            }
        };
        found.extend(names.iter().map(|name| join(&folder, name)));
    }
    found
}

/// The folder without the slashes behind it, and the name, as `os.path.split` has them.
fn split(path: &str) -> (&str, &str) {
    let at = path.rfind('/').map_or(0, |at| at + 1);
    let (folder, name) = path.split_at(at);
    let bare = folder.trim_end_matches('/');
    (if bare.is_empty() { folder } else { bare }, name)
}

fn join(folder: &str, name: &str) -> String {
    match folder {
        "" => name.to_owned(),
        folder if folder.ends_with('/') => format!("{folder}{name}"),
        folder => format!("{folder}/{name}"),
    }
}

fn lexists(path: &str) -> bool {
    std::fs::symlink_metadata(path).is_ok()
}

fn entries(folder: &str, folders: bool) -> Vec<String> {
    let folder = if folder.is_empty() { "." } else { folder };
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let kept = entries.filter_map(Result::ok).filter(|entry| !folders || entry.path().is_dir());
    kept.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_found_in_folders_that_fit() {
        let place = tempfile::tempdir().unwrap();
        for path in ["a/one.yml", "a/two.yaml", "b/one.yml", "b/.hidden.yml", ".c/one.yml", "b/d/one.yml", "top.yml"] {
            let path = place.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        let top = place.path().to_str().unwrap();
        let found = |pattern: &str| -> Vec<String> {
            glob(&format!("{top}/{pattern}")).iter().map(|p| p[top.len() + 1..].to_owned()).collect()
        };
        assert_eq!(found("*/one.yml"), ["a/one.yml", "b/one.yml"]);
        assert_eq!(found("[!a]/*.yml"), ["b/one.yml"]);
        assert_eq!(found("b/.*"), ["b/.hidden.yml"]);
        assert_eq!(found("**/one.yml"), ["a/one.yml", "b/one.yml"]);
        assert_eq!(found("*/"), ["a/", "b/"]);
        assert_eq!(found("?/d/*"), ["b/d/one.yml"]);
        assert_eq!(found("top.yml"), ["top.yml"]);
        assert!(found("nothing*").is_empty());
    }
}
