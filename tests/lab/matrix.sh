#!/usr/bin/env bash
# A slice of the matrix of clusters: the smallest one, on which all parts share a host. `lab/matrix` by itself goes through all.
exec "$(dirname "${BASH_SOURCE[0]}")/../../lab/matrix" "${@:-1-containerd-pivoted}"
