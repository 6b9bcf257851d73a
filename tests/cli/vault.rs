//! Encrypted files and values: formats, commands, where they are decrypted, and that nothing of them is shown.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;

use bringup::vault::{Envelope, Keyring, Named, Secret, VaultError};
use serde_json::json;

use super::{Place, Ran};
use crate::support::skip::skip;

/// What `ansible-vault` made of `The text.` and a line end with the password `pw` and the salt `saltsalt`.
const BODY: &str = "\
373336313663373437333631366337340a3663343765313538343233616330353833646433343433
66313936643136633466386566336464383538646533393135333733353565616432313634306532
380a3330623135306265333138363939393630313535613637633961653139363164
";
const TEXT: &str = "The text.\n";

fn named(id: &str, password: &str) -> Named {
    Named { id: id.to_owned(), secret: Secret::from(password.as_bytes().to_vec()) }
}

fn ring(ids: &[(&str, &str)]) -> Keyring {
    Keyring::new(ids.iter().map(|(id, password)| named(id, password)).collect())
}

fn text(header: &str) -> String {
    format!("{header}\n{BODY}")
}

#[test]
fn texts_of_ansible_are_read_and_written_byte_by_byte() {
    let keys = ring(&[("dev", "other"), ("prod", "pw")]);
    for (header, label) in [("$ANSIBLE_VAULT;1.1;AES256", "default"), ("$ANSIBLE_VAULT;1.2;AES256;prod", "prod")] {
        let opened = keys.open(text(header).as_bytes()).unwrap();
        assert_eq!(opened.text.as_slice(), TEXT.as_bytes(), "{header}");
        assert_eq!(opened.used.id, "prod");
        let salted = Keyring::default().with_salt(Some("saltsalt".to_owned()));
        let sealed = salted.seal(TEXT.as_bytes(), &named("", "pw").secret, Some(label)).unwrap();
        assert_eq!(sealed, text(header));
    }
    // As editors and terminals leave them.
    let kept = text("$ANSIBLE_VAULT;1.1;AES256").replace('\n', "\r\n");
    assert_eq!(keys.open(format!("\n{kept}\n\n").as_bytes()).unwrap().text.as_slice(), TEXT.as_bytes());
}

#[test]
fn what_was_encrypted_comes_back_whatever_its_length() {
    let keys = ring(&[("default", "pw")]).with_salt(Some("s".to_owned()));
    for length in [0, 1, 15, 16, 17, 31, 32, 1000] {
        let bytes: Vec<u8> = (0..length).map(|n| u8::try_from(n % 256).unwrap()).collect();
        let sealed = keys.seal(&bytes, &named("", "pw").secret, None).unwrap();
        assert_eq!(*keys.open(sealed.as_bytes()).unwrap().text, bytes, "{length}");
    }
}

#[test]
fn damaged_texts_are_refused_with_a_reason() {
    let keys = ring(&[("default", "pw")]);
    let whole = text("$ANSIBLE_VAULT;1.1;AES256");
    let digits = BODY.replace('\n', "");
    let with = |header: &str, digits: &str| format!("{header}\n{digits}\n");
    let cases: &[(String, &str)] = &[
        (String::new(), "it is not encrypted"),
        ("plain".to_owned(), "it is not encrypted"),
        ("$ANSIBLE_VAULT".to_owned(), "its first line is not"),
        ("$ANSIBLE_VAULT;1.1".to_owned(), "its first line is not"),
        ("$ANSIBLE_VAULTS;1.1;AES256".to_owned(), "its first line is not"),
        ("$ANSIBLE_VAULT;1.1;AES256".to_owned(), "its end is missing"),
        (with("$ANSIBLE_VAULT;1.0;AES", &digits), "the format `1.0`"),
        (with("$ANSIBLE_VAULT;1.3;AES256", &digits), "the format `1.3`"),
        (with("$ANSIBLE_VAULT;1.1;AES", &digits), "the cipher `AES`"),
        (with("$ANSIBLE_VAULT;1.1;AES256", &digits[1..]), "a digit is missing or too many"),
        (with("$ANSIBLE_VAULT;1.1;AES256", &digits[2..]), "a digit is missing or too many"),
        (with("$ANSIBLE_VAULT;1.1;AES256", &digits[..digits.len() - 4]), "none of the vault passwords"),
        (with("$ANSIBLE_VAULT;1.1;AES256", &digits[..40]), "its end is missing"),
        (whole.replacen("3733", "37zz", 1), "something else than digits"),
        (whole.replacen("3733", "37é", 1), "something else than digits"),
        (whole.replacen("3330", "3430", 1), "none of the vault passwords"),
        (whole.replacen("3663", "3664", 1), "none of the vault passwords"),
    ];
    for (damaged, reason) in cases {
        let error = keys.open(damaged.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}\n{damaged}");
    }
    assert!(keys.open(b"$ANSIBLE_VAULT;1.1;AES256\n\xff\xfe").is_err());
}

