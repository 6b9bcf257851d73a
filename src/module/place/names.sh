# shellcheck shell=sh disable=SC2034,SC2154
# How a file is made in a folder of our own, in a directory where others can write. We are in that directory.
#
# In front: name, the file's name; __k, which nobody can guess.
# w: the directory, s: our folder in it; t: where the file is made, p: what it will replace, both seen from our folder; b: a copy of p.
w=${PWD%/} s=.bringup-$__k t=./$name p=../$name b=
# Takes the folder away once the file has left it.
leave() { cd -P .. && rmdir "./$s"; }
# Ends the script behind a message; nothing is left.
fail() { rm -f -- "$t" ${b:+"$b"}; leave; exit 1; }
