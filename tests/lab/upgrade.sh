#!/usr/bin/env bash
# A cluster of three control-plane hosts and a worker goes from one minor release to the next, while clients ask its API and an application in it. It is
# cut off half-way, and goes on. What is no step is refused. `--pivoted`: its control plane is self-hosted.
# shellcheck disable=SC2016  # what is quoted so is for the hosts' shells
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$HERE/lib_cluster.sh"
. "$HERE/lib_pivot.sh"
PIVOTED=${1:-}
if [ -n "$PIVOTED" ]; then lab tupgradp 10.74.0; else lab tupgrade 10.78.0; fi
FROM=1.35.4 TO=1.36.3

"$REPO/lab/releases" --all >/dev/null
export LAB_HOSTS=4 LAB_CONTROL_PLANES=3
# Read after lab.yml: its name is behind.
mkdir -p "$LAB_DIR/group_vars/all"; echo "kubernetes_version: $FROM" >"$LAB_DIR/group_vars/all/version.yml"
check "a cluster of $FROM" "$REPO/lab/quickstart"
[ "$FAILED" = 0 ] || { tail -50 "$LAB_DIR/quickstart.log" "$LAB_DIR/apply.log" 2>/dev/null; exit 1; }
equal 'its version' "v$FROM containerd://2.3.7" "$(versions)"

# A web application as its people would write it: two of them, one of which must run, and which finish what they have begun.
application() {
    kubectl apply -f - <<-'END'
	apiVersion: apps/v1
	kind: Deployment
	metadata: {name: web, namespace: default}
	spec:
	  replicas: 2
	  selector: {matchLabels: {app: web}}
	  template:
	    metadata: {labels: {app: web}}
	    spec:
	      topologySpreadConstraints:
	        - {maxSkew: 1, topologyKey: kubernetes.io/hostname, whenUnsatisfiable: ScheduleAnyway, labelSelector: {matchLabels: {app: web}}}
	      terminationGracePeriodSeconds: 20
	      containers:
	        - name: web
	          image: lab.local/box:1
	          imagePullPolicy: Never
	          command: [/bin/sh, -c, 'mkdir -p /www; echo web > /www/index.html; trap "sleep 8; exit 0" TERM; httpd -f -p 8080 -h /www & wait; wait']
	          ports: [{containerPort: 8080}]
	          readinessProbe: {httpGet: {path: /, port: 8080}, periodSeconds: 1}
	---
	apiVersion: policy/v1
	kind: PodDisruptionBudget
	metadata: {name: web, namespace: default}
	spec: {minAvailable: 1, selector: {matchLabels: {app: web}}}
	---
	apiVersion: v1
	kind: Service
	metadata: {name: web, namespace: default}
	spec: {type: NodePort, selector: {app: web}, ports: [{port: 80, targetPort: 8080, nodePort: 30081}]}
	END
    kubectl rollout status deployment/web --timeout=120s
}
check 'an application runs in it' application
count
if [ -n "$PIVOTED" ]; then
    check 'pivot.yml goes through' play apply pivot
    check 'the self-hosted pods are in charge' within 60 self_hosted
fi

echo '-- what is no step'
upgrade() { "$BRINGUP" "$1" -i "$LAB_DIR/inventory.yml" "$REPO/playbooks/upgrade.yml" "${@:2}"; }
# no_step TITLE WORDS OPTIONS..: upgrade.yml with OPTIONS ends with 2 and says WORDS
no_step() {
    local out rc=0
    out=$(upgrade plan --output json "${@:3}" 2>"$LAB_DIR/stderr") || rc=$?
    equal "$1: it is refused" 2 $rc
    check "$1: it says why" grep -qF -- "$2" <<<"$(python3 "$CHANGES" words <<<"$out")"
}
refused 'site.yml leads to upgrade.yml' 'by playbooks/upgrade.yml' -e kubernetes_version=$TO
no_step 'there is no way down' 'there is no way down' -e kubernetes_version=1.34.9
# Nothing newer than the release to come is known: the cluster is said to be older.
no_step 'releases are not skipped' 'releases are not skipped' -e kubernetes_version=$TO -e '{"cluster_remembered": {"founded": true, "kubernetes_version": "1.34.1"}}'
equal 'nothing has been touched' "v$FROM containerd://2.3.7" "$(versions)"

