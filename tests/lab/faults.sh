#!/usr/bin/env bash
# bringup is killed at fifty random moments on the way from bare hosts to a cluster, then left to finish.
# shellcheck disable=SC2016  # what is quoted so is for the hosts' shells
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$HERE/lib_cluster.sh"
lab tfaults 10.97.0
KILLS=${KILLS:-50} SEED=${SEED:-$RANDOM}
RANDOM=$SEED; echo "seed $SEED"

"$REPO/lab/releases"; fleet up 3
for ((i = 1; i <= KILLS; i++)); do
    # `exec`: the process to be killed is bringup itself, not a shell that waits for it.
    (exec "$BRINGUP" apply -i "$LAB_DIR/inventory.yml" "$REPO/playbooks/site.yml") >"$LAB_DIR/run.log" 2>&1 </dev/null & pid=$!
    # From at once to some seconds: early moments, and all the later ones as the work proceeds.
    sleep "$((RANDOM % 6)).$((RANDOM % 10))"
    if kill -9 $pid 2>/dev/null; then KILLED=$((${KILLED:-0} + 1)); fi
    wait $pid 2>/dev/null || true
    if grep -q 'another run is at work' "$LAB_DIR/run.log"; then REFUSED=$((${REFUSED:-0} + 1)); fi
done
echo "  killed $KILLED times"
check 'most runs were killed at work' test "${KILLED:-0}" -ge $((KILLS / 2))
equal 'no killed run was taken for a living one' 0 "${REFUSED:-0}"
check 'then it goes through' site apply
check 'the quick start finds a cluster' "$REPO/lab/quickstart"
converged 'afterwards'
check 'three nodes are Ready' all_ready
check 'a pod runs on each host' box_up
check 'they reach each other, services and names' within 60 pods_reach_all
check 'dpkg has nothing left to do' fleet exec all 'test -z "$(dpkg --audit)" && test -z "$(ls /var/lib/dpkg/updates)"'
equal 'no half file and no temporary file is left' '' "$(fleet exec all "find /etc /opt /usr/local /var/lib/bringup /srv /root -xdev \\( -name '.bringup*' -o -name '*.part' -o -name '*.bringup-*' \\) -type f 2>/dev/null" | grep -vE '/(journal|lock|state)' || true)"