/// Whatever single character changes, it is an error: never a panic, and never another text.
#[test]
fn every_changed_character_is_noticed() {
    let keys = ring(&[("default", "pw")]);
    let whole = text("$ANSIBLE_VAULT;1.1;AES256");
    for at in (0..whole.len()).step_by(3) {
        for change in ["0", "9", "f", "\n", ";", ""] {
            let mut changed = whole.clone();
            changed.replace_range(at..=at, change);
            if let Ok(opened) = keys.open(changed.as_bytes()) {
                assert_eq!(opened.text.as_slice(), TEXT.as_bytes(), "{at} {change:?}");
            }
        }
        let _ = keys.open(&whole.as_bytes()[..at]);
    }
}

#[test]
fn the_passwords_that_were_tried_are_named_and_never_shown() {
    let keys = ring(&[("dev", "hunter2"), ("dev", "hunter3"), ("test", "hunter4")]);
    let error = keys.open(text("$ANSIBLE_VAULT;1.2;AES256;prod").as_bytes()).unwrap_err();
    assert_eq!(error.to_string(), "none of the vault passwords decrypts it (tried `dev`, `test`; it names `prod`)");
    let help = miette::Diagnostic::help(&error).unwrap().to_string();
    assert_eq!(help, "give the password of `prod`: `--vault-id prod@FILE`");
    assert!(!format!("{keys:?} {:?} {error:?}", named("dev", "hunter2")).contains("hunter"));
    let strict = ring(&[("dev", "pw")]).matching("default", true);
    let error = strict.open(text("$ANSIBLE_VAULT;1.2;AES256;prod").as_bytes()).unwrap_err();
    assert!(error.to_string().contains("none was tried"), "{error}");
    assert!(ring(&[("dev", "pw")]).open(text("$ANSIBLE_VAULT;1.2;AES256;prod").as_bytes()).is_ok());
    assert!(matches!(Keyring::default().open(BODY.as_bytes()), Err(VaultError::Plain)));
    for label in ["", "a;b", "a\nb", " a"] {
        let envelope = Envelope { label: Some(label.to_owned()), body: Vec::new() };
        assert!(matches!(envelope.write(), Err(VaultError::Label(_))), "{label:?}");
    }
}

fn mode(place: &Place, name: &str) -> u32 {
    fs::metadata(place.path().join(name)).unwrap().permissions().mode() & 0o7777
}

fn read(place: &Place, name: &str) -> String {
    fs::read_to_string(place.path().join(name)).unwrap()
}

fn executable(place: &Place, name: &str, text: &str) {
    place.write(name, text);
    fs::set_permissions(place.path().join(name), fs::Permissions::from_mode(0o755)).unwrap();
}

fn fine(ran: Ran) -> Ran {
    assert_eq!(ran.code, 0, "{}", ran.shown());
    ran
}

/// Standard error without the lines that a narrow terminal makes of it.
fn told(ran: &Ran) -> String {
    ran.stderr.split_whitespace().filter(|word| *word != "│").collect::<Vec<_>>().join(" ")
}

/// The words behind `vault`, blanks between them.
fn vault(place: &Place, line: &str) -> Ran {
    let words: Vec<&str> = std::iter::once("vault").chain(line.split(' ')).collect();
    place.run(&words)
}

