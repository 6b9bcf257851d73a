#!/bin/sh
# Runs in a check pod, by `kubectl exec` and in no other way: what is asked is said by who may run commands there. The pod's
# web server knows nothing of it. Each argument is a question; each is answered by a line, `ok WHAT` or `FAIL WHAT: WHY`. All are
# asked at the same time, so that the answer takes no longer than the slowest of them.
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
        outside)
            if [ "$value" = - ] || timeout 4 nslookup "$value" >/dev/null 2>&1; then echo "ok outside $value"
            else echo "FAIL outside $value: the host finds it, the pod does not"; fi ;;
        reverse)
            if timeout 4 nslookup "$value" >/dev/null 2>&1; then echo "ok reverse $value"
            else echo "FAIL reverse $value: no name for it"; fi ;;
    esac
}

for word; do
    ask "${word%%=*}" "${word#*=}" &
done
wait
