# shellcheck shell=bash disable=SC2034,SC2154,SC2016
# Root writes where a user may make names: whatever links the user puts there or swaps in, root's files stay.

# Each way to write a file in alice's home; N is a number, so that each round finds something to do.
cat > "$work/writes" <<END
- hosts: h1
  gather_facts: false
  tasks:
    - {lineinfile: {path: /home/alice/line, line: "N", create: true}, ignore_errors: true}
    - {blockinfile: {path: /home/alice/block, block: "N", create: true}, ignore_errors: true}
    - {replace: {path: /home/alice/replace, regexp: "^a.*", replace: "aN"}, ignore_errors: true}
    - {copy: {content: "N", dest: /home/alice/copy, owner: alice}, ignore_errors: true}
    - {copy: {content: "N", dest: /home/alice/kept, backup: true}, ignore_errors: true}
    - {copy: {src: "$work/large", dest: /home/alice/large, owner: alice, mode: "0666"}, ignore_errors: true}
    - {copy: {src: /srv/source, dest: /home/alice/remote, remote_src: true, owner: alice, mode: "0666"}, ignore_errors: true}
    - {template: {src: "$work/n.j2", dest: /home/alice/template, owner: alice, mode: "0666"}, ignore_errors: true}
    - {assemble: {src: /srv/parts, dest: /home/alice/assembled, owner: alice, mode: "0666"}, ignore_errors: true}
    - {authorized_key: {user: alice, key: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBbH0S0zT3aYXQx3yWq3UQXoVFzCzbYpe0Ky1Q3yA0aB N"}, ignore_errors: true}
    - {community.general.ini_file: {path: /home/alice/ini, section: a, option: b, value: "N", mode: "0666"}, ignore_errors: true}
    - {get_url: {url: "http://$LAB_NET.1:8097/file", dest: /home/alice/got, force: true, owner: alice, mode: "0666"}, ignore_errors: true}
    - {uri: {url: "http://$LAB_NET.1:8097/file", dest: /home/alice/answer, owner: alice, mode: "0666"}, ignore_errors: true}
    - {unarchive: {src: "http://$LAB_NET.1:8097/a.tgz", dest: /home/alice/unpacked, remote_src: true, owner: alice, mode: "0666"}, ignore_errors: true}
    - {unarchive: {src: "$work/web/a.tgz", dest: /home/alice/unpacked, owner: alice, mode: "0666"}, ignore_errors: true}
    - {community.crypto.openssl_privatekey: {path: /home/alice/key, type: ECC, curve: secp256r1, owner: alice, force: true}, ignore_errors: true}
    - {cron: {name: "N", job: "true", user: alice, cron_file: /home/alice/cron}, ignore_errors: true}
    - {file: {path: "/home/alice/made-N/deep", state: directory, owner: alice, mode: "0777"}, ignore_errors: true}
    - {file: {path: "/home/alice/touched-N", state: touch, owner: alice, mode: "0666"}, ignore_errors: true}
    - {file: {path: "/home/alice/swapped", owner: alice, mode: "0666"}, ignore_errors: true}
    - {file: {path: "/home/alice/linked-N", src: /srv, state: link, owner: alice}, ignore_errors: true}
END
mkdir -p "$work/web"; echo content > "$work/web/file"; tar -C "$work/web" -czf "$work/web/a.tgz" file
serve python3 "$HERE/attacks/web.py" "$LAB_NET.1" 8097 "$work/web"; listening 8097
packages h1 curl
on h1 'mkdir -p /srv/parts; for u in alice; do install -d -o alice /home/alice/unpacked; echo a >/home/alice/replace; echo a >/home/alice/swapped; chown alice /home/alice/replace /home/alice/swapped; done'
# writes NUMBER: one round; the guest's errors are ignored, for the attack may well make a task fail
writes() {
    head -c 200000 /dev/urandom > "$work/large"; echo "$1" > "$work/n.j2"; echo "content $1" > "$work/web/file"
    tar -C "$work/web" -czf "$work/web/a.tgz" file
    on h1 "echo $1 >/srv/parts/1; echo $1 >/srv/source"
    sed "s/\bN\b/$1/g; s/-N/-$1/g; s/aN/a$1/g" "$work/writes" | play "writes-$1"
}
writes 1
works 'files in a user'\''s home are written by root'
equal 'all of them' "fatal=0 20" "fatal=$(grep -c '^fatal' "$work/out" || true) $(on h1 'cd /home/alice; ls -d line block replace copy kept large remote template assembled ini got answer unpacked/file key cron made-1/deep touched-1 swapped linked-1 .ssh/authorized_keys' | wc -l)"
untouched 'nothing else is'

# ---- links under the names that a writer could take; what appeared in the first round tells none, so all known kinds
put h1 /srv/names <<'END'
cd /home/alice || exit
for p in line block replace copy kept large remote template assembled ini got answer key cron swapped; do
    h=$(printf %s "/home/alice/$p" | sha256sum | cut -c1-16)
    for n in ".bringup-$h" "$p.bringup-copy" "$p.bringup-part" "$p.bringup" "$p~" "$p.tmp" ".$p.tmp" "$p.part" ".bringup-upload-$h"; do ln -sfn /etc/canary "$n"; done
    s=$(date +%s)
    for i in $(seq 0 25); do ln -sfn /etc/canary "$p.bringup.$(date -d @$((s + i)) +%Y-%m-%d@%H:%M:%S)~"; done
done
h=$(printf %s /home/alice/.ssh/authorized_keys | sha256sum | cut -c1-16)
ln -sfn /etc/canary ".ssh/.bringup-$h"
END
ssh -F "$LAB_DIR/ssh_config" -l alice h1 sh < <(on h1 cat /srv/names)
writes 2
untouched 'links under the names of temporary files are not written through'
works 'and the files are written all the same'
equal 'with what was meant' '2 2' "$(on h1 'echo $(cat /home/alice/copy) $(cat /home/alice/template)')"

# ---- somebody who sees each new name and puts a link in its place
SWAPPER='
use strict; use Fcntl; my @known; my %known; my $end = time + 60;
sub look { my ($d) = @_; opendir(my $h, $d) or return; my @n = grep { !/^\.\.?$/ } readdir $h; closedir $h; map { "$d/$_" } @n }
my @dirs = ("/home/alice", "/home/alice/.ssh", "/home/alice/unpacked");
$known{$_} = 1 for map { look($_) } @dirs;
while (time < $end) {
    for my $d (@dirs) { for my $n (look($d)) {
        next if $known{$n} || readlink($n);
        if (-d $n) { rename $n, "$n.away" and $known{"$n.away"} = 1; symlink "/etc/canary.d", $n; next }
        unlink $n; symlink "/etc/canary", $n;
    } }
}'
on h1 'rm -rf /home/alice/made-* /home/alice/touched-* /home/alice/linked-*; find /home/alice -type l -delete'
beside h1 alice "$SWAPPER"
for ((n = 3; n < 3 + ${ROUNDS:-4}; n++)); do writes $n; done
alone
untouched 'a link that takes the place of a new file or folder is not written through'
refused_or_done() { [ "$status" -lt 5 ]; }
check 'the plays end in good order' refused_or_done

# ---- a name that is now a file and now a link, while root gives it an owner and a mode
TOGGLER='
use strict; my $end = time + 40; my $h = "/home/alice";
while (time < $end) {
    for my $n ("swapped", "copy", "line", "remote", "got") {
        rename "$h/$n", "$h/aside.$n" unless -l "$h/$n"; symlink "/etc/canary", "$h/l.$n"; rename "$h/l.$n", "$h/$n";
        rename "$h/aside.$n", "$h/$n";
    }
}'
on h1 'find /home/alice -type l -delete; cd /home/alice; for n in swapped copy line remote got; do echo a >$n; chown alice $n; chmod 600 $n; done'
{
    printf -- '- hosts: h1\n  gather_facts: false\n  tasks:\n'
    for ((n = 0; n < 40; n++)); do
        printf -- '    - {file: {path: /home/alice/swapped, owner: "%s", mode: "06%02d", follow: false}, ignore_errors: true}\n' "$( ((n % 2)) && echo alice || echo root)" $(((n % 7) * 10))
        ((n % 5)) || printf -- '    - {command: "true"}\n'
    done
} > "$work/owner"
beside h1 alice "$TOGGLER"
LIMIT=120 play owner < "$work/owner"
alone
untouched 'nor is a link that takes the place of a file whose owner is set'
on h1 'find /home/alice -maxdepth 1 -type l -delete; find /home/alice -maxdepth 1 -name "*.away" -exec rm -rf {} +'

# ---- an ssh key made for the user, in a directory of the user's
KEYSWAP='
use strict; my $k = "/home/alice/.ssh/id_rsa"; my $end = time + 30;
while (time < $end) { for my $f ($k, "$k.pub") { if (-e $f && !-l $f) { unlink $f; symlink "/etc/canary", $f } } }'
on h1 'rm -f /home/alice/.ssh/id_*'
beside h1 alice "$KEYSWAP"
for n in 1 2 3; do
    play key <<<'- {hosts: h1, gather_facts: false, tasks: [{user: {name: alice, generate_ssh_key: true, force: true}, ignore_errors: true}]}'
    on h1 'rm -f /home/alice/.ssh/id_*'
done
alone
untouched 'a link that takes the place of a new ssh key is given to nobody'
on h1 'rm -f /home/alice/.ssh/id_*; mv /home/alice/.ssh /home/alice/ssh; su alice -c "ln -s /etc/canary.d ~/.ssh"'
play key <<<'- {hosts: h1, gather_facts: false, tasks: [{user: {name: alice, generate_ssh_key: true}, ignore_errors: true}]}'
untouched 'nor is a key made where a link of the user leads'
on h1 'rm -f /home/alice/.ssh; mv /home/alice/ssh /home/alice/.ssh; rm -f /etc/canary.d/id_*'
play key <<<'- {hosts: h1, gather_facts: false, tasks: [{user: {name: alice, generate_ssh_key: true}}]}'
works 'otherwise the key is made'
equal 'for its user' 'alice 600 alice 644' "$(on h1 'stat -c "%U %a" /home/alice/.ssh/id_rsa /home/alice/.ssh/id_rsa.pub' | paste -sd' ')"
