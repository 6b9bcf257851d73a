#!/usr/bin/env bash
# What is wrong is found before anything is changed: values without a host, then bare hosts that are really so, in one table.
# Then a small cluster whose hosts do what its networks must outlive.
# shellcheck disable=SC2016  # what is quoted so is for the hosts' shells
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$HERE/lib_cluster.sh"
lab tpre 10.89.0
OUT=/tmp/$LAB_NAME.out
says() { # TITLE PATTERN..: the last run said each, on one line or over several
    local title=$1 text pattern; shift
    text=$(sed -E 's/^ *[│×] ?//' "$OUT" | tr -s ' \n' ' ')
    for pattern; do check "$title: \`$pattern\`" grep -qE -- "$pattern" <<<"$text"; done
}

# ---------------------------------------------------------------- values, and hosts that are not there
nowhere() { # VARIABLES [INVENTORY]
    local inventory=${2:-'{all: {children: {control_plane: {hosts: {m: {ansible_host: 192.0.2.11}}}, workers: {hosts: {w: {ansible_host: 192.0.2.12}}}}}}'}
    echo "$inventory" >"/tmp/$LAB_NAME.yml"
    COLUMNS=500 "$BRINGUP" "${VERB:-apply}" -i "/tmp/$LAB_NAME.yml" -T 3 -e "$1" "$REPO/playbooks/site.yml" >"$OUT" 2>&1 </dev/null
}
refused() { # VARIABLES PATTERN [INVENTORY]
    refuse "refused: $1 ${3:-}" nowhere "$1" "${3:-}"
    says "$1" "$2"
    check "$1: no host was asked" not grep -q 'PLAY \[Look at the hosts' "$OUT"
}
worker() { echo "{all: {children: {control_plane: {hosts: {m: {ansible_host: 192.0.2.11}}}, workers: {hosts: {$1}}}}}"; }
refused '{"container_runtime": "docker", "kubernetes_version": "1.20.2", "pod_network": "manifest", "pod_network_manifest": "x"}' 'Set `pod_network: routes` or `vxlan`, or'
refused '{"kubernetes_version": "1.22.0"}' 'CRI v1alpha2 alone'
refused '{"containerd_version": "1.7.2"}' 'containerd 2.0 and newer'
refused '{"kubernetes_version": "1.37.0"}' 'know releases up to 1.36'
refused '{"cloud_provider": "aws"}' 'Set `cloud_provider: external`'
refused '{"kubernetes_release_file": "kubernetes.tar.gz"}' 'Take `kubernetes-server-linux-ARCH.tar.gz`'
refused '{"docker_extra_args": ["--debug"]}' 'docker_extra_config'
refused '{"backup_timer": "daily", "etcd_external": {"endpoints": ["https://192.0.2.9:2379"], "ca": "x", "certificate": "x", "key": "x"}}' 'Leave `backup_timer` out'
refused '{"pod_range": "fd00::/64"}' 'A cluster of IPv6 alone is not made'
refused '{"service_range": ["10.96.0.0/16", "fd00:1::/112"]}' 'or both two, of IPv4 and IPv6, in the same order'
refused '{"pod_range": ["10.244.0.0/16", "10.245.0.0/16"]}' 'Give one range, such as'
refused '{"pod_network": "kubenet"}' 'left in 1.24, and `kubernetes_version` is .* Set `pod_network: routes`, which took its seat'
refused '{"pod_network": "kubenet", "kubernetes_version": "1.23.1"}' '`container_runtime: containerd` does without'
refused '{"pod_network": "vxlan", "pod_vxlan_port": "x"}' '`pod_vxlan_port` is `x`'
refused '{"service_range": "10.0.0.0/11", "pod_range": "172.16.0.0/16"}' 'a /12 at most'
refused '{"pod_range_per_node": "x"}' 'length of a node.s prefix'
refused '{}' 'Set `node_name: master-1` for master_1' "$(worker 'master_1: {ansible_host: 192.0.2.12}')"
refused '{}' 'm and w would both be the Node `m`' "$(worker 'w: {ansible_host: 192.0.2.12, node_name: m}')"
refused '{}' 'put numbers, yes and no in quotes' "$(worker 'w: {ansible_host: 192.0.2.12, node_labels: {gpu: true}}')"
refused '{}' 'an `effect`, which is one of' "$(worker 'w: {ansible_host: 192.0.2.12, node_taints: [{key: a, effect: never}]}')"
refused '{"cluster_name": "My Cluster", "images_from": "x", "pod_range": "10.244.1.0/16"}' '3 things cannot be .*My Cluster.*`images_from` is `x`.*10.244.1.0/16'
VERB=plan refused '{"service_range": "10.244.128.0/17"}' 'overlap'

