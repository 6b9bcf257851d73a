# shellcheck shell=bash
# What a client needs to reach the hosts: a key, their host keys, and an inventory.

keys() {
    mkdir -p "$LAB_DIR"; chmod 700 "$LAB_DIR"
    [ -f "$LAB_DIR/key" ] || ssh-keygen -q -t ed25519 -N '' -C "$LAB_NAME" -f "$LAB_DIR/key"
    if [ ! -f "$LAB_DIR/password.hash" ]; then       # helper's password, for sudo and for password logins
        (
            umask 077
            head -c 15 /dev/urandom | base64 | tr '+/' '-_' > "$LAB_DIR/password"
            perl -e 'chomp($p = <STDIN>); chomp($s = <STDIN>); print crypt($p, "\$6\$$s"), "\n"' \
                < <(cat "$LAB_DIR/password"; head -c 9 /dev/urandom | base64 | tr '+' '.') > "$LAB_DIR/password.hash"
        )
    fi
}

# The files are replaced in one step: a client never reads half of one.
put() { cat > "$1.new"; mv "$1.new" "$1"; }

client_files() {
    local h
    for h in $(hosts); do
        echo "$(addr "$h") $(cut -d' ' -f1,2 "$LAB_DIR/hosts/$h/upper/etc/ssh/ssh_host_ed25519_key.pub")"
    done | put "$LAB_DIR/known_hosts"
    {
        for h in $(hosts); do printf 'Host %s\n  HostName %s\n' "$h" "$(addr "$h")"; done
        cat <<-END
	Host *
	  User root
	  IdentityFile $LAB_DIR/key
	  IdentitiesOnly yes
	  UserKnownHostsFile $LAB_DIR/known_hosts
	  LogLevel ERROR
	END
    } | put "$LAB_DIR/ssh_config"
    inventory root | put "$LAB_DIR/inventory.yml"
    mkdir -p "$LAB_DIR/group_vars/all"
    put "$LAB_DIR/group_vars/all/lab.yml" < "$LAB/group_vars/all.yml"
    put "$LAB_DIR/minidns.yaml.j2" < "$LAB/group_vars/minidns.yaml.j2"
    # An emulated machine has a kernel of its own: what only namespaces need is as on a real host.
    rm -rf "$LAB_DIR/host_vars"; mkdir -p "$LAB_DIR/host_vars"
    for h in $(hosts); do ! is_machine "$h" || put "$LAB_DIR/host_vars/$h.yml" < "$LAB/group_vars/machine.yml"; done
    # The same hosts by the two ways of becoming root; the folder of each has the same variables.
    for h in admin helper; do
        mkdir -p "$LAB_DIR/$h"
        ln -sfn ../group_vars "$LAB_DIR/$h/group_vars"; ln -sfn ../host_vars "$LAB_DIR/$h/host_vars"
        ( umask 077; inventory $h | put "$LAB_DIR/$h/inventory.yml" )
    done
}

host_entry() {
    printf '        %s:\n          ansible_host: %s\n' "$1" "$(addr "$1")"
    ! six || printf '          node_address6: %s\n' "$(addr6 "$1")"
}
# inventory USER: h1 up to LAB_CONTROL_PLANES make the control plane, the others work; a single host does both.
inventory() {
    local h n
    n=$(hosts | wc -l)
    cat <<-END
	# Written by lab/fleet.
	all:
	  vars:
	    ansible_user: $1
	    ansible_ssh_private_key_file: $LAB_DIR/key
	    ansible_host_key_checking: true
	    ansible_ssh_common_args: -o UserKnownHostsFile=$LAB_DIR/known_hosts
	    lab_dir: $LAB_DIR
	    lab_cgroups: $( [ "$(stat -fc %T /sys/fs/cgroup)" = cgroup2fs ] && echo v2 || echo v1 )
	    lab_releases: $LAB_DIR/releases
	    lab_mirror: http://$LAB_NET.1:8077
	    lab_registry: $LAB_NET.1:5077
	END
    [ "$1" = root ] || echo '    ansible_become: true'
    [ "$1" != helper ] || echo "    ansible_become_password: $(cat "$LAB_DIR/password")"
    printf '  children:\n    control_plane:\n      hosts:\n'
    for h in $(hosts); do
        [ "${h#h}" -gt "$LAB_CONTROL_PLANES" ] || host_entry "$h"
    done
    printf '    workers:\n      hosts:\n'
    for h in $(hosts); do
        if [ "${h#h}" -gt "$LAB_CONTROL_PLANES" ] || [ "$n" = 1 ]; then host_entry "$h"; fi
    done
}
