# shellcheck shell=sh disable=SC2015
# What is known of all modules: L where the kernel loads any, M those that are there, S those of $@ that exist, F file systems, C lines of
# configuration with their file in front.
[ -e /proc/modules ] && { echo L; while read -r m _; do echo "M $m"; done </proc/modules; }
for d in /sys/module/*; do [ -d "$d" ] && echo "M ${d##*/}"; done
for s; do [ -e "$s" ] && echo "S $s"; done
while read -r a b; do echo "F ${b:-$a}"; done </proc/filesystems
f=/lib/modules/$(uname -r)/modules.builtin
[ -r "$f" ] && sed 's:.*/::; s:\.ko.*::; s:^:M :' "$f"
grep -sH '^[[:space:]]*[^#;[:space:]]' /etc/modules /etc/modules-load.d/*.conf /etc/modprobe.d/*.conf | sed 's/^/C /'
:
