"""Filters, tests and lookups, called with the values that bringup's templates have.

What JSON has no word for goes over the bridge as `{"\\0": KIND, "v": ...}`. All that comes from there is data: a text that looks like
a template is marked as Ansible marks what hosts say, so that no plugin evaluates it.
"""
import base64
import contextlib
import datetime
import functools

from ansible.errors import AnsibleError, AnsibleUndefinedVariable
from ansible.parsing.dataloader import DataLoader
from ansible.plugins import loader as plugins
from ansible.template import Templar
from jinja2.exceptions import UndefinedError

from bringup import Refused, channel, operation, words

try:
    from ansible._internal._templating import _jinja_bits, _lazy_containers
    from ansible._internal._templating._engine import TemplateOptions
    from ansible._internal._templating._jinja_common import CapturedExceptionMarker, JinjaCallContext, Marker
    from ansible._internal._templating._utils import Omit, TemplateContext

    MARKS = True
except ImportError:
    # Before 2.19 what is not to be evaluated is a type of its own, and what has no value is Jinja's.
    from jinja2.runtime import StrictUndefined as Marker
    from ansible.template import AnsibleUndefined
    from ansible.utils.unsafe_proxy import wrap_var

    Omit = "__omit_place_holder__%s" % base64.b16encode(__import__("os").urandom(20)).decode().lower()
    MARKS = False

KIND = "\0"
TIME = "%Y-%m-%dT%H:%M:%S.%f"
LOADERS = {"filter": plugins.filter_loader, "test": plugins.test_loader, "lookup": plugins.lookup_loader}


class Variables(dict):
    """Variables that are asked for when they are read."""

    def __init__(self, of):
        super().__init__()
        self.of = of
        self.known = {}

    def look(self, name):
        if name not in self.known:
            found = asked(of=self.of, key=name) if isinstance(name, str) else {"has": False}
            self.known[name] = (found["has"], heard(found["value"]) if found["has"] else None)
        return self.known[name]

    def __contains__(self, name):
        return self.look(name)[0]

    def __getitem__(self, name):
        has, value = self.look(name)
        if not has:
            raise KeyError(name)
        return value

    def __setitem__(self, name, value):
        self.known[name] = (True, value)

    def __delitem__(self, name):
        if name not in self:
            raise KeyError(name)
        self.known[name] = (False, None)

    def __iter__(self):
        names = asked(of=self.of, keys=True)
        names += [name for name in self.known if name not in names]
        return iter([name for name in names if self.known.get(name, (True,))[0]])

    def __len__(self):
        return len(list(iter(self)))

    def __bool__(self):
        return True

    def __copy__(self):
        other = Variables(self.of)
        other.known = dict(self.known)
        return other

    def __deepcopy__(self, memo):
        return self.copy()

    def __eq__(self, other):
        return self is other or dict(self.items()) == other

    def __or__(self, other):
        both = self.copy()
        both.update(other)
        return both

    def __repr__(self):
        return repr(dict(self.items()))

    __hash__ = None
    copy = __copy__

    def get(self, name, default=None):
        has, value = self.look(name)
        return value if has else default

    def keys(self):
        return list(iter(self))

    def values(self):
        return [self[name] for name in self]

    def items(self):
        return [(name, self[name]) for name in self]

    def setdefault(self, name, default=None):
        if name not in self:
            self[name] = default
        return self[name]

    def pop(self, name, *default):
        if name not in self and default:
            return default[0]
        value = self[name]
        del self[name]
        return value

    def update(self, *others, **named):
        for name, value in dict(*others, **named).items():
            self[name] = value


def asked(**question):
    try:
        return channel.ask(**question)
    except LookupError as error:
        raise AnsibleError(str(error))


