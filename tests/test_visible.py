"""What a terminal would obey, and what turns text around, is written out; no message advises to drop a guard."""

from __future__ import annotations

import pytest
import torch

from jupyter_latents import Latents
from jupyter_latents.display.records.run_record import RunRecord
from jupyter_latents.display.tables.listing import listing
from jupyter_latents.display.texts import progress_line, summary
from jupyter_latents.errors import LatentsWarning, ModelError, Place, ScriptError
from jupyter_latents.latents.facts import Provenance
from jupyter_latents.session import Session, Task
from jupyter_latents.session.plans.veils import Hidden
from jupyter_latents.syntax import Environment, Evaluation, Script
from jupyter_latents.wording import visible, without_advice
from tests.session.conftest import Notes

ODD = "a\x1b[31m\x07b\u202ec\u2066d\x9be\u2028f\x00g\rh"
SHOWN = r"a\x1b[31m\x07b\u202ec\u2066d\x9be\u2028f\x00g\x0dh".replace(r"\x0d", r"\r")


def clean(text: str) -> bool:
    return visible(text) == text


@pytest.mark.parametrize("text", ["é ñ 日本 العربية 👩‍🚀", "a\tb\nc", "~!@"])
def test_letters_of_all_languages_stay(text: str) -> None:
    assert visible(text) == text


def test_control_characters_and_marks_of_direction_are_written_out() -> None:
    assert visible(ODD) == SHOWN
    assert visible("\ud800") == r"\ud800"


def test_errors_are_written_out_and_the_caret_stands_under_what_is_meant() -> None:
    error = ScriptError("no \x1b", place=Place(1, 4, "a\x1b bc", 2))
    first, _, line, caret = str(error).splitlines()
    assert (first, line) == (r"no \x1b", r"    a\x1b bc")
    assert line[caret.index("^") : caret.rindex("^") + 1] == "bc"
    assert clean("".join(error._render_traceback_()))
    assert clean(str(LatentsWarning(ODD)))


def test_what_a_script_prints_and_plans_is_written_out() -> None:
    plan = Session({"odd": ODD}).plan(Task(Script("\\print {{ odd }}\nno/\x1bmodel --prompts {{ quote(odd) }}")))
    assert clean(repr(plan))
    said: list[str] = []
    list(Evaluation(Script("\\print {{ odd }}"), Environment(kernel={"odd": ODD}, print=said.append)))
    assert said == [SHOWN]


def test_notes_and_the_text_of_a_run_are_written_out() -> None:
    notes = Notes()
    Hidden(notes, str).note(f"{ODD} set trust_remote_code=True to go on.")
    assert clean(notes.lines[0])
    assert "trust_remote_code" not in notes.lines[0]
    record = RunRecord()
    record.add_note(ODD, warning=True)
    assert clean(summary(record))
    assert clean(progress_line(record, 500))
    assert "\n" not in progress_line(record, 500)


def test_latents_of_a_foreign_file_are_written_out() -> None:
    latents = Latents(torch.zeros(1, 4, 8, 8), provenance=Provenance(model=ODD, prompt=ODD))
    assert clean(repr(latents))
    assert clean(repr(listing({"foreign": latents})))


@pytest.mark.parametrize(
    "advice",
    [
        "Please pass the argument `trust_remote_code=True` to allow custom code to be run.",
        "Weights only load failed. We changed the default of weights_only. Set weights_only=False if you trust it.",
        "Object arrays cannot be loaded when allow_pickle=False",
        "Either install it, or\npass use_safetensors=False to load the pickle.\nSee the docs.",
    ],
)
def test_no_message_repeats_advice_to_switch_a_guard_off(advice: str) -> None:
    error = ModelError(f"the unet of x cannot be loaded: {advice}")
    for switch in ("trust_remote_code", "weights_only", "allow_pickle", "use_safetensors"):
        assert switch not in str(error) + error.template + repr(error.args)
    assert error.message.startswith("the unet of x cannot be loaded:")
    assert "not done here" in error.message


def test_other_messages_stay_as_they_are() -> None:
    text = "nothing: of.  this is\n changed"
    assert without_advice(text) is text
