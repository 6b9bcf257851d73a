#!/usr/bin/env bash
# What goes wrong in the middle of the playbooks that change a running cluster: bringup is killed at ten random moments (KILLS) of each of them, hosts are cut
# off, a disk is full, certificates have ended, a port is taken. Each ends in a clear message and nothing changed, or in the cluster as it shall be after one
# more run; a counter written before is there after.
# shellcheck disable=SC2016  # what is quoted so is for the hosts' shells
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$HERE/lib_cluster.sh"
. "$HERE/lib_pivot.sh"
lab tlife 10.77.0
KILLS=${KILLS:-10} SEED=${SEED:-$RANDOM}
RANDOM=$SEED; echo "seed $SEED"
FROM=1.35.4 TO=1.36.3
export COLUMNS=500
PKI=/etc/kubernetes/pki
BACKUPS=$LAB_DIR/backups

# ---------------------------------------------------------------- what goes wrong
# begin PLAYBOOK [OPTIONS]: it begins, as process RUN. `exec`: the process to be killed is bringup itself, not a shell that waits for it.
begin() {
    local playbook=$1; shift
    (exec "$BRINGUP" apply -i "$LAB_DIR/inventory.yml" "$REPO/playbooks/$playbook.yml" "$@") >"$LAB_DIR/run.log" 2>&1 </dev/null & RUN=$!
}
# killed TITLE LINES COMMAND..: COMMAND (a number comes behind it) begins a run, which is killed a moment after a random one of the LINES that it says by its
# end, KILLS times. Lines, for seconds are longer on a machine that has more to do.
killed() {
    local title=$1 lines=$2 i n=0 where=() line moment; shift 2
    for ((i = 1; i <= KILLS; i++)); do
        line=$((RANDOM % lines)) moment=$((RANDOM % 15))
        "$@" $i
        while [ "$(wc -l <"$LAB_DIR/run.log")" -lt $line ] && kill -0 "$RUN" 2>/dev/null; do sleep 0.1; done
        sleep "$((moment / 10)).$((moment % 10))"
        if kill -9 "$RUN" 2>/dev/null; then n=$((n + 1)); fi
        wait "$RUN" 2>/dev/null || true
        where+=("$(wc -l <"$LAB_DIR/run.log"): $(grep -E '^TASK' "$LAB_DIR/run.log" | tail -1)")
        if grep -q 'another run is at work' "$LAB_DIR/run.log"; then check "$title: no killed run is taken for a living one" false; fi
        if grep -qE '^(fatal|failed):' "$LAB_DIR/run.log"; then check "$title: what a killed run left is no reason to fail" not cat "$LAB_DIR/run.log"; fi
    done
    echo "  killed $n of $KILLS times, at line:"; printf '    %s\n' "${where[@]}"
}
# killed_when TITLE HOST TEST COMMAND..: COMMAND begins a run, which is killed as soon as TEST is so on HOST
killed_when() {
    local title=$1 host=$2 when=$3; shift 3
    "$@"
    check "$title: the run comes to that" timeout 400 ssh -F "$LAB_DIR/ssh_config" -n "$host" "until $when; do sleep 0.05; done"
    kill -9 "$RUN" 2>/dev/null || true; wait "$RUN" 2>/dev/null || true
}
# Half files and copies that a run makes and takes away again.
leftovers() {
    fleet exec all "find /etc /opt /usr/local /var/lib/bringup /var/lib/etcd /var/lib/kubelet/pki /srv /root -xdev \\( -name '.bringup*' -o -name '*.part' -o -name '*.bringup-*' -o -name '.ca.crt' \\) -type f 2>/dev/null
        ls -d /var/lib/bringup/backup /var/lib/bringup/restore /etc/kubernetes/restore /var/lib/etcd/restored 2>/dev/null" | grep -vE '/(journal|lock|state)' || true
    find "$BACKUPS" -name '.*' -type f 2>/dev/null || true
}
open() { ! kubectl get nodes --no-headers | grep SchedulingDisabled; }
annotated() { kubectl get nodes -o yaml | grep bringup/upgrading; }
# as_it_shall_be TITLE MEMBERS: a second run of site.yml changes nothing, nothing is lost, and nothing is left over
as_it_shall_be() {
    local title=$1 h
    quiet "$title: site.yml again" site
    check "$title: the counter is the same" within 60 counted
    for h in $2; do equal "$title: the members as $h knows them" "$2" "$(members "$h")"; done
    check "$title: every node is Ready" within 120 nodes_ready
    check "$title: no node is closed" open
    refuse "$title: no node carries a note" annotated
    equal "$title: nothing is left over" '' "$(leftovers)"
    count
}
# Those of the inventory, and no others.
nodes_ready() {
    local want
    want=$(grep -E '^        h[0-9]+:' "$LAB_DIR/inventory.yml" | tr -d ' :' | sort | paste -sd' ')
    [ "$(kubectl get nodes --no-headers | awk '$2 ~ /^Ready(,|$)/ {print $1}' | sort | paste -sd' ')" = "$want" ] || { kubectl get nodes; return 1; }
}
said() { sed -E 's/^ *(│|×)? ?//' "${2:-$LAB_DIR/run.log}" | tr -s ' \n' ' ' | grep -qE -- "$1" || { tail -30 "${2:-$LAB_DIR/run.log}"; return 1; }; }

