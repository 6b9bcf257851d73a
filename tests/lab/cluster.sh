#!/usr/bin/env bash
# From nothing to a cluster by the quick start; nothing to do the second time; what is broken by hand
# is found and repaired; hosts that reboot come back.
# shellcheck disable=SC2016  # what is quoted so is for the hosts' shells
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$HERE/lib_cluster.sh"
lab tclust 10.93.0

check 'three bare hosts' fleet up 3
rc=0; out=$(site apply --output json 2>"$LAB_DIR/stderr") || rc=$?
equal 'without the release files apply ends with 2' 2 $rc
equal 'and no host was changed' '3 changed=0' "$(python3 "$CHANGES" recap <<<"$out" | sed -n 's/^h[^ ]* \(changed=[^ ]*\).*/\1/p' | sort | uniq -c | sed 's/^ *//')"
check 'the release files' "$REPO/lab/releases"
rc=0; out=$(site plan --exit-code --output json 2>"$LAB_DIR/stderr") || rc=$?
equal 'plan on bare hosts ends with 3' 3 $rc
equal 'it fails nowhere' '3 failed=0 unreachable=0' "$(python3 "$CHANGES" recap <<<"$out" | sed -n 's/^h.* changed=[1-9][0-9]* //p' | sort | uniq -c | sed 's/^ *//')"
refuse 'it did nothing' on h1 'ls -d /etc/kubernetes /opt/bringup 2>/dev/null | grep .'

own_keys() { local h; [ "$(for h in h1 h2 h3; do on $h sha256sum /etc/kubernetes/pki/kube-proxy.key; done | sort -u | wc -l)" = 3 ]; }
began=$SECONDS
check 'lab/quickstart makes a cluster' "$REPO/lab/quickstart"
echo "  it took $((SECONDS - began)) s"
[ "$FAILED" = 0 ] || { cat "$LAB_DIR/quickstart.log" "$LAB_DIR/apply.log" 2>/dev/null | tail -100; exit 1; }
equal 'lab/env names the files' "BRINGUP_INVENTORY=$LAB_DIR/inventory.yml KUBECONFIG=$LAB_DIR/kubeconfig" "$("$REPO/lab/env" | paste -sd' ')"
check 'three nodes are Ready' all_ready
equal 'they run the current release with containerd' 'v1.36.3 containerd://2.3.7' "$(versions)"
equal 'one image serves all parts of the control plane' 'kube-apiserver lab.local/kubernetes:v1.36.3 kube-controller-manager lab.local/kubernetes:v1.36.3 kube-scheduler lab.local/kubernetes:v1.36.3' \
    "$(on h1 "ctr -n k8s.io containers ls -q | xargs -n1 ctr -n k8s.io containers info" 2>/dev/null | sed -nE 's/^    "Image": "(.*)",/\1/p; s/.*"io.kubernetes.container.name": "(.*)",?/\1/p' | paste -sd' ' | grep -oE 'kube-(apiserver|controller-manager|scheduler) lab[^ ]*' | sort | paste -sd' ')"
check 'every pod is settled' within 60 pods_settled
check 'a pod runs on each host' box_up
check 'they reach each other, services and names' within 30 pods_reach_all
check 'keys are for root alone' keys_are_private
check "each node's kube-proxy has a key of its own" own_keys
check 'a check pod answers that it is alive' eval '[ "$(curl -sf -m 5 "http://$LAB_NET.12:18088/alive")" = yes ]'
refuse 'it asks nobody anything for whoever reaches it' curl -sf -m 5 "http://$LAB_NET.12:18088/cgi-bin/check?tcp=$LAB_NET.11,22"
check 'validate.yml agrees' "$BRINGUP" apply -i "$LAB_DIR/inventory.yml" "$REPO/playbooks/validate.yml"

converged 'the second time'
clone=$(mktemp -d)
git clone -q "$REPO" "$clone/elsewhere"
PLAYBOOKS=$clone/elsewhere/playbooks converged 'from a clean clone elsewhere'
rm -rf "$clone"
check 'the quick start again leaves all as it is' "$REPO/lab/quickstart"
refuse 'it did not change anything' grep -qE 'changed=[1-9]' "$LAB_DIR/apply.log"
refuse 'the other way on these hosts is refused' "$REPO/lab/quickstart" --guide

