//! What Ansible says of parameters that are missing or that there are not: not all of its modules use the same words.

/// Modules whose part on the workstation looks at the options itself.
const LOOK_THEMSELVES: &[&str] = &["assert", "debug", "fail", "group_by", "reboot", "set_stats", "wait_for_connection"];

fn short(module: &str) -> &str {
    module.rsplit('.').next().unwrap_or(module)
}

/// Says which parameters a module does not have.
pub(super) fn unknown(module: &str, names: &[&str]) -> String {
    let mut names = names.to_vec();
    names.sort_unstable();
    let (module, names) = (short(module), names.join(", "));
    match LOOK_THEMSELVES.contains(&module) {
        true => format!("Invalid options for {module}: {names}"),
        false => format!("Unsupported parameters for ({module}) module: {names}"),
    }
}

/// Says which parameter a module lacks.
pub(super) fn missing(module: &str, name: &str) -> String {
    match short(module) {
        "copy" => format!("{name} is required"),
        _ => format!("missing required arguments: {name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_module_has_its_words() {
        assert_eq!(unknown("ansible.builtin.copy", &["dst", "a"]), "Unsupported parameters for (copy) module: a, dst");
        assert_eq!(unknown("ansible.builtin.debug", &["x"]), "Invalid options for debug: x");
        assert_eq!(missing("ansible.builtin.copy", "dest"), "dest is required");
        assert_eq!(missing("ansible.builtin.file", "path"), "missing required arguments: path");
    }
}