# ---------------------------------------------------------------- bare hosts
"$REPO/lab/releases" >/dev/null; fleet up 3 >/dev/null
looks() { COLUMNS=200 "$BRINGUP" apply -i "${INVENTORY:-$LAB_DIR/inventory.yml}" -e "${1:-{\}}" "$REPO/playbooks/checks.yml" >"$OUT" 2>&1; }
check 'bare hosts pass' looks
check 'and nothing is shown' not grep -q 'HOST *CHECK' "$OUT"
# It may carry the cluster.
cp "$LAB_DIR/inventory.yml" "$LAB_DIR/inventory.kept"; groups 'h1 h2 h3' ''; fleet cut h3
refuse 'no cluster is founded while a control-plane host is away' looks '{"ansible_timeout": 4}'
says 'one is away' 'h3 did not answer, so that it may be the one that carries it'
fleet heal h3; mv "$LAB_DIR/inventory.kept" "$LAB_DIR/inventory.yml"
on h1 'apt-get install -y -q nftables >/dev/null 2>&1; printf "#!/bin/sh\nexec /bin/date -d \"+1 day\" \"\$@\"\n" >/usr/local/bin/date; chmod +x /usr/local/bin/date
    nft "add table inet own; add chain inet own in { type filter hook input priority 0; policy drop; }; add rule inet own in ct state established,related accept; add rule inet own in tcp dport 22 accept"'
on h2 'systemd-run -q --unit=taken systemd-socket-activate -l 10250 /bin/cat; echo nameserver 127.0.0.1 >/etc/resolv.conf
    sed "s/^SwapTotal:.*/SwapTotal: 2097152 kB/" /proc/meminfo >/tmp/meminfo; mount --bind /tmp/meminfo /proc/meminfo; ip route add 10.244.64.0/18 via 10.89.0.254'
