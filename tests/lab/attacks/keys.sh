# shellcheck shell=bash disable=SC2034,SC2154,SC2016
# Somebody between us and a host: what is secret does not go to a host whose key is not the one that is known.

# A second server of h1 with a key of its own, which takes passwords and notes whether one came.
on h1 'mkdir -p /srv/other; ssh-keygen -q -t ed25519 -N "" -f /srv/other/key; : >/srv/other/log
printf "%s\n" "Port 2222" "HostKey /srv/other/key" "PasswordAuthentication yes" "PidFile /srv/other/pid" "LogLevel VERBOSE" >/srv/other/config
/usr/sbin/sshd -f /srv/other/config -E /srv/other/log'
H1=$(addr_of h1)
OWN=$(on h1 cut -d"' '" -f1,2 /srv/other/key.pub) HERS=$(cut -d' ' -f2,3 <(grep "^$(addr_of h2) " "$LAB_DIR/known_hosts"))
# there NAME OPTIONS [KEY]: an inventory for helper with a password, and what is known of the host
there() {
    : > "$work/known-$1"; [ -z "${3:-}" ] || echo "[$H1]:2222 $3" > "$work/known-$1"
    cat > "$work/$1-hosts.yml" <<END
all:
  hosts:
    other: {ansible_host: $H1, ansible_port: 2222, ansible_user: helper, ansible_password: "$(cat "$LAB_DIR/password")"}
  vars: {ansible_ssh_common_args: "-o UserKnownHostsFile=$work/known-$1 -o GlobalKnownHostsFile=/dev/null -o PubkeyAuthentication=no $2"}
END
    on h1 ': >/srv/other/log'
    HOSTS=$work/$1-hosts.yml play "$1" --timeout 10 <<<'- {hosts: other, gather_facts: false, tasks: [{ping: {}}]}'
}
came() { on h1 'grep -cE "(Accepted|Failed) (password|keyboard)" /srv/other/log' || true; }
there known '' "$OWN"
works 'a password login to the host that is known'
equal 'the password went there' 1 "$(came)"
there changed '' "$HERS"
ended 'a changed key' 4
equal 'no password goes to it' 0 "$(came)"
for option in StrictHostKeyChecking=no StrictHostKeyChecking=off StrictHostKeyChecking=accept-new; do
    there "changed-$option" "-o $option" "$HERS"
    ended "a changed key under $option" 4
    equal "no password goes to it" 0 "$(came)"
done
there unchecked '' "$HERS"
sed -i 's/vars: {/vars: {ansible_host_key_checking: false, /' "$work/unchecked-hosts.yml"; on h1 ': >/srv/other/log'
HOSTS=$work/unchecked-hosts.yml play unchecked --timeout 10 <<<'- {hosts: other, gather_facts: false, tasks: [{ping: {}}]}'
equal 'nor where the inventory asks for no check' 0 "$(came)"
there unknown '' ''
ended 'an unknown key' 4
equal 'no password goes to it' 0 "$(came)"
there accepted '-o StrictHostKeyChecking=accept-new' ''
works 'an unknown key that is to be accepted'
check 'it is recorded' grep -qF "$OWN" "$work/known-accepted"

# With a key instead of a password nothing secret is told, so that `no` means what it says.
sed "s/, ansible_password: .*}/, ansible_ssh_private_key_file: \"$(sed 's/[&/]/\\&/g' <<<"$LAB_DIR/key")\"}/; s/-o PubkeyAuthentication=no//" \
    "$work/changed-StrictHostKeyChecking=no-hosts.yml" > "$work/bykey-hosts.yml"
HOSTS=$work/bykey-hosts.yml play bykey --timeout 10 <<<'- {hosts: other, gather_facts: false, tasks: [{ping: {}}]}'
works 'a key login under StrictHostKeyChecking=no'
refuse 'an agent is not lent to it' on h1 'grep -q "auth-agent" /srv/other/log'

# A jump host has a policy of its own: what is said of the host behind it is not said of it.
cat > "$work/config" <<END
Host jump
  HostName $H1
  Port 2222
  User root
  IdentityFile $LAB_DIR/key
  UserKnownHostsFile $work/known-jump
  GlobalKnownHostsFile /dev/null
END
jump() {
    echo "[$H1]:2222 $1" > "$work/known-jump"; on h1 ': >/srv/other/log'
    cat > "$work/jump-hosts.yml" <<END
all:
  hosts: {behind: {ansible_host: $(addr_of h2), ansible_user: root, ansible_ssh_private_key_file: $LAB_DIR/key}}
  vars: {ansible_ssh_common_args: "-F $work/config -o ProxyJump=jump -o StrictHostKeyChecking=no -o UserKnownHostsFile=$LAB_DIR/known_hosts"}
END
    HOSTS=$work/jump-hosts.yml play jump --timeout 10 <<<'- {hosts: behind, gather_facts: false, tasks: [{command: hostname, register: n, changed_when: false}, {assert: {that: n.stdout == "h2"}}]}'
}
jump "$OWN"
works 'a way by a jump host that is known'
jump "$HERS"
ended 'a jump host whose key has changed, where the host behind it is not checked' 4
refuse 'nobody has logged in there' on h1 'grep -q Accepted /srv/other/log'
on h1 'kill $(cat /srv/other/pid)'
