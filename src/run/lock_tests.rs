use super::*;
use std::{
    fs,
    io::Write as _,
    os::unix::{
        fs::{PermissionsExt as _, symlink},
        process::CommandExt as _,
    },
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

/// A user without a name, and what is in its way. Only root can be somebody else.
struct Nobody {
    uid: u32,
    home: tempfile::TempDir,
    shell: Vec<&'static str>,
}

impl Nobody {
    fn each(test: impl Fn(&Nobody)) {
        let shells: [&[&str]; 3] = [&["dash"], &["bash"], &["busybox", "sh"]];
        for shell in shells {
            let home = tempfile::tempdir().unwrap();
            let uid = 200_000 + u32::from(rand::random::<u16>());
            if fs::metadata(home.path()).unwrap().uid() != 0 {
                eprintln!("not root: not tested");
                return;
            }
            if Command::new(shell[0]).arg("--help").output().is_err() {
                eprintln!("{} is not installed: not tested", shell[0]);
                continue;
            }
            fs::set_permissions(home.path(), fs::Permissions::from_mode(0o755)).unwrap();
            let nobody = Nobody { uid, home, shell: shell.to_vec() };
            test(&nobody);
            for place in nobody.places() {
                let _ = fs::remove_dir_all(&place).or_else(|_| fs::remove_file(&place));
            }
        }
    }

    /// The name in /tmp that is tried first.
    fn place(&self) -> PathBuf {
        PathBuf::from(format!("/tmp/.bringup-{}", self.uid))
    }

    fn places(&self) -> Vec<PathBuf> {
        let name = format!(".bringup-{}", self.uid);
        let entries = fs::read_dir("/tmp").unwrap().flatten();
        let mut all: Vec<_> =
            entries.filter(|e| e.file_name().to_string_lossy().starts_with(&name)).map(|e| e.path()).collect();
        all.sort();
        all
    }

    fn start(&self, script: &str, home: &Path) -> Child {
        let mut child = Command::new(self.shell[0])
            .args(&self.shell[1..])
            .env("HOME", home)
            .uid(self.uid)
            .gid(self.uid)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.as_mut().unwrap().write_all(script.as_bytes()).unwrap();
        child
    }

    fn run(&self, script: &str, home: &Path) -> Output {
        let child = self.start(script, home);
        child.wait_with_output().unwrap()
    }

    fn own_home(&self) -> PathBuf {
        let home = self.home.path().join("own");
        fs::create_dir(&home).unwrap();
        std::os::unix::fs::chown(&home, Some(self.uid), Some(self.uid)).unwrap();
        home
    }
}

fn told(output: &Output) -> String {
    format!(
        "{:?} {}{}",
        output.status.code(),
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// Takes the lock, then says where, and holds it until its input ends.
fn taking() -> String {
    format!("( {} ) || exit\n( {}ls -n \"$d/lock\"; echo \"$d\" )\n", open("one", None), choose_again())
}

/// What a test has in the place of the note that a shell keeps.
fn choose_again() -> String {
    format!("make=\n{}", choose())
}

#[test]
fn whoever_sits_on_the_name_is_passed_by_and_runs_still_meet() {
    let squats: [fn(&Path); 5] = [
        |place| fs::create_dir(place).unwrap(),
        |place| {
            fs::create_dir(place).unwrap();
            fs::set_permissions(place, fs::Permissions::from_mode(0o777)).unwrap();
            fs::create_dir(place.join("lock")).unwrap();
            fs::write(place.join("pending"), "forged\n").unwrap();
        },
        |place| symlink("/etc", place).unwrap(),
        |place| symlink("/nowhere", place).unwrap(),
        |place| fs::write(place, "a file").unwrap(),
    ];
    for squat in squats {
        Nobody::each(|nobody| {
            squat(&nobody.place());
            let before = fs::read_dir("/etc").unwrap().count();
            let child = nobody.start(&taking(), Path::new("/nonexistent"));
            let second = loop {
                // Until the first has taken it, the second would.
                if nobody.places().iter().any(|p| fs::symlink_metadata(p.join("lock")).is_ok_and(|m| m.is_symlink())) {
                    break nobody.run(&open("two", None), Path::new("/nonexistent"));
                }
                std::thread::sleep(std::time::Duration::from_millis(20));
            };
            let first = child.wait_with_output().unwrap();
            assert!(first.status.success(), "{}", told(&first));
            let text = told(&first);
            assert!(!text.contains("forged") && text.contains(&format!("{}-1\n", nobody.place().display())), "{text}");
            assert_eq!(second.status.code(), Some(75), "{}", told(&second));
            assert!(told(&second).contains("one since"), "{}", told(&second));
            let meta = fs::metadata(format!("{}-1", nobody.place().display())).unwrap();
            assert_eq!((meta.uid(), meta.mode() & 0o777), (nobody.uid, 0o700));
            assert_eq!(fs::read_dir("/etc").unwrap().count(), before, "nothing went through the link");
        });
    }
}

#[test]
fn more_squatters_than_names_are_passed_by_too() {
    Nobody::each(|nobody| {
        for number in 0..12 {
            let suffix = if number == 0 { String::new() } else { format!("-{number}") };
            fs::create_dir(format!("{}{suffix}", nobody.place().display())).unwrap();
        }
        let first = nobody.run(&format!("{}ls -n \"$d/lock\"", open("one", None)), Path::new("/nonexistent"));
        assert!(first.status.success(), "{}", told(&first));
        let second = nobody.run(&format!("{}ls -n \"$d/lock\"", open("one", None)), Path::new("/nonexistent"));
        assert!(second.status.success(), "{}", told(&second));
        assert_eq!(nobody.places().len(), 13, "the second has found the first one's");
    });
}

#[test]
fn a_home_of_somebody_else_is_not_written_to() {
    Nobody::each(|nobody| {
        for mode in [0o755, 0o777, 0o1777] {
            fs::set_permissions(nobody.home.path(), fs::Permissions::from_mode(mode)).unwrap();
            let output = nobody.run(&open("one", None), nobody.home.path());
            assert!(output.status.success(), "{}", told(&output));
            assert!(!nobody.home.path().join(".bringup").exists(), "{mode:o}");
        }
        let home = nobody.own_home();
        fs::set_permissions(&home, fs::Permissions::from_mode(0o775)).unwrap();
        assert!(nobody.run(&open("one", None), &home).status.success());
        assert!(!home.join(".bringup").exists(), "its group could put another one there");
        fs::set_permissions(&home, fs::Permissions::from_mode(0o755)).unwrap();
        assert!(nobody.run(&open("one", None), &home).status.success());
        assert!(home.join(".bringup").exists(), "its own");
    });
}

#[test]
fn what_is_no_lock_is_told_and_never_taken_for_one() {
    let obstacles: [fn(&Path); 3] = [
        |lock| fs::create_dir(lock).unwrap(),
        |lock| fs::write(lock, "").unwrap(),
        |lock| symlink("/etc", lock).unwrap(),
    ];
    for (obstacle, taken) in obstacles.into_iter().zip([false, false, true]) {
        Nobody::each(|nobody| {
            let home = nobody.own_home();
            let folder = home.join(".bringup");
            fs::create_dir(&folder).unwrap();
            obstacle(&folder.join("lock"));
            std::os::unix::fs::chown(&folder, Some(nobody.uid), Some(nobody.uid)).unwrap();
            let script = format!("{}readlink \"$d/lock\"", open("one", None));
            let output = nobody.run(&script, &home);
            assert_eq!(output.status.success(), taken, "{}", told(&output));
            if taken {
                assert!(told(&output).contains(":one"), "{}", told(&output));
            } else {
                assert!(told(&output).contains("is no lock"), "{}", told(&output));
            }
        });
    }
}

#[test]
fn the_lock_follows_a_run_to_its_next_shell() {
    Nobody::each(|nobody| {
        let home = nobody.own_home();
        let lock = home.join(".bringup/lock");
        let mut first = nobody.start(&format!("{}sleep 5\n", open("one", None)), &home);
        while fs::symlink_metadata(&lock).is_err() {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        // The first shell lives on in a step that nobody waits for, and the lock must not go with it.
        let second = nobody.run(&format!("{}echo \"$(readlink \"$d/lock\") $$\"\n", open("one", None)), &home);
        let text = String::from_utf8_lossy(&second.stdout).into_owned();
        let (held, pid) = text.trim().rsplit_once('\n').unwrap().1.rsplit_once(' ').unwrap();
        assert!(held.starts_with(&format!("{pid}:")), "{}", told(&second));
        first.kill().unwrap();
        first.wait().unwrap();
    });
}

#[test]
fn a_run_whose_process_has_the_number_of_another_one_is_not_that_one() {
    Nobody::each(|nobody| {
        let home = nobody.own_home();
        let other = open("one", None).replace(PROCESS.as_str(), "another/1/2/3");
        let mut first = nobody.start(&format!("{other}sleep 5\n"), &home);
        while held(&home).is_empty() {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        let second = nobody.run(&open("one", None), &home);
        assert_eq!(second.status.code(), Some(75), "{}", told(&second));
        first.kill().unwrap();
        first.wait().unwrap();
    });
}

#[test]
fn what_a_run_is_sending_itself_is_not_swept() {
    Nobody::each(|nobody| {
        let home = nobody.own_home();
        // A large file on its way, noted; then the shell goes, as it does to make room for the transfer.
        let begun = format!(
            "{}mkdir -p \"$d/sending\" \"$HOME/.bringup-ab\"; echo half >\"$HOME/.bringup-ab/f\"\n\
             printf '%s\\n%s' \"$HOME\" f >\"$d/sending/ab\"; echo half >\"$d/upload-ab\"\n",
            open("one", None)
        );
        let there = || {
            let parts = [home.join(".bringup-ab/f"), home.join(".bringup/sending/ab"), home.join(".bringup/upload-ab")];
            parts.map(|part| part.exists())
        };
        let first = nobody.run(&begun, &home);
        assert_eq!(there(), [true; 3], "{}", told(&first));
        let again = nobody.run(&open("one", None), &home);
        assert_eq!(there(), [true; 3], "the same run: {}", told(&again));
        let other = nobody.run(&open("two", None), &home);
        assert_eq!(there(), [false; 3], "the next run: {}", told(&other));
    });
}

/// What the lock of a folder says.
fn held(home: &Path) -> String {
    let link = fs::read_link(home.join(".bringup/lock"));
    link.map(|l| l.display().to_string()).unwrap_or_default()
}

/// A run whose connection has an sshd of its own, which keeps the lock until its last step ends.
fn connected(nobody: &Nobody, home: &Path) -> Child {
    let sshd = home.join("sshd");
    // A name alone: a copy may be "busy" while another test's child holds the file that was written.
    std::os::unix::fs::symlink("/bin/dash", &sshd).unwrap();
    let script = home.join("run");
    fs::write(&script, format!("{}sleep 6\n", open("one", None))).unwrap();
    let child = Command::new(&sshd)
        .args(["-c", &format!("{} {}; :", nobody.shell.join(" "), script.display())])
        .env("HOME", home)
        .uid(nobody.uid)
        .gid(nobody.uid)
        .current_dir("/")
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    while held(home).is_empty() {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    child
}

#[test]
fn the_connection_of_a_run_that_has_ended_is_ended_and_no_other() {
    Nobody::each(|nobody| {
        let home = nobody.own_home();
        let mut first = connected(nobody, &home);
        let holder = held(&home);
        let another = holder.replacen(':', "1:", 1);
        for gone in [None, Some(another.as_str())] {
            let refused = nobody.run(&open("two", gone), &home);
            assert_eq!(refused.status.code(), Some(75), "{}", told(&refused));
            let told = format!("by process {} of this host", first.id());
            let parsed = Holder::parse(&refused.stdout);
            assert!(parsed.told.contains("one since") && parsed.told.ends_with(&told), "{parsed:?}");
            assert_eq!(parsed.ended, None, "it lives");
            assert!(first.try_wait().unwrap().is_none());
        }
        let taken = nobody.run(&open("two", Some(&holder)), &home);
        assert_eq!(taken.status.code(), Some(0), "{}", told(&taken));
        let said = "ended the connection of a run by one that was cut off";
        assert_eq!(Opened::parse(&taken.stdout, "h1").notes, [said]);
        assert!(!first.wait().unwrap().success(), "it was ended");
        assert!(held(&home).contains(":two:"), "{}", held(&home));
    });
}

#[test]
fn only_a_run_of_this_workstation_is_known_to_have_ended() {
    let lock = |process: &str| format!("7:8:9:10:boot:11:who:{process}");
    let system = system().unwrap();
    let mut child = Command::new("sleep").arg("60").spawn().unwrap();
    let (pid, started) = (child.id(), look(child.id()).unwrap().1);
    let (boot, namespaces) = system.split_once('/').unwrap();
    assert!(!has_ended(&lock(&PROCESS)));
    assert!(!has_ended(&lock(&format!("{system}/{pid}/{started}"))));
    assert!(has_ended(&lock(&format!("{system}/{pid}/{}", started - 1))), "its number was used again");
    child.kill().unwrap();
    // Nobody has asked for its end yet, as where a container's first process does not.
    while look(pid).is_some_and(|(state, _)| state != 'Z') {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    assert!(has_ended(&lock(&format!("{system}/{pid}/{started}"))));
    child.wait().unwrap();
    assert!(has_ended(&lock(&format!("{system}/{pid}/{started}"))));
    for other in [
        format!("{system}1/{pid}/{started}"),
        format!("{boot}x/{namespaces}/{pid}/{started}"),
        format!("{boot}/1{namespaces}/{pid}/{started}"),
        format!("{system}/{pid}"),
        format!("{system}/-{pid}/{started}"),
        format!("{system}/0/{started}"),
        String::new(),
    ] {
        assert!(!has_ended(&lock(&other)), "{other}");
    }
    assert!(!has_ended(""));
}

/// Where `/proc` hides the process above a shell, the lock knows its number and no more.
#[test]
fn a_run_whose_connection_cannot_be_seen_is_told_and_not_waited_for() {
    Nobody::each(|nobody| {
        let home = nobody.own_home();
        let hidden = open("one", None).replace("look() {", "look() { [ \"$1\" = $$ ] || return 1\n");
        let mut first = nobody.start(&format!("{hidden}sleep 5\n"), &home);
        // It ends then, and so does whoever waits for it.
        drop(first.stdin.take());
        while held(&home).is_empty() {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        assert!(held(&home).split(':').nth(3).is_some_and(str::is_empty), "{}", held(&home));
        let second = nobody.run(&open("two", None), &home);
        assert_eq!(second.status.code(), Some(75), "{}", told(&second));
        first.kill().unwrap();
        first.wait().unwrap();
    });
}

/// Two names of one machine share the folder: each is owed its own, and settles its own.
#[test]
fn handlers_are_owed_to_a_host_by_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let place = |script: &str| {
        let script = script.replace(FOLDER, &format!("d={}; ", folder.path().display()));
        let status = Command::new("sh").arg("-c").arg(script).status().unwrap();
        assert!(status.success());
    };
    let owed = |host: &str| {
        let written = fs::read_to_string(folder.path().join("pending")).unwrap_or_default();
        Opened::parse(format!("{PENDING}\n{written}").as_bytes(), host).pending
    };
    place(&owe("a", "restart it's"));
    place(&owe("b", "reload\nall"));
    place(&owe("a", "other"));
    assert_eq!(
        (owed("a"), owed("b")),
        (vec!["restart it's".to_owned(), "other".to_owned()], vec!["reload all".to_owned()])
    );
    assert!(owed("c").is_empty());
    place(&settle("a", &["other".to_owned()]));
    assert_eq!((owed("a"), owed("b")), (vec!["other".to_owned()], vec!["reload all".to_owned()]));
    place(&settle("b", &[]));
    place(&settle("a", &[]));
    assert_eq!(fs::read_to_string(folder.path().join("pending")).unwrap(), "");
    // What an older version has left has no name: it is whoever comes'.
    fs::write(folder.path().join("pending"), "restart\n").unwrap();
    assert_eq!(owed("c"), ["restart"]);
}

/// Names of one machine that settle at once do not bring back what another has settled, nor wait for one that is gone.
#[test]
fn handlers_are_settled_by_one_name_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let place = |script: &str| {
        let script = script.replace(FOLDER, &format!("d={}; ", folder.path().display()));
        Command::new("sh").arg("-c").arg(script).spawn().unwrap()
    };
    let names: Vec<String> = (0..8).map(|number| format!("h{number}")).collect();
    for _ in 0..10 {
        for name in &names {
            assert!(place(&owe(name, "restart")).wait().unwrap().success());
        }
        // Somebody who was killed over it.
        let held = folder.path().join("pending");
        let mut killed =
            Command::new("sh").args(["-c", "exec 9>>\"$1\"; flock 9; exec sleep 60", "sh"]).arg(held).spawn().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(20));
        let settling: Vec<_> = names.iter().map(|name| place(&settle(name, &[]))).collect();
        killed.kill().unwrap();
        killed.wait().unwrap();
        for mut one in settling {
            assert!(one.wait().unwrap().success());
        }
        assert_eq!(fs::read_to_string(folder.path().join("pending")).unwrap(), "");
    }
}
