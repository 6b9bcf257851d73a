"""The resident Python of one user on a host: runs Ansible modules from memory, each call in a process of its own.

A frame is a line of JSON and behind it as many bytes as its `bytes` says. What comes in adds contents (`files`), payloads made of them
(`payload`), calls (`run`), or takes back calls that have not begun (`drop`). What goes out is one frame for each call, in their order.

Who starts it says what its frames begin with (`TOKEN`) and how many bytes a call may print (`MOST`).
"""
import atexit
import errno
import importlib.machinery
import io
import json
import os
import random
import runpy
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import zipfile
import zlib

SOURCES = {}    # by checksum: compressed
CODE = {}       # by checksum: compiled
PAYLOADS = {}   # by checksum
# What nearly every module is made of is imported once, here; children of a payload that has other contents under these names start afresh.
WARM = {}
BASIC = "ansible/module_utils/basic.py"


class Payload(object):
    """The files of one module, as the importer of the process that runs it."""

    def __init__(self, header):
        self.module = header["module"]
        self.profile = header.get("profile")
        self.files = dict(header["files"])
        self.archive = None
        self.where = "<payload>"
        if "ansible/module_utils/common/respawn.py" in self.files:
            self.pack()

    def pack(self):
        """Makes an archive without a name, for modules that start another interpreter on themselves."""
        if hasattr(os, "memfd_create"):
            self.archive = os.fdopen(os.memfd_create("payload"), "w+b")
        else:
            self.archive = tempfile.TemporaryFile()
        with zipfile.ZipFile(self.archive, "w") as packed:
            for name in sorted(self.files):
                packed.writestr(zipfile.ZipInfo(name), self.source(self.files[name]))
        self.archive.flush()
        self.where = "/proc/%d/fd/%d" % (os.getpid(), self.archive.fileno())

    def source(self, mark):
        return zlib.decompress(SOURCES[mark])

    def code(self, name):
        mark = self.files[name]
        if mark not in CODE:
            CODE[mark] = compile(self.source(mark), os.path.join(self.where, name), "exec", dont_inherit=True)
        return CODE[mark]

    def compile(self):
        for name in self.files:
            if name.endswith(".py"):
                try:
                    self.code(name)
                except (SyntaxError, ValueError):
                    pass    # the import says it

    # What importlib asks of a finder and a loader.
    def find_spec(self, name, path=None, target=None):
        base = name.replace(".", "/")
        for file, package in ((base + "/__init__.py", True), (base + ".py", False)):
            if file in self.files:
                origin = os.path.join(self.where, file)
                spec = importlib.machinery.ModuleSpec(name, self, origin=origin, is_package=package)
                spec.has_location = True
                if package:
                    spec.submodule_search_locations = [os.path.join(self.where, base)]
                return spec
        return None

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        exec(self.get_code(module.__name__), module.__dict__)

    def file(self, name):
        base = name.replace(".", "/")
        for file in (base + "/__init__.py", base + ".py"):
            if file in self.files:
                return file
        raise ImportError("no module named %r is in the payload" % name)

    def get_code(self, name):
        return self.code(self.file(name))

    def get_source(self, name):
        return self.source(self.files[self.file(name)]).decode("utf-8")

    def get_filename(self, name):
        return os.path.join(self.where, self.file(name))

    def is_package(self, name):
        return self.file(name).endswith("/__init__.py")

    def get_data(self, path):
        name = os.path.relpath(path, self.where)
        if name not in self.files:
            raise OSError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        return self.source(self.files[name])

    # What differs between calls.
    def warm(self):
        """Imports what nearly all modules start with, once."""
        if WARM or BASIC not in self.files:
            return
        sys.meta_path.insert(0, self)
        try:
            importlib.import_module("ansible.module_utils.basic")
        except BaseException:
            self.forget()
        finally:
            sys.meta_path.remove(self)
        # Some are made by others, and have no file.
        WARM.update((name, self.files[self.file(name)]) for name in sys.modules if own(name) and self.find_spec(name))

    @staticmethod
    def forget():
        for name in [name for name in sys.modules if own(name)]:
            del sys.modules[name]

    def fits(self):
        try:
            return all(self.files[self.file(name)] == mark for name, mark in WARM.items())
        except ImportError:
            return False

    def launch(self, arguments):
        if not self.fits():
            self.forget()
        sys.meta_path.insert(0, self)
        if self.archive is not None:
            sys.path.insert(0, self.where)
        data = arguments.encode("utf-8", "surrogatepass")
        if self.profile is not None:
            from ansible.module_utils._internal._ansiballz import _loader

            words = dict(json_params=data, profile=self.profile, module_fqn=self.module, modlib_path=self.where)
            if "extensions" in _loader.run_module.__code__.co_varnames:
                words["extensions"] = {}
            _loader.run_module(**words)
            return
        from ansible.module_utils import basic

        basic._ANSIBLE_ARGS = data
        known = dict(_module_fqn=self.module, _modlib_path=self.where)
        runpy.run_module(mod_name=self.module, init_globals=known, run_name="__main__", alter_sys=True)
        print('{"msg": "New-style module did not handle its own exit", "failed": true}')
        sys.exit(1)


