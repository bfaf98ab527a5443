"""``--optimize``: the law is kept where it is said to be, approximations are near, and nothing reaches plain runs."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from jupyter_latents.engine.given.inputs import Inputs
from jupyter_latents.engine.local import LocalEngine
from jupyter_latents.engine.models.addons import quantizer
from jupyter_latents.engine.models.cache import ModelCache
from jupyter_latents.engine.models.describe import describe
from jupyter_latents.engine.models.optimize import WAYS, check_optimize
from jupyter_latents.engine.observer import Look, Silent, StepEvent
from jupyter_latents.engine.result import StageResult
from jupyter_latents.errors import ModelError, RunError
from jupyter_latents.latents import Latents
from jupyter_latents.optimizations import OPTIMIZATIONS
from jupyter_latents.stage import ModelSource, Prompt, Size, Stage
from tests import tiny as tinies
from tests.engine.cases import MODES, Bench, equal, inputs, relative, through_file, windows
from tests.engine.schedule.test_handover import Notes

Folders = Callable[[str], Path]
EXACT = [
    ("sd15", "channels-last"), ("sdxl", "channels-last"),
    ("sd15", "fuse-projections"), ("sdxl", "fuse-projections"), ("sd3", "fuse-projections"),
    ("flux", "fuse-projections"),
    ("sd15", "channels-last fuse-projections"),
]  # fmt: skip
SMALLER = [(name, "float8-weights") for name in ("sd15", "sdxl", "sd3", "flux", "flux2", "qwen-image")]
COMPILED = [(name, "compile") for name in ("sd15", "sdxl", "flux", "flux2", "qwen-image", "z-image", "demo/flow")]
CACHED = [(name, "taylorseer") for name in ("sd15", "sdxl", "sd3", "flux", "flux2", "flux2-klein", "qwen-image")]
CACHED += [("flux", "first-block-cache;threshold=0.5")]


def optimized(bench: Bench, model: str, choices: str, **options: Any) -> Stage:
    """The bench's stage with choices."""
    if model.startswith("demo/"):
        options = {"size": Size(128, 128), **options}
    stage = bench.stage(model, **options)
    return replace(stage, model=replace(stage.model, optimize=tuple(choices.split())))


def in_two(bench: Bench, stage: Stage, mode: str = "txt2img", cut: float = 0.5) -> StageResult:
    """A stage run in two windows, through a file."""
    first, second = windows(cut)
    base = bench.engine.run(replace(stage, window=first), inputs(mode)).latents
    return bench.engine.run(replace(stage, window=second), inputs(mode, through_file(base, bench.scratch)))


def same_law(bench: Bench, model: str, choices: str, cuts: Sequence[float] = (0.5,)) -> float:
    """Asserts the law and gives the relative difference from the plain run."""
    stage = optimized(bench, model, choices)
    whole = bench.engine.run(stage)
    for cut in cuts:
        assert equal(in_two(bench, stage, cut=cut), whole), cut
    plain = bench.engine.run(replace(stage, model=replace(stage.model, optimize=())))
    return relative(whole.latents.tensor, plain.latents.tensor)


def test_every_choice_has_its_way() -> None:
    assert list(WAYS) == list(OPTIMIZATIONS)


# The law.


@pytest.mark.parametrize(("model", "choices"), EXACT)
def test_exact_choices_keep_the_law_and_round_only(bench: Bench, model: str, choices: str) -> None:
    assert same_law(bench, model, choices) < 1e-5


@pytest.mark.parametrize(("model", "choices"), SMALLER)
def test_smaller_weights_keep_the_law_and_come_near(bench: Bench, model: str, choices: str) -> None:
    assert 1e-4 < same_law(bench, model, choices) < 0.15


def test_a_compiled_model_keeps_the_law(bench: Bench) -> None:
    assert same_law(bench, "sd3", "compile") < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize(("model", "choices"), [*COMPILED, ("sd15", "channels-last fuse-projections compile")])
def test_every_compiled_family_keeps_the_law(bench: Bench, model: str, choices: str) -> None:
    assert same_law(bench, model, choices, (0.3, 0.5, 0.8)) < 1e-4


@pytest.mark.slow
@pytest.mark.parametrize(("model", "choices"), [*EXACT, *SMALLER])
def test_the_law_holds_wherever_a_run_is_cut(bench: Bench, model: str, choices: str) -> None:
    assert same_law(bench, model, choices, (0.3, 0.8)) < 0.15


