"""What templates and expressions see: data, and methods that read it. A table says which, by type; the rest is refused.

A type counts by its exact class, so that no code of a notebook runs unasked: a list's heir with methods of its own is
no list here. Classes of torch, numpy and Pillow are known by their names, as this room imports none of them.
"""

from __future__ import annotations

import dataclasses
import math
import sys
import types
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from jinja2 import runtime

from jupyter_latents.errors import ScriptError, nearest
from jupyter_latents.wording import kind_of

from .kinds import HEIRS, INSIDE, NAMED, PYTHON
from .libraries import Library
from .limits import LIMIT, check_format, check_text
from .promises import Drawn, Promise
from .veiled import Veiled

__all__ = ["Seen", "admit", "attribute", "check_call", "check_name", "check_width", "lacks", "names_of"]

_COUNT = 1_000_000
"""Most items of a value that are looked through."""

_OWN_LIST = frozenset({"append", "extend", "insert", "pop", "remove", "clear", "reverse", "sort", "count", "index"})
_WIDTHS = frozenset({"center", "expandtabs", "ljust", "rjust", "zfill"})
_METHODS = (types.MethodType, types.BuiltinMethodType)
_TEMPLATES_OWN = (runtime.Macro, runtime.LoopContext)
_SEEN = (
    "Templates see data only: latents, pictures, tensors, arrays, numbers, texts, paths, dates, and lists, tuples, "
    "sets and dicts of these. Make the value in a Python cell first, and name that."
)


def _full_name(kind: type) -> str:
    """Module and name of a class, if the module really has it there."""
    module, name = getattr(kind, "__module__", ""), kind.__qualname__
    return f"{module}.{name}" if getattr(sys.modules.get(module), name, None) is kind else ""


def _fields(kind: type) -> frozenset[str] | None:
    """Fields and properties of one of this package's frozen values."""
    parameters = getattr(kind, "__dataclass_params__", None)
    if not _full_name(kind).startswith("jupyter_latents.") or parameters is None or not parameters.frozen:
        return None
    names = [field.name for field in dataclasses.fields(kind)]
    names += [name for name in dir(kind) if isinstance(getattr(kind, name, None), property)]
    return frozenset(name for name in names if not name.startswith("_"))


def _split(table: Mapping[Any, str]) -> dict[Any, frozenset[str]]:
    return {key: frozenset(names.split()) for key, names in table.items()}


_OWN_TYPES = _split({**PYTHON, **INSIDE})
_OTHER_TYPES = _split(NAMED)
_VEILED = _OTHER_TYPES[f"{Veiled.__module__}.{Veiled.__qualname__}"]


def names_of(kind: type) -> frozenset[str] | None:
    """The attributes of a class that templates may read; None where they cannot see its values.

    Args:
        kind: The exact class of a value.
    """
    if kind in _OWN_TYPES:
        return _OWN_TYPES[kind]
    name = _full_name(kind)
    if name in _OTHER_TYPES:
        return _OTHER_TYPES[name]
    for base in kind.__mro__[1:]:
        home = HEIRS.get(_full_name(base))
        if home and name.startswith(home):
            return _OTHER_TYPES[_full_name(base)]
    return _fields(kind)


def _parts(value: Any) -> Iterable[Any]:
    kind = type(value)
    if kind in (list, tuple, set, frozenset, deque):
        return value  # type: ignore[no-any-return]
    return [*value.keys(), *value.values()] if kind in (dict, OrderedDict, Counter) else ()


def _strange(value: Any) -> Any:
    """The first part of a value that templates cannot see, in a list of its own; None where all is data."""
    waiting, known, count = [value], set(), 0
    while waiting:
        part = waiting.pop()
        kind, count = type(part), count + 1
        numbers = getattr(part, "dtype", None) if _full_name(kind) == "numpy.ndarray" else None
        if names_of(kind) is None or kind in INSIDE or getattr(numbers, "hasobject", False) or count > _COUNT:
            return [part]
        if id(part) not in known:
            known.add(id(part))
            waiting.extend(_parts(part))
    return None


def _a(value: object) -> str:
    """What a value is, for messages; classes of other libraries with their module."""
    kind = type(value)
    if kind is types.ModuleType or kind is Veiled:
        return "a module" if kind is types.ModuleType else "a text"
    if kind.__module__ == "builtins" or kind.__module__.startswith("jupyter_latents."):
        return kind_of(value)
    return f"a {kind.__module__}.{kind.__qualname__}"


def lacks(value: object, name: object) -> str:
    """That a value has no attribute or item, and what to take instead.

    Args:
        value: The value.
        name: An attribute or key; a number or a slice for an item.
    """
    what = _a(value)
    if isinstance(name, str):
        known = names_of(type(value)) or ()
        several = "; take one of its items first, such as NAME[0]" if {"count", "index"} <= set(known) else ""
        return f"{what} has no '{name}'{nearest(name, known) or several}"
    if what == "Latents":
        return "Latents are one value without items; take .split()[0] of a batch, .at(step=2) of its steps"
    return f"{what} has no {'slices' if isinstance(name, slice) else f'item {name!r}'}"


def admit(value: object, name: str) -> object:
    """Returns a value of the notebook that templates may see.

    Args:
        value: The value.
        name: Its name.

    Raises:
        ScriptError: It is no data, or holds what is none.
    """
    strange = _strange(value)
    if strange is not None:
        what = "is" if strange[0] is value else f"is {_a(value)} that holds"
        raise ScriptError(f"'{name}' {what} {_a(strange[0])}, which a template cannot see. {_SEEN}")
    return value


