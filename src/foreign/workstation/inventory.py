"""Inventories and variables of hosts that plugins make. Told as YAML, in which `!unsafe` marks what is never a template."""
import json
import os

from ansible import constants as C
from ansible.inventory import manager
from ansible.inventory.group import Group
from ansible.inventory.host import Host
from ansible.parsing.dataloader import DataLoader
from ansible.plugins import loader as plugins

from bringup import Refused, operation, plain, words

try:
    from ansible._internal._datatag._tags import Origin, TrustedAsTemplate
except ImportError:
    TrustedAsTemplate = None


@operation
def inventory(name, path):
    """What `ansible-inventory --list` has of a file that a plugin reads."""
    loader = DataLoader()
    loader.set_basedir(os.path.dirname(path))
    own = plugins.inventory_loader.get(name)
    if own is None:
        raise Refused("there is no inventory plugin `%s`" % name)
    if not own.verify_file(path):
        raise Refused("the inventory plugin `%s` does not take a file of this name: see its documentation" % name)
    data = manager.InventoryManager(loader=loader, sources=None, parse=False)._inventory
    try:
        own.parse(wrapped(data, own, path), loader, path, cache=True)
        if hasattr(own, "update_cache_if_changed"):
            own.update_cache_if_changed()
    except Exception as error:
        raise Refused(words(error))
    data.reconcile_inventory()
    groups = {group.name: told_group(group) for group in data.groups.values()}
    hosts = {host.name: own_vars(host) for host in data.hosts.values()}
    return written(dict(groups, _meta={"hostvars": hosts}))


def wrapped(data, own, path):
    """Since 2.19 Ansible says at this place whose values may be templates."""
    if TrustedAsTemplate is None:
        return data
    return manager._InventoryDataWrapper(data, target_plugin=own, origin=Origin(path=path))


def told_group(group):
    return {
        "hosts": [host.name for host in group.hosts],
        "children": [child.name for child in group.child_groups],
        "vars": group.vars,
    }


def own_vars(host):
    return {name: value for name, value in host.vars.items() if name not in ("inventory_file", "inventory_dir")}


def written(value):
    """Values as YAML that is JSON but for marks."""
    if isinstance(value, str):
        text = json.dumps(str.__str__(value))
        return "!unsafe " + text if is_unsafe(value) else text
    if isinstance(value, dict) or hasattr(value, "keys"):
        return "{%s}" % ", ".join("%s: %s" % (json.dumps(str(key)), written(value[key])) for key in value.keys())
    if value is None or isinstance(value, (bool, int, float)):
        return json.dumps(value)
    if isinstance(value, (list, tuple)):
        return "[%s]" % ", ".join(written(item) for item in value)
    other = plain(value)
    return written(other if isinstance(other, (list, dict)) else str(other))


def is_unsafe(text):
    if "{" not in text:
        return False
    return hasattr(text, "__UNSAFE__") if TrustedAsTemplate is None else not TrustedAsTemplate.is_tagged_on(text)


@operation
def variables(folder, groups, hosts):
    """What the vars plugins say of groups and hosts, each twice: what files of `group_vars` and `host_vars` outrank, and what outranks them."""
    loader = DataLoader()
    loader.set_basedir(folder)
    sides = vars_plugins()
    found = {
        kind: {name: [vars_of(side, loader, folder, make(name)) for side in sides] for name in names}
        for kind, names, make in (("groups", groups, Group), ("hosts", hosts, Host))
    }
    return written({kind: {name: of for name, of in all.items() if any(of)} for kind, all in found.items()})


def vars_plugins():
    """Those in folders, which come before the one that reads files, and those of collections, which come behind it."""
    legacy, collections = [], []
    enabled = C.VARIABLE_PLUGINS_ENABLED
    for own in plugins.vars_loader.all():
        name = own.ansible_name.split(".")[-1]
        required = getattr(own, "REQUIRES_ENABLED", getattr(own, "REQUIRES_WHITELIST", False))
        if name != "host_group_vars" and (not required or name in enabled):
            legacy.append(own)
    for name in enabled:
        if "." in name and not name.endswith(".host_group_vars"):
            own = plugins.vars_loader.get(name)
            if own is None:
                raise Refused("there is no vars plugin `%s`, which is enabled" % name)
            collections.append(own)
    return legacy, collections


def vars_of(own, loader, folder, entity):
    found = {}
    for one in own:
        try:
            found.update(one.get_vars(loader, folder, [entity]) or {})
        except Exception as error:
            raise Refused("the vars plugin `%s`: %s" % (one.ansible_name, words(error)))
    return found
