# shellcheck shell=sh disable=SC2034,SC2154
# What a path leads to gets a second name, ./f, in a folder of ours beside it: that name cannot be exchanged any more. In front: f.
r=$(readlink -f -- "$f") || exit 1
d=${r%/*} f=${r##*/}
cd -P -- "${d:-/}" || exit 1
w=${PWD%/} s=.bringup-$__k
leave() { rm -f -- ./f; cd -P .. && rmdir "./$s"; }
