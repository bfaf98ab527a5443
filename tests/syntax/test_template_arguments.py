"""Whatever a filter, test or function of templates is given, it works or says in our words what it takes."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import pytest
from jinja2 import UndefinedError

from jupyter_latents.errors import ScriptError
from jupyter_latents.syntax import Environment, Script
from jupyter_latents.syntax.templates.sandbox import Sandbox

SANDBOX = Sandbox(Environment(environ={}))
CONTEXT = SANDBOX.from_string("").new_context()
FILTERS = sorted(name for name in SANDBOX.filters if name.isidentifier())
TESTS = sorted(name for name in SANDBOX.tests if name.isidentifier())
FUNCTIONS = Environment(environ={}).functions

ANYTHING: tuple[Any, ...] = (
    "a b", "", "%s {} \x00 \ud800", 3, 0, -1, 10**30, 1.5, math.nan, -math.inf, 2j, None, True, b"x", [1, "a", None],
    ["b", "a"], [[1], {"a": 2}], (1, 2), {"a": 1, 2: "b"}, {1, "a"}, range(3),
)  # fmt: skip
RAW = re.compile(r"Error:|Traceback|\b(?:do|sync_do|test)_\w+|\bat 0x|__\w+__|Veiled|Promise|9223372036854775807")


def arguments() -> Iterator[tuple[tuple[Any, ...], dict[str, Any]]]:
    """None, one, two and three by place, some by name."""
    yield (), {}
    for one in ANYTHING:
        yield (one,), {}
        yield (one, one), {}
        yield (3, one), {}
        yield ("a", one, one), {}
    yield (1, 2, 3, 4, 5, 6, 7), {}
    yield (), {"nosuch": 1}


GIVEN = tuple(arguments())
EACH = [(value, *given) for value in ANYTHING for given in GIVEN]
SOME = [(value, *given) for shift in (0, 5) for value, given in zip(ANYTHING * 5, GIVEN[shift:], strict=False)]


def said(call: Callable[[], Any]) -> str:
    """The error of a call; empty where it works."""
    try:
        result = call()
        if isinstance(result, Iterator):
            list(islice(result, 1000))
    except UndefinedError:
        return ""
    except ScriptError as error:
        return error.message
    return ""


def check(call: Callable[[], Any]) -> None:
    """What a call says is ours, and reads so."""
    text = said(call)
    assert not RAW.search(text), text
    assert not text or text.endswith((".", "?")), text


def check_all(call: Callable[..., Any], name: str, cases: list[Any]) -> None:
    for value, given, named in cases:
        check(lambda given=given, named=named, value=value: call(name, value, given, named, CONTEXT))  # type: ignore[misc]


@pytest.mark.parametrize("name", FILTERS)
def test_a_filter_works_or_says_what_it_takes(name: str) -> None:
    check_all(SANDBOX.call_filter, name, SOME)


@pytest.mark.parametrize("name", TESTS)
def test_a_test_works_or_says_what_it_takes(name: str) -> None:
    check_all(SANDBOX.call_test, name, SOME)


@pytest.mark.slow
def test_every_filter_and_test_works_with_anything_or_says_what_it_takes() -> None:
    for name in FILTERS:
        check_all(SANDBOX.call_filter, name, EACH)
    for name in TESTS:
        check_all(SANDBOX.call_test, name, EACH)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_works_or_says_what_it_takes(name: str) -> None:
    for given, named in GIVEN:
        check(lambda given=given, named=named: SANDBOX.call(CONTEXT, SANDBOX._functions[name], *given, **named))  # type: ignore[misc]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("\\print {{ 'a b c d e'|truncate(5, true, '...', 0) }}", "a ..."),
        ("\\print {{ 'a b'|wordwrap(1) }}", "a\nb"),
        ("\\print {{ {'a': 1}|tojson }}", '{"a": 1}'),
    ],
)
def test_filters_that_ask_for_jinja_itself_work(line: str, said: str) -> None:
    printed: list[str] = []
    list(Script(line).invocations(Environment(environ={}, print=printed.append)))
    assert printed == [said]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("\\print {{ 'a'|truncate('x') }}", r"'\|truncate' cannot work with what it is given: .* It takes \(s, length"),
        ("\\print {{ 'a'|wordwrap(0) }}", r"'\|wordwrap' cannot work with what it is given: invalid width 0"),
        ("\\print {{ [range(2)]|tojson }}", r"'\|tojson' cannot work with what it is given: .* not JSON serializable"),
        ("\\print {{ range('x') }}", r"'range\(\)' cannot work with what it is given"),
        ("\\print {{ 1 is divisibleby 0 }}", r"'is divisibleby' cannot work with what it is given"),
        ("\\setp x round('a')", r"'round\(\)' cannot work with what it is given"),
        ("\\print {{ 'a'|upper(1, 2) }}", r"'\|upper' cannot work with what it is given: .* It takes \(s\)"),
    ],
)
def test_the_error_names_what_was_used_and_how_it_is_written(line: str, message: str) -> None:
    with pytest.raises(ScriptError, match=message):
        list(Script(line).invocations(Environment(environ={}, print=lambda _: None)))


def test_no_width_is_without_end() -> None:
    """Python's textwrap goes on forever at a width of NaN; a stop was not heard."""
    for name in ("wordwrap", "indent", "center", "truncate", "batch", "slice"):
        for number in (math.nan, math.inf, -math.inf):
            assert "finite number" in said(lambda name=name, number=number: SANDBOX.call_filter(name, "a b", (number,)))
