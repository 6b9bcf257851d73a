# shellcheck shell=sh
# Prints a line for each group of $@, empty where unknown. In front: lookup.sh.
many $# getent group "$@" || for g; do
    look group "$g" || { [ $? = 2 ] && echo; } || exit 1
done
