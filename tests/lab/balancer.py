"""A balancer before API servers, as a cluster of kubeadm's has one outside of it: leads each connection to a server that says it is ready.

    balancer.py ADDRESS:PORT SERVER:PORT..

Each server is asked for /readyz all the time, whatever certificate it shows. Who does not take a connection is passed over for the next one; a
server that closes before it has answered a word was about to end, and another one is told what it was told.
"""
import random, socket, ssl, sys, threading, time, urllib.error, urllib.request

listen, servers = sys.argv[1], sys.argv[2:]
ready = set()
anybody = ssl._create_unverified_context()


def watch(server):
    silent = 0
    while True:
        try:
            with urllib.request.urlopen(f"https://{server}/readyz", timeout=5, context=anybody):
                silent = 0
                ready.add(server)
        except urllib.error.HTTPError:
            # It says itself that it is not, or about to end.
            ready.discard(server)
        except OSError:
            silent += 1
            if silent > 1:
                ready.discard(server)
        time.sleep(0.2)


def pump(source, sink):
    try:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


def serve(client):
    try:
        client.settimeout(20)
        said = client.recv(65536)
        # Where nobody says so it waits a moment; then all are asked, for what they answer says more than a closed door.
        end = time.time() + 5
        while not ready and time.time() < end:
            time.sleep(0.05)
        good = random.sample(sorted(ready), len(ready))
        for server in good + [each for each in servers if each not in good]:
            host, port = server.rsplit(":", 1)
            try:
                other = socket.create_connection((host, int(port)), timeout=1)
                other.settimeout(20)
                other.sendall(said)
                answer = other.recv(65536)
            except OSError:
                continue
            if not answer:
                other.close()
                continue
            client.settimeout(None)
            other.settimeout(None)
            client.sendall(answer)
            back = threading.Thread(target=pump, args=(other, client), daemon=True)
            back.start()
            pump(client, other)
            back.join()
            other.close()
            return
    except OSError:
        pass
    finally:
        client.close()


for each in servers:
    threading.Thread(target=watch, args=(each,), daemon=True).start()
host, port = listen.rsplit(":", 1)
door = socket.create_server((host, int(port)), backlog=256)
while True:
    threading.Thread(target=serve, args=(door.accept()[0],), daemon=True).start()
