#!/usr/bin/env bash
# Pods of hosts in two networks with a router between: the kernel's VXLAN, with no daemon and no plugin.
# shellcheck disable=SC2016  # what is quoted so is for the hosts' shells
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$HERE/lib_cluster.sh"
lab tnets 10.97.0
export LAB_NET2=10.97.1
OUT=/tmp/$LAB_NAME.out
looks() { COLUMNS=250 "$BRINGUP" apply -i "$LAB_DIR/inventory.yml" -e "$1" "$REPO/playbooks/checks.yml" >"$OUT" 2>&1; }
row() { check "found: $*" grep -qE "\"$1 +$2 +$3 +.*$4" "$OUT"; }
says() { check "it says \`$1\`" grep -qF -- "$1" <(sed -E 's/^ *[│×] ?//' "$OUT" | tr -s ' \n' ' '); }

# ---------------------------------------------------------------- what cannot be is refused
check 'hosts in two segments' fleet up 4 --segments 2
check 'the release files' "$REPO/lab/releases"
equal 'a router stands between' "h1: 10.97.1.13 via 10.97.0.254" "$(fleet exec h1 'ip -o route get 10.97.1.13' | sed 's/^/h1: /; s/ dev .*//')"
refuse 'routes from node to node are not for them' looks '{}'
row h1 routes error 'h3, h4 \(10.97.1.13, 10.97.1.14\)'; says 'Where a router stands between: `pod_network: vxlan`'
VXLAN='{"pod_network": "vxlan"}'
check 'a VXLAN is' looks "$VXLAN"
on h2 'mount -t tmpfs none /sys/module'
refuse 'a kernel without its module is refused' looks "$VXLAN"
row h2 vxlan error 'has no vxlan module'
on h2 'umount /sys/module; touch /run/firewalld.pid'
refuse 'a firewall of somebody else is told what to let in' looks "$VXLAN"
says 'UDP 4789 among it'
on h2 'rm /run/firewalld.pid'
refuse 'a number that is none' looks '{"pod_network": "vxlan", "pod_vxlan_id": 0}'
says '`pod_vxlan_id` is `0`'

# ---------------------------------------------------------------- three hosts, then a fourth
echo 'pod_network: vxlan' >"$LAB_DIR/group_vars/all/this.yml"
groups h1 'h2 h3'
began=$SECONDS
check 'a cluster is made' site apply
echo "  it took $((SECONDS - began)) s"
[ "$FAILED" = 0 ] || exit 1
mkdir -p "$LAB_DIR/bin"; scp -q -F "$LAB_DIR/ssh_config" "h1:$(on h1 readlink -f /usr/local/bin/kubectl)" "$LAB_DIR/bin/kubectl"
equal 'pods have 50 bytes less' 'mtu 1450' "$(on h3 'ip link show cbr0; ip link show vxlan-pods' | grep -o 'mtu [0-9]*' | sort -u)"
equal 'a packet of that size goes through, a larger one is not sent' '0 1' "$(on h1 'ping -c1 -W2 -M do -s 1422 10.244.2.1 >/dev/null; a=$?; ping -c1 -W2 -M do -s 1423 10.244.2.1 >/dev/null 2>&1; echo $a $?')"
groups h1 'h2 h3 h4'
check 'a fourth host joins' site apply
equal 'all nodes know all others' '12' "$(fleet exec all 'bridge fdb show dev vxlan-pods; ip route' | grep -c 'dst 10.97\|via 10.244.* dev vxlan-pods' | awk '{print $1 / 2}')"
check 'all nodes are Ready' all_ready
check 'a pod runs on each host' box_up
check 'they reach each other over the router, services and names' within 60 pods_reach_all
pod_ip() { kubectl get pod -l app=box -o jsonpath='{.items[0].status.podIP}' --field-selector "spec.nodeName=$1"; }
from=$(pod_ip h1) there=$(pod_ip h3); SEEN="FORWARD -s $from -d $there -p tcp --dport 8080"
on h3 "iptables -w -t mangle -A $SEEN"; ask "$(kubectl get pod -l app=box -o name --field-selector spec.nodeName=h1)" "http://$there:8080/" >/dev/null
check 'a pod is seen by its own address' on h3 "iptables -w -t mangle -nvxL FORWARD | grep -F $from | awk '\$1 > 0' | grep .; rc=\$?; iptables -w -t mangle -D $SEEN; exit \$rc"
converged 'the second time'
check 'validate.yml agrees' "$BRINGUP" apply -i "$LAB_DIR/inventory.yml" "$REPO/playbooks/validate.yml"
refused 'another network on a running cluster' '`pod_network` was "vxlan" when the cluster was made' -e pod_network=routes
refused 'another number on a running cluster' '`pod_vxlan_id` was 1 when the cluster was made' -e pod_vxlan_id=2

