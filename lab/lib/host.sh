# shellcheck shell=bash
# One host: a set of namespaces (mount, pid, net, uts, ipc, cgroup) over a copy-on-write root,
# with systemd as its PID 1, or sshd alone for a light one.

# Folders kept off the overlay, because docker's and containerd's own overlays cannot sit on one.
LAB_PLAIN_DIRS=${LAB_PLAIN_DIRS:-var/lib/docker var/lib/containerd var/lib/kubelet}
CGROUPS=/sys/fs/cgroup

alive() { # is the supervisor of host $1 running?
    local p
    p=$(cat "$LAB_DIR/hosts/$1/pid" 2>/dev/null) &&
        [[ "$(tr '\0' ' ' 2>/dev/null < "/proc/$p/cmdline")" = *" _supervise $LAB_NAME $1 " ]]
}

# ---------------------------------------------------------------- cgroups
# The host gets one cgroup in every hierarchy this machine has (v1, hybrid or v2).
hierarchies() { awk '$3 ~ /^cgroup2?$/ {print $2}' /proc/mounts | grep "^$CGROUPS"; }
cgroup_clear() { # kill what is left in cgroup $1 and remove it
    local m p
    for m in $(hierarchies); do
        [ -d "$m/$1" ] || continue
        for _ in {1..100}; do
            p=$(find "$m/$1" -name cgroup.procs -exec cat {} + 2>/dev/null) || true
            # shellcheck disable=SC2086
            [ -z "$p" ] || kill -9 $p 2>/dev/null || true
            find "$m/$1" -depth -type d -exec rmdir {} + 2>/dev/null || true
            [ -d "$m/$1" ] || break
            sleep 0.05
        done
    done
}
cgroup_enter() { # move this process into a new cgroup $1
    local m c d
    for m in $(hierarchies); do
        mkdir -p "$m/$1"
        for d in "$m" "$m/$LAB_NAME"; do           # v2: hand the controllers down
            [ -f "$d/cgroup.subtree_control" ] || continue
            for c in $(< "$d/cgroup.controllers"); do echo "+$c" > "$d/cgroup.subtree_control" || true; done
        done 2>/dev/null
        for d in "$m/$LAB_NAME" "$m/$1"; do        # v1: an empty cpuset admits nobody
            if [ ! -f "$d/cpuset.cpus" ] || [ ! -f "$m/tasks" ]; then continue; fi
            cat "$m/cpuset.cpus" > "$d/cpuset.cpus"; cat "$m/cpuset.mems" > "$d/cpuset.mems"
        done
        echo 0 > "$m/$1/cgroup.procs"
    done
}

# ---------------------------------------------------------------- a boot
# Runs as long as the host is powered on; one turn of the loop is one boot (a machine boots anew by itself too).
supervise() {
    local h=$1 rc
    while :; do
        cgroup_clear "$LAB_NAME/$h"
        plug "$h"; touch "$LAB_DIR/hosts/$h/plugged"
        rc=0
        ( cgroup_enter "$LAB_NAME/$h"
          ! is_machine "$h" || machine_run "$h"
          exec nsenter --net="/run/netns/$LAB_NAME-$h" unshare --mount --uts --ipc --pid --cgroup \
              --fork --kill-child "$BASH" "$0" _boot "$LAB_NAME" "$h" ) || rc=$?
        # 129: SIGHUP, the kernel's word for reboot(2) in a pid namespace; 137: our `reboot`
        [ $rc = 129 ] || [ $rc = 137 ] || break
    done
}

# PID 1 of the host: builds its root, then becomes its init.
boot() {
    local h=$1 H=$LAB_DIR/hosts/$1 R=$LAB_DIR/hosts/$1/root d
    hostname "$h"
    mount --make-rprivate /
    mount -t overlay overlay -o "lowerdir=$(cat "$H/image"),upperdir=$H/upper,workdir=$H/work" "$R"
    for d in $LAB_PLAIN_DIRS; do
        mkdir -p "$H/plain/$d" "$R/$d"; mount --bind "$H/plain/$d" "$R/$d"
    done
    mount -t proc  -o nosuid,noexec,nodev proc  "$R/proc"
    mount -t sysfs -o nosuid,noexec,nodev sysfs "$R/sys"
    mount -t tmpfs -o mode=755,nosuid,nodev run "$R/run"
    devices "$R"
    cat "$R/proc/sys/kernel/random/uuid" > "$R/run/boot_id"     # a boot id of this boot's own
    mount --bind "$R/run/boot_id" "$R/proc/sys/kernel/random/boot_id"
    cgroup_mounts "$R"
    cd "$R" || exit; mkdir -p .old; pivot_root . .old; umount -l .old; rmdir .old
    mount --make-rshared /
    local -a init=(/sbin/init)
    if [ -e /.light ]; then mkdir -p /run/sshd; init=(/usr/sbin/sshd -D -e); fi
    exec env -i container=lab PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "${init[@]}"
}

devices() {
    local R=$1 n major minor
    mount -t tmpfs -o mode=755,nosuid dev "$R/dev"
    mkdir "$R/dev/pts" "$R/dev/shm" "$R/dev/net"
    mount -t devpts -o newinstance,ptmxmode=666,mode=620,gid=5 devpts "$R/dev/pts"
    mount -t tmpfs -o mode=1777,nosuid,nodev shm "$R/dev/shm"
    ln -s pts/ptmx "$R/dev/ptmx"; ln -s /proc/self/fd "$R/dev/fd"
    for n in 0:stdin 1:stdout 2:stderr; do ln -s "fd/${n%:*}" "$R/dev/${n#*:}"; done
    while read -r n major minor; do mknod -m 666 "$R/dev/$n" c "$major" "$minor"; done <<-END
	null 1 3
	zero 1 5
	full 1 7
	random 1 8
	urandom 1 9
	kmsg 1 11
	tty 5 0
	fuse 10 229
	net/tun 10 200
	END
}

