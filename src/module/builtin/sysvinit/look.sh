# shellcheck shell=sh disable=SC2154
# What there is of the service $name: `there`, `level LEVEL` of each runlevel it starts in, `seen` where the list of processes has $pattern, `status` and the exit
# status of its script, and what that said (`said`).
export LC_ALL=C
PATH=$PATH:/usr/sbin:/sbin
script=
for d in /etc/init.d /etc/rc.d/init.d; do [ ! -e "$d/$name" ] || { script=$d/$name; break; }; done
[ -n "$script" ] || exit 0
echo there
for f in /etc/rc[0-9S].d/S[0-9][0-9]"$name"; do
    [ -e "$f" ] || [ -L "$f" ] || continue
    l=${f#/etc/rc}
    echo "level ${l%%.d/*}"
done
# shellcheck disable=SC2009
seen() { ps ax 2>/dev/null | grep -v grep | grep -F -q -e "$1"; }
if [ -n "$pattern" ]; then
    ! seen "$pattern" || echo seen
    exit 0
fi
if command -v service >/dev/null; then out=$(service "$name" status 2>/dev/null </dev/null); else out=$("$script" status 2>/dev/null </dev/null); fi
echo "status $?"
printf '%s\n' "$out" | sed 's/^/said /'
! seen "$name" || echo seen
