"""Writes the figures into docs/benchmarks.md, between its marks; the rest of the page is written by people."""
import os
import platform

from .lab import PEERS, ROOT
from .tools import TOOLS
from .workloads import ALL

PAGE = ROOT / "docs" / "benchmarks.md"
BEGIN, END = "<!-- figures: written by benches/compare -->", "<!-- end of figures -->"


def seconds(value):
    return f"{value:.0f} s" if value >= 100 else f"{value:.1f} s" if value >= 10 else f"{value:.2f} s"


def row(results, key, case, tool):
    """One line of the table, or None if the tool did not take part."""
    runs = results.cases[key]["tools"].get(tool)
    if not runs:
        return None
    ours = results.median(key, "bringup", "wall")
    wall = results.median(key, tool, "wall")
    title = {"ssh": "scp", "rsync": "rsync"}.get(tool, tool) if key.startswith("file") else TOOLS[tool].title
    if wall is None:
        least = f"more than {seconds(max(run['wall'] for run in runs))}"
        ratio = f"more than {max(run['wall'] for run in runs) / ours:.0f}" if ours else ""
        return f"| {case} | {title} | {least} | {ratio} | | | | {len(runs)} |"
    cpu, memory = (results.median(key, tool, figure) for figure in ("cpu", "memory"))
    trips = results.median(key, tool, "round_trips")
    ratio = "" if tool == "bringup" or not ours else f"{wall / ours:.2f}" if wall < 3 * ours else f"{wall / ours:.0f}"
    good = [run["wall"] for run in runs if not run["cut"]]
    if wall < 0.1:
        time = f"{1000 * wall:.1f} ms"
    else:
        time = seconds(wall) + (f" ({min(good):.2f}–{max(good):.2f})" if len(good) > 1 else "")
    return (f"| {case} | {title} | {time} | {ratio} | {cpu:.2f} s | {f'{memory:.0f} MB' if memory else ''} | "
            f"{'' if trips is None else f'{trips:.0f}'} | {len(runs)} |")


def table(results):
    lines = []
    for workload in ALL:
        rows = []
        for case in workload.cases:
            key = f"{workload.name}/{case}"
            if key in results.cases:
                rows += [line for tool in TOOLS if (line := row(results, key, case, tool))]
        if rows:
            date = results.cases[f"{workload.name}/{workload.cases[0]}"]["date"]
            lines += [f"### {workload.title[0].upper()}{workload.title[1:]}", "",
                      f"`benches/compare --only {workload.name}`, {date}", "",
                      "| | tool | time (least–most) | times bringup's | CPU | memory | round trips | runs |",
                      "|---|---|---|---|---|---|---|---|", *rows, ""]
    return lines


def machine():
    with open("/proc/cpuinfo") as lines:
        model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())
    with open("/proc/meminfo") as lines:
        memory = int(lines.readline().split()[1]) // 1024 // 1024
    return (f"Machine: {os.cpu_count()} cores of {model}, {memory} GB, Linux {platform.release().split('-')[0]}; "
            f"the hosts run on it too. Peers: {', '.join(p.replace('==', ' ') for p in PEERS)}.")


def write(results):
    """Replaces what is between the marks."""
    text = PAGE.read_text()
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    PAGE.write_text(head + "\n".join([BEGIN, "", machine(), "", *table(results), END]) + tail)
    print(f"{PAGE.relative_to(ROOT)} is written")
