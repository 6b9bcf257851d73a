# shellcheck shell=bash
# What the tests share that install from where users do.

upstream() { "$REPO/lab/upstream" "$@"; }
# Of the lab's variables only those stay that concern the machine.
defaults() { sed '/^# ---- Releases come/,$d' "$REPO/lab/group_vars/all.yml" >"$LAB_DIR/group_vars/all/lab.yml"; }
# kubectl_from HOST: the release's kubectl for this machine
kubectl_from() {
    mkdir -p "$LAB_DIR/bin"
    ssh -F "$LAB_DIR/ssh_config" -n "$1" 'cat /usr/local/bin/kubectl' >"$LAB_DIR/bin/kubectl" && chmod 755 "$LAB_DIR/bin/kubectl"
}
# alone HOST: it is the only host of the inventory
alone() { groups "$1" "$1"; }
