# shellcheck shell=sh
# $1: `first` or `all`; the others are package managers, those with `?` before their name count only if they have a package.
# For each that is there a line that says so and one for each of its packages, with tabs: where it comes from, name, version, architecture,
# category.
export LC_ALL=C
t=$(printf '\t')
strategy=$1
shift

list() {
    case $1 in
    apt)
        # shellcheck disable=SC2016  # dpkg-query's own
        dpkg-query -W -f '${db:Status-Status}\t${Package}\t${Version}\t${Architecture}\t${Section}\n' | sed -n "s/^installed$t/apt$t/p"
        ;;
    rpm) rpm -qa --qf 'rpm\t%{NAME}\t%{VERSION}-%{RELEASE}\t%{ARCH}\t%{GROUP}\n' ;;
    apk) apk info -v 2>/dev/null | sed "s/^\(.*\)-\([0-9][^-]*-r[0-9]*\)\$/apk$t\1$t\2$t$t/" ;;
    pacman) pacman -Q | sed "s/^\([^ ]*\) \(.*\)\$/pacman$t\1$t\2$t$t/" ;;
    esac
}

for m; do
    case ${m#\?} in apt) tool=dpkg-query ;; rpm | apk | pacman) tool=${m#\?} ;; *) tool= ;; esac
    if [ -z "$tool" ] || ! command -v "$tool" >/dev/null; then
        case $m in '?'*) ;; *) echo "missing$t$m" ;; esac
        continue
    fi
    packages=$(list "${m#\?}" 2>/dev/null)
    case $m in '?'*) [ -n "$packages" ] || continue ;; esac
    echo "there$t${m#\?}"
    printf '%s\n' "$packages"
    [ "$strategy" = all ] || break
done
