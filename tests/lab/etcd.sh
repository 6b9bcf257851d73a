#!/usr/bin/env bash
# Where a cluster's objects may be: in an etcd that somebody else runs, and in one with five members.
# shellcheck disable=SC2016  # what is quoted so is for the hosts' shells
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$HERE/lib_cluster.sh"
. "$HERE/lib_pivot.sh"
lab tetcd 10.93.0

# ---------------------------------------------------------------- one of somebody else's, beside the hosts
URL=https://$LAB_NET.1:2379 FILES=$LAB_DIR/etcd
# signed AUTHORITY NAME EXTENSIONS: a key and a certificate of that authority
signed() {
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$FILES/$2.key" -subj "/CN=$2" 2>/dev/null |
        openssl x509 -req -CA "$FILES/$1.crt" -CAkey "$FILES/$1.key" -days 2 -extfile <(echo "$3") -out "$FILES/$2.crt" 2>/dev/null
}
authority() { openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$FILES/$1.key" -subj "/CN=$1" -days 2 -out "$FILES/$1.crt" 2>/dev/null; }
etcd_starts() {
    "$FILES/etcd" --name theirs --data-dir "$FILES/data" --listen-client-urls "$URL" --advertise-client-urls "$URL" --listen-peer-urls http://127.0.0.1:23893 --initial-advertise-peer-urls http://127.0.0.1:23893 \
        --initial-cluster theirs=http://127.0.0.1:23893 --client-cert-auth --trusted-ca-file "$FILES/theirs.crt" --cert-file "$FILES/server.crt" --key-file "$FILES/server.key" >>"$FILES/log" 2>&1 &
    ETCD=$!
}
etcd_ends() { [ -z "${ETCD:-}" ] || { kill "$ETCD"; wait "$ETCD" || true; ETCD=; } 2>/dev/null; }
trap 'rc=$?; set +e; etcd_ends; (exit $rc); end_of_test' EXIT
asked() { "$FILES/etcdctl" --endpoints="$URL" --cacert="$FILES/theirs.crt" --cert="$FILES/client.crt" --key="$FILES/client.key" "$@"; }
# count_keys PREFIX
count_keys() { asked get --prefix --keys-only "$1" | grep -c . || true; }

check 'two bare hosts' fleet up 2
check 'the release files' "$REPO/lab/releases"
mkdir -p "$FILES"
check "etcd's programs" tar -xf "$LAB_DIR"/releases/etcd-*.tar.gz -C "$FILES" --strip-components=1
authority theirs; authority others
signed theirs server "subjectAltName=IP:$LAB_NET.1"; signed theirs client 'extendedKeyUsage=clientAuth'; signed others stranger 'extendedKeyUsage=clientAuth'
on h1 'mkdir -m 700 /etc/etcd-client'
check 'the files of a client' scp -q -F "$LAB_DIR/ssh_config" "$FILES"/{theirs.crt,client.crt,client.key,stranger.crt,stranger.key} h1:/etc/etcd-client/
external() { echo "etcd_external: {endpoints: [$URL], ca: /etc/etcd-client/theirs.crt, certificate: /etc/etcd-client/${1:-client}.crt, key: /etc/etcd-client/${1:-client}.key}" >"$LAB_DIR/group_vars/all/this.yml"; }

# not_well TITLE WORDS: the check `etcd` finds it, and nothing is changed
not_well() {
    local out rc=0
    out=$(COLUMNS=400 site apply 2>&1) || rc=$?
    equal "$1: it is refused" 2 $rc
    check "$1: it says why" grep -qF -- "$2" <<<"$(grep -E '"h1 +etcd +error' <<<"$out")"
    check "$1: nothing is changed" grep -q 'nothing changed' <<<"$out"
}

external
not_well 'where nobody listens' "no good answer from $URL"
etcd_starts
check 'etcd answers' within 20 asked endpoint health
external nobody; not_well 'files that are not there' "no good answer from $URL"
external stranger; not_well 'a certificate of another authority' "no good answer from $URL"
external
asked put /registry/namespaces/theirs x >/dev/null
not_well "objects of another cluster" "$URL holds a cluster already: 1 objects below /registry"
equal 'they are as they were' 'x' "$(asked get --print-value-only /registry/namespaces/theirs)"

# Beside the other cluster's.
echo 'api_server_extra_args: {etcd-prefix: /ours}' >>"$LAB_DIR/group_vars/all/this.yml"
check 'a cluster with a prefix of its own' env LAB_HOSTS=2 "$REPO/lab/quickstart"
[ "$FAILED" = 0 ] || { tail -60 "$LAB_DIR/apply.log"; exit 1; }
check 'its objects are there' test "$(count_keys /ours/)" -gt 100
equal "the other's are as they were" 1 "$(count_keys /registry/)"
equal 'no etcd runs on the hosts' '' "$(fleet exec all 'pgrep -x etcd; ls /var/lib/etcd /etc/kubernetes/manifests/etcd.yaml 2>/dev/null')"
check 'pods run' box_up
check 'they reach each other, services and names' within 60 pods_reach_all
box_down >/dev/null
converged 'the second time'
refused 'another etcd for a cluster that runs' '`etcd_external` was' -e '{"etcd_external": {"endpoints": ["https://192.0.2.9:2379"], "ca": "/x", "certificate": "/x", "key": "/x"}}'
refused 'none any more' '`etcd_external` was' -e '{"etcd_external": {}}'
backup() { "$BRINGUP" apply -i "$LAB_DIR/inventory.yml" "$REPO/playbooks/backup.yml"; }
check 'backup.yml says whose it is' grep -q 'an etcd of your own' <<<"$(backup 2>&1)"
validate() { "$BRINGUP" apply -i "$LAB_DIR/inventory.yml" -e nodes_ready_timeout=5 -e validate_timeout=3 "$REPO/playbooks/validate.yml"; }
etcd_ends
refuse 'without it validate.yml is not content' validate
etcd_starts
check 'with it again it is' within 90 validate
check 'h1 reboots' fleet reboot h1
check 'the cluster works' within 120 validate
converged 'after that'
check 'reset.yml' "$BRINGUP" apply -i "$LAB_DIR/inventory.yml" -e reset=kubernetes "$REPO/playbooks/reset.yml"
check 'nothing is left of it on the hosts' nothing_left
check 'what is in somebody else'"'"'s etcd stays' test "$(count_keys /ours/)" -gt 100
not_well 'a new cluster is not made of an old one' 'objects below /ours'
asked del --prefix /ours/ >/dev/null
check 'without those it is made' site apply
check 'every node is Ready' within 60 all_ready
etcd_ends
"$REPO/lab/down"

# ---------------------------------------------------------------- five members
echo '-- five members'
export LAB_HOSTS=5 LAB_CONTROL_PLANES=5
check 'a cluster of five control-plane hosts' "$REPO/lab/quickstart"
[ "$FAILED" = 0 ] || { tail -60 "$LAB_DIR/apply.log"; exit 1; }
equal 'all five have a vote' 'h1 h2 h3 h4 h5' "$(members h1)"
converged 'five, the second time'
works() { "$BRINGUP" apply -i "$LAB_DIR/inventory.yml" "$REPO/playbooks/validate.yml"; }
check 'validate.yml' works
count
fleet cut h1; fleet cut h2
written() { kubectl --server "https://$(addr h4):6443" create configmap "written-$RANDOM" -n default; }
check 'two of them are away: the others still write' within 60 written
fleet heal h1; fleet heal h2
check 'they come back' within 120 works
check 'the counter is the same' within 30 counted
converged 'five, after that'
