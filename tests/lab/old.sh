#!/usr/bin/env bash
# The oldest release that can be built here, Kubernetes 1.15.12 with docker: by TLS from a file of kubeadm's of that time, then by HTTP behind a firewall.
# shellcheck disable=SC2016  # what is quoted so is for the hosts' shells
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$HERE/lib_cluster.sh"
lab told 10.82.0

check 'two bare hosts' fleet up 2
check 'the release files' "$REPO/lab/releases" --old
[ "$FAILED" = 0 ] || { tail -20 "${LAB_CACHE:-/var/cache/bringup-lab}/releases.log"; exit 1; }
mkdir -p "$LAB_DIR/group_vars/all"
cp "$REPO/lab/group_vars/guide.yml" "$LAB_DIR/group_vars/all/way.yml"
sed -i '/^kubernetes_version/d' "$LAB_DIR/group_vars/all/way.yml"
cat >"$LAB_DIR/kubeadm.yml" <<'END'
apiVersion: kubeadm.k8s.io/v1alpha1
kind: MasterConfiguration
kubernetesVersion: v1.15.12
networking: {podSubnet: 10.128.0.0/16, serviceSubnet: 10.97.0.0/16, dnsDomain: cluster.local}
apiServerCertSANs: [one.example.org]
controllerManagerExtraArgs: {node-monitor-period: 3s}
authorizationModes: [Node, RBAC]
END
echo "kubeadm_config: $LAB_DIR/kubeadm.yml" >"$LAB_DIR/group_vars/all/this.yml"


# ---------------------------------------------------------------- by TLS
check 'site.yml' site apply
mkdir -p "$LAB_DIR/bin"; on h1 'cat /usr/local/bin/kubectl' >"$LAB_DIR/bin/kubectl"; chmod +x "$LAB_DIR/bin/kubectl"
equal 'two nodes are Ready' 2 "$(kubectl get nodes --no-headers | grep -cw Ready)"
equal 'they run its release with docker' 'v1.15.12 docker://20.10.24' "$(versions | sed 's/+.*//')"
equal 'pods have the range of the file' '10.128.' "$(kubectl get pod -n bringup-check -o jsonpath='{.items[0].status.podIP}' | cut -c1-7)"
equal "the control plane has the role's label and kubeadm's taint of its time" 'node-role.kubernetes.io/master:NoSchedule' "$(kubectl get node h1 -o jsonpath='{.spec.taints[0].key}:{.spec.taints[0].effect}')"
check 'its roles are shown' eval 'kubectl get node h1 --no-headers | grep -qw master'
arguments() { on h1 "tr '\\0' ' ' </proc/\$(pidof $1)/cmdline"; }
check 'the controller-manager has its flag' eval 'arguments kube-controller-manager | grep -q -- --node-monitor-period=3s'
check 'no port without TLS is open' eval '! on h1 "ss -ltn" | grep -E ":(8080|10251|10252|10255|4194) "'
check 'nobody comes in without a certificate' eval '[ "$(on h2 "curl -ks -o /dev/null -w %{http_code} https://10.82.0.11:6443/api/v1/nodes")" = 403 ]'
check 'a pod runs on each host' box_up
check 'they reach each other, services and names' within 60 pods_reach_all
converged 'the second time'
check 'validate.yml agrees' "$BRINGUP" apply -i "$LAB_DIR/inventory.yml" "$REPO/playbooks/validate.yml"
drift 'a manifest removed' h1 'rm /etc/kubernetes/manifests/kube-scheduler.yaml' 'control_plane : Write the manifest of the static pod: kube-scheduler' 'kube-scheduler|pause|containerd-shim'
rc=0; "$BRINGUP" apply -i "$LAB_DIR/inventory.yml" "$REPO/playbooks/pivot.yml" >"$LAB_DIR/pivot.out" 2>&1 || rc=$?
equal 'a pivot is refused' 2 $rc
check 'with what it lacks' grep -q 'is not moved into the cluster by these playbooks' "$LAB_DIR/pivot.out"
check 'the hosts reboot' eval 'fleet reboot h1 && fleet reboot h2'
check 'they come back by themselves' within 180 pods_reach_all
box_down >/dev/null
check 'reset.yml' "$BRINGUP" apply -i "$LAB_DIR/inventory.yml" -e reset=kubernetes "$REPO/playbooks/reset.yml"
check 'nothing is left' nothing_left

