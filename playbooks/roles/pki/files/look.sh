#!/bin/sh
# Looks at pairs of certificate and key, and changes nothing. A line of JSON for the host (its clock, and whether it has openssl), then one for each pair:
#   key      none, encrypted, unreadable, or its kind: RSA-2048, prime256v1, ED25519 …
#   cert     none, unreadable, good
#   fits     whether the one belongs to the other: yes, no, - (one is not there)
#   signed   whether the certificate of FILE=AUTHORITY is signed by that one: yes, no, -
#   plain    whether the subject is one that the playbooks' own modules write as it is: yes, no, -
#   used     of FILE@CERTIFICATE: whether that certificate is there: yes, no
#   public   the public key, of the certificate if there is one
#
#     look.sh FOLDER FILE[@CERTIFICATE][=AUTHORITY]..
#     look.sh - own         a certificate and a key (or none) from standard input, in PEM
has=true; command -v openssl >/dev/null 2>&1 || has=false
printf '{"file": "", "clock": %d, "openssl": %s}\n' "$(date +%s)" $has
[ $has = true ] || exit 0
folder=$1; shift
if [ "$folder" = - ]; then
    given=$(cat)
elif ! cd "$folder" 2>/dev/null; then exit 0
fi

# What it finds goes into variables: a program less for each word keeps a look at a running cluster short.
break='
'
# The lines of a public key in $text, as one word: into $public.
public() {
    public=''
    case $text in *'BEGIN PUBLIC KEY-----'*) ;; *) return ;; esac
    public=${text#*BEGIN PUBLIC KEY-----} public=${public%%-----END*}
    IFS=" $break"
    # shellcheck disable=SC2086  # its lines are the words
    set -- $public
    IFS=''; public="$*"; unset IFS
}
# The kind of the key that $text describes: into $key.
kind() {
    case $text in
        *'ASN1 OID: '*) key=${text#*ASN1 OID: } key=${key%%"$break"*} ;;
        *ED25519*) key=ED25519 ;;
        *Modulus:*) key=${text#*Public-Key: (} key=RSA-${key%% bit*}; case $text in *RSA-PSS*) key=RSA-PSS ;; esac ;;
        *) key=unknown ;;
    esac
    case $key in *[!A-Za-z0-9.-]*) key=unknown ;; esac
}
# Whether each line of the subject in $text is one of the usual fields, once, in plain characters: into $plain.
plain() {
    plain=no; seen=' ' lines=${text#*subject=}
    IFS=$break
    for line in $lines; do
        case $line in '    '*=*) ;; *) break ;; esac
        line=${line#    } name=${line%%=*}
        case $name in C | ST | L | O | OU | CN) ;; *) plain=no; break ;; esac
        case $seen$line in *" $name "*"$name="* | *\\*) plain=no; break ;; esac
        seen="$seen$name " plain=yes
    done
    unset IFS
}
certificate() { if [ "$folder" = - ]; then printf '%s\n' "$given"; else cat "$file.crt"; fi; }
secret() { if [ "$folder" = - ]; then printf '%s\n' "$given" | sed -n '/^-----BEGIN .*PRIVATE KEY/,/^-----END .*PRIVATE KEY/p'; else cat "$file.key"; fi; }

for word; do
    authority='' used=no
    case $word in *=*) authority=${word#*=} word=${word%%=*} ;; esac
    file=${word%%@*}
    case $word in *@*) if [ -e "${word#*@}" ]; then used=yes; fi ;; esac
    key=none cert=none fits=- signed=- plain=- of_key='' of_cert=''

    if [ "$folder" = - ] || [ -e "$file.key" ]; then
        if text=$(secret | openssl pkey -passin pass: -pubout -text_pub 2>/dev/null); then
            public; of_key=$public; kind
        else
            case $(secret) in
                '') [ "$folder" = - ] || key=unreadable ;;
                *ENCRYPTED*) key=encrypted ;;
                *) key=unreadable ;;
            esac
        fi
    fi
    if [ "$folder" = - ] || [ -e "$file.crt" ]; then
        cert=unreadable
        if text=$(certificate | openssl x509 -noout -pubkey -subject -nameopt sep_multiline,sname,esc_ctrl,esc_msb,utf8 2>/dev/null); then
            cert=good
            public; of_cert=$public; plain
            if [ -n "$authority" ] && [ -e "$authority.crt" ]; then
                signed=no
                if openssl verify -auth_level 0 -partial_chain -no_check_time -trusted "$authority.crt" -untrusted "$file.crt" "$file.crt" >/dev/null 2>&1; then signed=yes; fi
            fi
        fi
    fi
    if [ -n "$of_key" ] && [ -n "$of_cert" ]; then
        fits=no; if [ "$of_key" = "$of_cert" ]; then fits=yes; fi
    fi
    printf '{"file": "%s", "key": "%s", "cert": "%s", "fits": "%s", "signed": "%s", "plain": "%s", "used": "%s", "public": "%s"}\n' \
        "$file" "$key" "$cert" "$fits" "$signed" "$plain" "$used" "${of_cert:-$of_key}"
done
