#!/usr/bin/env bash
# Certificates: authorities of the user's own of every kind stay as they are, with and without their keys; what does not fit is refused; what
# is near its end is renewed while a client asks.
# shellcheck disable=SC2016  # what is quoted so is for the hosts' shells
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$HERE/lib_cluster.sh"
. "$HERE/lib_pivot.sh"
lab tpki 10.87.0
export LAB_HOSTS=2 LAB_CONTROL_PLANES=1
PKI=/etc/kubernetes/pki

check 'two bare hosts' fleet up 2
check 'the release files' "$REPO/lab/releases"
VARS=$LAB_DIR/group_vars/all/pki.yml OWN=$LAB_DIR/own
mkdir -p "$OWN"
cd "$OWN"

# ---------------------------------------------------------------- authorities that openssl made
# authority NAME SUBJECT DAYS [MORE..]: NAME.crt of NAME.key
authority() { openssl req -x509 -key "$1.key" -out "$1.crt" -subj "$2" -days "$3" -addext basicConstraints=critical,CA:TRUE "${@:4}" 2>/dev/null; }
openssl genrsa -traditional -out ca.key 3072 2>/dev/null
openssl ecparam -name secp521r1 -genkey -out etcd.key                      # with its parameters before it, as openssl writes it
openssl genpkey -algorithm ed25519 -out front.key
openssl ecparam -name secp521r1 -genkey -noout -out sa.key
openssl ecparam -name prime256v1 -genkey -noout -out other.key
authority ca '/C=DE/O=Example/CN=Example Root' 3000
authority etcd '/CN=Example etcd' 3000
authority front '/DC=test/O=Example/OU=one/OU=two/CN=Example Front' 3000   # names that the modules would not write alike
authority other '/CN=Other' 3000
openssl req -x509 -key other.key -out leaf.crt -subj /CN=leaf -days 30 -addext basicConstraints=critical,CA:FALSE 2>/dev/null
openssl pkey -in ca.key -aes128 -passout pass:secret -out locked.key

bring() { local from=$1 to=$2; ssh -F "$LAB_DIR/ssh_config" h1 "umask 077; mkdir -p \$(dirname $to); cat >$to" <"$from"; }
# turned_away TITLE WORDS [OPTIONS]: site.yml is refused in those words, and no host was changed
turned_away() {
    local title=$1 words=$2 rc=0 out; shift 2
    out=$(site apply "$@" --output json 2>"$LAB_DIR/stderr") || rc=$?
    equal "$title: apply ends with 2" 2 $rc
    check "$title: it says why" grep -qF -- "$words" <<<"$(tr -s ' \n│' ' ' <"$LAB_DIR/stderr")$out"
    equal "$title: no host was changed" '0' "$(python3 "$CHANGES" recap <<<"$out" | sed -n 's/^h[^ ]* changed=\([^ ]*\).*/\1/p' | sort -u)"
}
own() { echo "-e pki_own_ca_certificate=$OWN/$1.crt -e pki_own_ca_key=${2:+$OWN/$2.key}"; }
# shellcheck disable=SC2046  # they are several words
{
    turned_away 'a key of another authority' 'do not belong together' $(own ca other)
    turned_away 'a key with a password' 'is encrypted' $(own ca locked)
    turned_away 'a certificate of nobody who signs' "is no authority's certificate" $(own leaf other)
    turned_away 'a file that is not there' 'the workstation has no such file' $(own nowhere ca)
    turned_away 'a key without a certificate' 'is set without `pki_own_ca_certificate`' -e "pki_own_ca_key=$OWN/ca.key"
}
bring etcd.crt $PKI/etcd/ca.crt; bring other.key $PKI/etcd/ca.key
turned_away 'a pair put in place by hand that does not fit' "$PKI/etcd/ca.crt on h1 and $PKI/etcd/ca.key on h1 do not belong together"
bring etcd.key $PKI/etcd/ca.key; bring front.key $PKI/sa.key
turned_away 'a key that can sign no tokens' "$PKI/sa.key on h1 cannot sign service accounts' tokens"
bring front.crt $PKI/front-proxy-ca.crt; bring front.key $PKI/front-proxy-ca.key; bring sa.key $PKI/sa.key

