"""The panel without widgets: texts become forms and forms texts, and faults find their fields."""

from __future__ import annotations

import re
from dataclasses import fields
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jupyter_latents.display.panel.fields import label
from jupyter_latents.display.panel.form import StageForm
from jupyter_latents.display.panel.model import Mark, PanelModel
from jupyter_latents.engine.schedule.table import scheduler_names
from jupyter_latents.errors import (
    JupyterLatentsError,
    ModelError,
    NameNotFoundError,
    Place,
    ScriptError,
    WindowError,
)
from jupyter_latents.stage import Stage
from jupyter_latents.syntax import Environment, Script, parse
from jupyter_latents.syntax.compose import compose
from jupyter_latents.syntax.options.faults import spelling
from jupyter_latents.wording import option
from tests.syntax.test_compose import stages


def read(text: str) -> list[Stage]:
    return [stage for one in parse(text, Environment(environ={"HOME": "home"})) for stage in one.stages()]


def applied(text: str) -> PanelModel:
    model = PanelModel()
    model.apply(text)
    return model


TWO = """\
demo/scenes
--prompts "a hill; rain"
--seeds 7
--denoising-end 0.8
--into base

demo/paper
--image-seeds "latents: base"
--denoising-start 0.8
--into final"""


def test_an_invocation_with_a_refiner_becomes_its_two_stages() -> None:
    text = (
        "base --prompts \"a {{ animal }}; bad\" --guidance-scales '7@0,2@0.5' --seeds 3 "
        "--sdxl-refiner 'r;variant=fp16' -hnf 0.7 --into final"
    )
    model = applied(text)
    assert [form.model for form in model.forms] == ["base", "r"]
    assert "{{ animal }}" in model.text
    plain = text.replace("{{ animal }}", "cat")
    assert read(applied(plain).text) == read(plain)


@settings(max_examples=10, deadline=None)
@given(st.lists(stages(), min_size=1, max_size=2))
def test_a_text_that_went_through_the_panel_means_the_same(made: list[Stage]) -> None:
    assert read(applied(compose(made)).text) == made


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(st.lists(stages(), min_size=1, max_size=3))
def test_any_text_that_went_through_the_panel_means_the_same(made: list[Stage]) -> None:
    assert read(applied(compose(made)).text) == made


@pytest.mark.parametrize(
    "text",
    [
        "demo/scenes --seeds 1 2 3 --inference-steps 10 20 --guidance-scales 1 2.5",
        'demo/scenes --prompts "one" "two; not" --negative-prompts "rain"' + " --seeds 1",
        'demo/scenes --prompts "one; two" --gen-seeds 1 --seeds-to-images --image-seeds a.png',
        'demo/scenes --image-seeds "a.png;mask=b.png" "c.png" --image-seed-strengths 0.5 0.7',
        'demo/scenes --image-seeds "images: a.png, b.png;mask=c.png;latents=x, y"',
        'demo/scenes --image-seeds "a b.png;resize=64;aspect=false"',
        "demo/scenes --scheduler DDIMScheduler 'EulerDiscreteScheduler;use-karras-sigmas=true'",
        "demo/scenes --dtype float16 --loras a/b 'c/d;scale=0.5' --vae-tiling --output-path 'my pictures' --force",
        "demo/scenes --prompts '$HOME 100% %HOME%' --seeds=3",
    ],
)
def test_several_values_and_rare_options_are_kept(text: str) -> None:
    if "gen-seeds" in text:
        text = text.replace("--gen-seeds 1 --seeds-to-images", "--seeds 4 --seeds-to-images")
    if "two; not" in text:
        text = text.replace(' --negative-prompts "rain"', "")
    model = applied(text)
    assert read(model.text) == read(text)
    assert model.counts() == [len(read(text))]


def test_options_go_to_their_fields() -> None:
    base, final = applied("%%dgen --dry-run\n" + TWO).forms
    assert base == StageForm(model="demo/scenes", prompt="a hill", negative="rain", seed="7", end="0.8", into="base")
    assert final == StageForm(model="demo/paper", latents="base", start="0.8", into="final")


def test_what_has_no_field_stays_as_text() -> None:
    (form,) = applied(
        "demo/scenes --dtype float16 --image-seeds a.png b.png --output-overwrite --steps 3".replace(" --steps 3", "")
    ).forms
    assert form.more == '--image-seeds "a.png" "b.png" --dtype float16 --output-overwrite'


