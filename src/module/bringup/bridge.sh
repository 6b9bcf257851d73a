# shellcheck shell=sh disable=SC2015,SC2154
# What the interface $name is: `bridge` or `other`, then its settings and addresses; nothing where there is none.
PATH=$PATH:/usr/sbin:/sbin
command -v ip >/dev/null || { echo 'ip is not there: install iproute2' >&2; exit 9; }
cd "/sys/class/net/$name" 2>/dev/null || exit 0
[ -d bridge ] && echo bridge || echo other
read -r v <mtu && echo "mtu $v"
read -r v <flags && echo "flags $v"
read -r v <addr_assign_type && echo "assigned $v"
ip -o address show dev "$name" scope global | while read -r _ _ _ a _; do echo "address $a"; done
