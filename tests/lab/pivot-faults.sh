#!/usr/bin/env bash
# Everything that can go wrong around a self-hosted control plane, ten times over: after each, the cluster serves again with no hand on
# the hosts or with one more run, and nothing is lost. `--guide`: 1.20.2 with docker. ROUNDS and SEED can be set.
# shellcheck disable=SC2016  # what is quoted so is for the hosts' shells
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$HERE/lib_cluster.sh"
. "$HERE/lib_pivot.sh"
GUIDE='' RUNTIME=containerd
if [ "${1:-}" = --guide ]; then GUIDE=--guide RUNTIME=dockerd; lab tpfaultg 10.84.0; else lab tpfault 10.83.0; fi
ROUNDS=${ROUNDS:-10} SEED=${SEED:-$RANDOM}
RANDOM=$SEED; echo "seed $SEED, $ROUNDS rounds"

check "lab/quickstart $GUIDE makes a cluster" "$REPO/lab/quickstart" $GUIDE
[ "$FAILED" = 0 ] || { tail -50 "$LAB_DIR/quickstart.log" "$LAB_DIR/apply.log" 2>/dev/null; exit 1; }
FIGURES=$LAB_DIR/figures; : >"$FIGURES"
serves() { kubectl get --raw /readyz; }

# ---------------------------------------------------------------- what is done
random_part() { local -a parts=(kube-scheduler kube-controller-manager kube-apiserver); echo "${parts[RANDOM % 3]}"; }
kill_api()      { on h1 'kill -9 $(pgrep -x kube-apiserver)'; }
kill_kubelet()  { on h1 'kill -9 $(pgrep -x kubelet)'; }
kill_runtime()  { on h1 "kill -9 \$(pgrep -x $RUNTIME)"; }
power_cut()     { fleet reboot h1; }
reboot_inside() { on h1 'systemctl reboot' || true; sleep 3; }
all_cut()       { local h pids=(); for h in h1 h2 h3; do fleet reboot $h & pids+=($!); done; wait "${pids[@]}"; }
no_scheduler()  { kubectl -n kube-system delete pod -l bringup/self-hosted=kube-scheduler --wait=false; }
no_api_pod()    { kubectl -n kube-system delete pod -l bringup/self-hosted=kube-apiserver --wait=false; }
no_daemonset()  { kubectl -n kube-system delete daemonset "self-hosted-$1" --wait=false; }
no_secret()     { kubectl -n kube-system delete secret self-hosted-kube-apiserver; }
no_network()    { fleet cut h1; sleep 60; fleet heal h1; }
no_guard()      { on h1 'kill -9 $(pgrep -f "[b]ringup-standby run" | head -1); kill -9 $(pgrep -x kube-scheduler)'; }

# fault TITLE COMMAND..: within five minutes the self-hosted pods are in charge again, by themselves or after one run of site.yml
fault() {
    local title=$1 began rc=0 by=itself; shift
    count; polls_begin; began=$SECONDS
    "$@" >"$LAB_DIR/fault.out" 2>&1 || rc=1
    check "$title: is done" test $rc = 0
    if [ $rc != 0 ]; then cat "$LAB_DIR/fault.out"; polls_end; return; fi
    # What takes a moment to show.
    sleep 5
    case $title in
        *'deleted by hand'*)
            check "$title: the API serves meanwhile" within 120 serves
            by='one run'; check "$title: site.yml puts it right" within 1 play apply site "${OPTIONS[@]}" ;;
    esac
    within 300 in_charge >"$LAB_DIR/fault.out" 2>&1 || rc=1
    local healed=$((SECONDS - began))
    polls_end
    check "$title: the self-hosted pods are in charge again" test $rc = 0
    if [ $rc != 0 ]; then cat "$LAB_DIR/fault.out"; journal 30; on h1 'ls -A /etc/kubernetes/manifests; cat /etc/kubernetes/standby/wanted'; fi
    check "$title: the counter is the same" within 30 counted
    echo "  by $by: $AWAY s without the API, $healed s to full self-hosting"
    echo "fault $AWAY $healed $title" >>"$FIGURES"
}

# killed PLAYBOOK: the run is killed at a random moment; the API serves, and the next run goes through.
killed() {
    local pid after=$((RANDOM % 60)) dead=no
    count; polls_begin
    # By itself: of a function in the background only its shell would be killed.
    "$BRINGUP" apply -i "$LAB_DIR/inventory.yml" "$REPO/playbooks/$1.yml" "${OPTIONS[@]}" >"$LAB_DIR/run.log" 2>&1 </dev/null & pid=$!
    sleep $after
    if kill -9 $pid 2>/dev/null; then dead=yes; KILLED=$((KILLED + 1)); fi
    wait $pid 2>/dev/null || true
    # Whatever was under way may go on by itself for a while.
    sleep $((RANDOM % 20))
    check "$1 killed after $after s ($dead): the API serves" within 60 serves
    check "$1 killed after $after s ($dead): the next run goes through" play apply "$1" "${OPTIONS[@]}"
    polls_end
    check "$1 killed after $after s: the counter is the same" within 30 counted
    echo "  $BAD of $POLLS polls failed, $AWAY s at most without a good answer"
    echo "$1 $AWAY 0 killed" >>"$FIGURES"
}