def test_templates_stay_live() -> None:
    text = """
demo/paper --image-seeds "latents: {{ parts['a'].at(0.5) }}" --seeds {{ 1 + 1 }}
--prompts "{{ 'x' }} hill; no {{ y }}"
"""
    model = applied(text)
    assert model.form.latents == "{{ parts['a'].at(0.5) }}"
    assert (model.form.prompt, model.form.negative, model.form.seed) == ("{{ 'x' }} hill", "no {{ y }}", "{{ 1 + 1 }}")
    assert applied(model.text).form == model.form
    assert parse('m\n--seeds "{{ 1 + 1 }}"')[0].stages()[0].seed == 2


def test_no_value_of_the_environment_is_in_a_form(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "s3cret")
    text = """demo/scenes --output-path $HOME/a --prompts "${HOME}; %HOME%" '--negative-prompts=$HOME' --seeds $SEED"""
    model = applied(text)
    assert "s3cret" not in model.text + repr(model.forms)
    assert model.form.seed == "$SEED"
    assert '--prompts "${HOME}; %HOME%"' in model.form.more
    values = {"HOME": "home", "SEED": "7"}
    made, same = (
        [stage for one in parse(form, Environment(environ=values)) for stage in one.stages()]
        for form in (text, model.text)
    )
    assert made == same


@pytest.mark.parametrize(
    "line",
    [
        '--prompts "a $STYLE hill, ${STYLE}ly, %STYLE%"',
        '--prompts "costs \\$STYLE, 5% of $STYLE"',
        '--prompts "it costs $5, 100%"',
        '--prompts "\\$STYLE and \\\\\\$STYLE"',
        "--loras $SEVERAL",
        '--loras "$SEVERAL" a/b',
        "--seeds $SEVERAL",
        '--output-path "$STYLE/x"',
    ],
)
def test_names_of_variables_stay_as_they_are_written(line: str) -> None:
    text = f"demo/scenes\n{line}"
    model = applied(text)
    assert model.text == text
    values = {"STYLE": 'fine "old" %SEVERAL%', "SEVERAL": "1 2"}
    made, same = (
        [stage for one in parse(script, Environment(environ=values)) for stage in one.stages()]
        for script in (text, model.text)
    )
    assert made == same


@pytest.mark.parametrize("more", ["512x", "demo/paper --seeds 1", "\\set x 1", "{% if x %}", "\\exit"])
def test_more_holds_options_and_nothing_that_begins_something_else(more: str) -> None:
    model = PanelModel([StageForm(model="demo/scenes", into="base", more=more)])
    assert [mark.field for mark in model.marks()] == ["more"]
    model.form.more = "--dtype float16"
    assert model.marks() == []


@pytest.mark.parametrize("text", ["a\ufffc\ue000b", "\ufffc", "\ufffc\ufffc{{ x }}", "\ufffc$HOME"])
def test_the_characters_that_mark_templates_may_be_typed(text: str) -> None:
    model = applied(f'demo/scenes --prompts "{text}" --output-prefix "{text}"')
    assert model.form.prompt == text
    assert text in model.form.more


@pytest.mark.parametrize(
    ("text", "line", "part"),
    [
        ("\\set x 1\ndemo/scenes", 1, "directive"),
        ("demo/scenes\n\n{% for i in range(2) %}\ndemo/paper\n{% endfor %}", 3, "template block"),
        ("demo/scenes\n--seeds x", 2, "not allowed"),
        ("%%dgen\ndemo/scenes\n--seeds x", 3, "not allowed"),
        ("demo/scenes {{ options }}", 1, "stands for options"),
        ("demo/scenes $OPTIONS", 1, "stands for options"),
    ],
)
def test_what_cannot_be_shown_is_refused_with_its_place(text: str, line: int, part: str) -> None:
    model = applied(TWO)
    before = model.text
    with pytest.raises(ScriptError, match=part) as caught:
        model.apply(text)
    assert caught.value.place is not None
    assert caught.value.place.line == line
    assert model.text == before


