#!/bin/sh
case "$1 $2" in
"--list ") echo '{"web": ["s1", "s2"]}' ;;
"--host s1") echo '{"x": "one"}' ;;
*) echo '{}' ;;
esac
