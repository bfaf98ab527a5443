"""What a prompt's brackets never bring, by A1111's own rule for their numbers."""

from __future__ import annotations

import re
from itertools import count
from random import Random

import pytest

from jupyter_latents.errors import SettingError
from jupyter_latents.prompts import idle_parts, prompt_schedule

END = "the end of "


@pytest.mark.parametrize(
    ("prompt", "idle"),
    [
        ("[a:b:40]", "b of [a:b:40], which begins after step 40"),
        ("x [a:b:1.5], y", "b of [a:b:1.5], which begins after step 15"),
        ("[a:b:1.0]", "b of [a:b:1.0], which begins after step 10"),
        ("[a:b:10]", "b of [a:b:10], which begins after step 10"),
        ("[a:b:9]", ""),
        ("[a:b:1]", ""),
        ("[a:b:0]", "a of [a:b:0], which ends after step 0"),
        ("[a:b:0.05]", "a of [a:b:0.05], which ends after step 0"),
        ("[a:b:-3]", "a of [a:b:-3], which ends after step 0"),
        ("[a::0]", "a of [a::0], which ends after step 0"),
        ("[a::40]", "the end of a of [a::40], which comes after step 40"),
        ("[a::1.0]", ""),
        ("[b:0]", ""),
        ("[b:40]", "b of [b:40], which begins after step 40"),
        ("[a:[b:c:5]:40]", "[b:c:5] of [a:[b:c:5]:40], which begins after step 40"),
        ("[a:[b:c:3]:5]", "b of [b:c:3], which ends after step 3, before its brackets hold"),
        ("[[a:b:7]:c:5]", "b of [a:b:7], which begins after step 7, when its brackets no longer hold"),
        ("[a|b]", ""),
        ("[a:[x|y]:9]", "x of [x|y], whose turns are the steps 1, 3 …"),
        ("a (b:1.2) \\[c:d:40\\] [e]", ""),
        ("[a:b:40", ""),
    ],
)
def test_what_never_comes_in_ten_steps(prompt: str, idle: str) -> None:
    assert ", ".join(f"{one.text} of {one.bracket}, {one.reason}" for one in idle_parts(prompt, 10)) == idle


def _made(source: Random, words: count[int], deep: int = 0) -> str:
    """A prompt whose words are all different."""
    kind = source.choice(["word", "switch", "switch", "ends", "turns"]) if deep < 3 else "word"
    parts = [_made(source, words, deep + 1) for _ in range(source.choice([2, 3]))] if kind != "word" else []
    at = source.choice(["0", "1", "3", "7", "0.0", "0.5", "0.8", "1.0", "1.5", "40", "-1"])
    if kind == "turns":
        return f"[{'|'.join(parts)}]"
    if kind == "switch":
        return f"[{parts[0]}:{parts[1]}:{at}]"
    return f"[{parts[0]}::{at}]" if kind == "ends" else f"w{next(words)}"


@pytest.mark.parametrize("steps", [1, 2, 7])
def test_the_words_of_idle_parts_are_those_that_no_row_of_the_schedule_holds(steps: int) -> None:
    found = 0
    for seed in range(200):
        prompt = " ".join(_made(Random(seed + at), count(100 * at)) for at in range(2))
        shown = {word for row in prompt_schedule(prompt, steps) for word in re.findall(r"w\d+", row.text)}
        idle = [one for one in idle_parts(prompt, steps) if not one.text.startswith(END)]
        named = {word for one in idle for word in re.findall(r"w\d+", one.text)}
        assert named == set(re.findall(r"w\d+", prompt)) - shown, prompt
        assert all(one.bracket in prompt for one in idle), "as it is written"
        found += bool(idle)
    assert found > 50


def test_a_number_that_is_none_is_an_error_here_too() -> None:
    with pytest.raises(SettingError, match="is no step"):
        idle_parts("[a:b:1e999]", 10)
