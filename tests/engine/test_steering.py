"""What steers a stage may change as it goes on: it then equals the stages that one would write by hand, bit for bit.

All of it in full: ``python -m tests.tables.schedules``.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from jupyter_latents.engine.given.inputs import Given, Inputs
from jupyter_latents.engine.prepare import prepare
from jupyter_latents.errors import JupyterLatentsError, ModelError
from jupyter_latents.stage import Address, Stage, StepPoint, Window
from tests import tiny
from tests.engine.cases import SCHEDULERS, Bench, equal, in_memory, through_file
from tests.tables.steered import SWITCHES, WAYS, Files, Place, by_hand, differs, files_in, stage_at, steered

THIN = ("DPMSolverMultistepScheduler", "EulerAncestralDiscreteScheduler", "HeunDiscreteScheduler")
ALTERED = ["guidance", "LoRA", "ControlNet", "IP-Adapter", "T2I-Adapter"]  # prompts have tests of their own


@pytest.fixture(scope="session")
def files(bench: Bench) -> Files:
    return files_in(bench.scratch / "steered")


@pytest.mark.parametrize("scheduler", THIN)
@pytest.mark.parametrize("name", ALTERED)
def test_a_stage_that_changes_is_its_stages(bench: Bench, name: str, scheduler: str) -> None:
    assert differs(bench, name, Place(scheduler=scheduler), 0.5, through_file) == ""


@pytest.mark.slow
@pytest.mark.parametrize("carry", [in_memory, through_file])
@pytest.mark.parametrize("at", SWITCHES)
@pytest.mark.parametrize("scheduler", SCHEDULERS)
@pytest.mark.parametrize("name", WAYS)
def test_every_scheduler_runs_every_change(bench: Bench, name: str, scheduler: str, at: float, carry: Any) -> None:
    assert differs(bench, name, Place(scheduler=scheduler), at, carry) == ""


@pytest.mark.parametrize(("name", "mode"), [("guidance", "inpaint"), ("LoRA", "img2img"), ("ControlNet", "img2img")])
def test_every_mode_runs_changes(bench: Bench, name: str, mode: str) -> None:
    stage = bench.stage("sd15", strength=0.8, scheduler="DDIMScheduler")
    place = Place(mode=mode)
    whole = steered(bench, name, stage, 0.6, place)
    assert equal(whole, by_hand(bench, name, stage, 0.6, place=place)[-1])
    assert whole.switches == ((6,) if name != "ControlNet" else ())


def test_a_change_to_what_holds_already_is_no_change(bench: Bench) -> None:
    made = prepare(bench.stage("sd15", scheduler="DDIMScheduler", guidance_scale="3@0,3@0.5,5@0.8"))
    assert [(one.start, one.end) for one in made.windows] == [(0, 8), (8, 10)]
    assert made.switches == (8,)


def test_several_things_change_at_points_of_their_own(bench: Bench, files: Files) -> None:
    stage = bench.stage("sd15", scheduler="DDIMScheduler", guidance_scale="7@0,1@0.6")
    own = (f"{files.lora};scale=0.8;start=2;end=0.8", f"{files.other};end=4")
    whole = replace(stage, model=replace(stage.model, loras=own))
    windows = prepare(whole).windows
    assert [(one.start, one.end, one.stage.guidance_scale, one.active["loras"]) for one in windows] == [
        (0, 2, 7.0, (1,)), (2, 4, 7.0, (0, 1)), (4, 6, 7.0, (0,)), (6, 8, 1.0, (0,)), (8, 10, 1.0, ()),
    ]  # fmt: skip
    assert windows[1].stage.model.loras == (Address(str(files.lora), {"scale": "0.8"}), Address(str(files.other)))
    latents: tuple[Any, ...] = ()
    for one in windows:
        part = replace(one.stage, window=Window(None, StepPoint(one.end)))
        latents = (bench.engine.run(part, Inputs(latents)).latents,)
    assert equal(bench.engine.run(whole), latents[0])


def test_a_stage_that_changes_can_itself_be_split(bench: Bench, files: Files) -> None:
    stage = bench.stage("sd15", guidance_scale="7@0,1@0.6", scheduler="DPMSolverMultistepScheduler")
    stage = replace(stage, model=replace(stage.model, loras=(f"{files.lora};start=0.3;end=0.7",)))
    whole = bench.engine.run(stage)
    first = bench.engine.run(replace(stage, window=Window(None, 0.5))).latents
    second = bench.engine.run(replace(stage, window=Window(0.5)), Inputs((first,)))
    assert equal(whole, second)
    assert prepare(replace(stage, window=Window(0.5)), Given((first,))).verdict == "exact continuation"


def _weights(parts: Any) -> dict[str, torch.Tensor]:
    """The weights below the LoRAs."""
    return {
        name.replace(".base_layer", ""): value.clone()
        for name, value in parts["unet"].state_dict().items()
        if "lora_" not in name
    }


def _switched(bench: Bench, files: Files, count: int) -> None:
    plain, put = bench.stage("sd15").model, (f"{files.lora};end=0.5", f"{files.other};start=0.5")
    base = bench.engine.cache.load(plain)
    model = bench.engine.cache.load(replace(plain, loras=put))
    (addon,) = model.facts.addons
    before = _weights(base.parts)
    for number in range(count):
        with addon.during(model.parts, ((), (0,), (1,), (0, 1))[number % 4]):
            pass
    assert before.keys() == _weights(model.parts).keys()
    for after in (_weights(base.parts), _weights(model.parts)):
        assert all(torch.equal(after[name], value) for name, value in before.items())


def test_windows_on_and_off_leave_the_weights_as_they_are(bench: Bench, files: Files) -> None:
    before = bench.whole("sd15", scheduler="DDIMScheduler")
    _switched(bench, files, 40)
    assert equal(bench.run("sd15", scheduler="DDIMScheduler"), before)


@pytest.mark.slow
def test_a_thousand_windows_leave_the_weights_as_they_are(bench: Bench, files: Files) -> None:
    _switched(bench, files, 1000)


def test_windows_of_a_lora_share_one_copy_of_the_weights(bench: Bench, files: Files) -> None:
    plain = bench.stage("sd15").model
    bench.engine.cache.load(replace(plain, loras=(str(files.lora),)))
    loads = bench.engine.cache.loads
    for end in ("0.2", "0.4", "7", "sigma=1"):
        bench.engine.cache.load(replace(plain, loras=(f"{files.lora};end={end}",)))
    assert bench.engine.cache.loads == loads


def test_a_lora_of_the_text_encoder_has_windows_too(bench: Bench, files: Files, tmp_path: Path) -> None:
    encoder = tiny.build("sd15").text_encoder
    generator = torch.Generator().manual_seed(3)
    tensors = {
        f"text_encoder.{name}.lora_{side}.weight": torch.randn(shape, generator=generator)
        for name, module in encoder.named_modules()
        if name.endswith(("q_proj", "v_proj"))
        for side, shape in (("A", (2, module.weight.shape[1])), ("B", (module.weight.shape[0], 2)))
    }
    path = tmp_path / "text.safetensors"
    save_file({**load_file(files.lora), **tensors}, path)
    stage = bench.stage("sd15", scheduler="DDIMScheduler", num_inference_steps=4)
    with_lora = replace(stage, model=replace(stage.model, loras=(str(path),)))
    whole = bench.engine.run(replace(stage, model=replace(stage.model, loras=(f"{path};end=0.5",))))
    half = bench.engine.run(replace(with_lora, window=Window(None, 0.5)))
    assert equal(whole, bench.engine.run(stage, Inputs((half.latents,))))
    text_alone = tmp_path / "alone.safetensors"
    save_file(tensors, text_alone)
    changed = bench.engine.run(replace(stage, model=replace(stage.model, loras=(str(text_alone),))))
    assert not equal(changed, bench.engine.run(stage))


@pytest.mark.parametrize(
    ("window", "message"),
    [
        ("start=0.5;end=0.2", "start=0.5 of .* must come before end=0.2"),
        ("start=0.5;end=0.5", "must come before end=0.5"),
        ("start=8;end=4", "start=8 of .* must come before end=4"),
        ("end=40", "40 is outside the run, which has 10 steps: give a step of 2 to 10"),
        ("end=sigma=99", "sigma=99 is outside the run"),
        ("start=0.5;end=4", "holds for no step: start=0.5 and end=4 are steps 5 and 4 of 10"),
        ("end=0.05", "holds for no step: start=0 and end=0.05 are steps 0 and 0 of 10"),
        ("end=1.5", "end=1.5 of .*: '1.5' is not allowed; give a fraction"),
        ("scale=1e9", "scale=1e9 of .* is not allowed; give a number from -100 to 100"),
    ],
)
def test_a_window_of_a_lora_that_cannot_be_is_refused_before_weights_load(
    bench: Bench, files: Files, window: str, message: str
) -> None:
    stage = bench.stage("sd15", scheduler="DDIMScheduler")
    loads = bench.engine.cache.loads
    with pytest.raises(ModelError, match=message) as caught:
        bench.engine.run(replace(stage, model=replace(stage.model, loras=(f"{files.lora};{window}",))))
    assert caught.value.option == "loras"
    assert bench.engine.cache.loads == loads


@pytest.mark.parametrize("scales", ["7@0,2@40", "7@0,2@sigma=99", "7@0,2@0.41,3@0.42"])
def test_guidance_outside_the_run_is_refused(bench: Bench, scales: str) -> None:
    with pytest.raises(JupyterLatentsError) as caught:
        prepare(bench.stage("sd15", guidance_scale=scales, scheduler="DDIMScheduler"))
    assert caught.value.option == "guidance_scales"


def test_windows_pickle(bench: Bench, files: Files) -> None:
    import pickle

    stage: Stage = bench.stage("sd15", guidance_scale="7@0,2@0.5")
    windows = prepare(replace(stage, model=replace(stage.model, loras=(f"{files.lora};end=0.5",)))).windows
    assert pickle.loads(pickle.dumps(windows)) == windows  # noqa: S301


def _passes(bench: Bench, stage: Stage) -> int:
    """How often a picture goes through the denoiser of a stage's run."""
    parts, counted = bench.engine.cache.load(stage.model).parts, []
    denoiser = parts.get("unet") or parts["transformer"]

    def count(_module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        given = args[0] if args else kwargs.get("hidden_states", kwargs.get("sample"))
        counted.append(len(given))

    hook = denoiser.register_forward_pre_hook(count, with_kwargs=True)
    try:
        bench.engine.run(stage)
    finally:
        hook.remove()
    return sum(counted)


@pytest.mark.parametrize("guidance", ["3@0,1@0.5", 1.0, 0.5, 3.0])
@pytest.mark.parametrize("family", ["sd15", "sdxl", "kolors", "sd3", "flux", "qwen-image", "z-image", "flux2-klein"])
def test_passes_are_foreseen_as_diffusers_makes_them(bench: Bench, family: str, guidance: Any) -> None:
    stage = bench.stage(family, num_inference_steps=4, guidance_scale=guidance)
    prepared = prepare(stage)
    assert prepared.passes == _passes(bench, stage)
    dropped = any("one a step, not two" in note for note in prepared.notes)
    assert dropped == (prepared.span.evaluations < prepared.passes < 2 * prepared.span.evaluations)


def test_a_dropped_pass_is_told(bench: Bench) -> None:
    notes = prepare(bench.stage("sd15", guidance_scale="7@0,1@0.6", scheduler="DDIMScheduler")).notes
    assert "16 passes of the unet: one a step, not two, in steps 6–10" in notes


@pytest.mark.parametrize("name", WAYS)
def test_every_change_has_an_effect(bench: Bench, name: str) -> None:
    stage = replace(stage_at(bench, name, Place(scheduler="DDIMScheduler")), num_inference_steps=5)
    assert not equal(steered(bench, name, stage, 0.4), steered(bench, name, stage, 0.8))