# ---------------------------------------------------------------- what lasts is on the disk before it is relied on
synced() {
    local d=$LAB_DIR/synced
    rm -rf "$d"; mkdir -p "$d"/{standby,manifests,run,proc/net}
    printf 'NODE=h1\nMANIFESTS=%s\nAPI=https://127.0.0.1:1\nAPI_PART=kube-apiserver\nPARTS=kube-apiserver:6443:-\nKUBECTL=false\n' "$d/manifests" >"$d/standby/settings"
    echo kube-apiserver=self-hosted >"$d/standby/wanted"; echo manifest >"$d/standby/kube-apiserver.yaml"
    local at
    for at in 100 110; do
        echo "$at.0 0" >"$d/proc/uptime"
        STANDBY_DIR=$d/standby STANDBY_RUN=$d/run STANDBY_PROC=$d/proc strace -f -e trace=fsync,rename,renameat,renameat2 -o "$d/trace" \
            sh "$REPO/playbooks/roles/standby/files/bringup-standby" once
    done
    cat "$d/trace"
    # The file, then its new name, then the folder.
    [ "$(grep -oE 'fsync|rename[a-z0-9]*\(.*manifests' "$d/trace" | sed 's/rename.*/rename/' | grep -A2 -B1 -m1 rename | paste -sd' ')" = 'fsync rename fsync' ]
}
need_strace() { command -v strace >/dev/null || { apt-get update -qq; apt-get install -y -qq strace; } >/dev/null 2>&1; }
check 'strace is there' need_strace
check 'a manifest is on the disk before it has its name, and its name after it' synced

# ---------------------------------------------------------------- the rounds
# Half of the rounds have certificates in Secrets.
KILLED=0
for ((round = 1; round <= ROUNDS; round++)); do
    OPTIONS=(); [ $((round % 2)) = 1 ] || OPTIONS=(-e self_hosted_certificates=secrets)
    echo "-- round $round ${OPTIONS[*]-}"
    killed pivot
    check 'the self-hosted pods are in charge' within 60 in_charge
    # Two faults and a reboot each round, so that all of them come by.
    case $((round % 5)) in
        1) fault 'kill -9 of the API server' kill_api; fault 'the only scheduler deleted' no_scheduler; fault 'power cut of the control-plane host' power_cut ;;
        2) fault 'kill -9 of the kubelet' kill_kubelet; [ ${#OPTIONS[@]} = 0 ] || fault 'a Secret deleted by hand' no_secret; fault 'power cut of all hosts' all_cut ;;
        3) fault "kill -9 of $RUNTIME" kill_runtime; fault 'a DaemonSet deleted by hand' no_daemonset "$(random_part)"; fault 'reboot of the control-plane host' reboot_inside ;;
        4) fault 'network of the control-plane host cut for a minute' no_network; fault "the API server's pod deleted" no_api_pod; fault 'power cut of the control-plane host' power_cut ;;
        0) fault 'kill -9 of the guard and the scheduler' no_guard; fault 'a DaemonSet deleted by hand' no_daemonset kube-apiserver; fault 'power cut of all hosts' all_cut ;;
    esac
    quiet "round $round, site.yml" site "${OPTIONS[@]}"
    killed unpivot
    check 'all is as before the pivot' within 60 back_again
done
check 'most runs were killed at work' test "$KILLED" -ge "$ROUNDS"

echo '-- figures: seconds without the API, seconds to full self-hosting'
python3 - "$FIGURES" <<'END'
import statistics, sys
rows = {}
for line in open(sys.argv[1]):
    kind, away, healed, title = line.rstrip("\n").split(" ", 3)
    name = title if kind == "fault" else kind + " killed, and run again"
    rows.setdefault(name, []).append((float(away), int(healed)))
    rows.setdefault("all faults" if kind == "fault" else "all runs", []).append((float(away), int(healed)))
    if "power cut" in title or "reboot" in title:
        rows.setdefault("all reboots", []).append((float(away), int(healed)))
print("%-55s %5s %8s %6s %8s %6s" % ("", "times", "median", "max", "median", "max"))
for name, figures in sorted(rows.items()):
    away, healed = zip(*figures)
    print("%-55s %5d %8.1f %6.1f %8.0f %6d" % (name, len(figures), statistics.median(away), max(away), statistics.median(healed), max(healed)))
END
