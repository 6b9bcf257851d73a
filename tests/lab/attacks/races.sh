# shellcheck shell=bash disable=SC2034,SC2154,SC2016
# Root works through a tree of a user who swaps names for links meanwhile: nothing outside of the tree changes.

on h1 'rm -rf /home/alice/tree; mkdir -p /home/alice/tree/d; cd /home/alice/tree; i=0; while [ $i -lt 150 ]; do echo x >f$i; mkdir d/s$i; echo x >d/s$i/file; i=$((i+1)); done; chown -R alice /home/alice/tree'
SWAP='
use strict; my $h = "/home/alice/tree"; my $end = time + 60;
while (time < $end) {
    for my $i (0 .. 149) {
        next if -l "$h/f$i";
        symlink "/etc/canary", "$h/.l"; rename "$h/f$i", "$h/.a$i"; rename "$h/.l", "$h/f$i";
        rename "$h/d/s$i", "$h/d/.a$i"; symlink "/etc/canary.d", "$h/d/s$i";
    }
    select(undef, undef, undef, 0.03);
    for my $i (0 .. 149) { rename "$h/.a$i", "$h/f$i"; unlink "$h/d/s$i" if -l "$h/d/s$i"; rename "$h/d/.a$i", "$h/d/s$i"; }
    select(undef, undef, undef, 0.03);
}'
# trees TITLE: some rounds of owners and modes over the tree
trees() {
    local n
    for n in 1 2 3 4 5 6; do
        cat <<END
- hosts: h1
  gather_facts: false
  tasks:
    - {file: {path: /home/alice/tree, state: directory, recurse: true, owner: $([ $((n % 2)) = 1 ] && echo bob || echo alice), mode: "u=rwX,g=rwX,o=rwX"}, ignore_errors: true}
    - {file: {path: /home/alice/tree, state: directory, recurse: true, owner: $([ $((n % 2)) = 1 ] && echo alice || echo bob), group: alice, mode: "u=rwX,go=rX"}, ignore_errors: true}
END
    done | LIMIT=120 play trees
}
trees
works 'a tree gets an owner'
equal 'all of it' "0 bob" "$(on h1 'find /home/alice/tree ! -user bob | wc -l; stat -c %U /home/alice/tree/d/s9/file' | paste -sd' ')"
on h1 'chown -R alice /home/alice/tree'
beside h1 alice "$SWAP"
trees
untouched 'file: recurse never follows a link that takes the place of a file or folder'
check 'it ends in good order' test "$status" -lt 5

# What removes: a folder that becomes a link is taken away, and never what it leads to.
for n in 1 2 3 4 5; do
    echo "- {hosts: h1, gather_facts: false, tasks: [{file: {path: /home/alice/tree/d/s$n, state: absent}, ignore_errors: true}]}"
done | play remove
untouched 'nor does file: absent'
# A link on the way to what is written is followed, as Ansible does: it cannot be told from one that was meant.
alone
on h1 'rm -rf /home/alice/tree'
