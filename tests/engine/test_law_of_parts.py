"""The law with what else a stage may have: ControlNet, LoRA, half precision, sigmas, guidance rescale, CLIP skip."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jupyter_latents.engine.result import StageResult
from jupyter_latents.errors import ModelError
from jupyter_latents.stage import ModelSource, Window
from tests.engine.cases import Bench, equal, inputs, picture, through_file
from tests.tiny import controlnet, lora


@pytest.fixture(scope="module")
def control(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("control")
    controlnet().save_pretrained(folder)
    return folder


def runner(
    bench: Bench, model: str, source: dict[str, Any], *, mode: str = "txt2img", controlled: bool = False, **options: Any
) -> Callable[..., StageResult]:
    """Runs a window of a stage whose model has something more."""

    def run(window: Window = Window(), *latents: Any) -> StageResult:  # noqa: B008 - frozen
        stage = bench.stage(model, window=window, **options)
        stage = dataclasses.replace(stage, model=dataclasses.replace(stage.model, **source))
        given = inputs(mode, *latents)
        return bench.engine.run(stage, dataclasses.replace(given, controls=(picture(),)) if controlled else given)

    return run


def splits(run: Callable[..., StageResult], fraction: float = 0.5) -> tuple[StageResult, StageResult]:
    """The whole run and the last part of the split one."""
    base = run(Window(None, fraction))
    return run(), run(Window(fraction, None), base.latents)


@pytest.mark.parametrize("mode", ["txt2img", "img2img", "inpaint"])
def test_a_control_net_keeps_the_law(bench: Bench, control: Path, mode: str) -> None:
    strength = {} if mode == "txt2img" else {"strength": 0.7}
    run = runner(bench, "sd15", {"control_nets": (f"{control};scale=0.7",)}, mode=mode, controlled=True, **strength)
    whole, last = splits(run)
    assert equal(whole, last)
    assert not equal(whole, bench.whole("sd15", mode, **strength)), "the ControlNet has an effect"


@pytest.mark.parametrize("part", ["start=0;end=0.5", "start=0.5;end=1"])
def test_a_control_net_for_a_part_of_the_steps_keeps_the_law(bench: Bench, control: Path, part: str) -> None:
    """Diffusers counts that part over the steps a pipeline sees; a window is told its share of the whole run's."""
    run = runner(bench, "sd15", {"control_nets": (f"{control};scale=0.8;{part}",)}, controlled=True)
    for fraction in (0.3, 0.5):
        assert equal(*splits(run, fraction))


def test_a_lora_keeps_the_law(bench: Bench, tmp_path: Path) -> None:
    pytest.importorskip("peft")
    file = lora(tmp_path / "lora.safetensors")
    whole, last = splits(runner(bench, "sd15", {"loras": (f"{file};scale=0.8",)}))
    assert equal(whole, last)
    assert not equal(whole, bench.whole("sd15")), "the LoRA has an effect"


@pytest.mark.parametrize(
    ("model", "mode", "options", "dtype"),
    [
        ("sd15", "txt2img", {"scheduler": "PNDMScheduler"}, "float16"),
        ("sd15", "inpaint", {"scheduler": "DPMSolverMultistepScheduler"}, "bfloat16"),
        ("sdxl", "txt2img", {"scheduler": "EulerAncestralDiscreteScheduler"}, "float16"),
        ("sd3", "txt2img", {}, "bfloat16"),
        ("flux", "txt2img", {}, "float16"),
        ("flux", "img2img", {}, "bfloat16"),  # tokens in the memory layout of the loop
        ("qwen-image", "inpaint", {}, "float16"),
        ("z-image", "txt2img", {}, "bfloat16"),
        ("z-image", "img2img", {}, "bfloat16"),  # begins in bfloat16, goes on in float32
        ("hunyuan-video", "txt2img", {"num_frames": 5}, "bfloat16"),  # begins in float32, goes on in bfloat16
    ],
)
def test_half_precision_keeps_the_law(bench: Bench, model: str, mode: str, options: dict[str, Any], dtype: str) -> None:
    more = {**options, "num_inference_steps": 6, **({} if mode == "txt2img" else {"strength": 0.9, "size": None})}
    whole, last = splits(runner(bench, model, {"dtype": dtype}, mode=mode, **more))
    assert equal(whole, last)


