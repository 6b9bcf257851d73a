# shellcheck shell=bash disable=SC2034,SC2154,SC2016
# Nothing is lost: what a file carries besides its bytes, what a command prints, what others write, what is cut off.

# ---- ACLs, extended attributes, capabilities
cat > "$work/edits" <<'END'
- hosts: h1
  gather_facts: false
  tasks:
    - {lineinfile: {path: /srv/carries/line, line: new}}
    - {blockinfile: {path: /srv/carries/block, block: new}}
    - {replace: {path: /srv/carries/replace, regexp: old, replace: new}}
    - {copy: {content: "new\n", dest: /srv/carries/copy}}
    - {copy: {src: /srv/carries/source, dest: /srv/carries/remote, remote_src: true}}
    - {template: {src: new.j2, dest: /srv/carries/template}}
    - {community.general.ini_file: {path: /srv/carries/ini, section: a, option: b, value: new}}
    - {copy: {src: "{{ large }}", dest: /srv/carries/large}}
END
echo new > "$work/new.j2"; head -c 200000 /dev/urandom > "$work/large"
CARRIERS='line block replace copy remote template ini large'
on h1 "rm -rf /srv/carries; mkdir /srv/carries; cd /srv/carries; echo new >source
for f in $CARRIERS; do echo old >\$f; chmod 640 \$f; chown alice:bob \$f; setfacl -m u:helper:rw,g:admin:r \$f; setfattr -n user.note -v kept \$f; setcap cap_net_raw+ep \$f; done"
carried() { on h1 "cd /srv/carries; for f in $CARRIERS; do echo \$f; stat -c '%U %G %a' \$f; getfacl -cE \$f; getfattr -n user.note --only-values \$f; echo; getcap \$f; done"; }
before=$(carried)
play edits -e "large=$work/large" < "$work/edits"
works 'files that carry more than bytes are edited'
equal 'all of them' 8 "$(grep -oE 'changed=[0-9]+' "$work/out" | cut -d= -f2)"
equal 'owner, mode, ACLs, attributes and capabilities stay' "$before" "$(carried)"

# ---- output that has no room on the host
on h1 'mkdir -p /srv/small; mount -t tmpfs -o size=1m small /run; mkdir /run/sshd'
# Programs that do not look whether their writes succeed: a result that is cut would pass for a whole one.
for way in "shell: 'head -c 4000000 /dev/zero | tr \"\\0\" a; true'" "command: sh -c 'head -c 4000000 /dev/zero | tr \"\\0\" a; true'" \
    "raw: 'head -c 4000000 /dev/zero | tr \"\\0\" a; true'" "shell: 'head -c 4000000 /dev/zero | tr \"\\0\" a >&2; true'"; do
    play output <<END
- hosts: h1
  gather_facts: false
  tasks:
    - ${way}
      register: r
    - assert:
        that: r.stdout | length + r.stderr | length == 4000000
        fail_msg: it was cut
END
    case $status in
        0) check "output larger than the room is whole: ${way%%:*}" true ;;
        *) says "output larger than the room, or the task fails: ${way%%:*}" 'no space|no room|not enough room' ;;
    esac
done
on h1 'umount -l /run'
play sized <<'END'
- hosts: h1
  gather_facts: false
  tasks:
    - {shell: "head -c 4000000 /dev/zero | tr '\\0' a", register: r}
    - {assert: {that: r.stdout | length == 4000000}}
END
works 'four million bytes of output are four million bytes'

# ---- uploads that are cut off; their names may begin with a dot
truncate -s 300M "$work/huge"; head -c 100000 /dev/urandom | dd of="$work/huge" conv=notrunc status=none
on h1 'mkdir -p /srv/cut'
cut_off=0
for name in .hidden plain; do
    echo "- {hosts: h1, gather_facts: false, tasks: [{copy: {src: $work/huge, dest: /srv/cut/$name}}]}" > "$work/huge.yml"
    "$BRINGUP" apply -i "$INVENTORY" "$work/huge.yml" >/dev/null 2>&1 </dev/null & pid=$!
    within 10 on h1 'test -n "$(find /srv/cut -size +1M)"' || true
    # The power goes: nothing of the host's own tidies up.
    fleet reboot h1; kill -9 $pid 2>/dev/null || true; wait $pid 2>/dev/null || true
    within 20 on h1 true
    [ -z "$(on h1 'find /srv/cut -size +1M')" ] || cut_off=$((cut_off + 1))
    play sweep <<<'- {hosts: h1, gather_facts: false, tasks: [{command: "true"}]}'
    works 'the run after an upload that was cut off, of something else'
    equal 'sweeps what it left' '' "$(on h1 'find /srv/cut -mindepth 1 | grep -vxE "/srv/cut/(.hidden|plain)"')"
