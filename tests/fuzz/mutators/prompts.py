"""Prompts in A1111's grammar, whole and broken."""

from __future__ import annotations

from random import Random

from jupyter_latents.prompts import attention, prompt_parts
from jupyter_latents.syntax import prompt_schedule
from tests.fuzz.frame import Mutator

_PIECES = (
    "(", ")", "[", "]", ":", "|", "\\", "\\(", "\\\\", " ", "\n", "oak", "elm ", "BREAK", "AND", "0.5", "12", ".5",
    "5.", "1.2", "-1", "+3", "1e9", "1e400", "inf", "nan", "\u0665", "\u00a0", "\u2028", "(a:1.2)", "[a:b:0.5]",
    "[a|b]", "[a::3]", "<lora:x:1>", "\x00", "\ud800", "((((", "]]]]", ", ",
)  # fmt: skip
_WHOLE = (
    "a [clay:(brass:1.2):0.35] owl, (tiny [ladders|ropes]), BREAK ink \\(wash\\), [rain:snow:14] :)",
    "[a [b:c:2] d:e [f:g:16] h:9] AND (sea:1.2) :0.8",
    "((x) [y:[z|w]:0.5] tail:0.9)",
)


def prompt(source: Random) -> tuple[str, int]:
    """A prompt of pieces, or a whole one with changes, and its steps."""
    steps = source.choice((1, 2, 7, 20))
    if source.random() < 0.6:
        return "".join(source.choice(_PIECES) for _ in range(source.randrange(25))), steps
    text = source.choice(_WHOLE)
    for _ in range(source.randrange(1, 6)):
        at = source.randrange(len(text) + 1)
        text = text[:at] + source.choice(_PIECES) * source.randrange(2) + text[at + source.randrange(3) :]
    return text, steps


def read(given: tuple[str, int]) -> None:
    """Reads a prompt; its rows cover the steps, and each says the weights of its text."""
    text, steps = given
    prompt_parts(text)
    rows = prompt_schedule(text, steps)
    assert [row.end_step for row in rows] == sorted({row.end_step for row in rows})
    assert rows[-1].end_step == steps
    assert all(row.attention == attention(row.text) for row in rows)


MUTATORS = (Mutator("prompts", prompt, read, read=lambda text: (text, 7), quick=1_000),)