# ---------------------------------------------------------------- killed
grow() {
    groups 'h1 h2 h3' 'h4'
    # Between two steps of joining: etcd runs then, and nobody gives it its vote; it has its vote, and there is no API server beside it.
    killed_when 'h2 is a learner' h2 'test -e /etc/kubernetes/manifests/etcd.yaml' begin_site
    check 'h2 is a learner: its etcd runs' within 60 eval 'etcdctl_on h1 member list | grep -q "started, h2, .*, true"'
    killed_when 'h2 has an API server to come' h2 'test -e /etc/kubernetes/manifests/kube-apiserver.yaml' begin_site
    killed 'two join' 1200 begin_site
    check 'two join: then it goes through' site apply
    as_it_shall_be 'two join' 'h1 h2 h3'
}
begin_site() { begin site; }

# Each time another value: some hosts have the last one, some the one before.
change() {
    killed 'another argument' 1300 begin_change
    check 'another argument: then it goes through' site apply
    as_it_shall_be 'another argument' 'h1 h2 h3'
}
begin_change() { begin site -e "{\"etcd_extra_args\": {\"snapshot-count\": \"$((10000 + $1))\"}, \"api_server_extra_args\": {\"event-ttl\": \"$1h\"}, \"kubelet_extra_config\": {\"evictionHard\": {\"nodefs.available\": \"1%\", \"imagefs.available\": \"1%\"}, \"maxPods\": $((100 + $1))}}"; }

renew() {
    killed 'certificates are renewed' 300 begin_renew
    check 'certificates are renewed: then it goes through' play apply renew -e renew=all
    quiet 'certificates are renewed: renew.yml again' renew
    check 'certificates are renewed: keys are for root alone' keys_are_private
    as_it_shall_be 'certificates are renewed' 'h1 h2 h3'
}
begin_renew() { begin renew -e renew=all; }

