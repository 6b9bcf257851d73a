# shellcheck shell=bash
# What the tests of clusters share: a way to run bringup, and a look at the cluster that does not
# trust bringup's own validate.yml.

export BRINGUP=${BRINGUP:-$REPO/target/release/bringup}
CHANGES=$HERE/changes.py
site() { "$BRINGUP" "$@" -i "$LAB_DIR/inventory.yml" "${PLAYBOOKS:-$REPO/playbooks}/site.yml"; }
kubectl() { "$LAB_DIR/bin/kubectl" --kubeconfig "$LAB_DIR/kubeconfig" "$@"; }

# converged TITLE: apply changes nothing on any host, nor on this machine, and plan agrees with exit status 0
converged() {
    local out rc=0 h want=''
    for h in $(fleet list | awk '{print $1}') localhost; do want+="$h changed=0 failed=0 unreachable=0"$'\n'; done
    out=$(site apply --output json 2>"$LAB_DIR/stderr") || rc=$?
    equal "$1: apply ends with 0" 0 $rc; [ $rc = 0 ] || tail -20 "$LAB_DIR/stderr"
    equal "$1: apply changes nothing" '' "$(python3 "$CHANGES" <<<"$out")"
    refuse "$1: no runtime waits for a turn" grep -q 'Ask what a restart may cost' <<<"$out"
    equal "$1: the recap says so" "${want%$'\n'}" "$(python3 "$CHANGES" recap <<<"$out")"
    echo "  it took $(python3 "$CHANGES" duration <<<"$out") s"
    rc=0; out=$(site plan --exit-code --output json 2>"$LAB_DIR/stderr") || rc=$?
    equal "$1: plan ends with 0" 0 $rc; [ $rc = 0 ] || tail -20 "$LAB_DIR/stderr"
    equal "$1: plan names nothing" '' "$(python3 "$CHANGES" <<<"$out")"
}

# The processes that must not be touched without need: HOST PID START COMMAND. A process keeps its start time.
LASTING='systemd|systemd-journal|dbus-daemon|containerd|containerd-shim|dockerd|kubelet|kube-.*|etcd|coredns|minidns|pause|httpd|bringup.*'
processes() {
    local h
    for h in $(fleet list | awk '{print $1}'); do
        # A process may end between its name and its turn.
        on "$h" 'cat /proc/[0-9]*/stat 2>/dev/null; true' | sed -E 's/^([0-9]+) \((.*)\) . (\S+ ){18}(\S+).*/\1 \4 \2/' |
            grep -E "^[0-9]+ [0-9]+ ($LASTING)\$" | sed "s/^/$h /"
    done | sort
}

# drift TITLE HOST COMMAND TASK [RESTARTED]: COMMAND breaks something on HOST. plan names TASK on HOST and
# nothing else, apply repairs just that, and no process but those that match RESTARTED is a new one.
drift() {
    local title=$1 host=$2 command=$3 task=$4 restarted=${5:-none} rc=0 planned applied was gone
    echo "-- $title"
    on "$host" "$command" || { check "$title: made by hand" false; return; }
    planned=$(site plan --exit-code --output json 2>"$LAB_DIR/stderr") || rc=$?
    equal "$title: plan ends with 3" 3 $rc
    planned=$(python3 "$CHANGES" <<<"$planned")
    equal "$title: plan names exactly that" "$host $task" "$planned"
    was=$(processes)
    rc=0; applied=$(site apply --output json 2>"$LAB_DIR/stderr") || rc=$?
    equal "$title: apply ends with 0" 0 $rc; [ $rc = 0 ] || tail -20 "$LAB_DIR/stderr"
    equal "$title: apply does what plan said" "$planned" "$(python3 "$CHANGES" <<<"$applied")"
    gone=$(comm -23 <(echo "$was") <(processes) | awk '{print $1, $4}' | grep -vE "^$host ($restarted)\$" || true)
    equal "$title: every other process is untouched" '' "$gone"
    rc=0; site plan --exit-code >"$LAB_DIR/plan.out" 2>&1 || rc=$?
    equal "$title: plan is content again" 0 $rc; [ $rc = 0 ] || tail -20 "$LAB_DIR/plan.out"
}

