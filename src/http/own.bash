# shellcheck shell=bash
# A small HTTP client for hosts that have neither curl nor wget: bash, and openssl for https. Standard input is a line for each of method, URL,
# whether redirects are followed, whether certificates are checked, authorities, certificate, key, ciphers, seconds to wait, whether proxies are used; then
# headers, those behind `!` for the first server alone; then an empty line and the body. Descriptor 4 gets the content.
read_line() { IFS= read -r "$1" || true; }
method='' url='' follow='' verify='' ca='' cert='' key='' ciphers='' wait='' proxies=''
for name in method url follow verify ca cert key ciphers wait proxies; do read_line $name; done
heads=()
while IFS= read -r line && [ -n "$line" ]; do heads+=("$line"); done
die() { printf '%s\n' "$1" >&2; exit 91; }

# Takes the URL apart: scheme, host, port, authority and target.
apart() {
    case $url in
        http://*) scheme=http port=80 ;;
        https://*) scheme=https port=443 ;;
        *) die "$url is neither http:// nor https://" ;;
    esac
    local rest=${url#*://}
    rest=${rest%%#*}
    authority=${rest%%[/?]*}
    target=${rest#"$authority"}
    case $target in /*) ;; *) target=/$target ;; esac
    case $authority in *@*) die 'a name in the URL takes curl' ;; esac
    host=$authority
    case $authority in
        \[*\]) host=${authority#[} host=${host%]} ;;
        \[*\]:*) port=${authority##*]:} host=${authority%]:*} host=${host#[} ;;
        *:*) port=${authority##*:} host=${authority%:*} ;;
    esac
    case $port in '' | *[!0-9]*) die "$authority has no port" ;; esac
    [ -n "$host" ] || die "$url names no host"
    local proxy=${scheme}_proxy
    if [ "$proxies" = yes ] && [ -n "${!proxy-}" ]; then die "a proxy ($proxy) takes curl or wget: install the package \`curl\`"; fi
}

ask() {
    printf '%s %s HTTP/1.0\r\nHost: %s\r\nConnection: close\r\n' "$method" "$target" "$authority"
    local head
    for head in "${heads[@]}"; do
        case $head in
            !*) [ "$authority" = "$first" ] || continue ;;
        esac
        printf '%s\r\n' "${head#!}"
    done
    printf '\r\n'
    cat
}

# Connects descriptor 3.
connect() {
    if [ $scheme = http ]; then
        exec 3<>"/dev/tcp/$host/$port" || die "no connection to $host:$port"
        ask >&3
        return
    fi
    local -a flags=(-quiet -connect "$authority_port" -servername "$host")
    case $host in *:* | *[!0-9.]*) ;; *) flags=(-quiet -connect "$authority_port") ;; esac
    if [ "$verify" = yes ]; then
        case $host in
            *:*) flags+=(-verify_return_error -verify_ip "$host") ;;
            *[!0-9.]*) flags+=(-verify_return_error -verify_hostname "$host") ;;
            *) flags+=(-verify_return_error -verify_ip "$host") ;;
        esac
        if [ -d "$ca" ]; then flags+=(-CApath "$ca"); elif [ -n "$ca" ]; then flags+=(-CAfile "$ca"); fi
    fi
    [ -z "$cert" ] || flags+=(-cert "$cert")
    [ -z "$key" ] || flags+=(-key "$key")
    [ -z "$ciphers" ] || flags+=(-cipher "$ciphers")
    exec 3< <(ask | openssl s_client "${flags[@]}" 2> >(grep -iE 'verify error|:error:|errno=|^(could not|unable|error|can.t) ' | head -n 3 >&2))
    secured=$!
}

# The answer's headers: status, all lines, and what counts of them.
answer() {
    code='' lines='' location='' length=''
    IFS= read -r -t "$wait" line <&3 || die "$authority did not answer"
    case $line in HTTP/*) ;; *) die "$authority does not speak HTTP" ;; esac
    code=${line#* } code=${code%%[!0-9]*}
    while :; do
        lines+=$line$'\n'
        line=${line%$'\r'}
        [ -n "$line" ] || return 0
        case ${line,,} in
            location:*) location=${line#*:} location=${location#"${location%%[! ]*}"} ;;
            content-length:*) length=${line#*:} length=${length//[!0-9]/} ;;
        esac
        [ ${#lines} -le 1000000 ] || die "the headers of $authority have no end"
        IFS= read -r -t "$wait" line <&3 || die "the answer of $authority ended within its headers"
    done
}

# Where a redirect leads.
resolve() {
    case $location in
        http://* | https://*) url=$location ;;
        //*) url=$scheme:$location ;;
        /*) url=$scheme://$authority$location ;;
        *) url=$scheme://$authority${target%%\?*} url=${url%/*}/$location ;;
    esac
}

first=''
for ((hop = 0; hop <= 10; hop++)); do
    apart
    case $host in *:*) authority_port="[$host]:$port" ;; *) authority_port=$host:$port ;; esac
    [ -n "$first" ] || first=$authority
    connect
    answer
    case $follow$method$code in
        yesGET30[12378] | yesHEAD30[12378])
            if [ -n "$location" ]; then
                resolve
                exec 3<&-
                continue
            fi
            ;;
    esac
    printf '%s' "$lines"
    if [ "$method" != HEAD ]; then
        # The last line of what it says is `5 bytes copied, ...`.
        got=$(LC_ALL=C dd bs=65536 <&3 2>&1 >&4) || die "the content could not be kept: ${got##*$'\n'}"
        got=${got##*$'\n'} got=${got%%[!0-9]*}
        if [ -n "$length" ]; then
            [ "$got" -eq "$length" ] || die "the answer ended after $got of $length bytes"
        elif [ $scheme = https ]; then
            # Without a length nothing but TLS itself tells an end from a cut.
            wait "$secured" || die "the connection to $authority was cut off"
        fi
    fi
    printf '\n%s' "$url"
    exit 0
done
die "$url is one redirect too many"
