# shellcheck shell=sh disable=SC2015,SC2154
# Enters the folder $s in the directory $w, and makes sure that it is ours and stands where it was made.
# shellcheck disable=SC3067  # dash and busybox know -O too
cd -P "./$s" && [ -O . ] && [ "$PWD" = "$w/$s" ] || { echo "somebody meddles with $w/$s" >&2; exit 1; }
# What is made in it inherits the group as it would beside it: busybox's `mkdir -m` takes the bit for that away.
[ ! -g .. ] || [ -g . ] || chmod g+s . || exit 1
