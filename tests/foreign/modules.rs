//! Where modules are found, and what becomes of what they print.

use super::{PYTHON, Tree, module};

const SHARED: &str = "def word():\n    return 'shared'\n";

#[test]
fn modules_of_playbook_role_and_collection_run_with_what_they_import() {
    let says = |what: &str, import: &str, value: &str| {
        let text = module(&format!("module.exit_json(changed=False, {what}={value})"));
        text.replace("import os,", &format!("{import}\nimport os,"))
    };
    let one = says("one", "from ansible.module_utils.shared import word", "word()");
    let two = says("two", "from ansible.module_utils.mine import word", "word()");
    let own = "ansible_collections.my.own.plugins.module_utils.deep";
    let three = says("three", &format!("from {own} import word"), "word()");
    let Some(tree) = Tree::new(&[
        ("library/one.py", &one),
        ("module_utils/shared.py", SHARED),
        ("roles/r/library/two.py", &two),
        ("roles/r/module_utils/mine.py", SHARED),
        ("roles/r/tasks/main.yml", "- {two: , register: second}\n"),
        ("collections/ansible_collections/my/own/plugins/modules/three.py", &three),
        ("collections/ansible_collections/my/own/plugins/module_utils/deep.py", SHARED),
        ("collections/ansible_collections/my/own/galaxy.yml", "namespace: my\nname: own\nversion: 1.0.0\n"),
        (
            "collections/ansible_collections/my/own/meta/runtime.yml",
            "plugin_routing:\n  modules:\n    old: {redirect: my.own.three}\n",
        ),
        // As with Ansible it stands before the one of its name that is native.
        ("library/ping.py", &says("mine", "", "True")),
    ]) else {
        return;
    };
    tree.both(
        "    - {one: , register: first}
    - include_role: {name: r}
    - {my.own.three: , register: third}
    - {my.own.old: , register: fourth}
    - {three: , register: fifth, collections: [my.own]}
    - {ping: , register: own}
    - assert:
        that:
          - first.one == 'shared' and second.two == 'shared' and third.three == 'shared'
          - fourth.three == 'shared' and fifth.three == 'shared'
          - own.mine
",
    );
    let site = "- hosts: all\n  gather_facts: false\n  tasks: [{ansible.builtin.ping: , register: r}, {assert: {that: r.ping == 'pong'}}]\n";
    let ran = tree.apply(site, &[]);
    assert_eq!(ran.code, 0, "{}", ran.text);
}

#[test]
fn programs_that_are_no_python_find_their_arguments() {
    let Some(tree) = Tree::new(&[
        ("library/words", "#!/bin/sh\n. \"$1\"\nprintf '{\"changed\": true, \"said\": \"%s\"}' \"$word\"\n"),
        ("library/want", "#!/bin/sh\n# WANT_JSON\nprintf '{\"arguments\": %s}' \"$(cat \"$1\")\"\n"),
        ("library/inside", "#!/bin/sh\nprintf '{\"arguments\": %s}' '<<INCLUDE_ANSIBLE_MODULE_JSON_ARGS>>'\n"),
    ]) else {
        return;
    };
    tree.both(
        "    - {words: {word: \"it's two\"}, register: words}
    - {want: {word: two, list: [1]}, register: want}
    - {inside: {word: two}, register: inside}
    - assert:
        that:
          - words is changed and words.said == \"it's two\"
          - want.arguments.word == 'two' and want.arguments.list == [1] and want is not changed
          - inside.arguments.word == 'two' and inside.arguments._ansible_check_mode is undefined
",
    );
    // They cannot say whether they keep to check mode.
    let site = "- hosts: all\n  gather_facts: false\n  tasks: [{words: {word: x}}]\n";
    let ran = tree.apply(site, &["--check"]);
    assert!(ran.code == 0 && ran.text.contains("skipping: [h1] (would run)"), "{}", ran.text);
}