# ---------------------------------------------------------------- without the authority's key
# issue REQUEST INTO: what somebody does who has the key of the authority
issue() { openssl x509 -req -in "$1" -CA ca.crt -CAkey ca.key -CAcreateserial -days "${DAYS:-300}" -copy_extensions copyall -out "$2" 2>/dev/null; }
# asked: the certificates that the run asked for, and why
asked() { sed -n 's/^[ │]*\([a-z][^ ]*\)\.crt \(is\|lacks\|ended\|does\)\( .*\)/\1 \2\3/p' "$LAB_DIR/stderr"; }
echo "{pki_own_ca_certificate: $OWN/ca.crt}" >"$VARS"
rc=0; site apply >"$LAB_DIR/apply.out" 2>"$LAB_DIR/stderr" || rc=$?
cat "$LAB_DIR/apply.out" >>"$LAB_DIR/stderr"
equal 'without the key of the authority apply ends with 2' 2 $rc
wanted='admin apiserver apiserver-kubelet-client kube-controller-manager kube-scheduler/client nodes/h1/kube-proxy nodes/h1/kubelet nodes/h1/kubelet-client nodes/h1/standby nodes/h2/kube-proxy nodes/h2/kubelet nodes/h2/kubelet-client'
equal 'it names what is to be signed' "$wanted" "$(asked | awk '{print $1}' | sort -u | paste -sd' ')"
refuse 'nothing was started' on h1 'ls /etc/kubernetes/manifests/* /etc/kubernetes/admin.conf 2>/dev/null | grep .'
for file in $wanted; do
    mkdir -p "signed/$(dirname "$file")"
    on h1 cat "$PKI/requests/$file.csr" >request.csr
    issue request.csr "signed/$file.crt"
    bring "signed/$file.crt" "$PKI/$file.crt"
done
check 'with all of them signed lab/quickstart makes a cluster' "$REPO/lab/quickstart"
[ "$FAILED" = 0 ] || { cat "$LAB_DIR/quickstart.log" "$LAB_DIR/apply.log" 2>/dev/null | tail -100; exit 1; }
check 'two nodes are Ready' all_ready
equal 'the controller-manager signs nothing' '' "$(on h1 'tr "\0" "\n" </proc/$(pidof kube-controller-manager)/cmdline | grep cluster-signing || true')"
same() { cmp <(on h1 cat "$PKI/$2") "$OWN/$1"; }
as_they_were() {
    same ca.crt ca.crt && same etcd.crt etcd/ca.crt && same etcd.key etcd/ca.key && same front.crt front-proxy-ca.crt && same front.key front-proxy-ca.key && same sa.key sa.key
}
check 'authorities and the key for tokens are as they were' as_they_were
refuse 'no key of the authority was made' on h1 ls $PKI/ca.key
# chains: on each host every certificate is signed by its authority and belongs to its key
chains() {
    fleet exec all 'cd /etc/kubernetes/pki
        for crt in $(find . -name "*.crt" ! -name "*ca.crt" ! -path "./requests/*"); do
            ca=ca.crt
            case $crt in *etcd*) ca=etcd/ca.crt ;; *front-proxy*) ca=front-proxy-ca.crt ;; esac
            openssl verify -partial_chain -trusted $ca $crt || exit 1
            [ "$(openssl x509 -in $crt -noout -pubkey)" = "$(openssl pkey -in ${crt%.crt}.key -pubout)" ] || { echo "$crt is of another key"; exit 1; }
        done'
}
check 'every certificate is signed by its authority, on every host' chains
converged 'without the key of the authority'

echo '-- another name'
rc=0; site apply -e '{"api_extra_names": ["api.one.test"]}' >"$LAB_DIR/stderr" 2>&1 || rc=$?
equal 'a name that is not in a certificate of somebody else: apply ends with 2' 2 $rc
equal 'it names it' 'apiserver lacks the names DNS:api.one.test' "$(asked)"
check 'the cluster runs on' kubectl get --raw /readyz
on h1 cat "$PKI/requests/apiserver.csr" >request.csr; issue request.csr signed/apiserver.crt; bring signed/apiserver.crt $PKI/apiserver.crt
echo "{pki_own_ca_certificate: $OWN/ca.crt, api_extra_names: [api.one.test]}" >"$VARS"
check 'signed, it goes on' site apply
check 'the API server answers to the name' within 90 eval 'openssl s_client -connect "$LAB_NET.11:6443" </dev/null 2>/dev/null | openssl x509 -noout -ext subjectAltName | grep -q api.one.test'

# ---------------------------------------------------------------- with it
echo '-- the key of the authority comes'
echo "{pki_own_ca_certificate: $OWN/ca.crt, pki_own_ca_key: $OWN/ca.key, api_extra_names: [api.one.test]}" >"$VARS"
check 'site.yml takes it' site apply
check 'byte for byte' same ca.key ca.key
check 'authorities and the key for tokens are as they were' as_they_were
check 'the controller-manager signs again' within 60 on h1 'tr "\0" "\n" </proc/$(pidof kube-controller-manager)/cmdline | grep -q cluster-signing-key-file=/etc/kubernetes/pki/ca.key'
converged 'with the key of the authority'
hashes() { fleet exec all "find $PKI -type f | xargs sha256sum" | sort; }
was=$(hashes)
check 'site.yml with another kind of key' site apply -e pki_key_type=RSA -e cluster_domain=cluster.local
equal 'no key and no certificate is another one' "$was" "$(hashes)"
turned_away 'another authority of your own' 'none is replaced by a run' -e "pki_own_ca_certificate=$OWN/other.crt" -e "pki_own_ca_key=$OWN/other.key"
equal 'nothing is another one after it' "$was" "$(hashes)"

