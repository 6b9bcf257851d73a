# shellcheck shell=bash disable=SC2034  # what is set here is read by the tests
# What the tests on lab hosts share. Each makes a lab of its own and removes it, whatever happens.
set -euo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
REPO=$(cd "$HERE/../.." && pwd)
PASSED=0 FAILED=0

# lab NAME NET: the lab of this test
lab() {
    export LAB_NAME=$1 LAB_NET=$2 LAB_DIR=/var/lib/bringup-$1
    if [ -d "$LAB_DIR" ]; then "$REPO/lab/down"; fi
    trap 'end_of_test' EXIT
}
end_of_test() {
    local rc=$?
    if [ $rc = 0 ] && [ "$FAILED" = 0 ] && [ "$PASSED" -gt 0 ]; then
        [ -n "${KEEP:-}" ] || "$REPO/lab/down"
    else
        # Enough of the hosts' words to find the reason afterwards.
        evidence || true
        [ -n "${KEEP:-}" ] || "$REPO/lab/down"
    fi
    echo "$PASSED passed, $FAILED failed"
    [ "$FAILED" = 0 ] && [ "$PASSED" -gt 0 ] && exit $rc
    exit 1
}
evidence() {
    local h
    for h in $(cd "$LAB_DIR/hosts" 2>/dev/null && echo h*); do
        [ ! -e "$LAB_DIR/hosts/$h/upper/.light" ] || continue
        echo "---- $h"
        timeout 20 "$REPO/lab/fleet" exec "$h" 'systemctl --failed --no-legend; journalctl -n 60 --no-pager -o cat -p 5; ls -l /etc/kubernetes/manifests 2>/dev/null' | tail -80
    done
}

# check TITLE COMMAND..: the command succeeds
check() {
    local title=$1 out; shift
    if out=$("$@" 2>&1); then
        PASSED=$((PASSED + 1)); echo "ok: $title"
    else
        FAILED=$((FAILED + 1)); echo "FAILED: $title: $*"; tail -n 40 <<<"$out" | sed 's/^/    /'
    fi
}
# refuse TITLE COMMAND..: the command fails
refuse() { local title=$1; shift; check "$title" not "$@"; }
not() { ! "$@"; }
# equal TITLE WANTED GOT
equal() {
    if [ "$2" = "$3" ]; then
        PASSED=$((PASSED + 1)); echo "ok: $1"
    else
        FAILED=$((FAILED + 1)); echo "FAILED: $1"; diff <(echo "$2") <(echo "$3") | head -40 | sed 's/^/    /' || true
    fi
}
# within SECONDS COMMAND..: succeeds before the time is over
within() {
    local end=$((SECONDS + $1)); shift
    until "$@" >/dev/null 2>&1; do
        [ $SECONDS -lt $end ] || { "$@"; return 1; }
        sleep 0.3
    done
}
fleet() { "$REPO/lab/fleet" "$@"; }
on() { local h=$1; shift; ssh -F "$LAB_DIR/ssh_config" -n "$h" "$@"; }
