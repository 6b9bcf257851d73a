#!/bin/sh
# Runs in a check pod, called by its web server: asks the peers and services that the query names, and
# answers one line for each, `ok WHAT` or `FAIL WHAT: WHY`. Words of the query are separated by `&`. All are asked
# at the same time, so that the answer takes no longer than the slowest of them.
echo 'Content-Type: text/plain'
echo

get() { # WHAT URL EXPECTED
    answer=$(timeout 4 wget -q -O - "$2" 2>&1)
    case $answer in
        "$3") echo "ok $1" ;;
        *) echo "FAIL $1: $2 answered \`$answer\`" ;;
    esac
}

ask() { # WHAT VALUE
    value=$2
    case $1 in
        pod) get "pod on ${value#*,}" "http://${value%,*}:8080/name" "${value#*,}" ;;
        service) get "service $value" "http://$value/alive" yes ;;
        tcp)
            if timeout 4 nc "${value%,*}" "${value#*,}" -e true </dev/null >/dev/null 2>&1; then echo "ok tcp $value"
            else echo "FAIL tcp $value: no connection"; fi ;;
        reverse)
            if timeout 4 nslookup "$value" >/dev/null 2>&1; then echo "ok reverse $value"
            else echo "FAIL reverse $value: no name for it"; fi ;;
    esac
}

IFS='&'
for word in $QUERY_STRING; do
    ask "${word%%=*}" "${word#*=}" &
done
wait
echo end
