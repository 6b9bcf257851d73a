#!/usr/bin/env bash
# Modules of collections that bringup does not have itself do what they do with Ansible: two hosts that are alike, real services
# on them, and the same playbook (tests/collections) by Ansible on the one and by bringup on the other. What each task said and
# what is left behind are compared, of a run that only looks, of a first run, and of a second one.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
SUITE=$REPO/tests/collections
# The hosts' packages are put into an image of their own.
LAB_DEBS=$(grep -v '^#' "$SUITE/packages" | tr '\n' ' ')
export LAB_DEBS
lab "${COLLECTIONS_LAB:-tcoll}" "${COLLECTIONS_NET:-10.102.0}"
export BRINGUP=${BRINGUP:-$REPO/target/release/bringup} ANSIBLE_HOST_KEY_CHECKING=true ANSIBLE_LOCALHOST_WARNING=false
LAB_CACHE=${LAB_CACHE:-/var/cache/bringup-lab}
# What was said and told goes with the lab; COLLECTIONS_OUT=FOLDER keeps it.
out=${COLLECTIONS_OUT:-$LAB_DIR/collections}; mkdir -p "$out"

# ---- Ansible with its collections, of one version; COLLECTIONS_VENV=FOLDER is one that is there already
venv=${COLLECTIONS_VENV:-$LAB_CACHE/ansible-11.13.0}
if [ -z "${COLLECTIONS_VENV:-}" ] && [ ! -e "$venv/installed" ]; then
    python3 -m venv --clear "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check 'ansible==11.13.0'
    touch "$venv/installed"
fi
# bringup takes modules from the Python that has ansible-core.
PATH=$venv/bin:$PATH

# ---- hosts, and keys that both have
fleet up 2
for h in h1 h2; do
    ssh -F "$LAB_DIR/ssh_config" $h "bash -s -- $LAB_DEBS" < "$SUITE/prepare" > "$out/prepare-$h" 2>&1 &
done
wait
for h in h1 h2; do equal "$h has its services" '' "$(cat "$out/prepare-$h")"; done
keys=$out/keys; mkdir -p "$keys"
(
    cd "$keys"
    openssl genrsa -out ca.key 2048
    openssl req -x509 -new -key ca.key -subj '/CN=Lab CA' -days 7000 -out ca.crt -addext keyUsage=critical,keyCertSign,cRLSign
    openssl genrsa -out leaf.key 2048
    openssl req -new -key leaf.key -subj '/CN=leaf.example.org/O=Example' -addext 'subjectAltName=DNS:leaf.example.org,IP:192.0.2.1' -out leaf.csr
    openssl x509 -req -in leaf.csr -CA ca.crt -CAkey ca.key -set_serial 4712 -days 6999 -copy_extensions copy -out leaf.crt
    for k in ca_ssh user_ssh; do rm -f $k; ssh-keygen -q -t ed25519 -N '' -C $k -f $k; done
) 2>/dev/null

# ---- the runs
by_ansible() { # name of the run, options
    local run=$1; shift
    ANSIBLE_PIPELINING=1 ANSIBLE_CALLBACK_PLUGINS=$REPO/tests/random_plays ANSIBLE_STDOUT_CALLBACK=callback LINES_FILE=$out/ansible-$run \
        ansible-playbook -i "$LAB_DIR/inventory.yml" -l h1 -e "keys=$keys" "$@" "$SUITE/site.yml" > "$out/ansible-$run.said" 2>&1 </dev/null
}
by_bringup() {
    local run=$1; shift
    "$BRINGUP" apply -i "$LAB_DIR/inventory.yml" -l h2 -e "keys=$keys" --output json "$@" "$SUITE/site.yml" > "$out/bringup-$run" 2> "$out/bringup-$run.said" </dev/null
}
compare() { python3 "$SUITE/compare.py" "$@"; }
for run in look first second; do
    options=(); [ $run != look ] || options=(--check --diff)
    by_ansible $run "${options[@]}" & ansible=$!
    by_bringup $run "${options[@]}" & bringup=$!
    rc=0; wait $ansible || rc=$?
    equal "$run: Ansible comes to its end" 0 $rc
    rc=0; wait $bringup || rc=$?
    equal "$run: bringup does" 0 $rc
    check "$run: each task says the same" compare results "$out/ansible-$run" "$out/bringup-$run"
    for h in h1 h2; do ssh -F "$LAB_DIR/ssh_config" $h bash -s < "$SUITE/state" > "$out/state-$run-$h" || true; done
    check "$run: the hosts are alike" compare hosts "$out/state-$run-h1" "$out/state-$run-h2"
done
check 'a second run changes what it changes by nature' compare again "$out/ansible-second" "$SUITE/not_idempotent"

# ---- what must not be shown, and what must not stay
for word in not-a-rabbit- another-quiet-word a-quiet-word a-hidden-word sesame hidden-1 very-word a-question; do
    refuse "nothing shows \`$word\`" grep -rq --include="bringup-*" -- "$word" "$out"
done
pythons="ps -eo args | grep '[p]ython' | sort"
equal 'no process stays' "$(on h1 "$pythons")" "$(on h2 "$pythons")"
equal 'no file stays' '' "$(on h2 'find /tmp /var/tmp /root /home /var/lib/postgresql -name ".bringup-*" -o -name "*ansible*"')"

# ---- the comparison sees what it is there for: each lie is a line more
sees() { # what is compared, the one, the other, the other with a lie
    local honest lied
    honest=$(compare "$1" "$2" "$3" || true)
    lied=$(compare "$1" "$2" "$4" || true)
    [ "$(wc -l <<< "$lied")" -gt "$(wc -l <<< "$honest")" ]
}
python3 "$SUITE/spoil.py" "$out/bringup-first" "$out/state-first-h2" "$out/spoiled"
for spoiled in "$out/spoiled"/results-*; do
    check "seen: another ${spoiled##*-}" sees results "$out/ansible-first" "$out/bringup-first" "$spoiled"
done
check 'seen: a file of another mode' sees hosts "$out/state-first-h1" "$out/state-first-h2" "$out/spoiled/state"
