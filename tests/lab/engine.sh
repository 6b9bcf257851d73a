#!/usr/bin/env bash
# bringup against real hosts: ways in, ways of being refused, servers that are short of something.
# shellcheck disable=SC2016  # what is quoted so is for the hosts' shells
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
lab tengine 10.95.0
export BRINGUP=${BRINGUP:-$REPO/target/release/bringup}
P=$HERE/playbooks INVENTORY=$LAB_DIR/inventory.yml
work=$(mktemp -d); trap 'rm -rf "$work"; end_of_test' EXIT
fleet up 3

# ends TITLE STATUS COMMAND..: the exit status; what was printed is in $work/out
ends() {
    local title=$1 want=$2 rc=0; shift 2
    timeout 120 "$@" >"$work/out" 2>&1 </dev/null || rc=$?
    equal "$title: status" "$want" "$rc"
    [ "$rc" = "$want" ] || tail -30 "$work/out"
}
said() { check "$1: it says so" grep -qiE "$2" "$work/out"; }
apply=("$BRINGUP" apply -i "$INVENTORY")

# ---- ways in
ends 'ping' 0 "$BRINGUP" ping -i "$INVENTORY"
ends 'a command on all' 0 "$BRINGUP" exec -i "$INVENTORY" all -- hostname
equal 'each host answers' 'h1 h2 h3' "$(grep -oE '\bh[123]\b' "$work/out" | sort -u | paste -sd' ')"
ends 'by sudo without a password' 0 "$BRINGUP" apply -i "$LAB_DIR/admin/inventory.yml" "$P/facts.yml"
ends 'by sudo with a password' 0 "$BRINGUP" apply -i "$LAB_DIR/helper/inventory.yml" "$P/facts.yml"
equal 'root did it' 'h2 Debian root' "$(on h2 cat /root/who)"
refuse 'the password is not shown' grep -qF "$(cat "$LAB_DIR/password")" "$work/out"
refuse 'nor is it in a process list of the host' on h2 "ps -eo args | grep -F '$(cat "$LAB_DIR/password")' | grep -v grep"
sed 's/ansible_become_password: .*/ansible_become_password: wrong-password/' "$LAB_DIR/helper/inventory.yml" > "$work/wrong.yml"
ends 'a wrong sudo password' 2 "$BRINGUP" apply -i "$work/wrong.yml" -l h1 "$P/facts.yml"
said 'a wrong sudo password' 'sudo|become|password'

# ---- refused
awk '{$3 = "AAAAC3NzaC1lZDI1NTE5AAAAIJ3sq0yKZC9oTQz0fCN9Km1l3ZrYxF4lNmc3E6cW5h1a"; print}' "$LAB_DIR/known_hosts" > "$work/known_hosts"
sed "s|UserKnownHostsFile=.*|UserKnownHostsFile=$work/known_hosts|" "$INVENTORY" > "$work/swapped.yml"
ends 'another host key than the known one' 4 "$BRINGUP" ping -i "$work/swapped.yml"
said 'another host key than the known one' 'host key'
: > "$work/known_hosts"
ends 'a host key that is not known' 4 "$BRINGUP" ping -i "$work/swapped.yml"
said 'a host key that is not known' 'known_hosts'
fleet cut h3
ends 'a host that is cut off' 4 "$BRINGUP" ping -i "$INVENTORY" --timeout 3
said 'a host that is cut off' 'h3'
ends 'the others go on without it' 4 "${apply[@]}" --timeout 3 "$P/facts.yml"
check 'the others go on without it: they did' grep -qE '^h1 .*unreachable=0' "$work/out"
check 'the others go on without it: the recap counts it' grep -qE '^h3 .*unreachable=1' "$work/out"
fleet heal h3

# ---- ends of commands
ends 'a command that fails' 2 "$BRINGUP" exec -i "$INVENTORY" h1 -- sh -c 'echo the reason >&2; exit 7'
said 'a command that fails' 'the reason'
ends 'a command that a signal ends' 2 "$BRINGUP" exec -i "$INVENTORY" h1 -- sh -c 'kill -9 $$'
ends 'a shell that is killed under it' 4 "$BRINGUP" exec -i "$INVENTORY" h1 -- sh -c 'kill -9 $PPID'

