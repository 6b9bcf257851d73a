# shellcheck shell=bash
# Container images without a registry and without docker: a static program in a tar (`docker save`'s layout),
# which `docker load` and `ctr images import` both take.

IMAGE_PREFIX=lab.local      # a registry name that nobody answers for

# Hard links stay links: the commands of a release that we built are one file under many names.
# archive NAME:TAG ROOTFS ENTRYPOINT..: writes images/NAME_TAG.tar unless it is there; same bytes for same inputs.
archive() {
    local ref=$1 root=$2 work digest entry out=$RELEASES/images/${1//[\/:]/_}.tar; shift 2
    entry=$(printf ',"%s"' "$@")
    work=$(mktemp -d "$RELEASES/.image.XXXXXX")
    tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -cf "$work/layer.tar" -C "$root" .
    digest=$(sha256sum < "$work/layer.tar" | cut -c1-64)
    printf '{"architecture":"amd64","os":"linux","created":"1970-01-01T00:00:00Z","config":{"Entrypoint":[%s],"Env":["PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]},"rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' \
        "${entry#,}" "$digest" > "$work/config.json"
    printf '[{"Config":"config.json","RepoTags":["%s/%s"],"Layers":["layer.tar"]}]' "$IMAGE_PREFIX" "$ref" > "$work/manifest.json"
    tar --mtime=@0 --owner=0 --group=0 --numeric-owner -cf "$work/image.tar" -C "$work" manifest.json config.json layer.tar
    mv "$work/image.tar" "$out"
    rm -rf "$work"
}

# made NAME:TAG: is the image there already?
made() { [ -f "$RELEASES/images/${1/:/_}.tar" ]; }

# unpacked FILE ROOT STRIP [MEMBER..]: members of a release archive under ROOT
unpacked() {
    local file=$RELEASES/$1 root=$2 strip=$3; shift 3
    mkdir -p "$root"
    tar -xf "$file" --strip-components="$strip" -C "$root" "$@"
}

image_pause() {
    made "pause:1" && return
    need gcc
    [ -e /usr/lib/x86_64-linux-gnu/libc.a ] || install_packages libc6-dev
    mkdir -p "$ROOTS/pause"
    gcc -Os -static -s "$LAB/build/pause.c" -o "$ROOTS/pause/pause"
    archive pause:1 "$ROOTS/pause" /pause
}

# A shell with the usual commands and a web server: the tests' pods.
image_box() {
    made box:1 && return
    local applet root=$ROOTS/box
    need busybox:busybox-static
    mkdir -p "$root"/{bin,www,tmp,etc}
    cp -L "$(command -v busybox)" "$root/bin/busybox"
    ! ldd "$root/bin/busybox" >/dev/null 2>&1 || die 'this busybox is not static' 'apt-get install busybox-static'
    for applet in $("$root/bin/busybox" --list); do
        [ "$applet" = busybox ] || ln -s busybox "$root/bin/$applet"
    done
    archive box:1 "$root" /bin/sh
}

# iptables_into ROOT: the iptables of this machine, with the libraries that it takes
iptables_into() {
    local root=$1 file
    mkdir -p "$root/usr/sbin"
    cp -L /usr/sbin/xtables-nft-multi "$root/usr/sbin/"
    for file in iptables iptables-save iptables-restore ip6tables ip6tables-save ip6tables-restore; do ln -s xtables-nft-multi "$root/usr/sbin/$file"; done
    { find /usr/lib/x86_64-linux-gnu/xtables -name '*.so'; find /usr/sbin/xtables-nft-multi /usr/lib/x86_64-linux-gnu/xtables -type f -exec ldd {} + | sed -n 's/^\t.*[ \t]\(\/[^ ]*\) (0x.*/\1/p; s/^\t\(\/[^ ]*\) (0x.*/\1/p'; } | sort -u | while read -r file; do
        mkdir -p "$root${file%/*}"; cp -L "$file" "$root$file"
    done
}

# What flannel's own image has: the daemon, a shell for what is done before it, and the iptables that it calls.
image_flannel() { # VERSION
    made "flannel:$1" && return
    local root=$ROOTS/flannel file
    need busybox:busybox-static iptables
    unpacked "flannel-v$1-linux-amd64.tar.gz" "$ROOTS/flannel-release" 0
    mkdir -p "$root"/{bin,sbin,opt/bin,opt/cni/bin,run,tmp,usr/sbin}
    install -m 755 "$ROOTS/flannel-release/flanneld" "$root/opt/bin/flanneld"
    install -m 755 "$ROOTS/flannel-release/flannel" "$root/opt/cni/bin/flannel"
    cp -L "$(command -v busybox)" "$root/bin/busybox"
    for file in sh cp; do ln -s busybox "$root/bin/$file"; done
    iptables_into "$root"
    archive "flannel:$1" "$root" /opt/bin/flanneld
}

image_etcd() { # VERSION
    made "etcd:$1" && return
    unpacked "etcd-v$1-linux-amd64.tar.gz" "$ROOTS/etcd/usr/local/bin" 1
    archive "etcd:$1" "$ROOTS/etcd" etcd
}

image_coredns() { # VERSION
    made "coredns:$1" && return
    unpacked "coredns_$1_linux_amd64.tgz" "$ROOTS/coredns" 0
    archive "coredns:$1" "$ROOTS/coredns" /coredns
}

image_minidns() {
    made minidns:1 && return
    mkdir -p "$ROOTS/minidns"
    install -m 755 "$RELEASES/minidns" "$ROOTS/minidns/minidns"
    archive minidns:1 "$ROOTS/minidns" /minidns
}

# One image serves all parts of the control plane, and kube-proxy, which calls other programs.
image_kubernetes() { # VERSION FILE
    made "kubernetes:v$1" && return
    local root=$ROOTS/kubernetes-$1 n
    local -a members=()
    for n in kube-apiserver kube-controller-manager kube-scheduler kube-proxy; do members+=("kubernetes/server/bin/$n"); done
    if ! unpacked "$2" "$root/usr/local/bin" 3 "${members[@]}" 2>/dev/null; then
        # The commands may be hard links to a member that was not asked for: take all, keep these.
        rm -rf "$root"; unpacked "$2" "$root/usr/local/bin" 3
    fi
    find "$root/usr/local/bin" -type f ! -name 'kube-apiserver' ! -name 'kube-controller-manager' ! -name 'kube-scheduler' ! -name 'kube-proxy' -delete
    archive "kubernetes:v$1" "$root" kube-apiserver
}

# All parts of a cluster of kubeadm's in one image: kube-proxy is a pod there, and calls iptables.
image_kubeadm() { # VERSION FILE
    made "kubeadm:v$1" && return
    local root=$ROOTS/kubeadm-$1
    need iptables
    unpacked "$2" "$root/usr/local/bin" 3
    find "$root/usr/local/bin" -type f ! -name 'kube-apiserver' ! -name 'kube-controller-manager' ! -name 'kube-scheduler' ! -name 'kube-proxy' -delete
    iptables_into "$root"
    mkdir -p "$root/run" "$root/tmp"
    archive "kubeadm:v$1" "$root" kube-apiserver
}
