//! Flags of Ansible's commands that ours have not.

use clap::Args;

use crate::{cli::flags::Hosts, report::terminal};

/// Flags about connections and modules.
#[derive(Args, Clone, Debug)]
pub struct More {
    /// Further arguments of ssh
    #[arg(long, value_name = "ARGS", allow_hyphen_values = true)]
    ssh_extra_args: Vec<String>,
    /// Without effect: files travel by the same connection
    #[arg(long, value_name = "ARGS", allow_hyphen_values = true)]
    sftp_extra_args: Option<String>,
    /// Without effect: files travel by the same connection
    #[arg(long, value_name = "ARGS", allow_hyphen_values = true)]
    scp_extra_args: Option<String>,
    /// Without effect: modules are part of the program
    #[arg(short = 'M', long, value_name = "FOLDERS")]
    module_path: Vec<String>,
}

impl More {
    /// Takes over what has an effect, names once what has none, and makes the hosts those of Ansible's commands.
    pub fn settle(&self, hosts: &mut Hosts) {
        hosts.ssh_common_args.extend(self.ssh_extra_args.iter().cloned());
        hosts.as_ansible = true;
        let idle = [
            ("--sftp-extra-args", self.sftp_extra_args.is_some()),
            ("--scp-extra-args", self.scp_extra_args.is_some()),
            ("--module-path", !self.module_path.is_empty()),
        ];
        without_effect(&idle);
    }
}

/// Names the flags that were given and do nothing.
pub fn without_effect(flags: &[(&str, bool)]) {
    let given: Vec<&str> = flags.iter().filter(|(_, given)| *given).map(|(name, _)| *name).collect();
    if !given.is_empty() {
        terminal::warn(&format!("without effect here: {}", given.join(", ")));
    }
}
