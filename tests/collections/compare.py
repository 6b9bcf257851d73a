#!/usr/bin/env python3
"""Compares what two runs of the same playbook said, or two hosts that they left behind.

    compare.py results ANSIBLE BRINGUP      lines of tests/random_plays/callback.py, and events of `bringup apply --output json`
    compare.py hosts ONE OTHER              folders of texts that tests/collections/state wrote on each of the hosts
    compare.py again ANSIBLE LIST           what a second run changed is what the file LIST says, a name a line

What differs by nature (times, process ids, names of temporary files and of the two hosts) is put aside first. Each
difference is a line; the status is 1 when there is one.
"""
import difflib
import json
import re
import sys
from pathlib import Path

# Fields that say when, how long, where or by which process; at any depth.
ASIDE = set(
    "start end delta ansible_job_id results_file duration time timestamp atime mtime ctime pid pids inode dev ino "
    "execution_time_ms place help would_run exception module_stderr module_stdout diff stdout_lines stderr_lines".split()
)
# Module → further fields that are otherwise on each host, or at each moment.
VARYING = {
    "ansible.posix.at": {"script_file"},
    "community.crypto.openssh_keypair": {"fingerprint", "public_key"},
    # The server turns the order of several addresses.
    "community.dns.nameserver_record_info": {"entries", "values"},
    "community.docker.docker_host_info": {"ID", "networks", "Created"},
    "community.general.archive": {"size"},
    "community.general.deploy_helper": {"new_release", "new_release_path"},
    "community.general.filesize": {"stderr"},
    "community.general.listen_ports_facts": {"tcp_listen", "udp_listen"},
    "community.general.python_requirements_info": {"python_system_path"},
    "community.general.redis_info": {"info"},
    "community.general.systemd_info": {"mainpid", "execmainpid"},
    "community.postgresql.postgresql_info": {"oid", "size"},
    # What stands in a set has no order.
    "community.postgresql.postgresql_privs": {"queries"},
    "community.postgresql.postgresql_publication": {"columns"},
    "community.postgresql.postgresql_user_obj_stat_info": {"indexrelid", "relid"},
    "containers.podman.podman_system_info": {"cpuUtilization", "memFree", "swapFree", "uptime", "graphRootUsed"},
}
TEXTS = [
    (re.compile(r"\bh[12]\b"), "HOST"),
    (re.compile(r"\b10\.\d+\.\d+\.1[12]\b"), "ADDRESS"),
    (re.compile(r"\bfd00:[0-9a-f:]+"), "ADDRESS6"),
    (re.compile(r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:?\d\d)?"), "TIME"),
    (re.compile(r"\b0x[0-9a-f]{6,}\b"), "POINTER"),
    (re.compile(r"\b(?=\w*\d)[0-9a-f]{24,64}\b"), "ID"),
    (re.compile(r"/(tmp|root/\.ansible/tmp|var/tmp)/[\w./-]*(ansible|bringup)[\w./-]*"), "TEMPORARY"),
]


class Results:
    """Task and item, in their order → status and fields."""

    def __init__(self):
        self.all = {}
        self.seen = {}

    def add(self, task, action, status, result):
        number = self.seen[task] = self.seen.get(task, 0) + 1
        name = task if number == 1 else f"{task} ({number})"
        module = action.removeprefix("ansible.builtin.")
        # Ansible's callbacks are not told `failed` and `skipped`: the status is.
        aside = {"failed", "skipped", *(["results"] if looped(result) else [])}
        fields = {k: v for k, v in result.items() if k not in aside}
        self.all[name] = (module, status, fields)
        for i, item in enumerate(result["results"] if looped(result) else []):
            self.all[f"{name} [{i}]"] = (module, status_of(item), item)
        return name


def looped(result):
    items = result.get("results")
    return isinstance(items, list) and items and all(isinstance(i, dict) and "ansible_loop_var" in i for i in items)


def status_of(result):
    for word in ["skipped", "failed", "changed"]:
        if result.get(word):
            return word
    return "ok"


def read_ansible(file):
    results = Results()
    for line in map(json.loads, file.read_text().splitlines()):
        results.add(line["task"], line["action"], line["status"], line["result"])
    return results


def read_bringup(file):
    results, unknown = Results(), set()
    for event in map(json.loads, file.read_text().splitlines()):
        if event["event"] in ("task_result", "handler_result"):
            result = dict(event["result"])
            if event["diff"] and not looped(result):
                result.setdefault("diff", event["diff"])
            # What is rescued has failed; only the recap tells the two apart with Ansible.
            status = {"rescued": "failed"}.get(event["status"], event["status"])
            name = results.add(event["task"], event["action"], status, result)
            # In check mode it does not guess what depends on a task that was not carried out.
            if "depends_on" in result:
                unknown.add(name)
    return results, unknown


def told(fields, status, module):
    """What of a result is compared, without what differs by nature."""
    fields = plain(fields, module)
    # Only Ansible copies files to the host on the way.
    warnings = [w for w in fields.pop("warnings", []) if not str(w).startswith("Module remote_tmp")]
    if warnings:
        fields["warnings"] = warnings
    # The two have words of their own for a template that fails.
    if any(isinstance(fields.get(word), str) for word in ("failed_when_result", "changed_when_result")) or (
        module == "debug" and status in ("failed", "ignored")
    ):
        fields = {k: v for k, v in fields.items() if k not in ("msg", "failed_when_result", "changed_when_result")}
    # Older Ansible makes a text of each template.
    if module == "debug" and isinstance(fields.get("msg"), int):
        fields["msg"] = str(fields["msg"])
    return fields


def plain(value, module):
    """A value without what differs by nature."""
    if isinstance(value, dict):
        aside = ASIDE | set(VARYING.get(module, ()))
        return {k: plain(v, module) for k, v in value.items() if k not in aside and not k.startswith("_ansible")}
    if isinstance(value, list):
        return [plain(v, module) for v in value]
    if isinstance(value, str):
        for pattern, word in TEXTS:
            value = pattern.sub(word, value)
    return value


def difference_of(result):
    """What diff mode showed: texts before and after, in order, whatever their headers."""
    shown = result.get("diff") or []
    shown = shown if isinstance(shown, list) else [shown]
    return [{k: plain(v, None) for k, v in one.items() if k in ("before", "after", "prepared")} for one in shown if one]


def crash(result):
    """The last line of a traceback: the lines before it name files that each tool has elsewhere."""
    lines = str(result.get("module_stderr", "")).strip().splitlines()
    return lines[-1] if lines else None


def differing(one, other, path=""):
    """Paths at which two values differ, and what stands there."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted(set(one) | set(other)):
            # A result that has no such field has not failed, not changed, and so on.
            nothing = False if key in ("failed", "changed", "skipped") and not path else "(nothing)"
            yield from differing(one.get(key, nothing), other.get(key, nothing), f"{path}.{key}" if path else key)
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for i, pair in enumerate(zip(one, other)):
            yield from differing(*pair, f"{path}[{i}]")
    # A number that has no room in 64 bits is a text of its digits here.
    elif isinstance(one, int) and abs(one) >= 1 << 63 and other == str(one):
        return
    elif one != other or type(one) is not type(other):
        yield path, one, other


def compare_results(ansible, bringup, unknown):
    """Lines, one for each difference between two runs."""
    ours, theirs = bringup.all, ansible.all
    for name in [*theirs, *(n for n in ours if n not in theirs)]:
        if re.sub(r" \[\d+\]$", "", name) in unknown:
            continue
        if name not in ours or name not in theirs:
            there = theirs.get(name) or ours[name]
            yield f"{name}: {there[0]}: only {'Ansible' if name in theirs else 'bringup'} has it ({there[1]})"
            continue
        (module, wanted, want), (_, status, got) = theirs[name], ours[name]
        if wanted != status:
            yield f"{name}: {module}: status: {wanted} with Ansible, {status} with bringup: {short(got.get('msg', ''))}"
        # What bringup's own modules return is held to Ansible's elsewhere.
        if "." not in module and module != "debug":
            continue
        for path, one, other in differing(told(want, wanted, module), told(got, status, module)):
            yield f"{name}: {module}: {path}: {short(one)} with Ansible, {short(other)} with bringup"
        for what, tell in [("diff", difference_of), ("last line of the traceback", crash)]:
            if tell(want) != tell(got):
                yield f"{name}: {module}: {what}: {short(tell(want))} with Ansible, {short(tell(got))} with bringup"


def short(value):
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 160 else text[:110] + " … " + text[-45:]


def sections(file):
    found, name = {}, ""
    for line in file.read_text().splitlines():
        if line.startswith("## "):
            name = line[3:]
        else:
            for pattern, word in TEXTS:
                line = pattern.sub(word, line)
            found.setdefault(name, []).append(line)
    return found


def compare_hosts(one, other):
    """Lines, one for each difference between two hosts."""
    for name in sorted(set(one) | set(other)):
        if name not in one or name not in other:
            yield f"{name}: only one host tells of it"
            continue
        for line in difflib.unified_diff(one[name], other[name], lineterm="", n=0):
            if line[:2] not in ("--", "++", "@@"):
                yield f"{name}: {line}"


def compare_again(run, list_of):
    """Lines, one for each task whose second run is not what the list says."""
    known = {line for line in list_of.read_text().splitlines() if line and not line.startswith("#")}
    changed = {name for name, (_, status, _) in run.all.items() if status == "changed" and not re.search(r"\[\d+\]$", name)}
    yield from (f"{name}: changed again, and is not in {list_of.name}" for name in sorted(changed - known))
    yield from (f"{name}: changed nothing, and is in {list_of.name}" for name in sorted(known - changed))


def main(arguments):
    what, one, other = arguments[0], Path(arguments[1]), Path(arguments[2])
    if what == "results":
        ansible, (bringup, unknown) = read_ansible(one), read_bringup(other)
        lines = list(compare_results(ansible, bringup, unknown))
        theirs = {m for m, _, _ in ansible.all.values() if "." in m}
        collections = {m.rsplit(".", 1)[0] for m in theirs}
        print(f"{len(ansible.all)} results, {len(theirs)} modules of {len(collections)} collections, {len(unknown)} tasks not foretold")
    elif what == "hosts":
        lines = list(compare_hosts(sections(one), sections(other)))
    else:
        lines = list(compare_again(read_ansible(one), other))
    print("\n".join(lines))
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
