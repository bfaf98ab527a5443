r"""What ``\setp`` evaluates."""

from __future__ import annotations

import pytest

from jupyter_latents.errors import ScriptError
from jupyter_latents.syntax.templates.expression import evaluate
from jupyter_latents.syntax.templates.functions import FUNCTIONS


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1 + 2 * 3", 7),
        ("-2 ** 2 // 3", -2),
        ("[n * 2 for n in range(4) if n % 2]", [2, 6]),
        ("{k: v for k, v in [(1, 2)]}", {1: 2}),
        ("'a' if 1 < 2 <= 2 else 'b'", "a"),
        ("not 1 or 0 and 3", 0),
        ("[1, 2, 3][-2:]", [2, 3]),
        ("'a,b'.split(',')[0].upper()", "A"),
        ("max(*[1, 2], 3)", 3),
        ("round(0.1 + 0.2, 3)", 0.3),
        ("x['k'] + sum(x['v'])", 13),
        ("(1, *(2, 3))", (1, 2, 3)),
        ("{1, 2} & {2}", {2}),
        ("'b' in 'abc' and 4 not in [1]", True),
        ("sorted({s for s in 'ba'})", ["a", "b"]),
    ],
)
def test_expressions_have_their_python_value(text: str, expected: object) -> None:
    assert evaluate(text, {**FUNCTIONS, "x": {"k": 10, "v": [1, 2]}}) == expected


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os')",
        "open('x')",
        "''.__class__",
        "'{0.__class__}'.format(1)",
        "(lambda: 1)()",
        "[x := 1]",
        "10 ** 100000",
        "'a' * 10 ** 9",
        "[0] * 10 ** 9",
        "1 << 10 ** 9",
        "range(10 ** 9)",
        "f'{1}'",
        "await x",
        "import os",
        "",
        "(" * 500,
    ],
)
def test_what_is_out_of_reach_is_refused(text: str) -> None:
    with pytest.raises(ScriptError):
        evaluate(text, FUNCTIONS)