# ---- short of something
head -c 1500000 /dev/urandom > "$work/some"
on h1 'echo MaxSessions 1 > /etc/ssh/sshd_config.d/one.conf && systemctl reload ssh'
# It closes its port for a moment.
sleep 0.5; within 10 on h1 true
ends 'a server that admits one channel' 0 "${apply[@]}" -e "some_file=$work/some" -e some_size=1500000 "$P/transfers.yml"
on h1 'rm /etc/ssh/sshd_config.d/one.conf && systemctl reload ssh'
sleep 0.5; within 10 on h1 true
on h2 'mount -t tmpfs -o ro none /tmp'
ends 'a read-only /tmp' 0 "${apply[@]}" -l h2 "$P/facts.yml"
on h2 'umount /tmp'
head -c 20000000 /dev/urandom > "$work/large"
on h3 'mkdir -p /srv/full && mount -t tmpfs -o size=4m none /srv/full'
ends 'a full disk' 2 "${apply[@]}" -l h3 -e "large_file=$work/large" "$P/full.yml"
said 'a full disk' 'no space left'
equal 'a full disk: nothing of it is left there' '' "$(on h3 'ls -A /srv/full')"
refuse 'a full disk: the next task does not run' on h3 test -e /srv/reached
on h1 'apt-get install -qq -y fish >/dev/null 2>&1; usermod -s "$(command -v fish || command -v csh || echo /bin/dash)" admin; getent passwd admin'
ends 'a login shell of another kind' 0 "$BRINGUP" apply -i "$LAB_DIR/admin/inventory.yml" -l h1 "$P/facts.yml"

# ---- large files
truncate -s 400M "$work/huge"; head -c 1000000 /dev/urandom | dd of="$work/huge" conv=notrunc status=none
memory=$(python3 - "$BRINGUP" apply -i "$INVENTORY" -l h1,h2 -e "large_file=$work/huge" "$P/large.yml" <<'END'
import resource, subprocess, sys
done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024 if done.returncode == 0 else f"status {done.returncode}")
END
)
check "400 MB go up to two hosts in little memory ($memory MiB)" test "$memory" -lt 200
equal 'they arrive' "$(sha256sum < "$work/huge")" "$(on h2 'sha256sum < /srv/large/file')"
head -c 1000 /dev/urandom | dd of="$work/huge" conv=notrunc status=none
was=$(on h1 sha256sum /srv/large/file)
for pause in 0.6 0.9 1.2; do
    "${apply[@]}" -l h1 -e "large_file=$work/huge" "$P/large.yml" >"$work/out" 2>&1 </dev/null & pid=$!
    sleep $pause; kill -9 $pid 2>/dev/null; wait $pid 2>/dev/null || true
    now=$(on h1 sha256sum /srv/large/file)
    [ "$now" = "$was" ] || [ "${now%% *}" = "$(sha256sum "$work/huge" | cut -d' ' -f1)" ] || check "killed after $pause s: no half file" false
done
ends 'a run after one that was cut off' 0 "${apply[@]}" -l h1 -e "large_file=$work/huge" "$P/large.yml"
equal 'it finishes the file' "$(sha256sum < "$work/huge")" "$(on h1 'sha256sum < /srv/large/file')"
equal 'it sweeps what the other left' file "$(on h1 'ls -A /srv/large')"

# ---- one at a time
"${apply[@]}" -l h2 -e seconds=6 "$P/slow.yml" >"$work/first" 2>&1 </dev/null & first=$!
sleep 2
rc=0; timeout 3 "$BRINGUP" apply -i "$INVENTORY" -l h2 -e seconds=0 "$P/slow.yml" >"$work/out" 2>&1 </dev/null || rc=$?
refuse 'a second run does not work beside the first' test $rc = 0
said 'a second run' 'lock|another run|held|holds'
rc=0; wait $first || rc=$?
equal 'the first is not disturbed' 0 $rc
ends 'then it is free again' 0 "${apply[@]}" -l h2 -e seconds=0 "$P/slow.yml"

# Killed while its host is cut off, and this machine forgets the connection: nothing tells the host's sshd that the run has ended.
(exec "${apply[@]}" -l h2 -e seconds=60 "$P/idle.yml") >"$work/first" 2>&1 </dev/null & first=$!
check 'a run has a host that has nothing to do' timeout 30 bash -c "until ssh -F '$LAB_DIR/ssh_config' -n h2 test -e /tmp/idle; do sleep 0.2; done"
sleep 1; fleet cut h2; kill -9 $first; wait $first 2>/dev/null || true
ss -K dst "$LAB_NET.12" >/dev/null 2>&1 || true
fleet heal h2; sleep 2
held=$(on h2 readlink /var/lib/bringup/lock || true)
ends 'the next run takes the host over' 0 "${apply[@]}" -l h2 -e seconds=0 "$P/idle.yml"
[ -z "$held" ] || said 'the connection is ended' 'ended the connection of a run by .* that was cut off'

# ---- what stays behind
sleep 1
equal 'no process of ours is left on a host' '' "$(fleet exec all "ps -eo pid,ppid,args | grep -E ' (/bin/)?sh( -|\$)' | grep -vE 'grep|ps -eo'" || true)"
