"""What an image seed names that is not there, or not what its position takes, is said in words, with what is."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from jupyter_latents.errors import JupyterLatentsError, ScriptError
from jupyter_latents.latents import CLEAN, Latents, LatentsSequence
from jupyter_latents.session import Session, Task
from jupyter_latents.syntax import Environment, Script
from jupyter_latents.syntax.templates.expression import evaluate

ONE = Latents(torch.zeros(1, 4, 8, 8), noise=CLEAN)
PHOTO = Image.new("RGB", (64, 64))
NAMES = {
    "x": ONE, "xs": LatentsSequence((ONE, ONE), ("a", "b")), "photo": PHOTO, "n": 5, "d": {"a": 1}, "none": None,
    "lst": [1, 2], "empty": [], "nested": [[ONE, ONE], [ONE]], "thing": object(), "odd": np.array([1, "a"], object),
    "t": torch.zeros(1, 4, 8, 8), "txt": "hello", "pixels": np.zeros((8, 8, 3), "uint8"), "f": len,
}  # fmt: skip
RAW = ("Error:", "object", "subscriptable", "__latents_", "jupyter_latents.", "invalid literal", "a int", "a Image")


def message(seed: str) -> str:
    """What a plan of a stage with an image seed says; empty where it can run."""
    session = Session()
    session.names |= NAMES
    script = f'demo/scenes --prompts cat --inference-steps 2 --seeds 1 --image-seeds "{seed}"'
    try:
        stage, *_ = session.plan(Task(Script(script, 1))).stages
    except JupyterLatentsError as error:
        return error.message
    return stage.error.message if stage.error is not None else ""


@pytest.mark.parametrize(
    ("seed", "words"),
    [
        ("latents: x[0]", ["x is Latents, one value without items", "write x.", "{{ x.split()[0] }}", "x.at(step=2)"]),
        ("latents: xs[0][1]", ["xs[0] is Latents, one value without items"]),
        ("latents: xs[5]", ["xs holds 2; use xs[0] to xs[1]"]),
        ("latents: empty[0]", ["empty holds nothing"]),
        ("latents: d[0]", ["d is a dict, whose items have keys", "{{ d['key'] }}"]),
        ("latents: n[0]", ["n is an int, which has no items"]),
        ("latents: txt[0]", ["txt is a text, which has no items"]),
        ("photo[0]", ["photo is a picture, which has no items"]),
        ("latents: x.at(step=2)", ["x is a variable", "{{ x.at(step=2) }}"]),
        ("latents: x[0:1]", ["x is a variable", "{{ x[0:1] }}"]),
        ("latents: x.tensor", ["{{ x.tensor }}"]),
        ("latents: photo.png", ["no file photo.png. Paths are taken from"]),
        ("latents: {{ x[0] }}", ["these latents are pictures", "split()"]),
        ("latents: {{ x[0:1] }}", ["these latents are pictures", "split()"]),
        ("latents: {{ d[0:1] }}", ["a dict has no slices"]),
        ("{{ x.nois }}", ["names nothing here: Latents has no 'nois'; did you mean noise?"]),
        ("{{ xs.at(step=2) }}", ["has no 'at'; take one of its items first"]),
        ("{{ xs[5] }}", ["names nothing here", "has no item 5"]),
        ("{{ missing_name }}", ["names nothing here: 'missing_name' is not there"]),
        ("latents: photo", ["photo is a picture; `latents:` takes Latents"]),
        ("latents: {{ photo }}", ["what the template gives is a picture; `latents:` takes Latents"]),
        ("latents: lst", ["an item of lst is an int; `latents:` takes Latents"]),
        ("lst", ["an item of lst is an int; an image is a picture of Pillow, an array of pixels, a file or address"]),
        ("d", ["d is a dict; an image is a picture of Pillow"]),
        ("none", ["none is None; an image is a picture"]),
        ("empty", ["empty is an empty list; an image is a picture"]),
        ("thing", ["thing is an object; an image is a picture"]),
        ("photo;mask=n", ["n is an int; a mask is a picture"]),
    ],
)
def test_what_is_meant_and_allowed_is_said(seed: str, words: list[str]) -> None:
    told = message(seed)
    assert all(word in told for word in words), told


def test_an_item_of_an_item_is_found() -> None:
    assert "nested" not in message("latents: nested[0][1]")


@pytest.mark.parametrize("position", ["latents: ", "", "photo;mask="])
@pytest.mark.parametrize("name", NAMES)
def test_nothing_raw_is_said_of_any_value(name: str, position: str) -> None:
    tails = ("", "[0]", "[-9]", "[0:1]", "['a']", "[0][0]", ".nope", ".at(step=2)")
    for text in (written for tail in tails for written in (name + tail, f"{{{{ {name}{tail} }}}}")):
        told = message(position + text)
        assert not [word for word in RAW if word in told and name not in ("thing", "odd")], told


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("d['z']", "a dict has no 'z'"),
        ("n[0]", "an int has no item 0"),
        ("x.nois", "Latents has no 'nois'; did you mean noise?"),
    ],
)
def test_an_expression_says_what_a_value_lacks(text: str, words: str) -> None:
    with pytest.raises(ScriptError, match=words.replace("?", r"\?").replace("[", r"\[")):
        evaluate(text, Environment(kernel=NAMES).visible)


def test_an_attribute_that_is_not_there_is_told_in_a_prompt() -> None:
    session = Session()
    session.names |= NAMES
    script = 'demo/scenes --prompts "a {{ d.colour }} house" --inference-steps 2'
    printed = session.plan(Task(Script(script, 1))).printed
    assert printed == ("line 1: a dict has no 'colour', and nothing stands in its place",)
