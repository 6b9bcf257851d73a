#!/bin/sh
# Looks at what kubeadm's unit makes of the kubelet, and changes nothing. A line each:
#   flag --NAME=VALUE     the kubelet that runs was given it
#   dropin FILE           settings of its unit that say what is started
pid=$(systemctl show -p MainPID --value kubelet 2>/dev/null)
if [ -n "$pid" ] && [ "$pid" != 0 ] && [ -r "/proc/$pid/cmdline" ]; then
    # `--name value` is `--name=value`.
    tr '\0\n' '\n ' <"/proc/$pid/cmdline" | awk 'NR > 1 { if ($0 ~ /^-/) { if (flag) print "flag " flag; flag = $0 } else flag = flag "=" $0 } END { if (flag) print "flag " flag }' | sed 's/^flag -\([^-]\)/flag --\1/'
fi
systemctl show -p DropInPaths --value kubelet 2>/dev/null | tr ' ' '\n' | while read -r file; do
    if [ -n "$file" ] && grep -q '^[[:space:]]*ExecStart' "$file"; then echo "dropin $file"; fi
done
true
