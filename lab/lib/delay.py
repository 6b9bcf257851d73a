"""A cable between two TAP interfaces that holds every frame back for half of a round trip.

usage: delay.py NAME-A NAME-B MILLISECONDS
It stands in for `tc qdisc … netem`, which not every kernel has.
"""
import collections
import fcntl
import os
import select
import struct
import sys
import time

TUNSETIFF, TAP_WITHOUT_HEADER = 0x400454CA, 0x1002
FRAMES_AT_ONCE = 64


def tap(name):
    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", name.encode(), TAP_WITHOUT_HEADER))
    return fd


def main():
    half = float(sys.argv[3]) / 2000
    a, b = tap(sys.argv[1]), tap(sys.argv[2])
    other = {a: b, b: a}
    queue = collections.deque()  # (due, fd, frame): one delay for all, so they stay in order
    while True:
        wait = max(0, queue[0][0] - time.monotonic()) if queue else None
        for fd in select.select([a, b], [], [], wait)[0]:
            try:
                for _ in range(FRAMES_AT_ONCE):
                    queue.append((time.monotonic() + half, other[fd], os.read(fd, 65536)))
            except OSError:
                pass  # drained, or the interface is down
        while queue and queue[0][0] <= time.monotonic():
            _, fd, frame = queue.popleft()
            try:
                os.write(fd, frame)
            except OSError:
                pass  # as a real cable: a frame to an interface that is down is lost


main()
