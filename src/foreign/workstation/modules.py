"""Modules: where Ansible finds them, and what is sent to hosts for them."""
import ast
import base64
import hashlib
import io
import os
import re
import shutil
import zipfile
import zlib

from ansible import constants as C
from ansible.executor import module_common
from ansible.module_utils.common import parameters
from ansible.parsing.dataloader import DataLoader
from ansible.plugins import loader as plugins
from ansible.release import __version__
from ansible.template import Templar
from ansible.utils.collection_loader import AnsibleCollectionConfig

from bringup import SAID, Refused, operation

if hasattr(plugins, "init_plugin_loader"):
    plugins.init_plugin_loader()


TREES = {}


def compile_once(source, filename, mode, flags=0, **words):
    """Ansible reads each file of `module_utils` anew for each module; here it does so once."""
    if flags != ast.PyCF_ONLY_AST or words:
        return compile(source, filename, mode, flags, **words)
    if source not in TREES:
        TREES[source] = compile(source, filename, mode, flags)
    return TREES[source]


# A name of the module's own stands before the built-in one.
module_common.compile = compile_once


@operation
def folders(playbooks, roles):
    """Folders whose plugins count: those of playbooks, which may have collections too, and those of roles."""
    AnsibleCollectionConfig.playbook_paths = list(playbooks)
    for folder in playbooks + roles:
        plugins.add_all_plugin_dirs(folder)


def where(loader, name, collections):
    """The file of a plugin and its full name; nothing where there is none."""
    # What is not found is told by who asked; what Ansible warns of meanwhile is about names that nobody has written.
    before = len(SAID)
    found = loader.find_plugin_with_context(name, collection_list=collections or None)
    del SAID[before:]
    if not found.resolved:
        if getattr(found, "removal_date", None) or getattr(found, "removal_version", None):
            raise Refused(str(found.exit_reason or "`%s` was removed" % name))
        return None, None
    SAID.extend(str(warning) for warning in found.deprecation_warnings or ())
    return found.plugin_resolved_path, found.resolved_fqcn or found.plugin_resolved_name


@operation
def module(name, path, collections):
    """A module by its name, or by its file where that is known already."""
    if path is None:
        try:
            path, name = where(plugins.module_loader, name, collections)
        except (plugins.AnsiblePluginRemovedError, plugins.AnsibleCollectionUnsupportedVersionError) as error:
            raise Refused(str(error))
        if path is None:
            return None
    action, _ = where(plugins.action_loader, name, collections)
    if action is not None and action.startswith(os.path.join(os.path.dirname(plugins.__file__), "action") + os.sep):
        action = None
    return {"name": name, "path": path, "action": action, "python": is_python(path)}


def is_python(path):
    """Whether Ansible takes a module for Python, rather than for a program that is run by itself."""
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError as error:
        raise Refused("%s: %s" % (path, error.strerror))
    if module_common._is_binary(data):
        return False
    return module_common.REPLACER in data or module_common.NEW_STYLE_PYTHON_MODULE_RE.search(data) is not None


# What was told already, by its checksum: files of `module_utils` are in nearly every payload.
TOLD = set()


def blob(data):
    mark = hashlib.sha256(data).hexdigest()
    if mark in TOLD:
        return mark, None
    TOLD.add(mark)
    return mark, base64.b64encode(zlib.compress(data)).decode()


@operation
def payload(name, path):
    """What a host is sent for a module."""
    cache = os.path.join(C.DEFAULT_LOCAL_TMP, "ansiballz_cache")
    # It knows modules of roles by their short name, which two of them may have.
    shutil.rmtree(cache, ignore_errors=True)
    with open(path, "rb") as file:
        own = file.read()
    templar = Templar(loader=DataLoader(), variables={})
    built = module_common.modify_module(
        module_name=name,
        module_path=path,
        module_args={},
        templar=templar,
        # The host's own is known later; Ansible must not look for one.
        task_vars={"ansible_python_interpreter": "python3"},
        module_compression="ZIP_STORED",
    )
    data, style = (built.b_module_data, built.module_style) if hasattr(built, "b_module_data") else built[:2]
    if style != "new":
        return {"style": style, "content": base64.b64encode(own).decode()}
    if module_common.REPLACER_JSONARGS in own:
        return {"style": "json_args", "content": base64.b64encode(own).decode()}
    archive, words = wrapped(data)
    if archive is None:
        raise Refused("`%s` is a module for Windows" % name)
    files = []
    with zipfile.ZipFile(io.BytesIO(archive)) as packed:
        for info in packed.infolist():
            files.append([info.filename] + list(blob(packed.read(info))))
    return {
        "style": style,
        "files": files,
        "module": words["module_fqn"],
        "profile": words.get("profile"),
        "internal": internal(),
    }


def wrapped(data):
    """The archive in the program that Ansible would send, and the words beside it."""
    text = data.decode("utf-8", "surrogateescape")
    found = re.search(r"\bmod_name='([^']+)'", text)
    longest = re.search(r"[\"']([A-Za-z0-9+/=\n]{400,})[\"']", text)
    if longest is None:
        return None, None
    archive = base64.b64decode(longest.group(1))
    if found:
        return archive, {"module_fqn": found.group(1)}
    words = {}
    for name in ("module_fqn", "profile"):
        word = re.search(r"^%s=(.+),$" % name, text, re.MULTILINE)
        words[name] = ast.literal_eval(word.group(1))
    return archive, words


def internal():
    """The arguments that every module is given besides its own, as far as this Ansible knows them."""
    values = {
        "no_log": False,
        "debug": False,
        "version": __version__,
        "syslog_facility": C.DEFAULT_SYSLOG_FACILITY,
        "selinux_special_fs": C.DEFAULT_SELINUX_SPECIAL_FS,
        "string_conversion_action": getattr(C, "STRING_CONVERSION_ACTION", "warn"),
        "socket": None,
        "shell_executable": "/bin/sh",
        "keep_remote_files": False,
        "tmpdir": None,
        "ignore_unknown_opts": False,
        "target_log_info": None,
        "tracebacks_for": [],
    }
    return {"_ansible_" + name: value for name, value in values.items() if name in parameters.PASS_VARS}
