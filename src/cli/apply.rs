//! `bringup apply` and `bringup plan`: playbooks against hosts.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use clap::{Args, builder::FalseyValueParser};
use miette::{MietteDiagnostic, Report, Severity};

use super::{Exit, configured, fault::Undefined, flags, listing::Lists};
use crate::{
    playbook::{Diagnostic, Playbook},
    report::{self, Output, Reporter, terminal},
    run::{Reload, Summary, known_tags},
};

/// Bring the hosts to the described state
#[derive(Args, Debug)]
pub struct Apply {
    /// Change nothing, and tell what would be changed
    #[arg(short = 'C', long)]
    check: bool,
    /// Show differences of files
    #[arg(short = 'D', long, env = "BRINGUP_DIFF", hide_env_values = true, value_parser = FalseyValueParser::new())]
    diff: bool,
    /// Leave out lines about what is as it should be, as `plan` does
    #[arg(long, env = "BRINGUP_ONLY_CHANGES", hide_env_values = true, value_parser = FalseyValueParser::new())]
    only_changes: bool,
    #[command(flatten)]
    play: Plays,
}

/// Tell what `apply` would change, with differences; change nothing
///
/// What is as it should be is only counted; `-v` shows it.
#[derive(Args, Debug)]
pub struct Plan {
    /// Differences are always shown: the flag is taken for habit's sake
    #[arg(short = 'D', long, hide = true)]
    #[allow(dead_code)] // nothing depends on it
    diff: bool,
    /// Exit with 3 when something would change
    #[arg(long)]
    exit_code: bool,
    #[command(flatten)]
    play: Plays,
}

#[derive(Args, Debug)]
pub(super) struct Plays {
    /// Playbooks, run one after the other
    #[arg(required = true, value_name = "PLAYBOOK")]
    pub(super) playbooks: Vec<PathBuf>,
    #[command(flatten)]
    pub(super) hosts: flags::Hosts,
    /// The facts that are kept of hosts are forgotten first.
    #[arg(skip)]
    pub(super) flush_cache: bool,
    /// Only tasks with these tags
    #[arg(short, long, value_name = "TAGS", env = "BRINGUP_TAGS", hide_env_values = true)]
    tags: Vec<String>,
    /// No tasks with these tags
    #[arg(long, value_name = "TAGS", env = "BRINGUP_SKIP_TAGS", hide_env_values = true)]
    skip_tags: Vec<String>,
    /// Start at the task of this name
    #[arg(long, value_name = "NAME")]
    start_at_task: Option<String>,
    /// Ask before each task whether to do it
    #[arg(long)]
    step: bool,
    #[command(flatten)]
    lists: Lists,
    /// Seconds that a step may take at most
    #[arg(long, value_name = "SECONDS", env = "BRINGUP_TASK_TIMEOUT", hide_env_values = true,
        value_parser = clap::value_parser!(u64).range(1..))]
    task_timeout: Option<u64>,
    /// Run notified handlers even on hosts that failed
    #[arg(long)]
    force_handlers: bool,
    /// Ask each task's questions by themselves: slower, for comparison
    #[arg(long, hide = true)]
    no_lookahead: bool,
    /// Show the slowest tasks, round trips and bytes at the end
    #[arg(long)]
    profile: bool,
    /// Write an HTML page that shows when each task ran on each host
    #[arg(long, value_name = "FILE")]
    timeline: Option<PathBuf>,
    /// What to print [default: human]
    #[arg(long, value_enum, value_name = "FORMAT", env = "BRINGUP_OUTPUT", hide_env_values = true)]
    output: Option<Output>,
}

impl Apply {
    /// What both commands have.
    pub(super) fn plays(&mut self) -> &mut Plays {
        &mut self.play
    }

    /// Runs the command.
    pub fn run(&self) -> Result<Exit, Report> {
        let summary = self.play.run(self.check, self.diff, self.only_changes)?;
        Ok(flags::exit(&summary, false))
    }
}

impl Plan {
    /// Runs the command.
    pub fn run(&self) -> Result<Exit, Report> {
        let summary = self.play.run(true, true, self.play.hosts.verbose == 0)?;
        Ok(flags::exit(&summary, self.exit_code))
    }
}