# broken TITLE HOST COMMAND TASK..: what COMMAND stops on HOST, and what depends on it, keeps plan neither waiting
# nor from its end; it names each TASK and nothing else, and apply puts it right.
broken() {
    local title=$1 host=$2 command=$3 rc=0 planned; shift 3
    echo "-- $title"
    on "$host" "$command" || { check "$title: made by hand" false; return; }
    planned=$(site plan --exit-code --output json 2>"$LAB_DIR/stderr") || rc=$?
    equal "$title: plan ends with 3" 3 $rc
    equal "$title: plan names it" "$(printf "$host %s\n" "$@")" "$(python3 "$CHANGES" <<<"$planned")"
    rc=0; site apply >"$LAB_DIR/apply.out" 2>&1 || rc=$?
    equal "$title: apply ends with 0" 0 $rc; [ $rc = 0 ] || tail -20 "$LAB_DIR/apply.out"
    rc=0; site plan --exit-code >"$LAB_DIR/plan.out" 2>&1 || rc=$?
    equal "$title: plan is content again" 0 $rc; [ $rc = 0 ] || tail -20 "$LAB_DIR/plan.out"
}

# ---------------------------------------------------------------- the network of pods
# A pod on each host that says its host's name to whoever asks.
box_up() {
    kubectl apply -f - <<-'END'
	apiVersion: apps/v1
	kind: DaemonSet
	metadata: {name: box, namespace: default}
	spec:
	  selector: {matchLabels: {app: box}}
	  template:
	    metadata: {labels: {app: box}}
	    spec:
	      terminationGracePeriodSeconds: 1
	      tolerations: [{operator: Exists}]
	      containers:
	      - name: box
	        image: lab.local/box:1
	        imagePullPolicy: Never
	        command: [/bin/sh, -c, 'mkdir -p /www; echo hello from $NODE > /www/index.html; echo up; trap "exit 0" TERM; httpd -f -p 8080 -h /www & wait']
	        env: [{name: NODE, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}]
	        ports: [{containerPort: 8080}]
	        readinessProbe: {httpGet: {path: /, port: 8080}, periodSeconds: 1}
	---
	apiVersion: v1
	kind: Service
	metadata: {name: box, namespace: default}
	spec: {type: NodePort, selector: {app: box}, ports: [{port: 80, targetPort: 8080, nodePort: 30080}]}
	END
    kubectl rollout status daemonset/box --timeout=120s
}
box_down() { kubectl delete daemonset/box service/box --wait=false; }

