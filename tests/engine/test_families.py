"""Family × mode × split: the law holds or the case is refused by name. ``docs/families.md`` prints the same table."""

from __future__ import annotations

import inspect
import re

import diffusers
import pytest
import torch

from jupyter_latents.engine.models.families import FAMILIES as ROWS
from jupyter_latents.errors import ModelError, RunError
from tests.engine.cases import FLOW_SCHEDULERS, MODES, Bench, equal, in_memory, through_file, windows
from tests.tables.verdicts import law
from tests.tiny import FAMILIES

SPLITS = [(0.4, 0.7)]
OTHERS = [(0.5,), (0.8,)]
REFUSED = {
    ("sdxl-refiner", "txt2img"): "SDXL refiner has no txt2img pipeline",
    ("kolors", "inpaint"): "Kolors has no inpaint pipeline",
    ("flux2", "img2img"): "Flux.2 has no img2img pipeline",
    ("flux2", "inpaint"): "Flux.2 has no inpaint pipeline",
    ("flux2-klein", "img2img"): "Flux.2 Klein has no img2img pipeline",
    ("pixart-sigma", "img2img"): "PixArtSigmaPipeline has no img2img pipeline",
    ("pixart-sigma", "inpaint"): "PixArtSigmaPipeline has no inpaint pipeline",
    ("lumina2", "img2img"): "Lumina2Pipeline has no img2img pipeline",
    ("lumina2", "inpaint"): "Lumina2Pipeline has no inpaint pipeline",
    ("auraflow", "img2img"): "AuraFlowPipeline has no img2img pipeline",
    ("auraflow", "inpaint"): "AuraFlowPipeline has no inpaint pipeline",
}
"""Where diffusers has no pipeline class: the beginning of our message."""

