#!/usr/bin/env bash
# Nodes that join by a token: kubelets make their keys themselves and ask for certificates; what they ask for is looked at before it is approved.
# shellcheck disable=SC2016  # what is quoted so is for the hosts' shells
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$HERE/lib_cluster.sh"
lab tjoin 10.88.0
OUT=/tmp/$LAB_NAME.out
says() { # TITLE PATTERN: the last run said it, on one line or over several
    check "$1: \`$2\`" grep -qE -- "$2" <<<"$(sed -E 's/^ *[│×] ?//' "$OUT" | tr -s ' \n' ' ')"
}

nothing_to_do() { "$BRINGUP" plan --exit-code -i "$LAB_DIR/inventory.yml" "$REPO/playbooks/site.yml" >"$OUT" 2>&1; }

# ---------------------------------------------------------------- a cluster whose kubelets ask for their certificates
fleet up 2 >/dev/null
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout /dev/null -out "$LAB_DIR/own.crt" -days 30 -subj /CN=own 2>/dev/null
"$REPO/lab/releases" >/dev/null
refused 'without the key of the authority nobody could sign' '`kubelet_credentials: bootstrap` needs the key' -e kubelet_credentials=bootstrap -e "pki_own_ca_certificate=$LAB_DIR/own.crt"
rc=0; site plan --exit-code -e kubelet_credentials=bootstrap >"$OUT" 2>&1 || rc=$?; equal 'plan on bare hosts ends with 3' 3 $rc
printf 'kubelet_credentials: bootstrap\napproval_every: 5s\napi_tokens: [{user: robot, groups: [readers]}, {user: other}]\n' >"$LAB_DIR/group_vars/all/this.yml"
check 'a cluster is made, and its nodes join by a token' env LAB_HOSTS=2 "$REPO/lab/quickstart"
[ "$FAILED" = 0 ] || { tail -60 "$LAB_DIR/apply.log"; exit 1; }
check 'both are Ready' all_ready
PEM=/var/lib/kubelet/pki/kubelet
for h in h1 h2; do
    equal "$h shows the API a certificate of its own" "subject=O = system:nodes, CN = system:node:$h" "$(on $h openssl x509 -noout -subject -in $PEM-client-current.pem)"
    equal "$h serves with its own name and address" "DNS:$h, IP Address:$(addr $h)" "$(on $h "openssl x509 -noout -ext subjectAltName -in $PEM-server-current.pem | sed -n 's/^ *DNS/DNS/p'")"
    check "$h serves with it" on $h "openssl s_client -connect $(addr $h):10250 -CAfile /etc/kubernetes/pki/ca.crt -verify_return_error </dev/null"
    equal "nobody else made keys for $h, and what it asked with is gone" '' "$(on $h 'ls /etc/kubernetes/pki/kubelet* /etc/kubernetes/bootstrap-kubelet.conf /etc/kubernetes/bringup/join-token 2>/dev/null' || true)"