def own(name):
    return name == "ansible" or name.startswith("ansible.")


def child(call, payload, out, err):
    """The process of one call; it does not return."""
    status = 1
    try:
        os.setpgid(0, 0)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for have, want in ((nothing, 0), (out, 1), (err, 2)):
            os.dup2(have, want)
        os.closerange(3, 256)
        sys.stdin = io.open(0, "r", closefd=False)
        sys.stdout = io.TextIOWrapper(io.open(1, "wb", -1, closefd=False), "utf-8", "surrogateescape", line_buffering=False)
        sys.stderr = io.TextIOWrapper(io.open(2, "wb", -1, closefd=False), "utf-8", "backslashreplace", line_buffering=True)
        sys.argv = [""]
        os.environ.update(call["environment"])
        time.tzset()
        random.seed()
        tempfile._name_sequence = None
        try:
            payload.launch(call["arguments"])
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else int(end.code is not None)
            if status and not isinstance(end.code, int):
                print(end.code, file=sys.stderr)
        except BaseException:
            traceback.print_exc()
        else:
            status = 0
        for act in (threading._shutdown, atexit._run_exitfuncs, sys.stdout.flush, sys.stderr.flush):
            try:
                act()
            except BaseException:
                pass
    finally:
        os._exit(status & 255)


