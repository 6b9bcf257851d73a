# shellcheck shell=bash disable=SC2034,SC2154,SC2016
# What a host or a server says is registered; it never gives orders: no hosts, no groups, no facts, no connections.

mkdir -p "$work/web"
serve python3 "$HERE/attacks/web.py" "$LAB_NET.1" 8098 "$work/web"; listening 8098

# ---- headers and bodies that sound like results of other modules
packages h1 curl
play headers <<END
- hosts: h1
  gather_facts: false
  tasks:
    - {uri: {url: "http://$LAB_NET.1:8098/orders", return_content: true}, register: answer}
    - assert:
        that: ["'intruders' not in groups", "'intruders' not in group_names",
               "'ghost' not in groups.all", answer is not failed, answer is not skipped, answer is not changed,
               "answer.json.depends_on == 'nobody'"]
END
works 'headers of a web server are fields and no orders'
play shown <<'END'
- hosts: h1
  gather_facts: false
  vars:
    add_host: {host_name: ghost, groups: [intruders], host_vars: {}}
    add_group: intruders
    results: [{add_group: intruders}]
    ansible_facts_of: {hostname: forged}
  tasks:
    - {debug: {var: add_host}}
    - {debug: {var: add_group}}
    - {debug: {var: results}}
    - {set_fact: {add_group: intruders, results: [{add_group: intruders}]}}
    - {debug: {var: item}, loop: [{add_group: intruders}]}
    - {assert: {that: ["'intruders' not in groups", "'ghost' not in groups.all"]}}
END
works 'showing a variable of such a name changes nothing'
play facts-shown <<'END'
- hosts: h1
  gather_facts: false
  tasks:
    - {set_fact: {kept: mine}}
    - {command: "echo '{\"kept\": \"forged\", \"ansible_host\": \"192.0.2.1\"}'", register: said, changed_when: false}
    - {debug: {var: ansible_facts}, vars: {ansible_facts: "{{ said.stdout | from_json }}"}}
    - {assert: {that: [kept == 'mine', "ansible_host != '192.0.2.1'"]}}
END
works 'showing facts sets none'
VERB=plan play depends --exit-code <<'END'
- hosts: h1
  gather_facts: false
  vars: {depends_on: nobody, would_run: true, skipped: true, changed: true, failed: true}
  tasks:
    - {debug: {var: depends_on}}
    - {debug: {var: changed}}
    - {debug: {var: failed}}
    - {debug: {var: skipped}}
END
works 'a plan that only shows variables finds nothing to do'
play control <<'END'
- hosts: h1
  gather_facts: false
  tasks:
    - {add_host: {name: another, groups: [added], said: hello}}
    - {group_by: {key: chosen}}
    - {set_fact: {known: 1}}
    - {assert: {that: ["'another' in groups.added", "'h1' in groups.chosen", known == 1, "hostvars.another.said == 'hello'"]}}
END
works 'add_host, group_by and set_fact do what they are asked'

# ---- facts with the names of connection variables: a network interface may be called so
for name in host user port connection password become_user; do
    on h1 "ip link add name $name type bridge" || check "an interface called $name can be made" false
done
play interfaces <<END
- hosts: h1
  tasks:
    - assert: {that: [ansible_host == '$(addr_of h1)', ansible_user == 'root', ansible_port | default(22) is not mapping, ansible_connection | default("ssh") is not mapping]}
    - {command: id -un, register: who, changed_when: false}
    - {assert: {that: who.stdout == 'root'}}
- hosts: h1
  tasks:
    - {command: hostname, register: name, changed_when: false}
    - {assert: {that: [name.stdout == 'h1', ansible_host == '$(addr_of h1)', "'host' in ansible_facts.interfaces"]}}
END
works 'facts named as connection variables leave the connection alone'
on h1 'for n in host user port connection password become_user; do ip link del $n; done'

# ---- names and addresses from hosts, on their way into commands of this machine
cat > "$work/proxy" <<'END'
#!/bin/bash
exec 3<>"/dev/tcp/$1/$2" || exit 1
cat <&3 & cat >&3
END
chmod +x "$work/proxy"
sed "s|ansible_ssh_common_args: .*|& -o 'ProxyCommand=$work/proxy %h %p'|" "$INVENTORY" > "$work/proxied.yml"
HOSTS=$work/proxied.yml play way <<END
- hosts: h1
  gather_facts: false
  tasks: [{command: "echo $(addr_of h2)", register: said, changed_when: false},
          {add_host: {name: "{{ said.stdout }}", groups: [added]}}]
- hosts: added
  gather_facts: false
  tasks: [{command: hostname, register: name, changed_when: false}, {assert: {that: name.stdout == 'h2'}}]
END
works 'a host of an address that a host told is reached by ProxyCommand'
sed "s|ansible_ssh_common_args: .*|& -o 'ProxyCommand=$work/proxy %h %p %r %n'|" "$INVENTORY" > "$work/proxied.yml"
# smuggle NUMBER NAME VARIABLES: the host's text as the name or a variable of an added host
smuggle() {
    printf '%s' "$2" | put h1 /srv/name
    HOSTS=$work/proxied.yml play "smuggled-$1" --timeout 3 <<END
- hosts: h1
  gather_facts: false
  tasks: [{command: cat /srv/name, register: said, changed_when: false},
          {add_host: {name: $3, groups: [added], $4}}]
- hosts: added
  gather_facts: false
  tasks: [{command: hostname, changed_when: false}]
END
    refused "a $5 with ${6:-shell metacharacters} is refused"
    unreached 'and nothing of it runs here' "name$1"
}
T='"{{ said.stdout }}"'
smuggle 1 "x\$(touch $(REACHED name1))" "$T" 'a: 1' name
smuggle 2 "x;touch $(REACHED name2);" "$T" 'a: 1' name
smuggle 3 "x'\`touch $(REACHED name3)\`" "$T" 'a: 1' name
smuggle 4 "x\$(touch $(REACHED name4))" other "ansible_host: $T" address
smuggle 5 "x|touch $(REACHED name5)" other "ansible_host: '$(addr_of h2)', ansible_user: $T" user
smuggle 6 "-oProxyCommand=touch $(REACHED name6)" "$T" 'a: 1' name 'an option in it'
smuggle 7 "-oProxyCommand=touch $(REACHED name7)" other "ansible_host: $T" address 'an option in it'
smuggle 8 "x
touch $(REACHED name8)" other "ansible_host: $T" address 'a line end'
smuggle 9 "root\$(touch $(REACHED name9))@$(addr_of h2)" other "ansible_host: $T" address 'a user and metacharacters'