def attribute(value: Any, name: str, own: object = None) -> Any:
    """An attribute of a value, if templates may read it.

    Args:
        value: The value.
        name: The attribute.
        own: A list that belongs to the script, which may change it.

    Raises:
        AttributeError: There is none of this name.
        ScriptError: It changes the value, writes, runs something, or is not known to do none of these.
    """
    if isinstance(value, Promise) and not (isinstance(value, Drawn) and name in {"strip", "lstrip", "rstrip"}):
        value = admit(value.look(), value.name)
    if isinstance(value, Library):
        return value.look(name)
    if isinstance(value, Veiled) and name not in _VEILED and hasattr(str, name):
        value.refuse(f"'.{name}'")
    names = _OWN_LIST if value is own and own is not None else names_of(type(value))
    if names is None:
        raise ScriptError(f"'.{name}' is asked of {_a(value)}, which a template cannot see. {_SEEN}")
    if name not in names and hasattr(type(value), name):
        allowed = f"allowed: {', '.join(sorted(names))}" if names else "nothing of it can be called or read"
        raise ScriptError(
            f"'.{name}' of {_a(value)} is out of reach: templates read and change nothing; {allowed}. "
            "Make the value in a Python cell first, and name that."
        )
    if name not in names:
        raise AttributeError(name)
    return getattr(value, name)


_OTHERS = {
    "last_seed": "bind the result, --into base, and write {{ base.provenance.seed }}",
    "path": "use basename(), dirname() and abspath()",
    "saved_modules": "models are cached and share their parts without it",
}


def check_name(name: str) -> None:
    """Checks that a name which is not there is none of dgenerate's.

    Args:
        name: The name.

    Raises:
        ScriptError: It is.
    """
    if name in _OTHERS:
        raise ScriptError(f"'{name}' is dgenerate's and is not here: {_OTHERS[name]}.")


def check_width(arguments: Iterable[Any]) -> None:
    """Checks the width, or count, that a method or filter fills up to.

    Args:
        arguments: What it is called with.

    Raises:
        ScriptError: It is too large, or no number that can be reached: Python wraps lines without end at NaN.
    """
    numbers = [one for one in arguments if isinstance(one, (int, float))]
    if not all(math.isfinite(one) for one in numbers if isinstance(one, float)):
        raise ScriptError("A width or count is a finite number; give one.")
    if any(isinstance(one, int) and one > LIMIT for one in numbers):
        raise ScriptError(f"A text or list longer than {LIMIT} is refused; give a smaller number.")


def check_call(
    function: Any, arguments: Iterable[Any], keywords: Mapping[str, Any], language: Iterable[Any]
) -> list[Any]:
    """Checks that a template may call `function` so.

    Args:
        function: What is called.
        arguments: By place.
        keywords: By name.
        language: The functions of the language.

    Returns:
        The arguments by place; a series that a method of a text takes is a list.

    Raises:
        ScriptError: It is no function of the language and no reading method, or it would write into an argument.
    """
    owner, kind = getattr(function, "__self__", None), type(function)
    method = kind in _METHODS and names_of(type(owner)) is not None
    wrapped = getattr(function, "__wrapped__", None)
    text_format = type(wrapped) in _METHODS  # Jinja's own, for str.format
    known = method or text_format or kind in _TEMPLATES_OWN or any(function is known for known in language)
    if not known:
        what = _a(function)
        text = f"{what[0].upper()}{what[1:]} cannot be called here; methods and the language's functions can. {_SEEN}"
        raise ScriptError(text)
    given = list(arguments)
    if isinstance(owner, str):
        given = _bounded(owner, function.__name__, given)
    elif text_format:
        _format(getattr(wrapped, "__self__", ""), [*given, *keywords.values()])
    array = _full_name(type(owner)) == "numpy.ndarray"
    written = array and any(_full_name(type(given)) == "numpy.ndarray" for given in (*arguments, *keywords.values()))
    if "out" in keywords or written:
        raise ScriptError("A method that writes into its argument is out of reach: templates change nothing.")
    return given


def _bounded(owner: str, name: str, given: list[Any]) -> list[Any]:
    """The arguments of a method of a text, after a check of how long a text it makes."""
    if name in _WIDTHS:
        check_width(given)
    if name == "join" and given and isinstance(given[0], Iterable):
        given = [list(given[0]), *given[1:]]
    try:
        check_text(owner, name, given)
    except ValueError as error:
        raise ScriptError(f"'.{name}': {error}.") from error
    return given


def _format(text: Any, values: list[Any]) -> None:
    """Checks the widths of ``'...'.format(...)``."""
    flat = [item for value in values for item in (value.values() if isinstance(value, dict) else (value,))]
    try:
        check_format(str(text), flat)
    except ValueError as error:
        raise ScriptError(f"'.format': {error}.") from error


class Seen(Mapping[str, Any]):
    """Names as templates see them: the script's own first, then the language's, then data of the notebook.

    Args:
        own: The script's names and the language's functions.
        kernel: The notebook's variables.
        veiled: Gives texts as templates may see them.
    """

    def __init__(
        self, own: Mapping[str, Any], kernel: Mapping[str, Any], veiled: Callable[[str], object] = lambda text: text
    ) -> None:
        self.own, self.kernel, self._veiled = own, kernel, veiled

    def __getitem__(self, name: str) -> Any:
        if name in self.own:
            value = self.own[name]
            return self._veiled(value) if isinstance(value, str) else self._made(value, name)
        return self._made(admit(self.kernel[name], name), name)

    def _made(self, value: Any, name: str) -> Any:
        return admit(value.value, name) if isinstance(value, Promise) and value.made else value

    def __contains__(self, name: object) -> bool:
        return name in self.own or name in self.kernel

    def __iter__(self) -> Iterator[str]:
        yield from self.own
        yield from (name for name in self.kernel if name not in self.own)

    def __len__(self) -> int:
        return sum(1 for _ in self)
