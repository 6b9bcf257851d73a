#!/bin/sh
# Names the archives (`docker save`'s layout) that hold no image for this host's processor, and changes nothing: `PROCESSOR ARCHIVE`, a line for each.
#
#     processors.sh amd64|arm64 ARCHIVE..
#
# An archive of another layout is not named: the runtime says what it thinks of it.
own=$1; shift
for archive; do
    has=$(tar -xOf "$archive" manifest.json 2>/dev/null | tr -d ' \n\t' | grep -o '"Config":"[^"]*"' | cut -d'"' -f4 | while read -r config; do
        # A name, whatever the archive says: no option of tar's.
        tar -xOf "$archive" -- "$config" 2>/dev/null | tr -d ' \n\t' | grep -o '"architecture":"[a-z0-9]*"' | head -n 1 | cut -d'"' -f4
    done | sort -u | paste -sd, -)
    case ",$has," in ,,|*",$own,"*) ;; *) echo "$has $archive" ;; esac
done
true
