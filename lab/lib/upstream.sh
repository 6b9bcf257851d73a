# shellcheck shell=bash
# Release files and images as the projects publish them, made of what lab/releases has. Made once: the names, the layouts and the checksums
# are upstream's, and so are the versions, which the roles take by default.

UP_KUBERNETES=1.36.3 UP_ETCD=3.6.8 UP_CONTAINERD=2.3.7 UP_RUNC=1.4.3 UP_CNI=1.9.1 UP_COREDNS=1.14.2 UP_PAUSE=3.10.2 UP_BUSYBOX=1.36.1-1
RELEASES=$LAB_CACHE/releases
# The name says how it was made, and whether with files of arm64 (`lab/releases --arm64`).
TREE=$LAB_CACHE/upstream-$( { cat "${BASH_SOURCE[0]}" "$LAB/lib/push.py"; find "$RELEASES/" -name '*arm64*' -printf '%f\n' 2>/dev/null | sort; } | sha256sum | cut -c1-12)

# from FILE: a release file of the lab
from() { local f; f=$(find "$RELEASES/" -maxdepth 1 -name "$1" | sort -V | tail -1); [ -n "$f" ] || die "there is no $1 yet" "get it: \`lab/releases\`"; echo "$f"; }
sum_beside() { (cd "${1%/*}" && sha256sum "${1##*/}" > "${1##*/}$2"); }
# Another processor's file is there under its name: its own where lab/releases has it (MADE: its name there), else what is in it is this one's.
for_arm() { # FILE [MADE]
    local own=$RELEASES/${2:-$(basename "${1//amd64/arm64}")}
    if [ -f "$own" ]; then cp "$own" "${1//amd64/arm64}"; else ln "$1" "${1//amd64/arm64}"; fi
}

# An image as `docker save` writes it, under a name of upstream's: NAME:TAG ROOT ENTRYPOINT..
saved() { RELEASES=$WORK IMAGE_PREFIX=registry.k8s.io archive "$@"; }

