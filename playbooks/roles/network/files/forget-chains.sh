#!/bin/sh
# Takes the chains of packet rules away that the kubelet and network plugins leave: those whose names begin with one of the words, and the rules
# that lead to them. Rule by rule: what others set stays.
#
#   forget-chains.sh PREFIX..    prints what it took away
PATH=$PATH:/usr/sbin:/sbin
prefixes=$(echo "$*" | sed 's/ /\\|/g')
for command in iptables ip6tables; do
    command -v $command >/dev/null || continue
    for table in raw mangle nat filter; do
        rules=$($command -w -t $table -S 2>/dev/null) || continue
        # xargs reads the quotes that iptables lists comments in, and nothing else of what they say.
        printf '%s\n' "$rules" | sed -n "s/^-A \(.* -[jg] \($prefixes\)[^ ]*.*\)\$/\1/p" | while IFS= read -r rule; do
            printf '%s\n' "$rule" | xargs $command -w -t $table -D 2>/dev/null && printf '%s\n' "$table $rule"
        done
        chains=$(printf '%s\n' "$rules" | sed -n "s/^-N \(\($prefixes\).*\)\$/\1/p")
        for chain in $chains; do $command -w -t $table -F "$chain"; done
        for chain in $chains; do $command -w -t $table -X "$chain" && echo "$table $chain"; done
    done
done
# What kubenet says in the kubelet's name.
iptables -w -t nat -S POSTROUTING 2>/dev/null | sed -n 's/^-A \(.*--comment "\(kubenet: \|SNAT for localhost access to hostports"\).*\)$/\1/p' | while IFS= read -r rule; do
    printf '%s\n' "$rule" | xargs iptables -w -t nat -D && printf '%s\n' "nat $rule"
done
# Others' containers may have ports of the host too (the plugin's chains are everybody's): only where nobody has any.
for command in iptables ip6tables; do
    rules=$($command -w -t nat -S CNI-HOSTPORT-DNAT 2>/dev/null) || continue
    case $rules in *-A*) exit 0 ;; *-N*) some=1 ;; esac
done
[ -z "${some:-}" ] || exec sh "$0" CNI-HOSTPORT-