# ---------------------------------------------------------------- by HTTP
# Docker remembers the network of its bridge: the same pods.
printf 'kubernetes_version: 1.15.12\npod_range: 10.128.0.0/16\napi_security: http\n' >"$LAB_DIR/group_vars/all/this.yml"
rc=0; site apply >"$LAB_DIR/apply.out" 2>&1 || rc=$?
equal 'HTTP alone is refused' 2 $rc
check 'it says what it means' eval 'sed "s,^ *. ,," "$LAB_DIR/apply.out" | tr -s "\n " " " | grep -q "may do everything in the cluster"'
printf 'api_http_behind_firewall: true\napi_passwords: [{user: guest}]\n' >>"$LAB_DIR/group_vars/all/this.yml"
on h1 'iptables -I INPUT -p tcp --dport 8080 ! -s 10.82.0.0/24 -j DROP'
COLUMNS=300 site apply >"$LAB_DIR/apply.log" 2>&1 || { check 'site.yml by HTTP' false; tail -40 "$LAB_DIR/apply.log"; }
check 'it warns loudly' grep -q 'WHOEVER REACHES 10.82.0.11:8080 MAY DO EVERYTHING' "$LAB_DIR/apply.log"
equal 'two nodes are Ready' 2 "$(kubectl get nodes --no-headers | grep -cw Ready)"
equal 'it is open at the address of the nodes alone' '10.82.0.11:8080' "$(on h1 'ss -ltnH "sport = :8080"' | awk '{print $4}')"
PARTS='kubelet kube-proxy controller-manager scheduler'
equal 'the parts ask by it' 4 "$(on h1 "cd /etc/kubernetes; for p in $PARTS; do grep -c 'server: http://10.82.0.11:8080' \$p.conf; done" | grep -cx 1)"
refuse 'none shows a certificate' on h1 "cd /etc/kubernetes; for p in $PARTS; do grep -H certificate \$p.conf; done | grep ."
check 'who asks it is asked nothing' eval '[ "$(on h2 "curl -s -o /dev/null -w %{http_code} http://10.82.0.11:8080/api/v1/secrets")" = 200 ]'
check 'the administrator goes on by TLS' grep -q 'server: https://10.82.0.11:6443' "$LAB_DIR/kubeconfig"
equal 'pods go on by TLS' '6443' "$(kubectl get endpoints kubernetes -o jsonpath='{.subsets[0].ports[0].port}')"
pass=$(on h1 'cut -d, -f1 /etc/kubernetes/pki/basic_auth.csv')
equal 'a password is of 32 characters' 32 "${#pass}"
equal 'who has it is somebody at the other port' 403 "$(on h2 "curl -ks -u guest:$pass -o /dev/null -w %{http_code} https://10.82.0.11:6443/api/v1/nodes")"
equal 'who has another one is nobody' 401 "$(on h2 'curl -ks -u guest:wrong -o /dev/null -w %{http_code} https://10.82.0.11:6443/api/v1/nodes')"
check 'a pod runs on each host' box_up
check 'they reach each other, services and names' within 60 pods_reach_all
converged 'the second time by HTTP'
check 'validate.yml agrees' "$BRINGUP" apply -i "$LAB_DIR/inventory.yml" "$REPO/playbooks/validate.yml"
box_down >/dev/null
check 'reset.yml' "$BRINGUP" apply -i "$LAB_DIR/inventory.yml" -e reset=kubernetes "$REPO/playbooks/reset.yml"
check 'nothing is left' nothing_left
