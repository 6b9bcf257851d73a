//! A unit of systemd that a module keeps, so that its work is done again at every boot.

use crate::{
    fact::{Answer, Probe, Resource, State, UnitState},
    module::{Change, Context, Plan, PlanError, Step, edit::Edit, put},
    sh::quote,
};

/// A oneshot unit with one shell command.
pub(super) struct BootUnit {
    /// The unit's full name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Further lines of its `[Unit]` section.
    pub order: &'static str,
    /// POSIX sh in one line each, run one after another.
    pub commands: Vec<String>,
    /// Whether the next command runs when one fails.
    pub go_on: bool,
}

impl BootUnit {
    pub(super) fn path(&self) -> String {
        path(&self.name)
    }

    /// The unit file.
    fn text(&self) -> String {
        let mut text = format!(
            "# Written by bringup; it is kept as it is here.\n[Unit]\nDescription={}\n{}\n[Service]\nType=oneshot\nRemainAfterExit=yes\n",
            self.description, self.order
        );
        for command in &self.commands {
            // systemd reads `%` and `$` itself, and takes a backslash in quotes for an escape.
            let command = command.replace('\\', "\\\\").replace('%', "%%").replace('$', "$$").replace('"', "\\\"");
            let go_on = if self.go_on { "-" } else { "" };
            text.push_str(&format!("ExecStart={go_on}/bin/sh -c \"{command}\"\n"));
        }
        text.push_str("\n[Install]\nWantedBy=multi-user.target\n");
        text
    }

    /// Adds what is missing of the unit to a plan.
    ///
    /// # Errors
    /// When something is still to be read.
    pub(super) fn keep(&self, context: &Context<'_>, state: &State, plan: &mut Plan) -> Result<(), PlanError> {
        let path = self.path();
        let edit = Edit::of(&path);
        let present = edit.present(context, state)?;
        let unit = state.unit(&self.name)?;
        let text = self.text();
        let differs = present.text()? != Some(&text);
        if differs {
            edit.write(context, state, &present, &text)?.add(plan);
        }
        if differs || unit.file != "enabled" || unit.stale {
            let name = quote(&self.name);
            // This reads all unit files anew, the changed one with them.
            let script = format!("systemctl --quiet enable -- {name}\n");
            plan.changes.push(change(format!("enable {}", self.name), script, &self.name));
            let mut after = UnitState { load: "loaded".into(), file: "enabled".into(), stale: false, ..unit.clone() };
            after.sync();
            plan.predictions.push((Probe::Unit { name: self.name.clone() }, Answer::Unit(after)));
        }
        Ok(())
    }
}

fn path(name: &str) -> String {
    format!("/etc/systemd/system/{name}")
}

/// What must be read of a unit.
pub(super) fn probes(context: &Context<'_>, state: &State, name: &str) -> Vec<Probe> {
    let mut probes = Edit::of(&path(name)).probe(context, state);
    probes.push(Probe::Unit { name: name.to_owned() });
    probes
}

/// The text of the unit's file; `None` where there is none.
///
/// # Errors
/// When it is still to be read.
pub(super) fn text<'s>(context: &Context<'_>, state: &'s State, name: &str) -> Result<Option<&'s str>, PlanError> {
    Ok(Edit::of(&path(name)).present(context, state)?.text()?)
}

/// Adds the removal of a unit to a plan, where there is one.
///
/// # Errors
/// When something is still to be read.
pub(super) fn drop_unit(context: &Context<'_>, state: &State, name: &str, plan: &mut Plan) -> Result<(), PlanError> {
    if text(context, state, name)?.is_none() {
        return Ok(());
    }
    let (unit, file) = (quote(name), path(name));
    let script = format!(
        "systemctl --quiet disable -- {unit} 2>/dev/null; systemctl stop -- {unit}\nrm -f -- {} && systemctl daemon-reload\n",
        quote(&file)
    );
    plan.changes.push(change(format!("remove {name}"), script, name));
    plan.predictions.extend(put::absent_predictions(&file));
    let gone =
        UnitState { load: "not-found".into(), active: "inactive".into(), sub: "dead".into(), ..UnitState::default() };
    plan.predictions.push((Probe::Unit { name: name.to_owned() }, Answer::Unit(gone)));
    Ok(())
}

fn change(what: String, script: String, unit: &str) -> Change {
    let wants = "/etc/systemd/system/multi-user.target.wants";
    let writes =
        vec![Resource::Unit(unit.to_owned()), Resource::Path(path(unit)), Resource::Path(format!("{wants}/{unit}"))];
    Change { what, step: Step::Script(script), writes, closed: false }
}