BAD: list[tuple[str, str, str, str]] = [
    ("seed", "seven", "seed", "Seed: 'seven' is not allowed; give a whole number, 0 or more."),
    ("steps", "0", "steps", "Steps in all: '0' is not allowed; give a whole number of steps, 1 or more."),
    ("guidance", "-1", "guidance", "Guidance: '-1' is not allowed; give a number, 0 or more."),
    ("size", "500", "size", "Size: 500 pixels is no multiple of 8; the nearest that is: 496."),
    ("scheduler", "Nonsense", "scheduler",
     "Sampler: 'Nonsense' is no scheduler; there are Euler, Euler a, Heun, LMS, DPM2, DPM2 a and others."),
    ("into", "1x", "into",
     "Save as variable: '1x' cannot be a kernel variable: use letters, digits and _, no digit first."),
    ("strength", "2", "strength", "Strength: '2' is not allowed; give a number, above 0 and at most 1."),
    ("strength", "0.5", "strength", "'Strength' has nothing to begin from; add Picture IMAGE."),
    ("start", "0.5", "window", "'Steps of this stage (start)' has nothing to begin from; add Latents 'latents: NAME'."),
    ("end", "0", "window", "Steps of this stage (end) 0 leaves nothing to run; give a fraction above 0."),
    ("mask", "hole.png", "mask",
     "Mask: An image seed begins with an image or a word with a colon; write IMAGE;mask=..."),
    ("latents", "a, ,b", "latents",
     "Latents: An image seed names nothing here; give a variable or a path, and quote a seed that holds a space."),
    ("image", "'x", "image", "Picture: The quotes of 'x do not match; quote the whole part."),
    ("more", "--image-seeds 'a, ,b'", "more",
     "--image-seeds: Several images in one seed are written 'images: a, b'."),
    ("more", "--dtipe x", "more", "'--dtipe' is no option; did you mean --dtype?"),
    ("more", "--dtype x", "more", "--dtype: 'x' is no dtype. Known: auto, float16, bfloat16, float32."),
    ("more", "--gen-seeds 3", "more", "Seed and --gen-seeds exclude each other; keep one."),
    ("more", "--seeds 3", "more", "'Seed' is given twice for this model."),
]  # fmt: skip
SPELLED = {
    "Seed": "--seeds", "Steps in all": "--inference-steps", "Guidance": "--guidance-scales", "Size": "--output-size",
    "Sampler": "--scheduler", "Save as variable": "--into", "Strength": "--image-seed-strengths",
    "Picture": "--image-seeds", "Latents": "--image-seeds", "Mask": "--image-seeds",
    "Steps of this stage (start)": "--denoising-start", "Steps of this stage (end)": "--denoising-end",
}  # fmt: skip


@pytest.mark.parametrize(("name", "value", "where", "message"), BAD)
def test_a_bad_value_is_marked_at_its_field_and_told_by_its_label(
    name: str, value: str, where: str, message: str
) -> None:
    model = applied(TWO)
    model.forms.insert(1, StageForm(model="demo/scenes", seed="1"))
    setattr(model.forms[1], name, value)
    [mark] = model.marks(scheduler_names())
    assert (mark.index, mark.field, mark.alone) == (1, where, message)
    assert mark.message == message.removeprefix(f"{label(where)}: "), "the label stands beside it"
    with pytest.raises(ScriptError) as caught:
        Script(model.text).check(schedulers=scheduler_names())
    assert caught.value.message == re.sub("|".join(map(re.escape, SPELLED)), lambda found: SPELLED[found[0]], message)


def test_each_stage_has_its_own_mark() -> None:
    model = applied(TWO)
    model.forms[0].seed, model.forms[1].size = "x", "7"
    assert [(mark.index, mark.field) for mark in model.marks()] == [(0, "seed"), (1, "size")]


def test_every_bad_value_of_a_stage_is_marked() -> None:
    form = StageForm(model="demo/scenes", seed="x", size="7", guidance="-1", into="1")
    assert {mark.field for mark in PanelModel([form]).marks()} == {"seed", "guidance", "size", "into"}


def test_what_others_need_is_not_looked_past() -> None:
    form = StageForm(model="demo/scenes", image="'a", strength="0.5", start="0.5")
    assert [mark.field for mark in PanelModel([form]).marks()] == ["image"]


def test_a_stage_without_a_model_is_marked_there() -> None:
    model = PanelModel([StageForm(model="demo/scenes"), StageForm(prompt="a hill")])
    (mark,) = model.marks()
    assert (mark.index, mark.field) == (1, "model")
    assert "without a model" in mark.message
    assert PanelModel().marks() == []
    assert PanelModel().text == ""


