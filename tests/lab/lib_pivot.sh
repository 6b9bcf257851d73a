# shellcheck shell=bash disable=SC2034  # what is set here is read by the tests
# What the tests of the pivot share.

play() { "$BRINGUP" "$1" -i "$LAB_DIR/inventory.yml" "${PLAYBOOKS:-$REPO/playbooks}/$2.yml" "${@:3}"; }
guard() { on h1 cat /run/bringup-standby/status 2>/dev/null; }
journal() { on h1 "journalctl -u bringup-standby -b --no-pager -o cat${1:+ -n $1}"; }

# The self-hosted pods are in charge, and no static manifest but etcd's is left.
in_charge() {
    [ "$(guard | grep -c ' self-hosted$')" = 3 ] || { guard; return 1; }
    [ "$(on h1 'ls -A /etc/kubernetes/manifests')" = etcd.yaml ] || { on h1 'ls -A /etc/kubernetes/manifests'; return 1; }
    [ "$(kubectl -n kube-system get pods -l bringup/self-hosted --no-headers | awk '$2 == "1/1" && $3 == "Running"' | wc -l)" = 3 ] || { kubectl -n kube-system get pods; return 1; }
}
# The same of three control-plane hosts, as their guards have it.
self_hosted() { [ "$(fleet exec all 'cat /run/bringup-standby/status 2>/dev/null' | grep -c ' self-hosted$')" = 9 ]; }
# All is as it was before the first pivot.
back_again() {
    [ "$(on h1 'ls /etc/kubernetes/manifests' | paste -sd' ')" = 'etcd.yaml kube-apiserver.yaml kube-controller-manager.yaml kube-scheduler.yaml' ] || { on h1 'ls -A /etc/kubernetes/manifests'; return 1; }
    if kubectl -n kube-system get daemonsets,secrets,pods -o name | grep self-hosted; then return 1; fi
    ! on h1 'ls -d /etc/kubernetes/standby /usr/local/sbin/bringup-standby /etc/systemd/system/bringup-standby.service' 2>/dev/null
}

# quiet TITLE PLAYBOOK [OPTIONS]: it changes nothing on any host, and plan agrees with exit status 0
quiet() {
    local title=$1 out rc=0; shift
    out=$(play apply "$@" --output json 2>"$LAB_DIR/stderr") || rc=$?
    equal "$title: apply ends with 0" 0 $rc; [ $rc = 0 ] || tail -20 "$LAB_DIR/stderr"
    equal "$title: apply changes nothing" '' "$(python3 "$CHANGES" <<<"$out")"
    refuse "$title: no runtime waits for a turn" grep -q 'Ask what a restart may cost' <<<"$out"
    rc=0; out=$(play plan "$@" --exit-code --output json 2>"$LAB_DIR/stderr") || rc=$?
    equal "$title: plan ends with 0" 0 $rc; [ $rc = 0 ] || tail -20 "$LAB_DIR/stderr"
    equal "$title: plan names nothing" '' "$(python3 "$CHANGES" <<<"$out")"
}

# ---------------------------------------------------------------- a client that asks all the time
POLL=''
polls_begin() { polls - "https://$LAB_NET.11:6443/readyz"; }
# polls WHERE URL: a client that asks URL all the time, on a host or (WHERE: -) on this machine
polls() {
    local -a there=()
    [ "$1" = - ] || there=(ip netns exec "$LAB_NAME-$1")
    on h1 cat /etc/kubernetes/pki/ca.crt >"$LAB_DIR/ca.crt"; rm -f "$LAB_DIR/polls"
    "${there[@]}" python3 "$HERE/poll.py" "$2" "$LAB_DIR/ca.crt" "$LAB_DIR/polls" & POLL=$!
    within 30 grep -q ' 200$' "$LAB_DIR/polls"
}
# Into POLLS, BAD, AWAY and KINDS: how often it asked, how often in vain, for how many seconds at most there was no good answer, and what the
# bad ones were.
polls_end() {
    kill "$POLL" 2>/dev/null || true; wait "$POLL" 2>/dev/null || true; POLL=''
    read -r POLLS BAD AWAY KINDS < <(python3 "$HERE/poll.py" "$LAB_DIR/polls")
}
less() { awk -v a="$1" -v b="$2" 'BEGIN {exit !(a <= b)}'; }
# answered TITLE SECONDS: says how the client fared, and holds it against what a change may cost: somebody listens all the time, and nothing
# but a starting API server's own 403 and 500 stands between good answers, for 3 s at most. How long a start takes is the machine's doing
# too: one that has more to do than that is not asked for the seconds.
answered() {
    local load may='403|500|slow|-'
    read -r load _ </proc/loadavg
    echo "  $2 s; $BAD of $POLLS polls failed ($KINDS), $AWAY s at most without a good answer; load $load"
    if less "$load" $(($(nproc) * 3)); then check "$1: 3 s at most without a good answer" less "$AWAY" 3
    else may+='|timeout'; echo '  the machine is too busy to judge the seconds'; fi
    equal "$1: nobody was refused or cut off" '' "$(tr , '\n' <<<"$KINDS" | grep -vE "^($may)(:|\$)" || true)"
}

# ---------------------------------------------------------------- what must not be lost
COUNTED=0
count() {
    COUNTED=$((COUNTED + 1))
    printf '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"counter","namespace":"default"},"data":{"count":"%d"}}' $COUNTED >"$LAB_DIR/counter.json"
    within 60 kubectl apply -f "$LAB_DIR/counter.json"
}
counted() { [ "$(kubectl get configmap counter -o jsonpath='{.data.count}')" = "$COUNTED" ]; }
