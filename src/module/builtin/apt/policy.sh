# shellcheck shell=sh disable=SC2154
# No service is started, or whatever $answer says, while packages are installed: policy-rc.d is ours until the script ends.
p=/usr/sbin/policy-rc.d
[ ! -e $p ] || [ -e $p.kept ] || mv -f $p $p.kept || exit
trap 'rm -f $p; [ ! -e $p.kept ] || mv -f $p.kept $p' EXIT
trap 'exit 1' HUP INT TERM
# shellcheck disable=SC2015
printf '#!/bin/sh\nexit %s\n' "$answer" >$p && chmod 0755 $p || exit
