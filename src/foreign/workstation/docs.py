"""Documentation: what modules and plugins say of themselves, and which there are."""
import ast
import datetime
import os
import re

from bringup import Refused, operation


@operation
def documentation(kind, name, path):
    """What a module or plugin says of itself, fragments merged; `problem` says what of it cannot be read."""
    try:
        files, path, name, collection = files_of(kind, name, path)
    except Refused:
        raise
    except Exception as error:
        raise Refused(first_line(error))
    told = {"name": name, "path": path, "doc": None, "examples": None, "return": None, "problem": None}
    for file in files:
        read(told, file, kind, collection)
        if told["doc"] is not None:
            break
    if told["doc"] is None and told["problem"] is None:
        told["problem"] = "it has no DOCUMENTATION"
    if kind == "module" and path is not None:
        told["code"] = argument_spec(path)
    return told


def files_of(kind, name, path):
    """Files that may have it, best first, and what the plugin is."""
    from ansible import constants as C
    from ansible.plugins import loader as plugins

    collection = None
    if path is None:
        loader = getattr(plugins, kind + "_loader")
        found = loader.find_plugin_with_context(name, ignore_deprecated=False, check_aliases=True)
        if not found.resolved and kind in ("filter", "test"):
            # Several of them are in one file, which only its names tell.
            found = loader.get_with_context(name)[1]
        if not found.resolved:
            return [], None, name, None
        path, collection = found.plugin_resolved_path, found.plugin_resolved_collection
        name = found.resolved_fqcn or found.plugin_resolved_name or name
    path = str(path)
    if collection is None:
        collection = ".".join(name.split(".")[:2]) if name.count(".") > 1 else ""
    stem, own = os.path.splitext(path)
    if kind in ("filter", "test"):
        stem = os.path.join(os.path.dirname(path), name.rsplit(".", 1)[-1])
    beside = [stem + ending for ending in C.DOC_EXTENSIONS]
    beside = [file for file in beside if file != path and os.path.exists(file)]
    files = [path] + beside if own in C.DOC_EXTENSIONS else beside
    return files, path, name, collection


def read(told, file, kind, collection):
    from ansible.plugins.loader import fragment_loader
    from ansible.utils import plugin_docs

    try:
        found = plugin_docs.get_docstring(
            file, fragment_loader, verbose=False, ignore_errors=False, collection_name=collection, plugin_type=kind
        )
    except Exception as error:
        told["problem"] = "its documentation cannot be read: %s" % first_line(error)
        return
    doc, examples, returned = found[:3]
    if doc is not None and not isinstance(doc, dict):
        told["problem"] = "its DOCUMENTATION is no mapping"
        return
    if doc is not None:
        told["problem"] = None
        told["doc"] = clean(doc)
    # Some have them elsewhere than what they document.
    told["examples"] = told["examples"] or text(examples)
    told["return"] = told["return"] or clean(returned)


def text(examples):
    """Examples as a text; those of files beside a plugin may be a list."""
    if examples is None or isinstance(examples, str):
        return str(examples).strip("\n") if examples else None
    import yaml

    return yaml.safe_dump(clean(examples), sort_keys=False)


def clean(value):
    """The same with nothing that JSON has no word for."""
    if isinstance(value, dict):
        return {key_text(key): clean(one) for key, one in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [clean(one) for one in value]
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        # A number that JSON does not have is told as a text.
        return float(value) if value - value == 0 else str(value)
    if isinstance(value, (datetime.date, datetime.datetime)):
        return value.isoformat()
    return str(value)


def key_text(key):
    """A key as a playbook would write it: `on:` is true to YAML."""
    if isinstance(key, bool):
        return "yes" if key else "no"
    return str(key)


def first_line(error):
    """What an error says, and what it came of."""
    said = []
    while error is not None and len(said) < 3:
        words = str(getattr(error, "message", None) or error).strip().split("\n")[0].rstrip(".")
        if words and not any(words in known for known in said):
            said.append(words)
        error = error.__cause__ or getattr(error, "orig_exc", None)
    return ": ".join(said) or "no reason given"


def argument_spec(path):
    """The argument spec that a module's code has, where it stands there as it is: it is truer than the documentation."""
    try:
        with open(path, "rb") as file:
            tree = ast.parse(file.read())
    except (OSError, SyntaxError, ValueError):
        return None
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and called(node) == "AnsibleModule"]
    if len(calls) != 1:
        return None
    names = Names(tree)
    try:
        words = {word.arg: word.value for word in calls[0].keywords}
        if None in words:
            return None
        spec = words.get("argument_spec", calls[0].args[0] if calls[0].args else None)
        told = spec_of(names, names.of(spec))
        support = names.literal(words["supports_check_mode"]) if "supports_check_mode" in words else False
        files = "add_file_common_args" in words and names.literal(words["add_file_common_args"])
    except (KeyError, ValueError, TypeError, AttributeError):
        return None
    if files:
        from ansible.module_utils.basic import FILE_COMMON_ARGUMENTS

        for name, option in FILE_COMMON_ARGUMENTS.items():
            told.setdefault(name, {"type": option.get("type", "str"), "aliases": option.get("aliases", [])})
    return {"options": told, "check_mode": bool(support)}


