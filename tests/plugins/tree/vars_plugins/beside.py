"""Variables of hosts by a plugin beside the playbook."""
from ansible.plugins.vars import BaseVarsPlugin

DOCUMENTATION = """
name: beside
short_description: Variables by a plugin
description: Variables by a plugin.
"""


class VarsModule(BaseVarsPlugin):
    def get_vars(self, loader, path, entities, cache=True):
        super(VarsModule, self).get_vars(loader, path, entities)
        found = {}
        for entity in entities if isinstance(entities, list) else [entities]:
            found["beside_" + entity.name] = type(entity).__name__
            found["colour"] = "of the plugin"
            found["shade"] = "of " + entity.name
        return found
