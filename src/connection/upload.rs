//! Sending a file of any size, on a program of its own: nothing is ever whole in memory.

use super::{
    error::Error,
    process::{End, Event, Process, Reading, Tail},
    reached::Counters,
    session::Session,
    shared_file::{PIECE, SharedFile},
    sudo::Become,
};
use crate::{
    sh::quote,
    ssh::limit::{MOST_NOISE, find},
};
use bytes::Bytes;
use std::{io, path::PathBuf, sync::Arc};

/// Where the bytes of an upload come from.
#[derive(Clone, Debug)]
pub enum UploadSource {
    /// From memory.
    Bytes(Bytes),
    /// From a file on this machine.
    File(PathBuf),
    /// From a file that is being sent to other hosts too.
    Shared(Arc<SharedFile>),
}

/// One file to send.
#[derive(Clone, Debug)]
pub struct Upload<'a> {
    /// As whom to write it.
    pub r#become: Option<&'a Become>,
    /// The contents.
    pub source: UploadSource,
    /// Where to: a temporary name, which the caller moves into place.
    pub path: &'a str,
    /// The mode it gets; until it is whole, only its owner can read it.
    pub mode: u32,
    /// Inode and device, as `stat -c '%i %d'` prints them, of the folder it goes to, where that was made for it alone. No other
    /// is written to, and it goes when the upload fails.
    pub folder: Option<&'a str>,
}

impl Session {
    /// Sends a file and checks its length there. What was cut off in the middle is removed by the host itself.
    pub async fn upload(&self, upload: Upload<'_>, mut progress: impl FnMut(u64) + Send) -> Result<u64, Error> {
        let fail = |what: String, said: String| self.failed("upload to", upload.path, what, said);
        let source = Source::open(&upload.source).map_err(|error| match &upload.source {
            UploadSource::File(path) => Error::File { path: path.clone(), source: error },
            UploadSource::Bytes(_) | UploadSource::Shared(_) => fail(error.to_string(), String::new()),
        })?;
        let length = source.length();
        let mark = crate::ssh::random_hex(8);
        let script = upload_script(&upload, length, &mark);
        let (mut process, rest) = self.inner.start(upload.r#become, &script, Reading::Kept).await?;
        Counters::add(&self.inner.counters.round_trips, 1);
        let mut sent = 0;
        let mut problem = None;
        let mut next = source.piece(0).await;
        for index in 1.. {
            let piece = match next {
                _ if sent == length => break,
                Ok(piece) => piece,
                Err(error) => {
                    problem = Some(match error.kind() {
                        io::ErrorKind::UnexpectedEof => "the file became shorter while it was sent".to_owned(),
                        _ => format!("reading it here failed: {error}"),
                    });
                    break;
                }
            };
            let count = piece.len();
            // The next piece is read while this one is on its way.
            let (written, following) = tokio::join!(process.stdin.write(piece), source.piece(index));
            if written.is_err() {
                break;
            }
            sent += count as u64;
            Counters::add(&self.inner.counters.up, count);
            progress(sent);
            next = following;
        }
        process.stdin.close().await;
        let (end, out, said) = collect(&mut process, rest).await;
        let confirmed = find(&out, format!("{mark} {length}\n").as_bytes()).is_some();
        match (problem, end) {
            (None, End::Exit(0)) if confirmed && sent == length => Ok(length),
            (Some(problem), _) => Err(fail(problem, String::new())),
            (None, _) if self.inner.is_lost() => Err(self.inner.lost()),
            (None, end) => Err(fail(format!("{sent} of {length} bytes were sent, then {end}"), said)),
        }
    }
}

/// The bytes of an upload, by pieces.
enum Source {
    Bytes(Bytes),
    File(Arc<SharedFile>),
}

impl Source {
    fn open(source: &UploadSource) -> io::Result<Source> {
        Ok(match source {
            UploadSource::Bytes(bytes) => Source::Bytes(bytes.clone()),
            UploadSource::File(path) => Source::File(Arc::new(SharedFile::open(path)?)),
            UploadSource::Shared(file) => Source::File(Arc::clone(file)),
        })
    }

    fn length(&self) -> u64 {
        match self {
            Source::Bytes(bytes) => bytes.len() as u64,
            Source::File(file) => file.length(),
        }
    }