@pytest.mark.parametrize("model", ["demo/scenes", "demo/flow"])
def test_demo_models_keep_the_law_with_all_that_says_so(bench: Bench, model: str) -> None:
    stage = optimized(bench, model, "channels-last fuse-projections" if model == "demo/scenes" else "float8-weights")
    stage = replace(stage, num_inference_steps=4)
    assert equal(in_two(bench, stage), bench.engine.run(stage))


@pytest.mark.parametrize("mode", MODES)
def test_the_law_holds_in_every_mode(bench: Bench, mode: str) -> None:
    stage = optimized(bench, "sd15", "channels-last fuse-projections float8-weights", num_inference_steps=6)
    assert equal(in_two(bench, stage, mode), bench.engine.run(stage, inputs(mode)))


# Step caches.


@pytest.mark.parametrize(("model", "choices"), CACHED)
def test_a_step_cache_is_near_and_forgets_after_each_run(bench: Bench, model: str, choices: str) -> None:
    stage = optimized(bench, model, choices)
    first, plain = bench.engine.run(stage), bench.whole(model)
    assert 0 < relative(first.latents.tensor, plain.latents.tensor) < 0.5
    assert equal(bench.engine.run(stage), first)
    bench.engine.run(optimized(bench, model, choices, size=Size(96, 64)))
    assert equal(bench.engine.run(stage), first), "another size between"


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("model", ["sd15", "flux"])
def test_a_step_cache_runs_and_is_continued_in_every_mode(bench: Bench, model: str, mode: str) -> None:
    stage = optimized(bench, model, "taylorseer")
    whole, rest = bench.engine.run(stage, inputs(mode)), in_two(bench, stage, mode)
    assert rest.latents.is_clean
    assert relative(rest.latents.tensor, whole.latents.tensor) < 0.5


class Breaks(Silent):
    """Fails at the fourth step."""

    def __init__(self) -> None:
        self.steps = 0

    def step(self, event: StepEvent, look: Look) -> None:
        self.steps += 1
        if self.steps == 4:
            raise RuntimeError("broken")


def test_a_step_cache_forgets_stopped_and_failed_runs(bench: Bench) -> None:
    stage = optimized(bench, "sd15", "taylorseer")
    whole = bench.engine.run(stage)
    steps = iter(range(10))
    stopped = bench.engine.run(stage, stopped=lambda: next(steps) == 3)
    assert stopped.stopped
    assert equal(bench.engine.run(stage), whole)
    with pytest.raises(RunError, match="broken"):
        bench.engine.run(stage, observer=Breaks())
    assert equal(bench.engine.run(stage), whole)
    rest = bench.engine.run(replace(stage, window=windows(0.4)[1]), inputs("txt2img", stopped.latents))
    assert rest.latents.is_clean


def test_a_step_cache_computes_fewer_blocks(bench: Bench) -> None:
    """Of ten steps 0, 1, 2, 4 and 7."""
    stage = optimized(bench, "sd15", "taylorseer", scheduler="DDIMScheduler")
    bench.engine.run(stage)
    unet = bench.engine.cache.load(stage.model).parts["unet"]
    computed = []
    handle = unet.mid_block.resnets[0].norm1.register_forward_hook(lambda *_: computed.append(1))
    bench.engine.run(stage)
    handle.remove()
    assert len(computed) == 5


# Plain runs.


@pytest.mark.parametrize("choices", ["channels-last fuse-projections float8-weights", "taylorseer"])
def test_plain_runs_are_those_of_before(choices: str, tiny: Folders) -> None:
    """The optimized denoiser is a part of its own; everything else is shared."""
    bench = Bench(LocalEngine(), tiny, Path())
    before = bench.run("sd15")
    stage = optimized(bench, "sd15", choices)
    bench.engine.run(stage)
    assert equal(bench.run("sd15"), before)
    cache = bench.engine.cache
    plain, changed = cache.load(replace(stage.model, optimize=())), cache.load(stage.model)
    own = [name for name in plain.parts if plain.parts[name] is not changed.parts[name]]
    assert own == ["unet"]
    assert [key.made for key in cache.parts if key.made] == ["optimized:" + "+".join(map(str, check(stage.model)))]
    loads = cache.loads
    cache.load(replace(stage.model, optimize=tuple(reversed(stage.model.optimize))))
    assert cache.loads == loads, "the order of choices makes no other part"


def check(source: ModelSource) -> Any:
    return check_optimize(source, describe(source))


