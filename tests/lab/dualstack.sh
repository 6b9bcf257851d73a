#!/usr/bin/env bash
# Two stacks: nodes, pods and services have addresses of IPv4 and of IPv6, and are reached by both, from inside and from outside.
# shellcheck disable=SC2016  # what is quoted so is for the hosts' shells
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$HERE/lib_cluster.sh"
lab tdual 10.100.0
OUT=/tmp/$LAB_NAME.out
SIX=fd00:10:100:100             # what the lab makes of that net
TWO='{"pod_range": "10.244.0.0/16,fd00:10:244::/56", "service_range": ["10.96.0.0/16", "fd00:10:96::/112"]}'
looks() { COLUMNS=250 "$BRINGUP" apply -i "${INVENTORY:-$LAB_DIR/inventory.yml}" -e "$TWO" "$@" "$REPO/playbooks/checks.yml" >"$OUT" 2>&1; }
row() { check "found: $*" grep -qE "\"$1 +$2 +error +.*$3" "$OUT"; }
says() { check "it says \`$1\`" grep -qF -- "$1" <(sed -E 's/^ *[│×] ?//' "$OUT" | tr -s ' \n' ' '); }

# ---------------------------------------------------------------- what cannot be is refused
check 'three hosts' fleet up 3
check 'the release files' "$REPO/lab/releases"
groups h1 'h2'
check 'two stacks can be' looks
sed "s/$SIX::12/$SIX::99/" "$LAB_DIR/inventory.yml" >"$LAB_DIR/wrong.yml"
on h2 'sysctl -qw net.ipv6.conf.default.disable_ipv6=1; ip -6 route replace default via '$SIX'::fe dev eth0 proto ra'
INVENTORY=$LAB_DIR/wrong.yml refuse 'a host without its address, and without IPv6 on new interfaces' looks
row h2 address "has no $SIX::99"
row h2 ipv6 'none on new interfaces'
row h2 ipv6 'advertisements on eth0'
says 'net.ipv6.conf.INTERFACE.accept_ra=2'
on h2 'sysctl -qw net.ipv6.conf.default.disable_ipv6=0 net.ipv6.conf.eth0.accept_ra=2; ip -6 route add fd00:10:244:7::/64 dev lo'
refuse 'a route into the pods' looks
row h2 address 'has a route to fd00:10:244:7::/64, which meets pods'
on h2 'ip -6 route del fd00:10:244:7::/64 dev lo; ip -6 route del default; ip -6 route add default via '$SIX'::fe'
check 'with accept_ra=2 it can be' looks

# ---------------------------------------------------------------- a cluster, and a host that joins
echo "$TWO" >"$LAB_DIR/group_vars/all/this.yml"
began=$SECONDS
check 'a cluster is made' site apply
echo "  it took $((SECONDS - began)) s"
[ "$FAILED" = 0 ] || exit 1
mkdir -p "$LAB_DIR/bin"; scp -q -F "$LAB_DIR/ssh_config" "h1:$(on h1 readlink -f /usr/local/bin/kubectl)" "$LAB_DIR/bin/kubectl"
was=$(on h1 'ps -eo pid,comm | grep -E " (kube|etcd)"')
groups h1 'h2 h3'
check 'a third host joins' site apply
equal 'nothing was started anew for it' "$was" "$(on h1 'ps -eo pid,comm | grep -E " (kube|etcd)"')"
equal 'each has a range of both' 'h1 10.244.0.0/24,fd00:10:244::/64
h2 10.244.1.0/24,fd00:10:244:1::/64
h3 10.244.2.0/24,fd00:10:244:2::/64' "$(for h in h1 h2 h3; do echo "$h $(on $h 'grep -oE "\"subnet\": \"[^\"]*" /etc/cni/net.d/10-cbr0.conflist' | cut -d'"' -f4 | paste -sd,)"; done)"
equal 'each node has both addresses' "10.100.0.11 $SIX::11
10.100.0.12 $SIX::12
10.100.0.13 $SIX::13" "$(kubectl get nodes -o jsonpath='{range .items[*]}{.status.addresses[?(@.type=="InternalIP")].address}{"\n"}{end}')"
converged 'the second time'