done
check "uploads were cut off at work ($cut_off)" test "$cut_off" -gt 0

# ---- a full disk
on h1 'mkdir -p /srv/full; mount -t tmpfs -o size=2m full /srv/full; head -c 4000000 /dev/urandom >/srv/much'
for task in 'copy: {src: /srv/much, dest: /srv/full/a, remote_src: true}' "copy: {src: $work/huge, dest: /srv/full/b}" \
    "get_url: {url: 'http://$LAB_NET.1:8096/huge', dest: /srv/full/c}" 'copy: {content: "{{ \"x\" * 60000 }}", dest: /srv/full/d}' ; do
    [ "${task##*/}" != 'd}' ] || on h1 'head -c 2090000 /dev/zero >/srv/full/fills'
    [[ $task != get_url* ]] || { packages h1 curl; serve python3 "$HERE/attacks/web.py" "$LAB_NET.1" 8096 "$work"; listening 8096; }
    play full <<<"- {hosts: h1, gather_facts: false, tasks: [{$task}]}"
    ended "a full disk: ${task%%:*} fails" 2
    equal 'and leaves nothing' '' "$(on h1 'cd /srv/full && ls -A | grep -vx fills; rm -rf .[!.]* [!.]* 2>/dev/null')"
done
on h1 'umount /srv/full'

# ---- names that are no text
on h1 'mkdir -p /srv/texts/d; cd /srv/texts; touch good d/good "$(printf "bad\\377")"; ln -s good "$(printf "l\\376")"'
for task in 'find: {paths: /srv/texts, recurse: true, hidden: true, file_type: any}' 'find: {paths: /srv/texts, contains: x}' 'copy: {src: /srv/texts, dest: /srv/copied, remote_src: true}' \
    'assemble: {src: /srv/texts, dest: /srv/assembled}' 'file: {path: /srv/texts, state: directory, recurse: true, mode: "u=rwX,go=rX", owner: alice}'; do
    play names <<END
- hosts: h1
  gather_facts: false
  tasks:
    - {${task}, register: r}
END
    case $status:${task%%:*} in
        0:find) check 'a name that is no text is not left out, nor told as another: find' false ;;
        0:copy) equal 'a name that is no text is not left out: copy' 6 "$(on h1 'find /srv/copied | wc -l')" ;;
        0:file) equal 'a name that is no text is not left out: file' 0 "$(on h1 'find /srv/texts ! -type l ! -user alice | wc -l')" ;;
        0:assemble) check 'a name that is no text is not left out: assemble' true ;;
        *) says "a name that is no text is not left out: ${task%%:*}" 'UTF-8|utf8|text|bytes|name' ;;
    esac
done
on h1 'rm -rf /srv/texts /srv/copied; mkdir -p /srv/texts; touch /srv/texts/good'
play names <<<'- {hosts: h1, gather_facts: false, tasks: [{find: {paths: /srv/texts}, register: r}, {assert: {that: r.matched == 1}}]}'
works 'other names are found'

# ---- edits of others between question and change: of the same length, in the same second
# The file is always fresh; once it has been read it is edited in place, a moment later.
EDITOR='
use strict; my $f = "/home/alice/edited"; my $i = syscall(294, 0); syscall(254, $i, $f, 0x10);
my $end = time + 40; my $bits = ""; vec($bits, $i, 1) = 1;
while (time < $end) {
    utime undef, undef, $f;
    next unless select(my $ready = $bits, undef, undef, 0.04);
    select(undef, undef, undef, 0.015);
    open my $o, "+<", $f or next; print $o "count 0001\n"; close $o;
    open my $e, ">", "/home/alice/edits"; print $e "count 0001"; close $e; last;
}'
fleet delay 60
lost=0 seen=0
for n in 1 2 3 4 5; do
    on h1 'rm -f /home/alice/edits; printf "count 0000\nrest\n" >/home/alice/edited.new; chown alice /home/alice/edited.new; mv /home/alice/edited.new /home/alice/edited'
    beside h1 alice "$EDITOR"
    play "edited-$n" <<<"- {hosts: h1, gather_facts: false, tasks: [{lineinfile: {path: /home/alice/edited, line: line $n}}]}"
    alone
    read -r edits now line < <(on h1 "echo \$(sed 's/ /-/' /home/alice/edits 2>/dev/null || echo none) \$(sed -n '1s/ /-/p' /home/alice/edited) \$(grep -cx 'line $n' /home/alice/edited)")
    [ "$edits" = none ] || { seen=$((seen + 1)); [ "$edits" = "$now" ] || lost=$((lost + 1)); }
    [ "$status" != 0 ] || [ "$line" = 1 ] || lost=$((lost + 100))
done
fleet delay 0
check "others edited between question and change ($seen of 5 times)" test "$seen" -ge 1
equal 'none of their edits was lost' 0 "$lost"
