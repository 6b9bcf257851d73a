"""Reads `bringup --output json` on stdin and says what changed.

usage: changes.py            a line for each task or item that changed something: HOST TASK (ITEM)
       changes.py depends    a line for each task of which a plan only says what it depends on: HOST TASK
       changes.py recap      a line for each host: HOST changed=N failed=N unreachable=N
       changes.py words      what failed results say, on one line each
       changes.py duration   the seconds the run took
"""
import json
import sys


def main():
    what = sys.argv[1] if len(sys.argv) > 1 else "changes"
    recap = None
    items = []
    for number, line in enumerate(sys.stdin, 1):
        try:
            event = json.loads(line)
        except ValueError:
            sys.exit(f"line {number} is no JSON: {line[:200]!r}")
        if "event" not in event or "time" not in event:
            sys.exit(f"line {number} has no event or no time: {line[:200]!r}")
        if event["event"] == "recap":
            recap = event
        # Of a loop only the items say it.
        if what == "depends" and event["event"] in ("task_result", "item_result", "handler_result") and event["result"].get("depends_on"):
            print(event["host"], event["task"])
        if what == "words" and event.get("status") in ("failed", "unreachable"):
            print(" ".join(str(event["result"].get("msg")).split()))
        if what != "changes" or event.get("status") not in ("changed", "failed", "unreachable"):
            continue
        # The items of a loop come before the task's own result, which then says nothing new.
        if event["event"] == "item_result":
            items.append((event["host"], event["task"]))
            print(event["host"], f"{event['task']} ({event['item']})")
        elif event["event"] == "task_result" and (event["host"], event["task"]) not in items:
            print(event["host"], event["task"])
    if recap is None:
        sys.exit("there is no recap")
    if what == "recap":
        for host, counts in sorted(recap["hosts"].items()):
            print(host, *(f"{name}={counts[name]}" for name in ("changed", "failed", "unreachable")))
    elif what == "duration":
        print(recap["duration_ms"] / 1000)


main()
