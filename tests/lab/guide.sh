#!/usr/bin/env bash
# The guide's own way: Kubernetes 1.20.2 with docker, from nothing to a cluster and no change the second time.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$HERE/lib_cluster.sh"
lab tguide 10.94.0

# Packages stay after a reset, and what docker itself keeps: its images, its key. They are there before, with docker stopped.
PASSING="$PASSING /var/lib/docker /var/lib/containerd /etc/docker/key.json"
check 'three bare hosts' fleet up 3
for h in h1 h2; do
    on $h 'ln -s /dev/null /etc/systemd/system/docker.service; ln -s /dev/null /etc/systemd/system/docker.socket; ln -s /dev/null /etc/systemd/system/containerd.service'
    packages $h docker.io
    on $h 'rm /etc/systemd/system/{docker.service,docker.socket,containerd.service}; systemctl daemon-reload; systemctl disable -q docker docker.socket containerd'
    tree $h >"$LAB_DIR/tree.$h"
done
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
check 'docker was seen to run a container' grep -q 'docker : Run a real container by docker' "$LAB_DIR/apply.log"
equal 'docker runs on the bridge cbr0' cbr0 "$(on h2 "docker network inspect bridge -f '{{index .Options \"com.docker.network.bridge.name\"}}'")"
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

# ---------------------------------------------------------------- off again, and a docker that ran before
check 'reset.yml' "$BRINGUP" apply -i "$LAB_DIR/inventory.yml" -e reset=kubernetes "$REPO/playbooks/reset.yml"
check 'nothing is left' nothing_left
for h in h1 h2; do same_tree "the files of $h are what they were" $h "$LAB_DIR/tree.$h"; done

# Docker as its package starts it, with rules of somebody else beside its own.
on h2 'iptables -t nat -A POSTROUTING -s 192.0.2.0/24 -m comment --comment "somebody else" -j RETURN; systemctl start docker; ip link show docker0 >/dev/null'
check 'a docker runs with its own bridge and rules' on h2 'iptables -t nat -S | grep -q "A POSTROUTING -s 172.17.* -j MASQUERADE" && iptables -S | grep -q -- "-o docker0"'
scp -q -F "$LAB_DIR/ssh_config" "$LAB_DIR/releases/images/box_1.tar" h2:/tmp/old.tar
on h2 "docker load -q -i /tmp/old.tar >/dev/null; docker run -d --name old --entrypoint sleep lab.local/box:1 1000 >/dev/null"
echo 'pod_network: kubenet' >"$LAB_DIR/group_vars/all/zz.yml"
rc=0; COLUMNS=200 site apply >"$LAB_DIR/old.log" 2>&1 || rc=$?
equal 'with a container on it it is refused' 2 $rc
check 'it says so' grep -qE '"h2 +docker0 +error +1 container runs on docker0' "$LAB_DIR/old.log"
check 'the container runs on' on h2 'docker ps -q --filter name=old | grep .'
on h2 'docker rm -f old >/dev/null'

# ---------------------------------------------------------------- the kubelet's own bridge
check 'CNI plugins' "$REPO/lab/releases" cni
check 'a cluster with kubenet' site apply --output json
refuse 'docker0 is gone' on h2 ip link show docker0
refuse 'its rules are gone' on h2 'iptables-save | grep -E "docker0|DOCKER|172\.17\."'
check 'the rule of somebody else is there' on h2 'iptables-save | grep "somebody else"'
equal 'the kubelet made the bridge' '10.244.1.1/24' "$(on h2 'ip -4 -br addr show cbr0' | awk '{print $3}')"
check 'it was told to' on h2 'ps -o args= -C kubelet | grep -- --network-plugin=kubenet'
check 'three nodes are Ready' all_ready
check 'a pod runs on each host' box_up
check 'they reach each other, services and names' within 60 pods_reach_all
converged 'the second time with kubenet'
check 'a worker reboots' fleet reboot h2
check 'it comes back by itself' within 120 pods_reach_all
box_down >/dev/null
check 'reset.yml' "$BRINGUP" apply -i "$LAB_DIR/inventory.yml" -e reset=kubernetes "$REPO/playbooks/reset.yml"
check 'nothing is left' nothing_left
refuse 'nor what kubenet says' on h3 'iptables-save | grep -E "kubenet|SNAT for localhost"'
