//! One task on one host, among the other hosts of the batch: when it may be done, and by whom.

use std::sync::Arc;

use serde_json::{Map, Value as Json};

use super::{
    barrier::Position,
    debugger::{Debugging, Session, Verdict},
    evaluation::{Evaluation, Settings},
    host::HostRun,
    keyword,
    outcome::Outcome,
    stop::Stop,
    task_error::TaskError,
    throttle,
};
use crate::{
    inventory::Level,
    module::about,
    playbook::{Action, IncludeKind, Keywords, MetaAction, Strategy, Task},
    report::Status,
    template::Context,
    yaml::Node,
};

/// What keeps the hosts of a batch together at a task.
struct Together {
    /// One host does it for all.
    once: bool,
    /// One host does it, and the others learn nothing of its result.
    by_first: bool,
    /// A failure ends the play for all.
    fatal: bool,
    /// So many hosts do it at once.
    throttle: Option<usize>,
    /// Nobody may be before it any more when it is done.
    before: bool,
    /// Nobody may go past it until everybody's is done.
    behind: bool,
}

impl HostRun {
    /// Does one task, wherever its machine is, and moves the cursor.
    pub async fn step(&mut self, task: Arc<Task>, position: Position) -> Result<(), Stop> {
        if self.of.run.interrupted() || self.of.batch.ended(&position) {
            return Err(Stop::Ended);
        }
        let vars = self.vars(&task);
        let together = match self.keeps_together(&task, &position, &vars) {
            // The task that stands behind a name says that itself.
            Ok(together) => {
                Together { once: together.once && !for_each_host(&task) && !named_later(&task), ..together }
            }
            Err(error) => return self.conclude(&task, &position, &vars, Outcome::failed(&error.at(&task.span))).await,
        };
        self.fatal = together.fatal;
        if self.ran_already(&task) {
            // The others must not wait for this one to do it for all.
            if together.once {
                self.of.batch.pass_by(&self.of.host.name, &position);
            }
            self.cursor.advance();
            return Ok(());
        }
        if together.before {
            self.unconfirmed.together(&position).await?;
        } else {
            // A task taken back would be rendered again.
            if self.of.run.acts(&self.of.run.features_of(&task), &vars) {
                self.unconfirmed.flush().await?;
            }
            self.unconfirmed.reach(&position);
        }
        self.position.clone_from(&position);
        // All hosts get the same answer: nobody waits for one that passes the task by.
        if !self.consent(&task, &position, &vars).await? {
            self.cursor.advance();
            return Ok(());
        }
        if together.once && !self.of.batch.does_once(&self.of.host.name, &position) {
            return self.take_over(&task, &position, together.by_first).await;
        }
        self.act(&task, &position, &vars, &together).await?;
        if self.alone.as_ref() == Some(&position) {
            self.alone = None;
        }
        // A host that has failed goes no further but to handlers that are forced.
        if together.behind && !self.failed {
            // What an include brings in stands before the place behind it, and may end the play for all.
            let next = if brings_tasks(&task) { within(&position) } else { behind(&position) };
            self.unconfirmed.together(&next).await?;
            let own = self.failed_at.as_ref() == Some(&position);
            if together.fatal && !own && self.of.batch.failed_elsewhere(&position, &self.of.host.name) {
                self.fail_along();
            }
        }
        Ok(())
    }

