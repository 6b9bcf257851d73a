#!/usr/bin/env bash
# Attacks of hosts on the workstation, of a host's users on root, and of accidents on what must not be lost: each
# must fail, and the same play must work otherwise. SECURITY.md says what is promised; the subjects are in attacks/.
#
#   tests/lab/attacks.sh [SUBJECT..]    all of them, or only `evaluated`, `orders` …
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$HERE/attacks/lib.sh"
shopt -s lastpipe          # `… | play NAME` sets its status here
lab "${ATTACKS_LAB:-tattack}" "${ATTACKS_NET:-10.98.0}"
export BRINGUP=${BRINGUP:-$REPO/target/release/bringup}
INVENTORY=$LAB_DIR/inventory.yml
work=$(mktemp -d); trap 'end_of_attacks; end_of_test' EXIT
needs python3 curl:curl
fleet up 3 --light
prepare_hosts

SUBJECTS=(evaluated orders fetched shown kubeconfig floods keys identity kept links races archives places lost written bounds listed)
[ $# -gt 0 ] || set -- "${SUBJECTS[@]}"
for subject; do
    echo "---- $subject"; began=$SECONDS
    # shellcheck source=/dev/null
    . "$HERE/attacks/$subject.sh"
    echo "     $((SECONDS - began)) s"
done
