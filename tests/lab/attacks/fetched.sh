# shellcheck shell=bash disable=SC2034,SC2154,SC2016
# Files and names that a host gives: a fetched file stays where it belongs, and what it says does not decide what runs here.

on h1 'mkdir -p /srv/a; echo of-the-host >/srv/a/file'
mkdir -p "$work/into"
# escapes PATH: a path as a host tells it
escapes() {
    printf '%s' "$1" | put h1 /srv/path
    play fetch <<END
- hosts: h1
  gather_facts: false
  tasks:
    - {command: cat /srv/path, register: told, changed_when: false}
    - {fetch: {src: "{{ told.stdout }}", dest: "$work/into/"}, ignore_errors: true}
END
}
escapes /srv/a/file
works 'a file is fetched from where a host says'
equal 'into the folder of that host' of-the-host "$(cat "$work/into/h1/srv/a/file")"
# The name of this machine's file that the host's has to have for the attack, on both machines.
OUT=$work/reached-fetch
on h1 "mkdir -p '$work'; echo of-the-host >'$OUT'"
for path in "/srv/a/../../../../../../../../../..$OUT" "../../../../../../../../../../..$OUT" "/srv/a/./.././../../../../../../../../..//$OUT"; do
    escapes "$path"
    unreached "a file is not fetched to $path" fetch
done
equal 'nothing else came' "$(cd "$work/into" && find . -type f | sort)" ./h1/srv/a/file

# variables NAME: VALUE..: the host's own words as a file of variables, and as a mapping for set_fact
variables() {
    printf '%s\n' "$@" | put h1 /srv/variables
    play included <<END
- hosts: h1
  gather_facts: false
  tasks:
    - {fetch: {src: /srv/variables, dest: "$work/variables.yml", flat: true}}
    - {include_vars: "$work/variables.yml"}
    - {command: hostname, register: n, changed_when: false}
    - {assert: {that: n.stdout == 'h1'}}
    - {debug: {var: wish}}
END
}
mapping() {
    printf '%s\n' "$@" | put h1 /srv/mapping
    play mapped <<'END'
- hosts: h1
  gather_facts: false
  tasks:
    - {command: cat /srv/mapping, register: told, changed_when: false}
    - {set_fact: "{{ told.stdout | from_yaml }}"}
    - {command: hostname, register: n, changed_when: false}
    - {assert: {that: n.stdout == 'h1'}}
    - {debug: {var: wish}}
END
}
variables 'wish: modest'; works 'a fetched file of variables is read'
mapping 'wish: modest'; works "a host's mapping is taken"
for way in variables mapping; do
    # Whether it is refused or left out: the command runs on the host, or not at all.
    $way 'wish: bold' 'ansible_connection: local'
    refuse "a host's $way do not move a task to this machine" grep -q 'this does not hold' "$work/out"
    $way 'wish: bold' "ansible_ssh_common_args: -o ProxyCommand='touch $(REACHED args)'" 'ansible_port: 2299'
    unreached "nor do they bring options of ssh that run something here" args
    $way 'wish: bold' 'ansible_become: true' "ansible_become_exe: touch $(REACHED exe)" 'ansible_connection: local'
    unreached 'nor programs' exe
    $way 'wish: bold' "ansible_shell_executable: $work/proxy-shell" 'ansible_connection: local'
    refuse 'nor shells' grep -q 'this does not hold' "$work/out"
done
variables "wish: \"{{ lookup('pipe', 'touch $(REACHED lookup)') }}\""
unreached 'templates in a fetched file of variables do not run here' lookup
