#!/usr/bin/env bash
# The control plane moves into the cluster and back; it lives there through changes, drift and reboots. `--guide`: 1.20.2 with docker.
# shellcheck disable=SC2016  # what is quoted so is for the hosts' shells
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$HERE/lib_cluster.sh"
. "$HERE/lib_pivot.sh"
GUIDE=''
if [ "${1:-}" = --guide ]; then GUIDE=--guide; lab tpivotg 10.86.0; else lab tpivot 10.85.0; fi

check "lab/quickstart $GUIDE makes a cluster" "$REPO/lab/quickstart" $GUIDE
[ "$FAILED" = 0 ] || { tail -50 "$LAB_DIR/quickstart.log" "$LAB_DIR/apply.log" 2>/dev/null; exit 1; }

echo '-- what would be missing is found before anything is changed'
before=$(processes | grep -E '^h1 .*(kube|etcd)')
rc=0; out=$(play apply pivot -e '{"api_server_extra_args": {"audit-policy-file": "/etc/kubernetes/pki/audit.yaml"}}' 2>&1) || rc=$?
equal 'a file that is not there is refused' 2 $rc
check 'the refusal names it, and who needs it' grep -q '/etc/kubernetes/pki/audit.yaml is not there, and these need it: kube-apiserver' <<<"$(tr -s ' \n' ' ' <<<"${out//│/}")"
rc=0; out=$(play apply pivot -e '{"scheduler_extra_args": {"permit-port-sharing": "false"}}' 2>&1) || rc=$?
equal 'ports that are not shared are refused' 2 $rc
equal 'no process of the control plane is a new one' "$before" "$(processes | grep -E '^h1 .*(kube|etcd)')"
refuse 'no guard was brought' on h1 ls /etc/kubernetes/standby

echo '-- there'
check 'before the pivot plan says that there is much to do' grep -qx 'h1 standby : Start the guard, now and at every boot' <<<"$(play plan pivot --output json 2>/dev/null | python3 "$CHANGES")"
count; polls_begin; began=$SECONDS
check 'pivot.yml goes through' play apply pivot
check 'the self-hosted pods are in charge' within 30 in_charge
polls_end
echo "  $((SECONDS - began)) s; $BAD of $POLLS polls failed, $AWAY s at most without a good answer"
check 'the counter is the same' counted
quiet 'pivot.yml again' pivot
quiet 'site.yml on it' site
check 'validate.yml agrees' play apply validate
check 'keys are for root alone' keys_are_private

echo '-- a DaemonSet changed by hand'
kubectl -n kube-system patch daemonset self-hosted-kube-scheduler --type=json -p '[{"op": "replace", "path": "/spec/template/spec/terminationGracePeriodSeconds", "value": 7}]' >/dev/null
rc=0; out=$(play plan site --exit-code --output json 2>/dev/null | python3 "$CHANGES") || rc=$?
equal 'plan names it' 'h1 control_plane : Bring the DaemonSet in step (kube-scheduler)' "$out"
check 'site.yml puts it right' play apply site
equal 'it is right' 5 "$(kubectl -n kube-system get daemonset self-hosted-kube-scheduler -o jsonpath='{.spec.template.spec.terminationGracePeriodSeconds}')"
check 'the self-hosted pods are in charge' within 120 in_charge
quiet 'site.yml after it' site

echo '-- arguments changed'
change='{"api_server_extra_args": {"v": "1"}, "controller_manager_extra_args": {"v": "1"}, "scheduler_extra_args": {"v": "1"}}'
count; polls_begin; began=$SECONDS
check 'site.yml with other arguments' play apply site -e "$change"
check 'the self-hosted pods are in charge' within 120 in_charge
polls_end
echo "  $((SECONDS - began)) s; $BAD of $POLLS polls failed, $AWAY s at most without a good answer"
equal 'each part has them' 3 "$(on h1 'for p in $(pgrep "kube-(apise|contr|sched)"); do tr "\0" "\n" </proc/$p/cmdline; done' | grep -cx -- --v=1)"
check 'the counter is the same' counted
check "the standby's copy has them" within 60 on h1 'test $(grep -l -- "--v=1" /etc/kubernetes/standby/kube-*.yaml | wc -l) = 3'
quiet 'site.yml after it' site -e "$change"

reboot_and_wait() {
    local title=$1 began=$SECONDS h; shift
    count
    # One after the other is at once here: a power cut takes no time.
    for h; do fleet reboot "$h" & done; wait
    check "$title: the API is back by itself" within 120 kubectl get --raw /readyz
    echo "  after $((SECONDS - began)) s"
    check "$title: the self-hosted pods are in charge again" within 300 in_charge
    echo "  after $((SECONDS - began)) s"
    check "$title: the counter is the same" counted
}
echo '-- reboots'
reboot_and_wait 'the only control-plane host' h1
reboot_and_wait 'all hosts at once' h1 h2 h3
check 'every node is Ready' within 60 all_ready
quiet 'site.yml after it' site -e "$change"

echo '-- back'
count; polls_begin; began=$SECONDS
check 'unpivot.yml goes through' play apply unpivot -e "$change"
polls_end
echo "  $((SECONDS - began)) s; $BAD of $POLLS polls failed, $AWAY s at most without a good answer"
check 'all is as before the pivot' within 60 back_again
check 'the counter is the same' counted
quiet 'unpivot.yml again' unpivot -e "$change"
quiet 'site.yml after it' site -e "$change"
check 'every pod is settled' within 90 pods_settled
