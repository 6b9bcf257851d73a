# shellcheck shell=bash disable=SC2016,SC2034  # what is quoted so is for the hosts' shells; what is set here is read by the tests
# A cluster that kubeadm makes on lab hosts, as its documentation has it: the packages' kubelet unit and drop-in, a runtime that somebody installed,
# CoreDNS and kube-proxy of kubeadm's, flannel, and before several control-plane hosts a balancer on this machine.
KUBEADM_VERSION=${KUBEADM_VERSION:-1.35.4}
KUBEADM_TOKEN=abcdef.0123456789abcdef
KUBEADM_KEY=0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
BALANCER=''

# kubeadm_host HOST..: all that a host has before `kubeadm init` or `join`: programs, units, a runtime and images.
kubeadm_host() {
    local h
    kubeadm_runtime "$@" || return
    local -a running=()
    for h; do kubeadm_host_one "$h" & running+=($!); done
    for h in "${running[@]}"; do wait "$h" || return; done
}
# kubeadm_runtime HOST..: a runtime, and CNI's plugins.
kubeadm_runtime() {
    local h
    "$REPO/lab/other-runtime" || return
    for h; do ssh -F "$LAB_DIR/ssh_config" "$h" 'mkdir -p /opt/cni/bin && tar -xzf - -C /opt/cni/bin' <"$(echo "$LAB_DIR"/releases/cni-plugins-linux-amd64-*.tgz)" || return; done
}
kubeadm_host_one() {
    local h=$1 v=$KUBEADM_VERSION r=$LAB_DIR/releases f ctr='/opt/other/bin/ctr -a /run/other/other.sock -n k8s.io images'
    packages "$h" || return
    ssh -F "$LAB_DIR/ssh_config" "$h" 'mkdir -p /opt/kubeadm && tar -xzf - --strip-components=3 -C /opt/kubeadm && for p in kubeadm kubelet kubectl; do ln -f /opt/kubeadm/$p /usr/bin/$p; done' <"$r/kubernetes-server-v$v-linux-amd64.tar.gz" || return
    on "$h" 'printf "net.ipv4.ip_forward = 1\nnet.bridge.bridge-nf-call-iptables = 1\n" >/etc/sysctl.d/k8s.conf; sysctl -qp /etc/sysctl.d/k8s.conf
        mkdir -p /usr/lib/systemd/system/kubelet.service.d
        cat >/usr/lib/systemd/system/kubelet.service <<"E"
[Unit]
Description=kubelet: The Kubernetes Node Agent
Documentation=https://kubernetes.io/docs/
Wants=network-online.target
After=network-online.target

[Service]
ExecStart=/usr/bin/kubelet
Restart=always
StartLimitInterval=0
RestartSec=10

[Install]
WantedBy=multi-user.target
E
        cat >/usr/lib/systemd/system/kubelet.service.d/10-kubeadm.conf <<"E"
# Note: This dropin only works with kubeadm and kubelet v1.11+
[Service]
Environment="KUBELET_KUBECONFIG_ARGS=--bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf --kubeconfig=/etc/kubernetes/kubelet.conf"
Environment="KUBELET_CONFIG_ARGS=--config=/var/lib/kubelet/config.yaml"
# This is a file that "kubeadm init" and "kubeadm join" generates at runtime, populating the KUBELET_KUBEADM_ARGS variable dynamically
EnvironmentFile=-/var/lib/kubelet/kubeadm-flags.env
# This is a file that the user can use for overrides of the kubelet args as a last resort.
EnvironmentFile=-/etc/default/kubelet
ExecStart=
ExecStart=/usr/bin/kubelet $KUBELET_KUBECONFIG_ARGS $KUBELET_CONFIG_ARGS $KUBELET_KUBEADM_ARGS $KUBELET_EXTRA_ARGS
E
        systemctl daemon-reload; systemctl enable -q kubelet' || return
    for f in "kubeadm_v$v" etcd_3.6.16 coredns_1.15.0 pause_1 box_1 flannel_0.27.4; do
        ssh -F "$LAB_DIR/ssh_config" "$h" "$ctr import --label io.cri-containerd.pinned=pinned - >/dev/null 2>&1" <"$r/images/$f.tar" || return
    done
    # kubeadm's own names for them.
    on "$h" "for i in \$(kubeadm config images list --kubernetes-version v$v --image-repository lab.local 2>/dev/null); do
        case \$i in */kube-*) s=lab.local/kubeadm:v$v ;; */etcd*) s=lab.local/etcd:3.6.16 ;; */coredns*) s=lab.local/coredns:1.15.0 ;; */pause*) s=lab.local/pause:1 ;; esac
        $ctr tag \$s \$i >/dev/null 2>&1; done; true"
}

