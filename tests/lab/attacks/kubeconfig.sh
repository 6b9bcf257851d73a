# shellcheck shell=bash disable=SC2034,SC2154
# A host's kubeconfig: nothing in it runs or is read on this machine, and it brings no entries of other clusters.

# Debian's own python: another one on the PATH does not know Debian's packages.
/usr/bin/python3 -c 'import h2' 2>/dev/null || needs no-such-command:python3-h2
needs openssl
key() { openssl ecparam -name prime256v1 -genkey -noout -out "$1"; }
key "$work/ca.key"; key "$work/api.key"
openssl req -x509 -new -key "$work/ca.key" -days 2 -subj /CN=fake-ca -out "$work/ca.crt"
openssl req -new -key "$work/api.key" -subj /CN=fake |
    openssl x509 -req -CA "$work/ca.crt" -CAkey "$work/ca.key" -days 2 -extfile <(echo "subjectAltName=IP:$LAB_NET.1") -out "$work/api.crt" 2>/dev/null
: > "$work/api.log"
serve /usr/bin/python3 "$HERE/attacks/fake_api.py" "$LAB_NET.1" 6443 "$work/api.crt" "$work/api.key" "$work/api.log"; listening 6443
AUTHORITY=$(base64 -w0 < "$work/ca.crt")

# kubeconfig USER-FIELDS [CLUSTER-FIELDS]
kubeconfig() {
    cat <<END
apiVersion: v1
kind: Config
clusters: [{name: lab, cluster: {server: "https://$LAB_NET.1:6443", ${2:-certificate-authority-data: $AUTHORITY}}}]
contexts: [{name: lab, context: {cluster: lab, user: lab}}]
current-context: lab
users: [{name: lab, user: {$1}}]
END
}
cat > "$work/asks" <<'END'
- hosts: h1
  gather_facts: false
  tasks:
    - {kubernetes.core.k8s_info: {kind: Node, kubeconfig: /srv/kubeconfig}, register: nodes}
    - {assert: {that: "nodes.resources[0].metadata.name == 'forged'"}}
END
ask() { play asks < "$work/asks"; }

kubeconfig 'token: of-the-host' | put h1 /srv/kubeconfig; ask
works 'a kubeconfig with a token is used'
check 'the token is sent' grep -q 'Bearer of-the-host' "$work/api.log"
kubeconfig 'token: of-the-host' 'certificate-authority: ca.crt' | put h1 /srv/kubeconfig
put h1 /srv/ca.crt < "$work/ca.crt"; ask
works 'a file that it names is read on the host'

# forbidden TITLE NUMBER USER-FIELDS [CLUSTER-FIELDS]: neither `apply` nor `plan` runs what it names
forbidden() {
    kubeconfig "$3" "${4:-}" | put h1 /srv/kubeconfig
    LIMIT=20 ask
    unreached "$1" "$2"
    LIMIT=20 VERB=plan ask
    unreached "$1, nor by a plan" "$2"
}
forbidden 'an exec plugin does not run' exec \
    "exec: {apiVersion: client.authentication.k8s.io/v1, command: touch, args: ['$(REACHED exec)'], interactiveMode: Never}"
refused 'the task fails instead'
says 'the task fails instead' 'exec'
forbidden 'a provider with a command does not run' provider \
    "auth-provider: {name: gcp, config: {cmd-path: touch, cmd-args: '$(REACHED provider)', token-key: '{.x}', expiry-key: '{.y}'}}"

# A file of this machine as the token: whoever opens the pipe is seen.
mkfifo "$work/secret"
for name in tokenFile client-certificate client-key; do
    { echo secret-of-the-workstation > "$work/secret"; touch "$(REACHED opened)"; } & opener=$!
    forbidden "no file of this machine is read as $name" opened "$name: $work/secret, client-key-data: ''"
    kill $opener 2>/dev/null || true; wait $opener 2>/dev/null || true
done
for name in certificate-authority proxy-url; do
    { echo secret > "$work/secret"; touch "$(REACHED opened)"; } & opener=$!
    forbidden "nor as $name" opened 'token: x' "$name: '$work/secret'"
    kill $opener 2>/dev/null || true; wait $opener 2>/dev/null || true
