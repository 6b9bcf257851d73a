#!/usr/bin/env bash
# With nothing set but what concerns the machine: files, images and packages come from the projects' own servers, which the lab stands in for,
# by the names, layouts and checksums that they publish.
# shellcheck disable=SC2016  # what is quoted so is for the hosts' shells
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$HERE/lib_cluster.sh"
. "$HERE/lib_upstream.sh"
lab tup 10.82.0

check 'two bare hosts' fleet up 2
check 'the release files' "$REPO/lab/releases"
check 'the projects stand in' upstream up
check 'the hosts know them' upstream trust
defaults

# ---------------------------------------------------------------- the defaults
check 'site.yml with the defaults' site apply
kubectl_from h1
check 'two nodes are Ready' all_ready
equal 'containers run by the images of the registry' \
    'registry.k8s.io/coredns/coredns:v1.14.2 registry.k8s.io/e2e-test-images/busybox:1.36.1-1 registry.k8s.io/etcd:3.6.8-0 registry.k8s.io/kube-apiserver:v1.36.3 registry.k8s.io/kube-controller-manager:v1.36.3 registry.k8s.io/kube-scheduler:v1.36.3 registry.k8s.io/pause:3.10.2' \
    "$(for h in h1 h2; do on $h 'ctr -n k8s.io containers ls'; done 2>/dev/null | awk '$2 ~ "/" {print $2}' | sort -u | paste -sd' ')"
taken() { grep "^$(addr "$1") release-assets\|^$(addr "$1") cdn" <("$REPO/lab/upstream" log) | sed -nE 's#.*"GET [^ ]*/([^/ ?]*\.(tar\.gz|tgz|amd64))[? ].*#\1#p' | sort -u | paste -sd' '; }
equal "the control plane's host takes the server's release" \
    'cni-plugins-linux-amd64-v1.9.1.tgz containerd-2.3.7-linux-amd64.tar.gz etcd-v3.6.8-linux-amd64.tar.gz kubernetes-server-linux-amd64.tar.gz runc.amd64' "$(taken h1)"
equal "a worker takes the node's" \
    'cni-plugins-linux-amd64-v1.9.1.tgz containerd-2.3.7-linux-amd64.tar.gz kubernetes-node-linux-amd64.tar.gz runc.amd64' "$(taken h2)"
equal 'a worker has no program of the control plane' '' "$(on h2 'find / -xdev -name "kube-apiserver*" -o -xdev -name "kube-scheduler*"' 2>/dev/null)"
refuse 'archives of images are not unpacked where nobody takes them' on h1 'ls /opt/bringup/kubernetes-*/*.tar'
refuse 'what was downloaded is not kept' on h1 'ls /var/cache/bringup/*'
converged 'the second time'

# ---------------------------------------------------------------- what goes wrong on the way
check 'a third host' fleet up 3
check 'it knows the projects' upstream trust
defaults; alone h3
# fails_on KIND WORDS: what comes is such, and nothing of it is kept
fails_on() {
    local rc=0 out
    echo "*cni-plugins*.tgz $1" > "$LAB_DIR/upstream/faults"
    out=$(site apply --output json -e images_from=release -e "$RELEASE_IMAGES" 2>"$LAB_DIR/stderr") || rc=$?
    equal "$1: the run fails" 2 $rc
    out=$(python3 "$CHANGES" words <<<"$out")
    check "$1: the file is named" grep -qF 'https://github.com/containernetworking/plugins/releases/download/v1.9.1/cni-plugins-linux-amd64-v1.9.1.tgz did not come' <<<"$out"
    check "$1: it says why" grep -qF -- "$2" <<<"$out"
    equal "$1: nothing of it is kept" '' "$(on h3 'find /opt/bringup/cni-plugins-* /var/cache/bringup -type f -name "*cni*"; find /opt/bringup -type f')"
}
# It is a cluster of its own, of the same name.
RELEASE_IMAGES='{"workstation_kubeconfig": "'$LAB_DIR'/kubeconfig.release", "pause_image": "lab.local/pause:1", "check_image": "lab.local/box:1", "image_archives": [{"name": "lab.local/pause:1", "file": "'$LAB_DIR'/releases/images/pause_1.tar"}, {"name": "lab.local/box:1", "file": "'$LAB_DIR'/releases/images/box_1.tar"}]}'
fails_on wrong 'The checksum for the file did not match'
fails_on html 'What came is a page of HTML'
fails_on half 'transfer closed'
fails_on refused 'status 403'
rm "$LAB_DIR/upstream/faults"

# ---------------------------------------------------------------- the release's own images
asked() { grep -c "registry.k8s.io" <("$REPO/lab/upstream" log) || true; }
was=$(asked)
check 'images_from: release, on a host of its own' site apply -e images_from=release -e "$RELEASE_IMAGES"
equal 'no registry was asked' "$was" "$(asked)"
equal "the control plane's images are the release's, under their own names" 'registry.k8s.io/kube-apiserver:v1.36.3 registry.k8s.io/kube-controller-manager:v1.36.3 registry.k8s.io/kube-scheduler:v1.36.3' \
    "$(on h3 'ctr -n k8s.io images ls -q' 2>/dev/null | grep /kube- | sort | paste -sd' ')"
config_of() { on h3 "ctr -n k8s.io images inspect registry.k8s.io/$1:v1.36.3" 2>/dev/null; }
refuse 'none was made of a program' on h3 'ls /var/lib/bringup/images | grep kube-'
equal 'they are kept from the cleaning of images' 3 "$(on h3 'ctr -n k8s.io images ls' 2>/dev/null | grep '/kube-' | grep -c 'io.cri-containerd.pinned=pinned')"
site() { "$BRINGUP" "$@" -i "$LAB_DIR/inventory.yml" "$REPO/playbooks/site.yml" -e images_from=release -e "$RELEASE_IMAGES"; }
check 'the second time plan is content' site plan --exit-code
