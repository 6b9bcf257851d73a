#!/usr/bin/env bash
# A network plugin of one's own choice by its manifest: flannel, as its project installs it. Nodes get their ranges from the controller-manager.
# shellcheck disable=SC2016  # what is quoted so is for the hosts' shells
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$HERE/lib_cluster.sh"
lab tflan 10.98.0
export LAB_NET2=10.98.1

check 'hosts in two segments' fleet up 3 --segments 2
check 'the release files' "$REPO/lab/releases"
check 'flannel, with an image of it' "$REPO/lab/releases" flannel
cat >"$LAB_DIR/group_vars/all/this.yml" <<END
pod_network: manifest
pod_network_manifest: $REPO/lab/flannel.yml
images_extra: [lab.local/flannel:0.27.4]
END
archives pause:1 box:1 flannel:0.27.4 >>"$LAB_DIR/group_vars/all/this.yml"
check 'a cluster is made' env LAB_HOSTS=3 "$REPO/lab/quickstart"
[ "$FAILED" = 0 ] || { tail -60 "$LAB_DIR/apply.log"; exit 1; }
ranges() { kubectl get nodes -o jsonpath='{range .items[*]}{.metadata.name} {.spec.podCIDR}{"\n"}{end}'; }
equal 'the controller-manager handed out a range for each node' '3' "$(ranges | grep -cE ' 10\.244\.[0-9]+\.0/24$')"
check 'flannel runs on each' within 30 eval '[ "$(kubectl -n kube-flannel get daemonset kube-flannel-ds -o jsonpath="{.status.numberReady}")" = 3 ]'
# The bridge is CNI's, and none of ours is there.
refuse 'there is no cbr0' on h3 'ip link show cbr0'
equal 'pods of h3 are in its range' "$(ranges | awk '$1 == "h3" {print $2}')" "$(on h3 'ip -4 -o route show dev cni0 proto kernel' | awk '{print $1}')"
check 'a pod runs on each host' box_up
check 'they reach each other over the router, services and names' within 60 pods_reach_all
converged 'the second time'
"$BRINGUP" apply -i "$LAB_DIR/inventory.yml" "$REPO/playbooks/validate.yml" >"$LAB_DIR/validate.log" 2>&1 || true
check 'validate.yml agrees' grep -q 'Cluster validation succeeded' "$LAB_DIR/validate.log"
check 'and shows the ranges that were handed out' grep -qE "$(ranges | sed -n 's/^\(h3\) \(.*\)$/\1 .*\2/p')" "$LAB_DIR/validate.log"
check 'h3 reboots' fleet reboot h3
check 'pods reach each other again' within 120 pods_reach_all
box_down >/dev/null
check 'reset.yml' "$BRINGUP" apply -i "$LAB_DIR/inventory.yml" -e reset=kubernetes "$REPO/playbooks/reset.yml"
check 'nothing is left, of flannel either' nothing_left
equal 'none of its files' '' "$(fleet exec all 'ls -d /opt/cni/bin/flannel /run/flannel 2>/dev/null')"
