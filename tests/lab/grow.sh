#!/usr/bin/env bash
# A cluster's hosts come and go: one control-plane host becomes three, one loses its data, one is lost, the first is replaced, a worker
# leaves. A counter written before is there after, and what a cluster cannot become is refused.
# shellcheck disable=SC2016  # what is quoted so is for the hosts' shells
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$HERE/lib_cluster.sh"
. "$HERE/lib_pivot.sh"
lab tgrow 10.79.0

check 'a cluster of one control-plane host and three workers' env LAB_HOSTS=4 "$REPO/lab/quickstart"
[ "$FAILED" = 0 ] || { tail -50 "$LAB_DIR/quickstart.log" "$LAB_DIR/apply.log" 2>/dev/null; exit 1; }
count

echo '-- what the cluster cannot become'
refused 'another domain' '`cluster_domain` was "cluster.local"' -e cluster_domain=other.local
refused 'services elsewhere' '`service_range` was 10.96.0.0/16' -e service_range=10.97.0.0/16
refused 'another runtime' '`container_runtime` was "containerd"' -e container_runtime=docker -e kubernetes_version=1.20.2
refused 'another release' 'by playbooks/upgrade.yml' -e kubernetes_version=1.36.4
refused 'pods elsewhere' "The network of a cluster cannot move" -e pod_range=10.200.0.0/16
refused 'a node of another name' '`node_name` of h4 was h4' -e '{"node_name": "{{ \"other\" if inventory_hostname == \"h4\" else inventory_hostname }}"}'
check 'the smaller ranges of later nodes keep out of the earlier ones' site plan -e pod_range_per_node=26

echo '-- a larger range for services'
check 'site.yml gives services more addresses' site apply -e service_range=10.96.0.0/15
quiet 'the second time' site -e service_range=10.96.0.0/15
check 'one of them can be had' within 30 kubectl create service clusterip far --clusterip=10.97.0.9 --tcp=80:80
echo 'service_range: 10.96.0.0/15' >"$LAB_DIR/group_vars/all/services.yml"

echo '-- one control-plane host becomes three'
groups 'h1 h2 h3' 'h4'
polls_begin; began=$SECONDS
check 'site.yml lets two workers join the control plane' site apply
polls_end; echo "  $((SECONDS - began)) s; $BAD of $POLLS polls failed ($KINDS)"
equal 'no poll of the first API server failed' '' "$(tr , '\n' <<<"$KINDS" | grep -vE '^(slow|-)' || true)"
for h in h1 h2 h3; do equal "the members as $h knows them" 'h1 h2 h3' "$(members $h)"; done
equal 'there is one cluster' 1 "$(for h in h1 h2 h3; do etcdctl_on $h member list -w json | grep -o '"cluster_id":[0-9]*'; done | sort -u | wc -l)"
check 'the counter is the same' counted
for h in h2 h3; do check "$h answers the same" eval '[ "$(kubectl --server "https://$(addr $h):6443" get configmap counter -o jsonpath="{.data.count}")" = "$COUNTED" ]'; done
quiet 'site.yml again' site
for h in h1 h4; do quiet "site.yml for $h alone" site --limit $h; done
check 'validate.yml agrees' play apply validate
drift 'the host that is asked remembers an older state' h1 'sed -i "s/\"revision\": [0-9]*/\"revision\": 0/; s/10.244.3.0/10.244.77.0/" /etc/kubernetes/bringup/cluster.json' 'layout : Remember the cluster'

for away in h4 h3; do
    echo "-- $away is away"
    fleet cut $away; on h2 'rm /etc/kubernetes/kube-proxy.conf'; began=$SECONDS
    rc=0; out=$(site apply --output json 2>"$LAB_DIR/stderr") || rc=$?
    echo "  $((SECONDS - began)) s"
    refuse 'it is told' test $rc = 0
    equal 'it alone, and what was to be done is' "$(printf '%s\n' "$away Gathering Facts" "h2 kube_proxy : Write kube-proxy's kubeconfig" | sort)" "$(python3 "$CHANGES" <<<"$out" | sort)"
    check 'the others are in step' on h2 test -s /etc/kubernetes/kube-proxy.conf
    fleet heal $away
    check 'all is well when it is back' within 120 play apply validate
    quiet 'site.yml again after it' site
done

