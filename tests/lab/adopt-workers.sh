#!/usr/bin/env bash
# The same as adopt.sh, of one control-plane host and two workers.
exec "$(dirname "${BASH_SOURCE[0]}")/adopt.sh" --workers
