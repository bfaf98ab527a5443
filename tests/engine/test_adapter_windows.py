"""IP-Adapters and T2I-Adapters for a part of a run: they equal the stages by hand, and change no weight."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from jupyter_latents.engine.given.inputs import Given, Inputs
from jupyter_latents.engine.prepare import prepare
from jupyter_latents.errors import ModelError
from jupyter_latents.stage import Stage, Window
from tests.engine.cases import Bench, equal, picture, through_file
from tests.tables.steered import Place, differs, files_in, stage_at

ELSEWHERE = [
    ("IP-Adapter", Place("deep-sd3")), ("IP-Adapter", Place("flux", mode="img2img")),
    ("IP-Adapter", Place("sdxl", mode="inpaint")), ("T2I-Adapter", Place("sdxl")),
]  # fmt: skip


@pytest.mark.parametrize(("name", "place"), ELSEWHERE, ids=str)
def test_a_window_is_the_stages_by_hand_in_other_families(bench: Bench, name: str, place: Place) -> None:
    assert differs(bench, name, place, 0.5, through_file) == ""


def test_an_adapter_of_kolors_leaves_its_texts_as_they_were(bench: Bench) -> None:
    from tests import tiny

    file = tiny.ip_adapter(bench.scratch / "kolors-window", tiny.build("kolors").unet)
    stage = bench.stage("kolors", num_inference_steps=4)
    with_it = _with(stage, ip_adapters=(f"{file.parent};weight-name={file.name}",))
    seen = Inputs(adapters=((picture(48),),))
    half = bench.engine.run(replace(with_it, window=Window(None, 0.5)), seen).latents
    by_hand = bench.engine.run(replace(stage, window=Window(0.5)), Inputs((half,)))
    windowed = _with(stage, ip_adapters=(f"{file.parent};weight-name={file.name};end=0.5",))
    assert equal(bench.engine.run(windowed, seen), by_hand)


@pytest.mark.parametrize("family", ["sd15", "flux"])
def test_two_adapters_have_windows_of_their_own(bench: Bench, family: str) -> None:
    one, two = files_in(bench.scratch / "steered", family).adapters
    first, second = (picture(48),), (picture(40).transpose(0),)
    encoder = f"{one.partition(';')[0]}/image_encoder"

    def run(adapters: tuple[str, ...], seen: tuple[Any, ...], *latents: Any, end: float | None = None) -> Any:
        stage = replace(bench.stage(family), window=Window(None, end))
        put = _with(stage, ip_adapters=adapters, image_encoder=encoder)
        return bench.engine.run(put, Inputs(latents, adapters=seen))

    whole = run((f"{one};end=0.7", f"{two};start=0.3"), (first, second))
    start = run((one,), (first,), end=0.3).latents
    middle = run((one, two), (first, second), start, end=0.7).latents
    assert equal(whole, run((two,), (second,), middle))
    assert whole.switches == (3, 7)


def test_two_t2i_adapters_have_windows_of_their_own(bench: Bench) -> None:
    from tests import tiny

    files, stage = files_in(bench.scratch / "steered"), stage_at(bench, "T2I-Adapter", Place())
    tiny.t2i_adapter(seed=3).save_pretrained(bench.scratch / "sketcher-3")
    one, two = str(files.sketcher), str(bench.scratch / "sketcher-3")
    first, second = picture(), picture(32)
    whole = bench.engine.run(
        _with(stage, t2i_adapters=(f"{one};end=0.6", f"{two};start=0.3;scale=0.5")), Inputs(controls=(first, second))
    )
    start = bench.engine.run(
        replace(_with(stage, t2i_adapters=(one,)), window=Window(None, 0.3)), Inputs(controls=(first,))
    ).latents
    both = replace(_with(stage, t2i_adapters=(one, f"{two};scale=0.5")), window=Window(None, 0.6))
    middle = bench.engine.run(both, Inputs((start,), controls=(first, second))).latents
    alone = _with(stage, t2i_adapters=(f"{two};scale=0.5",))
    assert equal(whole, bench.engine.run(alone, Inputs((middle,), controls=(second,))))


def _switched(bench: Bench, family: str, count: int) -> None:
    plain = bench.stage(family).model
    one, two = files_in(bench.scratch / "steered", family).adapters
    named = (f"{one};end=0.5", f"{two};start=0.5") if family != "deep-sd3" else (f"{one};end=0.5",)
    base = bench.engine.cache.load(plain)
    model = bench.engine.cache.load(replace(plain, ip_adapters=named))
    (addon,) = model.facts.addons
    denoiser = model.facts.denoiser
    own = {name: value.clone() for name, value in base.parts[denoiser].state_dict().items()}
    upon = {name: value.clone() for name, value in model.parts[denoiser].state_dict().items()}
    processors = dict(model.parts[denoiser].attn_processors)
    for number in range(count):
        with addon.during(model.parts, ((), (0,), (1,), (0, 1))[number % (4 if len(named) == 2 else 2)]):
            pass
    for before, part in ((own, base.parts[denoiser]), (upon, model.parts[denoiser])):
        after = part.state_dict()
        assert before.keys() == after.keys()
        assert all(torch.equal(after[name], value) for name, value in before.items())
    assert all(model.parts[denoiser].attn_processors[name] is one for name, one in processors.items())


@pytest.mark.parametrize("family", ["sd15", "deep-sd3", "flux"])
def test_windows_on_and_off_leave_the_weights_as_they_are(bench: Bench, family: str) -> None:
    _switched(bench, family, 20)


@pytest.mark.slow
@pytest.mark.parametrize("family", ["sd15", "sdxl", "deep-sd3", "flux"])
def test_a_thousand_windows_leave_the_weights_as_they_are(bench: Bench, family: str) -> None:
    _switched(bench, family, 1000)


def test_windows_share_one_copy_and_one_look_at_the_image(bench: Bench) -> None:
    adapter = files_in(bench.scratch / "steered").adapters[0]
    stage, seen = bench.stage("sd15", num_inference_steps=4), Inputs(adapters=((picture(56),),))
    bench.engine.run(_with(stage, ip_adapters=(adapter,)), seen)
    loads, made = bench.engine.cache.loads, bench.engine.cache.encodings.made
    for end in ("0.5", "3"):
        bench.engine.run(_with(stage, ip_adapters=(f"{adapter};end={end}",)), seen)
    assert (bench.engine.cache.loads, bench.engine.cache.encodings.made) == (loads, made)


@pytest.mark.parametrize(
    ("window", "message"),
    [
        ("end=40", "40 is outside the run, which has 10 steps"),
        ("start=0.5;end=0.2", "must come before end=0.2"),
        ("end=0.05", "holds for no step: start=0 and end=0.05 are steps 0 and 0 of 10"),
        ("end=soon", "'soon' is not allowed; give a fraction"),
        ("scale=1e9", "give a number from -100 to 100"),
    ],
)
@pytest.mark.parametrize("dest", ["ip_adapters", "t2i_adapters"])
def test_a_window_that_cannot_be_is_refused_before_weights_load(
    bench: Bench, dest: str, window: str, message: str
) -> None:
    files = files_in(bench.scratch / "steered")
    named = {"ip_adapters": files.adapters[0], "t2i_adapters": str(files.sketcher)}[dest]
    stage = stage_at(bench, "T2I-Adapter" if dest == "t2i_adapters" else "IP-Adapter", Place(scheduler="DDIMScheduler"))
    with pytest.raises(ModelError, match=message) as caught:
        prepare(_with(stage, **{dest: (f"{named};{window}",)}), Given(controls=1 if dest == "t2i_adapters" else 0,
                adapters=() if dest == "t2i_adapters" else (1,)))  # fmt: skip
    assert caught.value.option == dest


def test_a_window_stands_in_provenance_and_digest(bench: Bench) -> None:
    adapter, stage = files_in(bench.scratch / "steered").adapters[0], bench.stage("sd15")
    given = Given(adapters=(1,))
    whole, half = (prepare(_with(stage, ip_adapters=(f"{adapter}{said}",)), given) for said in ("", ";end=0.5"))
    assert whole.facts.identity != half.facts.identity
    assert half.outline.provenance.options["ip_adapters"] == "ip-adapter.safetensors;scale=1;end=0.5"
    assert "the IP-Adapters change after step 5" in half.notes


def _with(stage: Stage, **put: Any) -> Stage:
    return replace(stage, model=replace(stage.model, **put))
