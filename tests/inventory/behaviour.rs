//! What an inventory does beyond listing.

use std::{fs, path::Path, time::Instant};

use bringup::{
    inventory::{GroupNames, Inventory, InventoryError, Layers, Level, Rules, Vars},
    run::InventoryExpressions,
};
use serde_json::json;

fn from(text: &str) -> Inventory {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("hosts");
    fs::write(&path, text).unwrap();
    Inventory::load(&[path.to_str().unwrap()], &[], (&InventoryExpressions::default(), &Vars::new())).unwrap()
}

fn refused(text: &str) -> InventoryError {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("hosts");
    fs::write(&path, text).unwrap();
    Inventory::load(&[path.to_str().unwrap()], &[], (&InventoryExpressions::default(), &Vars::new())).unwrap_err()
}

#[test]
fn limits_narrow_and_keep_the_order_of_the_pattern() {
    let inventory = from("[web]\nc\na\nb\n[db]\nb\nd\n");
    let select = |pattern, limit| inventory.select(pattern, Some(limit)).unwrap().join(" ");
    assert_eq!(select("web", "a:b:d"), "a b");
    assert_eq!(select("all", "web:!db"), "c a");
    assert_eq!(select("db:web", "!b"), "d c a");
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("limit");
    fs::write(&file, "a\n\n  d \n").unwrap();
    assert_eq!(select("all", &format!("@{}", file.display())), "a d");
    assert!(inventory.select("all", Some("@/nowhere/x")).is_err());
}

#[test]
fn names_that_match_nothing_are_named_with_what_was_meant() {
    let inventory = from("[webservers]\nweb1\n[empty]\n");
    let warnings = |pattern| inventory.resolve(&[pattern], None).unwrap().warnings.join("; ");
    assert_eq!(warnings("webserver"), "no host or group matches `webserver`; did you mean `webservers`?");
    assert_eq!(warnings("web1:wbe1"), "no host or group matches `wbe1`; did you mean `web1`?");
    assert_eq!(warnings("zzz*"), "no host or group matches `zzz*`");
    assert_eq!(warnings("web1:22"), "no host or group matches `web1:22`; a pattern has no port");
    assert_eq!(warnings("empty"), "");
    assert_eq!(warnings("all"), "");
}

#[test]
fn wrong_patterns_are_refused() {
    let inventory = from("[web]\na\nb\n");
    let error = |pattern| inventory.select(pattern, None).unwrap_err().to_string();
    assert_eq!(error("web[2]"), "the pattern `web[2]` is beyond the end: `web` has 2 hosts");
    assert_eq!(error("web[-3]"), "the pattern `web[-3]` is beyond the end: `web` has 2 hosts");
    assert_eq!(error("~we(b"), "the pattern `~we(b` is no valid regular expression");
    assert_eq!(error("web[0-1]"), "the pattern `web[0-1]` has a range with `-`");
    assert_eq!(error("web:&"), "the pattern `web:&` has a `&` with nothing behind it");
}

#[test]
fn hosts_and_groups_can_appear_at_run_time() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join("host_vars")).unwrap();
    fs::create_dir_all(dir.path().join("group_vars")).unwrap();
    fs::write(dir.path().join("host_vars/new.yml"), "a: host\n").unwrap();
    fs::write(dir.path().join("group_vars/fresh.yml"), "a: group\nb: group\n").unwrap();
    let path = dir.path().join("hosts");
    fs::write(&path, "[web]\nold\n").unwrap();
    let mut inventory =
        Inventory::load(&[path.to_str().unwrap()], &[], (&InventoryExpressions::default(), &Vars::new())).unwrap();
    let vars = |port: i64| Vars::from_iter([("ansible_port".to_owned(), json!(port).into())]);
    assert!(inventory.add_host("new", &["web", "fresh"], vars(22)).unwrap());
    assert!(!inventory.add_host("new", &["web"], vars(22)).unwrap());
    assert!(inventory.add_host("new", &[], vars(23)).unwrap());
    assert_eq!(inventory.group_names("new"), ["fresh", "web"]);
    assert_eq!(inventory.select("web:!old", None).unwrap(), ["new"]);
    let layers = Layers::new(inventory.host_vars("new", None));
    let value = |name| layers.get(name).map(|found| (found.value.to_json(), found.level));
    assert_eq!(value("a"), Some((json!("host"), Level::InventoryHostVars)));
    assert_eq!(value("b"), Some((json!("group"), Level::InventoryGroupVars)));
    assert_eq!(value("ansible_port"), Some((json!(23), Level::InventoryHost)));

    assert!(inventory.group_by("old", "os_debian", &["os"]).unwrap());
    assert!(!inventory.group_by("old", "os_debian", &["os"]).unwrap());
    assert_eq!(inventory.group_names("old"), ["os", "os_debian", "web"]);
    assert_eq!(inventory.groups_map().get("os").unwrap(), &["old"]);
    let circle = inventory.group_by("old", "os", &["os_debian"]).unwrap_err();
    assert_eq!(circle.to_string(), "groups are inside of each other: `os_debian` → `os` → `os_debian`");

    assert!(inventory.add_host("alone", &[], Vars::new()).unwrap());
    assert_eq!(inventory.group_names("alone"), ["ungrouped"]);
}