impl Plays {
    fn run(&self, check: bool, diff: bool, only_changes: bool) -> Result<Summary, Report> {
        let mut options = self.hosts.options()?;
        options.check = check;
        options.diff = diff;
        options.tag_filter = flags::tag_filter(&self.tags, &self.skip_tags);
        options.tags = options.tag_filter.only.clone();
        options.skip_tags = options.tag_filter.skip.clone();
        options.start_at_task = self.start_at_task.clone();
        options.step = self.step;
        options.task_timeout = self.task_timeout.map(Duration::from_secs);
        options.force_handlers = self.force_handlers;
        options.lookahead = !self.no_lookahead;
        let loader = flags::loader(&options, self.hosts.roles_path.as_deref());
        let mut playbooks: Vec<Playbook> = Vec::new();
        for path in &self.playbooks {
            let (playbook, warnings) = loader.load(path)?;
            warn(warnings);
            playbooks.push(playbook);
        }
        for text in Playbook::unknown_tags(&playbooks, &options.tag_filter) {
            let warning = MietteDiagnostic::new(text).with_severity(Severity::Warning);
            terminal::err(&format!("{:?}", Report::new(warning)));
        }
        if self.lists.any() && !self.lists.hosts() {
            self.lists.print(&playbooks, &options.tag_filter, &known_tags(&options.extra_vars), None)?;
            return Ok(Summary::default());
        }
        let folders: Vec<PathBuf> =
            playbooks.iter().flat_map(|p| p.plays.iter().map(|play| play.directory.clone())).collect();
        let inventory = self.hosts.load(&folders)?;
        let hosts = self.hosts.clone();
        let again = folders.clone();
        options.reload = Some(Reload(Arc::new(move || hosts.reload(&again).map_err(|error| error.to_string()))));
        if let (Some(cache), true) = (&options.fact_cache, self.flush_cache) {
            configured::flush(cache, &inventory)?;
        }
        if let Some(limit) = &options.limit
            && inventory.resolve(&["all"], Some(limit))?.hosts.is_empty()
        {
            return Err(miette::miette!(
                help = "`bringup inventory --graph` shows the hosts and groups there are",
                "`--limit {limit}` leaves no host to target"
            ));
        }
        if self.lists.any() {
            let (filter, extra) = (options.tag_filter.clone(), options.extra_vars.clone());
            let run = flags::new_run(options, inventory, loader, Arc::new(report::Silent));
            self.lists.print(&playbooks, &filter, &known_tags(&extra), Some(&run))?;
            return Ok(Summary::default());
        }
        let reporter = self.reporter(only_changes)?;
        let run = flags::new_run(options, inventory, loader, reporter);
        run.undefined(&playbooks).map_err(Undefined)?;
        flags::execute(&run, &playbooks)
    }

    fn reporter(&self, only_changes: bool) -> Result<Arc<dyn Reporter>, Report> {
        // A question between two tasks and a moving display don't go together.
        let live = !self.step;
        let left_out = configured::left_out(only_changes);
        let output = self.output.unwrap_or_default();
        // Programs that read what Ansible prints are given that.
        let as_ansible = self.hosts.as_ansible && self.output.is_none() && !terminal::read_by_a_person();
        let mut reporter: Arc<dyn Reporter> = match as_ansible {
            true => Arc::new(report::CallbackDefault::new(self.hosts.verbose, left_out, configured::failures_aside())),
            false => report::reporter(output, self.hosts.verbose, left_out, live),
        };
        if self.profile {
            reporter = Arc::new(report::Profile::new(reporter, output != Output::Human));
        }
        if let Some(path) = &self.timeline {
            let file = std::fs::File::create(path).map_err(|e| {
                miette::miette!(help = "name a file behind `--timeline`", "cannot write {}: {e}", path.display())
            })?;
            reporter = Arc::new(report::Timeline::new(reporter, file));
        }
        Ok(reporter)
    }
}

/// Prints the warnings of a playbook. What we lack, and may never be needed for the conditions around it, is told in one line each: roles
/// for many systems are full of it.
fn warn(warnings: Vec<Diagnostic>) {
    let mut lacking: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for warning in warnings {
        match &warning.span {
            Some(span) if warning.waits => {
                let place = format!("{}:{}", span.source.name, span.line_column().0);
                lacking.entry(warning.message.clone()).or_default().push(place);
            }
            _ => terminal::err(&format!("{:?}", Report::new(warning))),
        }
    }
    for (message, places) in lacking {
        let others = match places.len() - 1 {
            0 => String::new(),
            1 => " and at one more place".to_owned(),
            more => format!(" and at {more} more places"),
        };
        terminal::warn(&format!("{message} ({}{others}): this fails where the conditions around it hold", places[0]));
    }
}
