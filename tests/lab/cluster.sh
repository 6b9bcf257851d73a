#!/usr/bin/env bash
# From nothing to a cluster by the quick start; nothing to do the second time; what is broken by hand
# is found and repaired; hosts that reboot come back.
# shellcheck disable=SC2016  # what is quoted so is for the hosts' shells
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$HERE/lib_cluster.sh"
lab tclust 10.93.0

began=$SECONDS
check 'lab/quickstart makes a cluster' "$REPO/lab/quickstart"
echo "  it took $((SECONDS - began)) s"
[ "$FAILED" = 0 ] || { cat "$LAB_DIR/quickstart.log" "$LAB_DIR/apply.log" 2>/dev/null | tail -100; exit 1; }
equal 'lab/env names the files' "BRINGUP_INVENTORY=$LAB_DIR/inventory.yml KUBECONFIG=$LAB_DIR/kubeconfig" "$("$REPO/lab/env" | paste -sd' ')"
check 'three nodes are Ready' all_ready
equal 'they run the current release with containerd' 'v1.36.3 containerd://2.3.7' "$(versions)"
check 'every pod is settled' within 60 pods_settled
check 'a pod runs on each host' box_up
check 'they reach each other, services and names' within 30 pods_reach_all
check 'keys are for root alone' keys_are_private
check 'validate.yml agrees' "$BRINGUP" apply -i "$LAB_DIR/inventory.yml" "$REPO/playbooks/validate.yml"

converged 'the second time'
clone=$(mktemp -d)
git clone -q "$REPO" "$clone/elsewhere"
PLAYBOOKS=$clone/elsewhere/playbooks converged 'from a clean clone elsewhere'
rm -rf "$clone"
check 'the quick start again leaves all as it is' "$REPO/lab/quickstart"
refuse 'it did not change anything' grep -qE 'changed=[1-9]' "$LAB_DIR/apply.log"
refuse 'the other way on these hosts is refused' "$REPO/lab/quickstart" --guide

drift 'a file edited' h2 'echo "# by hand" >> /etc/kubernetes/kube-proxy.yaml' "Write kube-proxy's configuration" kube-proxy
drift 'a mode changed' h3 'chmod 644 /etc/kubernetes/pki/kubelet.key' '.*'
drift 'a unit stopped' h3 'systemctl stop kube-proxy' 'Start kube-proxy.*'
drift 'a unit disabled' h2 'systemctl disable -q kubelet' 'Start the kubelet.*'
drift 'the bridge deleted' h2 'ip link delete cbr0' '.*bridge.*'
check 'pods reach each other after it' within 30 pods_reach_all
drift 'a route lost' h3 'ip route | grep via | grep -v default | head -1 | { read -r to rest; ip route delete "$to"; }' '.*route.*'
drift 'the NAT rule doubled' h2 'rule=$(iptables -t nat -S POSTROUTING | grep MASQUERADE | grep -vm1 KUBE); iptables -t nat $rule' '.*'
drift 'a kernel setting changed' h2 'sysctl -qw net.ipv4.ip_forward=0' '.*'
drift 'a manifest removed' h1 'rm /etc/kubernetes/manifests/kube-scheduler.yaml' '.*manifest.*' 'kube-scheduler|pause|containerd-shim'
check 'all pods are settled after it' within 90 pods_settled
check 'pods reach each other after all of it' within 30 pods_reach_all

check 'a worker reboots' fleet reboot h2
check 'it comes back by itself' within 120 pods_reach_all
check 'its node is Ready' within 60 all_ready
check 'the control plane reboots' fleet reboot h1
check 'it comes back by itself' within 180 pods_reach_all
check 'every node is Ready' within 60 all_ready
check 'every pod is settled' within 90 pods_settled
converged 'after the reboots'
box_down >/dev/null