# A router between h3 and the others.
on h3 'ip route add 10.89.0.254 dev eth0 && ip addr add 10.89.0.13/32 dev eth0 && ip addr del 10.89.0.13/24 dev eth0; ip route replace default via 10.89.0.254 onlink dev eth0' || true
for h in h1 h2; do on $h 'ip route add 10.89.0.13/32 via 10.89.0.254'; done
refuse 'hosts with faults are refused' looks
cat "$OUT"
row() { check "found: $*" grep -qE "\"$1 +$2 +$3 +.*$4" "$OUT"; }
row h1 time error 'ahead of the workstation'
row h1 firewall error 'inet own \(input\)'
row h2 ports error 'taken: 10250 \('
row h2 resolver error '127.0.0.1 alone'
row h2 swap error '2048 MiB'
row h2 address error '10.244.64.0/18'
row h3 routes error 'h1, h2 \(10.89.0.11, 10.89.0.12\)'
row h1 routes error 'h3'
says 'it counts' '[0-9]+ errors on h1, h2, h3, in the table above. Nothing has been changed'
equal 'nothing is changed on any host' '' "$(fleet exec all 'ls /etc/kubernetes /opt/bringup 2>/dev/null' | grep -v '^h[0-9]: *$' || true)"
refuse 'those ignored by name are told, the others refused' looks '{"ignore_preflight": ["time", "routes"]}'
row h1 time ignored ahead; row h3 routes ignored h1; row h2 swap error MiB
check 'all of them can be ignored' looks '{"ignore_preflight": ["all"]}'
row h2 swap ignored MiB
on h1 'touch /run/firewalld.pid'; on h2 'mkdir -p /run/systemd/resolve; echo nameserver 192.0.2.1 >/run/systemd/resolve/resolv.conf; echo nameserver 127.0.0.53 >/etc/resolv.conf'
on h2 'mkdir -p /etc/ufw; echo ENABLED=yes >/etc/ufw/ufw.conf'
refuse 'a firewall of iptables rules' looks
row h2 firewall error ufw
refuse 'that is to be opened' looks '{"network_open_firewall": true}'
check 'is none' not grep -qE 'h2 +firewall' "$OUT"
check 'a stub with resolvers behind it is none' not grep -qE 'h2 +resolver' "$OUT"
refuse 'more faults' looks '{"kubelet_fail_swap_on": false}'
row h1 firewall error firewalld
check 'swap that is wanted is none' not grep -qE 'h2 +swap' "$OUT"
sed 's/ansible_host: 10.89.0.12/&\n          node_address: 10.1.2.3/' "$LAB_DIR/inventory.yml" >"$LAB_DIR/wrong.yml"
INVENTORY=$LAB_DIR/wrong.yml refuse 'an address that the host has not' looks
row h2 address error 'has no 10.1.2.3'; row h1 peers error 'h2'
sed 's/^    workers:/&/; s/^\( *\)h2:/\1h9:\n\1  ansible_host: 10.89.0.99\n&/' "$LAB_DIR/inventory.yml" >"$LAB_DIR/twice.yml"
on h2 'ip addr add 10.89.0.99/24 dev eth0'; sed -i 's/^10.89.0.12 .*/&\n&/; s/10.89.0.12 \(.*\n\)/10.89.0.99 \1/' "$LAB_DIR/known_hosts"
INVENTORY=$LAB_DIR/twice.yml refuse 'a machine that is in the inventory twice' looks
check 'says so' grep -qE '"h9 +machine +error .*h2|another run is at work on this host' "$OUT"

# ---------------------------------------------------------------- a small cluster, and what its network must outlive
fleet down >/dev/null; fleet up 2 >/dev/null
# A resolver that both hosts find; h2 by the way of a stub, as systemd-resolved has it.
ip netns exec "$LAB_NAME-sw" python3 - "$LAB_NET.254" <<'PY' >/dev/null 2>&1 9>&- & RESOLVER=$!
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind((sys.argv[1], 53))
while True:
    q, who = s.recvfrom(512); end = q.index(b'\0', 12) + 5; a = q[end - 4:end] == b'\0\1\0\1' and b'outside' in q
    s.sendto(q[:2] + (b'\x85\x80' if b'outside' in q else b'\x85\x83') + q[4:6] + (b'\0\1' if a else b'\0\0') + b'\0\0\0\0' + q[12:end] + (b'\xc0\x0c\0\1\0\1\0\0\0\5\0\4\xc0\0\2\x07' if a else b''), who)
PY
trap 'kill $RESOLVER 2>/dev/null; end_of_test' EXIT
on h2 'mkdir -p /etc/tmpfiles.d; printf "d /run/systemd/resolve\nf /run/systemd/resolve/resolv.conf - - - - nameserver 10.89.0.254\n" >/etc/tmpfiles.d/lab.conf; systemd-tmpfiles --create lab.conf
    echo "nameserver 127.0.0.53" >/etc/resolv.conf
    mkdir -p /etc/systemd/system/systemd-networkd.service.d; printf "[Service]\nReadOnlyPaths=/sys\n" >/etc/systemd/system/systemd-networkd.service.d/lab.conf
    printf "[Match]\nName=!lo\n[Network]\nLinkLocalAddressing=no\nIPv6AcceptRA=no\n[Address]\nAddress=10.89.0.12/24\nBroadcast=no\n[Route]\nGateway=10.89.0.254\nMetric=50\n" >/etc/systemd/network/50-all.network
    systemctl daemon-reload; systemctl enable -q systemd-networkd; systemctl disable -q systemd-networkd-wait-online'
