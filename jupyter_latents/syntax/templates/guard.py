"""What filters, tests and functions may be given of the environment's values, and what is said where one fails."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from types import GeneratorType
from typing import Any

from jinja2 import UndefinedError, runtime

from jupyter_latents.errors import JupyterLatentsError, ScriptError

from .kinds import ITERATORS
from .limits import check_length, percent
from .veiled import Veiled, names_within, read, refuse

__all__ = ["check_arguments", "join_texts", "modulo", "name_of", "our_error", "result_of", "safe_filter", "safe_test"]

# Filters that put texts together, or hand values on without a look at what is in them.
_UNSEEING = {"join", "string", "trim", "quote", "default", "d", "str"}
# Filters and functions whose answer is a number or a truth value.
_QUESTIONS = {"int", "float", "len", "length", "count", "bool"}
# Those that work on lists: a text's letters they cannot reach, since a value has none to give.
_OF_LISTS = {
    "all", "any", "batch", "dict", "enumerate", "first", "frozenset", "items", "last", "list", "map", "reject",
    "rejectattr", "reverse", "reversed", "select", "selectattr", "set", "slice", "sum", "tuple", "zip",
}  # fmt: skip
_FUNCTIONS = _UNSEEING | _QUESTIONS | _OF_LISTS | {
    "basename", "dirname", "format_prompt", "max", "min", "sorted",
}  # fmt: skip
_COMPARING = {"get", "count", "index"}
_OWN_LIST = {"append", "extend", "insert", "remove", "count", "index"}
_LONG = 25
"""Defaults that make a parameter longer than this are not told."""
_UNSEEING_TESTS = {"defined", "undefined", "none", "sameas", "callable", "boolean", "integer", "float", "number"}
_INTERNAL = re.compile(r"\b(?:do|sync_do|test)?_\w+\(\)\s*|Sandbox\.\S+\(\)\s*| or have an __index__ method")
_METHOD = re.compile(r"type (\w+) doesn't define __(\w+)__ method")


def name_of(function: Any) -> str:
    """What scripts call a function."""
    name: str = getattr(function, "__name__", "this").lstrip("_")
    return {"rounded": "round", "power": "pow"}.get(name, name)


def our_error(what: str, function: Callable[..., Any], error: Exception) -> JupyterLatentsError:
    """One of our errors for what a filter, test or function raised.

    Args:
        what: How the script names it, ``'|truncate'`` or ``'range()'``.
        function: What it is.
        error: What it raised.
    """
    if isinstance(error, JupyterLatentsError):
        return error
    reason = _METHOD.sub(r"a \1 has no '\2'", _INTERNAL.sub("", str(error))).strip().rstrip(".") or type(error).__name__
    return ScriptError(f"{what} cannot work with what it is given: {reason}.{_usage(function)}")


@contextmanager
def _errors_of(what: str, function: Callable[..., Any]) -> Iterator[None]:
    """Errors of a filter, test or function are ours; a name that stands for nothing is told by who asked for it."""
    try:
        yield
    except UndefinedError:
        raise
    except Exception as error:
        raise our_error(what, function, error) from error


def _usage(function: Callable[..., Any]) -> str:
    """How a function is written, where that can be known."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return " Give it other values."
    if hasattr(function, "jinja_pass_arg"):
        del parameters[0]
    shown = (str(one.replace(annotation=inspect.Parameter.empty)) for one in parameters)
    return f" It takes ({', '.join(text if len(text) < _LONG else text.split('=')[0] for text in shown)})."


def safe_filter(name: str, function: Callable[..., Any], seen: Callable[[Any], Any]) -> Callable[..., Any]:
    """A filter that takes no value of the environment apart, and whose errors are ours.

    Args:
        name: Of the filter.
        function: The filter.
        seen: Gives a value as templates see it.
    """
    skipped = 1 if hasattr(function, "jinja_pass_arg") else 0
    what = f"'|{name}'"

    @wraps(function)
    def run(*arguments: Any, **keywords: Any) -> Any:
        given = [*arguments[:skipped], *map(seen, arguments[skipped:])]
        named = {key: seen(value) for key, value in keywords.items()}
        value, others = (given[skipped], given[skipped + 1 :]) if len(given) > skipped else (None, [])
        if isinstance(value, Veiled) and name in {"trim", "int"} and (others or named):
            _check_options(name, value, others, named)
        if name == "trim" and isinstance(value, Veiled):
            return value.strip()
        if name not in _UNSEEING | _QUESTIONS | _OF_LISTS | {"format_prompt", "basename", "dirname"}:
            given, named = [_listed(one) for one in given], {key: _listed(one) for key, one in named.items()}
            names = names_within([*given[skipped:], *named.values()])
            if names:
                refuse(names, what)
        with _errors_of(what, function):
            result = function(*given, **named)
        return result_of(result, what, function, seen)

    return run


