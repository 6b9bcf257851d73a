//! Putting a file in its place: all of it, with owner and mode, or nothing.

use super::{Content, Ownership, quote, quote_bytes};

/// A file to be written.
///
/// The content goes into a temporary file beside the target, gets owner and mode there, and is renamed: nobody ever
/// sees half a file. An existing file's owner, group and mode are kept where [`Ownership`] does not name them.
#[derive(Clone, Debug)]
pub struct FileWrite {
    /// The absolute path; a link there is followed by the module that plans, not by the script.
    pub path: String,
    /// The bytes.
    pub content: Content,
    /// Owner, group, mode of the new file.
    pub ownership: Ownership,
    /// Mode of a file that is new and for which none is named; Ansible's is 0666 less the umask.
    pub new_mode: u32,
    /// Keep the old file under this path.
    pub backup: Option<String>,
    /// A command that checks the new file before it takes its place; `%s` is the temporary file.
    pub validate: Option<String>,
}

impl FileWrite {
    /// The script that finishes the write.
    ///
    /// `temporary` is beside the target. `uploaded` says that the content is in it already; otherwise the script
    /// carries it.
    pub fn script(&self, temporary: &str, uploaded: bool) -> String {
        let (path, tmp) = (quote(&self.path), quote(temporary));
        let mut script = format!("p={path} t={tmp}\nfail() {{ rm -f -- \"$t\"; exit 1; }}\n");
        if !uploaded {
            let bytes: &[u8] = match &self.content {
                Content::Bytes(bytes) => bytes,
                Content::File { .. } => &[],
            };
            script.push_str(&format!("umask 077; {} >\"$t\" || fail\n", quote_bytes(bytes)));
        }
        script.push_str(&format!("[ \"$(wc -c <\"$t\")\" -eq {} ] || {{ echo 'the file did not arrive whole: is the disk full?' >&2; fail; }}\n", self.content.size()));
        script.push_str(&self.attributes());
        if let Some(validate) = &self.validate {
            let command = validate.replace("%s", "\"$t\"");
            script.push_str(&format!(
                "{command} </dev/null || {{ echo 'the new file was refused by: '{} >&2; fail; }}\n",
                quote(validate)
            ));
        }
        if let Some(backup) = &self.backup {
            script.push_str(&format!("[ ! -e \"$p\" ] || cp -p -- \"$p\" {} || fail\n", quote(backup)));
        }
        script.push_str("mv -f -- \"$t\" \"$p\" || fail\n");
        script
    }

    /// Owner before mode: `chown` drops set-uid bits.
    fn attributes(&self) -> String {
        let Ownership { owner, group, mode } = &self.ownership;
        let mut script = String::new();
        if owner.is_none() || group.is_none() {
            // busybox's chown and chmod know no --reference.
            script.push_str(
                "[ ! -e \"$p\" ] || [ -L \"$p\" ] || chown -- \"$(stat -L -c %u:%g -- \"$p\")\" \"$t\" || fail\n",
            );
        }
        match (owner, group) {
            (Some(owner), Some(group)) => {
                script.push_str(&format!("chown -- {}:{} \"$t\" || fail\n", quote(owner), quote(group)))
            }
            (Some(owner), None) => script.push_str(&format!("chown -- {} \"$t\" || fail\n", quote(owner))),
            (None, Some(group)) => script.push_str(&format!("chgrp -- {} \"$t\" || fail\n", quote(group))),
            (None, None) => {}
        }
        match mode {
            Some(mode) => script.push_str(&format!("chmod {mode:04o} -- \"$t\" || fail\n")),
            None => script.push_str(&format!(
                "if [ -e \"$p\" ] && [ ! -L \"$p\" ]; then chmod \"$(stat -L -c %a -- \"$p\")\" -- \"$t\"; else chmod {:04o} -- \"$t\"; fi || fail\n",
                self.new_mode
            )),
        }
        script
    }
}
