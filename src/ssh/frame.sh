# shellcheck shell=sh disable=SC2154,SC2015
# What a new shell on a host is told first: how to run the segments of a frame and how to answer. Its answers are read by answer.rs.
#
# It must run in dash, bash and busybox sh. In front of it stand, as assignments:
#   __bt  the token that marks what is an answer
#   __bu  the name of the scratch folder
#   __bl  the most bytes of one output
#   __by  kibibytes of memory below which output in the folder is watched
#
# Its own variables:
#   __bd  the scratch folder                  __bw  the process that watches it
#   __bx  set once the frame is to stop       __bz  files and kilobytes since the folder was emptied
#   __bk  what `__q` keeps: ID STATUS ...     __bv  `full` when the watcher has emptied one of those
#   __br  a segment's status                  __bs  a segment's script, for its subshell alone
#   __ba's own: __bn files, __bo `full`, __bi an id, __bc files to give; __bp is whatever is at hand
#
# A segment runs in a subshell, with its own files for both streams: a process left in the background can neither hold the answer
# back nor write into a later one. Nothing is forked for a segment without output. The folder lies where nobody else can put another
# one in its place: in one of ours, or in one where only owners rename (the sticky bit).

for __bp in /usr/local/sbin /usr/local/bin /usr/sbin /usr/bin /sbin /bin; do
    case ":$PATH:" in *":$__bp:"*) ;; *) PATH=$PATH:$__bp ;; esac
done
export PATH
# The shell stays where it starts, in the login user's home, unless its own user may not go there: then it goes to his.
{ [ -r . ] && [ -x . ] && cd "${PWD:-/.}"; } 2>/dev/null || { [ -r "${HOME:-/}" ] && cd "${HOME:-/}"; } 2>/dev/null || cd / || :

__bd=
__bx=
__bz=0
for __bp in /run "${XDG_RUNTIME_DIR-}" /dev/shm "${TMPDIR-}" /tmp /var/tmp "${HOME-}"; do
    case $__bp in ''|*[!A-Za-z0-9/._-]*) continue ;; esac
    [ -d "$__bp" ] && [ -w "$__bp" ] || continue
    # shellcheck disable=SC3067  # dash and busybox know -O too
    [ -O "$__bp" ] || [ -k "$__bp" ] || continue
    mkdir -m 700 "$__bp/$__bu" 2>/dev/null || continue
    # There is a folder on a full disk too; what counts is whether anything can be written there.
    (echo room >"$__bp/$__bu/room") 2>/dev/null
    if [ -s "$__bp/$__bu/room" ]; then __bd=$__bp/$__bu; break; fi
    rm -rf "${__bp:?}/$__bu"
done
if [ -z "$__bd" ]; then echo "$__bt noscratch"; exit 1; fi
__bw=
trap 'rm -rf "$__bd"; [ -z "$__bw" ] || kill "$__bw"' EXIT
trap 'exit 129' HUP INT TERM PIPE

# Gives what was kept, as one answer.
__bg() {
    # shellcheck disable=SC2086  # pairs of id and status
    [ -z "$__bk" ] || __ba $__bk
}

# Whether there is room for one more page in the folder, at the end of a file that is there: making one is slow. Where there is none,
# what was printed may have been cut without a word, so the answer says `full` instead of giving it. It costs no process.
__bm() {
    { printf %4096s x >>"$__bd/room"; } 2>/dev/null
}

# __b ID STOP SCRIPT: runs a segment and answers TOKEN ID STATUS OUT ERR, a line end, the bytes of both streams and TOKEN end. An
# output beyond the limit is named by its size, `x123`, and not given. That ends the frame where a failure would, for it is one; so does `full`.
__b() {
    [ -z "$__bx" ] || return 0
    __bg
    ( __bs=$3; shift 3; eval "$__bs" ) </dev/null >>"$__bd/$1o" 2>>"$__bd/$1e"
    __br=$?
    if [ ! -f "$__bd/$1e" ]; then
        echo "$__bt $1 noscratch"
        __bx=1
        return 0
    fi
    __bz=$((__bz + 1))
    # From here on $3 and $5 are the sizes of both streams; `wc` prints a name behind each, and the sum.
    if [ -s "$__bd/$1o" ] || [ -s "$__bd/$1e" ]; then
        # shellcheck disable=SC2046
        set -- "$1" "$2" $(wc -c "$__bd/$1o" "$__bd/$1e")
    else
        set -- "$1" "$2" 0 - 0
    fi
    if [ -e "$__bd/$1x" ] || ! __bm; then
        echo "$__bt $1 $__br full full"
        __br=full
        __bz=999
    elif [ "$3" -gt "$__bl" ] || [ "$5" -gt "$__bl" ]; then
        echo "$__bt $1 $__br x$3 x$5"
        __br=full
    else
        echo "$__bt $1 $__br $3 $5"
        __bz=$((__bz + ($3 + $5) / 1024))
        [ "$3" = 0 ] || head -c "$3" "$__bd/$1o"
        [ "$5" = 0 ] || head -c "$5" "$__bd/$1e"
    fi
    # What the files held is gone as soon as it was given.
    [ ! -s "$__bd/$1o" ] || : >"$__bd/$1o"
    [ ! -s "$__bd/$1e" ] || : >"$__bd/$1e"
    echo "$__bt end"
    if [ "$2" = 1 ] && [ "$__br" != 0 ]; then __bx=1; fi
}