def test_latents_say_what_they_were_optimized_with(bench: Bench, tmp_path: Path) -> None:
    notes = Notes()
    stage = optimized(bench, "sd15", "taylorseer;interval=4 channels-last")
    latents = bench.engine.run(stage, observer=notes).latents
    saved = Latents.load(latents.save(tmp_path / "made.safetensors"))
    assert saved.provenance.options["optimize"] == "taylorseer;interval=4 channels-last"
    assert [note.partition(" (")[0] for note in notes.notes] == [
        "optimized: channels-last",
        "approximate: taylorseer;interval=4;order=1;warmup=3",
    ]
    assert "optimize" not in bench.run("sd15").latents.provenance.options


def test_loras_stay_on_an_optimized_model(tiny: Folders, tmp_path: Path) -> None:
    lora = tinies.lora(tmp_path / "mine.safetensors")
    stage = Stage(
        model=ModelSource(str(tiny("sd15")), loras=(f"{lora};scale=1",)), prompt=Prompt("a red cat"), seed=1,
        num_inference_steps=4, size=Size(64, 64),
    )  # fmt: skip
    engine = LocalEngine()
    plain = engine.run(stage)
    without = engine.run(replace(stage, model=replace(stage.model, loras=())))
    changed = engine.run(replace(stage, model=replace(stage.model, optimize=("channels-last",))))
    assert relative(changed.latents.tensor, plain.latents.tensor) < 1e-4
    assert relative(without.latents.tensor, plain.latents.tensor) > 1e-3
    with pytest.raises(ModelError, match="would leave the LoRAs out"):
        engine.run(replace(stage, model=replace(stage.model, optimize=("fuse-projections",))))


# Refusals, before any weights load.


@pytest.mark.parametrize(
    ("model", "choice", "message"),
    [
        ("sd15", "first-block-cache", "its unet is a UNet2DConditionModel.* It can have channels-last"),
        ("sd3", "channels-last", "this is for UNet2DConditionModel"),
        ("flux2", "first-block-cache", "Flux2Transformer2DModel"),
        ("qwen-image", "first-block-cache", "there is one block"),
        ("qwen-image", "fuse-projections", "QwenImageTransformer2DModel"),
        ("z-image", "taylorseer", "It can have compile"),
        ("lumina2", "compile", "It can have none"),
        ("demo/flow", "fuse-projections", "query and key norms"),
        ("sd15", "fastest", "'fastest' is no optimization"),
    ],
)
def test_what_a_model_cannot_have_is_refused(model: str, choice: str, message: str, tiny: Folders) -> None:
    cache = ModelCache()
    name = model if "/" in model else str(tiny(model))
    with pytest.raises(ModelError, match=message):
        cache.load(ModelSource(name, optimize=(choice,)))
    assert cache.loads == 0


@pytest.mark.parametrize("choice", ["fuse-projections", "float8-weights"])
def test_packed_weights_are_not_changed_again(choice: str, tiny: Folders, monkeypatch: pytest.MonkeyPatch) -> None:
    there = SimpleNamespace(util=SimpleNamespace(find_spec=lambda name: name))
    monkeypatch.setattr(quantizer, "importlib", there)  # as if bitsandbytes were installed, for this module alone
    with pytest.raises(ModelError, match="quantizer packs"):
        check(ModelSource(str(tiny("sd15")), quantizer="bnb;bits=4", optimize=(choice,)))


def test_a_missing_compiler_is_told(tiny: Folders, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(ModelError, match="no-such-compiler is not there; install it, or name one in CXX"):
        check(ModelSource(str(tiny("sd15")), optimize=("compile",)))


def test_what_diffusers_will_not_have_is_told(tiny: Folders, tmp_path: Path) -> None:
    """A U-Net whose attention has added projections, which only its weights' class knows of."""
    from diffusers.models.attention_processor import AttnAddedKVProcessor

    from jupyter_latents.engine.models.optimize import apply_choices as put
    from jupyter_latents.optimizations import choices_of

    folder = shutil.copytree(tiny("sd15"), tmp_path / "own")
    unet = ModelCache().load(ModelSource(str(folder))).parts["unet"]
    unet.set_attn_processor(AttnAddedKVProcessor())
    with pytest.raises(ModelError, match="fuse-projections cannot be put on the unet"):
        put(unet, choices_of(("fuse-projections",)), "the unet of own")


def test_batches_and_inputs_reach_an_optimized_model(bench: Bench) -> None:
    stage = optimized(bench, "sd15", "taylorseer", batch_size=2, num_inference_steps=6)
    result = bench.engine.run(stage, Inputs())
    assert result.latents.shape[0] == 2
    assert bool(torch.isfinite(result.latents.tensor).all())