ask() { kubectl exec "$1" -- wget -qO- "$2"; }
pods_reach_all() {
    local pods pod node other name address svc n=0
    pods=$(kubectl get pod -l app=box -o jsonpath='{range .items[?(@.status.podIP)]}{.metadata.name} {.status.podIP} {.spec.nodeName}{"\n"}{end}') || return 1
    [ "$(wc -l <<<"$pods")" = "$(fleet list | wc -l)" ] || { echo "not a pod on each host: $pods"; return 1; }
    svc=$(kubectl get service box -o jsonpath='{.spec.clusterIP}') || return 1
    while read -r pod _ node; do
        while read -r other address name; do
            [ "$(ask "$pod" "http://$address:8080/")" = "hello from $name" ] || { echo "$node does not reach $other on $name"; return 1; }
            n=$((n + 1))
        done <<<"$pods"
        for _ in 1 2 3 4; do
            ask "$pod" "http://$svc/" | grep -q '^hello from ' || { echo "$node does not reach the service address"; return 1; }
        done
        ask "$pod" http://box.default.svc.cluster.local/ | grep -q '^hello from ' || { echo "$node does not reach the service by its full name"; return 1; }
        ask "$pod" http://box/ | grep -q '^hello from ' || { echo "$node does not reach the service by its short name"; return 1; }
        kubectl exec "$pod" -- nc -w 3 kubernetes.default.svc.cluster.local 443 -e true || { echo "$node does not reach the API by name"; return 1; }
        address=$(kubectl get node "$node" -o jsonpath='{.status.addresses[?(@.type=="InternalIP")].address}'); address=${address%% *}
        curl -sfm 3 "http://$address:30080/" | grep -q '^hello from ' || { echo "the port on $node does not answer"; return 1; }
        kubectl logs "$pod" | grep -qx up || { echo "no logs from $node"; return 1; }
    done <<<"$pods"
    echo "$n pairs"
}
all_ready() {
    [ "$(kubectl get nodes --no-headers | awk '$2 ~ /^Ready(,|$)/' | wc -l)" = "$(fleet list | wc -l)" ] || { kubectl get nodes; return 1; }
}
versions() { kubectl get nodes -o jsonpath='{range .items[*]}{.status.nodeInfo.kubeletVersion} {.status.nodeInfo.containerRuntimeVersion}{"\n"}{end}' | sort -u; }
# Every pod is Ready, none of them has started again within the last moments.
pods_settled() {
    local a
    [ -z "$(kubectl get pods -A --no-headers | awk '{split($3, n, "/"); if (n[1] != n[2] || $4 != "Running") print}')" ] || { kubectl get pods -A; return 1; }
    a=$(kubectl get pods -A -o jsonpath='{.items[*].status.containerStatuses[*].restartCount}'); sleep 3
    [ "$a" = "$(kubectl get pods -A -o jsonpath='{.items[*].status.containerStatuses[*].restartCount}')" ]
}
keys_are_private() { # nobody but root reads a private key, a token or a kubeconfig
    local found
    found=$(fleet exec all "grep -rlE 'PRIVATE KEY|client-key-data|^token' /etc/kubernetes /var/lib/kubelet/pki /root 2>/dev/null | xargs -r stat -L -c '%a %U %n' | grep -vE '^(600|400) root'")
    [ -z "$found" ] || { echo "$found"; return 1; }
}

# ---------------------------------------------------------------- clusters that change
# Hosts of a second segment have another net (`fleet up N --segments 2`).
addr() {
    local from=1000 net=''
    [ ! -f "$LAB_DIR/segment2" ] || read -r from net <"$LAB_DIR/segment2"
    if [ "${1#h}" -ge "$from" ]; then echo "$net.$((10 + ${1#h}))"; else echo "$LAB_NET.$((10 + ${1#h}))"; fi
}
# The address of IPv6: 10.77.0.11 has fd00:10:77:100::11 beside it.
addr6() { local a b c d; IFS=. read -r a b c d <<<"$(addr "$1")"; printf 'fd00:%d:%d:1%02x::%d\n' "$a" "$b" "$c" "$d"; }
# groups CONTROL-PLANE WORKERS: who is what in the inventory from now on ('h1 h2' 'h3'); who is in neither is not in it.
groups() {
    local group h
    {
        sed '/^  children:/,$d' "$LAB_DIR/inventory.yml"
        echo '  children:'
        for group in control_plane workers; do
            printf '    %s:\n      hosts:\n' $group
            for h in $(if [ $group = control_plane ]; then echo "$1"; else echo "$2"; fi); do
                printf '        %s:\n          ansible_host: %s\n          node_address6: %s\n' "$h" "$(addr "$h")" "$(addr6 "$h")"
            done
        done
    } >"$LAB_DIR/inventory.new"
    mv "$LAB_DIR/inventory.new" "$LAB_DIR/inventory.yml"
}
# clear_host HOST: everything of the cluster is taken off a host that is no longer in the inventory.
clear_host() {
    local kept
    kept=$(cat "$LAB_DIR/inventory.yml"); groups "$1" ''
    "$BRINGUP" apply -i "$LAB_DIR/inventory.yml" "$REPO/playbooks/reset.yml" -e reset=kubernetes -e workstation_kubeconfig= >"$LAB_DIR/reset.log" 2>&1 || { tail -20 "$LAB_DIR/reset.log"; echo "$kept" >"$LAB_DIR/inventory.yml"; return 1; }
    echo "$kept" >"$LAB_DIR/inventory.yml"
}
etcdctl_on() { local h=$1; shift; on "$h" "etcdctl --endpoints=https://127.0.0.1:2379 --cacert=/etc/kubernetes/pki/etcd/ca.crt --cert=/etc/kubernetes/pki/etcd/server.crt --key=/etc/kubernetes/pki/etcd/server.key $*"; }
# members HOST: the members that have a vote, as HOST's etcd knows them
members() { etcdctl_on "$1" member list | awk -F', ' '$2 == "started" && $6 == "false" {print $3}' | sort | paste -sd' '; }
nodes_are() { [ "$(kubectl get nodes --no-headers -o custom-columns=:metadata.name | sort | paste -sd' ')" = "$1" ] || { kubectl get nodes; return 1; }; }
# refused TITLE WORDS OPTIONS..: site.yml with OPTIONS ends with 2, says WORDS, and changes nothing
refused() { refused_by site "$@"; }
# refused_by COMMAND TITLE WORDS OPTIONS..: the same of another playbook
refused_by() {
    local command=$1 title=$2 words=$3 out rc=0; shift 3
    out=$("$command" apply --output json "$@" 2>"$LAB_DIR/stderr") || rc=$?
    equal "$title: it is refused" 2 $rc
    check "$title: it says why" grep -qF -- "$words" <<<"$(python3 "$CHANGES" words <<<"$out")"
    equal "$title: nothing is changed" '' "$(python3 "$CHANGES" recap <<<"$out" | grep -v ' changed=0 ' || true)"
}
# archives NAME:TAG..: the variable that has these of the lab's images brought to the hosts
archives() {
    local image
    echo 'image_archives:'
    for image; do echo "  - {name: lab.local/$image, file: \"{{ lab_releases }}/images/${image/:/_}.tar\"}"; done
}

# ---------------------------------------------------------------- after a reset
# What must not be left on a host: files, processes, devices, routes, rules.
LEFT='ls -d /etc/kubernetes /var/lib/etcd /opt/bringup /var/lib/bringup/images /etc/systemd/system/kube* /etc/systemd/system/bringup-* /etc/cni/net.d/* 2>/dev/null
ps -eo pid=,comm= | grep -E " (kube|etcd|coredns|pause|containerd|dockerd)"
ip -o link | grep -E "cbr0|veth|vxlan|cni0|flannel"; ip route | grep -F 10.244.; ip -6 route | grep -F fd00:10:244:
{ iptables-save; ip6tables-save; } 2>/dev/null | grep -E "10\.244\.|fd00:10:244:|KUBE-|FLANNEL-|CNI-"; nft list tables 2>/dev/null | grep -i kube'
nothing_left() {
    local left
    left=$(for h in $(fleet list | awk '{print $1}'); do on "$h" "$LEFT" | sed "s/^/$h: /"; done || true)
    [ -z "$left" ] || { echo "$left"; return 1; }
}

# ---------------------------------------------------------------- a host's files
# Logs and caches, the lab's own mounts (their contents are looked at), and what the system and bringup itself write while they run: the lock's folder, marks of systemd's, dates of packages.
PASSING='/var/log /var/cache /var/tmp /tmp /run /proc /sys /dev /var/lib/bringup /var/lib/systemd /var/lib/apt /root/.cache'
# tree HOST: every file: its kind, mode, owner and group, its path, and what it holds or where it leads
tree() {
    on "$1" "cd /; prune=; for d in $PASSING; do prune=\"\$prune -path \$d -o\"; done
        find / \\( \$prune -false \\) -prune -o -type f -printf 'file %m %u:%g %p ' -exec sha256sum {} ';' -o -type l -printf '%y %u:%g %p -> %l\\n' -o -printf '%y %m %u:%g %p\\n' 2>/dev/null | sed -E 's/ ([0-9a-f]{64})  .*/ \\1/'" | grep -vE ' /var/lib/(docker|containerd|kubelet)$' | sort -k4
}
# same_tree TITLE HOST FILE: the host's tree is the one in FILE
same_tree() { tree "$2" >"$3.now"; equal "$1" "$(cat "$3")" "$(cat "$3.now")"; }
# packages HOST: what site.yml installs of the distribution, which reset.yml leaves
packages() { on "$1" "apt-get install -y -q --no-install-recommends ca-certificates conntrack curl ebtables ethtool iptables nftables openssl socat xz-utils ${*:2} >/dev/null 2>&1"; }
