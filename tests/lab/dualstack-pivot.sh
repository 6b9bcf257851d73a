#!/usr/bin/env bash
# The pivot in a cluster of two stacks with IPv6 first: API servers are known by their addresses of IPv6, in the cluster and out of it. kube-proxy
# is in its iptables mode there, with a firewall that is opened.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$HERE/lib_cluster.sh"
. "$HERE/lib_pivot.sh"
lab tdualp 10.101.0

check 'two hosts' fleet up 2
check 'the release files' "$REPO/lab/releases"
cat >"$LAB_DIR/group_vars/all/this.yml" <<'END'
pod_range: [fd00:10:244::/56, 10.244.0.0/16]
service_range: fd00:10:96::/112,10.96.0.0/16
kube_proxy_mode: iptables
network_open_firewall: true
END
check 'a cluster is made' site apply
[ "$FAILED" = 0 ] || exit 1
mkdir -p "$LAB_DIR/bin"; scp -q -F "$LAB_DIR/ssh_config" "h1:$(on h1 readlink -f /usr/local/bin/kubectl)" "$LAB_DIR/bin/kubectl"
known_by() { kubectl get endpointslices -l kubernetes.io/service-name=kubernetes -o jsonpath='{.items[*].addressType} {.items[*].endpoints[*].addresses[*]}'; }
equal 'the API is known by its address of IPv6' 'IPv6 fd00:10:101:100::11' "$(known_by)"
equal 'and pods by theirs first' 'fd00:10:244:1:: fd00:10:244::' "$(kubectl -n bringup-check get pods -o jsonpath='{range .items[*]}{.status.podIP}{"\n"}{end}' | sed 's/::.*/::/' | LC_ALL=C sort | paste -sd' ')"
equal 'the firewall is opened for the other node by both' '10.101.0.12/32 fd00:10:101:100::12/128' "$(on h1 'iptables -S INPUT; ip6tables -S INPUT' | grep -oE '(10.101.0|fd00:10:101:100:):?\.?12/[0-9]+' | paste -sd' ')"
count; polls_begin; began=$SECONDS
check 'pivot.yml goes through' play apply pivot
check 'the self-hosted pods are in charge' within 30 in_charge
polls_end; answered 'pivot.yml' $((SECONDS - began))
check 'the counter is the same' counted
equal 'the API is known by the same address' 'IPv6 fd00:10:101:100::11' "$(known_by)"
quiet 'site.yml on it' site
check 'validate.yml agrees' play apply validate
check 'h1 reboots' fleet reboot h1
check 'the self-hosted pods are in charge again' within 180 in_charge
check 'validate.yml agrees again' within 60 play apply validate
check 'unpivot.yml goes through' play apply unpivot
check 'it is as it was' within 60 back_again
quiet 'site.yml after it' site
