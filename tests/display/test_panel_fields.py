"""The panel's fields: all that is wrong at once, lists that list all, common names, seeds used again."""

from __future__ import annotations

from typing import Any

import pytest

from jupyter_latents.display.panel import panel
from jupyter_latents.display.panel.choices import samplers
from jupyter_latents.display.panel.fields import FIELDS
from jupyter_latents.display.panel.front.maker import with_breaks
from jupyter_latents.display.panel.opening import close_open
from jupyter_latents.engine import known_models, scheduler_names
from jupyter_latents.samplers import SAMPLERS, sampler
from jupyter_latents.session import Session
from tests.display.panels import TWO, click, errors

pytestmark = pytest.mark.usefixtures("at_rest_soon")


def test_every_wrong_field_is_marked_at_once_and_cleared_when_it_is_right(opened: Any) -> None:
    wrong = {
        "model": "demo/scenery", "seed": "x", "steps": "0", "guidance": "-1", "into": "my picture", "size": "7",
        "image": "nix.png", "mask": "hole.png", "latents": "nobody", "more": "--dtipe x",
    }  # fmt: skip
    right = {
        "model": "demo/scenes", "seed": "7", "steps": "4", "guidance": "5", "into": "base", "size": "",
        "image": "", "mask": "", "latents": "", "more": "",
    }  # fmt: skip
    for name, value in wrong.items():
        opened.editor.controls[name].value = value
    opened.wait()
    assert set(errors(opened)) == set(wrong)
    said = "11 fields to fix: 10 in my picture, 1 in final"  # base, that the next stage needs, is made no more
    assert opened.widgets.buttons["fix"].description == said
    assert opened.widgets.buttons["run"].description == "Go to fault"
    chips = [row.description.split("\n")[1] for row in opened.widgets.stages.children]
    assert chips == ["demo/scenery · 10 fields to fix", "demo/scenes · 1 field to fix"]
    for name, value in right.items():
        opened.editor.controls[name].value = value
        assert name not in errors(opened), "cleared as soon as it is right"
    opened.wait()
    assert errors(opened) == {}
    assert opened.widgets.buttons["fix"].disabled
    assert opened.widgets.buttons["run"].description == "▶ Run"
    assert "2 stages · 4 model evaluations · 1 hand-over" in opened.widgets.summary.value


def test_what_only_a_plan_finds_is_marked_in_every_stage(opened: Any) -> None:
    opened.editor.controls["model"].value = "demo/scenery"
    opened.widgets.stages.children[1].click()
    opened.editor.controls["latents"].value = "bass"
    opened.wait()
    assert {(mark.index, mark.field) for mark in opened._known.marks()} == {(0, "model"), (1, "latents")}