#[test]
fn variables_and_groups_are_made_of_others() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        fs::write(dir.path().join(name), text).unwrap();
        dir.path().join(name).display().to_string()
    };
    fs::create_dir_all(dir.path().join("group_vars")).unwrap();
    write("group_vars/web.yml", "site: north\n");
    let hosts = write("hosts.yml", "web: {hosts: {a: {os: debian, tags: {env: prod, x: ''}}, b: {os: ''}}}\n");
    let load = |text: &str| {
        let sources = [hosts.clone(), write("c.yml", &format!("plugin: constructed\n{text}"))];
        let extra = Vars::from_iter([("extra".to_owned(), json!("e").into())]);
        Inventory::load(&sources, &[], (&InventoryExpressions::default(), &extra))
    };
    let made = load(
        "compose: {full: inventory_hostname ~ '.' ~ os, nothing: nowhere + 1}\ngroups: {debians: os == 'debian', no: nowhere}\n\
         keyed_groups:\n- {key: os, prefix: os, parent_group: systems}\n- {key: tags}\n- {key: os, default_value: none, prefix: d}\n",
    )
    .unwrap();
    assert_eq!(made.group_names("a"), ["_env_prod", "_x_", "d_debian", "debians", "os_debian", "systems", "web"]);
    assert_eq!(made.group_names("b"), ["d_none", "web"]);
    let layers = Layers::new(made.host_vars("a", None));
    assert_eq!(layers.get("full").unwrap().value.to_json(), json!("a.debian"));
    assert!(layers.get("nothing").is_none());
    let bare =
        load("leading_separator: false\nkeyed_groups: [{key: tags, trailing_separator: false, separator: '-'}]\n")
            .unwrap();
    assert_eq!(bare.group_names("a"), ["env_prod", "web", "x"]);
    let more =
        load("use_vars_plugins: true\nuse_extra_vars: true\nkeyed_groups: [{key: site ~ extra, prefix: s}]\n").unwrap();
    assert_eq!(more.group_names("b"), ["s_northe", "web"]);
    assert_eq!(load("keyed_groups: [{key: site}]\n").unwrap().group_names("b"), ["web"]);
    let strict = load("strict: true\ncompose: {x: nowhere}\n").unwrap_err().to_string();
    assert!(strict.starts_with("could not set `x` of `a`: "), "{strict}");
    let wrong = load("compos: {}\n").unwrap_err();
    assert!(wrong.to_string().contains("`constructed` has no `compos`"), "{wrong}");
}

#[test]
fn this_machine_is_always_there() {
    let inventory = from("[all:vars]\nx=1\n[web]\na\n");
    assert_eq!(inventory.select("localhost", None).unwrap(), ["localhost"]);
    assert!(inventory.select("all", None).unwrap() == ["a"]);
    let host = inventory.host("localhost").unwrap();
    assert!(host.implicit && inventory.group_names("localhost").is_empty());
    let layers = Layers::new(inventory.host_vars("localhost", None));
    assert_eq!(layers.get("ansible_connection").unwrap().value.to_json(), json!("local"));
    assert_eq!(layers.get("x").unwrap().value.to_json(), json!(1));
    let named = from("127.0.0.1 ansible_user=me\n");
    assert_eq!(named.select("localhost", None).unwrap(), ["127.0.0.1"]);
}

#[test]
fn variables_know_where_they_were_written() {
    let inventory = from("[web]\na x=1 y='two words'\n[web:vars]\nz = 3\n");
    let layers = Layers::new(inventory.host_vars("a", None));
    let place = |name| {
        let span = layers.get(name).unwrap().value.span().unwrap().clone();
        (span.text().to_owned(), span.line_column())
    };
    assert_eq!(place("x"), ("1".into(), (2, 5)));
    assert_eq!(place("y"), ("'two words'".into(), (2, 9)));
    assert_eq!(place("z"), ("3".into(), (4, 5)));
}

