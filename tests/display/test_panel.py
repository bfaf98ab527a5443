"""The panel's widgets, driven from Python: ipywidgets gives them dummy comms outside a kernel."""

from __future__ import annotations

import io
import re
import threading
from dataclasses import fields
from typing import Any

import pytest
from ipywidgets import Layout, Style
from ipywidgets.widgets.widget import _instances
from PIL import Image

from jupyter_latents.display.panel import panel
from jupyter_latents.display.panel.form import StageForm
from jupyter_latents.display.panel.model import Mark
from jupyter_latents.display.panel.opening import close_open
from jupyter_latents.display.panel.plans.outlook import Schedule
from jupyter_latents.errors import SettingError
from jupyter_latents.session import Session
from tests.display.panels import TWO, click, errors

CHANGES = {
    "model": ("demo/paper", "demo/paper"),
    "prompt": ("a <b>lake</b>\nat dawn", '--prompts "a <b>lake</b> at dawn"'),
    "negative": ("snow", '--negative-prompts "snow"'),
    "seed": ("1 2", "--seeds 1 2"),
    "size": ("64x128", "--output-size 64x128"),
    "steps": ("8", "--inference-steps 8"),
    "guidance": ("2.5", "--guidance-scales 2.5"),
    "scheduler": ("DDIMScheduler", "--scheduler DDIMScheduler"),
    "into": ("first", "--into first"),
    "output": ("my pictures", '--output-path "my pictures"'),
    "window": ((0, 3), "--denoising-end 0.8"),
    "latents": ("other", '--image-seeds "latents: other"'),
    "image": ("photo.png", '--image-seeds "photo.png"'),
    "strength": ("0.3", "--image-seed-strengths 0.3"),
    "more": ("--dtype float16", "--dtype float16"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_every_control_changes_the_text(opened: Any, name: str) -> None:
    value, line = CHANGES[name]
    opened.editor.controls[name].value = value
    first = opened.widgets.text.value.split("\n\n")[0].split("\n")
    assert line in first
    assert len(set(first) - set(TWO.split("\n"))) == 1


def test_blanks_typed_around_a_models_name_are_left_in_the_field_and_out_of_the_text(opened: Any) -> None:
    control = opened.editor.controls["model"]
    for typed in (" demo/paper", "my ", "my model"):  # a letter later it may be part of a name
        control.value = typed
        assert control.value == typed
        assert opened.model.form.model == typed.strip()
    opened.model.form.model = "demo/flow"
    opened.refresh()
    assert control.value == "demo/flow"


def test_a_mask_joins_its_image(opened: Any) -> None:
    opened.editor.controls["image"].value = "photo"
    opened.editor.controls["mask"].value = "hole"
    assert '--image-seeds "photo;mask=hole"' in opened.text


def test_the_text_changes_every_control(opened: Any) -> None:
    opened.widgets.text.value = """%%dgen
demo/paper --prompts "a lake; snow" --seeds 3 --inference-steps 8 --guidance-scales 2 --output-size 64
--scheduler "DDIMScheduler;clip-sample=false" --denoising-start 0.25 --denoising-end 0.5 --image-seed-strengths 0.4
--image-seeds "photo;mask=hole;latents=first" --into second --output-path out --dtype float16"""
    click(opened, "apply")
    opened.wait()
    shown = {name: control.value for name, control in opened.editor.controls.items()}
    assert shown == {
        "model": "demo/paper", "prompt": "a lake", "negative": "snow", "seed": "3", "steps": "8", "guidance": "2",
        "size": "64", "scheduler": "DDIMScheduler;clip-sample=false", "window": (2, 4), "strength": "0.4",
        "image": "photo", "mask": "hole", "latents": "first", "into": "second", "output": "out",
        "more": "--dtype float16",
    }  # fmt: skip
    assert opened.editor.controls["window"].max == 8
    assert len(opened.widgets.stages.children) == 1


def test_bad_values_are_marked_at_their_fields_and_escaped(opened: Any) -> None:
    opened.editor.controls["seed"].value = "<img onerror=x>"
    opened.editor.controls["size"].value = "500"
    found = errors(opened)
    assert set(found) == {"seed", "size"}
    assert ">&#x27;&lt;img&#x27; is not allowed; give a whole number, 0 or more.<" in found["seed"]
    assert "500 pixels is no multiple of 8; the nearest that is: 496." in found["size"]
    assert "dgp-bad" in opened.editor.controls["seed"]._dom_classes
    click(opened, "run")
    opened.wait()
    assert opened.results.run is None
    assert "base: Seed: " in opened.widgets.status.value
    opened.editor.controls["seed"].value = opened.editor.controls["size"].value = ""
    assert errors(opened) == {}
    assert "dgp-bad" not in opened.editor.controls["seed"]._dom_classes


def test_the_plan_is_told_and_what_it_refuses_is_marked(opened: Any) -> None:
    opened.wait()
    assert "steps 0–2 of 4 · noise σ" in opened.editor.notes["window"].value
    assert opened.widgets.stages.children[1].description == "final\ndemo/scenes · steps 2–4"
    opened.editor.controls["steps"].value = "1"
    opened.wait()
    assert "no step to run: the schedule has 1 steps" in errors(opened)["window"]
    opened.editor.controls["steps"].value = "4"
    opened.widgets.stages.children[1].click()
    opened.editor.controls["latents"].value = "bass"
    opened.wait()
    assert "no variable &#x27;bass&#x27;" in errors(opened)["latents"]
    opened.editor.controls["model"].value = "demo/scenery"
    opened.editor.controls["latents"].value = ""
    opened.editor.controls["window"].value = (0, 4)
    opened.wait()
    assert set(errors(opened)) == {"model"}


def test_stages_are_added_copied_moved_and_removed(opened: Any) -> None:
    for name, names in [
        ("add", ["base", "stage_3", "final"]),
        ("duplicate", ["base", "stage_3", "stage_4", "final"]),
        ("up", ["base", "stage_4", "stage_3", "final"]),
        ("down", ["base", "stage_3", "stage_4", "final"]),
        ("remove", ["base", "stage_3", "final"]),
    ]:
        click(opened, name)
        assert [form.into for form in opened.model.forms] == names
        assert len(opened.widgets.stages.children) == len(names)
    assert opened.widgets.buttons["down"].disabled
    opened.widgets.stages.children[0].click()
    assert opened.widgets.buttons["up"].disabled
    assert opened.editor.controls["into"].value == "base"


def test_it_runs_in_the_background_and_binds(opened: Any, session: Session) -> None:
    click(opened, "run")
    opened.wait()
    assert "done, saved as base and final · 4 model evaluations" in opened.widgets.status.value
    assert {"base", "final"} <= set(session.names)
    assert session.names["final"].is_clean
    assert opened.results.view.record.stages[-1].pictures
    assert "final" in opened.editor.controls["image"].options
    assert opened.widgets.buttons["stop"].disabled

    opened.widgets.stages.children[1].click()
    opened.widgets.origin.value = "final"
    click(opened, "fill")
    filled = StageForm(model="demo/scenes", steps="4", into="final")  # the cell that made it
    filled.latents, filled.start = "base", "0.5"
    assert opened.model.form == filled
    opened.editor.controls["latents"].value = ""
    assert opened.model.form.start == ""
    opened.model.forms[0].into = ""
    opened.editor.controls["latents"].value = "base"
    assert opened.model.form.start == "0.5", "latents bring where they are"


def test_a_run_uses_what_is_written_just_after_the_click(opened: Any, session: Session) -> None:
    opened.widgets.text.value = TWO.replace("--seeds 7", "--seeds 8")
    click(opened, "apply")
    click(opened, "run")
    click(opened, "run")
    assert opened.widgets.buttons["run"].disabled
    opened.widgets.stages.children[0].click()
    opened.editor.controls["into"].value = "late"
    opened.widgets.stages.children[1].click()
    opened.editor.controls["latents"].value = "late"
    opened.wait()
    assert "done, saved as " in opened.widgets.status.value
    assert session.names["late"].provenance.seed == 8
    assert "base" not in session.names


def test_a_run_that_waits_can_be_stopped(opened: Any, session: Session) -> None:
    click(opened, "run")
    click(opened, "stop")
    opened.wait()
    assert "stopped before it began" in opened.widgets.status.value
    assert not opened.widgets.buttons["run"].disabled
    assert opened.results.run is None


def test_stop_ends_a_run_and_its_latents_stay(opened: Any, session: Session) -> None:
    opened.editor.controls["steps"].value = "400"
    opened.editor.controls["seed"].value = "11"
    click(opened, "run")
    opened._clicks.wait()
    assert not opened.widgets.buttons["stop"].disabled
    assert "<b>base → final</b><span>running" in opened.widgets.now.value
    assert opened.widgets.buttons["stop"].description == "■ Stop base → final"
    click(opened, "stop")
    opened.wait()
    assert "stopped" in opened.widgets.status.value


def test_a_paused_run_is_called_so(opened: Any) -> None:
    now = opened.widgets.now
    paused, goes_on = threading.Event(), threading.Event()
    opened.editor.controls["steps"].value = "400"
    click(opened, "run")
    opened._clicks.wait()
    assert "running; you can run other cells meanwhile" in opened.widgets.status.value
    now.observe(lambda change: (paused if "paused" in change.new else goes_on).set(), "value")
    moved = threading.Event()
    told = re.compile(r"running, step [1-9]\d* of 400")
    now.observe(lambda change: moved.set() if told.search(change.new) else None, "value")
    assert moved.wait(60), "it is told how far the run is"
    assert 'class="dgp-share"' in now.value
    opened.results.run.pause()
    assert paused.wait(60)
    assert "base → final is paused: resume or stop it below" in opened.widgets.status.value
    click(opened, "run")
    opened._clicks.wait()
    assert "base → final (2) waits, since base → final is paused" in opened.widgets.status.value
    goes_on.clear()
    click(opened, "resume")
    assert goes_on.wait(60)
    assert "base → final (2) waits behind base → final; you can" in opened.widgets.status.value
    kept = threading.Event()
    opened.widgets.summary.observe(lambda change: kept.set() if "kept)" in change.new else None, "value")
    click(opened, "cancel")
    click(opened, "stop")
    opened.wait()
    assert kept.wait(60), "a plan says what need not run again"
    counted = re.search(r"(\d+) model evaluations \((\d+) kept\)", opened.widgets.summary.value)
    assert counted is not None
    assert int(counted[1]) + int(counted[2]) == 200 + 2


def test_an_error_of_the_run_is_marked_too(opened: Any, session: Session) -> None:
    opened.widgets.text.value = 'demo/scenes --image-seeds "nothing.png" --inference-steps 2'
    click(opened, "apply")
    click(opened, "run")
    opened.wait()
    assert "no file nothing.png" in errors(opened)["image"]
    assert "no file nothing.png" in opened.widgets.status.value
    assert 'role="alert"' in opened.widgets.status.value


def test_a_fault_of_no_field_is_told_below_the_window(opened: Any) -> None:
    opened.wait()
    opened._known.blame(Mark(0, "", "the device <x> is gone"))
    opened._show_stages()
    assert errors(opened) == {}
    assert "the device &lt;x&gt; is gone" in opened.editor.notes["window"].value
    assert opened.widgets.stages.children[0].tooltip == "the device <x> is gone"


def upload(opened: Any, name: str, file: str, content: bytes) -> None:
    value = {"name": file, "type": "", "size": len(content), "content": memoryview(content), "last_modified": None}
    opened.editor._take(name, (value,))


def test_files_become_variables(opened: Any, session: Session, tmp_path: Any) -> None:
    import torch

    from jupyter_latents.latents import Latents

    picture = io.BytesIO()
    Image.new("RGB", (16, 8), "red").save(picture, "PNG")
    upload(opened, "image", "my photo.png", picture.getvalue())
    upload(opened, "mask", "my photo.png", picture.getvalue())
    assert (session.names["my_photo"].size, opened.model.form.image) == ((16, 8), "my_photo")
    assert opened.model.form.mask == "my_photo_2"
    file = Latents(torch.zeros(1, 4, 2, 2)).save(tmp_path / "z.safetensors")
    upload(opened, "latents", "1z.safetensors", file.read_bytes())
    assert opened.model.form.latents == "file_1z"
    assert session.names["file_1z"].shape == (1, 4, 2, 2)
    phone = io.BytesIO()
    sideways = Image.Exif()
    sideways[0x0112] = 6
    Image.new("RGB", (16, 8), "red").save(phone, "JPEG", exif=sideways)
    upload(opened, "image", "phone.jpg", phone.getvalue())
    assert session.names["phone"].size == (8, 16), "upright, as a run reads the file"
    upload(opened, "image", "evil.png", b"<script>")
    assert "evil.png cannot be read as a picture" in errors(opened)["image"]
    upload(opened, "latents", "evil.pt", b"nothing")
    assert set(errors(opened)) == {"latents"}
    for name in ("evil.exe", f"{'x' * 5000}.png", "\x00", ""):
        upload(opened, "latents", name, file.read_bytes())
        assert "is no latents file; those end in" in errors(opened)["latents"]
    upload(opened, "latents", f"{'x' * 5000}.safetensors", file.read_bytes())
    assert opened.model.form.latents == "x" * 60
    upload(opened, "latents", "Tensor_1", file.read_bytes())
    assert opened.model.form.latents == "Tensor_1"


def test_a_dropped_file_goes_to_the_field_under_it(opened: Any, session: Session) -> None:
    picture = io.BytesIO()
    Image.new("RGB", (16, 8), "red").save(picture, "PNG")
    dropped = [memoryview(picture.getvalue())]
    for field in ("mask", "prompt", "no such", None):
        opened.editor.drops._take({"field": field, "file": "hole.png"}, dropped)
    opened.editor.drops._take({"field": "image", "file": "empty.png"}, [])
    assert opened.model.form.mask == "hole"
    assert set(session.names) == {"hole"}, "other fields take no files"


def test_the_dice_give_a_seed(opened: Any) -> None:
    opened.editor.buttons["dice"].click()
    assert opened.model.form.seed.isdigit()
    assert f"--seeds {opened.model.form.seed}" in opened.text


def test_a_slider_end_that_was_not_moved_keeps_its_text(opened: Any) -> None:
    opened.editor.controls["steps"].value = "10"
    opened.model.form.end = "0.55"
    opened.refresh()
    opened.editor.controls["window"].value = (2, 5)
    assert (opened.model.form.start, opened.model.form.end) == ("0.2", "0.55")


@pytest.mark.parametrize("steps", [1, 4, 7, 30, 333])
@pytest.mark.parametrize("rule", ["steps", "timesteps"])
def test_fractions_of_the_slider_mean_its_steps(steps: int, rule: Any) -> None:
    schedule = Schedule((), tuple(1000.0 * (steps - n) / steps for n in range(steps)), 1, rule)
    for step in range(1, steps):
        assert schedule.step(float(schedule.fraction(step))) == step


def test_a_new_panel_closes_the_old_one_and_goes_on_from_it(session: Session) -> None:
    first = panel(TWO, session=session)
    second = panel(session=session)
    assert (first.panel.closed, second.panel.closed) == (True, False)
    assert second.text == TWO
    click(second.panel, "close")
    assert second.panel.closed
    assert "text/html" in second._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" not in second._repr_mimebundle_()


def test_closed_panels_leave_no_widgets(session: Session) -> None:
    panel(TWO, session=session).panel.wait()
    close_open()
    before = len(_instances)
    for _ in range(3):
        made = panel(TWO, session=session)
        click(made.panel, "add")
        click(made.panel, "remove")
        made.panel.wait()
    close_open()
    assert len(_instances) == before


def test_widgets_share_their_looks_and_close_them_together(session: Session) -> None:
    before = set(_instances)
    opened = panel(TWO, session=session)
    made = [one for name, one in _instances.items() if name not in before]
    looks = [one for one in made if isinstance(one, (Layout, Style))]
    assert len(looks) < len(made) / 6, "a page is told of each"
    click(opened.panel, "add")
    click(opened.panel, "remove")  # takes its own looks along and no others
    assert all(one.comm is not None for one in looks)
    opened.close()
    assert all(one.comm is None for one in made)


def test_it_begins_from_latents(session: Session) -> None:
    import torch

    from jupyter_latents.latents import Latents
    from jupyter_latents.latents.facts import Provenance

    origin = Provenance("demo/paper", prompt="</script><b>", seed=5, options={"steps": "12"})
    made = panel(Latents(torch.zeros(1, 4, 2, 2), provenance=origin), session=session)
    assert made.text == 'demo/paper\n--prompts "</script><b>"\n--seeds 5\n--inference-steps 12\n--into base'
    made.close()
    session.names["base"] = 1
    again = panel(Latents(torch.zeros(1, 4, 2, 2), provenance=origin), session=session)
    assert again.text.endswith("\n--into base_2"), "what is there is not replaced"
    again.close()
    assert "&lt;/script&gt;" in made._repr_mimebundle_()["text/html"]


@pytest.mark.parametrize("start", [3, b"demo/scenes", [1], object()])
def test_it_begins_from_nothing_else(session: Session, start: Any) -> None:
    before = len(_instances)
    with pytest.raises(SettingError, match=r"start is .*; give the text of a cell, or latents"):
        panel(start, session=session)
    assert len(_instances) == before


def test_every_field_has_a_control(opened: Any) -> None:
    shown = set(opened.editor.controls) - {"window"} | {"start", "end"}
    assert shown == {one.name for one in fields(StageForm)}
