"""Writes each result of an Ansible run as a line of JSON, in the order in which they come."""

import json
import os

from ansible.parsing.ajson import AnsibleJSONEncoder
from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: lines
type: stdout
short_description: results as lines of JSON
description: results as lines of JSON
"""


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "lines"

    def __init__(self):
        super().__init__()
        self.out = open(os.environ["LINES_FILE"], "w")

    def _tell(self, result, status):
        task = result.task if hasattr(result, "task") else result._task
        fields = result.result if hasattr(result, "result") else result._result
        host = result.host if hasattr(result, "host") else result._host
        line = {
            "task": task.get_name(),
            "action": task.action,
            "host": host.get_name(),
            "status": status,
            "result": fields,
        }
        self.out.write(json.dumps(line, cls=AnsibleJSONEncoder) + "\n")
        self.out.flush()

    def v2_runner_on_ok(self, result):
        fields = result.result if hasattr(result, "result") else result._result
        self._tell(result, "changed" if fields.get("changed") else "ok")

    def v2_runner_on_failed(self, result, ignore_errors=False):
        self._tell(result, "ignored" if ignore_errors else "failed")

    def v2_runner_on_skipped(self, result):
        self._tell(result, "skipped")

    def v2_runner_on_unreachable(self, result):
        self._tell(result, "unreachable")