done
equal 'nor are there any on the control plane' '' "$(on h1 'find /etc/kubernetes/pki -path "*nodes/*kubelet*"')"
equal 'the token is gone' '' "$(kubectl get secrets -n kube-system -o name)"
refuse 'no output has it' grep -qE '\b[a-z0-9]{6}\.[a-z0-9]{16}\b' "$LAB_DIR/apply.log"
check 'keys are for root alone' keys_are_private
check 'the API server sees the logs on both' "$BRINGUP" apply -i "$LAB_DIR/inventory.yml" "$REPO/playbooks/validate.yml"
converged 'the second time'

# ---------------------------------------------------------------- tokens of users
TOKENS=/etc/kubernetes/pki/tokens
equal 'each has 32 characters, for root alone' '600 root 32 other 600 root 32 robot' "$(on h1 "cd $TOKENS && stat -c '%a %U %s %n' * | paste -sd' '")"
equal 'so has the file that the API server reads' '600 root' "$(on h1 "stat -c '%a %U' /etc/kubernetes/pki/known_tokens.csv")"
refuse 'the two are different ones' on h1 "cmp -s $TOKENS/robot $TOKENS/other"
# As a header that is read from a file: in no command line.
ask_as() { on h1 "{ printf 'Authorization: Bearer '; $1; } >/run/ask; curl -s -o /run/answer -w '%{http_code}' --cacert /etc/kubernetes/pki/ca.crt -H @/run/ask https://10.88.0.11:6443$2; rm /run/ask"; }
equal 'with one, a user is known' 403 "$(ask_as "cat $TOKENS/robot" /api/v1/nodes)"
check 'by its name' on h1 'grep -E "User .{1,2}robot.{1,2} cannot list" /run/answer'
kubectl create clusterrolebinding readers --clusterrole=view --group=readers >/dev/null
equal 'and may do what its group may' 200 "$(ask_as "cat $TOKENS/robot" /api/v1/namespaces/default/pods)"
equal 'another one may not' 403 "$(ask_as "cat $TOKENS/other" /api/v1/namespaces/default/pods)"
equal 'with none that is known, nobody is' 401 "$(ask_as "printf %032d 0" /api/v1/namespaces/default/pods)"

# ---------------------------------------------------------------- who asks for what
decide() { on h1 'KUBECONFIG=/etc/kubernetes/admin.conf bringup-approve'; }
# asks NAME SUBJECT NAMES USAGES: h2's kubelet, or somebody who took its place, asks to serve so
asks() {
    on h2 "openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout /dev/null -subj '$2' ${3:+-addext subjectAltName=$3} 2>/dev/null | base64 -w0 | { read -r r; cat <<END
apiVersion: certificates.k8s.io/v1
kind: CertificateSigningRequest
metadata: {name: $1}
spec: {signerName: kubernetes.io/kubelet-serving, usages: $4, request: \$r}
END
} | kubectl --kubeconfig ${5:-/etc/kubernetes/kubelet.conf} create -f -"
}
SERVES='[digital signature, server auth]' ME='/O=system:nodes/CN=system:node:h2'
state() { kubectl get csr "$1" -o jsonpath='{.status.conditions[*].type}'; }
on h1 systemctl stop bringup-approve.timer              # so that what is told is told here
# What openssl makes of a kubelet's request is the same, byte for byte, but that it says UTF8String where Go says PrintableString.
asks own "$ME" DNS:h2,IP:10.88.0.12 "$SERVES" >/dev/null
check 'a node that asks for its own name and address gets it' grep -q '^approved own: h2' <<<"$(decide)"
lies=0
lie() { # WHAT SUBJECT NAMES USAGES WORDS
    lies=$((lies + 1)); asks "lie-$lies" "$2" "$3" "$4" >/dev/null
    check "$1: it is denied, and told" grep -qF -- "denied lie-$lies: $5" <<<"$(decide)"
    equal "$1: nothing is signed" Denied "$(state lie-$lies)"
}
OTHER='h2 asks for another name or address than its own (h2, 10.88.0.12)'
lie 'a node that asks for the name of another' "$ME" DNS:h1,IP:10.88.0.12 "$SERVES" "$OTHER"
lie 'a node that asks for the address of another' "$ME" DNS:h2,IP:10.88.0.11 "$SERVES" "$OTHER"
lie 'a node that asks for one name more' "$ME" DNS:h2,DNS:kubernetes.default.svc,IP:10.88.0.12 "$SERVES" "$OTHER"
# The API server itself looks at whose name a node's request is in.
refuse 'a node that asks under the name of another is refused' asks lie-other /O=system:nodes/CN=system:node:h1 DNS:h2,IP:10.88.0.12 "$SERVES"
lie 'a node that asks for a group more' '/O=system:nodes/O=system:masters/CN=system:node:h2' DNS:h2,IP:10.88.0.12 "$SERVES" "$OTHER"
lie 'a node that asks for a name with a break in it' "$ME" "'DNS:h2,otherName:1.2.3.4;UTF8:DNS:h2'" "$SERVES" "$OTHER"
lie 'a node that asks to be a client too' "$ME" DNS:h2,IP:10.88.0.12 '[digital signature, server auth, client auth]' 'h2 asks for other uses than to serve'
kubectl config view --raw | ssh -F "$LAB_DIR/ssh_config" h2 'umask 077; cat >/root/admin.conf'
asks stranger '/O=system:nodes/CN=system:node:h2' DNS:h2,IP:10.88.0.12 "$SERVES" /root/admin.conf >/dev/null; on h2 rm /root/admin.conf
check 'what comes from nobody of the inventory is left, and told' grep -q '^left stranger: "kubernetes-admin" is no node' <<<"$(decide)"
equal 'it waits for a person' '' "$(state stranger)"
"$BRINGUP" apply -i "$LAB_DIR/inventory.yml" "$REPO/playbooks/validate.yml" >"$OUT" 2>&1
says 'validate.yml warns of it' 'nobody has decided about what these ask for to serve with: kubernetes-admin \(stranger\)'
kubectl delete csr stranger >/dev/null
# As when it is near its end: the kubelet asks for the next one, and nobody runs a playbook.
was=$(on h2 readlink -f $PEM-server-current.pem)
on h2 "systemctl stop kubelet; rm $PEM-server-*.pem; systemctl start kubelet"
asked() { kubectl get csr --field-selector spec.signerName=kubernetes.io/kubelet-serving | grep h2 | grep -q Pending; }
served() { on h2 "[ -e $PEM-server-current.pem ] && [ \$(readlink -f $PEM-server-current.pem) != $was ]"; }
check 'a kubelet without a certificate asks for one' within 20 asked
check 'the next run has the timer go on' site apply
check 'it decides about it' within 20 served
check 'what was decided is told' on h1 'journalctl -u bringup-approve -o cat | grep -E "^approved csr-[a-z0-9]+: h2 serves with it"'
# A host that was off until what it showed the API had ended is let in anew, by a token that is made for that.
on h2 "rm $PEM-client-*.pem; systemctl restart kubelet"
rc=0; site plan --exit-code >"$OUT" 2>&1 || rc=$?; equal 'a node whose certificate is over: plan ends with 3' 3 $rc
says 'plan names what is to be done' 'TASK \[join_token : Make a token for those that join\] changed: \[h1\]'
says 'and' 'TASK \[join_token : Let hosts join by the token\] changed: \[h1\]'
check 'it is let in anew' site apply
equal 'by a certificate of now' "subject=O = system:nodes, CN = system:node:h2" "$(on h2 openssl x509 -noout -subject -in $PEM-client-current.pem)"
equal 'the token is gone again' '' "$(kubectl get secrets -n kube-system -o name; on h1 'ls /etc/kubernetes/bringup/join-token 2>/dev/null' || true)"
check 'both are Ready again' within 30 all_ready
check 'after all of it there is nothing to do' nothing_to_do

# ---------------------------------------------------------------- a host of somebody who has no access to the cluster's
fleet up 3 >/dev/null; groups h1 h2
mkdir -p "$LAB_DIR/other"; ln -sfn ../group_vars "$LAB_DIR/other/group_vars"
{ sed '/^  children:/,$d' "$LAB_DIR/inventory.yml"; printf '  children: {joining: {hosts: {h3: {ansible_host: %s}}}}\n' "$(addr h3)"; } >"$LAB_DIR/other/inventory.yml"
token() { "$BRINGUP" apply -i "$LAB_DIR/inventory.yml" "$REPO/playbooks/token.yml" "$@" >"$OUT" 2>&1; }
joins() { "$BRINGUP" apply -i "$LAB_DIR/other/inventory.yml" "$REPO/playbooks/join.yml" "$@" >"$OUT" 2>&1; }
refuse 'a token is for a node' token
says 'no node' 'Say what the node will be called'
refuse 'a node of the inventory needs none' token -e token_for=h2 -e token_address=10.88.0.12
says 'one of the inventory' 'h2 is in the inventory: playbooks/site.yml lets it join'
refuse 'an address is one node.s' token -e token_for=h3 -e token_address=10.88.0.12
says 'an address of another' '10.88.0.12 is the address of h2'
check 'a token is made' token -e token_for=h3 -e token_address=10.88.0.13
read -ra told < <(grep -o -- '-e join_api=[^"]*' "$OUT")
TOKEN=$(grep -oE '\b[a-z0-9]{6}\.[a-z0-9]{16}\b' "$OUT" | head -1)
equal 'the hash is that of the key of the authority' "sha256:$(on h1 'openssl x509 -pubkey -noout -in /etc/kubernetes/pki/ca.crt | openssl pkey -pubin -outform der | sha256sum | cut -c1-64')" "${told[5]#*=}"
signed() { kubectl get configmap cluster-info -n kube-public -o yaml | grep -q "jws-kubeconfig-${TOKEN%.*}: "; }
check 'the cluster signs with it what it says of itself' within 10 signed
check 'the other nodes have the way to its pods' on h2 'ip route | grep -F "10.244.2.0/24 via 10.88.0.13"'
token -e token=list; says 'it is in the list' "${TOKEN%.*} +20[0-9TZ:-]+ +For h3"
check 'and the list has no secret' not grep -qF "${TOKEN#*.}" "$OUT"
check 'that done, site.yml has nothing to do' nothing_to_do

untouched() { equal "$1: nothing is changed" '' "$(sed -n 's/^h3 .*\(changed=[1-9][0-9]* \).*/\1/p' "$OUT")$(on h3 'ls -d /etc/kubernetes /opt/bringup /run/bringup-join* 2>/dev/null' || true)"; }
turned_away() { # WHAT WORDS OPTIONS..
    local what=$1 words=$2; shift 2
    refuse "$what" joins "${told[@]}" "$@"; says "$what" "$words"; untouched "$what"
    check "$what: the token is not told" not grep -qF "${TOKEN#*.}" "$OUT"
}
turned_away 'a hash that differs' 'The authority of 10.88.0.11:6443 is another one than you were told' -e "join_ca_hash=sha256:$(printf 0%.0s {1..64})"
turned_away 'a hash that is none' '`join_ca_hash` has not the form' -e join_ca_hash=abc
turned_away 'a token that is another' 'does not know this token' -e "join_token=${TOKEN%?}$([ "${TOKEN: -1}" = x ] && echo y || echo x)"
turned_away 'a port where nobody listens' '10.88.0.11:6444 does not say which authority it has' -e join_api=10.88.0.11:6444
turned_away 'a host that is not awaited' 'does not await a node `h9`. It awaits: h3' -e node_name=h9
turned_away 'the name of a node that is there' 'does not await a node `h2`, for it has one of that name' -e node_name=h2
# It hands out the right authority, as everybody can, and has no certificate of it.
on h2 'mkdir -p /tmp/lies/api/v1/namespaces/kube-public/configmaps && cd /tmp/lies && kubectl --kubeconfig /etc/kubernetes/kubelet.conf get --raw /api/v1/namespaces/kube-public/configmaps/cluster-info >api/v1/namespaces/kube-public/configmaps/cluster-info 2>/dev/null ||
    curl -sk https://10.88.0.11:6443/api/v1/namespaces/kube-public/configmaps/cluster-info >api/v1/namespaces/kube-public/configmaps/cluster-info
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key -out crt -days 3 -subj /CN=kube-apiserver -addext subjectAltName=IP:10.88.0.12 2>/dev/null
    systemd-run -q --unit=lies --working-directory=/tmp/lies openssl s_server -accept 6443 -cert crt -key key -WWW'
