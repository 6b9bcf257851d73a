#!/usr/bin/env bash
# The same as upgrade.sh, with a control plane that is self-hosted.
exec "$(dirname "${BASH_SOURCE[0]}")/upgrade.sh" --pivoted
