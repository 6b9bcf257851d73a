#!/usr/bin/env bash
# Plays of our own that assert what Ansible does where people met other behaviour of this program; each goes through
# with Ansible too: `CASES_ANSIBLE=/path/to/ansible-playbook tests/lab/cases.sh` runs them by that.
# shellcheck disable=SC2016  # what is quoted so is for the hosts' shells
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
lab "${CASES_LAB:-tcases}" "${CASES_NET:-10.99.0}"
export BRINGUP=${BRINGUP:-$REPO/target/release/bringup} ANSIBLE_HOST_KEY_CHECKING=true ANSIBLE_LOCALHOST_WARNING=false
work=$(mktemp -d); trap 'rm -rf "$work"; end_of_test' EXIT
fleet up 3 --light
fleet exec all "DEBIAN_FRONTEND=noninteractive apt-get install -qq -y acl cron ${CASES_ANSIBLE:+python3} >/dev/null 2>&1"

# The user stands with each host, as in most inventories; a variable of a task comes before that.
{
    for h in h1 h2 h3; do echo "$h ansible_host=$LAB_NET.$((10 + ${h#h})) ansible_user=root"; done
    echo "closed ansible_host=$LAB_NET.12 ansible_user=anna"
    echo "gone ansible_host=$LAB_NET.99 ansible_user=root ansible_ssh_timeout=4"
    printf '[all:vars]\nansible_ssh_private_key_file=%s\nansible_ssh_common_args=-o UserKnownHostsFile=%s\n' "$LAB_DIR/key" "$LAB_DIR/known_hosts"
} > "$work/hosts"
# goes FILE TITLE [OPTION..]: the playbook goes through
goes() {
    local name=$1 file=$HERE/cases/$1.yml title=$2 rc=0; shift 2
    [ -z "${CASES_ONLY:-}" ] || [[ " $CASES_ONLY " = *" $name "* ]] || return 0
    local -a with=("$BRINGUP" apply)
    if [ -n "${CASES_ANSIBLE:-}" ]; then
        with=("$CASES_ANSIBLE")
        if grep -qE 'ansible\.posix|json_query' "$file" && [ -z "$("${CASES_ANSIBLE%-playbook}-doc" -l ansible.posix 2>/dev/null)" ]; then
            echo "left out: $title (Ansible has no collections here)"; return 0
        fi
    fi
    timeout 240 "${with[@]}" -i "$work/hosts" -e "net=$LAB_NET" "$@" "$file" >"$work/out" 2>&1 </dev/null || rc=$?
    equal "$title" 0 "$rc"
    [ "$rc" = 0 ] || tail -n 30 "$work/out" | sed 's/^/    | /'
}
goes become        'becoming somebody from a home that is closed'
goes leave         'a user goes whom a task became before'
goes login         'a task runs as the user and on the host that the variables say now'
goes keys          'options in a key, and options taken back, change the line'
goes archive       'an archive that holds its own folder gives it the owner'
goes tempfile      'a temporary name ends in what was asked for'
goes swap          'swap has no mount point'
goes map           'further arguments of map go to the mapped filter'
goes small         'small things that differed'
goes delegated     'facts and set_fact go to the host they are delegated to'
goes unreachable   'a host that is not reached stays in the play where that is ignored'
goes precedence    'what an include is given comes before facts, and before variables of its tasks'
goes environment   'facts are gathered without an environment that is made of them'
# What still differs is asked for by name alone.
[[ " ${CASES_ONLY:-} " != *' open '* ]] || { goes open 'small things that still differ'; goes query 'a query of JSON'; }
# Ansible's check mode fails here: it asks the user module of a home that is not there.
if [ -z "${CASES_ANSIBLE:-}${CASES_ONLY:-}" ]; then
    rc=0; "$BRINGUP" plan -i "$work/hosts" "$HERE/cases/home.yml" >"$work/out" 2>&1 </dev/null || rc=$?
    equal 'a plan goes on behind a user whose home is made by a task before' 0 "$rc"
    [ "$rc" = 0 ] || tail -n 20 "$work/out"
    goes home 'and it does what it foretold'
fi
