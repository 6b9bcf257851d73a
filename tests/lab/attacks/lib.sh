# shellcheck shell=bash disable=SC2034,SC2154,SC2016  # what is set here is read by the subjects, and the other way round
# What the attacks share: plays from standard input, canaries, and things that run beside a play.

HELPERS=()          # processes of this machine that end with the test
BACKGROUND=()

needs() { "$BASH" -c '. "$0/lab/lib/settings.sh"; need "$@"' "$REPO" "$@"; }
end_of_attacks() {
    [ ${#HELPERS[@]} = 0 ] || kill "${HELPERS[@]}" 2>/dev/null || true
    [ -n "${KEEP:-}" ] || rm -rf "$work"
}

# Users with the lab's key, and root's own files that nobody else may change.
prepare_hosts() {
    local h
    for h in h1 h2 h3; do
        on $h 'for u in alice bob; do useradd -m -s /bin/bash $u; mkdir -m 700 /home/$u/.ssh
               cp /root/.ssh/authorized_keys /home/$u/.ssh/; chown -R $u: /home/$u/.ssh; done
               chmod 700 /root; chmod 755 /home/alice /home/bob'
    done
    on h1 'mkdir -p /etc/canary.d; echo mine >/etc/canary; echo mine >/etc/canary.d/file; chmod 644 /etc/canary /etc/canary.d/file; chmod 755 /etc/canary.d'
    packages h1 acl attr libcap2-bin
}
packages() { local h=$1; shift; on "$h" "DEBIAN_FRONTEND=noninteractive apt-get install -qq -y $* >/dev/null 2>&1"; }

# put HOST PATH [MODE]: standard input becomes a file of a host
put() { ssh -F "$LAB_DIR/ssh_config" "$1" "cat >'$2' && chmod '${3:-644}' '$2'"; }

# play NAME [OPTION..]: applies the playbook of standard input; what it printed is in $work/out, its status in $status
play() {
    local name=$1 verb=${VERB:-apply}; shift
    cat > "$work/$name.yml"
    status=0
    timeout "${LIMIT:-60}" "$BRINGUP" "$verb" -i "${HOSTS:-$INVENTORY}" "$@" "$work/$name.yml" >"$work/out" 2>&1 </dev/null || status=$?
}
told() { grep -vE '^\s*$' "$work/out" | tail -n 25 | sed 's/^/    | /' | tr -d "\033"; }
# ended TITLE STATUS..: the play ended with one of these
ended() {
    local title=$1 s; shift
    for s; do if [ "$s" = "$status" ]; then check "$title" true; return; fi; done
    check "$title (status $status instead of $*)" false
    told
}
works() { ended "$1" 0; }
# It was refused or failed in good order: not ended by a signal, not a fault of ours, not by the time limit.
refused() { ended "$1" 1 2 4; }
says() { check "$1: it says so" grep -qiE -- "$2" "$work/out"; }

# ---- canaries of this machine: commands that a host smuggles in touch them
REACHED() { echo "$work/reached-$1"; }
unreached() {
    check "$1" test ! -e "$work/reached-$2"
    rm -f "$work/reached-$2"
}
# ---- canaries of a host: what only root may change
canary() { on h1 'cd /etc; stat -c "%n %U:%G %a %F" canary canary.d canary.d/file; cat canary canary.d/file; ls canary.d' 2>&1; }
UNTOUCHED='canary root:root 644 regular file
canary.d root:root 755 directory
canary.d/file root:root 644 regular file
mine
mine
file'
untouched() {
    local now; now=$(canary)
    equal "$1" "$UNTOUCHED" "$now"
    [ "$now" = "$UNTOUCHED" ] ||
        on h1 'cd /etc && rm -rf canary canary.d && mkdir -m 755 canary.d && echo mine >canary && echo mine >canary.d/file && chmod 644 canary canary.d/file && chown -R 0:0 canary canary.d'
}

# beside HOST USER SCRIPT: runs on a host as a plain user until `alone`
beside() {
    local host=$1 user=$2 script=$3
    ssh -F "$LAB_DIR/ssh_config" -l "$user" "$host" 'echo $$ >/tmp/beside.$$; exec perl -' <<<"$script" >"$work/beside" 2>&1 &
    BACKGROUND+=($!)
    sleep 0.4
}
alone() {
    local p
    on h1 'for f in /tmp/beside.*; do [ ! -e "$f" ] || { kill -9 "${f#*.}" 2>/dev/null; rm -f "$f"; }; done' || true
    for p in "${BACKGROUND[@]}"; do wait "$p" 2>/dev/null || true; done
    BACKGROUND=()
}
# serve COMMAND..: runs on this machine until the end of the test
serve() { "$@" >>"$work/served" 2>&1 </dev/null & HELPERS+=($!); }
addr_of() { echo "$LAB_NET.$((10 + ${1#h}))"; }
# listening PORT: waits until something listens on this machine's end of the lab's cable
listening() { within 10 bash -c "exec 3<>/dev/tcp/$LAB_NET.1/$1"; }

# peak COMMAND..: prints status, mebibytes at most and seconds; output in $work/out
peak() {
    python3 - "$work/out" "$@" <<'END'
import resource, subprocess, sys, time
began = time.time()
with open(sys.argv[1], "wb") as out:
    limit = lambda: resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))
    child = subprocess.Popen(sys.argv[2:], stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, preexec_fn=limit)
    try:
        status = child.wait(90)
    except subprocess.TimeoutExpired:
        child.kill(); child.wait(); status = "hung"
print(status, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024, int(time.time() - began))
END
}
