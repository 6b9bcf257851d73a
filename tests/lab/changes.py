"""Reads `bringup --output json` on stdin and says what changed.

usage: changes.py            a line for each task that changed something: HOST TASK (ITEM)
       changes.py recap      a line for each host: HOST changed=N failed=N unreachable=N
       changes.py duration   the seconds the run took
"""
import json
import sys


def main():
    what = sys.argv[1] if len(sys.argv) > 1 else "changes"
    recap = None
    for number, line in enumerate(sys.stdin, 1):
        try:
            event = json.loads(line)
        except ValueError:
            sys.exit(f"line {number} is no JSON: {line[:200]!r}")
        if "event" not in event or "time" not in event:
            sys.exit(f"line {number} has no event or no time: {line[:200]!r}")
        if event["event"] == "recap":
            recap = event
        interesting = event["event"] == "task_result" and event["status"] in ("changed", "failed", "unreachable")
        if what == "changes" and interesting:
            item = event.get("item")
            print(event["host"], event["task"] + (f" ({item})" if item is not None else ""))
    if recap is None:
        sys.exit("there is no recap")
    if what == "recap":
        for host, counts in sorted(recap["hosts"].items()):
            print(host, *(f"{name}={counts[name]}" for name in ("changed", "failed", "unreachable")))
    elif what == "duration":
        print(recap["duration_ms"] / 1000)


main()