#[test]
fn files_are_encrypted_shown_and_decrypted() {
    let place =
        Place::new(&[("a.yml", "a: 1\n"), ("b.yml", "b: 2\n"), ("pw", " one \n"), ("other", "two"), ("none", "\n")]);
    fine(vault(&place, "encrypt a.yml b.yml --vault-password-file pw"));
    assert!(read(&place, "a.yml").starts_with("$ANSIBLE_VAULT;1.1;AES256\n"), "{}", read(&place, "a.yml"));
    assert_eq!((mode(&place, "a.yml"), mode(&place, "b.yml")), (0o600, 0o600));
    assert_eq!(fine(vault(&place, "view a.yml b.yml --vault-id pw")).stdout, "a: 1\nb: 2\n");
    // One that cannot be decrypted keeps all of them as they are.
    let before = read(&place, "a.yml");
    place.write("b.yml", "b: 2\n");
    for line in [
        "decrypt a.yml b.yml --vault-id pw",
        "decrypt a.yml --vault-id other",
        "rekey a.yml --vault-id other --new-vault-id pw",
    ] {
        let ran = vault(&place, line);
        assert_eq!((ran.code, read(&place, "a.yml") == before), (1, true), "{line}: {}", ran.shown());
    }
    let ran = vault(&place, "encrypt a.yml --vault-id pw");
    assert!(ran.code == 1 && told(&ran).contains("it is encrypted already"), "{}", ran.shown());
    let ran = vault(&place, "view a.yml --vault-id none");
    assert!(ran.code == 1 && told(&ran).contains("is empty"), "{}", ran.shown());
    fs::set_permissions(place.path().join("a.yml"), fs::Permissions::from_mode(0o640)).unwrap();
    fine(vault(&place, "rekey a.yml --vault-id pw --new-vault-id prod@other"));
    assert!(read(&place, "a.yml").starts_with("$ANSIBLE_VAULT;1.2;AES256;prod\n"));
    assert_eq!(mode(&place, "a.yml"), 0o640, "rekey keeps the mode");
    assert_eq!(fine(vault(&place, "decrypt a.yml --output - --vault-id other")).stdout, "a: 1\n");
    fine(vault(&place, "decrypt a.yml --vault-id other"));
    assert_eq!((read(&place, "a.yml"), mode(&place, "a.yml")), ("a: 1\n".to_owned(), 0o600));
    assert!(
        fs::read_dir(place.path()).unwrap().flatten().all(|e| !e.file_name().to_string_lossy().starts_with(".vault"))
    );
}

#[test]
fn a_link_stays_and_what_it_leads_to_is_written() {
    let place = Place::new(&[("real", "x"), ("pw", "p")]);
    std::os::unix::fs::symlink("real", place.path().join("link")).unwrap();
    fine(vault(&place, "encrypt link --vault-id pw"));
    assert!(place.path().join("link").is_symlink());
    assert!(read(&place, "real").starts_with("$ANSIBLE_VAULT"));
}

#[test]
fn texts_are_encrypted_for_files_of_variables() {
    let place = Place::new(&[("pw", "p"), ("two", "q")]);
    let ran = fine(vault(&place, "encrypt-string s3cret more -n a --vault-id pw"));
    assert!(ran.stdout.starts_with("a: !vault |\n          $ANSIBLE_VAULT;1.1;AES256\n          "), "{}", ran.stdout);
    assert!(ran.stdout.contains("\n!vault |\n"), "{}", ran.stdout);
    assert!(!told(&ran).contains("s3cret"), "{}", ran.stderr);
    let ran = fine(place.answer(&["vault", "encrypt_string", "--stdin-name", "b", "--vault-id", "pw"], "from stdin"));
    place.write("vars.yml", &ran.stdout);
    place.write("site.yml", "- hosts: all\n  gather_facts: false\n  vars_files: [vars.yml]\n  tasks: [{assert: {that: \"b == 'from stdin'\"}}]\n");
    fine(place.play("h1,", &["--vault-id", "pw"]));
    for (line, said) in [
        ("encrypt-string x --vault-id a@pw --vault-id b@two", "there are several passwords to encrypt with: `a`, `b`"),
        ("encrypt-string x --vault-id a@pw --encrypt-vault-id c", "there is no password for the vault id `c`"),
        ("encrypt-string x --vault-id a;b@pw", "a `;` cannot stand in it"),
        ("encrypt-string -p --stdin-name x --vault-id pw", "either asked for or read from standard input"),
        ("encrypt-string --vault-id pw", "there is nothing to encrypt"),
        ("encrypt-string x --vault-id missing", "there is no vault password file"),
        ("encrypt-string x --vault-id .", "is a folder"),
    ] {
        let ran = vault(&place, line);
        assert!(ran.code == 1 && told(&ran).contains(said), "{line}: {}", ran.shown());
    }
    let ran = fine(vault(&place, "encrypt-string x --vault-id a@pw --vault-id b@two --encrypt-vault-id b"));
    assert!(ran.stdout.contains(";1.2;AES256;b\n"), "{}", ran.stdout);
}

