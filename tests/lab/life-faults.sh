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
        while [ "$(wc -l <"$LAB_DIR/run.log")" -lt $line ] && kill -0 "$RUN" 2>/dev/null; do sleep 0.05; done
        sleep "$((moment / 10)).$((moment % 10))"
        if kill -9 "$RUN" 2>/dev/null; then n=$((n + 1)); fi
        wait "$RUN" 2>/dev/null || true
        where+=("$(wc -l <"$LAB_DIR/run.log"): $(grep -E '^TASK' "$LAB_DIR/run.log" | tail -1)")
        if grep -q 'another run is at work' "$LAB_DIR/run.log"; then check "$title: no killed run is taken for a living one" false; fi
        if grep -qE '^(fatal|failed):' "$LAB_DIR/run.log"; then check "$title: what a killed run left is no reason to fail" cat "$LAB_DIR/run.log" /dev/null/; fi
    done
    echo "  killed $n of $KILLS times, at line:"; printf '    %s\n' "${where[@]}"
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
said() { sed -E 's/^ *[│×] ?//' "${2:-$LAB_DIR/run.log}" | tr -s ' \n' ' ' | grep -qE -- "$1" || { tail -30 "${2:-$LAB_DIR/run.log}"; return 1; }; }

# ---------------------------------------------------------------- killed
grow() {
    groups 'h1 h2 h3' 'h4'
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
begin_change() { begin site -e "{\"api_server_extra_args\": {\"event-ttl\": \"$1h\"}, \"kubelet_extra_config\": {\"evictionHard\": {\"nodefs.available\": \"1%\", \"imagefs.available\": \"1%\"}, \"maxPods\": $((100 + $1))}}"; }

renew() {
    killed 'certificates are renewed' 300 begin_renew
    check 'certificates are renewed: then it goes through' play apply renew -e renew=all
    quiet 'certificates are renewed: renew.yml again' renew
    check 'certificates are renewed: keys are for root alone' keys_are_private
    as_it_shall_be 'certificates are renewed' 'h1 h2 h3'
}
begin_renew() { begin renew -e renew=all; }

backup() {
    killed 'a backup' 70 begin_backup
    check 'a backup: then it goes through' play apply backup -e "backup_folder=$BACKUPS"
    check 'a backup: every archive that has its name is whole' archives_whole
    as_it_shall_be 'a backup' 'h1 h2 h3'
}
begin_backup() { begin backup -e "backup_folder=$BACKUPS"; }
archives_whole() { local f; for f in "$BACKUPS"/*.tar.gz; do tar -tzf "$f" | grep -qx snapshot.db || return 1; done; }

leave() {
    groups 'h1' 'h4'
    killed 'two leave' 1100 begin_site
    check 'two leave: then it goes through' site apply
    as_it_shall_be 'two leave' 'h1'
    for h in h2 h3; do check "$h is cleared" clear_host $h; done
}

# ---------------------------------------------------------------- the cluster, and one part after another
"$REPO/lab/releases" --all >/dev/null
# Read after lab.yml: its name is behind.
mkdir -p "$LAB_DIR/group_vars/all"; echo "kubernetes_version: $FROM" >"$LAB_DIR/group_vars/all/version.yml"
check 'a cluster of one control-plane host and three workers' env LAB_HOSTS=4 "$REPO/lab/quickstart"
[ "$FAILED" = 0 ] || { tail -50 "$LAB_DIR/quickstart.log" "$LAB_DIR/apply.log" 2>/dev/null; exit 1; }
count

for part in ${PARTS:-grow change renew backup leave}; do
    echo "-- $part"
    $part
done