echo '-- what was kept for the hosts is lost'
on h1 "rm -r $PKI/nodes"
check 'site.yml takes the hosts their own' site apply
equal 'no host got another one' "$was" "$(hashes)"

# ---------------------------------------------------------------- ends
echo '-- two days left'
check 'certificates with two days left' play apply renew -e renew=all -e pki_days=2
rc=0; out=$(play apply validate 2>&1) || rc=$?
equal 'validate.yml goes through' 0 $rc
for row in 'apiserver.crt h1' 'etcd/server.crt h1' 'front-proxy-client.crt h1' 'kubelet.crt h2' 'kube-proxy.crt h2'; do
    check "it warns of $row" grep -qE "${row% *} +${row#* } +ends" <<<"$out"
done
refuse 'it warns of no authority' grep -qE '^ *"?[^ ]*ca\.crt +h' <<<"$out"
was=$(processes); count; polls_begin; began=$SECONDS
check 'renew.yml goes through' play apply renew
polls_end
equal "renew.yml: no poll failed ($POLLS polls, $KINDS)" 0 "$(($(tr , '\n' <<<"$KINDS" | awk -F: '$1 != "slow" {n += $2} END {print n + 0}')))"
echo "  it took $((SECONDS - began)) s"
equal 'no process is a new one' '' "$(comm -23 <(echo "$was") <(processes))"
check 'the counter is the same' counted
refuse 'validate.yml warns no more' grep -q 'warning: these certificates' <<<"$(play apply validate 2>&1)"
check 'every certificate is signed by its authority, on every host' chains
check 'the kubeconfig here has the new one' eval 'kubectl config view --raw -o jsonpath="{.users[0].user.client-certificate-data}" | base64 -d | openssl x509 -noout -checkend $((300 * 86400))'
quiet 'renew.yml again' renew
converged 'renewed'
refuse 'a name that no certificate has is refused' play apply renew -e renew=nonsense

echo '-- ended'
# What cannot be waited for any more is cut off.
timeout 90 "$BRINGUP" apply -i "$LAB_DIR/inventory.yml" "$REPO/playbooks/renew.yml" -e renew=all -e pki_days=0 >/dev/null 2>&1 || true
refuse 'certificates that have ended' on h1 "openssl x509 -in $PKI/apiserver.crt -noout -checkend 0"
refuse 'the API is believed no more' kubectl --request-timeout=5s get --raw /readyz
check 'site.yml renews them' site apply
check 'the API is believed again' kubectl get --raw /readyz
check 'the counter is the same' counted
check 'every certificate is signed by its authority, on every host' chains
day_ago() { [ "$(date -d "$(on "$1" "openssl x509 -in $PKI/$2 -noout -startdate" | cut -d= -f2)" +%s)" -lt $(($(date +%s) - 86400)) ]; }
check 'they hold from long enough ago for a clock that is a day behind' day_ago h1 apiserver.crt
# The lab's hosts have this machine's clock: what is not apart by less than nothing is apart.
turned_away 'clocks that are apart' "and the workstation's are more than a day apart" -e pki_clock_skew=-1
on h1 "cd $PKI && cp -p front-proxy-ca.crt /root/ && openssl x509 -in front-proxy-ca.crt -signkey front-proxy-ca.key -days -1 -out /root/ended.crt 2>/dev/null && cat /root/ended.crt >front-proxy-ca.crt && ! openssl x509 -in front-proxy-ca.crt -noout -checkend 0"
turned_away 'an authority that has ended' "$PKI/front-proxy-ca.crt on h1 has ended"
on h1 "cp -p /root/front-proxy-ca.crt $PKI/"
converged 'with the authority back'

echo '-- an authority holds longer'
until_when() { on "$1" "openssl x509 -in $PKI/ca.crt -noout -enddate"; }
was=$(until_when h2)
on h1 "cd $PKI && openssl x509 -in ca.crt -signkey ca.key -days 3650 -out new.crt 2>/dev/null && cat new.crt >ca.crt && rm new.crt"
check 'site.yml hands it out' site apply
refuse 'the worker has it' [ "$was" = "$(until_when h2)" ]
check 'every certificate is signed by its authority, on every host' chains
check 'the kubeconfig here believes' kubectl get --raw /readyz
converged 'at the end'