    /// Does the task by itself, now that it is its turn.
    async fn act(
        &mut self,
        task: &Arc<Task>,
        position: &Position,
        vars: &Context,
        together: &Together,
    ) -> Result<(), Stop> {
        match &task.action {
            Action::Meta { action, .. } => return self.meta(*action, task, position, vars).await,
            Action::Include(include) => {
                self.unconfirmed.flush().await?;
                if named_later(task) {
                    return self.act_by_name(include, task, position, vars).await;
                }
                if together.once && !matches!(include.kind, IncludeKind::Vars) {
                    // The others go on behind it: what it brings in is this host's.
                    self.of.batch.publish_once(&self.of.host.name, position, &Outcome::new(Status::Ok, unchanged()));
                }
                return self.include(include, task, position, (vars, together.once)).await;
            }
            Action::Module { .. } => {}
        }
        let batch = self.of.batch.clone();
        let held = match together.throttle {
            Some(most) => batch.throttles.hold(position, most).await,
            None => None,
        };
        let outcome = match Debugging::of(&self.of.run, &batch, task, vars) {
            Ok(None) => self.evaluated(task, position, vars, self.alone.is_some()).await?,
            Ok(Some(debugging)) => self.debugged(debugging, task, position, vars).await?,
            Err(error) => Outcome::failed(&error.at(&task.span)),
        };
        if together.once {
            batch.publish_once(&self.of.host.name, position, &outcome);
        }
        let concluded = self.conclude(task, position, vars, outcome).await;
        if held.is_some() {
            // It counts as done where it is carried out, not where it is decided.
            self.unconfirmed.flush().await?;
        }
        concluded
    }

    /// Lets the task come to an outcome.
    async fn evaluated(
        &mut self,
        task: &Arc<Task>,
        position: &Position,
        vars: &Context,
        alone: bool,
    ) -> Result<Outcome, Stop> {
        let evaluation = Evaluation {
            of: &self.of,
            cursor: &self.cursor,
            unconfirmed: &mut self.unconfirmed,
            task,
            position,
            vars,
            alone,
            again: false,
            index: None,
            settings: Settings::default(),
            regrouped: None,
        };
        evaluation.outcome().await
    }

    /// The same for a task that the debugger is for: by itself, and once more as often as a person wants.
    async fn debugged(
        &mut self,
        debugging: Debugging,
        task: &Arc<Task>,
        position: &Position,
        vars: &Context,
    ) -> Result<Outcome, Stop> {
        self.unconfirmed.flush().await?;
        let name = self.line(task, position, Some(vars)).name;
        let mut session = Session::new(&self.of.run, &self.of.host.name, task, name, vars);
        loop {
            let (task, vars) = (session.task(), session.vars());
            let outcome = self.evaluated(&task, position, &vars, true).await;
            if !debugging.is_due(&outcome) {
                return outcome;
            }
            let talked = tokio::task::spawn_blocking(move || {
                let verdict = session.talk(&outcome);
                (session, outcome, verdict)
            });
            // A talk that broke down leaves nothing to go on with.
            let Ok((back, outcome, verdict)) = talked.await else { return Err(Stop::Ended) };
            session = back;
            match verdict {
                Verdict::Redo => {}
                Verdict::Continue => return outcome,
                Verdict::Quit => return Err(Stop::Ended),
            }
        }
    }

    /// Whether the task belongs to a role that another use of it has brought to this host already, as with Ansible.
    ///
    /// Source: <https://docs.ansible.com/ansible/latest/playbook_guide/playbooks_reuse_roles.html#running-a-role-multiple-times-in-one-play>
    fn ran_already(&self, task: &Task) -> bool {
        let handler = self.cursor.in_handler();
        let Some(role) = task.scope.role().filter(|role| !handler && !role.allow_duplicates) else { return false };
        self.roles_run.get(&role.key).is_some_and(|used| !Arc::ptr_eq(used, role))
    }

