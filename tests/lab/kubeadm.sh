#!/usr/bin/env bash
# A cluster by a configuration file of kubeadm's: what the file says is what the cluster has, and the second run changes nothing.
# shellcheck disable=SC2016  # what is quoted so is for the hosts' shells
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$HERE/lib_cluster.sh"
lab tkubeadm 10.89.0

check 'two hosts' fleet up 2
check 'the release files' "$REPO/lab/releases"
cat >"$LAB_DIR/kubeadm.yml" <<'END'
apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
clusterName: shop
networking: {podSubnet: 10.128.0.0/16, serviceSubnet: 10.97.0.0/16, dnsDomain: shop.example}
apiServer:
  certSANs: [one.example.org]
  extraArgs: [{name: audit-log-path, value: /var/log/kubernetes/audit.log}, {name: audit-policy-file, value: /etc/audit/policy.yml}]
  extraVolumes:
    - {name: log, hostPath: /var/log/kubernetes, mountPath: /var/log/kubernetes, pathType: DirectoryOrCreate}
    - {name: policy, hostPath: /etc/audit, mountPath: /etc/audit, readOnly: true, pathType: DirectoryOrCreate}
certificateValidityPeriod: 2160h0m0s
etcd: {local: {dataDir: /var/lib/etcd-shop}}
---
apiVersion: kubeadm.k8s.io/v1beta4
kind: InitConfiguration
localAPIEndpoint: {bindPort: 7443}
nodeRegistration: {kubeletExtraArgs: [{name: v, value: "3"}]}
---
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
maxPods: 50
END
on h1 'mkdir -p /etc/audit && printf "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: Metadata}]\n" >/etc/audit/policy.yml'
# A control plane that kubeadm has made is known by what it notes on its pods.
on h1 'mkdir -p /etc/kubernetes/manifests && printf "metadata: {annotations: {kubeadm.kubernetes.io/etcd.advertise-client-urls: https://192.0.2.1:2379}}\n" >/etc/kubernetes/manifests/etcd.yaml'
rc=0; site apply >"$LAB_DIR/apply.out" 2>&1 || rc=$?
equal 'where kubeadm has made a control plane it ends with 2' 2 $rc
check 'and says so' grep -q 'carries a control plane that kubeadm' "$LAB_DIR/apply.out"
equal 'nothing was written' etcd.yaml "$(on h1 'cd /etc/kubernetes && find . -type f -printf "%f\n"')"
on h1 'rm -r /etc/kubernetes'
mkdir -p "$LAB_DIR/group_vars/all"
echo "kubeadm_config: $LAB_DIR/kubeadm.yml" >"$LAB_DIR/group_vars/all/this.yml"
check 'site.yml' site apply
mkdir -p "$LAB_DIR/bin"; on h1 'cat /usr/local/bin/kubectl' >"$LAB_DIR/bin/kubectl"; chmod +x "$LAB_DIR/bin/kubectl"
has() { on h1 "$@"; }
check 'the context bears its name' eval 'kubectl config current-context | grep -q shop'
equal 'two nodes' '2' "$(kubectl get nodes --no-headers | grep -cw Ready)"
equal 'pods have its range' '10.128.' "$(kubectl get pod -n bringup-check -o jsonpath='{.items[0].status.podIP}' | cut -c1-7)"
equal 'services have its range' '10.97.0.1' "$(kubectl get service kubernetes -o jsonpath='{.spec.clusterIP}')"
check 'the API is on its port' has 'ss -ltn | grep -q :7443'
check 'its certificate bears the name' has 'openssl x509 -in /etc/kubernetes/pki/apiserver.crt -noout -ext subjectAltName | grep -q DNS:one.example.org'
end=$(date -d "$(on h1 'openssl x509 -in /etc/kubernetes/pki/apiserver.crt -noout -enddate' | cut -d= -f2)" +%s)
equal 'and holds for ninety days' 90 "$(( (end - $(date +%s) + 43200) / 86400 ))"
check 'what is asked of the API is written down' has 'grep -q \"verb\" /var/log/kubernetes/audit.log'
check 'etcd has its folder' has 'test -d /var/lib/etcd-shop/member && ! test -e /var/lib/etcd/member'
# The lab's hosts have a `kubelet_extra_config` of their own.
equal 'a variable of the inventory wins over the file' 110 "$(kubectl get node h2 -o jsonpath='{.status.allocatable.pods}')"
check 'and has its flag' has 'tr "\0" " " </proc/$(pgrep -x kubelet)/cmdline | grep -q -- --v=3'
equal "the control plane has kubeadm's taint" node-role.kubernetes.io/control-plane:NoSchedule "$(kubectl get node h1 -o jsonpath='{.spec.taints[0].key}:{.spec.taints[0].effect}')"
converged 'the second time'
