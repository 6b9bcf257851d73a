"""Runs a command once: how long it took, the processor time of all its processes, the memory they held at once."""
import ctypes
import json
import os
import resource
import signal
import sys
import threading
import time

PR_SET_CHILD_SUBREAPER = 36


def tree(root):
    """All processes below `root`."""
    parents = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat") as stat:
                    parents.setdefault(int(stat.read().rsplit(")", 1)[1].split()[1]), []).append(int(entry))
            except (OSError, IndexError):
                pass  # it has ended meanwhile
    found, rest = [], [root]
    while rest:
        children = parents.get(rest.pop(), [])
        found += children
        rest += children
    return found


def kilobytes(pid, file, field):
    try:
        with open(f"/proc/{pid}/{file}") as lines:
            return next((int(line.split()[1]) for line in lines if line.startswith(field)), 0)
    except OSError:
        return 0


class Memory(threading.Thread):
    """Looks again and again at the memory of the command and, more seldom, of everything it started."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.pid, self.peak, self.over = pid, 0, threading.Event()

    def run(self):
        turn = 0
        while not self.over.wait(0.01):
            turn += 1
            # The high-water mark of the command itself costs nothing to read.
            self.peak = max(self.peak, kilobytes(self.pid, "status", "VmHWM:"))
            if turn % 100 == 0:
                together = [self.pid, *tree(self.pid)]
                self.peak = max(self.peak, sum(kilobytes(p, "smaps_rollup", "Pss:") for p in together))


def keep(command, cwd, env, log, limit):
    """In a process of its own, which inherits what the command leaves behind."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    with open(log, "wb") as out, open(os.devnull, "rb") as nothing:
        began = time.monotonic()
        pid = os.posix_spawn(command[0], command, env, file_actions=[
            (os.POSIX_SPAWN_DUP2, nothing.fileno(), 0), (os.POSIX_SPAWN_DUP2, out.fileno(), 1),
            (os.POSIX_SPAWN_DUP2, out.fileno(), 2)])
        memory = Memory(pid)
        memory.start()
        timer = threading.Timer(limit, lambda: os.kill(pid, signal.SIGKILL))
        timer.start()
        _, status = os.waitpid(pid, 0)
        wall = time.monotonic() - began
        timer.cancel()
        memory.over.set()
    # Connections kept open for a next run count, and must not help it.
    while left := tree(os.getpid()):
        for process in left:
            try:
                os.kill(process, signal.SIGKILL)
            except ProcessLookupError:
                pass
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            break
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {"wall": wall, "cpu": used.ru_utime + used.ru_stime, "memory": memory.peak / 1024,
            "status": os.waitstatus_to_exitcode(status), "cut": wall >= limit}


def run(command, cwd, env, log, limit):
    """Runs `command` and returns its figures; what it printed is in `log`."""
    receive, send = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    keeper = os.fork()
    if keeper == 0:
        os.close(receive)
        os.chdir(cwd)
        figures = keep([str(part) for part in command], cwd, env, log, limit)
        os.write(send, json.dumps(figures).encode())
        os._exit(0)
    os.close(send)
    with os.fdopen(receive, "rb") as answer:
        text = answer.read()
    os.waitpid(keeper, 0)
    return json.loads(text)