upstream_kubernetes() {
    local stage=$WORK/stage dir=$NEW/cdn.dl.k8s.io/release/v$UP_KUBERNETES n root all=$WORK/all
    mkdir -p "$all" "$stage/server/kubernetes/server/bin" "$stage/node/kubernetes/node/bin" "$dir"
    tar -xf "$(from "kubernetes-server-v$UP_KUBERNETES-linux-amd64.tar.gz")" -C "$all" --strip-components=3
    # Each program is a file of its own.
    for n in kube-apiserver kube-controller-manager kube-proxy kube-scheduler kubectl kubelet; do
        cp "$all/$n" "$stage/server/kubernetes/server/bin/$n"
    done
    # What is not used here is there by name.
    for n in apiextensions-apiserver kube-aggregator kube-log-runner kubeadm kubectl-convert mounter; do
        printf '#!/bin/sh\nexit 1\n' > "$stage/server/kubernetes/server/bin/$n"; chmod 755 "$stage/server/kubernetes/server/bin/$n"
    done
    for n in kube-proxy kubeadm kubectl kubelet; do ln "$stage/server/kubernetes/server/bin/$n" "$stage/node/kubernetes/node/bin/$n"; done
    for n in kube-proxy kubectl; do echo image > "$stage/server/kubernetes/server/bin/$n.tar"; echo "v$UP_KUBERNETES" > "$stage/server/kubernetes/server/bin/$n.docker_tag"; done
    for n in kube-apiserver kube-controller-manager kube-scheduler; do
        root=$WORK/root/$n
        mkdir -p "$root/usr/local/bin"; ln "$stage/server/kubernetes/server/bin/$n" "$root/usr/local/bin/$n"
        # In the release's archive the name tells the processor, in the registry it does not.
        saved "$n:v$UP_KUBERNETES" "$root" "$n"
        saved "$n-amd64:v$UP_KUBERNETES" "$root" "$n"
        mv "$WORK/images/$n-amd64_v$UP_KUBERNETES.tar" "$stage/server/kubernetes/server/bin/$n.tar"
        echo "v$UP_KUBERNETES" > "$stage/server/kubernetes/server/bin/$n.docker_tag"
    done
    for n in server node; do
        root=$stage/$n/kubernetes
        mkdir -p "$root/LICENSES/vendor/example.org/module"; echo license > "$root/LICENSES/vendor/example.org/module/LICENSE"
        [ $n = node ] || mkdir -p "$root/addons"
        echo "v$UP_KUBERNETES" > "$root/version"; echo sources | gzip > "$root/kubernetes-src.tar.gz"
        # Hard links to what another tarball has are files here.
        tar --hard-dereference --owner=0 --group=0 -C "$stage/$n" -c kubernetes | gzip -1 > "$dir/kubernetes-$n-linux-amd64.tar.gz"
        for_arm "$dir/kubernetes-$n-linux-amd64.tar.gz" "kubernetes-$n-v$UP_KUBERNETES-linux-arm64.tar.gz"
    done
    for n in "$dir"/*.tar.gz; do sha256sum < "$n" | cut -c1-64 | tr -d '\n' > "$n.sha256"; done
}

github() { local dir=$NEW/release-assets.githubusercontent.com/$1/releases/download/v$2; mkdir -p "$dir"; echo "$dir"; }
upstream_github() {
    local dir work a f
    work=$WORK/etcd; mkdir -p "$work"
    tar -xf "$(from 'etcd-v*-linux-amd64.tar.gz')" -C "$work" --strip-components=1
    dir=$(github etcd-io/etcd $UP_ETCD)
    for a in amd64 arm64; do
        f=etcd-v$UP_ETCD-linux-$a
        rm -rf "${WORK:?}/$f"; mkdir -p "$WORK/$f/Documentation"; echo text > "$WORK/$f/Documentation/README.md"; cp "$work"/etcd* "$WORK/$f/"
        tar --owner=0 --group=0 -C "$WORK" -c "$f" | gzip -1 > "$dir/$f.tar.gz"
    done
    (cd "$dir" && sha256sum -- *.tar.gz > SHA256SUMS)
    mkdir -p "$WORK/root/etcd/usr/local/bin"; cp "$work"/etcd* "$WORK/root/etcd/usr/local/bin/"
    saved "etcd:$UP_ETCD-0" "$WORK/root/etcd" etcd

    dir=$(github containerd/containerd $UP_CONTAINERD); f=$dir/containerd-$UP_CONTAINERD-linux-amd64.tar.gz
    cp "$(from "containerd-$UP_CONTAINERD-linux-amd64.tar.gz")" "$f"; for_arm "$f"
    for f in "$dir"/*.tar.gz; do sum_beside "$f" .sha256sum; done

    dir=$(github opencontainers/runc $UP_RUNC)
    cp "$(from "runc-v$UP_RUNC.amd64")" "$dir/runc.amd64"; for_arm "$dir/runc.amd64" "runc-v$UP_RUNC.arm64"
    # Signed, with the text in the open.
    { printf -- '-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n'; (cd "$dir" && sha256sum runc.*)
      printf -- '-----BEGIN PGP SIGNATURE-----\n\niQJDBAEBCgAtFiEE\n=AAAA\n-----END PGP SIGNATURE-----\n'; } > "$WORK/runc.sha256sum"
    mv "$WORK/runc.sha256sum" "$dir/"

    dir=$(github containernetworking/plugins $UP_CNI); f=$dir/cni-plugins-linux-amd64-v$UP_CNI.tgz
    cp "$(from "cni-plugins-linux-amd64-v$UP_CNI.tgz")" "$f"; for_arm "$f"
    for f in "$dir"/*.tgz; do sum_beside "$f" .sha256; done

    dir=$(github coredns/coredns $UP_COREDNS); f=$dir/coredns_${UP_COREDNS}_linux_amd64.tgz
    cp "$(from 'coredns_*_linux_amd64.tgz')" "$f"; for_arm "$f" "$(basename "$(from 'coredns_*_linux_amd64.tgz')" _linux_amd64.tgz)_linux_arm64.tgz"
    for a in amd64 arm64; do
        sum_beside "${f//amd64/$a}" .sha256
        mkdir -p "$WORK/root/coredns-$a"; tar -xf "${f//amd64/$a}" -C "$WORK/root/coredns-$a"
    done
    saved "coredns/coredns:v$UP_COREDNS" "$WORK/root/coredns-amd64" /coredns
    ARCH=arm64 ARCH_SUFFIX=_arm64 saved "coredns/coredns:v$UP_COREDNS" "$WORK/root/coredns-arm64" /coredns
}

# The small images, from those that the lab has: IMAGE FILE; each with arm64's, where there is one
renamed() {
    local work
    [ ! -f "$RELEASES/images/${2%.tar}_arm64.tar" ] || [[ $2 = *_arm64.tar ]] || RENAMED=_arm64 renamed "$1" "${2%.tar}_arm64.tar"
    work=$(mktemp -d "$WORK/renamed.XXXXXX")
    tar -xf "$RELEASES/images/$2" -C "$work"
    sed -i "s|\"RepoTags\":\\[[^]]*\\]|\"RepoTags\":[\"registry.k8s.io/$1\"]|" "$work/manifest.json"
    tar -cf "$WORK/images/$(tr '/:' '__' <<<"$1")${RENAMED:-}.tar" -C "$work" manifest.json config.json layer.tar
}

# All images of $WORK/images go into a registry, as lists for both processors.
upstream_registry() {
    local port=$((20000 + RANDOM % 20000)) pid tar
    printf 'version: 0.1\nlog: {level: error}\nstorage: {filesystem: {rootdirectory: %s}}\nhttp: {addr: "127.0.0.1:%s"}\n' "$NEW/registry" $port > "$WORK/registry.yml"
    docker-registry serve "$WORK/registry.yml" >"$WORK/registry.log" 2>&1 & pid=$!
    for _ in {1..50}; do ! curl -fs -o "$WORK/answer" "http://127.0.0.1:$port/v2/" || break; sleep 0.1; done
    for tar in "$WORK"/images/*.tar; do [[ $tar != *_arm64.tar ]] || continue; python3 "$LAB/lib/push.py" --lists --prefix k8s-artifacts-prod/images/ "http://127.0.0.1:$port" "$tar" || { kill $pid; return 1; }; done
    kill $pid
}

# Debian's mirror, with the packages that the hosts may install.
upstream_debian() {
    local image dir=$NEW/packages.example.org/debian; image=$(find "$LAB_CACHE" -maxdepth 1 -name 'image-*' ! -name 'image-arm64-*' -type d | head -1)
    mkdir -p "$dir/pool" "$dir/dists/bookworm/main/binary-amd64"
    cp "$image"/var/cache/apt/archives/*.deb "$dir/pool/"
    (cd "$dir" && dpkg-scanpackages --multiversion pool > dists/bookworm/main/binary-amd64/Packages 2>/dev/null
     cd dists/bookworm && { printf 'Origin: Debian\nLabel: Debian\nSuite: oldstable\nCodename: bookworm\nArchitectures: amd64\nComponents: main\nDate: %s\nSHA256:\n' "$(date -Ru)"
        printf ' %s %s main/binary-amd64/Packages\n' "$(sha256sum < main/binary-amd64/Packages | cut -c1-64)" "$(stat -c %s main/binary-amd64/Packages)"; } > Release)
}

upstream_tree() {
    [ ! -d "$TREE" ] || return 0
    note 'making the files as upstream publishes them, once (about a minute)' >&2
    (
        flock 8; [ ! -d "$TREE" ] || exit 0
        rm -rf "$LAB_CACHE"/upstream-*
        NEW=$TREE.new; WORK=$TREE.new/.work; mkdir -p "$WORK/images"
        upstream_kubernetes; upstream_github
        renamed "pause:$UP_PAUSE" pause_1.tar
        renamed "e2e-test-images/busybox:$UP_BUSYBOX" box_1.tar
        upstream_registry; upstream_debian
        rm -rf "$WORK"; mv "$NEW" "$TREE"
    ) 8>"$LAB_CACHE/.upstream.lock"
}
