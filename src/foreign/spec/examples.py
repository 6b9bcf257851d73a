"""Which of the arguments that bringup would not take a module's own argument spec takes: lines of JSON in and out."""
import contextlib
import importlib
import io
import json
import os
import re
import signal
import sys

from ansible.module_utils import basic
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.plugins import loader

loader.init_plugin_loader()
SPECS = {}


class Found(BaseException):
    pass


def instead(self, *args, **words):
    raise Found(words.get("argument_spec", args[0] if args else None), words.get("add_file_common_args"))


def late(*_):
    raise TimeoutError


def spec_of(name):
    """What a module gives `AnsibleModule`; nothing where it does not come so far here."""
    namespace, collection, rest = name.split(".", 2)
    signal.alarm(20)
    try:
        module = importlib.import_module("ansible_collections.%s.%s.plugins.modules.%s" % (namespace, collection, rest))
        with contextlib.redirect_stdout(io.StringIO()):
            module.main()
    except Found as found:
        spec, files = found.args
        spec = dict(spec)
        for option in basic.FILE_COMMON_ARGUMENTS if files else ():
            spec.setdefault(option, basic.FILE_COMMON_ARGUMENTS[option])
        return spec
    except BaseException:
        return None
    finally:
        signal.alarm(0)
    return None


def is_right(spec, args, found):
    """Whether the module refuses it too."""
    said = ArgumentSpecValidator(spec).validate(json.loads(json.dumps(args))).error_messages
    name = found.rsplit(": ", 1)[1]
    if found.startswith("Unsupported"):
        own = re.sub(r"\[.*", "", name.split(".")[-1])
        return any("Supported parameters include" in one and own in one.split("Supported")[0] for one in said)
    if found.startswith("missing"):
        names = found.split(": ", 1)[1].split(" found in ")[0].split(", ")
        if any(isinstance(spec.get(one), dict) and spec[one].get("fallback") for one in names):
            return False
        return all(any("missing required" in text and one in text for text in said) for one in names)
    path = found.replace("value of ", "").split(":")[0].split(" ")[0]
    own = re.sub(r"\[.*", "", re.sub(r"\[\d+\]$", "", path).split(".")[-1])
    return any(own in one for one in said)


basic.AnsibleModule.__init__ = instead
signal.signal(signal.SIGALRM, late)
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
for line in sys.stdin:
    asked = json.loads(line)
    name = asked["module"]
    if name not in SPECS:
        SPECS[name] = spec_of(name)
    if SPECS[name] is None:
        told = "unknown"
    else:
        told = "right" if is_right(SPECS[name], asked["args"], asked["found"]) else "false"
    answers.write("%s\n" % told)
    answers.flush()
