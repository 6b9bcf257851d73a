//! Loading playbooks without the modules of the product.

use std::{path::Path, sync::Arc};

use bringup::playbook::{About, Args, Diagnostic, Loader, ModuleNames, Options, Playbook};
use bringup::yaml::{Node, Span};

/// The modules these tests know; the registry has its own tests.
pub struct Names;

const MODULES: &[&str] = &[
    "ansible.builtin.apt",
    "ansible.builtin.assert",
    "ansible.builtin.command",
    "ansible.builtin.copy",
    "ansible.builtin.debug",
    "ansible.builtin.fail",
    "ansible.builtin.file",
    "ansible.builtin.get_url",
    "ansible.builtin.lineinfile",
    "ansible.builtin.package",
    "ansible.builtin.ping",
    "ansible.builtin.raw",
    "ansible.builtin.script",
    "ansible.builtin.service",
    "ansible.builtin.set_fact",
    "ansible.builtin.setup",
    "ansible.builtin.shell",
    "ansible.builtin.slurp",
    "ansible.builtin.stat",
    "ansible.builtin.systemd_service",
    "ansible.builtin.template",
    "ansible.builtin.uri",
    "ansible.builtin.user",
    "ansible.builtin.validate_argument_spec",
    "ansible.builtin.wait_for",
    "ansible.posix.sysctl",
    "community.general.modprobe",
];

impl ModuleNames for Names {
    fn has_collection(&self, _: &str) -> bool {
        true
    }

    fn canonical(&self, written: &str) -> Option<&str> {
        MODULES.iter().copied().find(|m| *m == written || m.rsplit('.').next() == Some(written))
    }

    fn near(&self, written: &str) -> Option<String> {
        let short = |m: &'static str| m.rsplit('.').next().unwrap_or(m);
        let distance = |m: &'static str| strsim::damerau_levenshtein(short(m), written);
        MODULES.iter().copied().filter(|m| distance(m) <= 2).min_by_key(|m| distance(m)).map(|m| short(m).to_owned())
    }

    fn check_args(&self, name: &str, args: &Args, _: Option<&Node>, _: &Span, complete: bool) -> Vec<Diagnostic> {
        let mut found = Vec::new();
        if name == "ansible.builtin.copy" {
            for (key, _) in args {
                if !["src", "dest", "content", "mode", "owner", "group"].contains(&key.key_text().as_str()) {
                    found.push(Diagnostic::error(&key.span, format!("`copy` has no parameter `{}`", key.key_text())));
                }
            }
            if complete && !args.iter().any(|(k, _)| k.as_str() == Some("dest")) {
                let span = args.first().map(|(k, _)| k.span.clone());
                found.extend(span.map(|s| Diagnostic::error(&s, "`copy` needs `dest`")));
            }
        }
        found
    }

    fn about(&self, name: &str) -> About {
        bringup::module::about(name)
    }
}

/// A loader that knows these modules.
pub fn loader() -> Loader {
    Loader::new(Arc::new(Names), Options::default())
}

/// Where the valid playbooks are.
pub fn root() -> &'static Path {
    Path::new("tests/playbook/valid")
}

/// Loads one of the valid playbooks.
pub fn load(path: &str) -> Playbook {
    match loader().load(&root().join(path)) {
        Ok((playbook, warnings)) => {
            assert!(warnings.is_empty(), "{path}: {warnings:#?}");
            playbook
        }
        Err(error) => panic!("{path}: {:#?}", error.diagnostics),
    }
}
