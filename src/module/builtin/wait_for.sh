# shellcheck shell=sh disable=SC2015
# Functions about ports.

# listens PORT-IN-HEX: whether somebody here listens.
listens() {
    for f in /proc/net/tcp /proc/net/tcp6; do
        [ -r "$f" ] && while read -r _ l _ s _; do [ "${l##*:}" = "$1" ] && [ "$s" = 0A ] && return 0; done <"$f"
    done
    return 1
}
# connections PORT-IN-HEX STATES EXCLUDED: whether there are any in these states, but for those with excluded addresses.
connections() {
    for f in /proc/net/tcp /proc/net/tcp6; do
        [ -r "$f" ] && while read -r _ l r s _; do
            [ "${l##*:}" = "$1" ] && case " $2 " in *" $s "*) case " $3 " in *" ${r%%:*} "*) ;; *) return 0 ;; esac ;; esac
        done <"$f"
    done
    return 1
}
# reach HOST PORT SECONDS PORT-IN-HEX: whether a connection can be made, with what the host has.
reach() {
    if command -v bash >/dev/null; then
        # shellcheck disable=SC2016
        timeout "$3" bash -c 'exec 3<>"/dev/tcp/$0/$1"' "$1" "$2" 2>/dev/null
    elif command -v python3 >/dev/null; then
        python3 -c 'import socket,sys; socket.create_connection((sys.argv[1],int(sys.argv[2])),float(sys.argv[3]))' "$1" "$2" "$3" 2>/dev/null
    else
        case $1 in 127.*|localhost|::1|0.0.0.0) listens "$4"; return ;; esac
        if command -v nc >/dev/null; then
            nc -w "$3" -e true "$1" "$2" </dev/null >/dev/null 2>&1 || nc -z -w "$3" "$1" "$2" >/dev/null 2>&1
        else
            echo 'the host has neither bash nor nc to try a port with' >&2
            exit 90
        fi
    fi
}
# banner HOST PORT SECONDS: what the other side says.
banner() {
    if command -v bash >/dev/null; then
        # shellcheck disable=SC2016
        timeout "$3" bash -c 'exec 3<>"/dev/tcp/$0/$1"; cat <&3' "$1" "$2" 2>/dev/null
    else
        timeout "$3" nc "$1" "$2" </dev/null 2>/dev/null
    fi
}