#[test]
fn passwords_come_from_scripts_clients_and_the_environment() {
    let place = Place::new(&[("plain", "x"), ("pw", "the password"), ("second", "second")]);
    executable(&place, "script", "#!/bin/sh\nprintf 'the password\\n'\n");
    executable(
        &place,
        "my-client.sh",
        "#!/bin/sh\n[ \"$1 $2\" = '--vault-id prod' ] || { echo no such id >&2; exit 2; }\necho 'the password'\n",
    );
    executable(&place, "broken", "#!/bin/sh\nexit 3\n");
    fine(vault(&place, "encrypt plain --vault-id script"));
    let view = |line: &str| vault(&place, &format!("view plain {line}"));
    for line in [
        "--vault-id pw",
        "--vault-pass-file script",
        "--vault-id prod@my-client.sh",
        "--vault-id broken --vault-id x@pw",
    ] {
        assert_eq!(fine(view(line)).stdout, "x", "{line}");
    }
    for (line, said) in [
        ("--vault-id dev@my-client.sh", "knows no password for the vault id `dev`: no such id"),
        ("--vault-id broken", "ended with status 3"),
    ] {
        let ran = view(line);
        assert!(ran.code == 1 && told(&ran).contains(said), "{line}: {}", ran.shown());
    }
    let with =
        |name: &str, value: &str, words: &[&str]| Ran::of(place.command(words).env(name, value).output().unwrap());
    assert_eq!(fine(with("ANSIBLE_VAULT_PASSWORD_FILE", "pw", &["vault", "view", "plain"])).stdout, "x");
    assert_eq!(fine(with("ANSIBLE_VAULT_IDENTITY_LIST", "a@second, b@pw", &["vault", "view", "plain"])).stdout, "x");
    let sealed = fine(with("ANSIBLE_VAULT_IDENTITY", "mine", &["vault", "encrypt-string", "x", "--vault-id", "pw"]));
    assert!(sealed.stdout.contains(";1.2;AES256;mine\n"), "{}", sealed.stdout);
    // A password file may be encrypted with a password before it.
    fine(vault(&place, "encrypt second --vault-id pw"));
    fine(vault(&place, "encrypt-string y --output out --vault-id pw"));
    let ran = fine(vault(&place, "rekey plain --vault-id pw --new-vault-password-file script"));
    assert!(!told(&ran).contains("the password"), "{}", ran.stderr);
}

