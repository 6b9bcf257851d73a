# shellcheck shell=sh disable=SC2154
# What the interface $name is, who is at its other ends, and whom the chain $chain lets in: a word and what was found, line by line.
PATH=$PATH:/usr/sbin:/sbin
command -v ip >/dev/null || { echo 'ip is not there: install iproute2' >&2; exit 9; }
if [ -e "/sys/class/net/$name" ]; then
    ip -o -d link show dev "$name" | sed 's/^/link /'
    ip -o -4 address show dev "$name" scope global | while read -r _ _ _ a _; do echo "address $a"; done
    ip -4 neighbour show dev "$name" nud permanent | sed 's/^/neighbour /'
    bridge fdb show dev "$name" | sed 's/^/fdb /'
fi
iptables -w -t raw -S "$chain" 2>/dev/null | sed 's/^/rule /'
iptables -w -t raw -S PREROUTING 2>/dev/null | grep -e "-j $chain\$" | sed 's/^/jump /'
:
