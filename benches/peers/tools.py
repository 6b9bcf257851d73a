"""How each tool is called, and how many changes it says it made."""
import json
import re
from pathlib import Path

from .lab import HERE, HUNDRED


class Tool:
    """A tool that runs a playbook, or its own form of one, over an inventory."""

    def __init__(self, title):
        self.title = title

    def playbook(self, lab, inventory, name):
        """The command, its working directory and what it needs in the environment."""
        raise NotImplementedError

    def changes(self, text):
        """How many changes the tool reports, or None if it does not tell."""
        return None


def folder(name):
    return HUNDRED if name == "hundred" else HERE


class Bringup(Tool):
    def playbook(self, lab, inventory, name):
        command = [lab.bringup, "apply", "-i", inventory, "--output", "json", folder(name) / f"{name}.yml"]
        if name == "file":
            command += ["-e", f"bench_file={lab.read_bytes()}"]
        # Modules that it does not have come from the Python that has ansible-core.
        path = {"PATH": f"{lab.venv}/bin:{lab.env['PATH']}"} if name == "sixty" else {}
        return command, folder(name), path

    def recap(self, text):
        events = (json.loads(line) for line in text.splitlines() if line.startswith("{"))
        return next((e for e in events if e["event"] == "recap"), None)

    def changes(self, text):
        recap = self.recap(text)
        return recap and sum(h["changed"] for h in recap["hosts"].values())

    def round_trips(self, text):
        recap = self.recap(text)
        return recap and max(recap["round_trips"].values(), default=0)


class Ansible(Tool):
    SETTINGS = {"ANSIBLE_PIPELINING": "1", "ANSIBLE_FORKS": "50", "ANSIBLE_NOCOLOR": "1",
                "ANSIBLE_DEPRECATION_WARNINGS": "0"}

    def playbook(self, lab, inventory, name):
        command = [lab.venv / "bin" / "ansible-playbook", "-i", inventory, folder(name) / f"{name}.yml"]
        return command, folder(name), self.SETTINGS

    def changes(self, text):
        found = re.findall(r"\bchanged=(\d+)", text)
        return sum(map(int, found)) if found else None


class Mitogen(Ansible):
    def playbook(self, lab, inventory, name):
        command, cwd, env = super().playbook(lab, inventory, name)
        plugins = next(lab.venv.glob("lib/python*/site-packages/ansible_mitogen/plugins/strategy"))
        return command, cwd, {**env, "ANSIBLE_STRATEGY_PLUGINS": str(plugins), "ANSIBLE_STRATEGY": "mitogen_linear"}


class Pyinfra(Tool):
    def playbook(self, lab, inventory, name):
        command = [lab.venv / "bin" / "pyinfra", "-y", Path(inventory).with_suffix(".py"), HERE / f"{name}.py"]
        return command, folder(name), {}

    def changes(self, text):
        # Operations, hosts, changed, errors, without a change; the per-operation lines come before.
        found = re.findall(r"Grand total\s+\S+\s+(\S+)", re.sub(r"\x1b\[[0-9;]*m", "", text))
        return (0 if found[-1] == "-" else int(found[-1])) if found else None


TOOLS = {
    "bringup": Bringup("bringup"),
    "ansible": Ansible("Ansible, pipelining"),
    "mitogen": Mitogen("Ansible with Mitogen"),
    "pyinfra": Pyinfra("pyinfra"),
    "ssh": Tool("OpenSSH"),
    "rsync": Tool("rsync"),
}