/// Some start another interpreter on themselves, to have its libraries.
#[test]
fn a_module_may_start_itself_by_another_interpreter() {
    let body = "if not has_respawned(): respawn_module('/usr/bin/python3')\nmodule.exit_json(changed=False, again=has_respawned(), how=p['how'])";
    let import = "from ansible.module_utils.common.respawn import has_respawned, respawn_module\nimport os,";
    let Some(tree) = Tree::new(&[("library/again.py", &module(body).replace("import os,", import))]) else { return };
    tree.both("    - {again: {how: said}, register: r}\n    - assert: {that: [r.again, r.how == 'said']}\n");
}

/// Some action plugins do nothing that the module does not do, as long as no file of the workstation is named.
#[test]
fn a_module_runs_without_an_action_plugin_that_it_does_not_need() {
    let action = "from ansible.plugins.action import ActionBase\n\n\nclass ActionModule(ActionBase):\n    pass\n";
    let place = "collections/ansible_collections/amazon/aws/plugins";
    let takes = module("module.exit_json(changed=True)").replace("how=dict()", "how=dict(), src=dict()");
    let Some(tree) = Tree::new(&[
        (&format!("{place}/modules/s3_object.py"), &takes),
        (&format!("{place}/action/s3_object.py"), action),
    ]) else {
        return;
    };
    let site = |arguments: &str| {
        format!(
            "- hosts: all\n  gather_facts: false\n  tasks:\n    - command: touch {{{{ top }}}}/touched\n    - amazon.aws.s3_object: {arguments}\n"
        )
    };
    let ran = tree.apply(&site("{how: '{{ inventory_hostname }}', src: '{{ top }}'}"), &["-e", PYTHON]);
    assert!(ran.code == 1 && ran.text.contains("site.yml:5:"), "{}", ran.text);
    assert!(ran.text.contains("by an action plugin of") && !tree.path().join("touched").exists(), "{}", ran.text);
    let ran = tree.apply(&site("{how: x}"), &["-e", PYTHON]);
    assert!(ran.code == 0 && ran.text.contains("changed=2"), "{}", ran.text);
}

const WAYS: &str = "how = p['how']
if how == 'raise': raise ValueError('no good')
if how == 'print': print('hello before'); print('more')
if how == 'after': print('{\"changed\": false, \"a\": 1}'); print('junk'); sys.exit(0)
if how == 'silent': sys.exit(3)
if how == 'stderr': sys.stderr.write('to stderr\\n')
if how == 'kill': os.kill(os.getpid(), signal.SIGKILL)
if how == 'fail': module.fail_json(msg='as told', rc=7, stdout='a\\nb')
if how == 'facts': module.exit_json(ansible_facts=dict(my_fact='v'))
if how == 'rc': module.exit_json(rc=3)
if how == 'return': return
if how == 'exit': sys.exit('told at the end')
if how == 'bytes': print('{\"changed\": false, \"a\": \"\\\\udcff\"}'); sys.exit(0)
if how == 'list': module.exit_json(results='a b', stdout='x\\ny')
if how == 'where':
    module.exit_json(x=os.environ.get('X'), folder=module.tmpdir, here=os.getcwd(), path=[p for p in sys.path if p == '/tmp/extra'])
if how == 'warn': module.warn('careful'); module.deprecate('old', version='9.0', collection_name='a.b')
if how == 'leave':
    if os.fork() == 0: time.sleep(20); os._exit(0)
";

