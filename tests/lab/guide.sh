#!/usr/bin/env bash
# The guide's own way: Kubernetes 1.20.2 with docker, from nothing to a cluster and no change the second time.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$HERE/lib_cluster.sh"
lab tguide 10.94.0

began=$SECONDS
check 'lab/quickstart --guide makes a cluster' "$REPO/lab/quickstart" --guide
echo "  it took $((SECONDS - began)) s"
[ "$FAILED" = 0 ] || { cat "$LAB_DIR/quickstart.log" "$LAB_DIR/apply.log" 2>/dev/null | tail -100; exit 1; }
check 'three nodes are Ready' all_ready
equal 'they run its release with docker' 'v1.20.2 docker://20.10.24' "$(versions | sed 's/+.*//')"
check 'every pod is settled' within 60 pods_settled
check 'a pod runs on each host' box_up
check 'they reach each other, services and names' within 30 pods_reach_all
check 'keys are for root alone' keys_are_private
check 'validate.yml agrees' "$BRINGUP" apply -i "$LAB_DIR/inventory.yml" "$REPO/playbooks/validate.yml"
equal 'docker runs on the bridge cbr0' cbr0 "$(on h2 "ps -o args= -C dockerd | tr ' ' '\n' | sed -n 's/^--bridge=//p'")"
refuse 'there is no docker0' on h2 ip link show docker0

converged 'the second time'
drift 'a unit stopped' h3 'systemctl stop kube-proxy' 'kube_proxy : Start kube-proxy, now and at every boot'
drift 'a manifest removed' h1 'rm /etc/kubernetes/manifests/kube-scheduler.yaml' 'control_plane : Write the manifest of the static pod: kube-scheduler' 'kube-scheduler|pause|containerd-shim'
check 'all pods are settled after it' within 120 pods_settled

check 'a worker reboots' fleet reboot h2
check 'it comes back by itself' within 120 pods_reach_all
check 'the control plane reboots' fleet reboot h1
check 'it comes back by itself' within 180 pods_reach_all
check 'every node is Ready' within 60 all_ready
converged 'after the reboots'
box_down >/dev/null
