#!/usr/bin/env bash
# Hosts come and go where the control plane is self-hosted: one becomes three, cut off between joining and moving; one leaves, and comes back as it was left.
# shellcheck disable=SC2016  # what is quoted so is for the hosts' shells
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$HERE/lib_cluster.sh"
. "$HERE/lib_pivot.sh"
lab tgrowp 10.75.0

check 'a cluster of one control-plane host and three workers' env LAB_HOSTS=4 "$REPO/lab/quickstart"
[ "$FAILED" = 0 ] || { tail -50 "$LAB_DIR/quickstart.log" "$LAB_DIR/apply.log" 2>/dev/null; exit 1; }
check 'pivot.yml goes through' play apply pivot
check 'its parts are self-hosted' within 120 in_charge
count

# all_moved HOST..: the three parts of each are self-hosted, and its static manifests are etcd's alone
all_moved() {
    local h
    for h; do
        [ "$(on "$h" 'cat /run/bringup-standby/status' | grep -c ' self-hosted$')" = 3 ] || { echo "$h:"; on "$h" 'cat /run/bringup-standby/status'; return 1; }
        [ "$(on "$h" 'ls -A /etc/kubernetes/manifests')" = etcd.yaml ] || { on "$h" 'ls -A /etc/kubernetes/manifests'; return 1; }
    done
}

echo '-- one control-plane host becomes three'
groups 'h1 h2 h3' 'h4'
polls_begin
(exec "$BRINGUP" apply -i "$LAB_DIR/inventory.yml" "$REPO/playbooks/site.yml") >"$LAB_DIR/run.log" 2>&1 </dev/null & pid=$!
check 'the run comes to where a host has joined, and its parts have not moved' within 300 on h2 'test -e /etc/kubernetes/bringup/moving'
kill -9 $pid 2>/dev/null || true; wait $pid 2>/dev/null || true
check 'its parts are static' on h2 'test -e /etc/kubernetes/manifests/kube-scheduler.yaml'
check 'site.yml goes on from there' site apply
polls_end; echo "  $BAD of $POLLS polls failed ($KINDS), $AWAY s at most"
equal 'no poll of the first API server failed' '' "$(tr , '\n' <<<"$KINDS" | grep -vE '^(slow|-)' || true)"
check 'their parts are self-hosted too' within 120 all_moved h1 h2 h3
for h in h1 h2 h3; do equal "the members as $h knows them" 'h1 h2 h3' "$(members $h)"; done
refuse 'nothing is left to be moved' on h2 'ls /etc/kubernetes/bringup/moving /etc/kubernetes/bringup/joining'
check 'the counter is the same' counted
quiet 'site.yml again' site
quiet 'pivot.yml again' pivot

echo '-- one leaves, and nobody clears it'
fleet cut h3
groups 'h1 h2 h4' ''
check 'site.yml takes it out, and lets another one in' site apply
equal 'the members' 'h1 h2 h4' "$(members h1)"
check 'the parts of the new one are self-hosted' within 120 all_moved h1 h2 h4
quiet 'site.yml again without it' site
count
fleet heal h3
groups 'h1 h2 h4' 'h3'
refused 'as a worker it is not taken as it was left' 'h3 is a worker, and carries a control plane that it had before it left'

echo '-- it comes back as it was left'
groups 'h1 h2 h3' ''
check 'site.yml lets it join anew, and the other one go' site apply
for h in h1 h2 h3; do equal "the members as $h knows them" 'h1 h2 h3' "$(members $h)"; done
check 'what it had of etcd is kept' on h3 'ls -d /var/lib/etcd/member.before-*/wal'
check 'its parts are self-hosted again' within 120 all_moved h1 h2 h3
check 'it knows what was counted while it was away' eval '[ "$(kubectl --server "https://$(addr h3):6443" get configmap counter -o jsonpath="{.data.count}")" = "$COUNTED" ]'
quiet 'site.yml again when it is back' site
check 'a pod runs on each host' box_up
for h in h1 h2 h3; do
    check "$h reboots" fleet reboot $h
    check 'the cluster works without a hand on it' within 240 play apply validate
done
check 'the counter is the same' counted