    async fn piece(&self, index: u64) -> io::Result<Bytes> {
        match self {
            Source::Bytes(bytes) => {
                let at = |index: u64| usize::try_from(index * PIECE).unwrap_or(usize::MAX).min(bytes.len());
                Ok(bytes.slice(at(index)..at(index + 1)))
            }
            Source::File(file) => file.piece(index).await,
        }
    }
}

/// Writes standard input to a new file in a folder of our own; one that is not whole is removed, however it came about.
///
/// The folder is entered once, so nobody who can write above it leads the rest astray.
fn upload_script(upload: &Upload<'_>, length: u64, mark: &str) -> String {
    let Upload { path, mode, .. } = *upload;
    let (folder, name) = path.rsplit_once('/').unwrap_or((".", path));
    let own = match upload.folder {
        Some(made) => format!(
            "case $(stat -c '%i %d %a' .) in {0}\\ 700|{0}\\ 2700) ;; \
             *) echo \"$PWD is not the folder that was made for it\" >&2; exit 73 ;; esac\n\
             __f={1}; trap 'rm -f -- \"$__p\"; cd -P .. && rmdir -- \"$__f\"' EXIT\n",
            quote(made),
            quote(&format!("./{}", folder.rsplit('/').next().unwrap_or(folder)))
        ),
        None => String::new(),
    };
    let removed = match upload.folder {
        Some(_) => "",
        None => "trap 'rm -f -- \"$__p\"' EXIT; ",
    };
    let name = format!("./{name}");
    let (folder, name) = (quote(if folder.is_empty() { "/" } else { folder }), quote(&name));
    format!(
        "LC_ALL=C; export LC_ALL; umask 077; __p={name}\n\
         cd -P -- {folder} || exit 73\n\
         [ -O . ] || {{ echo \"$PWD belongs to somebody else\" >&2; exit 73; }}\n\
         {own}set -C; : >\"$__p\" || exit 74\n\
         set +C; {removed}trap 'exit 129' HUP INT TERM PIPE\n\
         cat >\"$__p\" || exit 74\n\
         set -- $(wc -c <\"$__p\")\n\
         [ \"$1\" = {length} ] || {{ echo \"$1 of {length} bytes arrived\" >&2; exit 75; }}\n\
         chmod {mode:04o} \"$__p\" || exit 76\n\
         trap - EXIT; echo {mark} \"$1\""
    )
}

/// Reads what an upload answers: its last words are enough.
async fn collect(process: &mut Process, rest: Bytes) -> (End, Vec<u8>, String) {
    let mut out = rest.to_vec();
    let mut said = Tail::default();
    let mut count = 0;
    while let Some(event) = process.events.next().await {
        match event {
            Event::Out(bytes) => {
                count += bytes.len();
                out.extend_from_slice(&bytes);
                out.drain(..out.len().saturating_sub(4 << 10));
            }
            Event::Err(bytes) => {
                count += bytes.len();
                said.push(&bytes);
            }
        }
        if count > MOST_NOISE {
            return (End::Flooded, out, said.text());
        }
    }
    (process.events.end().await, out, said.text())
}

#[cfg(test)]
mod tests {
    use std::{fs, io::Write as _, os::unix::fs::MetadataExt as _, path::Path, process::Command, process::Stdio};

    use super::*;

    /// Feeds a content to the script in one of the shells.
    fn fed(shell: &[&str], script: &str, content: &[u8]) -> bool {
        let mut command = Command::new(shell[0]);
        command.args(&shell[1..]).arg("-c").arg(script).stdin(Stdio::piped());
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        // It may have ended without reading.
        let _ = child.stdin.take().unwrap().write_all(content);
        child.wait().unwrap().success()
    }

    fn empty(folder: &Path) -> bool {
        fs::read_dir(folder).unwrap().next().is_none()
    }

    #[test]
    fn an_upload_goes_to_the_folder_made_for_it_and_takes_that_along_when_it_fails() {
        for shell in [&["dash"][..], &["bash"], &["busybox", "sh"]] {
            let dir = tempfile::tempdir().unwrap();
            let (home, house) = (dir.path().join("home"), dir.path().join("house"));
            let made = home.join(".it's made");
            let make = || {
                let made = Command::new("mkdir").args(["-m", "700"]).arg(&made).status().unwrap();
                assert!(made.success());
            };
            fs::create_dir(&home).unwrap();
            let house_made = Command::new("mkdir").args(["-m", "700"]).arg(&house).status().unwrap();
            assert!(house_made.success());
            make();
            let stat = fs::metadata(&made).unwrap();
            let which = format!("{} {}", stat.ino(), stat.dev());
            let path = made.join("-a file").display().to_string();
            let source = || UploadSource::Bytes(Bytes::new());
            let to = |which: &str| {
                let upload = Upload { r#become: None, source: source(), path: &path, mode: 0o600, folder: Some(which) };
                upload_script(&upload, 7, "mark")
            };
            assert!(fed(shell, &to(&which), b"content"), "{shell:?}");
            assert_eq!(fs::read(&path).unwrap(), b"content");
            fs::remove_file(&path).unwrap();
            // Another folder, and a link to one, that is there instead is not entered.
            fs::rename(&made, home.join("away")).unwrap();
            std::os::unix::fs::symlink(&house, &made).unwrap();
            assert!(!fed(shell, &to(&which), b"content"), "{shell:?}");
            fs::remove_file(&made).unwrap();
            make();
            assert!(!fed(shell, &to(&which), b"content"), "{shell:?}");
            assert!(empty(&house) && empty(&made), "{shell:?}");
            // The one that was made goes when less arrives than was announced.
            fs::remove_dir(&made).unwrap();
            fs::rename(home.join("away"), &made).unwrap();
            assert!(!fed(shell, &to(&which), b"cont"), "{shell:?}");
            assert!(empty(&home), "{shell:?}");
        }
    }
}
