"""The filter that takes a text as a prompt, letter by letter: what papermill and the like put into cells."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from jupyter_latents.stage import Prompt
from jupyter_latents.syntax import Environment, Evaluation, Invocation, Script

QUOTED = ('--prompts "{{ text | prompt }}"', "--prompts '{{ text | prompt }}'")


def prompts(option: str, value: object) -> list[Prompt]:
    evaluation = Evaluation(Script(f"demo/scenes {option}"), Environment(kernel={"text": value}))
    (invocation,) = evaluation.ahead()
    assert isinstance(invocation, Invocation)
    return [stage.prompt for stage in invocation.stages()]


@given(st.text(st.characters(codec="utf-8", exclude_characters="<", exclude_categories=["Cc", "Cf", "Co", "Zl", "Zp"])))
@settings(max_examples=60, deadline=None)
@example("a; b")
@example('it\'s; "x; y"; z')
@example("end\\; x\\")
@example("{{ no }} $HOME; %PATH% @@ # c")
def test_a_text_is_a_positive_prompt_letter_by_letter(text: str) -> None:
    for option in QUOTED:
        assert [(one.positive, one.negative) for one in prompts(option, text)] == [(text.strip(), "")]


def test_a_list_is_a_prompt_each() -> None:
    assert [one.positive for one in prompts("--prompts {{ text | prompt | quote }}", ["a; b", "c"])] == ["a; b", "c"]


@pytest.mark.parametrize("value", [7, 0.5])
def test_numbers_are_texts(value: object) -> None:
    assert [one.positive for one in prompts(QUOTED[0], value)] == [str(value)]


def test_a_prompt_keeps_its_negative() -> None:
    kept = Prompt("one; two", "three")
    assert prompts(QUOTED[0], kept) == [kept]


def test_a_variable_may_bear_its_name() -> None:
    script = Script('demo/scenes --prompts "{{ prompt | prompt }}"')
    evaluation = Evaluation(script, Environment(kernel={"prompt": "a; b"}))
    (invocation,) = evaluation.ahead()
    assert isinstance(invocation, Invocation)
    assert [stage.prompt.positive for stage in invocation.stages()] == ["a; b"]
