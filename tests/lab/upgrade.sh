#!/usr/bin/env bash
# A cluster of three control-plane hosts and a worker goes from one minor release to the next, while clients ask its API and an application in it. It is
# cut off half-way, and goes on. What is no step is refused.
# shellcheck disable=SC2016  # what is quoted so is for the hosts' shells
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$HERE/lib_cluster.sh"
. "$HERE/lib_pivot.sh"
lab tupgrade 10.78.0
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

echo '-- what is no step'
to() { site plan -e kubernetes_version="$1" -e kubernetes_release_file=none 2>&1; }
upgrade() { "$BRINGUP" "$1" -i "$LAB_DIR/inventory.yml" "$REPO/playbooks/upgrade.yml" "${@:2}"; }
says() { tr -s ' \n│' ' ' | grep -qF -- "$1"; }
check 'site.yml leads to upgrade.yml' eval "to $TO | says 'by playbooks/upgrade.yml'"
check 'there is no way down' eval "upgrade plan -e kubernetes_version=1.34.9 2>&1 | says 'there is no way down'"
# Nothing newer than the release to come is known: the cluster is said to be older.
skips() { upgrade plan -e kubernetes_version=$TO -e '{"cluster_remembered": {"founded": true, "kubernetes_version": "1.34.1"}}' 2>&1 | says 'releases are not skipped'; }
check 'releases are not skipped' skips
equal 'nothing has been touched' "v$FROM containerd://2.3.7" "$(versions)"

echo "-- from $FROM to $TO"
echo "kubernetes_version: $TO" >"$LAB_DIR/group_vars/all/version.yml"
check 'plan says what would be done' eval '[ "$(upgrade plan --exit-code >/dev/null 2>&1; echo $?)" = 3 ]'
equal 'and does nothing' "v$FROM containerd://2.3.7" "$(versions)"
WEB=''
python3 "$HERE/poll.py" "http://$LAB_NET.14:30081/" - "$LAB_DIR/web.polls" & WEB=$!
polls_begin; began=$SECONDS
# Cut off somewhere in its middle.
(exec "$BRINGUP" apply -i "$LAB_DIR/inventory.yml" "$REPO/playbooks/upgrade.yml") >"$LAB_DIR/upgrade.log" 2>&1 </dev/null & pid=$!
within 300 eval '[ "$(on h1 "grep -c v'$TO' /etc/kubernetes/manifests/kube-apiserver.yaml")" -gt 0 ]' || true
sleep 3; kill -9 $pid 2>/dev/null || true; wait $pid 2>/dev/null || true
check 'upgrade.yml goes on from where it was cut off' upgrade apply
polls_end; kill $WEB; wait $WEB 2>/dev/null || true
read -r polls bad away kinds < <(python3 "$HERE/poll.py" "$LAB_DIR/web.polls")
echo "  $((SECONDS - began)) s; API: $BAD of $POLLS polls failed ($KINDS), $AWAY s at most; application: $bad of $polls failed ($kinds), $away s at most"
equal 'the application answered always' 0 "$bad"
equal 'every node runs the new release' "v$TO containerd://2.3.7" "$(versions)"
check 'the counter is the same' counted
check 'no node is left closed' eval '! kubectl get nodes | grep SchedulingDisabled'
equal 'the snapshot of before is there, for root alone' '600 root' "$(on h1 "stat -c '%a %U' /var/lib/bringup/etcd-before-$TO.db")"
quiet 'upgrade.yml again' upgrade
quiet 'site.yml after it' site
check 'a pod runs on each host' box_up
check 'they reach each other' within 60 pods_reach_all
