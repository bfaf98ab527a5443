"""Templates and expressions see data and change nothing."""

from __future__ import annotations

import collections
import glob
import os
import pathlib
import random
import tracemalloc
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from jupyter_latents import Latents
from jupyter_latents.errors import ScriptError, StoppedError
from jupyter_latents.latents.sequence import LatentsSequence
from jupyter_latents.stage import Prompt, Size
from jupyter_latents.syntax import Environment, Script


def printed(text: str, /, **kernel: object) -> str:
    said: list[str] = []
    list(Script(f"\\print {text}").invocations(Environment(environ={}, kernel=kernel, print=said.append)))
    return said[0]


def setp(text: str, /, **kernel: object) -> object:
    environment = Environment(environ={}, kernel=kernel)
    list(Script(f"\\setp value {text}").invocations(environment))
    return environment.names["value"]


class RanError(Exception):
    """User code ran."""


class Spy:
    """User code everywhere."""

    def run(self, *_: object) -> str:
        raise RanError

    __str__ = __repr__ = __format__ = __html__ = __len__ = __iter__ = __bool__ = __eq__ = __hash__ = run  # type: ignore[assignment]
    __getattr__ = __getitem__ = __call__ = __add__ = __mul__ = __contains__ = __lt__ = __int__ = run


class SpyList(list[Any]):
    """A list with methods of its own."""

    def __iter__(self) -> Any:
        raise RanError

    def __str__(self) -> str:
        raise RanError


DATA = {
    "latents": Latents(torch.zeros(1, 4, 8, 8)),
    "sequence": LatentsSequence((Latents(torch.zeros(1, 4, 8, 8)),), ("one",)),
    "picture": Image.new("RGB", (8, 8)),
    "tensor": torch.ones(2, 2),
    "array": np.ones((2, 2)),
    "scalar": np.float32(2),
    "text": "a b",
    "todo": ["a", "b", "c"],
    "table": {"pop": 1, "k": [1, 2]},
    "some": {1, 2},
    "path": pathlib.Path("a") / "b.png",
    "prompt": Prompt("cat", "dog"),
    "size": Size(8, 16),
}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("latents.shape", "[1, 4, 8, 8]"),
        ("latents.at is defined", "True"),
        ("sequence.label(0)", "one"),
        ("sequence[0].size", "[64, 64]"),
        ("picture.size", "[8, 8]"),
        ("picture.resize((4, 4)).width", "4"),
        ("tensor.mean().item()", "1.0"),
        ("tensor[0].sum().item()", "2.0"),
        ("array.mean()", "1.0"),
        ("scalar + 1", "3.0"),
        ("text.upper()", "A B"),
        ("'{0:.>4}'.format(text)", ".a b"),
        ("todo.index('b')", "1"),
        ("table.k[1] + table['pop']", "3"),
        ("table.pop", "1"),
        ("table.items()|list|length", "2"),
        ("2 in some", "True"),
        ("path.stem", "b"),
        ("prompt.positive", "cat"),
        ("size.width * 2", "16"),
        ("todo|map('upper')|join(',')", "A,B,C"),
        ("todo|attr('count')('a')", "1"),
        ("[1, 2]|sum", "3"),
    ],
)
def test_data_and_its_reading_methods_are_seen(text: str, shown: str) -> None:
    assert printed(f"{{{{ {text} }}}}", **DATA) == shown