fleet reboot h2 >/dev/null
printf 'pod_range_per_node: 26\nvalidate_outside_name: outside.example\n' >"$LAB_DIR/group_vars/all/this.yml"
check 'a cluster is made' env LAB_HOSTS=2 "$REPO/lab/quickstart"
[ "$FAILED" = 0 ] || { tail -60 "$LAB_DIR/apply.log"; exit 1; }
converged 'the first time'
equal 'a /26 gives 61 pods' 'maxPods: 61' "$(on h2 'grep maxPods /etc/kubernetes/kubelet.yaml')"
equal 'behind the stub is the real file' 'resolvConf: /run/systemd/resolve/resolv.conf' "$(on h2 'grep resolvConf /etc/kubernetes/kubelet.yaml')"
equal 'where there is no stub, the usual one' 'resolvConf: /etc/resolv.conf' "$(on h1 'grep resolvConf /etc/kubernetes/kubelet.yaml')"
outside() { local p; p=$(kubectl get pod -n bringup-check -o name --field-selector "spec.nodeName=$1") && kubectl exec -n bringup-check "$p" -- nslookup outside.example. | grep 192.0.2.7; }
check 'a pod finds a name outside' outside h2

network() { on h2 'ip -4 route show 10.244.0.0/26 | grep via && ip -4 -br addr show cbr0 | grep 10.244.0.65/26'; }
check 'the network is there' network
on h2 'systemctl restart systemd-networkd'; sleep 1
check 'networkd started anew: the network is there' within 5 network
on h2 'networkctl reconfigure eth0'
check 'networkd configures its interface anew: the network is there' within 5 network
on h2 'setsid sh -c "ip link set eth0 down; ip link set eth0 up; ip route replace default via 10.89.0.254"'
check 'the interface went down and up: the network is there' within 5 network
fleet reboot h2 >/dev/null
check 'rebooted: the network is there' within 15 network
check 'the bridge is not networkd'\''s' on h2 'networkctl --no-pager --no-legend | grep "cbr0 .*unmanaged"'
check 'all nodes are Ready' within 60 all_ready
check 'a pod there finds a name outside again' within 90 outside h2

# ---------------------------------------------------------------- taints have several authors
taints() { kubectl get node h2 -o jsonpath='{range .spec.taints[*]}{.key}={.value}:{.effect}{"\n"}{end}' | sort; }
sed 's/ansible_host: 10.89.0.12/&\n          node_taints: [{key: ours, value: "1", effect: NoSchedule}]/' "$LAB_DIR/inventory.yml" >"$LAB_DIR/tainted.yml"
kubectl cordon h2 >/dev/null; kubectl taint node h2 theirs=2:PreferNoSchedule >/dev/null
CORDON='node.kubernetes.io/unschedulable=:NoSchedule'
within 10 taints >/dev/null; converged 'a cordoned node'
equal 'it stays cordoned' "$(printf '%s\n' "$CORDON" theirs=2:PreferNoSchedule)" "$(taints)"
check 'a taint of the inventory comes to those' "$BRINGUP" apply -i "$LAB_DIR/tainted.yml" "$REPO/playbooks/site.yml"
equal 'all three are there' "$(printf '%s\n' "$CORDON" ours=1:NoSchedule theirs=2:PreferNoSchedule)" "$(taints)"
check 'again, nothing is to be done' "$BRINGUP" plan --exit-code -i "$LAB_DIR/tainted.yml" "$REPO/playbooks/site.yml"
check 'taken out of the inventory' site apply
equal 'it alone is gone' "$(printf '%s\n' "$CORDON" theirs=2:PreferNoSchedule)" "$(taints)"

check 'reset' "$BRINGUP" apply -i "$LAB_DIR/inventory.yml" -e reset=kubernetes "$REPO/playbooks/reset.yml"
equal 'nothing of the network is left' '' "$(on h2 'ls /usr/local/sbin/bringup-keep-routes /etc/systemd/networkd.conf.d/bringup.conf /etc/systemd/network/01-bringup.network /etc/systemd/system/bringup-* 2>/dev/null; ip -4 route | grep ^10.244; pgrep -f keep-routes' || true)"