@pytest.mark.parametrize(
    ("error", "where"),
    [
        (WindowError("no step to run", option="denoising_start"), "window"),
        (WindowError("--output-size 64 has no step to run", option="inference_steps"), "steps"),
        (ModelError("it does not fit", option="output_size"), "size"),
        (ModelError("there are no such weights", option="variant"), "more"),
        (NameNotFoundError("no variable", name="bass", option="image_seeds"), "latents"),
        (NameNotFoundError("no file", name="hole.png", option="image_seeds"), "mask"),
        (NameNotFoundError("no file", name="b.png", option="image_seeds"), "image"),
        (ModelError("--seeds and latents: no scheduler 'X', no variable 'bass'"), ""),
    ],
)
def test_an_error_without_a_place_is_marked_at_its_option(error: JupyterLatentsError, where: str) -> None:
    model = PanelModel([StageForm(), StageForm(model="m", image="a.png, b.png", mask="hole.png", latents="bass")])
    assert model.mark(error, 1) == Mark(1, where, error.message)


def test_an_error_at_the_model_is_marked_at_the_option_to_blame() -> None:
    model = applied(TWO)
    place = Place(1, 1, "demo/scenes", 11)
    assert model.mark(ModelError("it is nowhere", place=place)).field == "model"
    assert model.mark(ModelError("too large", option="output_size", place=place)).field == "size"


def test_an_error_of_a_run_is_told_by_labels() -> None:
    text = f"{option('denoising_end')} 0.9 needs {option('image_seeds', 'image')}, or leave {option('vae')} out"
    error = WindowError(text, option="denoising_end")
    error.spelled(spelling)
    assert error.message == "--denoising-end 0.9 needs --image-seeds, or leave --vae out"
    assert applied(TWO).mark(error).message == "Steps of this stage (end) 0.9 needs Picture, or leave --vae out"


def test_an_added_stage_goes_on_from_the_one_before() -> None:
    model = PanelModel([StageForm(model="demo/scenes", prompt="a hill", steps="20")])
    model.add()
    assert (
        model.text
        == """\
demo/scenes
--prompts "a hill"
--inference-steps 20
--denoising-end 0.8
--into base

demo/scenes
--prompts "a hill"
--image-seeds "latents: base"
--inference-steps 20
--denoising-start 0.8
--into final"""
    )
    model.duplicate()
    assert (model.selected, model.form.into, model.form.latents) == (2, "stage_3", "base")
    model.move(-1)
    assert [form.into for form in model.forms] == ["base", "stage_3", "final"]
    model.move(-1)
    model.move(-1)
    assert (model.selected, model.form.into) == (0, "stage_3")
    model.remove()
    model.remove()
    assert [form.into for form in model.forms] == ["final"]
    model.remove()
    assert model.forms == [StageForm()]


def made(digest: str, step: int, **changes: Any) -> Any:
    origin = {"model": "demo/scenes", "prompt": "{{ hill }}; top", "negative_prompt": "", "seed": 7,
              "guidance_scale": 3.0, "options": {"steps": "30"}, "parents": (), "cell": ""}  # fmt: skip
    position = SimpleNamespace(step=step, of=30)
    return SimpleNamespace(digest=digest, position=position, provenance=SimpleNamespace(**(origin | changes)))


def test_a_provenance_fills_the_selected_stage() -> None:
    model = applied(TWO)
    model.selected = 1
    base = made("1", 7)
    model.fill(made("2", 30, parents=("1",)), {"base": base})
    prompt = "{{ '{' }}{ hill }}\\; top"
    assert model.form == StageForm(
        model="demo/scenes", prompt=prompt, seed="7", guidance="3", latents="base", start="0.2334", into="final"
    )
    assert read(model.text)[1].prompt.positive == "{{ hill }}; top"


def test_chosen_latents_bring_where_they_are() -> None:
    model = applied(TWO)
    model.forms.append(StageForm(model="demo/paper"))
    model.selected = 2
    model.take_latents("base", None)
    assert (model.form.latents, model.form.start) == ("base", "0.8")
    model.take_latents("", None)
    assert model.form.start == ""
    model.take_latents("other", 0.25)
    assert model.form.start == "0.25"


def test_every_field_changes_the_text() -> None:
    model = applied('demo/scenes --image-seeds "a.png;mask=b.png;latents=c"')
    for one in fields(StageForm):
        before = model.text
        setattr(model.form, one.name, "--force" if one.name == "more" else "7")
        assert model.text != before, one.name
