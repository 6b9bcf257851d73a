#!/usr/bin/env bash
# A runtime that somebody else installed is used and left alone; and after reset.yml a host's files are what they were before, with containerd and
# with the other one.
# shellcheck disable=SC2016  # what is quoted so is for the hosts' shells
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$HERE/lib_cluster.sh"
lab trunt 10.99.0
OUT=/tmp/$LAB_NAME.out
clean() { # TITLE: what reset.yml leaves of a host
    check "$1: reset.yml" "$BRINGUP" apply -i "$LAB_DIR/inventory.yml" -e reset=kubernetes "$REPO/playbooks/reset.yml"
    check "$1: nothing is left of it" nothing_left
    for h in h1 h2; do same_tree "$1: the files of $h are what they were" $h "$LAB_DIR/tree.$h"; done
}

check 'two bare hosts' fleet up 2
check 'the release files' "$REPO/lab/releases"
# Packages stay: they are there before.
for h in h1 h2; do packages $h; tree $h >"$LAB_DIR/tree.$h" & done; wait
check 'a look at their files finds many' test "$(wc -l <"$LAB_DIR/tree.h1")" -gt 5000
check 'a cluster on containerd' env LAB_HOSTS=2 "$REPO/lab/quickstart"
[ "$FAILED" = 0 ] || { tail -60 "$LAB_DIR/apply.log"; exit 1; }
check 'pods run' box_up
box_down >/dev/null
clean containerd

# ---------------------------------------------------------------- one that is there already
"$REPO/lab/other-runtime" --vars >"$LAB_DIR/group_vars/all/this.yml"
refuse 'where nobody listens it is refused' site apply 2>&1
COLUMNS=200 site apply >"$OUT" 2>&1 || true
check 'it says where' grep -qE '"h2 +runtime +error +nobody listens at /run/other/other.sock' "$OUT"
check 'nothing is changed' grep -q 'nothing changed' "$OUT"
check 'a runtime of somebody else runs' "$REPO/lab/other-runtime"
rm -f "$LAB_DIR"/tree.*; for h in h1 h2; do tree $h | grep -v ' /var/lib/containerd/other' >"$LAB_DIR/tree.$h"; done
mains() { fleet exec all 'systemctl show -p MainPID other.service' | sort; }
was=$(mains)
check 'a cluster on it' site apply
check 'the nodes are Ready' all_ready
refuse 'no other one is there' on h1 'ls /etc/systemd/system/containerd.service /etc/containerd /usr/local/bin/containerd 2>/dev/null | grep .'
equal 'the kubelet asks it' 'containerRuntimeEndpoint: unix:///run/other/other.sock' "$(on h2 'grep containerRuntimeEndpoint /etc/kubernetes/kubelet.yaml')"
equal 'pods are its own' yes "$(on h2 'pgrep -f "^/opt/other/bin/containerd-shim.*/run/other/other.sock" >/dev/null && echo yes')"
check 'a pod runs on each host' box_up
check 'they reach each other, services and names' within 60 pods_reach_all
converged 'the second time'
refused 'another socket on a running cluster' '`runtime_endpoint` was "unix:///run/other/other.sock" when the cluster was made' -e runtime_endpoint=unix:///run/crio/crio.sock
CTR='/opt/other/bin/ctr -a /run/other/other.sock -n k8s.io images'
on h2 "$CTR rm lab.local/pause:1 >/dev/null 2>&1"
rc=0; COLUMNS=200 site plan --exit-code >"$OUT" 2>&1 || rc=$?
equal 'an image is lost: plan ends with 3' 3 $rc
check 'it says what would be done' grep -A1 'images : Load them into it' "$OUT"
check 'apply does it' site apply
check 'the image is there again' on h2 "$CTR ls -q 2>/dev/null | grep -qx lab.local/pause:1"
check 'h2 reboots' fleet reboot h2
check 'pods reach each other again' within 120 pods_reach_all
was=$(mains)
box_down >/dev/null
LEFT=${LEFT/pause|containerd|dockerd/pause|dockerd}
# Its own data changes while it runs.
PASSING="$PASSING /var/lib/containerd/other"
clean 'the other one'
equal 'it was never started anew' "$was" "$(mains)"
