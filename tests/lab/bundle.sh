#!/usr/bin/env bash
# Without a way out: a bundle is fetched on a machine that has one, whole or not at all, and hosts that reach nobody are installed from it.
# shellcheck disable=SC2016  # what is quoted so is for the hosts' shells
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$HERE/lib_cluster.sh"
. "$HERE/lib_upstream.sh"
lab tbundle 10.82.0
B=$LAB_DIR/bundle

check 'two bare hosts' fleet up 2
check 'the release files' "$REPO/lab/releases"
check 'the projects stand in' upstream up
defaults
# bundle COMMAND OPTIONS..: as a user of this machine, who has a way out
# An image of Docker Hub, which takes a token, is one of them.
bundle() { local command=$1; shift; upstream as-user "$BRINGUP" "$command" -i localhost, "$REPO/playbooks/bundle.yml" -e "bundle=$B" -e "$EXTRA" --output json "$@"; }
EXTRA='{"images_extra": ["someone/pause:3.10.2"]}'


# ---------------------------------------------------------------- the list
rc=0; out=$(bundle plan --exit-code 2>"$LAB_DIR/stderr") || rc=$?
equal 'plan says that all of it would come' 3 $rc
refuse 'and brings nothing' test -e "$B"
for what in kubernetes-server-linux-amd64.tar.gz kubernetes-node-linux-amd64.tar.gz etcd-v3.6.8-linux-amd64.tar.gz registry.k8s.io/pause:3.10.2 registry.k8s.io/kube-apiserver:v1.36.3; do
    check "it lists $what" grep -qF "$what\"" <<<"$out"
done

# ---------------------------------------------------------------- what goes wrong on the way
# fails_on PATTERN KIND WORDS PLACE: what comes is such, it is said, and no file of that name is there
fails_on() {
    local rc=0 out title="$2 for $1"
    echo "$1 $2" > "$LAB_DIR/upstream/faults"
    out=$(bundle apply 2>"$LAB_DIR/stderr") || rc=$?
    equal "$title: it fails" 2 $rc
    check "$title: it says why" grep -qF -- "$3" <<<"$(python3 "$CHANGES" words <<<"$out")"
    equal "$title: nothing of it is kept" '' "$(find "$B" -path "*$4*" -type f)"
    refuse "$title: the bundle is not whole" test -e "$B/SHA256SUMS"
}
fails_on '*/cni-plugins-*.tgz' wrong 'cni-plugins-linux-amd64-v1.9.1.tgz did not come: Request failed: The checksum for the file did not match' cni-plugins
fails_on '*/cni-plugins-*.tgz' html 'What came is a page of HTML' cni-plugins
fails_on '*/cni-plugins-*.tgz' half 'transfer closed' cni-plugins
fails_on 'registry.k8s.io/v2/pause/manifests/*' html 'registry.k8s.io/pause:3.10.2 for amd64 did not come' pause
fails_on 'registry.k8s.io/v2/pause/blobs/*' html 'What came is a page of HTML' pause
fails_on 'registry.k8s.io/v2/pause/manifests/*' refused '403' pause
rm "$LAB_DIR/upstream/faults"

# ---------------------------------------------------------------- whole
check 'the bundle comes' bundle apply
check 'each file has the checksum that is listed' env -C "$B" sha256sum --quiet -c SHA256SUMS
equal 'every file is listed' "$(cd "$B" && find . -type f ! -name SHA256SUMS | sed 's|^\./||' | sort)" "$(awk '{print $2}' "$B/SHA256SUMS")"
equal 'a second time nothing comes' '' "$(bundle apply 2>"$LAB_DIR/stderr" | python3 "$CHANGES")"
equal 'and plan says so' 0 "$(bundle plan --exit-code >/dev/null 2>&1; echo $?)"
image=$B/images/registry.k8s.io_pause_3.10.2_amd64.tar
cp "$image" "$LAB_DIR/pause.tar"; echo more >> "$image"
check 'what has changed since is fetched anew' bundle apply
check 'and is whole again' cmp "$image" "$LAB_DIR/pause.tar"
check 'the mirror goes' upstream down

# ---------------------------------------------------------------- on hosts that reach nobody
refuse 'hosts have no way out' on h1 'getent hosts dl.k8s.io'
site() { "$BRINGUP" "$@" -i "$LAB_DIR/inventory.yml" "$REPO/playbooks/site.yml" -e "bundle=$B" -e "$EXTRA"; }
refused 'a bundle of another version' 'kubernetes-1.36.2/kubernetes-server-linux-amd64.tar.gz does not exist. The bundle is not whole' -e kubernetes_version=1.36.2
cp "$B/SHA256SUMS" "$LAB_DIR/sums"
sed -i '/runc/d' "$B/SHA256SUMS"
refused 'a bundle that is not whole' 'runc-1.4.3/runc.amd64 is not in its SHA256SUMS' 
cp "$LAB_DIR/sums" "$B/SHA256SUMS"
echo more >> "$image"
refused 'an image that has changed' 'images/registry.k8s.io_pause_3.10.2_amd64.tar is not what its checksum says'
mv "$LAB_DIR/pause.tar" "$image"
check 'site.yml from the bundle' site apply
kubectl_from h1
check 'two nodes are Ready' all_ready
equal 'a worker has the images that it needs, and no other' 'docker.io/someone/pause:3.10.2 registry.k8s.io/coredns/coredns:v1.14.2 registry.k8s.io/e2e-test-images/busybox:1.36.1-1 registry.k8s.io/pause:3.10.2' \
    "$(on h2 'ctr -n k8s.io images ls -q' 2>/dev/null | grep -v ^sha256 | sort | paste -sd' ')"
converged 'the second time'