    /// What a task says about the other hosts.
    fn keeps_together(&self, task: &Arc<Task>, position: &Position, vars: &Context) -> Result<Together, TaskError> {
        let (run, batch) = (&self.of.run, &self.of.batch);
        let flag = |pick: fn(&Keywords) -> Option<&Node>| keyword::flag(run, &task.scope, vars, pick);
        let seen = run.features_of(task);
        // Where nobody waits for anybody there is no first host.
        let by_first = is_by_first(task) && batch.strategy != Strategy::Free;
        let told = flag(|k| k.run_once.as_ref())?.unwrap_or(false);
        let (once, by_first) = (told || by_first, by_first && !told);
        let fatal = flag(|k| k.any_errors_fatal.as_ref())?.unwrap_or(run.options.any_errors_fatal);
        let throttle = throttle::most(run, task, vars)?;
        // As with Ansible it ends at this task for all, however far ahead some of them could be.
        let ends = matches!(&task.action, Action::Meta { action: MetaAction::EndPlay | MetaAction::EndBatch, .. });
        let (others, who_is_left) = run.reads_others(&seen, vars);
        // Nobody may look past a delegated task before everybody's is done, nor past one that tells who still takes part.
        let behind = once
            || fatal
            || ends
            || seen.delegated
            || self.of.elsewhere(&seen, vars)
            || (who_is_left && !batch.alone());
        let before = behind
            || (throttle.is_some() && !batch.alone())
            || others
            || batch.strict
            || self.alone.as_ref() == Some(position);
        Ok(Together { once, by_first, fatal, throttle, before, behind })
    }

    /// Whether the user wants this task done, where that is asked. What was decided before is carried out first.
    async fn consent(&mut self, task: &Task, position: &Position, vars: &Context) -> Result<bool, Stop> {
        if !self.of.run.options.step || !matches!(task.action, Action::Module { .. }) {
            return Ok(true);
        }
        self.unconfirmed.flush().await?;
        let name = self.line(task, position, Some(vars)).name;
        let (run, position) = (self.of.run.clone(), position.clone());
        let asked = tokio::task::spawn_blocking(move || run.prompter.consent(&name, position)).await;
        // Without an answer nothing is done.
        Ok(asked.unwrap_or(false))
    }

    /// Another host of the batch does this `run_once` task: its result is ours too.
    async fn take_over(&mut self, task: &Arc<Task>, position: &Position, by_first: bool) -> Result<(), Stop> {
        let batch = self.of.batch.clone();
        // Once the play ends with this very task, nobody else is to do it.
        let behind = behind(position);
        let shared = batch.barrier.until(|| match batch.once(position) {
            Some(shared) => Some(Some(shared)),
            None if batch.ended(&behind) || batch.does_once(&self.of.host.name, position) => Some(None),
            None => None,
        });
        let Some(shared) = shared.await else {
            // The host that was to do it is gone: it falls to this one, from the start.
            return if batch.ended(&behind) { Err(Stop::Ended) } else { Ok(()) };
        };
        if !by_first {
            self.learn(task, &shared);
            shared.brought.iter().for_each(|vars| self.of.host.push(Level::IncludeVars, vars.clone()));
        }
        let vars = self.vars(task);
        if shared.status == Status::Failed && !self.ignores_errors(task, &vars) {
            self.fail(task, &Json::Object(shared.result.clone()));
        } else {
            self.cursor.advance();
        }
        self.unconfirmed.together(&behind).await
    }
}

/// The fields of a result that tells of nothing.
fn unchanged() -> Map<String, Json> {
    Map::from_iter([("changed".to_owned(), Json::Bool(false))])
}

/// Whether a task is done for each host whatever `run_once` says: `meta` knows itself whom it is for.
fn for_each_host(task: &Task) -> bool {
    matches!(task.action, Action::Meta { .. })
}

/// Whether the module of a task is done by the first host alone.
fn is_by_first(task: &Task) -> bool {
    matches!(&task.action, Action::Module { name, .. } if about(name).by_first)
}

/// Whether the module of a task is known only where it is come to.
fn named_later(task: &Task) -> bool {
    matches!(&task.action, Action::Include(include) if matches!(include.kind, IncludeKind::Action { .. }))
}

/// Whether tasks come with it that are done next.
fn brings_tasks(task: &Task) -> bool {
    matches!(&task.action, Action::Include(include) if matches!(include.kind, IncludeKind::Tasks { .. } | IncludeKind::Role(_)))
}

/// The place before the first task that an include brings in.
fn within(position: &Position) -> Position {
    position.iter().copied().chain([0]).collect()
}

/// The place right behind a task.
fn behind(position: &Position) -> Position {
    position.iter().copied().chain([u32::MAX]).collect()
}