def called(node):
    function = node.func
    return getattr(function, "id", None) or getattr(function, "attr", None)


class Names(object):
    """What names stand for that are given a value once, and then left alone."""

    def __init__(self, tree):
        self.values, several = {}, set()
        for node in ast.walk(tree):
            if isinstance(node, ast.Assign):
                for target in node.targets:
                    if isinstance(target, ast.Name):
                        several.update({target.id} & set(self.values))
                        self.values[target.id] = node.value
                    elif isinstance(target, ast.Subscript):
                        several.add(getattr(target.value, "id", None))
            elif isinstance(node, (ast.AugAssign, ast.AnnAssign)):
                several.add(getattr(node.target, "id", None))
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                if node.func.attr in ("update", "pop", "setdefault", "clear", "append", "extend"):
                    several.add(getattr(node.func.value, "id", None))
        for name in several:
            self.values.pop(name, None)

    def of(self, node):
        """What a name stands for; another expression as it is."""
        seen = set()
        while isinstance(node, ast.Name) and node.id not in seen:
            seen.add(node.id)
            node = self.values[node.id]
        return node

    def literal(self, node):
        node = self.of(node)
        if isinstance(node, (ast.List, ast.Tuple, ast.Set)):
            return [self.literal(one) for one in node.elts]
        return ast.literal_eval(node)

    def entries(self, node):
        """Names and values of `{...}` and `dict(...)`."""
        node = self.of(node)
        if isinstance(node, ast.Dict):
            return [(ast.literal_eval(key), value) for key, value in zip(node.keys, node.values)]
        if isinstance(node, ast.Call) and called(node) == "dict" and not node.args:
            if all(word.arg for word in node.keywords):
                return [(word.arg, word.value) for word in node.keywords]
        raise ValueError


def spec_of(names, node):
    told = {}
    for name, value in names.entries(node):
        option = {}
        for word, one in names.entries(value):
            if word == "options":
                option["suboptions"] = spec_of(names, one)
            elif word in ("type", "elements", "choices", "aliases", "required", "default"):
                option[word] = default(names, one) if word == "default" else clean(names.literal(one))
            elif word == "fallback":
                # It may come from elsewhere.
                option["fallback"] = True
        if option.pop("fallback", False):
            option["required"] = False
        option.setdefault("type", "str")
        told[str(name)] = option
    return told


def default(names, node):
    try:
        return clean(names.literal(node))
    except (KeyError, ValueError, TypeError):
        return None


@operation
def listed(kind, collections):
    """All there are of a kind: name, file, and what it is for in one line."""
    from ansible.plugins.list import list_plugins

    try:
        found = list_plugins(kind, collections or None)
    except Exception as error:
        raise Refused(first_line(error))
    told = []
    for name, about in sorted(found.items()):
        if name.startswith("ansible._"):
            continue
        path = about[0]
        path = path.decode("utf-8", "surrogateescape") if isinstance(path, bytes) else str(path)
        # What is beside playbooks and in roles has no collection.
        short = name[len("ansible.legacy."):] if name.startswith("ansible.legacy.") else name
        told.append([short, path, summary(path, short.rsplit(".", 1)[-1], kind)])
    return told


SUMMARY = re.compile(r"^([ ]*)[\"']?short_description[\"']?:[ ]*(.*)$", re.MULTILINE)


def summary(path, own, kind):
    """The line that says what a plugin is for, found without parsing the file: there may be ten thousand."""
    folder, stem = os.path.dirname(path), os.path.splitext(path)[0]
    files = [path, stem + ".py", stem + ".yml", stem + ".yaml"]
    if kind in ("filter", "test"):
        files = [os.path.join(folder, own + ending) for ending in (".yml", ".yaml", ".py")] + files
    for file in files:
        if os.path.splitext(file)[1] not in (".py", ".yml", ".yaml"):
            continue
        try:
            with open(file, encoding="utf-8", errors="replace") as opened:
                found = SUMMARY.search(opened.read(64 << 10))
        except OSError:
            continue
        if found:
            return whole_line(found)
    return ""


def whole_line(found):
    """A scalar of one or more lines, quotes taken off."""
    words = [found.group(2).strip()]
    for line in found.string[found.end():].split("\n")[1:]:
        if not line.strip() or len(line) - len(line.lstrip()) <= len(found.group(1)):
            break
        words.append(line.strip())
    if words[0] in ("|", ">", ">-", "|-"):
        del words[0]
    told = " ".join(words).strip()
    if len(told) > 1 and told[0] == told[-1] and told[0] in "'\"":
        told = told[1:-1].replace("''", "'") if told[0] == "'" else told[1:-1]
    return told.rstrip(".")
