# four.yml for pyinfra 3.
from pyinfra.operations import files, server

server.user(name="a user exists", user="bench-four", shell="/bin/sh", create_home=False)
files.file(name="a log file exists", path="/var/log/bench-four.log", touch=True, user="bench-four", mode="644")
files.put(name="a file is copied", src="four.txt", dest="/opt/bench-four.txt", user="bench-four", mode="644")
server.shell(name="a command runs", commands=["echo four operations"])