#[test]
fn what_looks_wrong_is_warned_of() {
    let dir = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write("hosts", "[web]\na x=1 key=some#thing\n[db]\na x=2\nweb my-var=1\n");
    write("group_vars/web.yml", "");
    write("group_vars/web.yaml", "");
    write("host_vars/aa.yml", "");
    write("group_vars/wbe.yml", "");
    let inventory = Inventory::load(
        &[dir.path().join("hosts").to_str().unwrap()],
        &[],
        (&InventoryExpressions::default(), &Vars::new()),
    )
    .unwrap();
    let root = dir.path().canonicalize().unwrap();
    let warnings: Vec<String> = inventory
        .warnings()
        .iter()
        .map(|w| w.replace(root.to_str().unwrap(), "").replace(dir.path().to_str().unwrap(), ""))
        .collect();
    assert_eq!(
        warnings,
        [
            "/hosts:2:15: `#` starts a comment in the middle of a word; put quotes around a value that contains it",
            "/hosts:4:5: `x` of the host `a` was given another value at /hosts:2:5; this one counts",
            "/hosts:5:5: `my-var` cannot be used in templates: a variable's name has letters, digits and `_` alone",
            "`web` is the name of both a group and a host",
            "`/group_vars/web.yaml` is not read: `/group_vars/web.yml` stands for the same group and comes first; merge the two",
            "`/group_vars/wbe.yml` belongs to no group; did you mean `web`?",
            "`/host_vars/aa.yml` belongs to no host; did you mean `a`?",
        ]
    );
}

#[test]
fn circles_are_named_with_the_way_round() {
    let text = "[a:children]\nb\n[b:children]\nc\n[c:children]\na\n";
    assert_eq!(refused(text).to_string(), "groups are inside of each other: `a` → `b` → `c` → `a`");
    assert_eq!(refused("[a:children]\na\n").to_string(), "groups are inside of each other: `a` → `a`");
}

#[test]
fn two_thousand_hosts_load_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let mut text = String::from("[all:vars]\nx=1\n");
    for group in 0..50 {
        text.push_str(&format!("[g{group}]\n"));
        for host in 0..120 {
            text.push_str(&format!("h{:04} v={host} w=\"a b\"\n", (group * 40 + host) % 2000));
        }
        text.push_str(&format!("[g{group}:vars]\ng=x{group}\n"));
    }
    fs::create_dir_all(dir.path().join("host_vars")).unwrap();
    for host in (0..2000).step_by(10) {
        fs::write(dir.path().join(format!("host_vars/h{host:04}.yml")), "a: 1\nb: [1, 2]\n").unwrap();
    }
    fs::write(dir.path().join("hosts"), text).unwrap();
    let start = Instant::now();
    let inventory = Inventory::load(
        &[dir.path().join("hosts").to_str().unwrap()],
        &[],
        (&InventoryExpressions::default(), &Vars::new()),
    )
    .unwrap();
    let loaded = start.elapsed();
    assert_eq!(inventory.hosts().len(), 2000);
    let layers: usize = inventory.hosts().map(|host| inventory.host_vars(host, Some(Path::new("."))).len()).sum();
    assert!(layers > 6000);
    assert_eq!(inventory.select("all:!g0:&g1*", None).unwrap().len(), 520);
    let all = start.elapsed();
    // An unoptimised build on a busy machine; the release build needs a tenth.
    assert!(all.as_millis() < 3000, "{loaded:?} {all:?}");
    println!("{loaded:?} {all:?}");
}

proptest::proptest! {
    #[test]
    fn no_file_makes_it_panic(text in "(\\[[a-c:vrschilden \\]]{0,9}|[a-c0-2:\\[\\]=#'\"\\\\ é,.@-]{0,12}|  ?hosts:|all:|\n){0,12}", yaml: bool) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(if yaml { "hosts.yml" } else { "hosts.ini" });
        fs::write(&path, &text).unwrap();
        match Inventory::load(&[path.to_str().unwrap()], &[], (&InventoryExpressions::default(), &Vars::new())) {
            Ok(inventory) => {
                for host in inventory.hosts() {
                    let groups = inventory.group_names(host);
                    assert!(!groups.is_empty(), "{host} of {text:?} is in no group");
                    assert!(inventory.group_hosts("all").contains(&host), "{host} of {text:?} is not in `all`");
                }
                inventory.list_json(None);
            }
            Err(error) => assert!(!format!("{:?}", miette::Report::new(error)).is_empty()),
        }
    }

    #[test]
    fn no_pattern_makes_it_panic(pattern in "[a-c0-2:!&~*?,\\[\\]() .é-]{0,16}") {
        let inventory = from("[a]\nb1\nb2\n[c:children]\na\n[é]\nc.b\n");
        if let Ok(hosts) = inventory.select(&pattern, None) {
            // `::1` is this machine, which needs no inventory.
            assert!(hosts.iter().all(|host| inventory.contains(host) || host == "::1"));
        }
    }
}