__bk=
__bv=
# __q ID SCRIPT: runs a segment the same way and keeps its answer.
__q() {
    [ -z "$__bx" ] || return 0
    ( __bs=$2; shift 2; eval "$__bs" ) </dev/null >>"$__bd/$1o" 2>>"$__bd/$1e"
    __br=$?
    [ ! -e "$__bd/$1x" ] || __bv=full
    if [ -f "$__bd/$1e" ]; then
        __bk="$__bk $1 $__br"
        __bz=$((__bz + 1))
    else
        echo "$__bt $1 noscratch"
        __bx=1
    fi
}

# __ba ID STATUS ...: answers TOKEN kept, then ID STATUS OUT ERR of each, a line end, all bytes and TOKEN end.
__ba() {
    __bn=
    __bo=$__bv
    __bv=
    __bm || { __bo=full; __bz=999; }
    while [ $# -gt 0 ]; do
        __bn="$__bn $__bd/$1o $__bd/$1e"
        shift 2
    done
    # Pairs of size and name, two for each segment. The names hold nothing that would be split.
    # shellcheck disable=SC2046,SC2086
    set -- $(wc -c $__bn)
    printf %s "$__bt kept"
    __bi=
    __bc=
    for __bp in $__bk; do
        if [ -z "$__bi" ]; then
            __bi=$__bp
        else
            if [ -n "$__bo" ]; then
                printf ' %s %s full full' "$__bi" "$__bp"
            elif [ "$1" -gt "$__bl" ] || [ "$3" -gt "$__bl" ]; then
                printf ' %s %s x%s x%s' "$__bi" "$__bp" "$1" "$3"
            else
                printf ' %s %s %s %s' "$__bi" "$__bp" "$1" "$3"
                __bc="$__bc $2 $4"
            fi
            __bz=$((__bz + ($1 + $3) / 1024))
            __bi=
            shift 4
        fi
    done
    echo
    # shellcheck disable=SC2086
    [ -z "$__bc" ] || cat $__bc
    for __bp in $__bn; do [ ! -s "$__bp" ] || : >"$__bp"; done
    echo "$__bt end"
    __bk=
}

# __bf: ends a frame. Gives what was kept, answers TOKEN done, forgets a stop and, once they are many, removes the files: a process for
# each frame would cost more than they do. Scripts with a time limit lie in files of their own (`5s`), which go at once.
__bf() {
    __bg
    echo "$__bt done"
    __bx=
    set -- "$__bd"/*s
    [ "$__bz" -gt 200 ] || [ -e "$1" ] || return 0
    rm -f "$__bd"/*
    __bz=0
}

# Where the machine has little memory, which such a folder mostly takes from, a loop beside the shell empties a file of output that grows
# beyond a sixteenth of it, and marks its segment (`x`): that is answered as `full`. It costs two processes a second there, and none elsewhere.
if read -r __bp __bi __bn 2>/dev/null </proc/meminfo && [ "$__bp" = MemTotal: ] && [ "$__bi" -lt "$__by" ]; then
    (
        trap - EXIT HUP INT TERM PIPE
        while { sleep 0.5 || sleep 1; } && kill -0 $$ && [ -d "$__bd" ]; do
            # shellcheck disable=SC2044  # the names are ours: digits and a letter
            for __bp in $(find "$__bd" -type f -name '*[oe]' -size +$((__bi / 16))k); do
                : >"${__bp%?}x"
                : >"$__bp"
            done
        done
    ) </dev/null >/dev/null 2>&1 &
    __bw=$!
fi
echo "$__bt hello $__bd"
