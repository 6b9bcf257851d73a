#!/usr/bin/env bash
# The pivot on the guide's own way: Kubernetes 1.20.2 with docker.
exec "$(dirname "${BASH_SOURCE[0]}")/pivot.sh" --guide