fn by(rules: Rules, files: &[(&str, &str)]) -> Inventory {
    let dir = tempfile::tempdir().unwrap();
    let write = |(name, text): &(&str, &str)| {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
    };
    files.iter().for_each(write);
    let first = |name: &str| name.split('/').next().unwrap().to_owned();
    let mut sources: Vec<String> =
        files.iter().map(|(name, _)| dir.path().join(first(name)).display().to_string()).collect();
    sources.dedup();
    Inventory::load_by(rules, &sources, &[], (&InventoryExpressions::default(), &Vars::new())).unwrap()
}

#[test]
fn names_of_groups_become_what_is_configured() {
    let named = |group_names| {
        let files =
            [("hosts", "[a-b]\nh1\n[c.d:children]\na-b\n[a-b:vars]\nx=1\n"), ("y.yml", "a-b: {hosts: {h2: }}\n")];
        let inventory = by(Rules { group_names, ..Rules::default() }, &files);
        (inventory.group_names("h1").join(" "), inventory.group_names("h2").join(" "), inventory.warnings().join("; "))
    };
    let whole = |one: &str, two: &str, said: &str| (one.to_owned(), two.to_owned(), said.to_owned());
    assert_eq!(named(GroupNames::Kept), whole("a-b c.d", "a-b c.d", ""));
    let said = "Invalid characters were found in group names but not replaced: a-b, c.d";
    assert_eq!(named(GroupNames::Told), whole("a-b c.d", "a-b c.d", said));
    let said = "Invalid characters were found in group names and automatically replaced: a-b, c.d";
    assert_eq!(named(GroupNames::Replaced), whole("a_b c_d", "a_b c_d", said));
    assert_eq!(named(GroupNames::ReplacedSilently), whole("a_b c_d", "a_b c_d", ""));
}

#[test]
fn mappings_of_two_inventories_are_joined_where_that_is_configured() {
    let files = [
        ("1.yml", "all: {hosts: {h: {m: {a: 1, b: {c: 1}}}}, vars: {g: {a: 1, b: 1}, t: {a: 1}}}\n"),
        ("2.yml", "all: {hosts: {h: {m: {a: 2, b: {d: 2}}}}, vars: {g: {a: 2}, t: text}}\n"),
    ];
    let vars = |joins_mappings| {
        let inventory = by(Rules { joins_mappings, ..Rules::default() }, &files);
        let all = inventory.host_json("h", None);
        (all["m"].clone(), all["g"].clone(), all["t"].clone())
    };
    assert_eq!(vars(false), (json!({"a": 2, "b": {"d": 2}}), json!({"a": 2}), json!("text")));
    assert_eq!(vars(true), (json!({"a": 2, "b": {"c": 1, "d": 2}}), json!({"a": 2, "b": 1}), json!("text")));
}

#[test]
fn a_folder_is_read_without_what_is_configured() {
    let files = [("inv/hosts.new", "[web]\na\n"), ("inv/hosts.old", "[web]\nb\n"), ("inv/skip-me", "[web]\nc\n")];
    let hosts = |rules| by(rules, &files).hosts().collect::<Vec<_>>().join(" ");
    assert_eq!(hosts(Rules::default()), "a b c");
    let endings = Some(vec![".old".to_owned()]);
    let rules = Rules { ignored_endings: endings, ignored_patterns: vec!["^skip".to_owned()], ..Rules::default() };
    assert_eq!(hosts(rules), "a");
}

#[test]
fn a_list_has_ranges() {
    let sources = ["h[1:3],x:2200"];
    let inventory = Inventory::load(&sources, &[], (&InventoryExpressions::default(), &Vars::new())).unwrap();
    assert_eq!(inventory.hosts().collect::<Vec<_>>().join(" "), "h1 h2 h3 x");
}
