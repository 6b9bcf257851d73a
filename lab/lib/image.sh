# shellcheck shell=bash
# The root file system that all hosts share: a small Debian, built once for each choice of packages.

LAB_SUITE=${LAB_SUITE:-bookworm}
# Installed in every host: what a freshly installed server has. Nothing of a container runtime.
LAB_PACKAGES=${LAB_PACKAGES:-systemd-sysv dbus openssh-server sudo iproute2 iputils-ping procps kmod ca-certificates}
# Downloaded only, so that `apt-get install` in a host works without a mirror.
LAB_DEBS=${LAB_DEBS:-docker.io conntrack ethtool socat ebtables iptables nftables ipset xz-utils curl wget busybox-static unzip
    cron logrotate unattended-upgrades fish acl attr libcap2-bin python3-minimal python3 haproxy keepalived}

# An emulated machine (machine.sh) gets no docker.
LAB_MACHINE_DEBS='conntrack ethtool socat ebtables iptables nftables openssl xz-utils curl busybox-static haproxy'

# Debian's mirror as this machine uses it; nothing where it uses none: mmdebstrap knows the public one.
mirror() {
    # shellcheck disable=SC2016  # apt's own variable
    echo "${LAB_MIRROR:-$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' "Codename: $LAB_SUITE" 2>/dev/null | head -1)}"
}

# The image's name says what is in it and how it was made. $1: arm64, for that of an emulated machine
image_dir() {
    local id debs=$LAB_DEBS
    [ -z "${1:-}" ] || debs=$LAB_MACHINE_DEBS$(declare -f machine_kernel)
    id=$( { echo "$LAB_SUITE $LAB_PACKAGES / $debs"; cat "${BASH_SOURCE[0]}"; } | sha256sum | cut -c1-12)
    echo "$LAB_CACHE/image-${1:+$1-}$id"
}

image() {
    local dir new arch=${1:-}
    dir=$(image_dir "$arch")
    [ ! -d "$dir" ] || return 0
    mkdir -p "$LAB_CACHE"; chmod 700 "$LAB_CACHE"
    [ "$(stat -fc %T "$LAB_CACHE")" != overlayfs ] ||
        die "$LAB_CACHE lies on an overlay, which cannot carry the hosts' own" 'set LAB_CACHE and LAB_DIR to folders on ext4, xfs, btrfs or tmpfs'
    need mmdebstrap
    (
        flock 9
        [ ! -d "$dir" ] || exit 0
        note "building the hosts' root file system, once (about half a minute${arch:+; some minutes for $arch})" >&2
        new=$dir.new; rm -rf "$new"
        [ -z "$arch" ] || { binfmt on; trap 'binfmt off' EXIT; }
        bootstrap "$new" "$arch" >"$LAB_CACHE/image.log" 2>&1 ||
            { tail -5 "$LAB_CACHE/image.log" >&2; rm -rf "$new"; die 'no root file system' "the whole of it is in $LAB_CACHE/image.log"; }
        adapt "$new" "$arch"
        mv "$new" "$dir"
    ) 9>"$LAB_CACHE/.lock"
}

bootstrap() {
    local from debs=$LAB_DEBS kernel=''
    from=$(mirror)
    # shellcheck disable=SC2016  # the hook's own
    [ -z "$2" ] || { debs=$LAB_MACHINE_DEBS; kernel="; cd /var/cache/apt/archives; apt-get download \$(apt-cache depends linux-image-cloud-$2 | sed -n s/.*Depends:.//p)"; }
    mmdebstrap --variant=minbase ${2:+--architectures="$2"} --include="$(tr -s ' \n' , <<<"$LAB_PACKAGES")" --skip=cleanup/apt \
        --aptopt='Apt::Install-Recommends "false"' \
        --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
        --dpkgopt='path-exclude=/usr/share/locale/*' \
        --customize-hook="chroot \"\$1\" sh -c 'apt-get clean; apt-get install -y --download-only $(tr -s ' \n' ' ' <<<"$debs")$kernel; apt-cache gencaches'" \
        "$LAB_SUITE" "$1" ${from:+"$from"}
}

adapt() {
    local u
    cd "$1" || return
    [ -z "$2" ] || machine_kernel "$1"
    # No hardware, no consoles, no background upgrades.
    for u in systemd-udevd.service systemd-udev-trigger.service systemd-udevd-{control,kernel}.socket \
             console-getty.service getty@.service e2scrub_reap.service \
             serial-getty@.service {apt-daily{,-upgrade},e2scrub_all,dpkg-db-backup}.timer; do
        ln -sf /dev/null "etc/systemd/system/$u"
    done
    mkdir -p etc/systemd/journald.conf.d
    printf '[Journal]\nReadKMsg=no\nSystemMaxUse=64M\n' > etc/systemd/journald.conf.d/lab.conf
    # Hosts that live for minutes need no fsync after each package.
    echo force-unsafe-io > etc/dpkg/dpkg.cfg.d/lab
    rm -f etc/ssh/ssh_host_*                # every host gets its own
    echo 'HostKey /etc/ssh/ssh_host_ed25519_key' > etc/ssh/sshd_config.d/lab.conf
    # Two people besides root: `admin` becomes root freely, `helper` is asked for a password.
    chroot . useradd -m -s /bin/bash admin
    chroot . useradd -m -s /bin/bash -G sudo helper
    echo 'admin ALL=(ALL:ALL) NOPASSWD: ALL' > etc/sudoers.d/lab
    chmod 440 etc/sudoers.d/lab
    : > etc/default/locale
    : > etc/machine-id; rm -f var/lib/dbus/machine-id
}