def test_z_image_is_refused_what_its_loop_would_assert(bench: Bench) -> None:
    """Its pipelines assert float32 after each step; from a picture they begin in the dtype of the weights."""
    name = "UniPCMultistepScheduler;use_flow_sigmas=true;prediction_type=flow_prediction"
    for dtype in ("bfloat16", "float16"):
        run = runner(bench, "z-image", {"dtype": dtype}, mode="inpaint", size=None, scheduler=name)
        with pytest.raises(ModelError, match=f"leaves them in {dtype}. Use FlowMatchEulerDiscreteScheduler, or give "):
            run()
    sde = {"scheduler": "DPMSolverSDEScheduler", "mode": "img2img", "size": None}
    with pytest.raises(
        ModelError, match=r"takes none. Use FlowMatchEulerDiscreteScheduler or FlowMatchLCMScheduler\.$"
    ):
        runner(bench, "z-image", {"dtype": "bfloat16"}, **sde)()
    few = {"scheduler": name, "num_inference_steps": 2}
    runner(bench, "z-image", {"dtype": "bfloat16"}, **few)()  # in float32 from the start
    runner(bench, "z-image", {"dtype": "float32"}, mode="inpaint", size=None, **few)()


@pytest.mark.parametrize("mode", ["img2img", "inpaint"])
@pytest.mark.parametrize("name", ["DDPMScheduler", "PNDMScheduler"])
def test_tables_that_a_run_moves_keep_the_law(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, mode: str
) -> None:
    """On accelerators ``add_noise`` puts the table into the device's memory: another tensor, and no history."""
    import diffusers

    kind = getattr(diffusers, name)
    own = kind.add_noise

    def moves(self: Any, *given: Any) -> Any:
        self.alphas_cumprod = self.alphas_cumprod.clone()
        return own(self, *given)

    monkeypatch.setattr(kind, "add_noise", moves)
    run = runner(bench, "sd15", {}, mode=mode, scheduler=name, strength=0.9)
    half = run(Window(None, 0.5)).latents
    assert equal(run(), run(Window(0.5, None), through_file(half, tmp_path)))


@pytest.mark.parametrize(
    ("model", "options"),
    [
        ("sd15", {"scheduler": "EulerDiscreteScheduler", "sigmas": (10.0, 5.0, 2.0, 1.0, 0.5, 0.1)}),
        ("flux", {"sigmas": (1.0, 0.8, 0.6, 0.3, 0.1)}),
        ("sd15", {"guidance_rescale": 0.7}),
        ("sd15", {"clip_skip": 1}),
        ("sdxl", {"guidance_rescale": 0.7}),
    ],
    ids=str,
)
def test_further_options_keep_the_law(bench: Bench, model: str, options: dict[str, Any]) -> None:
    whole, last = splits(runner(bench, model, {}, **options))
    assert equal(whole, last)
    assert not equal(whole, bench.whole(model)), "the option has an effect"


def test_a_model_of_other_weights_takes_over_with_its_own(bench: Bench, tmp_path: Path) -> None:
    """The split with another model for the second part is that model's own from there on."""
    from tests.tiny import save_folder

    other = ModelSource(str(save_folder("sd15", tmp_path / "other", seed=1)))
    base = bench.run("sd15", window=Window(None, 0.5)).latents
    stage = dataclasses.replace(bench.stage("sd15"), model=other)
    last = bench.engine.run(stage, inputs("txt2img", base))
    assert last.evaluations == last.span.timesteps - base.position.step
    assert not equal(last, bench.whole("sd15"))
    assert last.latents.provenance.model == other.name
