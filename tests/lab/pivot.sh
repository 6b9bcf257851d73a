#!/usr/bin/env bash
# The control plane moves into the cluster and back; it lives there through drift, other arguments, images and certificates, and reboots. `--guide`: 1.20.2 with docker.
# shellcheck disable=SC2016  # what is quoted so is for the hosts' shells
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$HERE/lib_cluster.sh"
. "$HERE/lib_pivot.sh"
GUIDE=''
if [ "${1:-}" = --guide ]; then GUIDE=--guide; lab tpivotg 10.86.0; else lab tpivot 10.85.0; fi

check "lab/quickstart $GUIDE makes a cluster" "$REPO/lab/quickstart" $GUIDE
[ "$FAILED" = 0 ] || { tail -50 "$LAB_DIR/quickstart.log" "$LAB_DIR/apply.log" 2>/dev/null; exit 1; }

# missing PLAYBOOK: a file that is not there is refused by it, and no process of the control plane is a new one
missing() {
    local before rc=0 out
    before=$(control_plane)
    out=$(play apply "$1" -e '{"api_server_extra_args": {"audit-policy-file": "/etc/kubernetes/pki/audit.yaml"}}' --output json 2>&1) || rc=$?
    equal "$1.yml: a file that is not there is refused" 2 $rc
    check "$1.yml: the refusal names it, and who needs it" grep -q '/etc/kubernetes/pki/audit.yaml is not there, and these need it: kube-apiserver (--audit-policy-file)' <<<"$out"
    equal "$1.yml: no process of the control plane is a new one" "$before" "$(control_plane)"
}
control_plane() { processes | grep -E '^h1 .*(kube-[acs]|etcd)'; }

echo '-- what would be missing is found before anything is changed'
missing pivot
rc=0; out=$(play apply pivot -e '{"scheduler_extra_args": {"permit-port-sharing": "false"}}' 2>&1) || rc=$?
equal 'ports that are not shared are refused' 2 $rc
refuse 'no guard was brought' on h1 ls /etc/kubernetes/standby

echo '-- there'
check 'before the pivot plan says that there is much to do' grep -qx 'h1 standby : Start the guard, now and at every boot' <<<"$(play plan pivot --output json 2>/dev/null | python3 "$CHANGES")"
count; polls_begin; began=$SECONDS
check 'pivot.yml goes through' play apply pivot
check 'the self-hosted pods are in charge' within 30 in_charge
polls_end; answered 'pivot.yml' $((SECONDS - began))
check 'the counter is the same' counted
quiet 'pivot.yml again' pivot
quiet 'site.yml on it' site
check 'validate.yml agrees' play apply validate
check 'keys are for root alone' keys_are_private
missing site

echo '-- the guard has rights of its own'
# may VERB WHAT..: whether the guard's own access is allowed to
may() { on h1 "kubectl --kubeconfig /etc/kubernetes/standby/kubeconfig auth can-i $*" | grep -qx yes; }
check 'it may read the pods' may list pods -n kube-system
check 'and who leads' may get leases/kube-scheduler -n kube-system
for what in 'list secrets -n kube-system' 'get secrets/other -n kube-system' 'get leases/other -n kube-system' 'delete pods -n kube-system' 'list pods -n default' 'get nodes'; do
    refuse "it may not $what" may "$what"
done

echo '-- a DaemonSet changed by hand'
kubectl -n kube-system patch daemonset self-hosted-kube-scheduler --type=json -p '[{"op": "replace", "path": "/spec/template/spec/terminationGracePeriodSeconds", "value": 7}]' >/dev/null
rc=0; out=$(play plan site --exit-code --output json 2>/dev/null | python3 "$CHANGES") || rc=$?
equal 'plan names it' 'h1 control_plane : Bring the DaemonSet in step (kube-scheduler)' "$out"
check 'site.yml puts it right' play apply site
equal 'it is right' 5 "$(kubectl -n kube-system get daemonset self-hosted-kube-scheduler -o jsonpath='{.spec.template.spec.terminationGracePeriodSeconds}')"
check 'the self-hosted pods are in charge' within 120 in_charge
quiet 'site.yml after it' site