#[test]
fn the_editor_has_a_private_file_that_is_gone_afterwards() {
    let place = Place::new(&[("pw", "p"), ("plain", "before\n")]);
    executable(
        &place,
        "ed",
        "#!/bin/sh\nstat -c '%a' \"$1\" \"$(dirname \"$1\")\" > seen; echo \"$1\" >> seen; echo after >> \"$1\"; touch \"$1.swp\"\n",
    );
    executable(&place, "fails", "#!/bin/sh\necho lost >> \"$1\"; exit 1\n");
    let run = |editor: &str, words: &[&str]| Ran::of(place.command(words).env("EDITOR", editor).output().unwrap());
    let editor = place.path().join("ed").display().to_string();
    fine(vault(&place, "encrypt plain --vault-id prod@pw"));
    let before = read(&place, "plain");
    fine(run("true", &["vault", "edit", "plain", "--vault-id", "pw"]));
    assert_eq!(read(&place, "plain"), before, "nothing was changed");
    fine(run(&editor, &["vault", "edit", "plain", "--vault-id", "pw"]));
    assert!(read(&place, "plain").starts_with("$ANSIBLE_VAULT;1.2;AES256;prod\n"), "the vault id stays");
    assert_eq!(fine(vault(&place, "view plain --vault-id pw")).stdout, "before\nafter\n");
    let seen = read(&place, "seen");
    let seen: Vec<&str> = seen.lines().collect();
    assert_eq!(&seen[..2], ["600", "700"]);
    assert!(!PathBuf::from(seen[2]).parent().unwrap().exists(), "{seen:?}");
    let before = read(&place, "plain");
    let ran = run(&place.path().join("fails").display().to_string(), &["vault", "edit", "plain", "--vault-id", "pw"]);
    assert!(ran.code == 1 && read(&place, "plain") == before, "{}", ran.shown());
    let ran = run(&editor, &["vault", "create", "new", "--vault-id", "pw"]);
    assert!(ran.code == 1 && told(&ran).contains("there is no terminal for an editor"), "{}", ran.shown());
    fine(run(&editor, &["vault", "create", "sub/new.yml", "--skip-tty-check", "--vault-id", "pw"]));
    assert_eq!(fine(vault(&place, "view sub/new.yml --vault-id pw")).stdout, "after\n");
    let ran = run(&editor, &["vault", "create", "sub/new.yml", "--skip-tty-check", "--vault-id", "pw"]);
    assert!(ran.code == 1 && told(&ran).contains("exists"), "{}", ran.shown());
}

/// Everything secret in the tree below: none of it may be seen anywhere.
const SECRETS: &[&str] = &[
    "inline-s3cret",
    "aW5saW5lLXMzY3JldA",
    "whole-s3cret",
    "deep-s3cret",
    "482151",
    "first line of it",
    "second \"line",
    "second \\\"line",
    "file-s3cret",
    "template-s3cret",
    "script-s3cret",
    "task-s3cret",
    "extra-s3cret",
    "included-s3cret",
    "ini-s3cret",
    "fragment-s3cret",
    "older-s3cret",
];