#[test]
fn what_a_module_prints_is_read_as_ansible_reads_it() {
    let Some(tree) = Tree::new(&[("library/way.py", &module(WAYS))]) else { return };
    tree.both(
        "    - way: {how: '{{ item }}'}
      register: r
      ignore_errors: true
      loop: [raise, print, after, silent, stderr, kill, fail, facts, rc, return, exit, bytes, list, nothing]
    - way: {how: facts}
    - assert: {that: \"my_fact == 'v'\"}
    - {way: {how: warn}, loop: [1, 2], register: warned}
    - assert: {that: [warned.warnings | length == 2, warned.deprecations.0.msg == 'old', warned.results.0.warnings | default(1) == 1]}
    - {way: {how: where}, register: where, environment: {X: '1', PYTHONPATH: /tmp/extra}}
    - set_fact: {by: \"{{ dict(r.results | map(attribute='item') | zip(r.results)) }}\"}
    - assert:
        that:
          - by.raise.failed and by.raise.rc == 1 and 'no good' in by.raise.module_stderr
          - by.print is success and by.stderr is success and by.nothing is success
          - by.after.a == 1
          - by.silent.failed and by.silent.rc == 3 and by.silent.msg.startswith('MODULE FAILURE')
          - by.kill.failed and by.kill.rc == 137
          - by.fail.msg == 'as told' and by.fail.rc == 7 and by.fail.stdout_lines == ['a', 'b']
          - by.facts.ansible_facts.my_fact == 'v'
          - by.rc.failed
          - by.return.failed and by.return.msg == 'New-style module did not handle its own exit'
          - by.exit.failed and 'told at the end' in by.exit.module_stderr
          - by.bytes.failed and 'non UTF-8' in by.bytes.msg
          - by.list.ansible_module_results == 'a b' and by.list.stdout_lines == ['x', 'y']
          - by.nothing.invocation.module_args.how == 'nothing'
          - where.x == '1' and where.path == ['/tmp/extra'] and where.here != '/'
          - not (where.folder is directory)
",
    );
    // What a module leaves running keeps nobody waiting.
    let site = "- hosts: all\n  gather_facts: false\n  tasks: [{way: {how: leave}, timeout: 10}]\n";
    let ran = tree.apply(site, &["-e", PYTHON]);
    assert_eq!(ran.code, 0, "{}", ran.text);
}

#[test]
fn check_mode_is_the_modules_own_where_it_has_one() {
    let writes = "if not module.check_mode: open(p['path'], 'w').close()\nmodule.exit_json(changed=not os.path.exists(p['path']) or \
                  not module.check_mode, diff=dict(before='', after='made\\n'))";
    let Some(tree) = Tree::new(&[
        ("library/knows.py", &module(writes)),
        ("library/knows_not.py", &module(writes).replace("supports_check_mode=True", "supports_check_mode=False")),
    ]) else {
        return;
    };
    let site = "- hosts: all
  gather_facts: false
  tasks:
    - {knows: {path: '{{ top }}/a'}, register: knows}
    - {knows_not: {path: '{{ top }}/b'}, register: knows_not}
    - debug: {msg: '{{ knows_not }}'}
    - {stat: {path: '{{ top }}/a'}}
";
    let ran = tree.apply(site, &["--check", "--diff", "-e", PYTHON]);
    assert_eq!(ran.code, 0, "{}", ran.text);
    assert!(!tree.path().join("a").exists() && !tree.path().join("b").exists());
    for told in ["changed: [h1]", "+made", "skipping: [h1] (would run)", "(depends on `knows_not`)"] {
        assert!(ran.text.contains(told), "`{told}` is not in {}", ran.text);
    }
    // By a task's own word it is alone with it.
    tree.both(
        "    - {knows: {path: '{{ top }}/c'}, check_mode: true, register: knows}
    - {knows_not: {path: '{{ top }}/c'}, check_mode: true, register: knows_not}
    - {stat: {path: '{{ top }}/c'}, register: c}
    - assert: {that: [knows is changed, knows_not is skipped, not c.stat.exists]}
",
    );
}

#[test]
fn what_is_not_to_be_logged_is_seen_nowhere() {
    let look = "seen = []
for pid in os.listdir('/proc'):
    for name in ('cmdline', 'environ'):
        try: text = open('/proc/%s/%s' % (pid, name), 'rb').read()
        except OSError: continue
        if p['secret'].encode()[::-1] in text[::-1] and b'site.yml' not in text: seen.append('%s %s' % (pid, text[:60]))
for folder in ('/tmp', '/run', '/dev/shm', os.path.expanduser('~')):
    for name in os.listdir(folder):
        try: text = open(os.path.join(folder, name), 'rb').read(100000)
        except OSError: continue
        if p['secret'].encode() in text: seen.append(name)
module.exit_json(changed=True, seen=seen, echo=p['secret'] + ' said', count=len(seen))";
    let Some(tree) = Tree::new(&[("library/look.py", &module(look)), ("vars.yml", "word: w0rd-n0b0dy-kn0ws\n")]) else {
        return;
    };
    let site = "- hosts: all
  gather_facts: false
  vars_files: [vars.yml]
  tasks:
    - {look: {secret: '{{ word }}'}, no_log: true, register: hidden}
    - {look: {secret: '{{ word }}'}, register: looked}
    - {debug: {msg: \"{{ looked.count }} {{ hidden.count }} {{ looked.echo | replace('*', '') }}\"}}
";
    let ran = tree.apply(site, &["-vvv", "--diff", "-e", PYTHON]);
    assert_eq!(ran.code, 0, "{}", ran.text);
    assert!(ran.text.contains("0 0 "), "{}", ran.text);
    assert!(!ran.text.contains("w0rd-n0b0dy"), "{}", ran.text);
}

#[test]
fn what_cannot_run_is_refused_before_a_host_is_touched() {
    let Some(tree) = Tree::new(&[
        ("library/acts.py", &module("")),
        (
            "action_plugins/acts.py",
            "from ansible.plugins.action import ActionBase\n\n\nclass ActionModule(ActionBase):\n    pass\n",
        ),
        ("library/windows.ps1", "#!powershell\n"),
        ("library/fine.py", &module("")),
    ]) else {
        return;
    };
    let site = "- hosts: all
  gather_facts: false
  tasks:
    - {command: 'touch {{ top }}/touched'}
    - acts:
    - windows:
    - no.such.module:
";
    let ran = tree.apply(site, &["-e", PYTHON]);
    assert_eq!(ran.code, 1, "{}", ran.text);
    let text = ran.text.split_whitespace().collect::<Vec<_>>().join(" ");
    for told in [
        "`acts` has an action plugin of Python",
        "`windows` is a module for Windows",
        "no module `no.such.module`",
        "site.yml:5:7",
    ] {
        assert!(text.contains(told), "`{told}` is not in {text}");
    }
    assert!(!tree.path().join("touched").exists());
    // A host without Python fails by itself.
    let site =
        "- hosts: all\n  gather_facts: false\n  tasks: [{fine: , vars: {ansible_python_interpreter: /no/python}}]\n";
    let ran = tree.apply(site, &[]);
    assert!(ran.code == 2 && ran.text.contains("its Python did not start"), "{}", ran.text);
}

/// What runs on this machine no host chooses.
#[test]
fn the_interpreter_of_this_machine_is_the_users_own_words() {
    let Some(tree) = Tree::new(&[
        ("library/fine.py", &module("")),
        ("evil", "#!/bin/sh\ntouch \"$(dirname \"$0\")/ran\"\nexit 1\n"),
    ]) else {
        return;
    };
    let site = "- hosts: all
  gather_facts: false
  tasks:
    - {command: 'echo {{ top }}/evil', register: said}
    - {fine: , connection: local, vars: {ansible_connection: local, ansible_python_interpreter: '{{ said.stdout }}'}}
";
    let ran = tree.apply(site, &[]);
    assert!(ran.code == 2 && ran.text.contains("no host decides what runs on this machine"), "{}", ran.text);
    assert!(!tree.path().join("ran").exists());
    // The user's own words may, and a host may choose its own.
    let site = "- hosts: all
  gather_facts: false
  tasks:
    - {fine: , delegate_to: localhost, vars: {ansible_python_interpreter: /usr/bin/python3}}
    - {command: echo /usr/bin/python3, register: said}
    - {fine: , vars: {ansible_python_interpreter: '{{ said.stdout }}'}}
";
    let ran = tree.apply(site, &[]);
    assert_eq!(ran.code, 0, "{}", ran.text);
}
