# shellcheck shell=bash
# A host with another processor: an emulated machine, with a kernel, a disk and an init of its own. Nothing in it is this machine's:
# it is slow (a tenth of this machine, or less), and is what a small arm64 computer is in all else.

MACHINE_MEMORY=${LAB_MACHINE_MEMORY:-1536}    # MiB
MACHINE_DISK=8G                               # sparse

# Programs of arm64 can be run here while its image is made, as the packages' own scripts ask: `binfmt on`, `binfmt off`. The entry has the lab's
# name and is gone afterwards; where this machine has one already, that one is used and stays.
BINFMT=/proc/sys/fs/binfmt_misc BINFMT_NAME=bringup-$LAB_NAME-aarch64
binfmt() {
    if [ "$1" = off ]; then [ ! -e "$BINFMT/$BINFMT_NAME" ] || echo -1 > "$BINFMT/$BINFMT_NAME"; return; fi
    need qemu-aarch64-static:qemu-user-static arch-test
    [ -e $BINFMT/register ] || mount -t binfmt_misc binfmt_misc $BINFMT
    ! grep -qs '^magic 7f454c460201010000000000000000000200b700' $BINFMT/* || return 0
    # F: the interpreter is opened now, so that it is found in a root file system that does not have it.
    printf '%s\n' ":$BINFMT_NAME:M::\\x7fELF\\x02\\x01\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x02\\x00\\xb7\\x00:\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\x00\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xfe\\xff\\xff\\xff:$(command -v qemu-aarch64-static):F" > $BINFMT/register
}

# machine_kernel ROOT: the kernel is unpacked there from its package (the package's own scripts take minutes under an interpreter), with an initrd
# that loads the drivers of the emulated disk and cable, gives the address and goes on to the disk.
machine_kernel() {
    local root=$1 work version module
    work=$(mktemp -d)
    dpkg-deb --fsys-tarfile "$root"/var/cache/apt/archives/linux-image-*.deb | tar -x --keep-directory-symlink -C "$root"
    rm "$root"/var/cache/apt/archives/linux-image-*.deb
    version=$(basename "$root"/lib/modules/*)
    depmod -b "$root" "$version"
    mv "$root/boot/vmlinuz-$version" "$root/boot/vmlinuz"
    mkdir -p "$work"/{bin,dev,proc,sys,disk,"lib/modules/$version"}
    dpkg-deb --fsys-tarfile "$root"/var/cache/apt/archives/busybox-static_*.deb | tar -xO ./bin/busybox > "$work/bin/busybox"
    cp "$root/lib/modules/$version"/modules.* "$work/lib/modules/$version/"
    for module in virtio_pci virtio_blk virtio_net virtio-rng; do
        modprobe -d "$root" -S "$version" --show-depends "$module" | awk '$1 == "insmod" {print $2}'
    done | sort -u | while read -r module; do install -D "$module" "$work/lib/modules/$version/${module#*"/modules/$version/"}"; done
    cat > "$work/init" <<-'END'
	#!/bin/busybox sh
	b=/bin/busybox
	$b mount -t devtmpfs dev /dev; $b mount -t proc proc /proc; $b mount -t sysfs sys /sys
	for module in virtio_pci virtio_blk virtio_net virtio-rng; do $b modprobe $module; done
	for word in $($b cat /proc/cmdline); do case $word in lab_address=*) address=${word#*=} ;; lab_gateway=*) gateway=${word#*=} ;; esac; done
	$b ip link set lo up; $b ip addr add $address dev eth0; $b ip link set eth0 up; $b ip route add default via $gateway
	$b mount -t ext4 /dev/vda /disk
	for mount in dev proc sys; do $b mount --move /$mount /disk/$mount; done
	exec $b switch_root /disk /sbin/init
	END
    chmod 755 "$work/init" "$work/bin/busybox"
    (cd "$work" && find . | cpio -o -H newc --quiet) | gzip -1 > "$root/boot/initrd"
    rm -rf "$work"
}

is_machine() { [ -e "$LAB_DIR/hosts/$1/machine" ]; }

# machine_disk HOST IMAGE: its disk is IMAGE with what is this host's own over it.
machine_disk() {
    local H=$LAB_DIR/hosts/$1 upper=$LAB_DIR/hosts/$1/upper
    mount -t overlay overlay -o "lowerdir=$2,upperdir=$upper,workdir=$H/work" "$H/root"
    mke2fs -q -t ext4 -d "$H/root" "$H/disk" "$MACHINE_DISK" >/dev/null || { umount "$H/root"; return 1; }
    umount "$H/root"
}

# Runs as long as it is powered on; `reboot` in it is the emulator's own affair. Called with the host's cable plugged, in the switch's namespace.
machine_run() {
    local H=$LAB_DIR/hosts/$1 image NET; image=$(cat "$LAB_DIR/hosts/$1/image")
    net_of "$1"
    exec nsenter --net="/run/netns/$SWITCH" qemu-system-aarch64 -M virt -cpu max,sve=off,pauth-impdef=on -smp 2 -m "$MACHINE_MEMORY" -display none -nodefaults \
        -kernel "$image/boot/vmlinuz" -initrd "$image/boot/initrd" -append "console=ttyAMA0 panic=5 lab_address=$(addr "$1")/24 lab_gateway=$NET.254" \
        -drive "file=$H/disk,if=none,id=disk,format=raw,cache=unsafe" -device virtio-blk-pci,drive=disk \
        -netdev "tap,id=net,ifname=$1,script=no,downscript=no" -device "virtio-net-pci,netdev=net,romfile=,mac=$(mac "$1")" \
        -device virtio-rng-pci -serial "file:$H/console"
}
