# shellcheck shell=bash disable=SC2034,SC2154,SC2016
# A host that says more than anybody can hold: bounded for each host, and that host alone fails.

# A login shell that speaks the protocol of our own as far as it serves its purpose.
put h1 /srv/liar 755 <<'END'
#!/usr/bin/perl
use strict; $| = 1;
open my $m, '<', '/srv/liar.mode' or exit 1; chomp(my $mode = <$m>);
my $much = 'x' x 65536;
if ($mode eq 'noise') { print $much while 1 }
if ($mode eq 'errors') { print STDERR $much while 1 }
my ($token, $text) = ('', '');
until ($text =~ /^__bt=([0-9a-f]+)/m) { sysread(STDIN, $text, 65536, length $text) or exit 1 }
($token) = $text =~ /^__bt=([0-9a-f]+)/m;
if ($mode eq 'folder') { print "$token hello "; print $much while 1 }
print "$token hello /run/none\n";
if ($mode eq 'silent-errors') { print STDERR $much while 1 }
until ($text =~ /^__[bq] (\d+)/m) { sysread(STDIN, $text, 65536, length $text) or exit 1 }
my ($id) = $text =~ /^__[bq] (\d+)/m;
if ($mode eq 'promise') { print "$token $id 0 100000000000000 0\n"; sleep 5; print $much while 1 }
if ($mode eq 'flood') { print "$token $id 0 100000000000000 0\n"; print $much while 1 }
if ($mode eq 'number') { print "$token $id 0 99999999999999999999999999 0\n"; print $much while 1 }
if ($mode eq 'kept') { print "$token kept"; print " $id 0 100000000000000 100000000000000\n"; print $much while 1 }
if ($mode eq 'list') { print "$token kept"; print " $id 0 0 0" while 1 }
if ($mode eq 'others') { print "$token 7 0 0 0\n$token end\n" while 1 }
if ($mode eq 'after') { print "$token $id 0 0 0\n$much"; print $much while 1 }
END
on h1 'useradd -m -s /srv/liar liar; mkdir -m 700 /home/liar/.ssh; cp /root/.ssh/authorized_keys /home/liar/.ssh; chown -R liar: /home/liar/.ssh'
sed "/^        h1:/a\\          ansible_user: liar" "$INVENTORY" > "$work/liar.yml"
cat > "$work/flooded.yml" <<'END'
- hosts: h1:h2
  gather_facts: false
  tasks:
    - {copy: {content: "{{ moment }}", dest: /srv/moment}}
    - {command: "true", changed_when: false}
END
# bounded TITLE MEBIBYTES SECONDS COMMAND..: it ends in good order, in little memory and time
bounded() {
    local title=$1 most=$2 long=$3 memory seconds; shift 3
    read -r status memory seconds <<<"$(peak "$@")"
    check "$title: it ends in good order ($status)" grep -qxE '[024]' <<<"$status"
    check "$title: in little memory ($memory MiB)" test "$memory" -lt "$most"
    check "$title: in little time ($seconds s)" test "$seconds" -lt "$long"
}
# The modes of the shell, what each is, and a moment that tells whether the other host was served.
while read -r mode what; do
    on h1 "echo $mode >/srv/liar.mode"
    bounded "a login shell that $what" 300 45 "$BRINGUP" apply -i "$work/liar.yml" --timeout 5 -e "moment=$mode" "$work/flooded.yml"
    ended 'that host fails' 2 4
    equal 'and that host alone' "$mode" "$(on h2 cat /srv/moment)"
done <<'END'
promise promises 10^14 bytes
flood sends 10^14 bytes
number promises more than a number holds
kept promises it for a kept answer
list lists answers without end
noise floods before its greeting
folder greets without end
errors floods standard error
others answers steps that nobody sent
after says more than it promised
END

# A sudo that floods instead of asking.
for stream in 1 2; do
    put h1 /srv/sudo 755 <<<"#!/bin/sh
exec yes 'password for you: ' >&$stream"
    sed "/^        h1:/a\\          ansible_user: admin\n          ansible_become: true\n          ansible_become_exe: /srv/sudo\n          ansible_become_password: x" "$INVENTORY" > "$work/sudo.yml"
    bounded "a sudo that floods stream $stream" 300 45 "$BRINGUP" apply -i "$work/sudo.yml" --timeout 5 -e "moment=sudo$stream" "$work/flooded.yml"
    ended 'that host fails' 2 4
    equal 'and that host alone' "sudo$stream" "$(on h2 cat /srv/moment)"
done
sed -i 's|become_exe: /srv/sudo|become_exe: /usr/bin/sudo|' "$work/sudo.yml"
bounded 'the real one' 300 45 "$BRINGUP" apply -i "$work/sudo.yml" -e moment=real "$work/flooded.yml"
ended 'goes through' 0
