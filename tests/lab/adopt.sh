#!/usr/bin/env bash
# A cluster that kubeadm made is taken over while clients ask its API and an application in it; the run is cut off half-way, and goes on. Then it is upgraded,
# pivoted and grown as any other. `--workers`: one control-plane host and two workers instead of three control-plane hosts.
# shellcheck disable=SC2016  # what is quoted so is for the hosts' shells
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$HERE/lib_cluster.sh"
. "$HERE/lib_pivot.sh"
. "$HERE/lib_kubeadm.sh"
WORKERS=${1:-}
if [ -n "$WORKERS" ]; then lab tadoptw 10.73.0; else lab tadopt 10.72.0; fi
trap 'balancer_down; end_of_test' EXIT
FROM=1.35.4 TO=1.36.3
if [ -n "$WORKERS" ]; then MASTERS=h1 OTHERS='h2 h3' API=$(addr h1); else MASTERS='h1 h2 h3' OTHERS='' API=$LAB_NET.1; fi

export LAB_CONTROL_PLANES=3
check 'four hosts' fleet up 4
check 'the release files' eval '"$REPO/lab/releases" --all && "$REPO/lab/releases" kubeadm'
check 'three of them have what kubeadm wants, and a runtime' kubeadm_host h1 h2 h3
[ -n "$WORKERS" ] || balancer_up h1 h2 h3
check "a cluster of kubeadm's" kubeadm_cluster "$MASTERS" "$OTHERS"
[ "$FAILED" = 0 ] || exit 1
cp "$LAB_DIR/kubeconfig" "$LAB_DIR/kubeadm.conf"
check 'an application runs in it' box_up
check 'its pods reach each other' within 60 eval '[ "$(kubectl get pods -l app=box --no-headers | grep -c 1/1)" = 3 ]'
count

