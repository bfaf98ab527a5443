"""What is typed and clicked, in the order in which a person did it: the script, the fields, the buttons."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from jupyter_latents.display.panel import panel
from jupyter_latents.display.panel.opening import close_open
from jupyter_latents.session import Session
from tests.display.panels import TWO, click

ONE_STAGE = "demo/scenes --prompts x --inference-steps 2 --into typed"


@pytest.mark.parametrize("name", ["run", "dry_run", "add"])
def test_a_script_that_was_typed_comes_before_the_click(opened: Any, session: Session, name: str) -> None:
    opened.widgets.text.value = ONE_STAGE
    click(opened, name)
    opened.wait()
    assert opened.model.forms[0].into == "typed"
    assert len(opened.model.forms) == (2 if name == "add" else 1)
    assert ("typed" in session.names) == (name == "run")
    assert opened.widgets.text.value == opened.text


@pytest.mark.parametrize("name", ["run", "dry_run", "add", "remove"])
def test_nothing_is_done_while_the_typed_script_cannot_be_read(opened: Any, name: str) -> None:
    opened.widgets.text.value = typed = "demo/scenes --sedes 9"
    click(opened, name)
    opened.wait()
    assert opened.widgets.text.value == typed
    assert "did you mean --seeds" in opened.widgets.text_error.value
    assert "cannot be read; fix it first, or discard it" in opened.widgets.status.value
    assert (opened.text, opened.results.run) == (TWO, None)
    opened.widgets.text.value = "demo/scenes --seeds 9"
    assert opened.widgets.text_error.value == "", "it was said of another text"
    click(opened, name)
    opened.wait()
    assert "--seeds 9" in opened.text or name == "remove"


def test_a_script_that_was_typed_is_left_when_the_panel_closes(session: Session) -> None:
    made = panel(TWO, session=session)
    made.panel.widgets.text.value = ONE_STAGE
    made.close()
    assert "--into typed" in repr(made)
    assert "--into typed" in repr(panel(session=session))
    close_open()


def test_a_field_that_changes_keeps_the_script_that_was_typed(opened: Any) -> None:
    opened.widgets.text.value = ONE_STAGE
    opened.editor.controls["seed"].value = "5"
    assert (opened.model.form.into, opened.model.form.seed) == ("typed", "5")


def test_an_error_is_told_until_the_stages_are_others(opened: Any) -> None:
    opened.editor.controls["seed"].value = "x"
    click(opened, "run")
    opened.wait()
    assert "dgp-error" in opened.widgets.status.value
    opened.refresh()
    assert "dgp-error" in opened.widgets.status.value
    opened.editor.controls["seed"].value = "3"
    assert opened.widgets.status.value == ""
    opened.widgets.text.value = 'demo/scenes --image-seeds "nothing.png" --inference-steps 2'
    click(opened, "run")
    opened.wait()
    assert "no file nothing.png" in opened.widgets.status.value
    opened.editor.controls["image"].value = ""
    assert opened.widgets.status.value == ""


def test_a_letter_that_comes_late_goes_to_the_stage_that_it_was_typed_for(opened: Any) -> None:
    """A front end keeps changes back while another one is under way; a click that chooses a stage overtakes them."""
    first = opened.editor
    first.controls["prompt"].value = "a hil"
    opened.widgets.stages.children[1].click()
    second = opened.editor
    first.controls["prompt"].set_state({"value": "a hill by the sea"})
    assert [form.prompt for form in opened.model.forms] == ["a hill by the sea", ""]
    assert second.controls["prompt"].value == ""
    opened.widgets.stages.children[0].click()
    assert opened.editor is first
    click(opened, "remove")
    first.controls["prompt"].value = "gone"
    assert [form.prompt for form in opened.model.forms] == [""]


def typed_into(opened: Any, **typed: Any) -> dict[str, Any]:
    """What a click carries, by the fields' models."""
    fields = {**opened.editor.controls, "script": opened.widgets.text}
    return {fields[name].model_id: value for name, value in typed.items()}