def teach():
    """Ansible's engine takes its own kinds of mappings alone for variables."""
    flatten = _jinja_bits._flatten_and_lazify_vars

    @functools.wraps(flatten)
    def with_ours(mapping):
        return iter([mapping]) if type(mapping) is Variables else flatten(mapping)

    _jinja_bits._flatten_and_lazify_vars = with_ours
    if isinstance(getattr(_lazy_containers, "_KNOWN_TYPES", None), set):
        _lazy_containers._KNOWN_TYPES.add(Variables)


if MARKS:
    teach()

# What has no value, by the number that bringup knows it by.
MISSING = {}


def heard(value):
    """A value of bringup's."""
    if type(value) is str:
        return data(value)
    if type(value) is list:
        return [heard(item) for item in value]
    if type(value) is not dict:
        return value
    kind = value.get(KIND)
    if kind is None:
        return {data(key): heard(item) for key, item in value.items()}
    return HEARD[kind](value["v"])


def data(text):
    if not MARKS and "{" in text and ("{{" in text or "{%" in text or "{#" in text):
        return wrap_var(text)
    return text


def missing(told):
    number, name = told
    if MARKS:
        value = _jinja_bits._undef("'%s' is undefined" % name)
    else:
        value = AnsibleUndefined(hint=None, name=name)
    MISSING[number] = value
    return value


def moment(told):
    return datetime.datetime.strptime(told, TIME)


HEARD = {
    "tuple": lambda told: tuple(heard(item) for item in told),
    "map": lambda told: {heard(key): heard(item) for key, item in told},
    "bytes": base64.b64decode,
    "int": int,
    "float": float,
    "undefined": missing,
    "omit": lambda told: Omit,
    "vars": Variables,
    "time": moment,
    "span": lambda told: datetime.timedelta(seconds=told[0], microseconds=told[1]),
}


def told(value):
    """A value for bringup."""
    if value is None or value is True or value is False:
        return value
    if isinstance(value, Marker):
        return {KIND: "undefined", "v": next((number for number, own in MISSING.items() if own is value), name_of(value))}
    if isinstance(value, str):
        return omitted() if not MARKS and value == Omit else str.__str__(value)
    if isinstance(value, int):
        return int(value) if -(2**63) <= value < 2**64 else {KIND: "int", "v": str(int(value))}
    if isinstance(value, float):
        value = float(value)
        return value if value - value == 0 else {KIND: "float", "v": str(value)}
    if isinstance(value, Variables):
        return {KIND: "vars", "v": value.of} if not value.known else told(dict(value.items()))
    if hasattr(value, "keys") and hasattr(value, "__getitem__"):
        pairs = [(told(key), told(value[key])) for key in value.keys()]
        if all(type(key) is str and KIND not in key for key, _ in pairs):
            return dict(pairs)
        return {KIND: "map", "v": pairs}
    return told_otherwise(value)


def told_otherwise(value):
    if isinstance(value, tuple):
        return {KIND: "tuple", "v": [told(item) for item in value]}
    if isinstance(value, (bytes, bytearray)):
        return {KIND: "bytes", "v": base64.b64encode(value).decode()}
    if isinstance(value, (set, frozenset)):
        try:
            return [told(item) for item in sorted(value)]
        except TypeError:
            return [told(item) for item in sorted(value, key=repr)]
    if isinstance(value, datetime.datetime):
        return {KIND: "time", "v": value.strftime(TIME)} if value.tzinfo is None else str(value)
    if isinstance(value, datetime.timedelta):
        return {KIND: "span", "v": [value.days * 86400 + value.seconds, value.microseconds]}
    if value is Omit:
        return omitted()
    if not isinstance(value, type) and hasattr(value, "__iter__") and not hasattr(value, "__UNSAFE__"):
        return [told(item) for item in value]
    return str(value)


def omitted():
    return {KIND: "omit", "v": None}


def name_of(value):
    return str(getattr(value, "_undefined_name", None) or getattr(value, "_undefined_hint", None) or "?")


LOADER = DataLoader()
TEMPLAR = Templar(loader=LOADER, variables={})


