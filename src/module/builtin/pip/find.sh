# shellcheck shell=sh disable=SC2034
# Defines `pip` by what the host has of it; $none says that there is none.
if command -v pip3 >/dev/null; then pip() { pip3 "$@"; }
elif command -v pip >/dev/null; then pip() { command pip "$@"; }
elif command -v python3 >/dev/null && python3 -m pip --version >/dev/null 2>&1; then
    # `-m` would take a pip.py of the folder that it is started in.
    pip() { python3 -c 'import sys; sys.path.pop(0); import runpy; runpy.run_module("pip", run_name="__main__", alter_sys=True)' "$@"; }
else none=yes
fi
