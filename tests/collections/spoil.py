#!/usr/bin/env python3
"""Makes small lies of what bringup said and left, each of which compare.py must see: spoil.py RESULTS STATE FOLDER."""
import json
import sys
from pathlib import Path

results, state, folder = map(Path, sys.argv[1:])
folder.mkdir(parents=True, exist_ok=True)
events = [json.loads(line) for line in results.read_text().splitlines()]


def lie(name, task, change):
    """Writes the events with one task's changed."""
    told = json.loads(json.dumps(events))
    there = [e for e in told if e["event"] == "task_result" and e["task"] == task]
    assert there, task
    change(there[0])
    (folder / f"results-{name}").write_text("".join(json.dumps(e) + "\n" for e in told))


def forget(name, task):
    left = [e for e in events if e.get("task") != task]
    assert len(left) < len(events), task
    (folder / f"results-{name}").write_text("".join(json.dumps(e) + "\n" for e in left))


lie("status", "a value goes", lambda e: e.update(status="ok"))
lie("message", "no such document", lambda e: e["result"].update(msg="something else"))
lie("field", "the table is read by a key", lambda e: e["result"]["dict"]["anna"].update(uid=2001))
lie("item", "values", lambda e: e["result"]["results"][1].update(changed=False))
lie("traceback", "a size that cannot be", lambda e: e["result"].update(module_stderr="ValueError: another"))
lie("diff", "a text of an element", lambda e: (e["result"].update(diff=[]), e.update(diff=[])))
forget("task", "elements are read")
text = state.read_text()
assert "tree/one f 6" in text
(folder / "state").write_text(text.replace("tree/one f 6", "tree/one f 7", 1))
