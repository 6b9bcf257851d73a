"""Asks the API every 100 ms on a connection of its own, whether the last answer has come or not, until it is ended; then says how that went.

    poll.py URL CA-FILE LOG      (of http:// no certificate is looked at)

The log has a line for each answer: seconds since the epoch, and the status or why there was none: refused (nobody listens), reset
(closed without an answer), slow (a good answer after more than a second), timeout (nothing in 5 s, or no connection in 2), unreachable,
certificate, tls. `poll.py LOG` reads one: polls, failed ones, the longest time in seconds from one good answer to the next with a bad one
between, and how often each of the failures was seen (403:2,reset:1; - if none).
"""
import collections, errno, http.client, socket, ssl, sys, threading, time, urllib.parse


def ask(url, context):
    connection = http.client.HTTPConnection(url.hostname, url.port)
    began = time.time()
    try:
        connection.sock = socket.create_connection((url.hostname, url.port), timeout=2)
        # A server that is starting lets its clients wait.
        connection.sock.settimeout(5)
        if url.scheme == "https":
            connection.sock = context.wrap_socket(connection.sock, server_hostname=url.hostname)
        connection.request("GET", url.path or "/")
        status = connection.getresponse().status
        return "slow" if status == 200 and time.time() - began > 1 else f"{status}"
    except ConnectionRefusedError:
        return "refused"
    except (ConnectionResetError, BrokenPipeError, http.client.HTTPException, ssl.SSLEOFError):
        return "reset"
    except TimeoutError:
        return "timeout"
    except ssl.SSLCertVerificationError:
        return "certificate"
    except ssl.SSLError:
        return "tls"
    except OSError as error:
        # A host that is starting has no address yet, or nobody answers for it.
        return "unreachable" if error.errno in (errno.EHOSTUNREACH, errno.ENETUNREACH) else f"errno-{error.errno}"
    finally:
        connection.close()


def poll(url, authority, log):
    context = ssl.create_default_context(cafile=authority) if url.scheme == "https" else None
    writing = threading.Lock()
    with open(log, "w", buffering=1) as out:

        def note(began):
            answer = ask(url, context)
            with writing:
                out.write(f"{began:.3f} {answer}\n")

        while True:
            began = time.time()
            threading.Thread(target=note, args=(began,), daemon=True).start()
            time.sleep(max(0.0, 0.1 - (time.time() - began)))


def summary(log):
    polls, kinds = 0, collections.Counter()
    longest, good, bad = 0.0, None, False
    # By the time they were asked, not answered.
    for at, status in sorted(line.split() for line in open(log)):
        polls += 1
        if status == "200":
            if bad and good is not None:
                longest = max(longest, float(at) - good)
            good, bad = float(at), False
        else:
            kinds[status] += 1
            bad = True
    if bad and good is not None:
        longest = max(longest, time.time() - good)
    seen = ",".join(f"{kind}:{times}" for kind, times in sorted(kinds.items()))
    return polls, sum(kinds.values()), longest, seen or "-"


if len(sys.argv) == 2:
    print("%d %d %.1f %s" % summary(sys.argv[1]))
else:
    poll(urllib.parse.urlsplit(sys.argv[1]), sys.argv[2], sys.argv[3])