# ---------------------------------------------------------------- both ways
box_up >"$OUT" 2>&1 || cat "$OUT"
kubectl patch service box -p '{"spec": {"ipFamilyPolicy": "RequireDualStack"}}' >/dev/null
check 'pods reach each other by IPv4, services and names' within 60 pods_reach_all
# The same by IPv6: every pod from every pod, the service by its address and by what DNS says, each node's port from this machine.
six_reach_all() {
    local pods pod node other address name service n=0
    pods=$(kubectl get pod -l app=box -o jsonpath='{range .items[?(@.status.podIPs)]}{.metadata.name} {.status.podIPs[1].ip} {.spec.nodeName}{"\n"}{end}') || return 1
    service=$(kubectl get service box -o jsonpath='{.spec.clusterIPs[1]}')
    if [ -z "$service" ] || [ "$(wc -l <<<"$pods")" != "$(fleet list | wc -l)" ]; then echo "not a pod on each host: $pods"; return 1; fi
    while read -r pod _ node; do
        while read -r other address name; do
            [ "$(ask "$pod" "http://[$address]:8080/")" = "hello from $name" ] || { echo "$node does not reach $other on $name"; return 1; }
            n=$((n + 1))
        done <<<"$pods"
        ask "$pod" "http://[$service]/" | grep -q '^hello from ' || { echo "$node does not reach the service"; return 1; }
        kubectl exec "$pod" -- nslookup -type=AAAA box.default.svc.cluster.local | grep -qF "$service" || { echo "DNS says nothing of $service on $node"; return 1; }
        curl -sfm 3 "http://[$SIX::1${node#h}]:30080/" | grep -q '^hello from ' || { echo "the port on $node does not answer"; return 1; }
    done <<<"$pods"
    echo "$n pairs"
}
check 'and by IPv6' within 60 six_reach_all
check 'the API by IPv6 from outside, with its certificate' curl -sfm 5 --cacert <(kubectl config view --raw -o jsonpath='{.clusters[0].cluster.certificate-authority-data}' | base64 -d) "https://[$SIX::11]:6443/livez"
check 'a kubelet shows a certificate with its address' grep -q 'IP Address:FD00:10:100:100:0:0:0:12' <(on h2 'openssl x509 -in /etc/kubernetes/pki/kubelet.crt -noout -ext subjectAltName')
check 'a port of the host leads to its pod' curl -sfm 3 "http://[$SIX::13]:18088/alive"
# Who is reached outside of the cluster sees the node, not the pod.
python3 -c '
import http.server, socket
class Server(http.server.HTTPServer): address_family = socket.AF_INET6
class Say(http.server.BaseHTTPRequestHandler):
    def do_GET(self): self.send_response(200); self.end_headers(); self.wfile.write(self.client_address[0].encode())
    def log_message(self, *_): pass
Server(("'"$SIX"'::1", 8099), Say).serve_forever()' & SERVER=$!
within 5 curl -sfm 1 "http://[$SIX::1]:8099/" >/dev/null
equal 'outside a pod is seen as its node' "$SIX::12" "$(ask "$(kubectl get pod -l app=box -o name --field-selector spec.nodeName=h2)" "http://[$SIX::1]:8099/")"
kill $SERVER
check 'validate.yml agrees' "$BRINGUP" apply -i "$LAB_DIR/inventory.yml" "$REPO/playbooks/validate.yml"
for time in first second; do
    check "the first application answers by both, the $time time" "$BRINGUP" apply -i "$LAB_DIR/inventory.yml" "$REPO/playbooks/first-application.yml"
    equal 'and nothing of it is left' '' "$(kubectl get pods -A -o name --field-selector metadata.namespace=first-application 2>&1 | grep -v 'No resources')"
done

# ---------------------------------------------------------------- it is kept
refused 'one stack on a running cluster of two' 'Put `pod_range` and `service_range` back as they were' -e pod_range=10.244.0.0/16 -e service_range=10.96.0.0/16
refused 'the other order' 'which come first' -e pod_range=fd00:10:244::/56,10.244.0.0/16 -e service_range=fd00:10:96::/112,10.96.0.0/16
refuse 'a token is not made' env COLUMNS=250 "$BRINGUP" apply -i "$LAB_DIR/inventory.yml" "$REPO/playbooks/token.yml" -e token_for=h9 -e token_address=10.100.0.19
drift 'a rule of IPv6 is gone' h2 'ip6tables -w -t nat -D POSTROUTING -s fd00:10:244::/56 ! -d fd00:10:244::/56 -j MASQUERADE' 'network : Rewrite the source of what leaves the pods'\'' network, and let the cluster'\''s packets through (POSTROUTING MASQUERADE)'
on h3 'ip -6 route del fd00:10:244:1::/64'
check 'a route of IPv6 is gone: it is there again' within 6 on h3 'ip -6 route | grep -q "^fd00:10:244:1::/64 via '$SIX'::12"'
check 'h2 reboots' fleet reboot h2
check 'pods reach each other again by IPv6' within 120 six_reach_all
check 'and by IPv4' within 60 pods_reach_all

# ---------------------------------------------------------------- it is taken off
box_down >/dev/null
check 'reset.yml' "$BRINGUP" apply -i "$LAB_DIR/inventory.yml" -e reset=kubernetes "$REPO/playbooks/reset.yml"
check 'nothing is left' nothing_left
