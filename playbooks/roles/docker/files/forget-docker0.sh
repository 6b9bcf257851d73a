#!/bin/sh
# Takes docker0 away with the packet rules that docker made for it: those that name it or its network, and docker's own chains. What others set stays.
# Prints what it took away.
PATH=$PATH:/usr/sbin:/sbin
network=$(ip -4 -o route show dev docker0 proto kernel 2>/dev/null | awk '{print $1; exit}')
for table in nat filter; do
    rules=$(iptables -w -t $table -S 2>/dev/null) || continue
    # xargs reads the quotes that iptables lists comments in, and nothing else of what they say.
    printf '%s\n' "$rules" | awk -v network="$network" '/^-A DOCKER/ {next} /^-A / && (/ docker0( |$)/ || / -[jg] DOCKER/ || (network != "" && index($0, " -s " network " "))) {sub(/^-A /, ""); print}' |
        while IFS= read -r rule; do
            printf '%s\n' "$rule" | xargs iptables -w -t $table -D && printf '%s\n' "$table $rule"
        done
    chains=$(printf '%s\n' "$rules" | sed -n 's/^-N \(DOCKER.*\)$/\1/p')
    for chain in $chains; do iptables -w -t $table -F "$chain"; done
    for chain in $chains; do iptables -w -t $table -X "$chain" && echo "$table $chain"; done
done
ip link delete docker0 && echo docker0
