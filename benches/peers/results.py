"""What has been measured, kept between calls so that workloads can be measured one by one."""
import datetime
import json
import os
import statistics
from pathlib import Path


def file():
    return Path(os.environ.get("LAB_CACHE", "/var/cache/bringup-lab")) / "benchmarks.json"


class Results:
    """Workload and case → tool → runs."""

    def __init__(self, cases):
        self.cases = cases

    @classmethod
    def load(cls):
        try:
            return cls(json.loads(file().read_text()))
        except FileNotFoundError:
            return cls({})

    def save(self):
        file().write_text(json.dumps(self.cases, indent=1) + "\n")

    def begin(self, case, tools):
        """Forgets what tools did in a case before."""
        entry = self.cases.setdefault(case, {"tools": {}})
        entry["date"] = datetime.date.today().isoformat()
        for tool in tools:
            entry["tools"].pop(tool, None)

    def add(self, case, tool, figures):
        self.cases[case]["tools"].setdefault(tool, []).append(figures)

    def spent(self, case, tool):
        return sum(run["wall"] for run in self.cases[case]["tools"].get(tool, []))

    def median(self, case, tool, figure):
        """The median of a figure over the runs that were not cut off, or None."""
        runs = self.cases.get(case, {}).get("tools", {}).get(tool, [])
        values = [run[figure] for run in runs if not run["cut"] and run.get(figure) is not None]
        return statistics.median(values) if values else None