@contextlib.contextmanager
def seeing(folder):
    """Templates of plugins read the variables of whoever calls, and files from its folder."""
    variables, before = TEMPLAR.available_variables, LOADER.get_basedir()
    own = dict(MISSING)
    TEMPLAR.available_variables = Variables(0)
    LOADER.set_basedir(folder)
    try:
        with rendering():
            yield TEMPLAR.available_variables
    finally:
        TEMPLAR.available_variables = variables
        LOADER.set_basedir(before)
        MISSING.clear()
        MISSING.update(own)


def rendering():
    if not MARKS:
        return contextlib.nullcontext()
    return TemplateContext(template_value="", templar=TEMPLAR._engine, options=TemplateOptions.DEFAULT)


def function(kind, name):
    """The function of a filter or test; nothing where there is none."""
    known = TEMPLAR.environment.filters if kind == "filter" else TEMPLAR.environment.tests
    try:
        return known[name]
    except Exception as error:
        cause = root(error)
        if type(cause).__name__ in ("TemplateSyntaxError", "AnsibleTemplatePluginNotFoundError", "KeyError"):
            return None
        raise Refused(words(cause))


@operation
def plugin(kind, name):
    """Whether there is a plugin of a name, and whether it may read any variable."""
    if kind != "lookup":
        found = function(kind, name)
        return None if found is None else {"reads": passed(found) == "context"}
    try:
        found = plugins.lookup_loader.get(name, class_only=True)
    except Exception as error:
        raise Refused(words(root(error)))
    return None if found is None else {"reads": True}


def passed(function):
    """What Jinja passes to a function before its arguments."""
    return getattr(getattr(function, "jinja_pass_arg", None), "name", None)


@operation
def call(kind, name, args, named, folder):
    """What a filter or test makes of its arguments."""
    with seeing(folder) as variables:
        own = function(kind, name)
        if own is None:
            raise Refused("there is no %s `%s`" % (kind, name))
        first = FIRST[passed(own)](variables)
        return result(lambda: own(*(first + heard(args)), **heard(named)))


def context(variables):
    environment = TEMPLAR.environment
    return environment.context_class(environment, variables, None, {}, globals=environment.globals)


FIRST = {
    None: lambda variables: [],
    "environment": lambda variables: [TEMPLAR.environment],
    "context": lambda variables: [context(variables)],
    "eval_context": lambda variables: [context(variables).eval_ctx],
}


@operation
def lookup(name, terms, named, folder):
    """What a lookup finds."""
    with seeing(folder) as variables:
        found = plugins.lookup_loader.get(name, loader=LOADER, templar=mine())
        if found is None:
            raise Refused("there is no lookup `%s`" % name)
        with calling(found):
            return result(lambda: listed(found.run(heard(terms), variables=variables, **heard(named))))


def mine():
    return Templar._from_template_engine(TEMPLAR._engine) if MARKS else TEMPLAR


def calling(found):
    return JinjaCallContext(accept_lazy_markers=found.accept_lazy_markers) if MARKS else contextlib.nullcontext()


def listed(found):
    if not isinstance(found, (list, tuple)) and (isinstance(found, (str, bytes)) or not hasattr(found, "__getitem__")):
        raise TypeError("it gave %s instead of a list" % type(found).__name__)
    return list(found)


def result(act):
    """What a plugin gives, or what it says is wrong; a value that is missing is told from all else."""
    try:
        value = act()
        if MARKS and isinstance(value, CapturedExceptionMarker):
            raise value._as_exception()
        return {"value": told(value)}
    except Exception as error:
        cause = root(error)
        of = next((number for number, own in MISSING.items() if own is getattr(error, "source", None)), None)
        return {"wrong": words(cause), "undefined": of, "missing": isinstance(cause, (AnsibleUndefinedVariable, UndefinedError))}


def root(error):
    """What a plugin raised, without what Ansible wraps around it."""
    while type(error).__name__.startswith("AnsibleTemplatePlugin") and error.__cause__ is not None:
        error = error.__cause__
    return error