const SITE: &str = "- hosts: all
  gather_facts: false
  vars_files: [vf.yml]
  tasks:
    - debug: {msg: \"{{ inline }} {{ whole }} {{ pin }} {{ extra }}\"}
    - debug: {var: nested}
    - debug: {var: multi}
    - debug: {msg: \"{{ inline | b64encode }} {{ multi | to_json }} {{ {inline: 1} }}\"}
    - assert:
        that:
          - inline == 'inline-s3cret' and pin == 482151
          - inline is vault_encrypted
          - whole is not vault_encrypted and 'plain' is not vault_encrypted
          - braces is search('none') and braces | length == 10
          - (playbook_dir ~ '/files/enc.txt') is vaulted_file
          - (playbook_dir ~ '/site.yml') is not vaulted_file
          - lookup('file', 'enc.txt') == 'file-s3cret'
          - lookup('unvault', 'enc.txt') | length == 12
          - lookup('ini', 'key', section='sec', file='x.ini') == 'ini-s3cret'
          - (lookup('template', 'enc.j2') | trim) == 'template-s3cret inline-s3cret'
          - \"'abc' | vault('pw') | unvault('pw') == 'abc' and 'plain' | unvault('pw') == 'plain'\"
          - \"('abc' | vault('pw', salt='saltsalt', vault_id='x') | checksum) == '61e78a189a0912ce949508d7e31f02b2750e7dd8'\"
    - include_vars: iv.yml
    - debug: {var: included}
    - include_tasks: tasks.yml
    - copy: {src: enc.txt, dest: \"{{ out }}/enc.txt\"}
    - copy: {src: enc.txt, dest: \"{{ out }}/raw.txt\", decrypt: false}
    - copy: {src: bin, dest: \"{{ out }}/bin\"}
    - template: {src: enc.j2, dest: \"{{ out }}/tpl\"}
    - copy: {content: \"pw={{ inline }}\\nx\\n\", dest: \"{{ out }}/content\"}
    - assemble: {src: fragments, dest: \"{{ out }}/fragments\", remote_src: false}
    - unarchive: {src: x.tar, dest: \"{{ out }}\"}
    - script: s.sh
      register: said
    - debug: {var: said.stdout_lines}
    - command: \"echo {{ inline }}\"
    - shell: \"echo {{ whole }} >&2; exit 3\"
      ignore_errors: true
    - fail: {msg: \"bad {{ extra }}\"}
      ignore_errors: true
    - debug: {msg: \"{{ item }}\"}
      loop: [\"{{ inline }}\", other]
    - name: \"a task named {{ inline }}\"
      set_fact: {fact: \"{{ inline }}\"}
    - assert: {that: \"fact == 'inline-s3cret' and (said.stdout | trim) == 'script-s3cret'\"}
      when: not ansible_check_mode
    - debug: {msg: \"{{ whole.nope }}\"}
      ignore_errors: true
";

/// A tree with something encrypted of every kind.
fn tree() -> Place {
    let place = Place::new(&[
        ("one", "one\n"),
        ("two", "two\n"),
        ("three", "three\n"),
        ("site.yml", SITE),
        (
            "group_vars/all/whole.yml",
            "whole: whole-s3cret\npin: 482151\nflag: true\nnested: {a: [deep-s3cret-1, 'a deep-s3cret']}\n",
        ),
        ("vf.yml", "vf: varsfile\n"),
        ("iv.yml", "included: included-s3cret\n"),
        ("extra.yml", "extra: extra-s3cret\n"),
        ("tasks.yml", "- name: from an encrypted file\n  debug: {msg: task-s3cret}\n"),
        ("files/enc.txt", "file-s3cret\n"),
        ("files/plain.txt", "from the archive\n"),
        ("files/x.ini", "[sec]\nkey=ini-s3cret\n"),
        ("files/s.sh", "#!/bin/sh\necho script-s3cret\n"),
        ("files/fragments/1", "fragment-s3cret\n"),
        ("files/fragments/2", "plain fragment\n"),
        ("templates/enc.j2", "template-s3cret {{ inline }}\n"),
        ("out/content", "pw=older-s3cret\nx\n"),
    ]);
    fs::write(place.path().join("files/bin"), (0..=255).cycle().take(3000).collect::<Vec<u8>>()).unwrap();
    fine(vault(&place, "encrypt --vault-id prod@one group_vars/all/whole.yml vf.yml iv.yml extra.yml tasks.yml"));
    fine(vault(
        &place,
        "encrypt --vault-id one files/enc.txt files/x.ini files/s.sh files/fragments/1 templates/enc.j2",
    ));
    let tar =
        Command::new("tar").args(["-C", "files", "-cf", "files/x.tar", "plain.txt"]).current_dir(place.path()).status();
    assert!(tar.unwrap().success());
    fine(vault(&place, "encrypt --vault-id dev@two files/bin files/x.tar"));
    let mut inline = String::new();
    for (name, text, id) in [
        ("inline", "inline-s3cret", "one"),
        ("braces", "{{ none }}", "dev@two"),
        ("multi", "first line of it\nsecond \"line\" of it\n", "one"),
        ("unused", "never read", "three"),
    ] {
        inline +=
            &fine(place.answer(&["vault", "encrypt-string", "--stdin-name", name, "--vault-id", id], text)).stdout;
    }
    place.write("group_vars/all/inline.yml", &inline);
    place
}

const PASSWORDS: &[&str] = &["--vault-id", "prod@one", "--vault-id", "dev@two", "-e", "@extra.yml"];

/// Neither output nor a file of it holds a secret.
fn silent(what: &str, shown: &str) {
    for secret in SECRETS {
        let line = shown.lines().find(|line| line.contains(secret));
        assert!(line.is_none(), "{what} shows `{secret}`: {line:?}");
    }
}

#[test]
fn all_is_decrypted_and_nothing_is_shown() {
    let place = tree();
    let out = format!("out={}", place.path().join("out").display());
    for (what, more) in [
        ("plan", ["-C", "-D", "-v", "--timeline", "page.html"].as_slice()),
        ("apply", &["-D", "-vvv", "--timeline", "page.html"]),
        ("json", &["-D", "--output", "json"]),
        ("junit", &["-vv", "--output", "junit"]),
        ("again", &["--profile"]),
    ] {
        let arguments: Vec<&str> = [PASSWORDS, &["-e", &out], more].concat();
        let ran = fine(place.play("h1,", &arguments));
        assert!(!ran.stdout.contains("Assertion failed"), "{}", ran.shown());
        silent(what, &ran.stdout);
        silent(what, &ran.stderr);
        if what != "again" {
            assert!(ran.stdout.contains("***"), "{}", ran.shown());
        }
        if what == "apply" {
            assert!(ran.stdout.contains("(hidden)"), "old lines are hidden: {}", ran.stdout);
            assert!(ran.stdout.contains("from an encrypted file"), "names of tasks are told: {}", ran.stdout);
            silent("the timeline", &read(&place, "page.html"));
        }
    }
    let bytes: Vec<u8> = (0..=255).cycle().take(3000).collect();
    assert_eq!(fs::read(place.path().join("out/bin")).unwrap(), bytes);
    for (name, text) in [
        ("enc.txt", "file-s3cret\n"),
        ("plain.txt", "from the archive\n"),
        ("tpl", "template-s3cret inline-s3cret\n"),
        ("content", "pw=inline-s3cret\nx\n"),
        ("fragments", "fragment-s3cret\nplain fragment\n"),
    ] {
        assert_eq!(read(&place, &format!("out/{name}")), text);
    }
    assert_eq!(read(&place, "out/raw.txt"), read(&place, "files/enc.txt"), "decrypt: false");
}

#[test]
fn playbooks_and_inventories_may_be_encrypted_as_a_whole() {
    let place = Place::new(&[
        ("pw", "p"),
        (
            "site.yml",
            "- hosts: web\n  gather_facts: false\n  roles: [r]\n  tasks:\n    - debug: {msg: \"play-s3cret {{ own }}\"}\n",
        ),
        ("roles/r/tasks/main.yml", "- debug: {msg: \"role-s3cret {{ d }}\"}\n"),
        ("roles/r/defaults/main.yml", "d: default-s3cret\n"),
        ("hosts.ini", "[web]\nh1 own=ini-s3cret\n"),
        ("hosts.yml", "web: {hosts: {h1: {own: yml-s3cret}}}\n"),
        ("host_vars/h1.yml", "ansible_connection: local\n"),
    ]);
    fine(vault(
        &place,
        "encrypt --vault-id pw site.yml roles/r/tasks/main.yml roles/r/defaults/main.yml hosts.ini hosts.yml host_vars/h1.yml",
    ));
    for hosts in ["hosts.ini", "hosts.yml"] {
        let ran = fine(place.play(hosts, &["-v", "--vault-id", "pw"]));
        assert!(ran.stdout.contains("h1") && !ran.stdout.contains("s3cret"), "{}", ran.shown());
        let ran = fine(place.run(&["inventory", "-i", hosts, "--list", "--vault-id", "pw"]));
        assert!(ran.stdout.contains("\"own\": \"***\""), "{}", ran.stdout);
        let ran = place.play(hosts, &[]);
        assert!(ran.code == 1 && told(&ran).contains("no vault password was given"), "{}", ran.shown());
    }
    let ran = fine(place.run(&["lint", "site.yml"]));
    assert!(ran.stdout.contains("not looked into"), "{}", ran.shown());
    // What is wrong in an encrypted file is told by its place alone.
    place.write(
        "bad.yml",
        "- hosts: web\n  tasks:\n    - debgu: {msg: \"bad-s3cret\"}\n    - debug: {msg: [bad-s3cret}\n",
    );
    fine(vault(&place, "encrypt --vault-id pw bad.yml"));
    let ran = place.run(&["lint", "bad.yml", "--vault-id", "pw"]);
    assert!(ran.code == 1 && ran.stdout.contains("bad.yml:") && !ran.shown().contains("s3cret"), "{}", ran.shown());
}

#[test]
fn what_cannot_be_decrypted_is_told_with_its_place() {
    let place = tree();
    place.write(
        "site.yml",
        "- hosts: all\n  gather_facts: false\n  tasks:\n    - debug: {msg: \"{{ unused }}\"}\n      ignore_errors: true\n    - debug: {msg: fine}\n",
    );
    let ran = fine(place.play("h1,", PASSWORDS));
    assert!(ran.stdout.contains("failed to decrypt the value of `unused`"), "{}", ran.shown());
    assert!(ran.stdout.contains("group_vars/all/inline.yml:"), "{}", ran.shown());
    assert!(ran.stdout.contains("tried `prod`, `dev`"), "{}", ran.shown());
    let ran = place.play("h1,", &["--vault-id", "dev@two"]);
    assert_eq!(ran.code, 1, "{}", ran.shown());
    assert!(told(&ran).contains("group_vars/all/whole.yml"), "{}", ran.shown());
    assert!(told(&ran).contains("--vault-id prod@FILE"), "{}", ran.shown());
    // Nobody is asked where nobody is.
    let mut command = Command::new("setsid");
    command.args(["-w", env!("CARGO_BIN_EXE_bringup"), "apply", "-J", "-i", "h1,", "-c", "local", "site.yml"]);
    let ran = Ran::of(command.current_dir(place.path()).stdin(std::process::Stdio::null()).output().unwrap());
    assert!(ran.code == 1 && told(&ran).contains("there is no terminal"), "{}", ran.shown());
}

#[test]
fn inventory_scripts_print_encrypted_values() {
    let place = Place::new(&[("pw", "p")]);
    let sealed = fine(vault(&place, "encrypt-string s3cret --vault-id pw")).stdout;
    let sealed: String = sealed.lines().skip(1).map(|line| format!("{}\n", line.trim())).collect();
    let hosts =
        json!({"web": {"hosts": ["h1"], "vars": {"x": {"__ansible_vault": sealed}}}, "_meta": {"hostvars": {}}});
    executable(&place, "hosts.sh", &format!("#!/bin/sh\ncat <<'E'\n{hosts}\nE\n"));
    place.write("site.yml", "- hosts: web\n  gather_facts: false\n  tasks: [{assert: {that: x == 's3cret'}}]\n");
    fine(place.play("hosts.sh", &["--vault-id", "pw"]));
    let listed: serde_json::Value =
        serde_json::from_str(&fine(place.run(&["inventory", "-i", "hosts.sh", "--list"])).stdout).unwrap();
    assert_eq!(listed["_meta"]["hostvars"]["h1"]["x"]["__ansible_vault"], json!(sealed));
}

/// Ansible reads what is written here, and the other way round.
#[test]
fn ansible_reads_what_is_written_here_and_the_other_way_round() {
    let playbook = std::env::var_os("BRINGUP_TEST_ANSIBLE").map(PathBuf::from);
    let Some(ansible) = playbook.map(|path| path.with_file_name("ansible-vault")).filter(|path| path.is_file()) else {
        skip!("ansible is not compared with: there is no ansible-vault beside BRINGUP_TEST_ANSIBLE");
    };
    let place = Place::new(&[("pw", "p \n"), ("two", "q\r\n")]);
    let ansible = |line: &str| {
        let mut command = Command::new(&ansible);
        command.args(line.split(' ')).current_dir(place.path()).stdin(std::process::Stdio::null());
        let output = command.output().unwrap();
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    };
    let binary: Vec<u8> = (0..=255).rev().cycle().take(5000).collect();
    for text in [b"".as_slice(), b"a: 1\n", &binary] {
        for id in ["pw", "prod@two"] {
            let write = || fs::write(place.path().join("f"), text).unwrap();
            write();
            fine(vault(&place, &format!("encrypt f --vault-id {id}")));
            ansible(&format!("decrypt f --vault-id {id}"));
            assert_eq!(fs::read(place.path().join("f")).unwrap(), text);
            write();
            ansible(&format!("encrypt f --vault-id {id}"));
            fine(vault(&place, &format!("rekey f --vault-id {id} --new-vault-id new@pw")));
            ansible("rekey f --vault-id new@pw --new-vault-id two");
            fine(vault(&place, "decrypt f --vault-id two"));
            assert_eq!(fs::read(place.path().join("f")).unwrap(), text);
        }
    }
}
