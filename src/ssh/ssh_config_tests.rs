use super::*;
use crate::ssh::{HostKeyPolicy, config::Settings};
use std::time::Duration;

/// Resolves a target against a configuration of its own.
fn resolve(config: &str, change: impl FnOnce(&mut Target)) -> Result<Settings, SshError> {
    let home = tempfile::tempdir().unwrap();
    fs::create_dir(home.path().join(".ssh")).unwrap();
    fs::write(home.path().join(".ssh/config"), config).unwrap();
    fs::write(home.path().join(".ssh/more.conf"), "Host included\n  Port 99\n").unwrap();
    let mut target = Target::new("web");
    change(&mut target);
    Settings::resolve(&target, home.path())
}

#[test]
fn the_first_value_counts_and_the_inventory_before_it() {
    let config = "\
# a comment
Host web !web2
    HostName %h.example.org
    Port=2222
    User = deploy
    IdentityFile \"~/keys/%r@%h\"
    IdentityFile ~/keys/second
    StrictHostKeyChecking accept-new
    ServerAliveInterval 7
    ConnectTimeout 1m5
    UserKnownHostsFile /a/one \"/b/t w o\"
    HashKnownHosts yes
Host *
    Port 1
    User nobody
";
    let settings = resolve(config, |_| {}).unwrap();
    assert_eq!((settings.host.as_str(), settings.port, settings.user.as_str()), ("web.example.org", 2222, "deploy"));
    assert_eq!(settings.keys.len(), 2);
    assert!(settings.keys[0].ends_with("keys/deploy@web.example.org"), "{:?}", settings.keys);
    assert!(settings.default_keys.is_empty());
    assert_eq!(settings.rules.policy, HostKeyPolicy::AcceptNew);
    assert_eq!(settings.rules.files, [PathBuf::from("/a/one"), PathBuf::from("/b/t w o")]);
    assert!(settings.rules.hashed);
    assert_eq!(settings.alive_interval, Some(Duration::from_secs(7)));
    assert_eq!(settings.timeout, Duration::from_secs(65));

    let settings = resolve(config, |target| {
        target.user = Some("root".into());
        target.port = Some(22);
        target.private_key_files = vec!["/mine".into()];
        target.host_key_checking = Some(HostKeyPolicy::Strict);
    })
    .unwrap();
    assert_eq!((settings.port, settings.user.as_str()), (22, "root"));
    assert_eq!(settings.keys[0], PathBuf::from("/mine"));
    assert_eq!(settings.rules.policy, HostKeyPolicy::Strict);

    let settings = resolve(config, |target| target.address = Some("elsewhere".into())).unwrap();
    assert_eq!((settings.host.as_str(), settings.port, settings.user.as_str()), ("elsewhere", 1, "nobody"));
    assert_eq!(settings.default_keys.len(), 3);
}

#[test]
fn options_come_before_the_files() {
    let args = "-o Port=3000 -oUser=opt -o 'ProxyJump=a,me@b:22' -C -o ControlMaster=auto -o ControlPersist=60s -i /key -o Port=4";
    let settings = resolve("Port 5\nUser file\n", |target| target.apply_ssh_args(args).unwrap()).unwrap();
    assert_eq!((settings.port, settings.user.as_str()), (3000, "opt"));
    assert_eq!(settings.jump, ["a", "me@b:22"]);
    assert_eq!(settings.keys, [PathBuf::from("/key")]);

    let settings = resolve("", |target| target.apply_ssh_args("-J x -p 77 -l me").unwrap()).unwrap();
    assert_eq!((settings.jump.as_slice(), settings.port, settings.user.as_str()), (&["x".to_owned()][..], 77, "me"));
}

#[test]
fn what_is_not_supported_is_refused_by_name() {
    let cases = [
        ("-o NoSuchOption=1", "this OpenSSH option is not supported"),
        ("-o Port=many", "`many` is no value for port"),
        ("-o StrictHostKeyChecking=perhaps", "`perhaps` is no value for stricthostkeychecking"),
        ("-o IdentitiesOnly=maybe", "`maybe` is no value for identitiesonly"),
        ("-o ConnectTimeout=5x", "`5x` is no value for connecttimeout"),
    ];
    for (args, expected) in cases {
        let error = resolve("", |target| target.apply_ssh_args(args).unwrap()).unwrap_err().to_string();
        assert!(error.contains(expected), "{args}: {error}");
    }
    for args in ["-L 1:2:3", "-o", "-o Port", "word", "-p x", "'"] {
        assert!(Target::new("h").apply_ssh_args(args).is_err(), "{args}");
    }
    let error = resolve("Port\n", |_| {}).unwrap_err().to_string();
    assert!(error.contains("config:1: `Port` has no value"), "{error}");
}

#[test]
fn includes_jumps_and_commands_are_followed() {
    let config = "Include more.conf\nInclude *.nothing\nHost proxied\n ProxyCommand nc %h %p\n ProxyJump no\nHost jumped\n ProxyJump a,b\n ProxyCommand never\n";
    let at = |name: &str| resolve(config, |target| target.address = Some(name.into())).unwrap();
    assert_eq!(at("included").port, 99);
    assert_eq!(at("other").port, 22);
    let proxied = at("proxied");
    assert_eq!(proxied.proxy_command.as_deref(), Some("nc proxied 22"));
    assert!(proxied.jump.is_empty());
    assert_eq!(at("jumped").jump, ["a", "b"]);
    let none = resolve(config, |target| {
        target.address = Some("jumped".into());
        target.jump = vec!["none".into()];
    });
    assert!(none.unwrap().jump.is_empty());
}