def _check_options(name: str, value: Veiled, others: list[Any], named: Mapping[str, Any]) -> None:
    """Refuses what the options of a filter would make of a value: letters taken away, another base of numbers."""
    base = [*others[1:], *[given for key, given in named.items() if key == "base"]]
    if name == "trim" or base:
        value.refuse(f"'|{name}' with {'characters' if name == 'trim' else 'a base'}")


def _listed(value: Any) -> Any:
    """A series as a list, so that it can be looked through; anything else as it is."""
    return list(value) if type(value) in (GeneratorType, *ITERATORS) else value


def result_of(result: Any, what: str, function: Callable[..., Any], seen: Callable[[Any], Any]) -> Any:
    """What a filter or function gives, as templates see it; errors of what it makes one by one are ours, too."""
    return _turns(result, what, function, seen) if isinstance(result, GeneratorType) else seen(result)


def _turns(items: Iterable[Any], what: str, function: Callable[..., Any], seen: Callable[[Any], Any]) -> Iterator[Any]:
    """What a filter makes one by one; its errors are ours."""
    with _errors_of(what, function):
        for item in items:
            yield seen(item)


def safe_test(name: str, function: Callable[..., Any], seen: Callable[[Any], Any]) -> Callable[..., Any]:
    """A test, which may look into values of the environment: it answers yes or no.

    Args:
        name: Of the test.
        function: The test.
        seen: Gives a value as templates see it.
    """
    skipped = 1 if hasattr(function, "jinja_pass_arg") else 0

    @wraps(function)
    def run(*arguments: Any, **keywords: Any) -> bool:
        given = list(arguments)
        if name not in _UNSEEING_TESTS:
            given[skipped:] = [read(seen(value)) for value in given[skipped:]]
            keywords = {key: read(seen(value)) for key, value in keywords.items()}
        with _errors_of(f"'is {name}'", function):
            return bool(function(*given, **keywords))

    return run


def check_arguments(function: Any, arguments: Iterable[Any], keywords: Mapping[str, Any], own: object = None) -> None:
    """Checks that a function takes no value of the environment apart.

    Args:
        function: What is called.
        arguments: By place.
        keywords: By name.
        own: The list that belongs to the script.

    Raises:
        ScriptError: It would.
    """
    given = [*arguments, *keywords.values()]
    names = names_within(given)
    if not names or isinstance(function, (runtime.Macro, runtime.LoopContext)):
        return
    name, owner = name_of(function), getattr(function, "__self__", None)
    method = owner is not None and not inspect.ismodule(owner)
    if owner is own and own is not None:
        allowed = name in _OWN_LIST
    elif isinstance(owner, (runtime.LoopContext, Veiled)):
        allowed = True
    elif isinstance(owner, str):
        allowed = name == "join"
    elif isinstance(owner, (Mapping, list, tuple)):
        allowed = name in _COMPARING
    else:
        allowed = name in _FUNCTIONS and (name != "int" or len(given) == 1)
        method = method and not allowed
    if not allowed:
        refuse(names, f"'.{name}'" if method else f"'{name}()'")


def modulo(left: Any, right: Any) -> Any:
    """The rest of a division, or values in a text by ``%``.

    Raises:
        ScriptError: One is a value of the environment.
    """
    names = names_within(right) if isinstance(left, str) else []
    return refuse(names, "'%'") if names else percent(left, right)


def join_texts(owner: str, items: Iterable[Any]) -> str:
    """Texts, some of them values of the environment, with another between them."""
    texts = [str(item) if isinstance(item, Veiled) else item for item in items]
    check_length(sum(len(text) + len(owner) for text in texts if isinstance(text, str)))
    return owner.join(texts)