def test_what_is_to_be_fixed_leads_from_one_wrong_field_to_the_next(
    opened: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached: list[tuple[str, str]] = []

    def focus(field: str) -> None:
        names = (name for name, control in opened.editor.controls.items() if control.model_id == field)
        reached.append((opened.model.form.into, next(names)))

    monkeypatch.setattr(opened.widgets.presses, "focus", focus)
    opened.editor.controls["size"].value = "7"
    opened.editor.controls["seed"].value = "x"
    opened.widgets.stages.children[1].click()
    opened.editor.controls["guidance"].value = "-1"
    for button in ("fix", "fix", "run", "fix"):
        click(opened, button)
        opened._clicks.wait()
    assert reached == [("base", "seed"), ("base", "size"), ("final", "guidance"), ("base", "seed")]
    assert opened.results.run is None
    assert "final: Guidance: &#x27;-1&#x27; is not" in opened.widgets.status.value
    opened.editor.controls["seed"].value = ""
    click(opened, "fix")
    assert reached[-1] == ("base", "size")


def test_long_paths_break_behind_slashes() -> None:
    assert with_breaks("from '/tmp/my <b>/a.png'.") == "from &#x27;/tmp/<wbr>my &lt;b&gt;/a.png&#x27;."
    assert with_breaks("</b> / x") == "&lt;/b&gt; / x"


def test_what_was_missing_may_be_there_after_a_cell(opened: Any, session: Session) -> None:
    import torch

    from jupyter_latents.latents import Latents

    opened.editor.controls["latents"].value = "late"
    opened.wait()
    assert set(errors(opened)) == {"latents"}
    run = opened.widgets.buttons["run"]
    assert (run.description, run.button_style) == ("▶ Run", ""), "a run looks again"
    session.names["late"] = Latents(torch.zeros(1, 4, 2, 2))
    opened.cell_ran()
    opened.wait()
    assert "no variable" not in errors(opened).get("latents", "")


def test_a_list_of_all_shows_all_whatever_stands_in_the_field(opened: Any, session: Session) -> None:
    opened.editor.controls["model"].value = "demo/pa"
    every = opened.editor.lists["model"]
    assert {value for _, value in every.options} >= set(known_models())
    every.value = "demo/paper"
    assert (opened.model.form.model, every.value) == ("demo/paper", "")
    session.names["base"] = session.names["other"] = object()
    opened.refresh()
    assert [value for _, value in opened.editor.lists["latents"].options] == [""]


def test_samplers_have_their_common_names() -> None:
    listed = dict(samplers(scheduler_names()))
    assert {row.name: sampler(row.name) for row in SAMPLERS if not row.near}.items() <= listed.items()
    assert listed["DPM++ 2M Karras"] == "DPMSolverMultistepScheduler;use-karras-sigmas=true"
    assert len(set(listed.values())) == len(listed), "each once"
    assert set(scheduler_names()) <= {value.split(";")[0] for value in listed.values()}
    assert samplers(["DDIMScheduler"], "Euler a")[-1] == ("Euler a", "Euler a"), "what a script says stays"
    assert samplers([], "EulerDiscreteScheduler;use-beta-sigmas=true")[-1][0] == "Euler Beta"


def test_a_slider_stands_where_its_field_says(opened: Any) -> None:
    slides = opened.editor._slides
    assert {row.name for row in FIELDS if row.slide} == set(slides) == {"steps", "guidance", "strength"}
    assert (slides["steps"].at, slides["guidance"].at) == (4, 5)
    assert (slides["steps"].given, slides["guidance"].given) == (True, False), "grey where nothing is typed"
    for text, at in (("2 4 7", 2), ("{{ x }}", 2), ("nan", 2), ("", 5)):
        opened.editor.controls["guidance"].value = text
        assert (slides["guidance"].at, slides["guidance"].given) == (at, bool(text))


def test_a_strength_needs_something_to_begin_from(opened: Any) -> None:
    controls, slide = opened.editor.controls, opened.editor._slides["strength"]
    assert (controls["strength"].disabled, slide.on) == (True, False)
    controls["image"].value = "photo"
    assert (controls["strength"].disabled, slide.on) == (False, True)
    assert "painted anew" not in opened.editor.notes["mask"].value
    controls["strength"].value, controls["mask"].value = "0.3", "hole"
    assert "painted anew" in opened.editor.notes["mask"].value
    controls["image"].value = controls["mask"].value = ""
    assert not controls["strength"].disabled, "what stands there can be taken out"
    controls["strength"].value = ""
    assert controls["strength"].disabled


def test_the_last_seed_can_be_used_again(session: Session) -> None:
    opened = panel("demo/scenes --inference-steps 2 --into base", session=session).panel
    opened.editor.buttons["reuse"].click()
    assert "There is no result of this stage yet" in opened.widgets.status.value
    click(opened, "run")
    opened.wait()
    opened.editor.buttons["reuse"].click()
    assert opened.model.form.seed == str(session.names["base"].provenance.seed)
    close_open()


def test_a_panel_that_is_opened_again_has_what_was_typed_wrong_or_not(session: Session) -> None:
    first = panel(TWO, session=session).panel
    first.editor.controls["seed"].value = "x"
    first.widgets.text.value = "demo/paper --sedes 9"
    second = panel(session=session).panel
    assert second.editor.controls["seed"].value == "x"
    assert second.typed == "demo/paper --sedes 9"
    assert "did you mean --seeds" in second.widgets.text_error.value
    assert "dgp-shut" not in second.widgets.text_part._dom_classes
    click(second, "discard")
    click(second, "close")
    assert panel(session=session).panel.editor.controls["seed"].value == "x"
    close_open()