# ---------------------------------------------------------------- what is said
# The hosts' own variables as they are; nothing of the cluster's.
sed -i '/^# They share the machine/,/imageGCHigh/d; /^workstation_kubeconfig/d' "$LAB_DIR/group_vars/all/lab.yml"
settings() {
    "$REPO/lab/other-runtime" --vars
    cat <<-END
	kubeadm_config: $LAB_DIR/shop.yml
	pod_network: other
	dns_manifest: ""
	workstation_kubeconfig: $LAB_DIR/kubeconfig
	images_extra: [lab.local/flannel:0.27.4]
	END
    archives pause:1 box:1 flannel:0.27.4
}
settings >"$LAB_DIR/group_vars/all/this.yml"
adopt() { "$BRINGUP" "$1" -i "$LAB_DIR/inventory.yml" "$REPO/playbooks/adopt.yml" "${@:2}"; }
# What a run that is refused must leave alone.
as_kubeadm_left_it() { fleet exec all 'cd / && find etc/kubernetes etc/systemd/system opt/bringup usr/local/bin etc/sysctl.d -type f -o -type l 2>/dev/null | sort | xargs -r sha256sum 2>/dev/null; systemctl show -p MainPID kubelet' | sort; }
WAS=$(as_kubeadm_left_it)
# no_way TITLE WORDS OPTIONS..: adopt.yml with OPTIONS ends with 2, says WORDS, and changes nothing
no_way() { refused_by adopt "$@"; }
echo '-- what is refused'
groups "$MASTERS" "$OTHERS"
no_way 'without a name' 'Which cluster is meant?'
no_way 'another name' 'is called `shop`, and `adopt` is `kubernetes`' -e adopt=kubernetes
no_way 'the runtime would be another one' 'is used and left alone' -e adopt=shop -e container_runtime=containerd -e runtime_endpoint=
no_way 'another network' 'Pods keep the network that they have' -e adopt=shop -e pod_network=routes
no_way 'another range of services' '`clusterDNS` of the KubeletConfiguration' -e adopt=shop -e service_range=10.98.0.0/16
no_way 'another range of pods' 'The network of a cluster cannot move while it runs' -e adopt=shop -e pod_range=10.240.0.0/16
no_way 'another release' 'The cluster runs Kubernetes 1.35.4, and `kubernetes_version` is 1.36.3' -e adopt=shop -e kubernetes_version=$TO
refused 'site.yml leads to adopt.yml' 'playbooks/adopt.yml takes the cluster over' -e kubernetes_version=$FROM -e kubeadm_config= -e cluster_name=shop
groups "$MASTERS" "$OTHERS h4"
no_way 'a host that is no node' 'h4 is no node of the cluster' -e adopt=shop
if [ -n "$WORKERS" ]; then groups h1 h2; else groups h1 'h2'; fi
no_way 'a host is missing' 'The cluster has a node `h3`' -e adopt=shop
[ -n "$WORKERS" ] || no_way 'a control plane among the workers' 'h2 is in `workers`, and runs a control plane' -e adopt=shop
groups "$MASTERS" "$OTHERS"
sed "s/$(addr h2)\$/X/; s/$(addr h3)\$/$(addr h2)/; s/X\$/$(addr h3)/" "$LAB_DIR/inventory.yml" >"$LAB_DIR/swapped.yml"
cp "$LAB_DIR/inventory.yml" "$LAB_DIR/right.yml"; cp "$LAB_DIR/swapped.yml" "$LAB_DIR/inventory.yml"
no_way 'a host under the name of another' 'h2 should be the node `h2`, and its kubelet shows the API a certificate of `system:node:h3`' -e adopt=shop
cp "$LAB_DIR/right.yml" "$LAB_DIR/inventory.yml"
# What somebody has written into a manifest or the kubelet's arguments by hand.
on h1 'cp /etc/kubernetes/manifests/kube-scheduler.yaml /root/ && sed -i "s/    - --leader-elect=true/&\n    - --kube-api-qps=77/" /etc/kubernetes/manifests/kube-scheduler.yaml'
no_way 'an argument that no variable says' 'kube-scheduler on h1 has `--kube-api-qps=77`, and would lose it' -e adopt=shop
on h1 'cp /root/kube-scheduler.yaml /etc/kubernetes/manifests/kube-scheduler.yaml'
on h3 'echo KUBELET_EXTRA_ARGS=--v=1 >/etc/default/kubelet && systemctl restart kubelet'
no_way "a kubelet's argument that no variable says" 'The kubelet of h3 has `--v=1`, and would lose it' -e adopt=shop
on h3 'rm /etc/default/kubelet && systemctl restart kubelet'
# A cluster may say what it likes.
evil='{{ lookup("pipe", "touch '$LAB_DIR/evil'") }}'
cluster() { kubectl -n kube-system get configmap kubeadm-config -o jsonpath='{.data.ClusterConfiguration}'; }
cluster >"$LAB_DIR/ClusterConfiguration"
said() { kubectl -n kube-system create configmap kubeadm-config --from-file=ClusterConfiguration="$1" --dry-run=client -o json | kubectl replace -f - >/dev/null; }
sed "s|^clusterName:.*|clusterName: '$evil'|" "$LAB_DIR/ClusterConfiguration" >"$LAB_DIR/said"; said "$LAB_DIR/said"
no_way 'a name that would be a command' 'Is it the right inventory?' -e adopt=shop
sed "s|dataDir:.*|dataDir: '$evil'|" "$LAB_DIR/ClusterConfiguration" >"$LAB_DIR/said"; said "$LAB_DIR/said"
rc=0; adopt plan -e adopt=shop >"$LAB_DIR/plan.out" 2>&1 || rc=$?
equal 'a folder that would be a command is refused' 2 $rc
refuse 'nothing of it was run here' test -e "$LAB_DIR/evil"
sed "s|^apiServer:|featureGates: {Strange: true}\n&|" "$LAB_DIR/ClusterConfiguration" >"$LAB_DIR/said"; said "$LAB_DIR/said"
no_way "a gate of kubeadm's" '`featureGates` of `kubeadm_config` has `Strange' -e adopt=shop
said "$LAB_DIR/ClusterConfiguration"
check 'the API is well' within 60 kubectl get --raw /readyz
equal 'nothing has been touched' "$(grep -v MainPID <<<"$WAS")" "$(as_kubeadm_left_it | grep -v MainPID)"
refuse 'nor on this machine' test -e "$LAB_DIR/shop.yml"

