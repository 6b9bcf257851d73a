# shellcheck shell=bash
# The lab's network. The switch has a namespace of its own, so no firewall rule of this machine
# (docker sets FORWARD to DROP, for one) reaches the traffic between hosts. It is also the hosts'
# default gateway (.254) and answers "unreachable" for the rest of the world.
#
# A second segment is another bridge there with a net of its own: the namespace is the router between the two, and nothing but
# addressed packets goes across.

SWITCH=$LAB_NAME-sw
CABLE=$LAB_NAME-c           # our end of the cable to the switch, with the address .1

network_up() {
    ! ip link show "$CABLE" &>/dev/null || return 0
    local taken
    taken=$(ip -4 -o addr show to "$LAB_NET.0/24" | awk '{print $2; exit}')
    [ -z "$taken" ] || die "$LAB_NET.0/24 is in use by the interface $taken" 'choose another net: LAB_NET=10.78.0'
    ip netns del "$SWITCH" 2>/dev/null || true
    ip netns add "$SWITCH"
    ip netns exec "$SWITCH" sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.send_redirects=0
    ip -n "$SWITCH" link set lo up
    ip -n "$SWITCH" link add name br0 address 02:f1:ee:00:00:fe type bridge
    ip -n "$SWITCH" addr add "$LAB_NET.254/24" dev br0
    ip -n "$SWITCH" link set dev br0 up
    ip -n "$SWITCH" route add unreachable default
    if six; then
        ip netns exec "$SWITCH" sysctl -qw net.ipv6.conf.all.forwarding=1
        ip -n "$SWITCH" addr add "$(net6 "$LAB_NET"):fe/64" dev br0 nodad
    fi
    delay 0
}

# second_segment FROM: hosts from number FROM on stand in $LAB_NET2, behind the router.
second_segment() {
    [ "$LAB_NET2" != "$LAB_NET" ] || die 'both segments have the same net' 'choose another one: LAB_NET2=10.78.1'
    if ! ip -n "$SWITCH" link show br1 &>/dev/null; then
        local taken
        taken=$(ip -4 -o addr show to "$LAB_NET2.0/24" | awk '{print $2; exit}')
        [ -z "$taken" ] || die "$LAB_NET2.0/24 is in use by the interface $taken" 'choose another net: LAB_NET2=10.78.1'
        ip -n "$SWITCH" link add name br1 address 02:f1:ee:00:01:fe type bridge
        ip -n "$SWITCH" addr add "$LAB_NET2.254/24" dev br1
        ! six || ip -n "$SWITCH" addr add "$(net6 "$LAB_NET2"):fe/64" dev br1 nodad
        ip -n "$SWITCH" link set dev br1 up
    fi
    echo "$1 $LAB_NET2" > "$LAB_DIR/segment2"
    way_to_second
}
# This machine's own way to it goes with the cable.
way_to_second() {
    local net
    [ -f "$LAB_DIR/segment2" ] || return 0
    read -r _ net < "$LAB_DIR/segment2"
    ip route replace "$net.0/24" via "$LAB_NET.254" dev "$CABLE" src "$LAB_NET.1"
    ! six || ip -6 route replace "$(net6 "$net"):/64" via "$(net6 "$LAB_NET"):fe" dev "$CABLE"
}

network_down() {
    delay_stop
    ip link del "$CABLE" 2>/dev/null || true
    ip netns del "$SWITCH" 2>/dev/null || true
}

delay_stop() {
    local pid
    if pid=$(cat "$LAB_DIR/delay.pid" 2>/dev/null); then
        [[ "$(tr '\0' ' ' 2>/dev/null < "/proc/$pid/cmdline")" != *"delay.py $CABLE "* ]] || kill "$pid" 2>/dev/null || true
        rm -f "$LAB_DIR/delay.pid"
    fi
}

# delay MS: a new cable to the switch; a veth pair, or two taps with a process between them.
delay() {
    local ms=$1 far=$LAB_NAME-w pid
    [[ $ms =~ ^[0-9]+([.][0-9]+)?$ ]] || die "\`delay\` takes milliseconds, not \`$ms\`"
    ip netns pids "$SWITCH" &>/dev/null || die 'there is no network yet' "make hosts first: \`lab/fleet up 3\`"
    delay_stop
    ip link del "$CABLE" 2>/dev/null || true
    ip -n "$SWITCH" link del "$far" 2>/dev/null || true
    if [ "$ms" = 0 ]; then
        ip link add name "$CABLE" type veth peer name "$far" netns "$SWITCH"
    else
        need python3
        setsid python3 "$LAB/lib/delay.py" "$CABLE" "$far" "$ms" </dev/null >"$LAB_DIR/delay.log" 2>&1 9>&- &
        pid=$!
        echo $pid > "$LAB_DIR/delay.pid"
        until ip link show "$far" &>/dev/null; do
            kill -0 $pid 2>/dev/null || die 'the delaying cable did not start' "see $LAB_DIR/delay.log"
            sleep 0.02
        done
        ip link set "$far" netns "$SWITCH"
    fi
    ip link set "$CABLE" address 02:f1:ee:00:00:01 txqueuelen 10000 up
    ip addr add "$LAB_NET.1/24" dev "$CABLE"
    ! six || ip addr add "$(net6 "$LAB_NET"):1/64" dev "$CABLE" nodad
    ip -n "$SWITCH" link set "$far" master br0 txqueuelen 10000 up
    way_to_second
}

# Fixed, for the neighbours' ARP caches.
mac() { printf '02:f1:ee:00:01:%02x' "${1#h}"; }

# plug HOST: a fresh network namespace for it, its eth0 in the switch.
plug() {
    local h=$1 ns=$LAB_NAME-$1 bridge=br0 NET
    unplug "$h"
    net_of "$h"
    [ "$NET" = "$LAB_NET" ] || bridge=br1
    if is_machine "$h"; then
        ip -n "$SWITCH" tuntap add dev "$h" mode tap
    else
        ip netns add "$ns"
        ip -n "$SWITCH" link add name "$h" type veth peer name eth0 address "$(mac "$h")" netns "$ns"
    fi
    [ -e "$LAB_DIR/hosts/$h/cut" ] || ip -n "$SWITCH" link set "$h" up
    ip -n "$SWITCH" link set "$h" master $bridge
    ! is_machine "$h" || return 0
    ip -n "$ns" addr add "$NET.$((10 + ${h#h}))/24" dev eth0
    ip -n "$ns" link set lo up
    ip -n "$ns" link set eth0 up
    ip -n "$ns" route add default via "$NET.254"
    ! six || {
        ip -n "$ns" addr add "$(net6 "$NET"):$((10 + ${h#h}))/64" dev eth0 nodad
        ip -n "$ns" route add default via "$(net6 "$NET"):fe"
    }
}
unplug() {
    ip -n "$SWITCH" link del "$1" 2>/dev/null || true
    ip netns del "$LAB_NAME-$1" 2>/dev/null || true
}
