# shellcheck shell=bash disable=SC2034,SC2154,SC2016
# What is reported is what was done: trees, downloads and archives keep modes, links and owners, and say so.

# ---- copy remote_src of a tree
on h1 'rm -rf /srv/tree /srv/copy; mkdir -p /srv/tree/closed /srv/tree/open; chmod 700 /srv/tree/closed; chmod 2775 /srv/tree/open
echo x >/srv/tree/closed/secret; chmod 600 /srv/tree/closed/secret; echo x >/srv/tree/run; chmod 755 /srv/tree/run
ln -s run /srv/tree/link; ln -s /nowhere /srv/tree/dangling; ln -s closed /srv/tree/folder; mkdir /srv/copy'
play tree <<'END'
- hosts: h1
  gather_facts: false
  tasks:
    - {copy: {src: /srv/tree, dest: /srv/copy, remote_src: true}, register: first}
    - {copy: {src: /srv/tree, dest: /srv/copy, remote_src: true}, register: again}
    - {assert: {that: [first is changed, again is not changed]}}
END
works 'a tree of the host is copied once'
listing() { on h1 "cd $1 && find . -mindepth 1 -printf '%p %y %m %l\n' | sort"; }
equal 'with modes, links and dangling ones' "$(listing /srv/tree)" "$(listing /srv/copy/tree)"

# ---- downloads
mkdir -p "$work/web"; echo content > "$work/web/file"
serve python3 "$HERE/attacks/web.py" "$LAB_NET.1" 8099 "$work/web"; listening 8099
packages h1 curl
on h1 'echo content >/srv/got; chown alice:bob /srv/got; chmod 640 /srv/got'
play download <<END
- hosts: h1
  gather_facts: false
  tasks:
    - {get_url: {url: "http://$LAB_NET.1:8099/file", dest: /srv/got, force: true}, register: same}
    - {assert: {that: same is not changed}}
    - {get_url: {url: "http://$LAB_NET.1:8099/file", dest: /srv/got, force: true, mode: "0600"}, register: other}
    - {assert: {that: other is changed}}
    - {get_url: {url: "http://$LAB_NET.1:8099/file", dest: /srv/got, force: true, mode: "0600"}, register: again}
    - {assert: {that: again is not changed}}
END
works 'a download of what is there changes nothing, and says so'
equal 'owner, group and mode stay as they were or were asked for' 'alice bob 600' "$(on h1 stat -c '"%U %G %a"' /srv/got)"

# ---- archives
packages h1 unzip
mkdir -p "$work/packed/sub"; echo x > "$work/packed/sub/f"; tar -C "$work/packed" -czf "$work/web/dots.tgz" .
put h1 /srv/dots.tgz < "$work/web/dots.tgz"
for way in by-path by-url; do
    src=/srv/dots.tgz; [ $way = by-path ] || src=http://$LAB_NET.1:8099/dots.tgz
    play unpack <<END
- hosts: h1
  gather_facts: false
  tasks:
    - {file: {path: /srv/$way, state: directory}}
    - {unarchive: {src: "$src", dest: /srv/$way, remote_src: true, owner: alice}, register: first}
    - {unarchive: {src: "$src", dest: /srv/$way, remote_src: true, owner: alice}, register: again}
    - {assert: {that: [first is changed, again is not changed]}}
END
    works "an archive is unpacked once, $way"
    equal 'the owner is that of all that is in it, its folder included' 'alice alice alice' \
        "$(on h1 stat -c %U /srv/$way /srv/$way/sub /srv/$way/sub/f | paste -sd' ')"
done
