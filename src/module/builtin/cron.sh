# shellcheck shell=sh disable=SC2154
# Prints the table of $user, who may have none, or be yet to come. One that cannot be read is not taken for empty: it would be overwritten.
command -v crontab >/dev/null || { echo 'crontab is not there: install cron' >&2; exit 9; }
{ e=$(LC_ALL=C crontab -u "$user" -l 2>&1 >&3); } 3>&1 && exit 0
case $e in *'no crontab for'*|*'No such file'*|*'unknown'*) exit 0 ;; esac
printf '%s\n' "${e:-the crontab cannot be read}" >&2
exit 9