class Host(object):
    """What came in and has not been done."""

    def __init__(self, token):
        self.token = token
        self.input = b""
        self.open = True
        self.calls = []
        # For modules that need room; it goes with us.
        self.folder = tempfile.mkdtemp(prefix=".bringup-")
        # A group of calls after one in which something failed does not begin.
        self.stopped = None

    def say(self, header, *contents):
        header["bytes"] = sum(len(content) for content in contents)
        data = b"%s %s\n" % (self.token, json.dumps(header).encode()) + b"".join(contents)
        while data:
            data = data[os.write(1, data):]

    def fill(self):
        """Reads what there is; the end of the input is ours."""
        data = os.read(0, 1 << 18)
        self.open = bool(data)
        self.input += data
        while self.take():
            pass

    def take(self):
        line, found, rest = self.input.partition(b"\n")
        if not found:
            return False
        header = json.loads(line.decode("utf-8"))
        size = header.get("bytes", 0)
        if len(rest) < size:
            return False
        self.input = rest[size:]
        getattr(self, "on_" + header["op"])(header, rest[:size])
        return True

    def on_files(self, header, data):
        at = 0
        for mark, size in header["files"]:
            SOURCES[mark] = data[at:at + size]
            at += size

    def on_payload(self, header, data):
        PAYLOADS[header["payload"]] = Payload(header)

    def on_run(self, header, data):
        header["arguments"] = data.decode("utf-8", "surrogatepass")
        self.calls.append(header)

    def on_drop(self, header, data):
        # They are answered in their turn: another one may be under way.
        for call in self.calls:
            call["dropped"] = True

    def serve(self):
        while self.open:
            if self.calls:
                self.run(self.calls.pop(0))
            else:
                self.fill()

    def run(self, call):
        if call["first"]:
            self.stopped = None
        if call.get("dropped") or (self.stopped is not None and call["group"] > self.stopped):
            self.say({"id": call["id"], "unrun": True})
            return
        payload = PAYLOADS[call["payload"]]
        if call["before"]:
            # What the run notes on the host before it changes anything there.
            noted = subprocess.Popen(["/bin/sh", "-c", call["before"]], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            said = noted.communicate()[0]
            if noted.returncode:
                self.stopped = call["group"]
                self.say({"id": call["id"], "status": noted.returncode, "out": 0, "err": len(said), "noted": False}, said[:MOST])
                return
        payload.compile()
        payload.warm()
        header, out, err = Call(self, call, payload).watch()
        header.update(id=call["id"], out=len(out), err=len(err))
        if header.get("status") != 0 or ends(out):
            self.stopped = call["group"]
        self.say(header, out, err)

    def end(self):
        shutil.rmtree(self.folder, ignore_errors=True)


class Call(object):
    """A call under way."""

    def __init__(self, host, call, payload):
        self.host = host
        self.limit = call.get("limit")
        (out, out_end), (err, err_end) = os.pipe(), os.pipe()
        sys.stdout.flush()
        self.pid = os.fork()
        if self.pid == 0:
            child(call, payload, out_end, err_end)
        try:
            os.setpgid(self.pid, self.pid)
        except OSError:
            pass    # it has done so itself
        os.close(out_end)
        os.close(err_end)
        self.said = {out: [], err: []}
        self.pipes = [out, err]
        self.size = 0

    def watch(self):
        until = time.time() + self.limit if self.limit else None
        header = {}
        status = None
        poll = select.poll()
        for end in self.pipes:
            poll.register(end, select.POLLIN)
        poll.register(0, select.POLLIN)
        live = set(self.pipes)
        while status is None:
            # A process that it leaves behind may hold its output open for ever: its own end is enough.
            for end, _ in poll.poll(self.patience(until) if live else 1):
                if end == 0:
                    self.host.fill()
                    if not self.host.open:
                        self.kill()
                        return header, b"", b""
                elif not self.read(end):
                    poll.unregister(end)
                    live.discard(end)
            if self.size > MOST:
                header["cut"] = self.size
                self.kill()
            elif until is not None and time.time() > until:
                header["over"] = True
                self.kill()
            pid, ended = os.waitpid(self.pid, 0 if header else os.WNOHANG)
            if pid:
                status = ended
        for end in live:
            os.set_blocking(end, False)
            while self.read(end) and self.size <= MOST:
                pass
        for end in self.pipes:
            os.close(end)
        header["status"] = os.WEXITSTATUS(status) if os.WIFEXITED(status) else -os.WTERMSIG(status)
        if "cut" in header:
            return header, b"", b""
        return header, b"".join(self.said[self.pipes[0]]), b"".join(self.said[self.pipes[1]])

    @staticmethod
    def patience(until):
        return 50 if until is None else max(1, min(50, int(1000 * (until - time.time()))))

    def read(self, end):
        try:
            data = os.read(end, 1 << 16)
        except BlockingIOError:
            return False
        self.size += len(data)
        self.said[end].append(data)
        return bool(data)

    def kill(self):
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self.pid, number)
            except OSError:
                return
            time.sleep(0.05)


def ends(out):
    """Whether what stands behind a call may have to be thought over: it failed, or told facts."""
    at = out.find(b"{")
    try:
        result, _ = json.JSONDecoder().raw_decode(out[at:].decode("utf-8", "replace"))
    except ValueError:
        return True
    return bool(result.get("failed") or result.get("rc") or result.get("ansible_facts"))


def main(token):
    host = Host(token.encode())
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(1))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    host.say({"folder": host.folder})
    try:
        host.serve()
    finally:
        host.end()


main(TOKEN)
