"""The projects' own servers: files by name of the host, sent on to other names as upstream does.

usage: upstream.py ADDRESS FOLDER TREE REGISTRY-URL

Listens on ADDRESS: 443 with FOLDER/server.crt and .key, 80 for Debian's mirror. FOLDER/http.log has what was asked, and FOLDER/faults which
answers go wrong: `PATTERN html|half|wrong|refused`, a line for each, read anew each time.
"""
import fnmatch
import http.server
import os
import secrets
import ssl
import sys
import threading
import urllib.parse

ADDRESS, FOLDER, TREE, REGISTRY = sys.argv[1:]
TOKEN = secrets.token_hex(16).encode()
PAGE = b"<!DOCTYPE html>\n<html><head><title>Sign in</title></head><body>This network asks you to sign in.</body></html>\n"


class Upstream(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def host(self):
        return self.headers.get("Host", "").split(":")[0]

    def answer(self, status, body=b"", headers=()):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def elsewhere(self, status, url):
        self.answer(status, b"", [("Location", url)])

    def fault(self, what):
        try:
            with open(f"{FOLDER}/faults") as lines:
                for line in lines:
                    pattern, _, kind = line.strip().partition(" ")
                    if pattern and fnmatch.fnmatch(what, pattern):
                        return kind
        except FileNotFoundError:
            pass
        return ""

    def do_GET(self):
        host, path = self.host(), urllib.parse.unquote(self.path.partition("?")[0])
        fault = self.fault(f"{host}{path}")
        if fault == "html":
            return self.answer(200, PAGE, [("Content-Type", "text/html")])
        if fault == "refused":
            return self.answer(403, PAGE, [("Content-Type", "text/html")])
        if host == "dl.k8s.io" and path != "/":
            return self.elsewhere(302, f"https://cdn.dl.k8s.io/release{path}")
        if host == "github.com":
            return self.elsewhere(302, f"https://release-assets.githubusercontent.com{path}?sp=r&sv=2018-11-09&sr=b")
        if host == "registry.k8s.io":
            if path == "/v2/":
                return self.answer(200, b"{}", [("Docker-Distribution-Api-Version", "registry/2.0")])
            if path.startswith("/v2/"):
                return self.elsewhere(307, f"{REGISTRY}/v2/k8s-artifacts-prod/images/{path[4:]}")
        if host == "auth.docker.io":
            return self.answer(200, b'{"token": "%s", "expires_in": 300}' % TOKEN, [("Content-Type", "application/json")])
        if host == "registry-1.docker.io":
            # Nobody is let in without a token, and everybody gets one.
            if self.headers.get("Authorization") != f"Bearer {TOKEN.decode()}":
                return self.answer(401, b"{}", [("WWW-Authenticate", 'Bearer realm="https://auth.docker.io/token",service="registry.docker.io"')])
            return self.elsewhere(307, f"{REGISTRY}/v2/k8s-artifacts-prod/images/{path[4:].partition('/')[2]}")
        if path == "/":
            return self.answer(200)
        return self.file(f"{TREE}/{host}{os.path.normpath(path)}", fault)

    do_HEAD = do_GET

    def file(self, path, fault):
        if ".." in path or not os.path.isfile(path):
            return self.answer(404, b"<html>Not Found</html>\n", [("Content-Type", "text/html")])
        size = os.path.getsize(path)
        self.send_response(200)
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Content-Length", str(size))
        self.end_headers()
        if self.command == "HEAD":
            return
        sent, ends = 0, size // 2 if fault == "half" else size
        with open(path, "rb") as content:
            while sent < ends and (part := content.read(min(1 << 20, ends - sent))):
                if fault == "wrong" and sent == 0:
                    part = bytes([part[0] ^ 1]) + part[1:]
                self.wfile.write(part)
                sent += len(part)
        if fault == "half":
            self.close_connection = True

    def log_message(self, *words):
        with open(f"{FOLDER}/http.log", "a") as log:
            log.write(f"{self.client_address[0]} {self.host() if hasattr(self, 'headers') else '-'} {words[0] % words[1:]}\n")


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def get_request(self):
        connection, address = super().get_request()
        # Shaken hands with in the thread that answers: a client that says nothing keeps nobody waiting.
        if self.tls:
            connection = self.tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        return connection, address

    def handle_error(self, request, client_address):
        pass


def server(port, tls):
    it = Server((ADDRESS, port), Upstream)
    it.tls = tls
    return it


context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(f"{FOLDER}/server.crt", f"{FOLDER}/server.key")
threading.Thread(target=server(80, None).serve_forever, daemon=True).start()
server(443, context).serve_forever()