def test_a_click_carries_what_was_typed_before_it(opened: Any) -> None:
    """A front end keeps changes back while another one is under way: they come with the click, and after it."""
    presses, first = opened.widgets.presses, opened.editor
    assert {one.model_id for one in opened.editor.typed_in} < set(presses.fields)
    late = typed_into(opened, prompt="a hill by the sea", window=[0, 1], seed=5, size=None) | {"no such": "x"}
    presses._take({"button": "add", "index": 0, "typed": late})
    assert [form.prompt for form in opened.model.forms] == ["a hill by the sea", "a hill by the sea", ""]
    assert (opened.model.forms[0].end, opened.model.forms[0].seed) == ("0.3", "7")
    first.controls["prompt"].set_state({"value": "a hill by the"})  # what was under way before the click
    first.controls["prompt"].set_state({"value": "a hill by the sea"})
    assert [form.prompt for form in opened.model.forms] == ["a hill by the sea", "a hill by the sea", ""]
    late = {first.controls["negative"].model_id: "fog"} | typed_into(opened, seed="11")
    presses._take({"button": "stage", "index": 2, "typed": late})
    assert (opened.model.selected, opened.model.forms[1].seed) == (2, "11")
    assert opened.model.forms[0].negative == "fog", "typed for the stage that was shown then"


def test_what_a_click_carries_once_more_does_not_take_back_what_came_since(opened: Any) -> None:
    opened.widgets.text.value = ONE_STAGE
    opened.editor.controls["prompt"].value = "y"
    again = typed_into(opened, script=ONE_STAGE, prompt="y")
    opened.model.form.prompt = "z"  # as applying a text would, before the front end knows of it
    opened.widgets.presses._take({"button": "duplicate", "index": 0, "typed": again})
    assert [(form.prompt, form.into) for form in opened.model.forms] == [("z", "typed"), ("z", "base")]
    opened.widgets.presses._take({"button": "remove", "index": 0, "typed": typed_into(opened, script="demo/paper")})
    assert opened.text == "", "a script that is new was taken in first"


@contextmanager
def under_way(opened: Any, prompt: str) -> Iterator[None]:
    """A thread has a letter of the prompt, and waits for the panel until this is left."""
    editor, come = opened.editor, threading.Event()
    changed = editor._changed

    def wait_for_panel(name: str, value: Any) -> None:
        come.set()
        changed(name, value)

    editor._changed = wait_for_panel
    typing = threading.Thread(target=editor.controls["prompt"].set_state, args=({"value": prompt},))
    with opened._lock:
        typing.start()
        assert come.wait(60)
        yield
    typing.join(60)


def test_a_click_takes_what_another_thread_has_and_not_yet_put_in(opened: Any) -> None:
    typed = typed_into(opened, prompt="a hill by the sea")
    with under_way(opened, "a hill by the sea"):
        opened.widgets.presses._take({"button": "duplicate", "index": 0, "typed": typed})
        assert [form.prompt for form in opened.model.forms][:2] == ["a hill by the sea", "a hill by the sea"]


def test_a_letter_that_a_thread_brings_late_does_not_take_back_a_newer_one(opened: Any) -> None:
    first, form = opened.editor, opened.model.form
    with under_way(opened, "a hill by"):
        first.controls["prompt"].value = "a hill by the sea"
    assert form.prompt == first.controls["prompt"].value == "a hill by the sea"


@pytest.mark.parametrize(
    "content",
    [
        {"button": "down", "index": 3, "typed": {}}, {"button": "remove"}, {}, None, [], {"button": 3, "typed": {}},
        {"button": "stage", "index": 9, "typed": {}}, {"button": "stage", "index": -2, "typed": {}},
        {"button": "?", "index": True, "typed": {}}, {"button": "remove", "index": 1, "typed": []},
    ],
)  # fmt: skip
def test_a_click_on_no_button_of_the_panel_does_nothing(opened: Any, content: Any) -> None:
    opened.widgets.stages.children[1].click()
    opened.widgets.presses._take(content)
    assert (opened.model.selected, opened.text) == (1, TWO)


def test_a_wrong_text_is_told_with_line_and_caret_and_stays(opened: Any) -> None:
    opened.widgets.text.value = "demo/paper\n--seeds <x>"
    click(opened, "apply")
    opened.wait()
    assert "line 2, column 9" in opened.widgets.text_error.value
    assert "&lt;x&gt;" in opened.widgets.text_error.value
    assert "^^^" in opened.widgets.text_error.value
    assert opened.widgets.text.value == "demo/paper\n--seeds <x>"
    assert opened.text == TWO
    opened.editor.controls["seed"].value = "8"
    assert opened.widgets.text.value == "demo/paper\n--seeds <x>"
    click(opened, "discard")
    assert opened.widgets.text.value == TWO.replace("--seeds 7", "--seeds 8")
    assert opened.widgets.text_error.value == ""