#[test]
fn a_match_is_left_to_openssh() {
    if Command::new("ssh").arg("-V").output().is_err() {
        eprintln!("no ssh client here: not tested");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("config");
    fs::write(&file, "Match host web\n  Port 2345\n  IdentityFile /only/this\n").unwrap();
    let settings = resolve("", |target| {
        target.options.insert("f".into(), file.display().to_string());
    })
    .unwrap();
    assert_eq!(settings.port, 2345);
    assert_eq!(settings.keys, [PathBuf::from("/only/this")]);
    assert_eq!(settings.rules.policy, HostKeyPolicy::Strict);
}

#[test]
fn an_include_without_end_is_an_error() {
    let error = resolve("Include config\n", |_| {}).unwrap_err().to_string();
    assert!(error.contains("include each other"), "{error}");
}

#[test]
fn what_is_left_out_is_told() {
    let config = "Host *\n  Ciphers aes128-ctr\n  SendEnv LANG\n  BindAddress 10.0.0.1\n";
    let settings = resolve(config, |target| target.apply_ssh_args("-o KexAlgorithms=x -6").unwrap()).unwrap();
    let text = settings.warnings.join("\n");
    assert_eq!(settings.warnings.len(), 3, "{text}");
    assert!(text.contains("config:2: `ciphers` is not supported") && text.contains("kexalgorithms"), "{text}");
    assert_eq!(settings.ip_version, Some(6));
}

#[test]
fn variables_are_sent_as_openssh_sends_them() {
    let ours = || {
        let all = [
            ("LANG", "de_DE.UTF-8"),
            ("LC_TIME", "C"),
            ("LC_ALL", "C"),
            ("HOME", "/root"),
            ("X[1]", "odd"),
            ("X1", "x"),
        ];
        all.map(|(name, value)| (name.into(), value.into()))
    };
    for (config, sent) in [
        ("", ""),
        ("SendEnv LANG LC_*", "LANG=de_DE.UTF-8 LC_ALL=C LC_TIME=C"),
        ("SendEnv LANG LC_*\nSendEnv -LC_*\nSendEnv X[1]", "LANG=de_DE.UTF-8 X[1]=odd"),
        ("Host other\n  SendEnv LANG\nHost *\n  SendEnv HOM?", "HOME=/root"),
        ("SetEnv LANG=C 'GREETING=good day'\nSetEnv MORE=1\nSendEnv LANG", "LANG=de_DE.UTF-8 LANG=C GREETING=good day"),
    ] {
        let found = read_text("web", config).unwrap();
        let words = crate::ssh::config::environment(&found, ours()).unwrap();
        let words: Vec<String> = words.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(words.join(" "), sent, "{config}");
    }
    let error = resolve("SetEnv LANG\n", |_| {}).unwrap_err().to_string();
    assert!(error.contains("setenv") && error.contains("config:1"), "{error}");
}

#[test]
fn aliases_and_preferences_are_followed() {
    let config = "HostKeyAlias cluster\nPort 2222\nPreferredAuthentications publickey\nMatch final all\n  User last\n";
    let settings = resolve(config, |_| {}).unwrap();
    assert_eq!(settings.host_key_place, ("cluster".into(), 22));
    assert!(settings.public_key_auth && !settings.password_auth);
    assert_eq!(settings.user, "last");
}

#[test]
fn names_are_refused_before_anything_is_asked_or_run() {
    let canary = tempfile::tempdir().unwrap();
    let mark = canary.path().join("mark");
    let touch = format!("touch {}", mark.display());
    let config =
        format!("Match exec \"{touch}\"\n  Port 1\nHost *\n  ProxyCommand nc %h %p\n  IdentityFile ~/k/%h-%r\n");
    for name in ["a;b", "-oProxyCommand=x", "$(x)", "a\nHost *", "../../x", "a b"] {
        let error = resolve(&config, |target| target.address = Some(name.into())).unwrap_err();
        assert!(error.to_string().starts_with("ansible_host (of web): "), "{error}");
        let error = resolve(&config, |target| target.name = name.into()).unwrap_err();
        assert!(error.to_string().starts_with("the host's name (of "), "{error}");
    }
    for user in ["-oProxyCommand=x", "a;b", "a`b", "a\nb", "../x"] {
        let error = resolve(&config, |target| target.user = Some(user.into())).unwrap_err();
        assert!(error.to_string().starts_with("ansible_user (of web): "), "{error}");
    }
    assert!(!mark.exists(), "a `Match exec` was run for a name that is none");
    // What the configuration itself makes of a name is looked at too, and named by its place.
    for line in ["HostName x;y", "User a`b", "HostKeyAlias *", "ProxyCommand nc %C"] {
        let error = resolve(&format!("Host web\n  {line}\n"), |_| {}).unwrap_err();
        assert!(error.to_string().contains(".ssh/config:2: "), "{line}: {error}");
    }
    let error = resolve("ProxyCommand nc -x %r %h\n", |target| target.user = Some("$HOME".into())).unwrap_err();
    assert!(error.to_string().contains("`%r`"), "{error}");
    let settings = resolve("ProxyCommand nc ${X} ~/x %h %p %r %%\nUser me\n", |_| {}).unwrap();
    assert_eq!(settings.proxy_command.as_deref(), Some("nc ${X} ~/x web 22 me %"), "the rest is the shell's own");
}