RULES="network : Rewrite the source of what leaves the pods' network, and let the cluster's packets through"
API='kubectl --kubeconfig /etc/kubernetes/admin.conf'
drift 'a file edited' h2 'echo "# by hand" >> /etc/kubernetes/kube-proxy.yaml' "kube_proxy : Write kube-proxy's configuration" kube-proxy
drift 'a mode changed' h3 'chmod 644 /etc/kubernetes/pki/kubelet.key' 'credentials : Hand them to the host (kubelet.key)'
drift 'a unit stopped' h3 'systemctl stop kube-proxy' 'kube_proxy : Start kube-proxy, now and at every boot'
drift 'a unit disabled' h2 'systemctl disable -q kubelet' 'kubelet : Start the kubelet, now and at every boot'
drift 'the bridge deleted' h2 'ip link delete cbr0' 'network : Make the bridge that the pods are plugged into'
check 'pods reach each other after it' within 30 pods_reach_all
routes() { on h3 'ip route | grep via | grep -v default | sort'; }
has_routes() { [ "$(routes)" = "$1" ]; }
had=$(routes)
on h3 'ip route | grep via | grep -v default | head -1 | { read -r to rest; ip route delete "$to"; }'
check 'a route lost comes back by itself' within 10 has_routes "$had"
drift 'the NAT rule doubled' h2 'rule=$(iptables -t nat -S POSTROUTING | grep MASQUERADE | grep -vm1 KUBE); iptables -t nat $rule' "$RULES (POSTROUTING MASQUERADE)"
drift 'the NAT rule deleted' h3 'rule=$(iptables -t nat -S POSTROUTING | grep MASQUERADE | grep -vm1 KUBE); iptables -t nat -D ${rule#-A }' "$RULES (POSTROUTING MASQUERADE)"
drift 'a kernel setting changed' h2 'sysctl -qw net.ipv4.ip_forward=0' 'base : Set the kernel to pass packets on, now and at every boot (net.ipv4.ip_forward)'
drift 'a link to a program lost' h3 'rm /usr/local/bin/kubectl' 'releases : Link to the programs of these versions (kubectl)'
drift 'a package removed' h2 'dpkg --purge --force-depends socat' 'base : Install the packages that every node needs'
drift 'an object of the API edited' h1 "$API patch service check -n bringup-check --type json -p '[{\"op\": \"replace\", \"path\": \"/spec/ports/0/targetPort\", \"value\": 81}]'" 'validate : Have a check pod on every node'
drift 'an object of the API deleted' h1 "$API delete clusterrolebinding bringup-apiserver-to-kubelet" 'cluster_objects : Let the API server ask the kubelets'
drift 'a label of a node taken away' h1 "$API label node h1 node-role.kubernetes.io/control-plane-" 'cluster_objects : Give the nodes their labels (h1)'
drift 'a manifest removed' h1 'rm /etc/kubernetes/manifests/kube-scheduler.yaml' 'control_plane : Write the manifest of the static pod: kube-scheduler' 'kube-scheduler|pause|containerd-shim'
check 'all pods are settled after it' within 90 pods_settled
broken 'a kubelet stopped until its node is lost' h3 \
    'systemctl stop kubelet; until kubectl --kubeconfig /etc/kubernetes/kubelet.conf get node h3 --no-headers | grep -q NotReady; do sleep 1; done' \
    'kubelet : Start the kubelet, now and at every boot'
broken 'the runtime stopped' h2 'systemctl stop containerd' 'containerd : Start containerd, now and at every boot'
# A runtime that is to be started anew is so on one host after another, and no further than where it is well.
containerds() { for h in h1 h2 h3; do echo "$h $(on $h systemctl show -P ActiveEnterTimestampMonotonic containerd)"; done; }
started_since() { comm -13 <(sort <<<"$1") <(containerds | sort) | awk '$2 > 0' | sort -n -k2 | awk '{print $1}' | paste -sd' '; }
for h in h1 h2 h3; do on $h 'echo "# by hand" >> /etc/systemd/system/containerd.service; mkdir -p /etc/systemd/system/containerd.service.d
    printf "[Service]\nExecStartPre=/bin/false\n" > /etc/systemd/system/containerd.service.d/bad.conf'; done
was=$(containerds)
for turn in 'a runtime that does not start' 'and again'; do
    rc=0; site apply >"$LAB_DIR/apply.out" 2>&1 || rc=$?
    equal "$turn ends the run" 2 $rc
    equal "$turn: only the first host's was touched" "$(tail -n 2 <<<"$was")" "$(containerds | tail -n 2)"
done
for h in h1 h2 h3; do on $h rm -r /etc/systemd/system/containerd.service.d; done
check 'what keeps it from starting is taken away' site apply
equal 'they are started anew in turn' 'h1 h2 h3' "$(started_since "$was")"
converged 'after that'
broken 'the API away' h1 'mv /etc/kubernetes/manifests/kube-apiserver.yaml /root/; while pidof -q kube-apiserver; do sleep 0.2; done' \
    'control_plane : Write the manifest of the static pod: kube-apiserver'
check 'all pods are settled after all of it' within 90 pods_settled
check 'pods reach each other after all of it' within 30 pods_reach_all

check 'a worker reboots' fleet reboot h2
check 'it comes back by itself' within 120 pods_reach_all
check 'its node is Ready' within 60 all_ready
# systemd gives what ignores its signal 90 s: no pod may be such a one.
boot=$(on h3 cat /proc/sys/kernel/random/boot_id)
new_boot() { local now; now=$(timeout 5 ssh -F "$LAB_DIR/ssh_config" -o ConnectTimeout=2 -n h3 cat /proc/sys/kernel/random/boot_id) && [ -n "$now" ] && [ "$now" != "$boot" ]; }
on h3 systemctl reboot || true
check 'a worker that is told to reboot goes down at once' within 75 new_boot
check 'it comes back too' within 120 pods_reach_all
check 'the control plane reboots' fleet reboot h1
check 'it comes back by itself' within 180 pods_reach_all
check 'every node is Ready' within 60 all_ready
check 'every pod is settled' within 90 pods_settled
converged 'after the reboots'
box_down >/dev/null