# The same cgroup layout as the machine's, each tree rooted at the host's own cgroup.
cgroup_mounts() {
    local R=$1 point type options
    if [ "$(stat -fc %T $CGROUPS)" = cgroup2fs ]; then
        mount -t cgroup2 cgroup2 "$R$CGROUPS"
        return
    fi
    mount -t tmpfs -o mode=755,nosuid,noexec,nodev cgroup "$R$CGROUPS"
    awk -v cg="^$CGROUPS/" '$2 ~ cg && $3 ~ /^cgroup2?$/ {print $2, $3, $4}' /proc/mounts |
    while read -r point type options; do
        mkdir -p "$R$point"
        options=$(tr , '\n' <<<"$options" | grep -vxE 'rw|ro|relatime|no(suid|exec|dev)|xattr|.*=/.*' | paste -sd, || true)
        mount -t "$type" ${options:+-o "$options"} "$type" "$R$point"
    done
}

# ---------------------------------------------------------------- power
# Some virtual machines withhold CAP_SYS_RESOURCE even from root. Without it nobody may lower
# oom_score_adj below 0, as every pod sandbox asks, nor pass the capability on, as every
# privileged container asks: the runtimes of the hosts then find a runc that asks for neither.
can_sys_resource() { (( 0x$(awk '/^CapBnd/ {print $2}' /proc/self/status) >> 24 & 1 )); }
runc_shim() {
    local upper=$1 unit
    mkdir -p "$upper/opt/lab/bin"
    install -m 755 "$LAB/lib/runc-shim" "$upper/opt/lab/bin/runc"
    for unit in containerd docker; do
        mkdir -p "$upper/etc/systemd/system/$unit.service.d"
        printf '[Service]\nEnvironment=PATH=/opt/lab/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n' \
            > "$upper/etc/systemd/system/$unit.service.d/lab.conf"
    done
}

make_host() { # host $1 on image $2; $3: light, or machine
    local h=$1 H=$LAB_DIR/hosts/$1 upper=$LAB_DIR/hosts/$1/upper i user home NET
    rm -rf "$H"
    mkdir -p "$upper/etc/ssh" "$H/work" "$H/root"
    chmod 755 "$upper"
    ssh-keygen -q -t ed25519 -N '' -C "$h" -f "$upper/etc/ssh/ssh_host_ed25519_key"
    for user in root admin helper; do
        home=home/$user; [ $user != root ] || home=root
        mkdir -p "$upper/$home/.ssh"; cp -a "$2/$home/." "$upper/$home/"
        cp "$LAB_DIR/key.pub" "$upper/$home/.ssh/authorized_keys"
        chmod 700 "$upper/$home" "$upper/$home/.ssh"; chmod 600 "$upper/$home/.ssh/authorized_keys"
        chown -R "$(stat -c %u:%g "$2/$home")" "$upper/$home"
    done
    sed "s|^helper:[^:]*:|helper:$(cat "$LAB_DIR/password.hash"):|" "$2/etc/shadow" > "$upper/etc/shadow"
    chmod 640 "$upper/etc/shadow"; chown "$(stat -c %u:%g "$2/etc/shadow")" "$upper/etc/shadow"
    { echo '127.0.0.1 localhost'; for ((i = 1; i <= 240; i++)); do net_of "h$i"; echo "$NET.$((10 + i)) h$i"; done; } > "$upper/etc/hosts"
    echo "nameserver $LAB_NET.254" > "$upper/etc/resolv.conf"   # nobody listens: lookups fail at once
    echo "$h" > "$upper/etc/hostname"
    if [ "${3:-}" = machine ]; then
        machine_disk "$h" "$2"; touch "$H/machine"
    else
        [ -z "${3:-}" ] || touch "$upper/.light"
        can_sys_resource || runc_shim "$upper"
    fi
    echo "$2" > "$H/image"                                      # last: from here on the host exists
}

start() { # power host $1 on, making it first if it does not exist; $2: light, or machine
    local h=$1 H=$LAB_DIR/hosts/$1
    ! alive "$h" || return 0
    [ -f "$H/image" ] || make_host "$h" "$(image_dir "$([ "${2:-}" != machine ] || echo arm64)")" "${2:-}"
    rm -f "$H/plugged"
    setsid "$BASH" "$0" _supervise "$LAB_NAME" "$h" </dev/null >>"$H/log" 2>&1 9>&- &
    echo $! > "$H/pid"
}

ready() { # wait until host $1 answers ssh
    local h=$1 banner tries=600 patience=1
    # It takes seconds to greet, and each one that is not waited for keeps it from the next.
    ! is_machine "$h" || { tries=6000 patience=60; }
    for ((; tries; tries--)); do
        if [ -e "$LAB_DIR/hosts/$h/plugged" ] && banner=$(timeout $patience "$BASH" -c "
            read -r b < /dev/tcp/$(addr "$h")/22 && echo \"\$b\"" 2>/dev/null) && [[ $banner = SSH-* ]]; then return; fi
        alive "$h" || die "$h did not start" "see $LAB_DIR/hosts/$h/log"
        sleep 0.05
    done
    die "$h does not answer on port 22" "see $LAB_DIR/hosts/$h/$(is_machine "$h" && echo console || echo log)"
}

destroy() {
    local h=$1
    ! alive "$h" || kill -9 -- "-$(cat "$LAB_DIR/hosts/$h/pid")"
    cgroup_clear "$LAB_NAME/$h"
    unplug "$h"
    rm -rf "${LAB_DIR:?}/hosts/$h"
}
