#!/bin/sh
# Names the programs in folders that are for another processor than this host's, and changes nothing: `PROCESSOR FOLDER/PROGRAM`, a line for each.
#
#     processors.sh amd64|arm64 FOLDER..
#
# What is no program in the kernel's own format (a script, a text) is for every processor.
own=$1; shift
# shellcheck disable=SC2016  # the inner shell's own words
find "$@" -type f -exec sh -c 'for f; do printf "%s %s\n" "$(od -An -tx1 -N20 "$f" | tr -d " \n")" "$f"; done' - {} + | sort | while read -r head file; do
    case $head in
        7f454c46????????????????????????????3e00) is=amd64 ;;
        7f454c46????????????????????????????b700) is=arm64 ;;
        7f454c46*) is=other ;;
        *) continue ;;
    esac
    [ "$is" = "$own" ] || echo "$is $file"
done
