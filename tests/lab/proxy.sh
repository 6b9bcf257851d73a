#!/usr/bin/env bash
# Behind a proxy: files, packages and images come by it and by nothing else, the cluster's own traffic does not, and its password stays where it belongs.
# Another proxy for a cluster that runs comes host by host.
# shellcheck disable=SC2016  # what is quoted so is for the hosts' shells
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$HERE/lib_cluster.sh"
. "$HERE/lib_upstream.sh"
lab tproxy 10.82.0
PASSWORD=$(head -c 12 /dev/urandom | base64 | tr -dc a-zA-Z0-9)

check 'two bare hosts' fleet up 2
check 'the release files' "$REPO/lab/releases"
check 'the projects stand in' upstream up
echo "BasicAuth proxied $PASSWORD" > "$LAB_DIR/upstream/proxy.more"
check 'a proxy that asks for a password' upstream proxy
check 'the hosts trust the authority, and know no name' upstream trust authority
# Packages have to come too.
fleet exec all 'rm -rf /var/cache/apt/archives/*.deb /var/cache/apt/*.bin /var/lib/apt/lists/* /var/lib/apt/periodic/*; touch -d "3 days ago" /var/lib/apt/lists; echo "deb [trusted=yes] http://packages.example.org/debian bookworm main" > /etc/apt/sources.list'
defaults
site() { "$BRINGUP" "$@" -i "$LAB_DIR/inventory.yml" "$REPO/playbooks/site.yml" -e "@$LAB_DIR/proxy.yml"; }
via() { ( umask 077; echo "http_proxy: http://${1:+$1@}$LAB_NET.1:8888" > "$LAB_DIR/proxy.yml"; [ -z "${2:-}" ] || echo "no_proxy: [$2]" >> "$LAB_DIR/proxy.yml" ); }

refuse 'hosts have no way of their own' on h1 'getent hosts dl.k8s.io'
via ''
rc=0; out=$(site apply --output json 2>"$LAB_DIR/stderr") || rc=$?
equal 'a proxy that refuses: the run fails' 2 $rc
check 'it says that the proxy wants a login' grep -qE '407|Proxy Authentication Required' <<<"$(python3 "$CHANGES" words <<<"$out")"
equal 'nothing is half there' '' "$(fleet exec all 'find /opt/bringup /var/cache/bringup -type f 2>/dev/null')"

via "proxied:$PASSWORD"
out=$(site apply --output json 2>&1) && rc=0 || rc=$?
equal 'site.yml by the proxy' 0 $rc; [ $rc = 0 ] || python3 "$CHANGES" words <<<"$out" | tail -20
refuse 'the password is in no output' grep -qF "$PASSWORD" <<<"$out"
kubectl_from h1
check 'two nodes are Ready' all_ready
log=$(upstream log proxy)
for name in dl.k8s.io:443 cdn.dl.k8s.io:443 github.com:443 release-assets.githubusercontent.com:443 registry.k8s.io:443 us-docker.pkg.dev:443 http://packages.example.org/debian/; do
    check "the proxy was asked for $name" grep -qF " $name" <<<"$log"
done
equal "nothing of the cluster's own went by it" '' "$(grep -E ' (CONNECT|GET|HEAD|POST|PUT) (https?://)?(10\.|127\.|localhost|h[0-9]+[:/]|[^ /]*\.svc)' <<<"$log" || true)"
equal 'the servers were asked by the proxy alone' "$LAB_NET.1" "$(upstream log | cut -d' ' -f1 | sort -u)"
equal 'the password is for root alone, on each host' '600 root 600 root' "$(for h in h1 h2; do on $h 'stat -c "%a %U" /etc/containerd/proxy.env'; done | paste -sd' ')"
equal 'and in no other file, nor in what systemd tells' '' "$(for h in h1 h2; do on $h "grep -rlF $PASSWORD /etc /opt /var/lib/bringup /usr/local /run/systemd 2>/dev/null | grep -v /etc/containerd/proxy.env; systemctl show containerd | grep -F $PASSWORD"; done)"
equal 'the runtime has it' 2 "$(for h in h1 h2; do on $h "tr '\0' '\n' < /proc/\$(systemctl show -P MainPID containerd)/environ | grep -cx 'HTTPS_PROXY=http://proxied:$PASSWORD@$LAB_NET.1:8888'"; done | wc -l)"
converged 'the second time'

# What a host names to everybody who logs in is in the way of nothing that the cluster is asked.
on h1 'cp -a /etc/environment /tmp/environment; printf "http_proxy=http://192.0.2.1:9\nhttps_proxy=http://192.0.2.1:9\nHTTPS_PROXY=http://192.0.2.1:9\n" >>/etc/environment'
equal "the host's own environment names a dead proxy" http://192.0.2.1:9 "$(on h1 'echo $https_proxy')"
check 'validate.yml goes past it' "$BRINGUP" apply -i "$LAB_DIR/inventory.yml" "$REPO/playbooks/validate.yml"
converged 'with a dead proxy of the host'
on h1 'mv /tmp/environment /etc/environment'

# ---------------------------------------------------------------- another one
containerds() { for h in h1 h2; do echo "$h $(on $h systemctl show -P ActiveEnterTimestampMonotonic containerd)"; done; }
was=$(containerds)
via "proxied:$PASSWORD" internal.example
rc=0; out=$(site plan --exit-code --output json 2>"$LAB_DIR/stderr") || rc=$?
equal 'one more name without a proxy: plan says so' 3 $rc
check 'site.yml tells the runtimes' site apply
equal 'one after another, the control plane first' 'h1 h2' "$(comm -13 <(sort <<<"$was") <(containerds | sort) | sort -n -k2 | awk '{print $1}' | paste -sd' ')"
check 'no pod was started anew' pods_settled
converged 'after that'
rm "$LAB_DIR/proxy.yml"; echo '{}' > "$LAB_DIR/proxy.yml"
check 'without a proxy again' site apply
equal 'nothing of it is left' '' "$(fleet exec all 'ls /etc/containerd/proxy.env 2>/dev/null; systemctl cat containerd | grep -i proxy')"
