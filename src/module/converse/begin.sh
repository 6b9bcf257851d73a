# shellcheck shell=sh disable=SC2016,SC2154
# Starts $line, a text for a shell, on a terminal of its own in the folder $folder; $echo says whether that shows what is typed. It prints the folder of the talk: `in` is what is typed,
# `out` what is shown, `rc` the exit status once it is over, `pid` the process that leads.
command -v script >/dev/null || { echo 'the host has no `script`, which gives a command a terminal: install `bsdutils` or `util-linux-script`' >&2; exit 90; }
cd -- "$folder" || exit 1
d=$(umask 077; mktemp -d) || exit 90
mkfifo -m 600 "$d/in" && : >"$d/out" || exit 90
new=; command -v setsid >/dev/null && new=setsid
line="stty $echo 2>/dev/null; $line"
# The pipe is open for both, so that its end is never read as that of what is typed.
$new sh -c 'echo $$ >"$0/pid"; exec 3<>"$0/in"; script -q -e -f -c "$1" /dev/null <&3 >"$0/out" 2>&1; echo $? >"$0/rc.new"; mv "$0/rc.new" "$0/rc"' "$d" "$line" </dev/null >/dev/null 2>&1 &
printf '%s\n' "$d"
