"""The workstation's one Python: answers what bringup asks of ansible-core, one request at a time.

Frames in both directions are a line with the length of what follows, and JSON. A request is `{"op": NAME, ...}`; what comes back is
`{"ok": ...}` or `{"error": TEXT}`, both with `said`: warnings to show. In between `{"ask": ...}` may ask something back.
"""
import json
import os
import signal
import sys
import threading
import time
import types


class Channel(object):
    """The way to bringup: standard input and output, which nobody else in this process has."""

    def __init__(self):
        self.input = os.fdopen(os.dup(0), "rb")
        self.output = os.fdopen(os.dup(1), "wb")
        # What a plugin prints must not be taken for an answer, nor may it read a request.
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.dup2(2, 1)

    def read(self):
        line = self.input.readline()
        if not line:
            raise EOFError
        return json.loads(self.input.read(int(line)).decode("utf-8"))

    def write(self, answer):
        data = json.dumps(answer, default=plain).encode("utf-8", "surrogateescape")
        self.output.write(b"%d\n" % len(data) + data)
        self.output.flush()

    def ask(self, **question):
        """Asks bringup something in the middle of a request; what the answer takes it may ask in turn."""
        self.write({"ask": question})
        told = self.read()
        while "op" in told:
            reply(self, told)
            told = self.read()
        if "error" in told:
            raise LookupError(told["error"])
        return told["ok"]


class Refused(Exception):
    """What cannot be done, in words for the user."""


def plain(value):
    """What JSON has no word for, as Ansible's own filters show it."""
    if isinstance(value, (bytes, bytearray)):
        return value.decode("utf-8", "surrogateescape")
    if isinstance(value, dict):
        return dict(value)
    if isinstance(value, (set, frozenset)):
        return sorted(value, key=repr)
    if hasattr(value, "__iter__"):
        return list(value)
    return str(value)


SAID = []


def listen():
    """Ansible's warnings are told with the answer."""
    from ansible.utils.display import Display

    def warning(self, msg, *args, **kwargs):
        SAID.append(str(msg))

    def deprecated(self, msg, *args, **kwargs):
        pass

    Display.warning = warning
    Display.deprecated = deprecated
    if hasattr(Display, "error_as_warning"):
        Display.error_as_warning = warning


def words(error):
    """What an exception says; some of Ansible's cannot be asked."""
    try:
        return "%s: %s" % (type(error).__name__, error)
    except Exception:
        return type(error).__name__


OPERATIONS = {}


def operation(function):
    """Makes a function answer to requests of its name."""
    OPERATIONS[function.__name__.rstrip("_")] = function
    return function


def begin(channel, sources):
    """Loads the other parts; which there are says bringup."""
    own = types.ModuleType("bringup")
    own.channel, own.operation, own.Refused, own.plain = channel, operation, Refused, plain
    own.words, own.SAID = words, SAID
    sys.modules["bringup"] = own
    try:
        from ansible.release import __version__
    except ImportError as error:
        return {"error": str(error)}
    listen()
    for name in sorted(sources):
        part = types.ModuleType("bringup_" + name)
        sys.modules["bringup_" + name] = part
        exec(compile(sources[name], "<bringup>/%s.py" % name, "exec"), part.__dict__)
    return {"ok": {"ansible": __version__, "python": sys.executable}}


def watch(parent):
    """A plugin that never comes back must not outlive bringup."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


def reply(channel, request):
    try:
        answer = {"ok": OPERATIONS[request.pop("op")](**request)}
    except Refused as error:
        answer = {"error": str(error)}
    except Exception as error:
        answer = {"error": words(error), "fault": True}
    answer["said"] = SAID[:]
    del SAID[:]
    try:
        channel.write(answer)
    except (TypeError, ValueError) as error:
        channel.write({"error": "what came of it cannot be told: %s" % error})


def serve():
    # Whoever interrupts bringup lets it finish what is under way.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=watch, args=(os.getppid(),), daemon=True).start()
    channel = Channel()
    hello = channel.read()
    channel.write(begin(channel, hello["sources"]))
    while True:
        try:
            request = channel.read()
        except EOFError:
            return
        reply(channel, request)


serve()