# ---------------------------------------------------------------- taken over
echo '-- taken over'
pods() { kubectl get pods -A -o jsonpath='{range .items[*]}{.metadata.namespace}/{.metadata.name} {.metadata.uid} {.status.containerStatuses[*].restartCount}{"\n"}{end}' | grep -vE '^(kube-system/(etcd|kube-)|bringup-check/)' | sort; }
# kubeadm's etcdctl is in its pod alone.
etcd_ids() { kubectl -n kube-system exec etcd-h1 -- etcdctl --endpoints=https://127.0.0.1:2379 --cacert=/etc/kubernetes/pki/etcd/ca.crt --cert=/etc/kubernetes/pki/etcd/server.crt --key=/etc/kubernetes/pki/etcd/server.key member list | sort; }
keys() { on h1 'cd /etc/kubernetes/pki && sha256sum ca.crt ca.key etcd/ca.crt etcd/ca.key front-proxy-ca.crt front-proxy-ca.key sa.key sa.pub apiserver.key etcd/server.key'; }
mains() { for h in h1 h2 h3; do on $h 'systemctl show -p MainPID --value other.service'; done; }
RUNNING=$(pods) MEMBERS=$(etcd_ids) KEYS=$(keys) MAINS=$(mains)
RANGES=$(kubectl get nodes -o jsonpath='{range .items[*]}{.metadata.name} {.spec.podCIDR}{"\n"}{end}')
rc=0; adopt plan -e adopt=shop --exit-code >"$LAB_DIR/plan.out" 2>&1 || rc=$?
equal 'plan says what would be done' 3 $rc; [ $rc = 3 ] || tail -30 "$LAB_DIR/plan.out"
check 'of the control plane, argument by argument' grep -q 'kube-apiserver gets .*--kubelet-certificate-authority' "$LAB_DIR/plan.out"
equal 'and does nothing' "$(grep -v MainPID <<<"$WAS")" "$(as_kubeadm_left_it | grep -v MainPID)"
python3 "$HERE/poll.py" "http://$LAB_NET.12:30080/" - "$LAB_DIR/web.polls" & WEB=$!
polls - "https://$API:6443/version"; began=$SECONDS
(exec "$BRINGUP" apply -i "$LAB_DIR/inventory.yml" -e adopt=shop "$REPO/playbooks/adopt.yml") >"$LAB_DIR/adopt.log" 2>&1 </dev/null & pid=$!
if [ -n "$WORKERS" ]; then half() { on h1 'grep -q "Managed by bringup" /etc/kubernetes/kubelet.yaml'; }
else half() { on h1 'grep -q "Managed by bringup" /etc/kubernetes/manifests/kube-scheduler.yaml'; }; fi
check 'it comes to its middle' within 1200 half
kill -9 $pid 2>/dev/null || true; wait $pid 2>/dev/null || true
refused 'site.yml does not take its place' 'and has begun to: run it again'
check 'adopt.yml goes on from there' adopt apply -e adopt=shop
polls_end; kill $WEB; wait $WEB 2>/dev/null || true
read -r polls bad away kinds < <(python3 "$HERE/poll.py" "$LAB_DIR/web.polls")
read -r load _ </proc/loadavg
echo "  $((SECONDS - began)) s; API: $BAD of $POLLS polls failed ($KINDS), $AWAY s at most; application: $bad of $polls failed ($kinds), $away s at most; load $load"
# A machine that has more to do than the hosts lets them wait: that is not held against them.
may='slow|-'; less "$load" $(($(nproc) * 4)) || may='slow|timeout|-'
equal 'the application answered always' '' "$(tr , '\n' <<<"$kinds" | grep -vE "^($may)" || true)"
[ -n "$WORKERS" ] || equal 'the API did' '' "$(tr , '\n' <<<"$KINDS" | grep -vE "^($may)" || true)"
equal 'every pod of others runs on, and was not started anew' "$RUNNING" "$(pods)"
equal 'the runtimes run on' "$MAINS" "$(mains)"
equal 'etcd has the same members' "$MEMBERS" "$(etcdctl_on h1 member list | sort)"
equal 'authorities and keys are the same' "$KEYS" "$(keys)"
equal "nodes have the ranges of before" "$RANGES" "$(kubectl get nodes -o jsonpath='{range .items[*]}{.metadata.name} {.spec.podCIDR}{"\n"}{end}')"
check 'the counter is the same' counted
equal "kubeadm's kube-proxy is gone" '' "$(kubectl -n kube-system get daemonset -o name)"
proxies_answer() { local h; for h in h1 h2 h3; do on "$h" 'curl -sfm 3 -o /dev/null http://127.0.0.1:10256/healthz' || return 1; done; }
check "each node's own has its ports" within 30 proxies_answer
equal "the kubelets' unit starts ours" 3 "$(fleet exec all 'tr "\0" " " </proc/$(systemctl show -p MainPID --value kubelet)/cmdline' 2>/dev/null | grep -c '/usr/local/bin/kubelet --config=/etc/kubernetes/kubelet.yaml')"
check 'and logs are seen, by certificates of the authority' within 30 eval '[ "$(kubectl logs -l app=box --tail=1 | grep -cx up)" = 3 ]'
check "an administrator's access of before still is one" "$LAB_DIR/bin/kubectl" --kubeconfig "$LAB_DIR/kubeadm.conf" get nodes
check 'keys are private' keys_are_private
quiet 'site.yml after it' site
quiet 'adopt.yml again' adopt -e adopt=shop

# ---------------------------------------------------------------- as any other
echo "-- from $FROM to $TO"
echo "kubernetes_version: $TO" >"$LAB_DIR/group_vars/all/version.yml"
python3 "$HERE/poll.py" "http://$LAB_NET.12:30080/" - "$LAB_DIR/web.polls" & WEB=$!
check 'upgrade.yml goes through' play apply upgrade
kill $WEB; wait $WEB 2>/dev/null || true
echo "  application: $(python3 "$HERE/poll.py" "$LAB_DIR/web.polls")"
equal 'every node runs the new release' "v$TO containerd://2.3.7" "$(versions)"
check 'the counter is the same' counted
# Who joins by a token believes what stands there.
equal 'the cluster tells its authority' "$(on h1 'base64 -w0 /etc/kubernetes/pki/ca.crt')" "$(kubectl -n kube-public get configmap cluster-info -o jsonpath='{.data.kubeconfig}' | sed -n 's/.*certificate-authority-data: //p')"
quiet 'site.yml after it' site
echo '-- pivoted'
check 'pivot.yml goes through' play apply pivot
self_hosted() { local h; for h in $MASTERS; do [ "$(on "$h" 'grep -c " self-hosted$" /run/bringup-standby/status')" = 3 ] || return 1; done; }
check 'its parts are self-hosted' within 120 self_hosted
quiet 'site.yml after it' site
echo '-- grown'
check 'a runtime and the plugins on the fourth host' kubeadm_runtime h4
groups "$MASTERS" "$OTHERS h4"
check 'site.yml lets it join' site apply
check 'four nodes are Ready' within 60 all_ready
check 'a pod runs on each' within 120 eval '[ "$(kubectl get pods -l app=box --no-headers | grep -c 1/1)" = 4 ]'
check 'they reach each other, services and names' within 60 pods_reach_all
check 'the counter is the same' counted
quiet 'site.yml again' site
