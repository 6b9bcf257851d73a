#!/usr/bin/env bash
# The lab's hosts are what they promise, and nothing of them is left behind.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
lab tfleet 10.91.0

# Everything outside that a lab may touch. Kernel settings that count or change by themselves are left out.
world() {
    echo '## namespaces'; ip netns list | awk '{print $1}' | grep "^$LAB_NAME" || true
    echo '## interfaces'; ip -o link show | awk -F': ' '{print $2}' | grep "^$LAB_NAME" || true
    echo '## addresses'; ip -4 -o addr show to "$LAB_NET.0/24"
    echo '## cgroups'; find /sys/fs/cgroup -maxdepth 3 -type d -name "$LAB_NAME"
    echo '## mounts'; grep "$LAB_DIR" /proc/self/mountinfo || true
    echo '## processes'; pgrep -af "$LAB_NAME|$LAB_DIR" | grep -vE "pgrep|$$|tests/lab/fleet" || true
    echo '## folders'; ls -d "$LAB_DIR" 2>/dev/null || true
    echo '## kernel'
    sysctl -a 2>/dev/null | grep -vE '^(kernel\.(random|ns_last_pid|pty\.nr|sched_domain)|fs\.(dentry|inode|file-nr|quota|aio-nr|binfmt)|net\.(ipv[46]\.(conf|neigh)\.|netfilter\.nf_conntrack_(count|max|buckets)|nf_conntrack)|net\.ipv4\.(tcp_fastopen_key|route|tcp_m?mem|udp_mem)|vm\.stat|dev\.cdrom|kernel\.(threads-max|tainted|spl))'
}
command -v ping >/dev/null || apt-get install -qq -y iputils-ping >/dev/null
before=$(world)
fleet image
check 'three hosts come up' fleet up 3
equal 'each is listed' "h1 10.91.0.11 systemd on|h2 10.91.0.12 systemd on|h3 10.91.0.13 systemd on|" "$(fleet list | tr -s ' ' | tr '\n' '|')"
equal 'PID 1 is systemd' systemd "$(on h1 cat /proc/1/comm)"
check 'it gets to running' within 30 on h1 systemctl is-system-running
equal 'it is bare' 'none' "$(on h1 'command -v docker containerd runc iptables || echo none')"

boot() { on "$1" cat /proc/sys/kernel/random/boot_id; }
was=$(boot h1)
check 'up again' fleet up 3
equal 'leaves the hosts running' "$was" "$(boot h1)"
equal 'every boot has an id of its own' 3 "$({ boot h1; boot h2; boot h3; } | sort -u | wc -l)"
check 'a host reboots from outside' fleet reboot h1
refuse 'its boot id changes' test "$(boot h1)" = "$was"
was=$(boot h2); on h2 systemctl reboot >/dev/null 2>&1 || true
booted() { [ "$(boot "$1" 2>/dev/null)" != "$2" ] && [ -n "$(boot "$1")" ]; }
check 'a host reboots from inside' within 40 booted h2 "$was"

check 'hosts reach each other' on h1 ping -c1 -W2 h3
fleet cut h3
refuse 'a cut host is not reached' on h1 ping -c1 -W1 h3
fleet heal h3
check 'a healed one is' within 5 on h1 ping -c1 -W1 h3
fleet delay 50
rtt=$(ping -c5 -i0.2 -q 10.91.0.11 | sed -nE 's/^rtt.* = ([0-9]+).*/\1/p')
check "delay 50 gives a round trip of about 50 ms (it is $rtt)" test "$rtt" -ge 49 -a "$rtt" -le 60
fleet delay 0
rtt=$(ping -c5 -i0.2 -q 10.91.0.11 | sed -nE 's/^rtt.* = ([0-9]+).*/\1/p')
check "delay 0 takes it away (it is $rtt)" test "$rtt" -le 5

as() { local user=$1; shift; ssh -F "$LAB_DIR/ssh_config" -n -l "$user" h1 "$@"; }
equal 'admin becomes root freely' root "$(as admin sudo -n whoami)"
refuse 'helper does not' as helper sudo -n whoami
equal 'helper does with the password' root "$(ssh -F "$LAB_DIR/ssh_config" -l helper h1 sudo -S -p "''" whoami < "$LAB_DIR/password")"
refuse 'a wrong host key is refused' ssh -F "$LAB_DIR/ssh_config" -o HostKeyAlias=10.91.0.12 -n h1 true
check 'apt installs without a mirror' on h3 'apt-get install -y iptables conntrack busybox-static && iptables -t nat -S && busybox true'
check 'docker runs in a host' on h2 "apt-get install -y docker.io && systemctl is-active docker && docker info -f '{{.Driver}}' | grep -x overlay2"
check 'docker runs a container' on h2 'apt-get install -y busybox-static && tar -C /usr -c bin/busybox | docker import - box && docker run --rm box /bin/busybox true'

check 'the inventory names the groups' grep -A3 'control_plane:' "$LAB_DIR/inventory.yml"
equal 'known_hosts knows all three' 3 "$(wc -l < "$LAB_DIR/known_hosts")"
check 'one host goes alone' fleet down h3
equal 'the others stay' 'h1 h2' "$(fleet list | awk '{print $1}' | paste -sd' ')"
fleet delay 20
check 'all go' "$REPO/lab/down"
check 'light hosts come up' fleet up 4 --light
equal 'they run sshd alone' sshd "$(on h4 cat /proc/1/comm)"
check 'they go' "$REPO/lab/down"
check 'down twice is no error' "$REPO/lab/down"
equal 'nothing is left behind' "$before" "$(world)"