echo '-- a member loses its data'
on h2 'mv /etc/kubernetes/manifests/etcd.yaml /root/ && while pidof -q etcd; do sleep 0.2; done; rm -rf /var/lib/etcd/member; mv /root/etcd.yaml /etc/kubernetes/manifests/'
check 'site.yml lets it join anew' site apply
equal 'it is a member' 'h1 h2 h3' "$(members h2)"
count; check 'the counter counts on' counted
quiet 'site.yml again after it' site

echo '-- a member is taken out of etcd, and what the hosts remember knows nothing of it'
check 'it is taken out by hand' eval 'etcdctl_on h1 member remove "$(etcdctl_on h1 member list | awk -F", " "\$3 == \"h2\" {print \$1}")"'
check 'site.yml lets it join anew' site apply
equal 'it is a member' 'h1 h2 h3' "$(members h2)"
check 'what it had is kept' on h2 'ls -d /var/lib/etcd/member.before-*/wal'
count; check 'the counter counts on' counted
quiet 'site.yml again after that' site

echo '-- a kubelet that does not bear its arguments'
rc=0; site apply -e '{"kubelet_extra_args": ["--no-such-flag"], "kubelet_timeout": 8}' >"$LAB_DIR/run.log" 2>&1 || rc=$?
equal 'the run ends with 2' 2 $rc
check 'it says where' grep -qF 'The kubelet of h1 does not answer' "$LAB_DIR/run.log"
for h in h2 h3 h4; do refuse "$h has not got it" on $h 'grep -r no-such-flag /etc/systemd/system/kubelet.service*'; done
check 'with its own arguments it goes through' site apply

echo '-- a part that does not bear its arguments'
for n in 1 2; do
    rc=0; site apply -e '{"scheduler_extra_args": {"no-such-flag": "1"}, "control_plane_timeout": 15}' >"$LAB_DIR/run.log" 2>&1 || rc=$?
    equal "run $n ends with 2" 2 $rc
    for h in h2 h3; do refuse "$h has not got it after run $n" on $h 'grep no-such-flag /etc/kubernetes/manifests/kube-scheduler.yaml'; done
done
check 'it says which' grep -qE 'kube-scheduler on h1 is not well' "$LAB_DIR/run.log"
check 'with its own arguments it goes through again' site apply
quiet 'site.yml again after the faults' site

echo '-- a control-plane host is lost for good, and another one takes its place'
fleet cut h3
groups 'h1 h2' 'h4'
refused 'two are no number for etcd' 'There are 2 control-plane hosts'
groups 'h1 h2 h4' ''
check 'site.yml takes it out, and lets another one in' site apply
equal 'the members' 'h1 h2 h4' "$(members h1)"
check 'its node is gone' nodes_are 'h1 h2 h4'
check 'the counter is the same' counted
quiet 'site.yml again after the loss' site

echo '-- the first control-plane host is replaced'
fleet heal h3
check 'what is left on the lost one is cleared away' clear_host h3
groups 'h3 h2 h4' ''
check 'site.yml takes the first one out while it runs, and lets the other in' site apply
equal 'the members' 'h2 h3 h4' "$(members h3)"
check 'its node is gone' nodes_are 'h2 h3 h4'
check 'the counter is the same' counted
check 'keys are for root alone' keys_are_private
quiet 'site.yml again without the first' site

echo '-- a worker comes and goes'
check 'the old first one is cleared' clear_host h1
groups 'h3 h2 h4' 'h1'
check 'it comes back as a worker' site apply
check 'a pod runs on each host' box_up
check 'they reach each other' within 60 pods_reach_all
groups 'h3 h2 h4' ''
check 'site.yml lets it go' site apply
check 'its node is gone' nodes_are 'h2 h3 h4'
refuse 'its pods are routed no more' on h2 "ip route | grep -F 'via $(addr h1)'"
check 'pods that were on it run elsewhere' within 60 pods_settled
quiet 'site.yml again without the worker' site

echo '-- without a majority'
fleet cut h2; fleet cut h4
groups 'h3' 'h1'
refused 'so many leave only when it is said' '2 of the cluster'
refused 'nobody leaves then' 'Without a majority' -e '{"departure_confirmed": ["h2", "h4"]}'
fleet heal h2; fleet heal h4
groups 'h3 h2 h4' ''
check 'all is well when they are back' within 120 play apply validate
check 'the counter is the same' counted
