#!/bin/sh
# Asks a host, once, what its facts do not tell, and changes nothing. Each line of the answer is a word and what it found; what
# that means is decided on the workstation (vars/main.yml).
#
#     ask.sh TIMEOUT SOCKET|- PEER.. -- ADDRESS..    somebody is to listen at SOCKET; a PEER is ADDRESS,PORT to connect to; an ADDRESS is to be
#                                                    on a network of this host
PATH=$PATH:/usr/sbin:/sbin
timeout=$1 socket=$2; shift 2

[ -e /sys/fs/cgroup/cgroup.controllers ] && echo cgroup2
[ -e /proc/sys/net/bridge ] && echo bridge
[ -d "/lib/modules/$(uname -r)" ] && echo modules
[ -e /run/systemd/resolve/resolv.conf ] && sed -n 's/^nameserver[[:space:]]*/resolver /p' /run/systemd/resolve/resolv.conf
# By a name of its own only where it has been loaded or is built in; else it is looked for.
if [ -d /sys/module/vxlan ] || modprobe -n -q vxlan 2>/dev/null; then echo vxlan; fi
if [ "$socket" != - ] && [ -S "$socket" ] && ss -Hlx src "$socket" 2>/dev/null | grep -q .; then echo socket; fi
# Containers of a docker that ran before.
[ ! -d /sys/class/net/docker0/brif ] || echo "docker0 $(find /sys/class/net/docker0/brif -mindepth 1 | wc -l)"
# Who listens: `listen PORT PROGRAM`.
ss -Hltnp 2>/dev/null | awk '{ n = split($4, a, ":"); p = ""; if (match($0, /\(\("[^"]*"/)) p = substr($0, RSTART + 3, RLENGTH - 4); print "listen", a[n], p }' | sort -u
# Networks that packets leave for by other ways than our own bridge.
ip -4 route show table main 2>/dev/null | awk '$1 ~ /^[0-9]/ { print "route", $0 }'
ip -6 route show table main 2>/dev/null | awk '$1 ~ /^[0-9a-f]*:/ && $1 !~ /^fe80:/ { print "route", $0 }'
# Whether a new interface has IPv6; and who has routes that the kernel takes from routers, which it does no more once it is one itself.
[ "$(cat /proc/sys/net/ipv6/conf/all/disable_ipv6 /proc/sys/net/ipv6/conf/default/disable_ipv6 2>/dev/null | tr -d '\n')" = 00 ] && echo ipv6
ip -6 route show table main 2>/dev/null | sed -n '/ proto ra \| expires /s/.* dev \([^ ]*\) .*/\1/p' | sort -u | while read -r device; do
    [ "$(cat "/proc/sys/net/ipv6/conf/$device/accept_ra")" != 1 ] || echo "advertised $device"
done

# Firewalls. iptables' own tables can be given rules of ours, other tables of nftables cannot.
[ -e /run/firewalld.pid ] && echo firewalld
grep -qs '^ENABLED=yes' /etc/ufw/ufw.conf && echo ufw
iptables -w -S INPUT 2>/dev/null | grep -qx -e '-P INPUT DROP' && echo iptables
ip6tables -w -S INPUT 2>/dev/null | grep -qx -e '-P INPUT DROP' && echo ip6tables
nft list chains 2>/dev/null | awk '
    $1 == "table" { family = $2; table = $3 }
    $1 == "chain" { chain = $2 }
    /hook (input|forward) / && /policy drop/ && !(family ~ /^ip6?$/ && table == "filter" && (chain == "INPUT" || chain == "FORWARD")) &&
        table != "firewalld" { match($0, /hook [a-z]+/); print family == "ip6" ? "nft6" : "nft", family, table, chain, substr($0, RSTART + 5, RLENGTH - 5) }'

# All at the same time: it takes no longer than the slowest.
while [ $# -gt 0 ] && [ "$1" != -- ]; do
    # A server may listen on its address of IPv4 alone: by IPv6 a no is an answer too.
    # shellcheck disable=SC2016  # the inner shell's own words
    { LC_ALL=C timeout "$timeout" bash -c 'until said=$({ : <"/dev/tcp/$0/$1"; } 2>&1) || [[ $0 = *:* && $said = *refused* ]]; do sleep 0.2; done' "${1%,*}" "${1#*,}" || echo "silent ${1%,*}"; } &
    shift
done
shift
for address; do
    ip -o route get "$address" 2>&1 | sed "s/^/way $address /"
done
wait
true
