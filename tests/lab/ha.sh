#!/usr/bin/env bash
# Three control-plane hosts and a worker: what the worker's way to the API is like while each of them is restarted, rebooted and cut off, the address that moves,
# backups, and restores into a wrecked plane and onto bare hosts.
# shellcheck disable=SC2016  # what is quoted so is for the hosts' shells
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$HERE/lib_cluster.sh"
. "$HERE/lib_pivot.sh"
lab tha 10.88.0
export LAB_HOSTS=4 LAB_CONTROL_PLANES=3

check 'lab/quickstart makes a cluster with three control-plane hosts' "$REPO/lab/quickstart"
[ "$FAILED" = 0 ] || { tail -50 "$LAB_DIR/quickstart.log" "$LAB_DIR/apply.log" 2>/dev/null; exit 1; }
check 'every pod is settled' within 120 pods_settled
converged 'the second time'

# ---------------------------------------------------------------- each node's balancer
asked_through() { # HOST: its kubelet and kube-proxy know the balancer alone, which is its own process and no root's
    on "$1" 'set -e
        ! grep -h "server:" /etc/kubernetes/kubelet.conf /etc/kubernetes/kube-proxy.conf | grep -v "https://127.0.0.1:7443"
        test "$(ps -o user= -C haproxy | sort -u)" = haproxy
        test "$(systemctl is-active haproxy)" = inactive
        curl -sf --cacert /etc/kubernetes/pki/ca.crt https://127.0.0.1:7443/readyz'
}
for h in h1 h4; do check "$h asks the API by its balancer" asked_through "$h"; done
etcd_programs() { on "$1" 'etcdctl version && etcdutl version'; }
for h in h1 h2 h3; do check "$h has etcd's programs" etcd_programs "$h"; done

