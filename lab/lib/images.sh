# shellcheck shell=bash
# Container images without a registry and without docker: a static program in a tar (`docker save`'s layout),
# which `docker load` and `ctr images import` both take.

IMAGE_PREFIX=lab.local      # a registry name that nobody answers for
ARCH=amd64 ARCH_SUFFIX=''    # of what is made: `arm64`, `_arm64`

# Hard links stay links: the commands of a release that we built are one file under many names.
# archive NAME:TAG ROOTFS ENTRYPOINT..: writes images/NAME_TAG.tar, or NAME_TAG_arm64.tar for that processor ($ARCH); same bytes for same inputs.
archive() {
    local ref=$1 root=$2 work digest entry out=$RELEASES/images/${1//[\/:]/_}$ARCH_SUFFIX.tar; shift 2
    entry=$(printf ',"%s"' "$@")
    work=$(mktemp -d "$RELEASES/.image.XXXXXX")
    tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -cf "$work/layer.tar" -C "$root" .
    digest=$(sha256sum < "$work/layer.tar" | cut -c1-64)
    printf '{"architecture":"%s","os":"linux","created":"1970-01-01T00:00:00Z","config":{"Entrypoint":[%s],"Env":["PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]},"rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' \
        "$ARCH" "${entry#,}" "$digest" > "$work/config.json"
    printf '[{"Config":"config.json","RepoTags":["%s/%s"],"Layers":["layer.tar"]}]' "$IMAGE_PREFIX" "$ref" > "$work/manifest.json"
    tar --mtime=@0 --owner=0 --group=0 --numeric-owner -cf "$work/image.tar" -C "$work" manifest.json config.json layer.tar
    mv "$work/image.tar" "$out"
    rm -rf "$work"
}

# made NAME:TAG: is the image there already?
made() { [ -f "$RELEASES/images/${1/:/_}$ARCH_SUFFIX.tar" ]; }

# unpacked FILE ROOT STRIP [MEMBER..]: members of a release archive under ROOT
unpacked() {
    local file=$RELEASES/$1 root=$2 strip=$3; shift 3
    mkdir -p "$root"
    tar -xf "$file" --strip-components="$strip" -C "$root" "$@"
}

image_pause() {
    made "pause:1" && return
    local root=$ROOTS/pause$ARCH_SUFFIX compiler=gcc
    if [ "$ARCH" = amd64 ]; then
        need gcc
        [ -e /usr/lib/x86_64-linux-gnu/libc.a ] || install_packages libc6-dev
    else
        compiler=aarch64-linux-gnu-gcc
        need $compiler:gcc-aarch64-linux-gnu
        [ -e /usr/aarch64-linux-gnu/lib/libc.a ] || install_packages libc6-dev-arm64-cross
    fi
    mkdir -p "$root"
    $compiler -Os -static -s "$LAB/build/pause.c" -o "$root/pause"
    archive pause:1 "$root" /pause
}

# A shell with the usual commands and a web server: the tests' pods.
image_box() {
    made box:1 && return
    local applet root=$ROOTS/box$ARCH_SUFFIX
    need busybox:busybox-static
    mkdir -p "$root"/{bin,www,tmp,etc}
    cp -L "$(command -v busybox)" "$root/bin/busybox"
    [ "$ARCH" = amd64 ] || busybox_of "$ARCH" > "$root/bin/busybox.other"
    ! ldd "$root/bin/busybox" >/dev/null 2>&1 || die 'this busybox is not static' 'apt-get install busybox-static'
    for applet in $("$root/bin/busybox" --list); do
        [ "$applet" = busybox ] || ln -s busybox "$root/bin/$applet"
    done
    [ "$ARCH" = amd64 ] || { mv "$root/bin/busybox.other" "$root/bin/busybox"; chmod 755 "$root/bin/busybox"; }
    archive box:1 "$root" /bin/sh
}
# busybox_of ARCH: the same package's program for another processor, from Debian's mirror
busybox_of() {
    local work; work=$(mktemp -d "$RELEASES/.debian.XXXXXX")
    debian_of "$1" "$work" busybox-static
    dpkg-deb --fsys-tarfile "$work"/busybox-static_*.deb | tar -xO ./bin/busybox
    rm -rf "$work"
}
# debian_of ARCH FOLDER PACKAGE..: packages of another processor are downloaded; this machine's own lists and packages stay as they are
debian_of() {
    local arch=$1 dir=$2; shift 2
    mkdir -p "$dir"/{lists,cache,etc}; : > "$dir/status"
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $(mirror) ${LAB_SUITE} main" > "$dir/etc/sources.list"
    local -a with=(-o "APT::Architecture=$arch" -o "APT::Architectures=$arch" -o "Dir::Etc::SourceList=$dir/etc/sources.list" -o "Dir::Etc::SourceParts=$dir/none"
        -o "Dir::State::lists=$dir/lists" -o "Dir::State::status=$dir/status" -o "Dir::Cache=$dir/cache" -o APT::Sandbox::User=root -q)
    { apt-get "${with[@]}" update && (cd "$dir" && apt-get "${with[@]}" download "$@"); } >>"$LOG" 2>&1 || { tail -5 "$LOG" >&2; die "Debian's mirror did not give $* for $arch" "the whole of it is in $LOG"; }
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
    unpacked "coredns_$1_linux_$ARCH.tgz" "$ROOTS/coredns$ARCH_SUFFIX" 0
    archive "coredns:$1" "$ROOTS/coredns$ARCH_SUFFIX" /coredns
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
