#!/usr/bin/env python3
"""Writes what a real Python answers, for tests/python.rs to compare with.

    python3 tests/python/make.py [NAME...]

Each file names the Python it was made with (later ones word a few errors in another way) and holds one case a line, in a fixed order.
A case with `refused` is one that Python takes and bringup must refuse; one with `differs` must have another answer here. Both
give the reason, from tests/python/known.py.
"""

import importlib
import json
import pathlib
import platform
import sys
import warnings

HERE = pathlib.Path(__file__).parent
NAMES = ["encoding", "fnmatch", "number", "regex", "shlex", "text", "truth"]


def write(name, cases):
    lines = ",\n".join(json.dumps(case, ensure_ascii=True, sort_keys=False) for case in cases)
    (HERE / f"{name}.json").write_text(f'{{"python": "{platform.python_version()}", "cases": [\n{lines}\n]}}\n')
    print(f"{name}: {len(cases)}")


def main():
    warnings.simplefilter("ignore")
    sys.path.insert(0, str(HERE))
    sys.dont_write_bytecode = True
    for name in sys.argv[1:] or NAMES:
        write(name, importlib.import_module(f"make_{name}").cases())


if __name__ == "__main__":
    main()