# fared TITLE SECONDS [none]: how it did, and that it was not away for longer; `none`: no answer was bad, slow ones apart
fared() {
    local load bad
    polls_end; read -r load _ </proc/loadavg
    echo "  $BAD of $POLLS polls failed ($KINDS), $AWAY s at most without a good answer; load $load"
    if less "$load" $(($(nproc) * 3)); then check "$1: $2 s at most without a good answer" less "$AWAY" "$2"
    else echo '  the machine is too busy to judge the seconds'; fi
    [ -z "${3:-}" ] || { bad=$(tr , '\n' <<<"$KINDS" | grep -vE '^(slow|timeout|-)' || true); equal "$1: no answer was bad" '' "$bad"; }
}
serves() { on "$1" "curl -sf -m 5 --cacert /etc/kubernetes/pki/ca.crt https://$LAB_NET.1${1#h}:6443/readyz"; }
well() { for h in h1 h2 h3; do serves "$h" || return 1; done; }
# Another number of seconds is another pod.
restarted() { on "$1" 'f=/etc/kubernetes/manifests/kube-apiserver.yaml; was=$(pgrep -x kube-apiserver); sed -i "s/periodSeconds: 10$/periodSeconds: 11/;t;s/periodSeconds: 11$/periodSeconds: 10/" $f
    n=0; while [ "$(pgrep -x kube-apiserver | head -1)" = "$was" ] || ! pgrep -x kube-apiserver >/dev/null; do n=$((n + 1)); [ $n -lt 300 ] || exit 1; sleep 0.2; done'; }

echo '-- an API server ends as planned'
for h in h1 h2 h3; do
    # Not /readyz: that is how it says that it is about to end.
    polls h4 https://127.0.0.1:7443/version
    check "$h: its API server is another one" restarted "$h"
    check "$h: it serves again" within 120 serves "$h"
    sleep 3; fared "the API server of $h restarted" 1 none
done
check 'site.yml has put the manifests right' site apply
check 'all serve' within 120 well

echo '-- reboots and cuts'
for h in h1 h2 h3; do
    count; polls h4 https://127.0.0.1:7443/readyz
    check "$h reboots" fleet reboot "$h"
    check "$h: it serves again" within 180 serves "$h"
    fared "$h rebooted" 3; check "$h rebooted: the counter is the same" within 30 counted
    polls h4 https://127.0.0.1:7443/readyz
    fleet cut "$h"; sleep 12; fleet heal "$h"
    check "$h: it serves again after the cut" within 180 serves "$h"
    fared "$h cut off" 3; check 'every node is Ready' within 120 all_ready
done
# A kubelet that starts while nobody listens is told so by its balancer; where its connections just ended it started no static pod for two minutes.
count; check 'all control-plane hosts lose their power' fleet reboot h1 h2 h3
check 'they serve again, by themselves' within 60 well
check 'the counter is the same' within 60 counted; check 'every node is Ready' within 120 all_ready
converged 'after reboots and cuts'

echo '-- a change of servers cuts nobody off'
long() { on h4 'timeout 20 curl -sN --cacert /etc/kubernetes/pki/ca.crt --cert /etc/kubernetes/pki/kubelet-client.crt --key /etc/kubernetes/pki/kubelet-client.key "https://127.0.0.1:7443/api/v1/nodes?watch=1&timeoutSeconds=15" >/dev/null; echo $?'; }
long >"$LAB_DIR/long" & WATCH=$!
sleep 4; check 'the balancer is reloaded' on h4 systemctl reload bringup-balancer; wait $WATCH
equal 'a watch lives on to its own end' 0 "$(cat "$LAB_DIR/long")"

# ---------------------------------------------------------------- an address that moves
echo '-- the virtual address'
VIP=$LAB_NET.100
holders() { fleet exec all "ip -4 -o addr show to $VIP" | cut -d: -f1; }
held_by_another() { local h; for h in h1 h2 h3; do [ "$h" = "$1" ] || ! on "$h" "ip -4 -o addr show to $VIP" | grep -q . || return 0; done; return 1; }
refused 'an address that a node has' 'It must be a free IPv4 address' -e "api_virtual_address=$LAB_NET.14"
refused 'an address of another network' 'It must be a free IPv4 address' -e api_virtual_address=10.99.0.14
refused 'an address that somebody has' 'Somebody answers for' -e "api_virtual_address=$LAB_NET.1"
on h2 'mkdir -p /etc/keepalived; echo "# by hand" >/etc/keepalived/keepalived.conf'
refused "somebody else's keepalived" 'h2 has a keepalived of its own' -e "api_virtual_address=$VIP"
on h2 'rm -r /etc/keepalived'
check 'site.yml brings the address up' site apply -e "api_virtual_address=$VIP"
equal 'one host has it' 1 "$(holders | wc -l)"
h=$(holders); polls - "https://$VIP:6443/version"
fleet cut "$h"; check 'its host is cut off: another one has it' within 30 held_by_another "$h"
fared 'the host of the virtual address cut off' 6
fleet heal "$h"; check 'it is let go where it was' within 60 eval '[ "$(holders | wc -l)" = 1 ]'
h=$(holders); polls - "https://$VIP:6443/version"
check "the API server at it ends as planned" restarted "$h"; sleep 3
fared 'the API server at the virtual address restarted' 3
check 'all serve' within 120 well
check 'site.yml takes it away again' site apply
equal 'nobody has it' '' "$(holders)"

# ---------------------------------------------------------------- backup and restore
echo '-- backup'
BACKUPS=$LAB_DIR/backups
backup() { play apply backup -e "backup_folder=$BACKUPS" "$@"; }
newest() { find "$BACKUPS" -name 'kubernetes-*.tar.gz' | sort | tail -1; }
restore() { play apply restore -e "restore=$1" -e restore_into=kubernetes "${@:2}"; }
wrecked() { local h; for h; do on "$h" 'rm -rf /var/lib/etcd/member; pkill -KILL -x etcd; true'; done; }
# The counter is as at the snapshot, and pods that ran ran on.
as_at_backup() { counted && ! kubectl get configmap later; }
count
check 'backup.yml goes through' backup
FILE=$(newest)
equal 'the archive is for its owner alone' '600 700' "$(stat -c %a "$FILE") $(stat -c %a "$BACKUPS")"
equal 'nothing of it is left on the hosts' '' "$(fleet exec all 'ls /var/lib/bringup/backup 2>/dev/null')"
for f in snapshot.db pki/ca.key pki/etcd/ca.key pki/front-proxy-ca.key pki/sa.key bringup/cluster.json; do check "it has $f" grep -qx $f <(tar -tzf "$FILE"); done
refuse 'it has no key that is a host'"'"'s own' grep -qE '^pki/(kubelet|etcd/server)' <(tar -tzf "$FILE")
refuse 'no secret is in what it prints' eval 'backup -vv 2>&1 | grep -q "PRIVATE KEY"'
sleep 1; check 'as many as shall be are kept' backup -e backup_keep=2
equal 'two are there' 2 "$(find "$BACKUPS" -name '*.tar.gz' | wc -l)"
FILE=$(newest)

refuse 'a restore that is not called by its name is refused' play apply restore -e "restore=$FILE"
head -c 20000 "$FILE" >"$LAB_DIR/half.tar.gz"
refuse 'half an archive is refused' restore "$LAB_DIR/half.tar.gz"
fleet cut h2
refuse 'a control-plane host that cannot be reached is not passed over' restore "$FILE"
fleet heal h2; check 'nothing was touched' within 60 well

echo '-- all data of etcd lost'
BEFORE=$(kubectl get pods -n bringup-check -o jsonpath='{.items[*].metadata.uid}')
kubectl create configmap later --from-literal=a=b >/dev/null
wrecked h1 h2 h3
began=$SECONDS; check 'restore.yml goes through' restore "$FILE"; echo "  it took $((SECONDS - began)) s"
check 'the counter is as at the backup' within 30 as_at_backup
equal 'the pods are the same' "$BEFORE" "$(kubectl get pods -n bringup-check -o jsonpath='{.items[*].metadata.uid}')"
equal 'nothing of the archive is left on the hosts' '' "$(fleet exec all 'ls -d /var/lib/bringup/restore /etc/kubernetes/restore 2>/dev/null')"
converged 'after the restore'

echo '-- the majority lost, and the run killed at work'
kubectl create configmap later --from-literal=a=b >/dev/null
wrecked h2 h3
for after in 3 8 14; do
    "$BRINGUP" apply -i "$LAB_DIR/inventory.yml" "$REPO/playbooks/restore.yml" -e "restore=$FILE" -e restore_into=kubernetes >"$LAB_DIR/run.log" 2>&1 </dev/null & pid=$!
    sleep $after; kill -9 $pid 2>/dev/null || true; wait $pid 2>/dev/null || true
done
check 'restore.yml, killed three times, goes through' restore "$FILE"
check 'the counter is as at the backup' within 30 as_at_backup
check 'what was there before is kept' on h1 'ls -d /var/lib/etcd/before-restore-*/snap'
converged 'after that restore'

echo '-- a self-hosted plane'
check 'pivot.yml goes through' play apply pivot
count; sleep 1; check 'backup.yml goes through' backup; FILE=$(newest)
kubectl create configmap later --from-literal=a=b >/dev/null
wrecked h1 h2 h3
check 'restore.yml goes through' restore "$FILE"
check 'the counter is as at the backup' within 60 as_at_backup
check 'the self-hosted pods are in charge' within 240 self_hosted
quiet 'site.yml after it' site
check 'unpivot.yml goes through' play apply unpivot

echo '-- new hosts'
for h in h1 h2 h3; do on $h 'install -d -m 0750 /etc/own && echo mine >/etc/own/policy.yaml'; done
count; sleep 1; check 'backup.yml goes through' backup -e '{"backup_extra_files": ["/etc/own/policy.yaml"]}'; FILE=$(newest)
kubectl create configmap later --from-literal=a=b >/dev/null
fleet down h1 h2 h3; check 'three bare hosts in the place of the control plane' fleet up 4
check 'restore.yml goes through' restore "$FILE"
check 'the counter is as at the backup' within 60 as_at_backup
check 'every node is Ready' within 120 all_ready
quiet 'site.yml after it' site
for h in h1 h2 h3; do equal "$h has the files of its own, and its root folder is as it was" 'mine 755' "$(on $h 'echo $(cat /etc/own/policy.yaml) $(stat -c %a /)')"; done

echo '-- backups by a timer'
check 'site.yml starts the timer' site apply -e backup_timer=daily -e backup_keep=1
quiet 'the second time' site -e backup_timer=daily -e backup_keep=1
for _ in 1 2; do check 'a host makes a backup by itself' on h2 systemctl start bringup-backup; sleep 1; done
equal 'the last one is kept, for root alone' '1 600' "$(on h2 'cd /var/backups/bringup && echo $(ls | wc -l) $(stat -c %a *)')"
check 'site.yml stops the timer' site apply
refuse 'no timer is there' on h2 systemctl cat bringup-backup.timer

check 'reset.yml takes everything off the hosts' play apply reset -e reset=kubernetes
left() { fleet exec all 'ls -d /etc/kubernetes /var/backups/bringup /etc/systemd/system/bringup-* /etc/systemd/system/haproxy.service 2>/dev/null; pgrep -a haproxy'; }
equal 'nothing of balancers and backups is left' '' "$(left)"