@pytest.mark.parametrize(
    "text",
    [
        "pathlib.os.system('x')",
        "pathlib",
        "pathlib is defined",
        "spy",
        "spy.x",
        "spy[0]",
        "spy + 1",
        "1 + spy",
        "spy()",
        "spy ~ ''",
        "spy|string",
        "spy == 1",
        "spies",
        "spies[0]",
        "nested",
        "nested.a",
        "kind",
        "kind.x",
        "function",
        "function()",
        "opened.read()",
        "spylist",
        "spylist|list",
        "objects",
        "objects.tolist()",
        "default['x']",
        "named.x",
    ],
)
def test_what_is_no_data_is_refused_before_its_code_runs(text: str) -> None:
    spy = Spy()
    kernel = {
        "pathlib": pathlib,
        "spy": spy,
        "spies": [spy],
        "nested": {"a": (1, [spy])},
        "kind": Spy,
        "function": lambda: 1 / 0,
        "spylist": SpyList([1]),
        "objects": np.array([None, {}], dtype=object),
        "default": collections.defaultdict(spy.run),
        "named": collections.namedtuple("Pair", "x")(1),  # noqa: PYI024
    }
    with pathlib.Path(__file__).open(encoding="utf-8") as opened:
        with pytest.raises(ScriptError, match=r"'\w+' is a .* a template cannot see. Templates see data only"):
            printed(f"{{{{ {text} }}}}", opened=opened, **kernel)
        if not any(mark in text for mark in ("~", "|", "is defined")):
            with pytest.raises(ScriptError, match="a template cannot see"):
                setp(text, opened=opened, **kernel)


@pytest.mark.parametrize(
    "text",
    [
        "todo.pop(0)",
        "todo.append(1)",
        "todo.sort()",
        "table.update({})",
        "table.popitem()",
        "some.add(3)",
        "tensor.add_(1)",
        "tensor.__setitem__(0, 1)",
        "tensor.share_memory_()",
        "tensor.numpy()",
        "tensor.normal_()",
        "tensor.data",
        "array.tofile('x')",
        "array.sort()",
        "array.fill(0)",
        "array.mean(out=array)",
        "array.sum(0, None, array)",
        "latents.save('x.pt')",
        "latents.decode()",
        "latents.load('x.pt')",
        "picture.save('x.png')",
        "picture.show()",
        "picture.thumbnail((2, 2))",
        "path.write_text('x')",
        "path.unlink()",
        "text.__class__",
        "latents.__class__",
    ],
)
def test_nothing_is_changed_written_or_run(text: str) -> None:
    for read in (lambda: printed(f"{{{{ {text} }}}}", **DATA), lambda: setp(text, **DATA)):
        with pytest.raises(ScriptError) as caught:
            read()
        assert any(word in caught.value.message for word in ("out of reach", "unsafe", "private"))
    assert DATA["todo"] == ["a", "b", "c"]
    assert DATA["table"] == {"pop": 1, "k": [1, 2]}


def test_a_refusal_says_what_is_allowed_and_what_to_do() -> None:
    with pytest.raises(ScriptError, match=r"'.pop' of a list.*allowed: copy, count, index.*in a Python cell first"):
        printed("{{ todo.pop(0) }}", todo=["a"])


def test_the_list_of_injected_words_is_the_scripts_own() -> None:
    environment = Environment(environ={}, injected_args=["--a", "--b"], print=lambda _: None)
    text = "\\set _ {{ injected_args.remove('--a') }}\n\\setp _ injected_args.append('--c')"
    list(Script(text).invocations(environment))
    assert environment.injected_args == ["--b", "--c"]


def test_templates_draw_nothing_at_random_but_seeds() -> None:
    state = random.getstate()
    with pytest.raises(ScriptError, match="random"):
        printed("{{ [1, 2]|random }}")
    environment = Environment(environ={}, random_seed=lambda: 7)
    list(Script("\\setp seeds gen_seeds(2)").invocations(environment))
    assert environment.names["seeds"] == ["7", "7"]
    assert random.getstate() == state


@pytest.mark.parametrize(
    "text",
    [
        "{% set many = range(9999) %}{% for a in many %}{% for b in many %}{% endfor %}{% endfor %}",
        "{% macro twice(n) %}{% if n %}{{ twice(n - 1) }}{{ twice(n - 1) }}{% endif %}{% endmacro %}{{ twice(40) }}",
        "\\setp x [0 for a in range(300) for b in range(300)]",
    ],
)
def test_loops_without_output_hear_a_stop(text: str) -> None:
    calls = 0

    def check() -> None:
        nonlocal calls
        calls += 1
        if calls == 2_000:
            raise StoppedError("stopped")

    with pytest.raises(StoppedError):
        list(Script(text).invocations(Environment(environ={}, check=check)))