turned_away 'a server that is none of the cluster' 'is no server of it' -e join_api=10.88.0.12:6443
on h2 'systemctl stop lies; rm -r /tmp/lies'
# What it has of another cluster is not overwritten.
foreign() { on h3 'mkdir -p /etc/kubernetes/pki && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout /dev/null -out /etc/kubernetes/pki/ca.crt -days 3 -subj /CN=other 2>/dev/null'; }
foreign
refuse 'a node of another cluster' joins "${told[@]}"; says 'a node of another cluster' 'h3 is a node already, of a cluster with another authority'
on h3 rm -r /etc/kubernetes
expires() { kubectl patch secret "bootstrap-token-${TOKEN%.*}" -n kube-system -p "{\"stringData\": {\"expiration\": \"$1\"}}" >/dev/null; }
expires "$(date -u -d '-1 minute' +%FT%TZ)"
sleep 11                                        # for so long the API server goes by what it knows of a token
turned_away 'a token that has ended' 'does not know this token: it has ended'
gone() { ! kubectl get secret "bootstrap-token-${TOKEN%.*}" -n kube-system; }
check 'it is cleared away' within 20 gone
check 'another one is made' token -e token_for=h3 -e token_address=10.88.0.13
read -ra told < <(grep -o -- '-e join_api=[^"]*' "$OUT"); TOKEN=$(grep -oE '\b[a-z0-9]{6}\.[a-z0-9]{16}\b' "$OUT" | head -1)
began=$SECONDS
check 'the host joins' joins "${told[@]}"; [ "$FAILED" = 0 ] || tail -30 "$OUT"
echo "  it took $((SECONDS - began)) s"
check 'the token is not told' not grep -qF "${TOKEN#*.}" "$OUT"
check 'three nodes are Ready' all_ready
equal 'what it asked with is gone' '' "$(on h3 'ls -d /etc/kubernetes/bootstrap-kubelet.conf /run/bringup-join* 2>/dev/null' || true)"
check 'keys are for root alone' keys_are_private
check 'the token is deleted' token -e token=delete -e "token_id=${TOKEN%.*}"
refuse 'there is no other' token -e token=delete -e token_id=abcdef
check 'again, without a token, nothing is changed' joins
equal 'on no host' 'changed=0 ' "$(sed -n 's/^h3 .*\(changed=[0-9]* \).*/\1/p' "$OUT")"
h3_serves() { on h3 "[ -e $PEM-server-current.pem ]"; }
check 'what it serves with is approved by the timer' within 30 h3_serves
check 'a pod runs on each host' box_up
check 'they reach each other, services and names, on the node that joined too' within 30 pods_reach_all
box_down >/dev/null
check 'the others have nothing to do' nothing_to_do
check 'validate.yml takes it for no stranger' "$BRINGUP" apply -i "$LAB_DIR/inventory.yml" "$REPO/playbooks/validate.yml"