backup() {
    killed 'a backup' 80 begin_backup
    # As a run leaves it that is killed while it fetches.
    : >"$BACKUPS/.kubernetes-20260101T000000Z.tar.gz.part"
    check 'a backup: then it goes through' play apply backup -e "backup_folder=$BACKUPS"
    check 'a backup: every archive that has its name is whole' archives_whole
    as_it_shall_be 'a backup' 'h1 h2 h3'
}
begin_backup() { begin backup -e "backup_folder=$BACKUPS"; }
archives_whole() { local f; for f in "$BACKUPS"/*.tar.gz; do grep -qx snapshot.db < <(tar -tzf "$f") || return 1; done; }

leave() {
    groups 'h1' 'h4'
    killed 'two leave' 300 begin_site
    check 'two leave: then it goes through' site apply
    as_it_shall_be 'two leave' 'h1'
    for h in h2 h3; do check "$h is cleared" clear_host $h; done
}

# ---------------------------------------------------------------- a full disk, a port that is taken
# fails TITLE STATUS WORDS COMMAND..: it ends with STATUS and says WORDS (an expression)
fails() {
    local title=$1 status=$2 words=$3 rc=0; shift 3
    "$@" >"$LAB_DIR/run.log" 2>&1 </dev/null || rc=$?
    equal "$title: it ends with $status" "$status" $rc
    check "$title: it says on which host, and why" said "$words"
}
disk() {
    local at h
    groups 'h1' 'h2 h4'
    for at in /opt/bringup /var/lib/bringup; do
        on h2 "mkdir -p $at && mount -t tmpfs -o size=40m tmpfs $at"
        fails "no room in $at" 2 'h2.*(No space left on device|Wrote only [0-9]+ of [0-9]+ bytes).*df -h' site apply
        check "no room in $at: the others are well" eval '[ "$(kubectl get nodes --no-headers | awk "\$2 == \"Ready\"" | wc -l)" = 2 ] && counted'
        on h2 "umount $at"
    done
    check 'with room it goes through' site apply
    as_it_shall_be 'with room' 'h1'
}

port() {
    local h
    groups 'h1 h2 h3' 'h4'
    # One runs as a worker, the other one is bare.
    for h in h2 h3; do on $h 'systemd-run -q --unit=taken systemd-socket-activate -l 6443 /bin/cat'; done
    refused "somebody else's port" 'errors on h2, h3'
    site apply >"$LAB_DIR/run.log" 2>&1 || true
    for h in h2 h3; do check "$h: it says which port, and who has it" said "$h +ports +error +taken: 6443 \\(systemd-socket"; done
    equal 'nobody has joined' h1 "$(members h1)"
    for h in h2 h3; do on $h 'systemctl stop taken'; done
}

# ---------------------------------------------------------------- cut off
# cut_off HOST TITLE WHEN COMMAND..: COMMAND begins a run, and HOST is cut off when WHEN is so. It ends by itself and names the host.
cut_off() {
    local host=$1 title=$2 when=$3 rc=0 began; shift 3
    "$@"
    check "$title: it comes to that" within 400 eval "$when"
    fleet cut "$host"; began=$SECONDS
    within 400 not kill -0 "$RUN" || kill -9 "$RUN"
    wait "$RUN" || rc=$?
    echo "  it ended $((SECONDS - began)) s after the cut, with $rc: $(grep -E '^TASK' "$LAB_DIR/run.log" | tail -1)"
    check "$title: it ends with a host that failed or cannot be reached" test $rc = 2 -o $rc = 4
    check "$title: it names the host" said "\\b$host\\b"
    sed -n '/^fatal\|^failed\|^unreachable/,+6p; /^[a-z]* error\|×/,+6p' "$LAB_DIR/run.log" | grep -v '^ok:\|^$' | cut -c1-400 | head -20 | sed 's/^/    /'
}
# Its sshd does not know for two hours that the run is gone which holds the lock: the next run is to see to that.
healed() {
    fleet heal "$1"; within 60 on "$1" true || return 1
    [ -n "${2:-}" ] || within 120 serves "$1"
}
serves() { on "$1" "test ! -e /etc/kubernetes/manifests/kube-apiserver.yaml || curl -sf -m 5 --cacert $PKI/ca.crt https://$(addr "$1"):6443/readyz"; }
answered_always() { polls_end; echo "  $BAD of $POLLS polls failed ($KINDS), $AWAY s at most"; equal "$1: another API server answered all the time" '' "$(tr , '\n' <<<"$KINDS" | grep -vE '^(slow|timeout|-)' || true)"; }

join() {
    polls_begin
    cut_off h3 'a host is cut off as it joins' 'etcdctl_on h1 member list | grep "$(addr h3)"' begin site -e membership_timeout=20
    answered_always 'a host is cut off as it joins'
    fails 'while it is away' 4 'h3\]: UNREACHABLE' site apply
    check 'it is back' healed h3
    check 'then it joins' site apply
    as_it_shall_be 'it has joined' 'h1 h2 h3'
}

cut_change() {
    cut_off h2 'a host is cut off as it changes' 'on h2 "grep -q event-ttl=9h /etc/kubernetes/manifests/kube-apiserver.yaml"' begin_change 9
    polls_begin
    equal 'a host is cut off as it changes: those behind it are as they were' 0 "$(on h3 'grep -c event-ttl=9h /etc/kubernetes/manifests/kube-apiserver.yaml')"
    # What etcd cannot bear while a member is away.
    fails 'another change while it is away' 4 'etcd of h1 is left as it is' site apply -e '{"etcd_extra_args": {"quota-backend-bytes": "4294967296"}}'
    check 'while it is away the others serve' counted
    answered_always 'a host is cut off as it changes'
    check 'it is back' healed h2
    check 'then it goes through' site apply
    as_it_shall_be 'it has been cut off' 'h1 h2 h3'
}

# ---------------------------------------------------------------- certificates that have ended
# ended HOST NAME REQUEST AUTHORITY: the host's certificate of that name is over. Requests and authorities are h1's.
ended() {
    local text
    text=$(on h1 "cd $PKI && openssl x509 -req -in requests/$3.csr -CA $4.crt -CAkey $4.key -set_serial $RANDOM -days -1 -copy_extensions copyall 2>/dev/null") || return 1
    ssh -F "$LAB_DIR/ssh_config" "$1" "cat >$PKI/$2.crt && ! openssl x509 -in $PKI/$2.crt -noout -checkend 0 >/dev/null" <<<"$text"
}
good() { on "$1" "openssl x509 -in $PKI/$2.crt -noout -checkend 86400 >/dev/null"; }
ended_certificates() {
    local one title play
    for play in renew site; do
        title="ended, put right by $play.yml"
        # The first host's are what the others' are copies of: of some both are over.
        for one in 'h1 apiserver apiserver ca' 'h2 apiserver apiserver ca' 'h2 etcd/server nodes/h2/etcd etcd/ca' 'h1 nodes/h3/kubelet nodes/h3/kubelet ca' 'h3 kubelet nodes/h3/kubelet ca' \
            'h4 kubelet-client nodes/h4/kubelet-client ca' 'h4 kubelet nodes/h4/kubelet ca' 'h1 kube-controller-manager kube-controller-manager ca'; do
            # shellcheck disable=SC2086
            check "$title: $one" ended $one
        done
        sleep 3
        check "$title: it goes through" play apply $play
        for one in 'h1 apiserver' 'h2 apiserver' 'h2 etcd/server' 'h3 kubelet' 'h4 kubelet-client' 'h4 kubelet' 'h1 kube-controller-manager'; do
            # shellcheck disable=SC2086
            check "$title: $one is a good one" good $one
        done
        as_it_shall_be "$title" 'h1 h2 h3'
    done
    for one in ca etcd/ca; do
        on h1 "cp -p $PKI/$one.crt /root/kept.crt; cd $PKI && openssl x509 -in $one.crt -signkey $one.key -days -1 -out /root/ended.crt 2>/dev/null && cat /root/ended.crt >$one.crt"
        refused "the authority $one has ended" "$PKI/$one.crt on h1 has ended"
        for play in renew upgrade; do
            fails "the authority $one has ended: $play.yml" 2 "$one.crt on h1 has ended" play apply $play
        done
        on h1 "cp -p /root/kept.crt $PKI/$one.crt; rm /root/kept.crt /root/ended.crt"
    done
    as_it_shall_be 'with good certificates' 'h1 h2 h3'
}

# ---------------------------------------------------------------- brought back
begin_restore() { begin restore -e "restore=$FILE" -e restore_into=kubernetes; }
restore() {
    check 'a backup to go back to' play apply backup -e "backup_folder=$BACKUPS"
    FILE=$(find "$BACKUPS" -name '*.tar.gz' | sort | tail -1)
    kubectl create configmap later --from-literal=a=b >/dev/null
    cut_off h2 'a host is cut off as it is brought back' 'on h2 test -d /etc/kubernetes/restore -o -d /var/lib/etcd/restored' begin_restore
    check 'it is back' healed h2 unserved
    killed_when 'the plane is stopped' h1 'test -d /etc/kubernetes/restore' begin_restore
    killed 'a restore' 1300 begin_restore
    check 'a restore: then it goes through' play apply restore -e "restore=$FILE" -e restore_into=kubernetes
    check 'a restore: the counter is as at the backup' within 60 counted
    refuse 'a restore: what came after is gone' kubectl get configmap later
    as_it_shall_be 'a restore' 'h1 h2 h3'
}

# ---------------------------------------------------------------- another release
begin_upgrade() { begin upgrade; }
upgrade() {
    echo "kubernetes_version: $TO" >"$LAB_DIR/group_vars/all/version.yml"
    cut_off h2 'a host is cut off as it is upgraded' 'on h2 "grep -q v'$TO' /etc/kubernetes/manifests/kube-apiserver.yaml"' begin_upgrade
    polls_begin
    fails 'an upgrade while it is away' 4 'h2 failed or cannot be reached' play apply upgrade
    answered_always 'a host is cut off as it is upgraded'
    check 'it is back' healed h2
    killed_when 'a node is closed' h1 'kubectl --kubeconfig=/etc/kubernetes/admin.conf get nodes | grep -q SchedulingDisabled' begin_upgrade
    killed 'an upgrade' 1500 begin_upgrade
    check 'an upgrade: then it goes through' play apply upgrade
    equal 'an upgrade: every node runs the new release' "v$TO containerd://2.3.7" "$(versions)"
    quiet 'an upgrade: upgrade.yml again' upgrade
    as_it_shall_be 'an upgrade' 'h1 h2 h3'
    check 'a pod runs on each host' box_up
    check 'they reach each other' within 60 pods_reach_all
}

# ---------------------------------------------------------------- taken off
begin_reset() { begin reset -e reset=kubernetes; }
reset() {
    killed 'a reset' 80 begin_reset
    check 'a reset: then it goes through' play apply reset -e reset=kubernetes
    check 'a reset: nothing is left' nothing_left
    equal 'a reset: nothing is left over' '' "$(leftovers)"
    quiet 'a reset: reset.yml again' reset -e reset=kubernetes
    check 'a cluster can be made again' site apply
}

# ---------------------------------------------------------------- the cluster, and one part after another
"$REPO/lab/releases" --all >/dev/null
# Read after lab.yml: its name is behind.
mkdir -p "$LAB_DIR/group_vars/all"; echo "kubernetes_version: $FROM" >"$LAB_DIR/group_vars/all/version.yml"
check 'a cluster of one control-plane host and three workers' env LAB_HOSTS=4 "$REPO/lab/quickstart"
[ "$FAILED" = 0 ] || { tail -50 "$LAB_DIR/quickstart.log" "$LAB_DIR/apply.log" 2>/dev/null; exit 1; }
count

for part in ${PARTS:-grow change renew backup leave disk port join cut_change ended_certificates restore upgrade reset}; do
    echo "-- $part"; began=$SECONDS
    $part
    echo "  $part took $((SECONDS - began)) s"
done
