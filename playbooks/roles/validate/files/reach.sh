# Has each check pod ask the others, the services, and the API, all at the same time. On stdin: `POD ADDRESS[,ADDRESS] NODE`, a line for each, as they were
# read a moment ago; with two stacks a pod is asked by both addresses. After a reboot they have other addresses, which the API may learn later than it is asked: where an answer is no,
# they are read anew, once for each call. Says what is not answered with yes.
# reach.sh KUBECONFIG NAMESPACE OUTSIDE-NAME|- NODES QUESTION..
config=$1 namespace=$2 outside=$3 nodes=" $4 "; shift 4
pods=$(cat)
out=$(mktemp -d) && trap 'rm -rf "$out"' EXIT || exit
# Only what this host's own resolver knows is asked for in a pod.
[ "$outside" = - ] || timeout 2 getent ahostsv4 "$outside." >/dev/null || outside=-

# The cluster is asked by no proxy, whatever the host's own environment says: curl reads the one, kubectl the other.
export no_proxy='*' NO_PROXY='*'
cluster() { kubectl --kubeconfig "$config" --request-timeout=20s -n "$namespace" "$@"; }
# Those that run, on nodes that are in the inventory.
read_pods() {
    cluster get pods -l app=check --no-headers -o custom-columns=N:.metadata.name,A:.status.podIP,H:.spec.nodeName,P:.status.phase,D:.metadata.deletionTimestamp,B:.status.podIPs[*].ip |
        while read -r pod address node phase leaving both; do
            # Releases before 1.16 know one address.
            case $both in ''|'<none>') ;; *) address=$both ;; esac
            case "$nodes" in *" $node "*) [ "$phase $leaving" != 'Running <none>' ] || echo "$pod $address $node" ;; esac
        done
}
# ask_all QUESTION..: 0 where every question has its answer in every pod, and that is yes
ask_all() {
    rm -f "$out"/*
    count=0
    while read -r pod address node; do
        [ -n "$pod" ] || continue
        count=$((count + 1))
        while [ -n "$address" ]; do
            case ${address%%,*} in
                *:*) set -- "$@" "pod=[${address%%,*}],$node" ;;
                *) set -- "$@" "pod=${address%%,*},$node" ;;
            esac
            case $address in *,*) address=${address#*,} ;; *) address='' ;; esac
        done
    done <<END
$pods
END
    n=0
    while read -r pod address node; do
        [ -n "$pod" ] || continue
        # Eight at a time: kubectl takes memory.
        cluster exec "$pod" -- /bin/sh /check/check "$@" "outside=$outside" >"$out/$node" 2>&1 </dev/null &
        n=$((n + 1)); [ $((n % 8)) != 0 ] || wait
    done <<END
$pods
END
    wait
    [ "$count" = "$(echo "$nodes" | wc -w)" ] && [ "$(cat "$out"/* | grep -c '^ok ')" = $((($# + 1) * count)) ]
}

ask_all "$@" && exit
pods=$(read_pods)
ask_all "$@" && exit
for node in $nodes; do
    case "$pods
" in *" $node
"*) ;; *) echo "no check pod runs on $node" ;; esac
done
cd "$out" && grep -Hv '^ok ' -- *
exit 1
