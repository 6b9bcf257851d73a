# shellcheck shell=sh disable=SC2015
# Both lists of systemctl, a line of \001 between them; where there is no systemd, a line of \002 and what the scripts say.
export LC_ALL=C
if command -v systemctl >/dev/null; then
    systemctl list-units --no-pager --no-legend --plain --all --type service || exit
    printf '\001\n'
    systemctl list-unit-files --no-pager --no-legend --type service || exit
else
    printf '\002\n'
    for f in /etc/init.d/*; do
        [ -x "$f" ] || continue
        n=${f##*/}
        if command -v rc-service >/dev/null; then
            rc-service "$n" status >/dev/null 2>&1
        else
            "$f" status >/dev/null 2>&1
        fi </dev/null && echo "$n running" || echo "$n stopped"
    done
fi