WITH_IMAGE = [(family, mode) for family in FAMILIES for mode in ("img2img", "inpaint") if (family, mode) not in REFUSED]
FLOW_CASES = {
    # which flow scheduler diffusers itself runs on which family; facts of its set_timesteps signatures
    "sd3": FLOW_SCHEDULERS,
    "auraflow": FLOW_SCHEDULERS[:3],
    "flux": (FLOW_SCHEDULERS[0], FLOW_SCHEDULERS[2], f"{FLOW_SCHEDULERS[4]};use_dynamic_shifting=true"),
    "qwen-image": (FLOW_SCHEDULERS[0], FLOW_SCHEDULERS[2]),
    "z-image": (FLOW_SCHEDULERS[0], FLOW_SCHEDULERS[2]),
    "lumina2": (FLOW_SCHEDULERS[0], FLOW_SCHEDULERS[2]),
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("family", FAMILIES)
def test_every_cell_of_the_matrix_is_equal_or_refused_by_name(bench: Bench, family: str, mode: str) -> None:
    check_cell(bench, family, mode, SPLITS)


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("family", FAMILIES)
def test_every_cell_is_equal_cut_elsewhere_too(bench: Bench, family: str, mode: str) -> None:
    check_cell(bench, family, mode, OTHERS)


def check_cell(bench: Bench, family: str, mode: str, splits: list[tuple[float, ...]]) -> None:
    strength = {} if mode == "txt2img" else {"strength": 0.7}
    verdict = law(bench, family, mode, splits, **strength)
    if (family, mode) in REFUSED:
        assert verdict.word == "refused"
        assert verdict.detail.startswith(f"ModelError: {REFUSED[family, mode]}")
    else:
        assert str(verdict) == "equal"


@pytest.mark.parametrize(("family", "mode"), WITH_IMAGE)
def test_strength_is_given_once_in_stage_one(bench: Bench, family: str, mode: str) -> None:
    """``img;latents=x`` needs no strength of its own: the latents carry their noise."""
    whole = bench.whole(family, mode, strength=0.6)
    first, second = windows(0.7)
    base = bench.run(family, mode, window=first, strength=0.6)
    assert equal(bench.run(family, mode, base.latents, window=second), whole)
    assert equal(bench.run(family, mode, base.latents), whole), "--denoising-start may be left out"


@pytest.mark.parametrize(
    ("family", "scheduler"), [(family, scheduler) for family, names in FLOW_CASES.items() for scheduler in names]
)
def test_flow_schedulers_keep_the_law(bench: Bench, family: str, scheduler: str) -> None:
    assert str(law(bench, family, "txt2img", SPLITS, scheduler=scheduler)) == "equal"


@pytest.mark.parametrize("mode", ["img2img", "inpaint"])
@pytest.mark.parametrize("scheduler", FLOW_SCHEDULERS)
def test_flow_schedulers_keep_the_law_with_an_image(bench: Bench, scheduler: str, mode: str) -> None:
    assert str(law(bench, "sd3", mode, [(0.8,)], scheduler=scheduler, strength=0.7)) == "equal"


def test_a_scheduler_that_a_pipeline_cannot_step_is_an_error_of_ours_with_the_reason(bench: Bench) -> None:
    with pytest.raises((ModelError, RunError), match=r"sigmas"):
        bench.run("flux", scheduler="FlowMatchHeunDiscreteScheduler")


@pytest.mark.parametrize("mode", ["img2img", "inpaint"])
def test_a_solver_that_only_text_to_image_asks_for_its_own_sigmas_is_refused_by_name(bench: Bench, mode: str) -> None:
    with pytest.raises(ModelError, match="DPMSolverMultistepScheduler takes none"):
        bench.run("flux", mode, scheduler=FLOW_SCHEDULERS[3], strength=0.7)


@pytest.mark.parametrize("family", ["sd15", "sdxl", "sd3", "flux", "z-image"])
def test_batches_keep_the_law_and_each_picture_its_noise(bench: Bench, family: str) -> None:
    whole = bench.run(family, batch_size=2)
    assert equal(bench.split(family, [0.5], batch_size=2)[-1], whole)
    assert whole.latents.shape[0] == len(whole.images) == 2
    assert not torch.equal(*whole.latents.tensor)


@pytest.mark.parametrize("family", ["sd15", "sdxl", "sd3", "flux", "qwen-image", "z-image"])
def test_the_law_holds_without_guidance(bench: Bench, family: str) -> None:
    assert str(law(bench, family, "txt2img", [(0.5,)], guidance_scale=1.0)) == "equal"


@pytest.mark.parametrize("family", ["sdxl", "kolors", "sd3", "flux"])
def test_sizes_that_are_not_square_keep_the_law(bench: Bench, family: str) -> None:
    from jupyter_latents.stage import Size

    whole = bench.run(family, size=Size(96, 64))
    first, second = windows(0.6)
    base = bench.run(family, size=Size(96, 64), window=first)
    last = bench.run(family, "txt2img", base.latents, size=None, window=second)
    assert equal(last, whole)
    assert last.images[0].size == (96, 64)


def test_a_mask_with_given_latents_blends_with_the_same_noise(bench: Bench) -> None:
    """Inpainting blends after each step; a split that drew other noise for it would be off there."""
    whole = bench.whole("sd15", "inpaint", strength=0.9)
    parts = bench.split("sd15", [0.3, 0.6], "inpaint", strength=0.9)
    assert equal(parts[-1], whole)


@pytest.mark.parametrize("carry", [in_memory, through_file])
@pytest.mark.parametrize("scheduler", ["CMStochasticIterativeScheduler", "DPMSolverSinglestepScheduler"])
def test_the_memory_layout_of_an_encoded_picture_does_not_change_a_split(bench: Bench, scheduler: str, carry) -> None:
    """A VAE may encode to channels-last memory, where convolutions differ in the last bit."""
    options = {"scheduler": scheduler, "strength": 0.7}
    whole = bench.whole("sd15", "img2img", **options)
    assert equal(bench.split("sd15", [0.5], "img2img", carry, **options)[-1], whole)


def test_every_pipeline_that_takes_a_mask_rounds_it() -> None:
    """The remark on grey masks says so for all of them; a family of another kind needs a row there."""
    rows = [row for row in ROWS if row.inpaint]
    names = {row.inpaint for row in rows} | {ways[2] for row in ROWS for ways in row.special.values() if ways[2]}
    assert len(names) >= 14
    for name in sorted(filter(None, names)):
        source = inspect.getsource(getattr(diffusers, name).__init__)
        assert re.search(r"mask_processor = \w+\([^)]*do_binarize=True", source), name
