"""What is measured: each workload knows its hosts, its tools and how a turn goes."""
import os
import subprocess

from . import measure
from .lab import HERE, HUNDRED, ROOT, say
from .tools import TOOLS

ANSIBLE_TOOLS = ["ansible", "mitogen", "bringup"]
PLAYBOOK_TOOLS = ["pyinfra", "ansible", "mitogen", "bringup"]


class Workload:
    """Tools in turn, A B A B, until their time is used up."""

    name, title, cases, tools = "", "", [], PLAYBOOK_TOOLS
    # What `--brief` measures: case → tools; nothing said: all of it.
    brief = None

    def measure(self, lab, results, tools, options):
        tools = [tool for tool in self.tools if tool in tools]
        if not tools or not self.prepare(lab):
            return
        say(f"{self.name}: {self.title}")
        for case in self.cases:
            results.begin(f"{self.name}/{case}", [tool for tool in tools if case in self.wanted(tool, options)])
        tools = [tool for tool in tools if self.wanted(tool, options)]
        for turn in range(options.rounds):
            for tool in tools:
                spent = sum(results.spent(f"{self.name}/{case}", tool) for case in self.cases)
                # A run that was cut off would be cut off again.
                if turn > 0 and spent > options.budget:
                    continue
                self.turn(lab, results, tool, options)
        lab.delay(0)

    def wanted(self, tool, options):
        """The cases that a tool is measured in."""
        if options.brief and self.brief is not None:
            return [case for case in self.cases if tool in self.brief.get(case, [])]
        return self.cases

    def prepare(self, lab):
        """Gets hosts and files ready; false when this machine lacks what it takes."""
        return True

    def turn(self, lab, results, tool, options):
        """One turn of one tool."""
        raise NotImplementedError

    def run(self, lab, results, case, tool, command, cwd, env, options):
        """Runs a command, keeps its figures, and says whether it came to its end."""
        log = lab.logs / f"{self.name}-{case}-{tool}.log"
        figures = measure.run(command, cwd, {**lab.env, **env}, log, options.limit)
        text = log.read_text(errors="replace")
        if figures["status"] != 0 and not figures["cut"]:
            raise SystemExit(f"error: {tool} failed in {self.name}, {case}:\n{text[-3000:]}")
        figures["changes"] = None if figures["cut"] else TOOLS[tool].changes(text)
        if tool == "bringup" and not figures["cut"]:
            figures["round_trips"] = TOOLS[tool].round_trips(text)
        results.add(f"{self.name}/{case}", tool, figures)
        end = "cut off" if figures["cut"] else "" if figures["changes"] is None else f"{figures['changes']} changes"
        say(f"  {case:10} {tool:8} {figures['wall']:8.2f} s {figures['cpu']:7.2f} s CPU {figures['memory']:6.0f} MB  {end}")
        return not figures["cut"]


class Playbook(Workload):
    """A playbook on hosts that are bare, then on the same hosts with nothing left to do."""

    def __init__(self, name, playbook, hosts, delay, title, tools=None, first=True, brief=None):
        self.name, self.playbook, self.count, self.delay_ms, self.title = name, playbook, hosts, delay, title
        self.cases = ["first", "converged"] if first else ["run"]
        self.tools = tools or PLAYBOOK_TOOLS
        self.brief = brief

    def prepare(self, lab):
        self.hosts = lab.hosts(self.count)
        self.inventory = lab.inventory(self.hosts)
        return True

    def turn(self, lab, results, tool, options):
        cases = self.wanted(tool, options)
        lab.delay(0)
        lab.reset(self.hosts)
        if "first" in self.cases and "first" not in cases:
            # Ansible, Mitogen and bringup leave the same behind; pyinfra's own form differs in line ends.
            self.converge(lab, tool if tool == "pyinfra" else "bringup", options)
        lab.delay(self.delay_ms)
        for case in cases:
            call = TOOLS[tool].playbook(lab, self.inventory, self.playbook)
            if not self.run(lab, results, case, tool, *call, options):
                break

    def converge(self, lab, tool, options):
        """A first run that nobody measures."""
        command, cwd, env = TOOLS[tool].playbook(lab, self.inventory, self.playbook)
        measure.run(command, cwd, {**lab.env, **env}, lab.logs / f"{self.name}-converge-{tool}.log", options.limit)


class Connect(Playbook):
    """The floor: OpenSSH's client runs `true` on every host at once."""

    def __init__(self, name, hosts, delay, title):
        super().__init__(name, "", hosts, delay, title, ["ssh"], first=False)

    def turn(self, lab, results, tool, options):
        lab.delay(self.delay_ms)
        calls = " ".join(f"ssh -F {lab.dir}/ssh_config -n {h} true &" for h in self.hosts)
        self.run(lab, results, "run", tool, ["/bin/sh", "-c", calls + " wait"], "/", {}, options)