# ---------------------------------------------------------------- it becomes a host of the cluster's own, with other credentials, and does not register itself
check 'the node is forgotten' token -e token=forget -e token_for=h3
refuse 'nobody leads to its pods any more' on h2 'ip route | grep 10.88.0.13'
clear_host h3
equal 'the host has nothing left of it' '' "$(on h3 "$LEFT; ls /var/lib/kubelet/pki 2>/dev/null" || true)"
printf 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: one, namespace: default}\ndata: {a: "1"}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: two, namespace: default}\ndata: {a: "2"}\n' >"$LAB_DIR/mine.yaml"
cat >"$LAB_DIR/group_vars/all/this.yml" <<END
kubelet_credentials: by_role
approval_every: 5s
api_tokens: [{user: robot, groups: [readers]}, {user: other}]
cluster_manifests: [{name: mine, file: $LAB_DIR/mine.yaml}]
END
groups h1 'h2 h3'
sed -i 's/ansible_host: 10.88.0.13/&\n          register_node: false\n          node_labels: {disk: fast}\n          node_taints: [{key: ours, value: "1", effect: PreferNoSchedule}]\n          kubelet_log_size: 100Ki\n          kubelet_log_files: 2\n          base_extra_packages: [logrotate]\n          base_automatic_upgrades: true/' "$LAB_DIR/inventory.yml"
foreign
refused 'a node of another cluster' 'h3 is a node of another cluster: its certificate authority'
on h3 rm -r /etc/kubernetes
check 'it joins' site apply
check 'three nodes are Ready' all_ready
equal 'its kubelet shows the pair of all workers' 'subject=O = bringup:kubelets, CN = kubelet:workers' "$(on h3 openssl x509 -noout -subject -in /etc/kubernetes/pki/kubelet-client.crt)"
equal 'the key is the one that the control plane keeps' "$(on h1 sha256sum /etc/kubernetes/pki/kubelets/workers.key | cut -c1-64)" "$(on h3 sha256sum /etc/kubernetes/pki/kubelet-client.key | cut -c1-64)"
equal 'the others keep what they came in by' '' "$(on h2 'ls /etc/kubernetes/pki/kubelet* 2>/dev/null' || true)"
check 'keys are for root alone' keys_are_private
check 'its kubelet does not register itself' on h3 'pgrep -f "^/usr/local/bin/kubelet .*--register-node=false"'
node() { kubectl get node h3 -o jsonpath='{.spec.podCIDR} {.metadata.labels.disk} {.metadata.labels.kubernetes\.io/arch} {.spec.taints[?(@.key=="ours")].effect}'; }
equal 'its Node has range, labels and taint' '10.244.2.0/24 fast amd64 PreferNoSchedule' "$(node)"
owned() { kubectl get node h3 -o jsonpath='{.metadata.managedFields[*].manager}'; }
check 'the playbooks made it' grep -q bringup-nodes <<<"$(owned)"
equal 'the manifest is applied' '1 2' "$(kubectl get configmap one two -o jsonpath='{.items[*].data.a}')"
check 'a package more is there' on h3 'dpkg -s logrotate'
check 'upgrades come by themselves' on h3 'apt-config dump | grep -F "APT::Periodic::Unattended-Upgrade \"1\"" && dpkg -s unattended-upgrades'
converged 'after it joined'
# A container that writes much: its file is turned over.
kubectl run writer --image=lab.local/box:1 --image-pull-policy=Never --overrides='{"spec": {"nodeName": "h3", "terminationGracePeriodSeconds": 1}}' --command -- sh -c 'i=0; while [ $i -lt 9000 ]; do echo "a line of sixty characters, for the file of the log: $i"; i=$((i+1)); [ $((i % 3000)) != 0 ] || sleep 11; done; sleep 600' >/dev/null
# What is there stays, whatever new nodes would get.
sed -i 's/by_role/issued/' "$LAB_DIR/group_vars/all/this.yml"; check 'with other credentials for new nodes there is nothing to do' nothing_to_do
sed -i 's/issued/bootstrap/' "$LAB_DIR/group_vars/all/this.yml"; check 'nor with others again' nothing_to_do
kubectl delete node h3 >/dev/null
check 'a Node that was deleted is made anew' site apply
equal 'as it was' '10.244.2.0/24 fast amd64 PreferNoSchedule' "$(node)"
check 'it is Ready' within 30 all_ready
turned() { local n; n=$(on h3 'ls /var/log/pods/default_writer_*/writer | wc -l'); [ "$n" = 2 ]; }
check 'the log of a container is turned over, and as many files are kept as shall be' within 50 turned
kubectl delete pod writer --wait=false >/dev/null
printf 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: one, namespace: default}\ndata: {a: "3"}\n' >"$LAB_DIR/mine.yaml"
check 'a manifest that says less' site apply
equal 'what it says no more is taken away' 3 "$(kubectl get configmap -o jsonpath='{.items[?(@.metadata.name!="kube-root-ca.crt")].data.a}')"
sed -i 's/^cluster_manifests.*/cluster_manifests: [{name: mine, state: absent}]/' "$LAB_DIR/group_vars/all/this.yml"; rm "$LAB_DIR/mine.yaml"
check 'it is taken away by its name' site apply
equal 'nothing of it is left' '' "$(kubectl get configmap -o jsonpath='{.items[?(@.metadata.name!="kube-root-ca.crt")].data.a}')"
converged 'at the end'
