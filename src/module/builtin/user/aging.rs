//! How long a password may last: the middle fields of the shadow file, by `chage`.

use super::{Diff, Plan, Probe, Resource, State, User};
use crate::{
    fact::{Answer, Missing, ScriptAnswer},
    module::Whole,
    sh::quote,
};

/// A field of the shadow file.
struct Field {
    /// What people call it.
    name: &'static str,
    /// chage's option for it.
    option: &'static str,
    /// What is asked for.
    wanted: Option<Whole>,
}

impl Field {
    /// The wanted value as the shadow file has it: nothing for none.
    fn text(&self) -> Option<String> {
        self.wanted.map(|days| if days.0 < 0 { String::new() } else { days.0.to_string() })
    }
}

impl User {
    /// In the order of the shadow file.
    fn aging(&self) -> [Field; 4] {
        [
            Field { name: "minimum", option: "-m", wanted: self.password_expire_min },
            Field { name: "maximum", option: "-M", wanted: self.password_expire_max },
            Field { name: "warning", option: "-W", wanted: self.password_expire_warn },
            Field { name: "inactive", option: "-I", wanted: self.password_expire_account_disable },
        ]
    }

    /// The question for these fields, where one of them is asked for.
    pub(super) fn aging_question(&self) -> Option<Probe> {
        self.aging().iter().any(|field| field.wanted.is_some()).then(|| {
            let name = quote(&self.name.0);
            let script = format!(
                "if command -v getent >/dev/null; then getent shadow {name}; \
                 else while IFS= read -r l; do case $l in {name}:*) printf '%s\\n' \"$l\" ;; esac; done </etc/shadow; fi | cut -d: -f4-7\n"
            );
            Probe::Script { script, reads: vec![Resource::User(self.name.0.clone())] }
        })
    }

    /// The script that brings about what of it differs from `present`, which are all four; empty where nothing does.
    pub(super) fn aging_script(&self, present: Option<&[String]>) -> String {
        let differs = |at: usize, field: &Field| {
            let wanted = field.text()?;
            (present.and_then(|p| p.get(at)) != Some(&wanted))
                .then(|| format!(" {} {}", field.option, field.wanted.unwrap_or_default().0))
        };
        let options: String = self.aging().iter().enumerate().filter_map(|(at, field)| differs(at, field)).collect();
        if options.is_empty() {
            return options;
        }
        format!(
            "command -v chage >/dev/null || {{ echo 'chage is not there: install the package that holds it (passwd, shadow)' >&2; exit 9; }}\n\
             chage{options} {} || exit\n",
            quote(&self.name.0)
        )
    }

    /// The same for a user who is there; what it leaves goes into the plan.
    pub(super) fn aging_differences(&self, state: &State, plan: &mut Plan) -> Result<String, Missing> {
        let Some(question) = self.aging_question() else { return Ok(String::new()) };
        let told = state.script(&question)?.text();
        let mut fields: Vec<String> = told.trim_end_matches('\n').split(':').map(str::to_owned).collect();
        fields.resize(4, String::new());
        let script = self.aging_script(Some(&fields));
        if script.is_empty() {
            return Ok(script);
        }
        let shown = |fields: &[String]| {
            let line = |(field, value): (&Field, &String)| format!("{}: {value}\n", field.name);
            self.aging().iter().zip(fields).map(line).collect::<String>()
        };
        let before = shown(&fields);
        for (field, value) in self.aging().iter().zip(&mut fields) {
            if let Some(wanted) = field.text() {
                *value = wanted;
            }
        }
        let header = format!("password of {}", self.name.0);
        let (before_header, after_header) = (header.clone(), header);
        plan.diff.push(Diff { before, after: shown(&fields), before_header, after_header });
        let stdout = format!("{}\n", fields.join(":")).into_bytes();
        plan.predictions.push((question, Answer::Script(ScriptAnswer { stdout, ..ScriptAnswer::default() })));
        Ok(script)
    }
}
