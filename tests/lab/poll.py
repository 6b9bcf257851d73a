"""Asks the API every 100 ms on a connection of its own, until it is ended; then says how that went.

    poll.py URL CA-FILE LOG

The log has a line for each answer: seconds since the epoch, status (000: none). `poll.py LOG` reads one: polls, failed ones, and the
longest time in seconds from one good answer to the next with a bad one between.
"""
import http.client, ssl, sys, time, urllib.parse


def ask(url, context):
    connection = http.client.HTTPSConnection(url.hostname, url.port, timeout=2, context=context)
    try:
        connection.request("GET", url.path)
        return f"{connection.getresponse().status}"
    except (OSError, http.client.HTTPException):
        return "000"
    finally:
        connection.close()


def poll(url, authority, log):
    context = ssl.create_default_context(cafile=authority)
    with open(log, "w", buffering=1) as out:
        while True:
            began = time.time()
            out.write(f"{began:.3f} {ask(url, context)}\n")
            time.sleep(max(0.0, 0.1 - (time.time() - began)))


def summary(log):
    polls = failed = 0
    longest, good, bad = 0.0, None, False
    for line in open(log):
        at, status = line.split()
        polls += 1
        if status == "200":
            if bad and good is not None:
                longest = max(longest, float(at) - good)
            good, bad = float(at), False
        else:
            failed, bad = failed + 1, True
    if bad and good is not None:
        longest = max(longest, time.time() - good)
    return polls, failed, longest


if len(sys.argv) == 2:
    print("%d %d %.1f" % summary(sys.argv[1]))
else:
    poll(urllib.parse.urlsplit(sys.argv[1]), sys.argv[2], sys.argv[3])
