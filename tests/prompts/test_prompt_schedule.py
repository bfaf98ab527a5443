"""A1111's prompts: its own answers for 119 prompts (`a1111.json`, kinds and prompts of our own), and what is refused.

The data were made by running A1111's parser of late 2023 over the prompts at 20 and at 7 steps: `schedule` rows
``[end_step, text]``, `attention` for each row, and `multicond` where ``AND`` or a weight at the end splits the prompt.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jupyter_latents.errors import JupyterLatentsError, SettingError
from jupyter_latents.prompts import attention, prompt_parts
from jupyter_latents.prompts.grammar import is_literal
from jupyter_latents.syntax import prompt_schedule
from tests.counting import calls_of

A1111: list[dict[str, Any]] = json.loads((Path(__file__).parent / "a1111.json").read_text("utf-8"))
IDS = [f"{row['kind']}-{number // 2}-{row['steps']}" for number, row in enumerate(A1111)]

prompts = st.lists(
    st.sampled_from(["(", ")", "[", "]", ":", "|", "\\", "BREAK", "AND", " ", "oak", "0.5", "3", "1.2", "\n", "e9"])
    | st.text(max_size=3),
    max_size=20,
).map("".join)  # fmt: skip


def rows_of(prompt: str, steps: int) -> tuple[list[list[Any]], list[list[tuple[str, float]]]]:
    """Rows as the data hold them."""
    rows = prompt_schedule(prompt, steps)
    return [[row.end_step, row.text] for row in rows], [[tuple(piece) for piece in row.attention] for row in rows]


def assert_as(told: dict[str, Any], prompt: str, steps: int) -> None:
    """Sees that a prompt gives the rows and weights that the data say."""
    rows, weights = rows_of(prompt, steps)
    assert rows == told["schedule"]
    for found, wanted in zip(weights, told["attention"], strict=True):
        assert [text for text, _ in found] == [text for text, _ in wanted]
        assert [weight for _, weight in found] == pytest.approx([weight for _, weight in wanted], abs=1e-9)


@pytest.mark.parametrize("told", A1111, ids=IDS)
def test_prompts_read_as_in_a1111(told: dict[str, Any]) -> None:
    assert_as(told, told["prompt"], told["steps"])


@pytest.mark.parametrize("told", A1111, ids=IDS)
def test_prompts_are_split_at_and_as_in_a1111(told: dict[str, Any]) -> None:
    parts = prompt_parts(told["prompt"])
    if "multicond" not in told:
        assert parts == ((told["prompt"], 1.0),)
        return
    assert [part.text for part in parts] == [part["text"] for part in told["multicond"]]
    assert [part.weight for part in parts] == pytest.approx([part["weight"] for part in told["multicond"]], abs=1e-9)
    for part in told["multicond"]:
        assert_as(part, part["text"], told["steps"])


def test_all_of_the_data_are_there() -> None:
    assert len(A1111) == 238
    assert len({told["prompt"] for told in A1111}) == 119


@pytest.mark.parametrize(
    ("prompt", "part", "place"),
    [
        ("a (fox:1e9) b", "1e9", 8), ("(fox:1000000000)", "1000000000", 6), ("(a:1.2.3)", "1.2.3", 4),
        ("(a:.)", ".", 4), ("(a: inf )", "inf", 5), ("(a:-nan)", "-nan", 4), ("x" * 9 + "(" * 60 + "y", "y", 70),
        ("[a:b:1e400]", "1e400", 6), ("(" * 101, "(", 101), ("[" * 101 + "]" * 101, "[", 101),
    ],
)  # fmt: skip
def test_a_number_that_is_none_is_located(prompt: str, part: str, place: int) -> None:
    with pytest.raises(SettingError, match="at character") as caught:
        prompt_schedule(prompt, 20)
    assert caught.value.message.startswith(f"'{part}' at character {place} of the prompt ")


def test_the_weight_of_a_whole_prompt_has_bounds() -> None:
    with pytest.raises(SettingError, match="'900' at character 16 of the prompt is no weight of a whole prompt"):
        prompt_parts("fox AND owl :  900")


@pytest.mark.parametrize("steps", [0, -1, True, 2.0, "7", 10_001])
def test_steps_are_whole_numbers_in_bounds(steps: Any) -> None:
    with pytest.raises(SettingError, match="steps are not allowed"):
        prompt_schedule("fox", steps)


def test_a_prompt_is_a_text() -> None:
    with pytest.raises(SettingError, match="a prompt is a text, not int"):
        prompt_schedule(7, 20)  # type: ignore[arg-type]


@pytest.mark.parametrize("prompt", ["a | b", "[a|b:1.2]", "a\\", "a \\\n b", "(a|b)", "[a [b|c:2]", "[a|b"])
def test_a_mark_without_a_meaning_makes_all_text(prompt: str) -> None:
    assert is_literal(prompt)
    assert [row.text for row in prompt_schedule(f"{prompt} [x:y:3]", 8)][-1].endswith("y") == (
        not is_literal(prompt + " ")
    )


@pytest.mark.parametrize(
    ("prompt", "rows"),
    [
        ("[x:y:0.5]]", [[4, "x]"], [8, "y]"]]),
        ("[:0.5] a", [[4, " a"], [8, " a"]]),
        ("[a:b:c:0.5]", [[8, "[a:b:c:0.5]"]]),
        ("[x:(a:b:1.2):0.5] [c:d:2]", [[2, "[x:(a:b:1.2):0.5] c"], [8, "[x:(a:b:1.2):0.5] d"]]),
        ("[a:b:-3]", [[8, "b"]]),
        ("[a|]", [[n, "a" if n % 2 else ""] for n in range(1, 9)]),
        ("[x:[y:0.5:0.25]]", [[2, "[x:y]"], [8, "[x:0.5]"]]),
    ],
)  # fmt: skip
def test_odd_brackets_have_one_reading(prompt: str, rows: list[list[Any]]) -> None:
    assert rows_of(prompt, 8)[0] == rows


@settings(deadline=None)
@given(prompts, st.integers(1, 30))
def test_rows_cover_the_steps_and_pieces_the_text(prompt: str, steps: int) -> None:
    try:
        rows = prompt_schedule(prompt, steps)
    except JupyterLatentsError:
        return
    ends = [row.end_step for row in rows]
    assert ends == sorted(set(ends))
    assert ends[-1] == steps
    for row in rows:
        assert row.attention == attention(row.text)
        assert row.attention
        assert all(abs(piece.weight) <= 100 for piece in row.attention)


@settings(deadline=None)
@given(st.text(st.characters(exclude_characters="\\()[]:|"), max_size=40).filter(lambda text: "BREAK" not in text))
def test_plain_text_is_one_row_of_one_piece(text: str) -> None:
    assert prompt_schedule(text, 9) == ((9, text, ((text, 1.0),)),)


@given(st.text(max_size=30))
def test_escaped_text_is_itself(text: str) -> None:
    escaped = "".join(f"\\{mark}" if mark in "\\()[]:|" else mark for mark in text)
    plain = "".join(piece.text for piece in attention(escaped))
    if "BREAK" not in text and ":" not in text:
        assert plain == text


LONG: dict[str, Callable[[int], str]] = {
    "words": lambda n: "oak " * n,
    "weights": lambda n: "(oak:1.2) [elm] " * n,
    "open brackets in turn": lambda n: "(a) [b:c:2] " * n,
    "nested to the limit": lambda n: ("(" * 40 + "a" + ")" * 40 + "]") * (n // 40),
    "closers": lambda n: "a)] " * n,
    "brackets across each other": lambda n: "([a) b] " * n,
    "colons": lambda n: ": " * n,
    "breaks": lambda n: "a BREAK " * n,
    "turns": lambda n: "[a|b|c]" * n,
    "escapes": lambda n: "\\(a\\) " * n,
    "and": lambda n: "a AND b:1.1 " * n,
}


def read(prompt: str) -> None:
    prompt_schedule(prompt, 3)
    prompt_parts(prompt)


@pytest.mark.parametrize("kind", LONG)
def test_twice_the_prompt_is_twice_the_work(kind: str) -> None:
    short, long = LONG[kind](200), LONG[kind](400)
    assert calls_of(lambda: read(long)) / calls_of(lambda: read(short)) <= 2.3


@pytest.mark.parametrize(
    "part", [" ", "\\", "1", ".", "a:", ": 1", "BREAK", "A", "[a:b:", ":" + " " * 9, "\\\\", "0.5]"]
)
@pytest.mark.parametrize("count", [8_000, pytest.param(20_000, marks=pytest.mark.slow)])
def test_long_runs_are_read(part: str, count: int) -> None:
    """In quadratic time each takes a minute, and minutes under ``slow``."""
    for text in (part * count, f"(a:{part * count}", f"[a:{part * count}"):
        try:
            read(text)
        except SettingError:
            continue
