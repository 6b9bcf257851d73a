# shellcheck shell=sh disable=SC2154,SC2015
[ -d "$d" ] || mkdir -p "$d" || exit 70

# Sets parent, started and command of a process; fails when there is none.
look() {
    read -r l 2>/dev/null <"/proc/$1/stat" || return 1
    command=${l#*(}; command=${command%)*}
    l=${l##*) }
    # shellcheck disable=SC2086
    set -- $l
    [ "$1" != Z ] || return 1
    parent=$2 started=${20}
}

# The process of the connection: the first sshd (or ourselves, for a local shell) above this shell.
link=$$ linked=
while [ "$link" -gt 1 ] && look "$link"; do
    case $command in sshd*|dropbear*|bringup*) linked=$started; break ;; esac
    link=$parent
done
[ -n "$linked" ] || { link=$PPID; look "$link" && linked=$started; }
look $$ || { started=0; }
read -r boot </proc/sys/kernel/random/boot_id || boot=none
# Seconds since the boot, which cost no process; a date is made of them for who asks.
read -r since _ 2>/dev/null </proc/uptime || since=0
mine="$$:$started:$link:$linked:$boot:${since%.*}:$who:$run"

# When a lock was taken, from the seconds in it.
taken() {
    case $1 in *[!0-9]*) echo "$1"; return ;; esac
    read -r now _ 2>/dev/null </proc/uptime || now=$1
    date -d "@$(($(date +%s) - ${now%.*} + $1))" '+%Y-%m-%d %H.%M.%S' 2>/dev/null || echo "$((${now%.*} - $1)) seconds ago"
}

# Puts our name in the place of one that counts no more.
retake() { rm -f "$d/lock.$$" && ln -s "$mine" "$d/lock.$$" && mv -f "$d/lock.$$" "$d/lock"; }

tries=0 said='' sweep=1
while :; do
    if [ ! -L "$d/lock" ]; then
        # A link made with the name of a folder goes into that folder, and says that all is well.
        [ ! -e "$d/lock" ] || { echo "$d/lock is no lock, so nobody can hold it: remove it" >&2; exit 70; }
        ln -s "$mine" "$d/lock" 2>/dev/null && [ -L "$d/lock" ] && break
    fi
    held=$(readlink "$d/lock") || {
        tries=$((tries + 1))
        [ -w "$d" ] && [ $tries -lt 50 ] || { echo "cannot write to $d" >&2; exit 70; }
        continue
    }
    [ "$held" != "$mine" ] || { sweep=; break; }
    IFS=:
    set -f
    # shellcheck disable=SC2086
    set -- $held
    set +f
    IFS=' 	
'
    # What this very run is sending is under way: its shell has made room for the transfer.
    ours=
    [ "$7:$8" != "$who:$run" ] || { ours=1 sweep=; }
    if [ "$5" = "$boot" ] && look "$1" && [ "$started" = "$2" ]; then
        # A container shows no process above its shells, and a hidden `/proc` no start of it: there the shell stands for its connection.
        if [ "$3" = 0 ] || [ -z "$4" ] || { look "$3" && [ "$started" = "$4" ]; }; then
            # The same run holds it already: it knows this machine by another name too, or has lost a shell on this connection.
            if [ "$ours" ]; then
                [ "$3:$4" != "$link:$linked" ] || retake || exit 70
                break
            fi
            # Who asks knows that the run has ended; its connection does not know it, as one that was cut off before may for hours.
            if [ "$held" = "$gone" ]; then
                gone=
                case $command in sshd*|dropbear*) kill "$3" 2>/dev/null && { tries=-40; said="ended the connection of a run by $7 that was cut off"; } ;; esac
            fi
            # A connection that has just been closed needs a moment to be gone, one that was ended here longer: sshd closes its session first.
            tries=$((tries + 1))
            [ $tries -lt 8 ] || { printf '%s since %s, by process %s of this host\n%s\n' "$7" "$(taken "$6")" "$3" "$held"; exit 75; }
            sleep 0.1 2>/dev/null || sleep 1
            continue
        fi
        [ -n "$said" ] || said="waited for the last step of a run by $7 that was cut off"
        sleep 0.2 2>/dev/null || sleep 1
        continue
    fi
    # Its holder is gone. Of several who see that, one succeeds in moving the link away.
    if mv "$d/lock" "$d/lock.$$" 2>/dev/null; then
        if [ "$(readlink "$d/lock.$$")" = "$held" ]; then rm -f "$d/lock.$$"; else mv "$d/lock.$$" "$d/lock"; fi
    elif [ -L "$d/lock" ]; then
        tries=$((tries + 1))
        [ $tries -lt 50 ] || { echo "cannot take over the lock of a run that is gone: remove $d/lock" >&2; exit 70; }
    fi
done
[ -z "$said" ] || echo "$said"

# What a cut-off run was still sending: a folder of ours beside its target. Its name is that of the note; the directory
# may be another user's, so nothing but this folder is entered, and only where it is ours.
for f in "$d"/sending/*; do
    [ -n "$sweep" ] && [ -f "$f" ] && [ ! -L "$f" ] || continue
    k=${f##*/}
    case $k in *[!0-9a-f]*) rm -f -- "$f"; continue ;; esac
    t=$(cat "$f"; echo x)
    t=${t%x} n=
    case $t in *"
"*) n=${t##*"
"} t=${t%"
"*} ;; esac
    [ -z "$n" ] || (
        cd -P -- "$t" 2>/dev/null && w=${PWD%/} && cd -P "./.bringup-$k" 2>/dev/null || exit 0
        [ -O . ] && [ "$PWD" = "$w/.bringup-$k" ] || exit 0
        rm -f -- "./$n"
        cd -P .. && rmdir "./.bringup-$k"
    )
    rm -f -- "$f"
done
rm_uploads=
for f in "$d"/upload-*; do [ -z "$sweep" ] || [ ! -e "$f" ] || rm_uploads=1; done
[ -z "$rm_uploads" ] || rm -f "$d"/upload-*

echo pending:
[ ! -s "$d/pending" ] || cat "$d/pending"
