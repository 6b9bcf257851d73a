# shellcheck shell=bash disable=SC2034,SC2154,SC2016
# Who lists the processes of a host sees no secret of a request, whatever tool makes it.

mkdir -p "$work/web"
serve python3 "$HERE/attacks/web.py" "$LAB_NET.1" 8095 "$work/web"; listening 8095
U=http://$LAB_NET.1:8095/slow
# h3 has wget alone, h2 has curl.
packages h3 wget; packages h2 curl
cat > "$work/ask" <<END
- hosts: h2:h3
  gather_facts: false
  tasks:
    - {uri: {url: "$U", headers: {X-Api-Key: s3cret-header}}, ignore_errors: true}
    - {uri: {url: "$U", method: POST, body: s3cret-body, status_code: [200, 501]}, ignore_errors: true}
    - {uri: {url: "$U", url_username: u, url_password: s3cret-password, force_basic_auth: true}, ignore_errors: true}
    - {get_url: {url: "$U", dest: /srv/slow, headers: {X-Api-Key: s3cret-of-get}, force: true}, ignore_errors: true}
    - {uri: {url: "http://u:s3cret-in-url@$LAB_NET.1:8095/slow"}, ignore_errors: true}
END
cp "$work/ask" "$work/ask.yml"; LISTERS=()
for h in h2 h3; do
    ssh -F "$LAB_DIR/ssh_config" -n -l alice $h 'until [ -e /tmp/enough ]; do cat /proc/[0-9]*/cmdline 2>/dev/null | tr "\0" " " | grep -o "s3cre[t]-[a-z-]*"; sleep 0.05; done | sort -u' > "$work/listed-$h" 2>/dev/null & LISTERS+=($!)
done
"$BRINGUP" apply -i "$INVENTORY" "$work/ask.yml" >"$work/out" 2>&1 </dev/null || true
for h in h2 h3; do on $h 'touch /tmp/enough'; done
wait "${LISTERS[@]}" || true
equal 'with curl none is in the list of processes' '' "$(cat "$work/listed-h2")"
equal 'nor with wget' '' "$(cat "$work/listed-h3")"
check 'curl makes the requests' grep -qE '^h2 .*failed=0.*ignored=0|^h2 .*ok=[45]' "$work/out"
check 'wget makes them, or the task says what to install' grep -qE 'install the package|^h3 .*ok=5 .*ignored=0' "$work/out"
play plain <<<"- {hosts: h3, gather_facts: false, tasks: [{uri: {url: 'http://$LAB_NET.1:8095/'}}]}"
works 'a request without secrets is made by wget'