# ---------------------------------------------------------------- changes, while a client asks
# What the runs so far have set; each goes on from there.
SET=()
# changed TITLE UNTIL: site.yml with SET does what plan said, and within five minutes UNTIL is true too; a client asks all the time. The
# second time there is nothing to do.
changed() {
    local title=$1 until=$2 plan out began rc=0
    plan=$(play plan site "${SET[@]}" --output json 2>"$LAB_DIR/stderr") || true
    count; polls_begin; began=$SECONDS
    out=$(play apply site "${SET[@]}" --output json 2>"$LAB_DIR/stderr") || rc=$?
    equal "$title: site.yml goes through" 0 $rc; [ $rc = 0 ] || tail -20 "$LAB_DIR/stderr"
    check "$title: it does what plan said" foretold "$plan" "$out"
    check "$title: it is so" within 300 "$until"
    check "$title: the self-hosted pods are in charge" within 120 in_charge
    polls_end; answered "$title" $((SECONDS - began))
    check "$title: the counter is the same" counted
    quiet "$title: site.yml again" site "${SET[@]}"
}

# foretold PLAN RUN: what is changed is what was to change. Behind a task that may touch anything (the restart of a kubelet that does not
# read certificates by itself) plan says of some what they depend on, and no more.
foretold() {
    local said did open
    said=$(python3 "$CHANGES" <<<"$1" | sort) did=$(python3 "$CHANGES" <<<"$2" | sort) open=$(python3 "$CHANGES" depends <<<"$1")
    comm -23 <(echo "$said") <(echo "$did") | sed 's/^/only planned: /' >"$LAB_DIR/foretold"
    comm -13 <(echo "$said") <(echo "$did") | while read -r line; do
        grep -qxF "${line% (*}" <<<"$open" || echo "only done: $line"
    done >>"$LAB_DIR/foretold"
    [ ! -s "$LAB_DIR/foretold" ] || { cat "$LAB_DIR/foretold"; return 1; }
}
parts() { on h1 'for p in $(pgrep "kube-(apise|contr|sched)"); do tr "\0" "\n" </proc/$p/cmdline; done'; }
have_arguments() {
    [ "$(parts | grep -cx -- --v=1)" = 3 ] || { parts; return 1; }
    on h1 'test $(grep -l -- "--v=1" /etc/kubernetes/standby/kube-*.yaml | wc -l) = 3' || { echo "the standby's copies have not"; return 1; }
}
# have_image NAME: each part is a process of it, and so is the standby's copy
have_image() {
    local images
    images=$(kubectl -n kube-system get pods -l bringup/self-hosted -o jsonpath='{range .items[*]}{.spec.containers[0].image}{"\n"}{end}') || return 1
    [ "$images" = "$1"$'\n'"$1"$'\n'"$1" ] || { echo "$images"; return 1; }
    on h1 "test \$(grep -lF '\"$1\"' /etc/kubernetes/standby/kube-*.yaml | wc -l) = 3" || { echo "the standby's copies have not"; return 1; }
}
have_other_image() { have_image lab.local/kubernetes:other; }
have_own_image()   { have_image "$OWN_IMAGE"; }
OWN_IMAGE=$(kubectl -n kube-system get pods -l bringup/self-hosted=kube-apiserver -o jsonpath='{.items[0].spec.containers[0].image}')

