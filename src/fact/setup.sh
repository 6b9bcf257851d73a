# shellcheck shell=sh disable=SC2088,SC3013,SC2231
# Prints what `setup` turns into facts: sections that start with a line of \001 and a name, raw text for the parser behind it.
# POSIX sh without a single write. One grep reads all small files, for a process costs more than a file.
# Set in front: $own, the folder of the host's own facts, and $patience, the seconds that a file system of a server may take
# to tell its size. Without the latter servers are not asked, for one that is gone keeps everybody waiting.
# A tilde is what users write there: no shell has seen it.
case $own in '~') own=$HOME ;; '~/'*) own=$HOME/${own#'~/'} ;; esac
s() { printf '\001%s\n' "$1"; }
s env; env
export LC_ALL=C
PATH=$PATH:/usr/sbin:/sbin:/usr/local/sbin
has() { command -v "$1" >/dev/null 2>&1; }

s files
n=/sys/class/net d=/sys/class/dmi/id b=/sys/block
grep -sH '' /etc/os-release /etc/lsb-release /etc/debian_version /etc/redhat-release /etc/alpine-release /etc/hosts \
    /etc/machine-id /var/lib/dbus/machine-id /etc/selinux/config /etc/resolv.conf /run/systemd/container \
    /proc/sys/kernel/random/boot_id /proc/sys/crypto/fips_enabled /proc/uptime /proc/loadavg /proc/1/comm /proc/cmdline \
    /proc/meminfo /proc/mounts /proc/xen/capabilities /sys/fs/selinux/enforce /sys/fs/selinux/policyvers \
    $d/bios_* $d/board_* $d/chassis_* $d/product_* $d/sys_vendor /etc/ssh/ssh_host_*_key.pub \
    $n/*/address $n/*/mtu $n/*/operstate $n/*/type $n/*/flags $n/*/speed $n/*/bridge/bridge_id $n/*/bridge/stp_state \
    $n/*/bonding/mode $n/*/bonding/miimon $n/*/bonding/lacp_rate $n/*/bonding/slaves $n/*/brport/port_id \
    $b/*/size $b/*/removable $b/*/queue/rotational $b/*/queue/logical_block_size $b/*/device/model $b/*/device/vendor \
    $b/*/*/partition $b/*/*/size $b/*/*/start 2>/dev/null
s uname; uname -s; uname -n; uname -r; uname -v; uname -m
s flags
[ -e /sys/fs/selinux/enforce ] && echo selinux
[ -d /sys/kernel/security/apparmor ] && echo apparmor
[ -d /run/systemd/system ] && echo systemd
[ -e /.dockerenv ] || [ -e /.dockerinit ] && echo docker
[ -e /run/.containerenv ] && echo podman
[ -e /sys/fs/cgroup/cgroup.controllers ] && echo cgroup2
[ -d /proc/xen ] && echo xen
[ -e /proc/vz ] && [ ! -e /proc/bc ] && echo openvz
[ -d /sys/module/kvm ] && echo kvm
[ -e /proc/1/root/. ] && ! [ / -ef /proc/1/root/. ] && echo chroot
for m in apt-get dnf5 dnf yum apk pacman zypper xbps-install emerge opkg swupd; do has $m && { echo "pkg_mgr $m"; break; }; done
for m in $n/*/brport/bridge; do [ -e "$m" ] && { m=${m#"$n/"}; l=${m%%/*}; cd -P "$n/$m" && echo "port $l ${PWD##*/}"; }; done
for m in $n/*/bridge; do [ -d "$m" ] && { m=${m#"$n/"}; echo "bridge ${m%%/*}"; }; done
cd /
s cpu
grep -E '^(processor|vendor_id|model name|Processor|physical id|core id|cpu cores|siblings)' /proc/cpuinfo
grep -qm1 '^flags.* hypervisor' /proc/cpuinfo && echo hypervisor:1
has nproc && echo "nproc: $(nproc)"
# The Python that modules would find there, left alone by what users can set.
for m in python3.13 python3.12 python3.11 python3.10 python3.9 python3.8 /usr/bin/python3 python3; do
    has "$m" || continue
    p=$("$m" -ISc 'import sys, importlib.machinery as m
print(*sys.version_info)
print(sys.executable)
print(sys.implementation.name)
print("_ssl" in sys.builtin_module_names or bool(m.PathFinder.find_spec("_ssl")))' 2>/dev/null) || continue
    s python; printf '%s\n' "$p"
    break
done
[ -d /run/systemd/system ] && has systemctl && { s systemd; systemctl --version 2>/dev/null; }
s date; date '+%Y %m %d %H %M %S %s %Z %z %A %w %U %N'; date -u '+%Y %m %d %H %M %S'
s id; id; id -ru; id -rg
s passwd; u=$(id -u)
if has getent; then getent passwd "$u"; else grep -m1 "^[^:]*:[^:]*:$u:" /etc/passwd; fi
if has ip; then
    s addresses; ip -o addr show 2>/dev/null
    s route4; ip -4 route get 8.8.8.8 2>/dev/null
    s route6; ip -6 route get 2404:6800:400a:800::1012 2>/dev/null
fi
s sizes
set --
while read -r d m y _; do
    case $y in nfs* | cifs | smb* | fuse.sshfs | ceph | glusterfs | 9p)
        case $m in *\\*) continue ;; esac
        if [ -n "$patience" ] && has timeout; then
            timeout -s KILL "$patience" stat -f -c '%S %b %a %c %d %n' "$m" 2>/dev/null || echo "late $m"
        fi
        continue ;;
    esac
    case $d$m in *\\*) ;; /*) set -- "$@" "$m" ;; esac
done </proc/mounts
[ $# -gt 0 ] && stat -f -c '%S %b %a %c %d %n' "$@" 2>/dev/null
for f in "$own"/*.fact; do
    [ -e "$f" ] || [ -L "$f" ] || continue
    n=${f##*/}; s "local ${n%.fact}"
    [ -e "$f" ] || { printf '\001missing %s\n' "$f"; continue; }
    if [ -x "$f" ]; then "$f" </dev/null 2>/dev/null || printf '\001failed %s\n' "$?"; else cat "$f"; fi
    echo
done
# A name that /etc/hosts does not have is looked up last, and not for long: name servers may be out of reach.
h=$(uname -n)
case $h in *.*) ;; *)
    grep -qsE "^[^#]*[[:space:]]$h([[:space:]]|\$)" /etc/hosts || { has hostname && { s fqdn; timeout 1 hostname -f 2>/dev/null; }; } ;;
esac
:
