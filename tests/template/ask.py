"""Renders expressions with Ansible's own templating: reads a JSON list of [expression, variables], prints what each comes to as JSON.

Started with the Python that Ansible is installed for. What cannot be rendered, or needs a collection that is not there, is null with a reason.
"""

import json
import sys

from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import init_plugin_loader
from ansible.template import Templar

init_plugin_loader()
loader = DataLoader()
answers = []
for expression, variables in json.load(sys.stdin):
    templar = Templar(loader=loader, variables=variables)
    try:
        text = templar.template("{{ (%s) | to_json }}" % expression, convert_data=False)
        json.loads(text)
        answers.append([text, None])
    except Exception as error:
        answers.append([None, "%s: %s" % (type(error).__name__, str(error)[:300])])
json.dump(answers, sys.stdout)
