"""The hosts the tools are measured on, and what is needed to run the tools."""
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HERE = ROOT / "benches" / "peers"
HUNDRED = ROOT / "tests" / "lab" / "hundred"

# What the peers need on the hosts besides sshd: Ansible and Mitogen a Python, rsync itself.
PACKAGES = "systemd-sysv dbus openssh-server sudo iproute2 iputils-ping procps kmod ca-certificates python3 rsync"
PEERS = ["ansible==12.3.0", "ansible-core==2.19.14", "mitogen==0.3.54", "pyinfra==3.10.0"]

DEFAULTS = {"LAB_NAME": "bench", "LAB_NET": "10.98.0", "LAB_CACHE": "/var/cache/bringup-lab",
            "LAB_PACKAGES": PACKAGES, "LAB_DEBS": "busybox-static"}
# Puts a host back to what it was before the workloads.
RESET = ("rm -rf /opt/bench /opt/bench-four.txt /var/log/bench-four.log /dev/shm/bench-file; "
         "for i in 0 1 2 3 4; do userdel bench$i; groupdel bench$i; "
         "update-alternatives --remove-all bench-$i; dpkg-divert --remove /opt/bench-sixty/aside$i; done; "
         "rm -rf /opt/bench-sixty; userdel bench-four; true")


def say(text):
    print(text, file=sys.stderr, flush=True)


class Lab:
    """Light hosts h1, h2, … that grow in number as workloads ask for them."""

    def __init__(self, keep):
        self.keep = keep
        self.env = {**os.environ, **{k: os.environ.get(k, v) for k, v in DEFAULTS.items()}}
        self.env.setdefault("LAB_DIR", f"/var/lib/bringup-{self.env['LAB_NAME']}")
        self.dir = Path(self.env["LAB_DIR"])
        self.cache = Path(self.env["LAB_CACHE"])
        self.venv = self.cache / "peers"
        self.work = self.dir / "bench"
        self.logs = self.dir / "bench" / "logs"
        self.delayed = None

    def __enter__(self):
        if os.geteuid() != 0:
            sys.exit("error: the lab's hosts are namespaces, which takes root")
        self.bringup = self.find_bringup()
        self.install_peers()
        self.hosts(1)
        self.logs.mkdir(parents=True, exist_ok=True)
        self.delay(0)
        return self

    def __exit__(self, *_):
        self.delay(0)
        if not self.keep:
            subprocess.run([ROOT / "lab" / "fleet", "down"], env=self.env, check=True)
            shutil.rmtree(self.work, ignore_errors=True)

    @staticmethod
    def find_bringup():
        given = os.environ.get("BRINGUP")
        if not given:
            subprocess.run(["cargo", "build", "--release", "--locked"], cwd=ROOT, check=True)
            given = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release" / "bringup"
        return str(Path(given).resolve())

    def install_peers(self):
        """Makes the virtual environment, unless it has these very versions already."""
        mark = self.venv / "installed"
        if mark.is_file() and mark.read_text().split() == PEERS:
            return
        say("installing " + ", ".join(PEERS))
        self.cache.mkdir(parents=True, exist_ok=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", self.venv], check=True)
        subprocess.run([self.venv / "bin" / "pip", "install", "--quiet", *PEERS], check=True)
        mark.write_text("\n".join(PEERS))

    def hosts(self, count):
        """Makes sure that so many hosts are running, and names them."""
        running = len(list(self.dir.glob("hosts/*"))) if self.dir.is_dir() else 0
        if running < count:
            say(f"starting hosts up to h{count}")
        # Those that are there are only looked at.
        subprocess.run([ROOT / "lab" / "fleet", "up", str(max(count, running)), "--light"], env=self.env, check=True)
        return [f"h{i}" for i in range(1, count + 1)]

    def address(self, host):
        return f"{self.env['LAB_NET']}.{10 + int(host[1:])}"

    def delay(self, milliseconds):
        """Sets the round trip between this machine and the hosts."""
        if self.delayed != milliseconds:
            subprocess.run([ROOT / "lab" / "fleet", "delay", str(milliseconds)], env=self.env, check=True)
            self.delayed = milliseconds

    def inventory(self, hosts):
        """Writes the inventories, Ansible's and pyinfra's, of some of the hosts."""
        lines = ["[all:vars]", "ansible_user=root", f"ansible_ssh_private_key_file={self.dir}/key",
                 f"ansible_ssh_common_args=-o UserKnownHostsFile={self.dir}/known_hosts",
                 "ansible_python_interpreter=/usr/bin/python3", "[targets]"]
        lines += [f"{h} ansible_host={self.address(h)}" for h in hosts]
        ini = self.work / f"inventory-{len(hosts)}.ini"
        ini.write_text("\n".join(lines) + "\n")
        data = {"ssh_user": "root", "ssh_key": f"{self.dir}/key", "ssh_known_hosts_file": f"{self.dir}/known_hosts"}
        entries = [(h, {"ssh_hostname": self.address(h), **data}) for h in hosts]
        (self.work / f"inventory-{len(hosts)}.py").write_text(f"hosts = {entries!r}\n")
        return ini

    def on_all(self, hosts, command):
        """Runs a command on hosts, not measured."""
        run = [self.bringup, "exec", "-i", str(self.inventory(hosts)), "all", "--", "sh", "-c", command]
        done = subprocess.run(run, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode != 0:
            sys.exit(f"error: `{command}` failed on a host:\n{done.stdout[-2000:]}")

    def reset(self, hosts):
        """Puts hosts back to what they were."""
        self.on_all(hosts, f"{{ {RESET}; }} >/dev/null 2>&1")

    def read_bytes(self):
        """A file of 400 MB that nothing can compress."""
        path = self.work / "file-400MB"
        if not path.is_file():
            with open("/dev/urandom", "rb") as source, open(path, "wb") as target:
                for _ in range(400):
                    target.write(source.read(1_000_000))
        return path