done
refuse 'nothing of this machine was sent to the API' grep -q secret-of "$work/api.log"
on h1 'echo of-a-file-of-the-host >/srv/token'
kubeconfig 'tokenFile: /srv/token' | put h1 /srv/kubeconfig; ask
ended "a token's file is read on the host, or refused by name" 0 2
grep -q 'of-a-file-of-the-host' "$work/api.log" || says 'it is refused' tokenFile

# ---- merging a host's kubeconfig into the user's own
cat > "$work/own" <<'END'
apiVersion: v1
kind: Config
clusters: [{name: production, cluster: {server: "https://prod.example:6443", certificate-authority-data: UFJPRA==}}]
contexts: [{name: production, context: {cluster: production, user: production-admin}}]
current-context: production
users: [{name: production-admin, user: {token: own}}]
END
cat > "$work/foreign" <<END
apiVersion: v1
kind: Config
clusters:
- {name: lab, cluster: {server: "https://$LAB_NET.1:6443", certificate-authority-data: $AUTHORITY}}
- {name: production, cluster: {server: "https://evil.example:6443", insecure-skip-tls-verify: true}}
contexts:
- {name: lab, context: {cluster: lab, user: lab-admin}}
- {name: production, context: {cluster: production, user: production-admin}}
current-context: production
users:
- {name: lab-admin, user: {client-certificate-data: $(base64 -w0 < "$work/api.crt"), client-key-data: $(base64 -w0 < "$work/api.key")}}
- {name: production-admin, user: {exec: {apiVersion: client.authentication.k8s.io/v1, command: touch, args: ['$(REACHED merged)']}}}
END
# merge: the play of the workstation's role, on what lies in /srv/admin.conf
merge() {
    cp "$work/own" "$work/config"
    play merge <<END
- hosts: h1
  gather_facts: false
  tasks:
    - {slurp: {src: /srv/admin.conf}, register: fetched}
    - bringup.kubeconfig_merge: {path: "$work/config", content: "{{ fetched.content | b64decode }}", cluster_name: lab}
      delegate_to: localhost
END
}
of_config() { python3 -c '
import json, sys, re
text = open(sys.argv[1]).read()
print(*[w for w in sys.argv[2:] if w in text])' "$work/config" "$@"; }
put h1 /srv/admin.conf < "$work/foreign"; merge
equal "entries of other clusters stay the user's" 'prod.example UFJPRA== own' "$(of_config prod.example UFJPRA== own)"
equal 'nothing foreign gets into the file' '' "$(of_config evil.example exec touch insecure-skip)"
sed -E '/production/d; s/current-context.*/current-context: lab/' "$work/foreign" | put h1 /srv/admin.conf; merge
works "the cluster's own entries are taken"
equal 'beside those that were there' "$LAB_NET.1:6443 prod.example own" "$(of_config "$LAB_NET.1:6443" prod.example own)"
sed -E "/production/d; s/current-context.*/current-context: lab/; s/user: \{client.*/user: {exec: {apiVersion: client.authentication.k8s.io\/v1, command: touch, args: [x]}}}/" "$work/foreign" |
    put h1 /srv/admin.conf; merge
equal "an exec plugin under the cluster's own name does not get into the file" '' "$(of_config exec touch)"
sed -E "/production/d; s/current-context.*/current-context: lab/; s/user: \{client.*/user: {tokenFile: \/root\/secret, client-key: \/root\/.ssh\/id}}/" "$work/foreign" |
    put h1 /srv/admin.conf; merge
equal 'nor do names of files' '' "$(of_config tokenFile /root/)"
# `lab` itself may lead to the user's own names: what it names elsewhere is made new under its own.
sed -E "/name: production/d; s/lab-admin/production-admin/; s/current-context.*/current-context: lab/" "$work/foreign" |
    put h1 /srv/admin.conf; merge
equal "nor is a user of the same name replaced" own "$(of_config own)"
