# shellcheck shell=bash disable=SC2034,SC2154,SC2016
# Tasks run as the user, on the port and host, that the variables say now; and no task runs as somebody else in silence.

on h1 'echo "carol:$(tr -dc a-z0-9 </dev/urandom | head -c 12)" >/srv/carol
useradd -m -s /bin/bash carol; chpasswd </srv/carol; mkdir -m 700 /home/carol/.ssh; cp /root/.ssh/authorized_keys /home/carol/.ssh; chown -R carol: /home/carol/.ssh
echo "carol ALL=(ALL) ALL" >/etc/sudoers.d/carol
printf "%s\n" "Port 2223" "PidFile /srv/port.pid" "SetEnv WAY=by-2223" >/srv/port.config; cat /etc/ssh/sshd_config.d/lab.conf >>/srv/port.config
/usr/sbin/sshd -f /srv/port.config -E /srv/port.log'
CAROL=$(on h1 cut -d: -f2 /srv/carol)
{ cat "$LAB_DIR/known_hosts"; sed -n "s/^$(addr_of h1) /[$(addr_of h1)]:2223 /p" "$LAB_DIR/known_hosts"; } > "$work/known-ports"
sed "s|UserKnownHostsFile=.*|UserKnownHostsFile=$work/known-ports|" "$INVENTORY" > "$work/ports.yml"
HOSTS=$work/ports.yml

play variables -e "carol_password=$CAROL" <<END
- name: the first contact is as root, and looks ahead
  hosts: h1
  gather_facts: false
  tasks:
    - {command: id -un, register: first, changed_when: false}
    - {stat: {path: /srv}}
- name: a play for carol
  hosts: h1
  gather_facts: false
  vars: {ansible_user: carol}
  tasks:
    - {command: id -un, register: play, changed_when: false}
    - {copy: {content: x, dest: /tmp/of-play}}
- hosts: h1
  gather_facts: false
  tasks:
    - {command: id -un, register: task, vars: {ansible_user: carol}, changed_when: false}
    - block: [{command: id -un, register: block, changed_when: false}]
      vars: {ansible_user: carol}
    - {command: id -un, register: keyword, remote_user: carol, changed_when: false}
    - {command: id -un, register: item, loop: [root, carol, alice], vars: {ansible_user: "{{ item }}"}, changed_when: false}
    - {command: id -un, register: became, vars: {ansible_become: true, ansible_become_user: bob}, changed_when: false}
    - {command: id -un, register: asked, vars: {ansible_user: carol, ansible_become: true, ansible_become_user: alice, ansible_become_password: "{{ carol_password }}"}, changed_when: false}
    - {shell: echo \$WAY, register: port, vars: {ansible_port: 2223}, changed_when: false}
    - {command: hostname, register: address, vars: {ansible_host: $(addr_of h2)}, changed_when: false}
    - {command: hostname, register: delegated, delegate_to: h2, vars: {ansible_host: $(addr_of h3)}, changed_when: false}
    - {command: hostname, register: local, vars: {ansible_connection: local}, changed_when: false}
    - {command: id -un, register: before, changed_when: false}
    - {set_fact: {ansible_user: carol}}
    - {command: id -un, register: fact, changed_when: false}
    - {copy: {content: x, dest: /tmp/of-fact}}
    - assert:
        that: [first.stdout == 'root', play.stdout == 'carol', task.stdout == 'carol', block.stdout == 'carol',
               keyword.stdout == 'root' or keyword.stdout == 'carol', "item.results | map(attribute='stdout') | list == ['root', 'carol', 'alice']",
               became.stdout == 'bob', asked.stdout == 'alice', port.stdout == 'by-2223', address.stdout == 'h2',
               delegated.stdout == 'h3', "local.stdout not in ['h1', 'h2', 'h3']", before.stdout == 'root', fact.stdout == 'carol']
END
works 'tasks run as the user, host and port that the variables say now'
equal 'files are of those users' 'carol carol' "$(on h1 'stat -c %U /tmp/of-play /tmp/of-fact' | paste -sd' ')"

# The one that was found: a play for a user who needs a password for root, after one as root.
play sudo <<'END'
- {hosts: h1, gather_facts: false, tasks: [{command: id -un, changed_when: false}]}
- hosts: h1
  gather_facts: false
  vars: {ansible_user: carol, ansible_become: true, ansible_become_password: wrong}
  tasks: [{copy: {content: x, dest: /root/by-carol}}]
END
ended 'a play for a user whose sudo password is wrong' 2
refuse 'it does not run as root by way of the connection before it' on h1 test -e /root/by-carol