[ -n "$PIVOTED" ] || check 'a backup of before' play apply backup -e "backup_folder=$LAB_DIR/backups"
echo "-- from $FROM to $TO"
echo "kubernetes_version: $TO" >"$LAB_DIR/group_vars/all/version.yml"
rc=0; upgrade plan --exit-code >"$LAB_DIR/plan.out" 2>&1 || rc=$?
equal 'plan says what would be done' 3 $rc; [ $rc = 3 ] || tail -30 "$LAB_DIR/plan.out"
equal 'and does nothing' "v$FROM containerd://2.3.7" "$(versions)"
WEB=''
python3 "$HERE/poll.py" "http://$LAB_NET.14:30081/" - "$LAB_DIR/web.polls" & WEB=$!
polls h4 https://127.0.0.1:7443/readyz; began=$SECONDS
# Cut off somewhere in its middle.
(exec "$BRINGUP" apply -i "$LAB_DIR/inventory.yml" "$REPO/playbooks/upgrade.yml") >"$LAB_DIR/upgrade.log" 2>&1 </dev/null & pid=$!
within 600 on h1 "grep -q 'kubernetes:v$TO' /etc/kubernetes/manifests/kube-apiserver.yaml /etc/kubernetes/standby/kube-apiserver.yaml 2>/dev/null" || true
sleep 3; kill -9 $pid 2>/dev/null || true; wait $pid 2>/dev/null || true
check 'upgrade.yml goes on from where it was cut off' upgrade apply
polls_end; kill $WEB; wait $WEB 2>/dev/null || true
read -r polls bad away kinds < <(python3 "$HERE/poll.py" "$LAB_DIR/web.polls")
echo "  $((SECONDS - began)) s; API: $BAD of $POLLS polls failed ($KINDS), $AWAY s at most; application: $bad of $polls failed ($kinds), $away s at most"
equal 'the application answered always' '' "$(tr , '\n' <<<"$kinds" | grep -vE '^(slow|-)' || true)"
equal 'every node runs the new release' "v$TO containerd://2.3.7" "$(versions)"
check 'the counter is the same' counted
check 'no node is left closed' eval '! kubectl get nodes | grep SchedulingDisabled'
equal 'the snapshot of before is there, for root alone' '600 root' "$(on h1 "stat -c '%a %U' /var/lib/bringup/etcd-before-$TO.db")"
quiet 'upgrade.yml again' upgrade
quiet 'site.yml after it' site
[ -z "$PIVOTED" ] || check 'the self-hosted pods are in charge again' within 120 self_hosted
check 'a pod runs on each host' box_up
check 'they reach each other' within 60 pods_reach_all

echo '-- every certificate anew'
polls h4 https://127.0.0.1:7443/readyz
check 'renew.yml goes through' play apply renew -e renew=all
polls_end; echo "  $BAD of $POLLS polls failed ($KINDS)"
equal 'no poll failed' '' "$(tr , '\n' <<<"$KINDS" | grep -vE '^(slow|-)' || true)"
check 'the counter is the same' counted
quiet 'site.yml after it all' site

[ -z "$PIVOTED" ] || exit 0
echo '-- back to before the upgrade'
BEFORE=$COUNTED
count; count
echo "kubernetes_version: $FROM" >"$LAB_DIR/group_vars/all/version.yml"
refused 'site.yml does not go down' 'by playbooks/upgrade.yml'
check 'restore.yml brings the cluster back' play apply restore -e "restore=$(echo "$LAB_DIR"/backups/*.tar.gz)" -e restore_into=kubernetes
COUNTED=$BEFORE
check 'the counter is as it was before' within 60 counted
equal 'every node runs the release of before' "v$FROM containerd://2.3.7" "$(versions)"
quiet 'site.yml after the restore' site
