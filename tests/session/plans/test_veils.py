"""Values as people are to see them: only what changes is made anew."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

import pytest

from jupyter_latents.session.plans.veils import rewrite
from jupyter_latents.stage import ModelSource, Prompt, Stage

STAGE = Stage(
    model=ModelSource("models/secret/base", loras=("a.safetensors;scale=0.5", "secret.safetensors")),
    prompt=Prompt("a red cat"),
    seed=7,
)


def test_a_value_without_such_texts_is_itself() -> None:
    assert rewrite(STAGE, str) is STAGE
    assert rewrite(STAGE, lambda text: text.replace("elsewhere", "$PLACE")) is STAGE
    rows = MappingProxyType({"a": ("b", 1)})
    assert rewrite(rows, lambda text: text.replace("c", "d")) is rows


def test_each_text_is_rewritten_wherever_it_stands() -> None:
    shown = rewrite(STAGE, lambda text: text.replace("secret", "$NAME"))
    assert shown.model.name == "models/$NAME/base"
    assert [str(lora) for lora in shown.model.loras] == ["a.safetensors;scale=0.5", "$NAME.safetensors"]
    assert shown.model.loras[0] is STAGE.model.loras[0]
    assert shown.prompt is STAGE.prompt
    assert replace(shown, model=STAGE.model) == STAGE


@pytest.mark.parametrize("value", [None, True, 3, 0.5, ("a", None), MappingProxyType({"a": "b"})])
def test_what_holds_no_text_is_left_alone(value: object) -> None:
    assert rewrite(value, lambda text: f"{text}!") == (
        ("a!", None) if isinstance(value, tuple) else {"a": "b!"} if isinstance(value, MappingProxyType) else value
    )