# A host that is added, and a user who is made, by the tasks before.
play added <<END
- hosts: h2
  gather_facts: false
  tasks:
    - {command: "true", changed_when: false}
    - {user: {name: dora}}
    - {file: {path: /home/dora/.ssh, state: directory, owner: dora, mode: "0700"}}
    - {copy: {src: /root/.ssh/authorized_keys, remote_src: true, dest: /home/dora/.ssh/authorized_keys, owner: dora, mode: "0600"}}
    - {add_host: {name: new, ansible_host: $(addr_of h2), ansible_user: dora}, changed_when: false}
    - {command: id -un, delegate_to: new, register: who, changed_when: false}
    - {stat: {path: /home/dora/.ssh/authorized_keys}, delegate_to: new, register: found}
    - {assert: {that: [who.stdout == 'dora', found.stat.exists]}}
- hosts: new
  gather_facts: false
  tasks:
    - {command: id -un, register: who, changed_when: false}
    - {assert: {that: [who.stdout == 'dora']}}
END
works 'a host that is added is reached as its variables say, when its task comes'
unset HOSTS
on h1 'kill $(cat /srv/port.pid)'

# ---- options inside of a key
KEY='ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBbH0S0zT3aYXQx3yWq3UQXoVFzCzbYpe0Ky1Q3yA0aB'
keys() { on h1 "grep AAAAIBbH0S0zT3aY /home/bob/.ssh/authorized_keys"; }
authorize() { play authorize <<<"- {hosts: h1, gather_facts: false, tasks: [{authorized_key: {user: bob, $1}}]}"; }
authorize "key: '$KEY bob@a'"
equal 'a key stands there' "$KEY bob@a" "$(keys)"
authorize "key: 'restrict,command=\"/bin/true\" $KEY bob@a'"
equal 'options inside of a key restrict the one that is there' "restrict,command=\"/bin/true\" $KEY bob@a" "$(keys)"
check 'that is told' grep -q 'changed=1' "$work/out"
authorize "key: 'restrict,command=\"/bin/true\" $KEY bob@a'"
check 'once' grep -q 'changed=0' "$work/out"
authorize "key: '$KEY bob@a', key_options: no-pty"
equal 'others take their place' "no-pty $KEY bob@a" "$(keys)"
authorize "key: '$KEY bob@a'"
equal 'and options that are taken out of the playbook go' "$KEY bob@a" "$(keys)"

# ---- becoming somebody who may not enter the login user's directory
cat > "$work/closed" <<'END'
- hosts: all
  gather_facts: false
  become: true
  become_user: bob
  tasks:
    - {lineinfile: {path: /home/bob/.profile, line: "# from a closed home"}}
    - {copy: {content: "x\n", dest: /home/bob/conf}}
    - {file: {path: /home/bob/conf, mode: "0600"}}
    - {find: {paths: /home/bob, patterns: conf}, register: found}
    - {stat: {path: /home/bob/conf}, register: seen}
    - {slurp: {src: /home/bob/conf}, register: read}
    - {command: pwd, register: where, changed_when: false}
    - {assert: {that: [found.matched == 1, seen.stat.exists, read.content | b64decode | trim == 'x']}}
END
play closed -l h1 < "$work/closed"
works 'from root, whose home is closed, to bob'
on h1 'chmod 700 /home/alice; echo "alice ALL=(bob) NOPASSWD: ALL" >/etc/sudoers.d/alice; rm -f /home/bob/conf'
sed 's/ansible_user: root/ansible_user: alice/' "$INVENTORY" > "$work/alice.yml"
HOSTS=$work/alice.yml play closed -l h1 < "$work/closed"
works 'from alice, whose home is closed, to bob'
on h1 'chmod 755 /home/alice; mkdir -p /srv/closed; echo x >/srv/closed/file; chmod 700 /srv/closed'
for module in 'stat: {path: /srv/closed/file}' 'slurp: {src: /srv/closed/file}' 'lineinfile: {path: /srv/closed/file, line: y, create: true}' \
    'copy: {content: y, dest: /srv/closed/file}' 'find: {paths: /srv/closed}' 'file: {path: /srv/closed/file, state: absent}'; do
    play denied <<END
- hosts: h1
  gather_facts: false
  become: true
  become_user: bob
  tasks:
    - {${module}, register: r, ignore_errors: true}
    - assert:
        that: [r is failed or r.matched | default(1) == 0 and r.skipped_paths is defined]
        fail_msg: "{{ r | to_json }}"
END
    works "what may not be seen does not pass for missing: ${module%%:*}"
done
equal 'and nothing of it was changed' x "$(on h1 cat /srv/closed/file)"
