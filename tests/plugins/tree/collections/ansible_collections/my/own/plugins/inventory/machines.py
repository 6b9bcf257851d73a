"""An inventory plugin of a collection."""
from ansible.plugins.inventory import BaseInventoryPlugin, Constructable

DOCUMENTATION = """
name: machines
short_description: Machines by number
description: Machines by number.
extends_documentation_fragment: [constructed]
options:
  plugin:
    description: The plugin.
    required: true
  count:
    description: How many.
    type: int
    required: true
"""


class InventoryModule(BaseInventoryPlugin, Constructable):
    NAME = "my.own.machines"

    def verify_file(self, path):
        return super(InventoryModule, self).verify_file(path) and path.endswith("machines.yml")

    def parse(self, inventory, loader, path, cache=True):
        super(InventoryModule, self).parse(inventory, loader, path, cache)
        self._read_config_data(path)
        inventory.add_group("machines")
        inventory.set_variable("machines", "ansible_connection", "local")
        for number in range(self.get_option("count")):
            host = inventory.add_host("m%d" % number, "machines")
            own = {"number": number, "parity": "odd" if number % 2 else "even", "tags": {"a": [number]}}
            for name, value in own.items():
                inventory.set_variable(host, name, value)
            strict = self.get_option("strict")
            self._set_composite_vars(self.get_option("compose"), inventory.get_host(host).get_vars(), host, strict=strict)
            self._add_host_to_composed_groups(self.get_option("groups"), own, host, strict=strict)
            self._add_host_to_keyed_groups(self.get_option("keyed_groups"), own, host, strict=strict)
