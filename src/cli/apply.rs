//! `bringup apply` and `bringup plan`: playbooks against hosts.

use std::{path::PathBuf, sync::Arc, time::Duration};

use clap::Args;
use miette::Report;

use super::{Exit, common};
use crate::{
    playbook::Playbook,
    report::{self, Output},
    run::{Run, Summary},
};

/// Bring the hosts to the described state
#[derive(Args, Debug)]
pub struct Apply {
    /// Change nothing, and tell what would be changed
    #[arg(short = 'C', long)]
    check: bool,
    /// Show differences of files
    #[arg(short = 'D', long)]
    diff: bool,
    #[command(flatten)]
    play: Plays,
}

/// Tell what `apply` would change, with differences; change nothing
#[derive(Args, Debug)]
pub struct Plan {
    /// Exit with 3 when something would change
    #[arg(long)]
    exit_code: bool,
    #[command(flatten)]
    play: Plays,
}

#[derive(Args, Debug)]
struct Plays {
    /// Playbooks, run one after the other
    #[arg(required = true, value_name = "PLAYBOOK")]
    playbooks: Vec<PathBuf>,
    #[command(flatten)]
    hosts: common::Hosts,
    /// Only tasks with these tags
    #[arg(short, long, value_name = "TAGS")]
    tags: Vec<String>,
    /// No tasks with these tags
    #[arg(long, value_name = "TAGS")]
    skip_tags: Vec<String>,
    /// Start at the task of this name
    #[arg(long, value_name = "NAME")]
    start_at_task: Option<String>,
    /// Seconds that a step may take at most
    #[arg(long, value_name = "SECONDS")]
    task_timeout: Option<u64>,
    /// Run notified handlers even on hosts that failed
    #[arg(long)]
    force_handlers: bool,
    /// Ask each task's questions by themselves: slower, for comparison
    #[arg(long, hide = true)]
    no_lookahead: bool,
    /// What to print
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    output: Output,
}

impl Apply {
    /// Runs the command.
    pub fn run(&self) -> Result<Exit, Report> {
        let summary = self.play.run(self.check, self.diff)?;
        Ok(exit(&summary, false))
    }
}

impl Plan {
    /// Runs the command.
    pub fn run(&self) -> Result<Exit, Report> {
        let summary = self.play.run(true, true)?;
        Ok(exit(&summary, self.exit_code))
    }
}

impl Plays {
    fn run(&self, check: bool, diff: bool) -> Result<Summary, Report> {
        let mut options = self.hosts.options()?;
        options.check = check;
        options.diff = diff;
        options.tags = self.tags.clone();
        options.skip_tags = self.skip_tags.clone();
        options.tag_filter = common::tag_filter(&self.tags, &self.skip_tags);
        options.start_at_task = self.start_at_task.clone();
        options.task_timeout = self.task_timeout.map(Duration::from_secs);
        options.force_handlers = self.force_handlers;
        options.lookahead = !self.no_lookahead;
        let loader = common::loader(&options);
        let mut playbooks: Vec<Playbook> = Vec::new();
        for path in &self.playbooks {
            let (playbook, warnings) = loader.load(path)?;
            warnings.into_iter().for_each(|w| eprintln!("{:?}", Report::new(w)));
            playbooks.push(playbook);
        }
        let folders: Vec<PathBuf> =
            playbooks.iter().flat_map(|p| p.plays.iter().map(|play| play.directory.clone())).collect();
        let inventory = self.hosts.load(&folders)?;
        let reporter = report::reporter(self.output, self.hosts.verbose);
        let run = Run::new(options, inventory, loader, reporter, common::ssh_context());
        let runtime = common::runtime()?;
        let summary = runtime.block_on(async {
            tokio::spawn(interrupts(run.clone()));
            run.playbooks(&playbooks).await
        });
        // Threads that wait for a person's answer must not keep the process.
        runtime.shutdown_timeout(Duration::from_millis(200));
        Ok(summary?)
    }
}

/// The first interrupt lets running steps finish; the second ends the process.
async fn interrupts(run: Arc<Run>) {
    while tokio::signal::ctrl_c().await.is_ok() {
        match run.interrupt() {
            1 => eprintln!("\ninterrupted: running steps are finished, no new one is started; once more to abort"),
            _ => std::process::exit(i32::from(Exit::Interrupted.code())),
        }
    }
}

fn exit(summary: &Summary, changes: bool) -> Exit {
    let any = |count: fn(&crate::report::Counts) -> u32| summary.hosts.iter().any(|(_, c)| count(c) > 0);
    if !summary.faults.is_empty() {
        summary.faults.iter().for_each(|f| eprintln!("this is a fault of bringup: {f}"));
        return Exit::Fault;
    }
    if summary.interrupted {
        return Exit::Interrupted;
    }
    match (any(|c| c.unreachable), any(|c| c.failed), changes && any(|c| c.changed)) {
        (true, ..) => Exit::Unreachable,
        (_, true, _) => Exit::Failed,
        (_, _, true) => Exit::Changes,
        _ => Exit::Ok,
    }
}
