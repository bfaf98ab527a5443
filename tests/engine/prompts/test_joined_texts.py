"""Texts joined by ``AND`` steer together: composable diffusion's formula, by a loop of one's own, and under the law."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from jupyter_latents.engine.given.inputs import Given, Inputs
from jupyter_latents.engine.prepare import prepare
from jupyter_latents.engine.prompts.windows import prompt_windows
from jupyter_latents.engine.schedule.window import Span
from jupyter_latents.errors import JupyterLatentsError
from jupyter_latents.prompts import PromptPart, joined, prompt_parts
from jupyter_latents.stage import Address, ModelSource, Prompt, Stage, Window
from tests.engine.cases import Bench, equal, inputs, picture, relative
from tests.engine.prompts.cases import a1111, by_hand, run
from tests.engine.prompts.composable import SCHEDULER, loop, refined
from tests.engine.test_steering import _passes
from tests.tables.steered import Place, files_in, stage_at

SPAN = Span(0, 4, 4, 1, 4)
SHORT = {"num_inference_steps": 4}
TWO = ("a cat AND a dog", [("a cat", 1.0), ("a dog", 1.0)])
THREE = (
    "a cat :0.7 AND the sea :-0.4 AND a red house:1.5",
    [("a cat", 0.7), ("the sea", -0.4), ("a red house", 1.5)],
)


@pytest.mark.parametrize(
    ("family", "prompt", "parts"), [("sd15", *TWO), ("sd15", *THREE), ("sdxl", *THREE), ("sd3", *THREE)]
)
def test_a_run_is_composable_diffusion(family: str, prompt: str, parts: list[tuple[str, float]], bench: Bench) -> None:
    options = {**SHORT, "scheduler": SCHEDULER.get(family)}
    whole = run(bench, family, a1111(prompt, "a bird"), **options)
    assert relative(whole.latents.tensor, loop(bench.folder(family), family, parts)) < 1e-5
    assert whole.latents.provenance.prompt == prompt
    first = run(bench, family, a1111(prompt, "a bird"), **options, window=Window(None, 0.5)).latents
    assert equal(whole, run(bench, family, a1111(prompt, "a bird"), first, **options, window=Window(0.5)))


def test_the_refiner_goes_on_from_sdxl_with_texts_that_steer_together(bench: Bench) -> None:
    base = run(bench, "sdxl", Prompt("a cat"), window=Window(None, 0.6)).latents
    prompt = a1111(THREE[0], "a bird")
    whole = run(bench, "sdxl-refiner", prompt, base, window=Window(0.6))
    planned = replace(bench.stage("sdxl-refiner", window=Window(0.6)), prompt=prompt)
    assert prepare(planned, Given.of(inputs("txt2img", base))).passes == 4 * whole.evaluations == 16
    assert relative(whole.latents.tensor, refined(bench.folder("sdxl-refiner"), base.tensor, THREE[1])) < 1e-5
    part = run(bench, "sdxl-refiner", prompt, base, window=Window(0.6, 0.8)).latents
    assert equal(whole, run(bench, "sdxl-refiner", prompt, part, window=Window(0.8)))


@pytest.mark.parametrize(
    ("given", "plain_text", "scale"),
    [("a cat :0.5 AND a cat :0.5", "a cat", 3.0), ("a cat AND a dog :0", "a cat", 3.0),
     ("a cat AND a cat", "a cat", 6.0), ("a cat :0.2 AND a cat :0.3", "a cat", 1.5)],
)  # fmt: skip
def test_weights_of_one_text_add_up(given: str, plain_text: str, scale: float, bench: Bench) -> None:
    both = (
        run(bench, "sd15", a1111(given), **SHORT),
        run(bench, "sd15", a1111(plain_text), **SHORT, guidance_scale=scale),
    )
    assert relative(both[0].latents.tensor, both[1].latents.tensor) < 1e-5


def test_one_text_goes_the_usual_way(bench: Bench) -> None:
    usual = run(bench, "sd15", Prompt("a cat and a dog"), **SHORT)
    assert equal(usual, run(bench, "sd15", a1111("a cat and a dog"), **SHORT))
    word = a1111("a cat AND a dog")
    as_text = run(bench, "sd15", replace(word, weighter=Address("a1111", {"schedules": "false"})), **SHORT)
    assert equal(as_text, run(bench, "sd15", replace(word, weighter=None), **SHORT))
    assert not equal(as_text, run(bench, "sd15", word, **SHORT))


@pytest.mark.parametrize(("family", "mode"), [("sd15", "txt2img"), ("sdxl", "inpaint"), ("sd3", "img2img")])
def test_each_part_changes_by_itself_as_stages_by_hand(family: str, mode: str, bench: Bench) -> None:
    options: dict[str, Any] = {"mode": mode, "num_inference_steps": 6}
    options |= {"guidance_rescale": 0.3, "scheduler": "DDIMScheduler"} if family == "sd15" else {}
    whole = run(bench, family, a1111("[red:blue:0.5] (cat:1.3) AND a [dog::4] house :0.6", "[fox:2]"), **options)
    texts = [(2, a1111("red (cat:1.3) AND a dog house :0.6", "")),
             (3, a1111("red (cat:1.3) AND a dog house :0.6", "fox")),
             (4, a1111("blue (cat:1.3) AND a dog house :0.6", "fox")),
             (6, a1111("blue (cat:1.3) AND a  house :0.6", "fox"))]  # fmt: skip
    if whole.span.start:  # a strength leaves steps out
        texts = [one for one in texts if one[0] > whole.span.start]
    parts = by_hand(bench, family, texts, **options)
    assert equal(whole, parts[-1])
    assert whole.evaluations == sum(part.evaluations for part in parts)


def test_a_long_part_and_several_pictures_run_under_the_law(bench: Bench) -> None:
    prompt = a1111("cat, " * 60 + "AND (a dog:1.2) BREAK the sea :0.5", "bird")
    whole = run(bench, "sdxl", prompt, **SHORT, batch_size=2)
    first = run(bench, "sdxl", prompt, **SHORT, batch_size=2, window=Window(None, 0.5)).latents
    assert equal(whole, run(bench, "sdxl", prompt, first, **SHORT, window=Window(0.5)))


@pytest.mark.parametrize("family", ["sd15", "sdxl", "sd3"])
def test_passes_are_foreseen_and_told(family: str, bench: Bench) -> None:
    stage = replace(bench.stage(family, num_inference_steps=3), prompt=a1111("a AND b:0.3 AND [c:d:0.5]"))
    planned = prepare(stage)
    assert planned.passes == 4 * planned.span.evaluations == _passes(bench, stage)
    part = "transformer" if family == "sd3" else "unet"
    assert f"{planned.passes} passes of the {part}: 4 a step, for AND joins 3 texts" in planned.notes


@pytest.mark.parametrize("kind", ["t2i_adapters", "ip_adapters"])
def test_adapters_steer_every_text(kind: str, bench: Bench) -> None:
    files = files_in(bench.scratch / "steered", "sd15")
    stage, seen, put = bench.stage("sd15", **SHORT), Inputs(adapters=((picture(48),),)), files.adapters[0]
    if kind == "t2i_adapters":
        stage, seen, put = stage_at(bench, "T2I-Adapter", Place()), Inputs(controls=(picture(),)), str(files.sketcher)
    encoder = f"{put.partition(';')[0]}/image_encoder" if kind == "ip_adapters" else None
    model = replace(stage.model, image_encoder=encoder, **{kind: (put,)})
    made = []
    for text, given in (("a cat", seen), ("a cat :0.5 AND a cat :0.5", seen), ("a cat", inputs())):
        own = replace(stage, prompt=a1111(text), model=model if given is seen else replace(stage.model, **{kind: ()}))
        made.append(bench.engine.run(own, given).latents.tensor)
    assert relative(made[1], made[0]) < 1e-4
    assert relative(made[0], made[2]) > 1e-3


REFUSED: list[tuple[str, Prompt, dict[str, Any], str, str]] = [
    ("sd15", a1111("a AND b"), {"guidance_scale": 1.0}, "no guidance holds in steps 0 to 10", "guidance_scales"),
    (
        "sd15",
        a1111("a AND b"),
        {"guidance_scale": "3@0,1@0.5"},
        "no guidance holds in steps 5 to 10",
        "guidance_scales",
    ),
    ("flux", a1111("a AND b"), {}, "Flux.1 has no guidance between two passes", "prompts"),
    ("sd15", a1111("a AND b"), {"pag_scale": 3.0}, "takes a pass of one text apart", "pag_scales"),
    ("sd15", a1111("a AND b"), {"optimize": ("taylorseer",)}, "a step cache remembers the passes", "optimize"),
    ("sdxl", a1111("a", second="b AND c"), {}, "'AND' at character 3 .* in the first prompt alone", "second_prompts"),
    ("sd15", a1111("a AND"), {}, "'AND' at character 3 of the prompt needs a text on both", "prompts"),
    ("sd15", a1111(" AND b"), {}, "'AND' at character 2 of the prompt needs a text on both", "prompts"),
    ("sd15", a1111("a AND [b::0.5]"), {}, "at step 10 the prompt reads 'a AND '", "prompts"),
    ("sd15", a1111("[a AND b:0.5] c"), {}, r"'\[' at character 1 of the prompt is never closed", "prompts"),
    ("sd15", a1111("a AND (b))"), {}, r"'\)' at character 10 of the prompt closes no bracket", "prompts"),
    ("sd15", a1111("a AND b :1e9"), {}, "'1e9' at character 10 of the prompt is no weight", "prompts"),
    ("sd15", a1111("a:1.2.3 AND b"), {}, "'1.2.3' at character 3 of the prompt is no weight", "prompts"),
    (
        "sd15",
        a1111("a AND b :900"),
        {},
        "'900' at character 10 of the prompt is no weight of a whole prompt",
        "prompts",
    ),
]


@pytest.mark.parametrize(("family", "prompt", "options", "says", "dest"), REFUSED)
def test_what_hears_one_text_alone_is_refused_before_weights_load(
    family: str, prompt: Prompt, options: dict[str, Any], says: str, dest: str, bench: Bench
) -> None:
    stage, given = bench.stage(family, **({"scheduler": "DDIMScheduler"} if family == "sd15" else {})), inputs()
    loads = bench.engine.cache.loads
    if "optimize" in options:
        stage = replace(stage, model=replace(stage.model, optimize=options.pop("optimize")))
    with pytest.raises(JupyterLatentsError, match=says) as caught:
        bench.engine.run(replace(stage, prompt=prompt, **options), given)
    assert caught.value.option == dest
    assert bench.engine.cache.loads == loads


@pytest.mark.parametrize(
    "parts",
    [[("a", 1.0), ("b", 0.00001)], [("at 12:30", 1.0), ("b:x", -2.5)], [("a :3", 0.7), ("b", 100.0), ("c", 0.0)]],
)
def test_joined_texts_read_back(parts: list[tuple[str, float]]) -> None:
    assert [
        (part.text.strip(), part.weight) for part in prompt_parts(joined(PromptPart(*one) for one in parts))
    ] == parts


def test_a_window_reads_its_text_as_it_stands() -> None:
    stage = Stage(model=ModelSource("x"), prompt=a1111(r"[[a\:b\:3]:c:2] AND d [e:f:2]"))
    windows = prompt_windows(stage, SPAN)
    assert [(one.start, one.end) for one in windows] == [(0, 2), (2, 4)]
    for one in windows:
        assert prompt_windows(replace(stage, prompt=one.prompt), SPAN) == (replace(one, start=0, end=4),)


def test_a_number_that_a_schedule_leaves_at_an_end_is_no_weight() -> None:
    stage = Stage(model=ModelSource("x"), prompt=a1111("x:[1:2:0.5] AND y:0.3"))
    assert [one.prompt.positive for one in prompt_windows(stage, SPAN)] == [
        "x:1 :1.0 AND y :0.3",
        "x:2 :1.0 AND y :0.3",
    ]