@pytest.mark.parametrize("text", ["'a'.zfill(10**9)", "'a'|center(10**9)", "[1]|batch(10**9, 0)|list", "'a' * 10**9"])
def test_nothing_large_is_made_by_a_number(text: str) -> None:
    with pytest.raises(ScriptError, match="longer than 100000 is refused"):
        printed(f"{{{{ {text} }}}}")


def test_the_length_of_a_loop_is_known() -> None:
    assert printed("{% for a in [1, 2] %}{{ loop.length }}{{ loop.last }} {% endfor %}") == "2False 2True"


@pytest.mark.parametrize(
    "text",
    [
        "'%1000000000d' % 1",
        "'%*d' % (1000000000, 1)",
        "'%.1000000000f' % 1.5",
        "'%1000000000d'|format(1)",
        "'{:1000000000}'.format(1)",
        "'{:{w}}'.format(1, w=1000000000)",
        "'{a:1000000000}'.format_map({'a': 1})",
        "('a' * 1000).replace('a', 'b' * 10000)",
        "('a' * 1000)|replace('a', 'b' * 10000)",
        "'a'.replace('', 'b' * 99999).replace('b', 'c' * 999)",
        "('b' * 1000).join(['x'] * 10000)",
        "(['x'] * 10000)|join('b' * 1000)",
        "(['a' * 99999] * 20)|join",
        "('a' * 99999).translate({97: 'b' * 999})",
        "('\\t' * 9999).expandtabs(99999)",
        " ~ ".join(["'a' * 99999"] * 11),
        "1.5|round(1000000000)",
        "round(5, -1000000000)",
        "[1]|slice(1000000000)|list",
        "{'a': 1}|tojson(indent=1000000000)",
        "'a'|indent(1000000000)",
        "['a']|map('center', 1000000000)|list",
        "(10 ** 300) ** 300",
        "[[' ' * 99999] * 1000]",
        "[([[0] * 1000] * 1000)]|tojson",
        "([[0] * 1000] * 1000) == ([[0] * 1000] * 1000)",
        "([[0] * 1000] * 1000)|string",
        "([[0] * 10] * 9999)|sum(start=[])",
        "wide * tall",
        "wide - tall",
    ],
)
def test_what_would_take_all_memory_is_refused_before(text: str) -> None:
    wide, tall = np.ones((1, 9000)), np.ones((9000, 1))
    tracemalloc.start()
    try:
        with pytest.raises(ScriptError, match=r"longer than|more than 1000 digits|(is|are) refused|too many"):
            printed(f"{{{{ {text} }}}}", wide=wide, tall=tall)
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()


def test_lists_within_lists_are_counted_as_often_as_they_stand() -> None:
    doubled = "\\setp x [0]\n" + "\\setp x [x, x]\n" * 60
    with pytest.raises(ScriptError, match="more than 1000000 items in all"):
        list(Script(doubled + "\\print {{ x }}").invocations(Environment()))
    assert printed("{{ [[1, 2], [3]]|sum(start=[]) }}{{ [1, 2]|sum }}{{ [{'a': 2}]|sum('a', 5) }}") == "[1, 2, 3]37"


def test_a_module_of_the_notebook_hides_no_library_of_scripts() -> None:
    assert printed("{{ os.path.join('a', 'b') }} {{ glob.glob('./*.nothing') }}", os=os, glob=glob) == "a/b []"


@pytest.mark.parametrize("step", ["a + a", "a ~ a", "[a, a]|join", "'%s%s' % (a, a)", "'{}{}'.format(a, a)"])
def test_a_text_that_doubles_line_by_line_ends(step: str) -> None:
    script = "{% set a = 'xx' %}\n" + "".join(f"{{% set a = {step} %}}\n" for _ in range(40))
    with pytest.raises(ScriptError, match="longer than"):
        list(Script(script).invocations(Environment()))


@pytest.mark.parametrize("step", ["a + a", "a.replace('x', 'xx')", "a.join([a, a])"])
def test_an_expression_that_doubles_line_by_line_ends(step: str) -> None:
    script = "\\setp a 'xx'\n" + f"\\setp a {step}\n" * 40
    with pytest.raises(ScriptError, match="longer than"):
        list(Script(script).invocations(Environment()))