class LargeFile(Workload):
    """A file of 400 MB to some hosts at once. It goes into memory there, so that no disk is measured."""

    cases, tools = ["run"], ["bringup", "ssh", "rsync"]
    TARGET = "/dev/shm/bench-file"

    def __init__(self, name, hosts, title):
        self.name, self.count, self.title = name, hosts, title

    def prepare(self, lab):
        subprocess.run(["bash", "-c", f". {ROOT}/lab/lib/settings.sh; need rsync scp:openssh-client"], check=True, env=lab.env)
        self.hosts = lab.hosts(self.count)
        self.inventory = lab.inventory(self.hosts)
        lab.read_bytes().read_bytes()  # all tools find it in the page cache
        return True

    def turn(self, lab, results, tool, options):
        lab.delay(0)
        lab.reset(self.hosts)
        file, config = lab.read_bytes(), f"{lab.dir}/ssh_config"
        if tool == "bringup":
            call = TOOLS[tool].playbook(lab, self.inventory, "file")
        else:
            one = {"ssh": "scp -q -F {c} {f} {h}:{t}", "rsync": "rsync -W -e 'ssh -F {c}' {f} {h}:{t}"}[tool]
            every = " & ".join(one.format(c=config, f=file, h=h, t=self.TARGET) for h in self.hosts)
            call = ["/bin/sh", "-c", every + " & wait"], "/", {}
        self.run(lab, results, "run", tool, *call, options)
        lab.on_all(self.hosts, f"[ $(wc -c < {self.TARGET}) = {file.stat().st_size} ] && rm {self.TARGET}")


class Start(Workload):
    """The tool by itself, no host involved."""

    cases, tools = ["version", "lint"], ["bringup"]

    def __init__(self):
        self.name, self.title = "start", "the tool's own start"

    def turn(self, lab, results, tool, options):
        for case, arguments in [("version", ["--version"]), ("lint", ["lint", HUNDRED / "hundred.yml"])]:
            for _ in range(4):
                figures = measure.run([lab.bringup, *arguments], HERE, lab.env, os.devnull, options.limit)
                results.add(f"{self.name}/{case}", tool, figures)


class Cluster(Workload):
    """The cluster of lab/quickstart, where there is one, with nothing left to do."""

    cases, tools = ["converged"], ["bringup"]

    def __init__(self):
        self.name, self.title = "cluster", "the playbooks of a cluster, site.yml on its three hosts"

    def prepare(self, lab):
        self.inventory = os.environ.get("BENCH_CLUSTER", "/var/lib/bringup-lab/inventory.yml")
        there = os.path.exists(self.inventory)
        if not there:
            say("cluster: left out, no cluster is running (`lab/quickstart` makes one)")
        return there

    def turn(self, lab, results, tool, options):
        call = [lab.bringup, "apply", "-i", self.inventory, "--output", "json", ROOT / "playbooks" / "site.yml"]
        self.run(lab, results, "converged", tool, call, ROOT, {}, options)


BRINGUP_ALONE = {"first": ["bringup"], "converged": ["bringup"]}
ALL = [
    Start(),
    Connect("ssh1", 1, 0, "OpenSSH alone: `true` on 1 host"),
    Playbook("near1", "hundred", 1, 0, "one hundred tasks, 1 host",
             brief={"first": ["bringup"], "converged": PLAYBOOK_TOOLS}),
    Connect("sshfar1", 1, 50, "OpenSSH alone: `true` on 1 host, 50 ms"),
    Playbook("far1", "hundred", 1, 50, "one hundred tasks, 1 host, 50 ms",
             brief={"first": ["ansible", "bringup"], "converged": ["ansible", "mitogen", "bringup"]}),
    LargeFile("file1", 1, "400 MB to 1 host"),
    Playbook("near10", "hundred", 10, 0, "one hundred tasks, 10 hosts",
             brief={"first": ["bringup"], "converged": PLAYBOOK_TOOLS}),
    Playbook("far10", "hundred", 10, 50, "one hundred tasks, 10 hosts, 50 ms", ["pyinfra", "mitogen", "bringup"],
             brief=BRINGUP_ALONE),
    LargeFile("file10", 10, "400 MB to 10 hosts"),
    Connect("ssh50", 50, 0, "OpenSSH alone: `true` on 50 hosts"),
    Playbook("four50", "four", 50, 0, "four operations, 50 hosts",
             brief={"first": ["pyinfra", "bringup"], "converged": PLAYBOOK_TOOLS}),
    Playbook("near50", "hundred", 50, 0, "one hundred tasks, 50 hosts", ["pyinfra", "bringup"], brief=BRINGUP_ALONE),
    Playbook("near200", "hundred", 200, 0, "one hundred tasks, 200 hosts", ["pyinfra", "bringup"], brief=BRINGUP_ALONE),
    Playbook("sixty1", "sixty", 1, 50, "sixty tasks of collections' modules, 1 host, 50 ms", ANSIBLE_TOOLS,
             brief={"first": ["bringup"], "converged": ANSIBLE_TOOLS}),
    Playbook("sixty10", "sixty", 10, 0, "sixty tasks of collections' modules, 10 hosts", ANSIBLE_TOOLS,
             brief={"first": ["bringup"], "converged": ANSIBLE_TOOLS}),
    Cluster(),
]