# The certificate that the API server shows.
shown() { openssl s_client -connect "$LAB_NET.11:6443" </dev/null 2>/dev/null | openssl x509 -noout "$@"; }
# What is on the host's disk is what the API server shows, what each part's process finds, and what the standby keeps.
have_certificates() {
    [ "$(shown -serial)" = "$(on h1 cat /etc/kubernetes/pki/apiserver.crt | openssl x509 -noout -serial)" ] || { echo 'the API server shows another certificate'; return 1; }
    # shellcheck disable=SC2087
    on h1 'rc=0
        same() { cd "$1" && find -L . -name "..?*" -prune -o -type f -print | while read -r f; do cmp "$f" "/etc/kubernetes/pki/$f" || exit 1; done; }
        for p in $(pgrep "kube-(apise|contr|sched)"); do same "/proc/$p/root/etc/kubernetes/pki" || rc=1; done
        for d in /etc/kubernetes/standby/secrets/*/; do [ ! -d "$d" ] || same "$d" || rc=1; done
        exit $rc'
}
far_from_end() { shown -checkend $((300 * 86400)); }
named()        { shown -checkhost "$1" | grep -v NOT | grep 'does match'; }
kept()         { [ "$(on h1 'ls -A /etc/kubernetes/standby/secrets 2>/dev/null | grep -c ^self' || true)" = "$1" ]; }

# renewed FROM NAME: all certificates are near their end, and the API server shall answer to another name
renewed() {
    local was
    check "certificates near their end: site.yml goes through" play apply site "${SET[@]}" -e pki_days=20 -e pki_renew_days=400
    refuse 'the certificate on the disk is near its end' eval 'on h1 cat /etc/kubernetes/pki/front-proxy-client.crt | openssl x509 -noout -checkend $((300 * 86400))'
    was=$(control_plane)
    SET+=(-e "{\"api_extra_names\": [\"$2\"]}")
    changed "certificates renewed, from $1" have_certificates
    check 'the API server shows the new certificate' far_from_end
    check 'and it holds for the other name' named "$2"
    equal 'no process of the control plane is a new one' "$was" "$(control_plane)"
}

echo '-- arguments changed'
SET+=(-e '{"api_server_extra_args": {"v": "1"}, "controller_manager_extra_args": {"v": "1"}, "scheduler_extra_args": {"v": "1"}}')
changed 'arguments' have_arguments
echo '-- another image'
BEFORE=("${SET[@]}"); SET+=(-e unified_control_plane_image=lab.local/kubernetes:other)
changed 'another image' have_other_image
echo '-- certificates renewed'
renewed 'the host' api.one.test
echo '-- certificates from Secrets'
SET+=(-e self_hosted_certificates=secrets)
changed 'certificates from Secrets' have_certificates
check "the standby keeps each part's" within 60 kept 3
equal "the authority's key is in no Secret" '' "$(kubectl get secrets -A -o jsonpath='{range .items[*]}{.data}{"\n"}{end}' | grep -o '"ca.key"' || true)"
refuse "nor is it kept by the standby" on h1 'find /etc/kubernetes/standby -name ca.key | grep .'
# signed: what is asked for through the API is signed all the same
signed() {
    local request
    request=$(openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout /dev/null -subj /CN=tester 2>/dev/null | base64 -w0)
    printf '{"apiVersion":"certificates.k8s.io/v1","kind":"CertificateSigningRequest","metadata":{"name":"tester"},"spec":{"request":"%s","signerName":"kubernetes.io/kube-apiserver-client","usages":["client auth"]}}' "$request" >"$LAB_DIR/request.json"
    kubectl apply -f "$LAB_DIR/request.json" && kubectl certificate approve tester &&
        within 30 eval '[ -n "$(kubectl get csr tester -o jsonpath="{.status.certificate}")" ]' && kubectl delete csr tester
}
check 'what is asked for through the API is signed' signed
echo '-- a Secret changed by hand'
kubectl -n kube-system patch secret self-hosted-kube-scheduler -p '{"data": {"kube-scheduler.client.crt": "bm8="}}' >/dev/null
# Which of them is not told: the task has keys in its hands.
equal 'plan names it' 'h1 self_hosted : Bring them into Secrets, one for each part (censored)' "$(play plan site "${SET[@]}" --output json 2>/dev/null | python3 "$CHANGES")"
check 'site.yml puts it right' play apply site "${SET[@]}"
check 'it is right' within 180 have_certificates
echo '-- another image, certificates from Secrets'
SET=("${BEFORE[@]}" -e self_hosted_certificates=secrets -e '{"api_extra_names": ["api.one.test"]}')
changed 'another image, certificates from Secrets' have_own_image
echo '-- certificates renewed, in Secrets'
renewed 'Secrets' api.two.test
check 'keys are for root alone' keys_are_private
echo '-- certificates from the host again'
SECRETS=("${SET[@]}"); SET+=(-e self_hosted_certificates=host)
changed 'certificates from the host again' have_certificates
equal 'no Secret is left' '' "$(kubectl -n kube-system get secrets -o name | grep self-hosted)"
check 'nor a copy of the standby' within 60 kept 0
echo '-- and from Secrets'
SET=("${SECRETS[@]}")
changed 'and from Secrets' have_certificates
check "the standby keeps each part's again" within 60 kept 3

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
check 'the certificates are the new ones' within 60 have_certificates
quiet 'site.yml after it' site "${SET[@]}"

echo '-- back'
count; polls_begin; began=$SECONDS
check 'unpivot.yml goes through' play apply unpivot "${SET[@]}"
polls_end; answered 'unpivot.yml' $((SECONDS - began))
equal "nothing is left of the guard's rights" '' "$(kubectl get clusterroles,clusterrolebindings,roles,rolebindings -A -o name | grep bringup:standby || true)"
check 'all is as before the pivot' within 60 back_again
check 'the counter is the same' counted
quiet 'unpivot.yml again' unpivot "${SET[@]}"
quiet 'site.yml after it' site "${SET[@]}"
check 'every pod is settled' within 90 pods_settled
