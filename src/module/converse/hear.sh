# shellcheck shell=sh disable=SC2154
# What the talk in $d shows behind $heard bytes, below `over` and the exit status, or `on`. It waits a second for something new.
n=0
while [ ! -e "$d/rc" ] && [ "$(wc -c <"$d/out")" -le "$heard" ] && [ $n -lt 20 ]; do
    sleep 0.05 2>/dev/null || sleep 1
    n=$((n + 1))
done
if [ -e "$d/rc" ]; then echo "over $(cat "$d/rc")"; else echo on; fi
tail -c "+$((heard + 1))" "$d/out"
