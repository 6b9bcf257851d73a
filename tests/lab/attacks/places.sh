# shellcheck shell=bash disable=SC2034,SC2154,SC2016
# Our own folders on a host: somebody sits on the name. The task runs, and two runs never work at the same time.

USER33=$(on h1 id -u www-data)
cat > "$work/as-www" <<'END'
- hosts: h1
  gather_facts: false
  become: true
  become_user: www-data
  tasks:
    - {copy: {content: "{{ moment }}", dest: /srv/www/moment}, notify: done}
    - {command: id -un, register: who, changed_when: false}
    - {assert: {that: who.stdout == 'www-data'}}
    - {copy: {src: "{{ large }}", dest: /srv/www/large}}
  handlers:
    - {name: done, copy: {content: "{{ moment }}", dest: /srv/www/handled}}
END
head -c 300000 /dev/urandom > "$work/large"
on h1 'install -d -o www-data /srv/www; mkdir -p /var/www'
as_www() {
    play as-www -e "moment=$1" -e "large=$work/large" < "$work/as-www"
    works "a user without a home works where $2"
    equal 'its files and handlers too' "$1 $1" "$(on h1 'echo $(cat /srv/www/moment) $(cat /srv/www/handled)')"
}
as_www first 'nobody is in the way'
on h1 "rm -rf /tmp/.bringup-*"
# sits WHAT: alice makes something of that name before us
sits() { on h1 "rm -rf /tmp/.bringup-$USER33; su alice -c 'D=/tmp/.bringup-$USER33; $1'"; }
sits 'mkdir -m 777 $D';                                        as_www folder 'somebody has made the folder'
sits 'mkdir -m 777 $D; mkdir -m 777 $D/lock';                  as_www lock 'somebody has made a folder named lock in it'
sits 'ln -s /home/alice $D';                                   as_www link 'a link stands there'
equal 'nothing gets into what it leads to' '' "$(on h1 'ls -A /home/alice | grep -E "^(lock|pending|sending)$"')"
sits 'echo x >$D';                                             as_www file 'a file stands there'
sits 'ln -s /nowhere/at/all $D';                               as_www dangling 'a link to nowhere stands there'
sits 'mkdir -m 700 $D';                                        as_www closed 'a closed folder stands there'
on h1 "rm -rf /tmp/.bringup-*"

# A folder in the place of the lock, for root, for a plain user and for one without a home: never off in silence.
cat > "$work/slow" <<'END'
- hosts: h1
  gather_facts: false
  tasks: [{command: "sh -c 'echo began >>/tmp/slow; sleep {{ seconds }}; echo ended >>/tmp/slow'"}]
END
# two TITLE INVENTORY: two runs at a time; the second is refused, waits, or both say what is in the way
two() {
    local pid first second
    on h1 'rm -f /tmp/slow; : >/tmp/slow; chmod 666 /tmp/slow'
    cp "$work/slow" "$work/slow.yml"
    timeout 30 "$BRINGUP" apply -i "$2" -l h1 -e seconds=4 "$work/slow.yml" >"$work/first" 2>&1 </dev/null & pid=$!
    within 10 on h1 'test -s /tmp/slow' || true
    second=0; timeout 3 "$BRINGUP" apply -i "$2" -l h1 -e seconds=0 "$work/slow.yml" >"$work/out" 2>&1 </dev/null || second=$?
    first=0; wait $pid || first=$?
    refuse "$1: two runs do not work at the same time ($first, $second)" test "$(on h1 'paste -sd" " /tmp/slow')" != 'began ended' -a $second = 0
    [ "$first" = 0 ] || { status=$first; cp "$work/first" "$work/out"; says "$1: the first" 'lock|in the way|directory|folder'; }
}
sed 's/ansible_user: root/ansible_user: alice/' "$INVENTORY" > "$work/plain.yml"
two 'root' "$INVENTORY"
two 'a plain user' "$work/plain.yml"
on h1 'rm -rf /var/lib/bringup/lock; mkdir -p /var/lib/bringup/lock'
two 'root, a folder named lock' "$INVENTORY"
on h1 'rm -rf /var/lib/bringup/lock; echo x >/var/lib/bringup/lock'
two 'root, a file named lock' "$INVENTORY"
on h1 'rm -rf /var/lib/bringup/lock; rm -rf /home/alice/.bringup/lock; install -d -o alice /home/alice/.bringup /home/alice/.bringup/lock'
two 'a plain user, a folder named lock' "$work/plain.yml"
on h1 'rm -rf /home/alice/.bringup'
play afterwards <<<'- {hosts: h1, gather_facts: false, tasks: [{ping: {}}]}'
works 'then everything is as it was'