# ---------------------------------------------------------------- it is kept
way() { on "$1" '[ "$(ip -4 neighbour show dev vxlan-pods nud permanent | wc -l) $(ip route | grep -c "via 10.244.*vxlan-pods") $(bridge fdb show dev vxlan-pods | grep -c dst)" = "3 3 3" ]'; }
on h3 'ip link set vxlan-pods down; ip link set vxlan-pods up'
check 'the device went down and up: the way is there' within 6 way h3
on h3 'ip link delete vxlan-pods'
check 'the device is taken away: the way is there' within 6 way h3
on h3 'setsid sh -c "ip link set eth0 down; ip address flush dev eth0; ip link set eth0 up; ip address add 10.97.1.13/24 dev eth0; ip route replace default via 10.97.1.254"'
check 'the interface below is made anew: the way is there' within 6 way h3
check 'pods reach each other' within 30 pods_reach_all
check 'h3 reboots' fleet reboot h3
check 'the way is there' within 30 way h3
check 'pods reach each other again' within 120 pods_reach_all

# ---------------------------------------------------------------- somebody who is no node
# The router itself sends what looks like a node's packet for the pods' network, from its own address.
ip -n "$LAB_NAME-sw" link add liar type vxlan id 1 local 10.97.0.254 remote 10.97.0.12 dstport 4789
ip -n "$LAB_NAME-sw" address add 10.244.9.9/32 dev liar; ip -n "$LAB_NAME-sw" link set liar up
ip -n "$LAB_NAME-sw" neighbour replace 10.244.1.1 lladdr "$(on h2 cat /sys/class/net/vxlan-pods/address)" dev liar nud permanent
ip -n "$LAB_NAME-sw" route add 10.244.1.1/32 dev liar
on h2 'sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.vxlan-pods.rp_filter=0; iptables -w -I INPUT -s 10.244.9.9'
lies() { ip netns exec "$LAB_NAME-sw" ping -q -c2 -i0.2 -W1 10.244.1.1 >/dev/null 2>&1; on h2 "iptables -w -nvxL INPUT | awk '/10.244.9.9/ {print \$1}'"; }
equal 'it is not heard' 0 "$(lies)"
drift 'the rule is gone, and there is another end' h2 'iptables -w -t raw -D PREROUTING -p udp --dport 4789 -j bringup-vxlan-pods; bridge fdb add 00:00:00:00:00:00 dev vxlan-pods dst 192.0.2.66' 'network : Make the way through the networks between the nodes'
equal 'and not heard again' 0 "$(lies)"
on h2 'iptables -w -t raw -D PREROUTING -p udp --dport 4789 -j bringup-vxlan-pods'
refuse 'without the rule it would be' test "$(lies)" = 0
on h2 'iptables -w -D INPUT -s 10.244.9.9'; ip -n "$LAB_NAME-sw" link del liar

# ---------------------------------------------------------------- it is taken off
box_down >/dev/null; groups h1 'h2 h4'
check 'h3 leaves' site apply
refuse 'nobody knows it any more' grep -q 10.97.1.13 <(fleet exec all 'bridge fdb show dev vxlan-pods; iptables-save -t raw; cat /etc/systemd/system/bringup-vxlan-*' | grep -v '^h3')
clear_host h3
check 'reset.yml' "$BRINGUP" apply -i "$LAB_DIR/inventory.yml" -e reset=kubernetes "$REPO/playbooks/reset.yml"
check 'nothing is left' nothing_left
equal 'no way and no rule either' '' "$(fleet exec all 'ip -o link show type vxlan; iptables-save -t raw 2>/dev/null | grep -i vxlan')"
