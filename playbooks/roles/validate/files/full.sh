# The ways through the API server to a kubelet: of each check pod the logs, a command that runs in it, a port that is forwarded to it. All
# pods at the same time, eight at most, for kubectl takes memory. On stdin: `POD ADDRESS NODE`, a line for each. Says what is not as it should be.
# full.sh KUBECONFIG NAMESPACE
config=$1 namespace=$2
out=$(mktemp -d) && trap 'rm -rf "$out"' EXIT || exit
# The cluster is asked by no proxy, whatever the host's own environment says: curl reads the one, kubectl the other.
export no_proxy='*' NO_PROXY='*'
cluster() { kubectl --kubeconfig "$config" --request-timeout=20s -n "$namespace" "$@"; }

ask() { # POD NODE
    said=$(cluster logs "$1" 2>&1)
    case $said in *"serving on $2"*) ;; *) echo "$2: the API server does not reach the logs of its pod: $said" ;; esac
    said=$(cluster exec "$1" -- cat /www/name 2>&1 </dev/null)
    [ "$said" = "$2" ] || echo "$2: no command runs in its pod: $said"
    forward "$1" "$2"
}

# kubectl says which local port it took; then the pod is asked through it. What it says is no finding: a name with a dot in front.
forward() { # POD NODE
    told=$out/.forward.$2
    : >"$told"
    kubectl --kubeconfig "$config" -n "$namespace" port-forward "pod/$1" :8080 >"$told" 2>&1 </dev/null &
    kubectl=$! tries=0
    until port=$(sed -n 's/^Forwarding from 127.0.0.1:\([0-9]*\).*/\1/p' "$told") && [ -n "$port" ]; do
        tries=$((tries + 1))
        if [ $tries = 200 ] || ! kill -0 $kubectl 2>/dev/null; then break; fi
        sleep 0.1
    done
    said=$([ -n "$port" ] && curl -sfm 5 "http://127.0.0.1:$port/name")
    [ "$said" = "$2" ] || echo "$2: no port is forwarded to its pod: $(cat "$told") $said"
    kill $kubectl 2>/dev/null
    wait $kubectl 2>/dev/null
}

n=0
while read -r pod _ node; do
    [ -n "$pod" ] || continue
    ask "$pod" "$node" >"$out/$node" &
    n=$((n + 1)); [ $((n % 8)) != 0 ] || wait
done
wait
if [ $n = 0 ]; then found='there is no check pod'; else found=$(cat "$out"/*); fi
[ -z "$found" ] || { printf '%s\n' "$found"; exit 1; }