# balancer_up HOST..: a way to the API servers outside of the cluster; balancer_down ends it.
balancer_up() {
    local h; local -a servers=()
    for h; do servers+=("$(addr "$h"):6443"); done
    python3 "$HERE/balancer.py" "$LAB_NET.1:6443" "${servers[@]}" >"$LAB_DIR/balancer.log" 2>&1 </dev/null & BALANCER=$!
}
balancer_down() { [ -z "$BALANCER" ] || kill "$BALANCER" 2>/dev/null || true; BALANCER=''; }

# kubeadm_file LINES: the file that `kubeadm init` takes; LINES are more of ClusterConfiguration.
kubeadm_file() {
    local cgroups=systemd; [ "$(stat -fc %T /sys/fs/cgroup)" = cgroup2fs ] || cgroups=cgroupfs
    cat <<-END
	apiVersion: kubeadm.k8s.io/v1beta4
	kind: InitConfiguration
	nodeRegistration: {criSocket: "unix:///run/other/other.sock", imagePullPolicy: IfNotPresent}
	localAPIEndpoint: {advertiseAddress: $(addr h1)}
	bootstrapTokens: [{token: $KUBEADM_TOKEN, groups: [system:bootstrappers:kubeadm:default-node-token], usages: [signing, authentication]}]
	certificateKey: $KUBEADM_KEY
	---
	apiVersion: kubeadm.k8s.io/v1beta4
	kind: ClusterConfiguration
	clusterName: shop
	kubernetesVersion: v$KUBEADM_VERSION
	imageRepository: lab.local
	$1
	networking: {podSubnet: 10.244.0.0/16, serviceSubnet: 10.96.0.0/16}
	apiServer: {extraArgs: [{name: profiling, value: "false"}]}
	---
	apiVersion: kubelet.config.k8s.io/v1beta1
	kind: KubeletConfiguration
	failCgroupV1: false
	cgroupDriver: $cgroups
	maxPods: 90
	imageGCHighThresholdPercent: 100
	evictionHard: {memory.available: 100Mi, nodefs.available: 0%, nodefs.inodesFree: 0%, imagefs.available: 0%}
	---
	apiVersion: kubeproxy.config.k8s.io/v1alpha1
	kind: KubeProxyConfiguration
	conntrack: {maxPerCore: 0, min: 0}
	END
}

# kubeadm_cluster CONTROL-PLANE WORKERS: `kubeadm init` on the first, the others join it.
kubeadm_cluster() {
    local h first endpoint='' at hash join
    first=${1%% *}; at=$(addr "$first")
    if [ "$1" != "$first" ]; then at=$LAB_NET.1 endpoint="controlPlaneEndpoint: $LAB_NET.1:6443"; fi
    kubeadm_file "$endpoint" | ssh -F "$LAB_DIR/ssh_config" "$first" 'cat >/root/kubeadm.yaml'
    on "$first" 'kubeadm init --config /root/kubeadm.yaml --upload-certs --ignore-preflight-errors=SystemVerification' >"$LAB_DIR/kubeadm-$first.log" 2>&1 || { tail -30 "$LAB_DIR/kubeadm-$first.log"; return 1; }
    on "$first" cat /etc/kubernetes/admin.conf >"$LAB_DIR/kubeconfig"; chmod 600 "$LAB_DIR/kubeconfig"
    mkdir -p "$LAB_DIR/bin"; [ -x "$LAB_DIR/bin/kubectl" ] || { on "$first" cat /usr/bin/kubectl >"$LAB_DIR/bin/kubectl"; chmod 755 "$LAB_DIR/bin/kubectl"; }
    kubectl apply -f "$REPO/lab/flannel.yml" || return
    hash=$(on "$first" "openssl x509 -pubkey -noout -in /etc/kubernetes/pki/ca.crt | openssl pkey -pubin -outform der | sha256sum | cut -c1-64")
    join="kubeadm join $at:6443 --token $KUBEADM_TOKEN --discovery-token-ca-cert-hash sha256:$hash --cri-socket unix:///run/other/other.sock --ignore-preflight-errors=SystemVerification"
    for h in ${1#"$first"}; do
        on "$h" "$join --control-plane --certificate-key $KUBEADM_KEY --apiserver-advertise-address $(addr "$h")" >"$LAB_DIR/kubeadm-$h.log" 2>&1 || { tail -30 "$LAB_DIR/kubeadm-$h.log"; return 1; }
    done
    for h in $2; do
        on "$h" "$join" >"$LAB_DIR/kubeadm-$h.log" 2>&1 || { tail -30 "$LAB_DIR/kubeadm-$h.log"; return 1; }
    done
    kubectl wait --for=condition=Ready node --all --timeout=180s
}
