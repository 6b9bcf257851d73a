# shellcheck shell=sh
# A line for each installed package, with tabs: where it comes from, name, version, architecture, category.
export LC_ALL=C
t=$(printf '\t')
if command -v dpkg-query >/dev/null; then
    # shellcheck disable=SC2016  # dpkg-query's own
    dpkg-query -W -f '${db:Status-Status}\t${Package}\t${Version}\t${Architecture}\t${Section}\n' | sed -n "s/^installed$t/apt$t/p"
elif command -v rpm >/dev/null; then
    rpm -qa --qf 'rpm\t%{NAME}\t%{VERSION}-%{RELEASE}\t%{ARCH}\t%{GROUP}\n'
elif command -v apk >/dev/null; then
    apk info -v 2>/dev/null | sed "s/^\(.*\)-\([0-9][^-]*-r[0-9]*\)\$/apk$t\1$t\2$t$t/"
elif command -v pacman >/dev/null; then
    pacman -Q | sed "s/^\([^ ]*\) \(.*\)\$/pacman$t\1$t\2$t$t/"
else
    exit 9
fi
