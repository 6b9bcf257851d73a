#!/usr/bin/env bash
# How many round trips and how much time the hundred tasks take on hosts where nothing is to do.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
lab tspeed 10.96.0
export BRINGUP=${BRINGUP:-$REPO/target/release/bringup}
fleet up 10 --light

hundred() { "$BRINGUP" apply -i "$LAB_DIR/inventory.yml" --output json "$@" "$HERE/hundred/hundred.yml" 2>"$LAB_DIR/stderr" </dev/null; }
# figures: reads a run's events; prints hosts that changed, the most round trips of a host, milliseconds
figures() {
    python3 -c 'import json, sys
recap = [e for e in map(json.loads, sys.stdin) if e["event"] == "recap"][-1]
print(sum(h["changed"] for h in recap["hosts"].values()), sum(h["ok"] for h in recap["hosts"].values()),
      max(recap["round_trips"].values()), recap["duration_ms"])'
}
# run TITLE OK MILLISECONDS ARGS..: a converged run; the fastest of three, for the machine may be busy
run() {
    local title=$1 tasks=$2 limit=$3 began changed ok trips ms wall=999999 once; shift 3
    for _ in 1 2 3; do
        began=$(date +%s%N)
        read -r changed ok trips ms < <(hundred "$@" | figures)
        once=$((($(date +%s%N) - began) / 1000000))
        [ $once -ge $wall ] || wall=$once
    done
    echo "  $title: $wall ms in all, $ms ms in the run, $trips round trips"
    equal "$title: nothing changes" "0 $tasks" "$changed $ok"
    check "$title: at most 10 round trips ($trips)" test "$trips" -le 10
    check "$title: at most $limit ms ($wall)" test "$wall" -le "$limit"
    WALL=$wall TRIPS=$trips
}

read -r changed _ < <(hundred | figures)
equal 'the first run does all of it' 1 $((changed > 500))
# The limits leave room for a busy machine; alone it takes a third of them.
run 'one host' 100 1000 -l h1; near=$WALL
run 'ten hosts' 1000 3000
fleet delay 50
run 'one host, 50 ms away' 100 3000 -l h1
# Connecting takes round trips too: TCP, the key exchange, the login, opening the channel. 12 are enough for them.
trips=$(((WALL - near) / 50))
check "the time agrees with the round trips ($trips by the clock, $TRIPS counted)" test "$trips" -le $((TRIPS + 14)) -a "$trips" -ge "$TRIPS"
fleet delay 0
