#!/usr/bin/env bash
# A cluster of two processors: the control plane and a worker are this machine's kind, another worker is an emulated arm64 machine with a kernel, an init
# and packages of its own. Each takes its own files and images, another processor's are refused, and pods reach each other across.
# shellcheck disable=SC2016  # what is quoted so is for the hosts' shells
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$HERE/lib_cluster.sh"
. "$HERE/lib_upstream.sh"
lab tmixed 10.85.0
OUT=/tmp/$LAB_NAME.out

check 'two bare hosts and an arm64 machine' fleet up 3 --arm64 1
equal 'it is one, its kernel too' 'aarch64 arm64' "$(on h3 'echo $(uname -m) $(dpkg --print-architecture)')"
check 'the release files' "$REPO/lab/releases"
check 'those of arm64' "$REPO/lab/releases" --arm64
[ "$FAILED" = 0 ] || exit 1
mkdir -p "$LAB_DIR/images"
for image in pause box; do
    ln -s "$LAB_DIR/releases/images/${image}_1.tar" "$LAB_DIR/images/$image-amd64.tar"
    ln -s "$LAB_DIR/releases/images/${image}_1_arm64.tar" "$LAB_DIR/images/$image-arm64.tar"
done
cat >"$LAB_DIR/group_vars/all/this.yml" <<END
image_archives:
  - {name: lab.local/pause:1, file: $LAB_DIR/images/pause-ARCH.tar}
  - {name: lab.local/box:1, file: $LAB_DIR/images/box-ARCH.tar}
END

# ---------------------------------------------------------------- what cannot run is not put in place
on h2 'printf "#!/bin/sh\ncase \$1 in -m) echo riscv64 ;; *) exec /bin/uname \"\$@\" ;; esac\n" >/usr/local/bin/uname; chmod 755 /usr/local/bin/uname'
refused 'a processor that nobody here knows' 'riscv64 processor'
on h2 'rm /usr/local/bin/uname'
# refused_on_the_way TITLE WORDS OPTIONS..: the run ends with 2 and says WORDS
refused_on_the_way() {
    local title=$1 words=$2 rc=0 out; shift 2
    out=$(site apply --output json "$@" 2>"$LAB_DIR/stderr") || rc=$?
    equal "$title: it is refused" 2 $rc
    check "$title: it says why" grep -qE -- "$words" <<<"$(python3 "$CHANGES" words <<<"$out")"
}
# A folder without SHA256SUMS, and a file of this machine's kind under arm64's name.
mkdir "$LAB_DIR/wrong"; ln -s "$LAB_DIR"/releases/*.{amd64,arm64,gz,tgz} "$LAB_DIR/wrong/"
ln -sf "$LAB_DIR/releases/cni-plugins-linux-amd64-v1.9.1.tgz" "$LAB_DIR/wrong/cni-plugins-linux-arm64-v1.9.1.tgz"
refused_on_the_way "another processor's programs" "cni-plugins-linux-arm64-v1.9.1.tgz holds programs for amd64, and this host's processor is arm64: .*bridge" -e "release_folder=$LAB_DIR/wrong"
refuse 'no link leads to them' on h3 'ls /opt/cni/bin/bridge /usr/local/bin/kubelet'
ln -sf "$LAB_DIR/releases/images/box_1.tar" "$LAB_DIR/images/box-arm64.tar"
refused_on_the_way "another processor's image" "The archive of lab.local/box:1 \($LAB_DIR/images/box-arm64.tar\) holds an image for amd64, and this host's processor is arm64"
refuse 'it is not kept' on h3 'ls /var/lib/bringup/images/lab.local_box_1.tar'
equal 'nor loaded' '' "$(on h3 'ctr -n k8s.io images ls -q 2>/dev/null' | grep box)"
ln -sf "$LAB_DIR/releases/images/box_1_arm64.tar" "$LAB_DIR/images/box-arm64.tar"

# ---------------------------------------------------------------- each its own
works() { # TITLE
    check "$1: three nodes are Ready" within 120 all_ready
    equal "$1: they say what they are" 'h1 amd64 amd64 h2 amd64 amd64 h3 arm64 arm64' \
        "$(kubectl get nodes -o jsonpath='{range .items[*]}{.metadata.name} {.metadata.labels.kubernetes\.io/arch} {.status.nodeInfo.architecture} {end}' | xargs)"
    # 3e is x86-64, b7 is AArch64 (ELF's e_machine).
    for it in h1:3e h2:3e h3:b7; do
        equal "$1: every program of ${it%:*} is its own processor's" "${it#*:}" \
            "$(on "${it%:*}" 'find /opt/bringup -type f -size +100k -exec sh -c '\''head -c 4 "$0" | grep -q ELF && od -An -tx1 -j18 -N1 "$0"'\'' {} \; | tr -d " " | sort -u')"
    done
    for it in h1:linux/amd64 h2:linux/amd64 h3:linux/arm64; do
        equal "$1: and so is every image" "${it#*:}" "$(on "${it%:*}" 'ctr -n k8s.io images ls 2>/dev/null' | awk 'NR > 1 && $1 ~ "/" {for (i = 1; i <= NF; i++) if ($i ~ "^linux/") print $i}' | sort -u)"
    done
    check "$1: a pod runs on each host" box_up
    equal "$1: programs in them are each host's own" 'h1 x86_64 h2 x86_64 h3 aarch64' "$(kubectl get pod -l app=box -o jsonpath='{range .items[*]}{.spec.nodeName} {.metadata.name}{"\n"}{end}' | sort |
        while read -r node pod; do echo "$node $(kubectl exec "$pod" -- uname -m </dev/null)"; done | xargs)"
    check "$1: they reach each other, services and names" within 180 pods_reach_all
    "$BRINGUP" apply -i "$LAB_DIR/inventory.yml" "$REPO/playbooks/validate.yml" >"$OUT" 2>&1 || true
    check "$1: validate.yml agrees" grep -q 'Cluster validation succeeded' "$OUT"
}
check 'a cluster of them is made' site apply
kubectl_from h1
works 'from a folder'
kubectl apply -f - >/dev/null <<'END'
apiVersion: v1
kind: Pod
metadata: {name: chosen}
spec:
  nodeSelector: {kubernetes.io/arch: arm64}
  restartPolicy: Never
  containers: [{name: it, image: "lab.local/box:1", imagePullPolicy: Never, command: [uname, -m]}]
END
equal 'a pod that asks for arm64 gets there' 'aarch64' "$(within 60 kubectl wait --for=jsonpath='{.status.phase}'=Succeeded pod/chosen --timeout=60s >/dev/null; kubectl logs chosen)"
kubectl delete pod chosen >/dev/null
converged 'the second time'
check 'the machine is rebooted' fleet reboot h3
check 'its pods are back, and reach the others' within 300 pods_reach_all
box_down >/dev/null
converged 'after that'
check 'reset.yml' "$BRINGUP" apply -i "$LAB_DIR/inventory.yml" -e reset=kubernetes "$REPO/playbooks/reset.yml"
check 'nothing is left, on the arm64 machine either' nothing_left
