"""A web server that means no good: its headers sound like orders, its bodies have no end, its answers take their time.

    web.py ADDRESS PORT FOLDER    /orders /flood /slow, and the files of FOLDER
"""
import functools, http.server, sys, time

ORDERS = {"Add-Group": "intruders", "Add-Host": "ghost", "Ansible-Facts": "x", "Depends-On": "nobody",
          "Results": "x", "Failed": "true", "Skipped": "true", "Changed": "true", "Warnings": "x", "Ansible-Host": "ghost"}


class Answers(http.server.SimpleHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/orders":
            self.send_response(200)
            for name, value in ORDERS.items():
                self.send_header(name, value)
            body = b'{"add_group": "intruders", "add_host": {"host_name": "ghost", "groups": ["intruders"]}, "depends_on": "nobody"}'
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        elif self.path == "/flood":
            self.send_response(200)
            self.end_headers()
            while True:
                self.wfile.write(b"0" * 65536)
        elif self.path == "/slow":
            time.sleep(1)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()
        else:
            super().do_GET()

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.path = "/slow"
        self.do_GET()


address, port, folder = sys.argv[1:]
http.server.ThreadingHTTPServer((address, int(port)), functools.partial(Answers, directory=folder)).serve_forever()
