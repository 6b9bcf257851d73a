"""Variables of hosts by a plugin of a collection."""
from ansible.plugins.vars import BaseVarsPlugin

DOCUMENTATION = """
name: late
short_description: Variables by a plugin
description: Variables by a plugin.
"""


class VarsModule(BaseVarsPlugin):
    def get_vars(self, loader, path, entities, cache=True):
        super(VarsModule, self).get_vars(loader, path, entities)
        found = {}
        for entity in entities if isinstance(entities, list) else [entities]:
            found["late"] = "of " + entity.name
            if entity.name == "h2":
                found["colour"] = "late"
        return found
