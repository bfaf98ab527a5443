"""Runs of every family, scheduler and hand-over, for `tests.tables.same_results`."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations

from tests.engine.cases import FLOW_SCHEDULERS, MODES, SCHEDULERS
from tests.tables.same.row import STEPS, Row, go_on, script, seeded
from tests.tiny import FAMILIES

__all__ = ["MODELS"]

NO_MODE = {
    ("sdxl-refiner", "txt2img"),
    ("kolors", "inpaint"),
    ("flux2", "img2img"),
    ("flux2", "inpaint"),
    ("flux2-klein", "img2img"),
    *((family, mode) for family in ("pixart-sigma", "lumina2", "auraflow") for mode in ("img2img", "inpaint")),
}
"""What diffusers has no pipeline for; ``docs/families.md`` says so too."""
NO_PAIR = {
    *((family, "FlowMatchHeunDiscreteScheduler") for family in ("flux", "qwen-image", "z-image", "flux2")),
    *((family, "DPMSolverMultistepScheduler") for family in ("qwen-image", "z-image")),
}
"""Schedulers that diffusers cannot step with a family; the same page says so."""


def modes() -> Iterator[Row]:
    """Every family in every mode, unsplit."""
    for family in FAMILIES:
        for mode in MODES:
            yield Row(f"mode/{family} {mode}", (script(family, seeded(mode)),), (family, mode) in NO_MODE)


def windows() -> Iterator[Row]:
    """Every family in two windows; the middle of a schedule; images, then the windows behind their start."""
    for family in FAMILIES:
        mode = "img2img" if family == "sdxl-refiner" else "txt2img"
        first = script(family, f"{seeded(mode)} --denoising-end 0.7", "base")
        yield Row(f"window/{family} 0-0.7-1", (first, script(family, seeded(mode, "base"))))
    for family in ("sd15", "sdxl", "kolors", "sd3", "flux", "qwen-image", "z-image", "flux2"):
        first = script(family, "--denoising-end 0.3", "base", steps=8)
        middle = go_on(family, "--denoising-start 0.3 --denoising-end 0.7", "middle", steps=8)
        last = go_on(family, "--denoising-start 0.7", latents="middle", steps=8)
        yield Row(f"window/{family} 0.3-0.7 from latents", (first, middle, last))
    for family in ("sd15", "sd2", "sdxl", "sd3", "flux", "qwen-image", "z-image"):
        for mode in ("img2img", "inpaint"):
            first = script(family, f"{seeded(mode)} --denoising-end 0.7", "base")
            yield Row(f"window/{family} {mode}", (first, script(family, seeded(mode, "base"))))
    yield Row("window/several ends", (script("sd15", "--denoising-end 0.2 0.5 0.8", "many"),))


def schedulers() -> Iterator[Row]:
    """Schedulers in two windows, by image too, and the flow-matching ones of the families that take them."""
    for name in SCHEDULERS:
        chosen = f"--scheduler {name}"
        first = script("sd15", f"{chosen} --denoising-end 0.5", "base")
        yield Row(f"scheduler/sd15 {name}", (first, go_on("sd15", chosen)))
    for name in ("DDIM", "EulerDiscrete", "EulerAncestralDiscrete", "DPMSolverMultistep", "HeunDiscrete", "PNDM"):
        chosen = f"--scheduler {name}Scheduler"
        first = script("sdxl", f"{chosen} {seeded('img2img')} --denoising-end 0.7", "base")
        last = script("sdxl", f"{chosen} {seeded('img2img', 'base')}")
        yield Row(f"scheduler/sdxl img2img {name}", (first, last))
    for family in ("sd3", "flux", "qwen-image", "z-image", "flux2"):
        for address in FLOW_SCHEDULERS:
            name, chosen = address.partition(";")[0], f"--scheduler '{address}'"
            cells = (script(family, f"{chosen} --denoising-end 0.5", "base"), go_on(family, chosen))
            yield Row(f"scheduler/{family} {name}", cells, (family, name) in NO_PAIR)
    for settings in (
        "DPMSolverMultistepScheduler;use_karras_sigmas=true",
        "DPMSolverMultistepScheduler;algorithm_type=sde-dpmsolver++;solver_order=3",
        "EulerDiscreteScheduler;use_beta_sigmas=true;timestep_spacing=trailing",
        "DDIMScheduler;prediction_type=v_prediction;rescale_betas_zero_snr=true",
        "UniPCMultistepScheduler;solver_order=3;use_karras_sigmas=true",
    ):
        first = script("sd15", f"--scheduler '{settings}' --denoising-end 0.5", "base")
        yield Row(f"scheduler/sd15 {settings}", (first, go_on("sd15", f"--scheduler '{settings}'")))


def strengths() -> Iterator[Row]:
    """Strengths over families, the default among them; ten steps tell tenths apart."""
    for family in ("sd15", "sdxl", "sd3", "flux", "z-image"):
        for strength in ("", 0.2, 0.5, 1.0):
            chosen = f"--image-seed-strengths {strength}" if strength else ""
            name = f"strength/{family} {strength or 'default'}"
            yield Row(name, (script(family, f"--image-seeds picture {chosen}", steps=10),))
    yield Row("strength/sd15 several", (script("sd15", "--image-seeds picture --image-seed-strengths 0.3 0.6"),))
    yield Row("strength/sdxl inpaint 0.35", (script("sdxl", f"{seeded('inpaint')[:-3]} 0.35"),))


def handovers() -> Iterator[Row]:
    """From one scheduler, number of steps, model or latent space to another."""
    forms = (
        "DDIMScheduler",
        "EulerDiscreteScheduler",
        "DPMSolverMultistepScheduler",
        "EulerAncestralDiscreteScheduler",
    )
    for giver, taker in permutations(forms, 2):
        first = script("sd15", f"--scheduler {giver} --denoising-end 0.5", "base")
        yield Row(f"hand-over/{giver} to {taker}", (first, go_on("sd15", f"--scheduler {taker}")))
    for family, steps in (("sd15", 9), ("sd15", 4), ("sdxl", 9), ("sd3", 4), ("flux", 9)):
        cells = (script(family, "--denoising-end 0.5", "base"), go_on(family, steps=steps))
        yield Row(f"hand-over/{family} {STEPS} to {steps} steps", cells)
    for giver, taker in (
        *(("sd15", "sd2"), ("sd2", "sd15"), ("sdxl", "sdxl-refiner"), ("sdxl", "kolors"), ("kolors", "sdxl")),
        *(("sdxl", "pixart-sigma"), ("auraflow", "sdxl"), ("flux", "z-image"), ("z-image", "flux")),
        *(("flux", "lumina2"), ("sd15", "sdxl"), ("sdxl", "sd15"), ("sd15", "sd3"), ("sd3", "flux")),
        *(("flux", "sd15"), ("qwen-image", "flux"), ("flux2", "sd3"), ("sdxl", "flux2"), ("sd2", "qwen-image")),
        *(("flux", "flux-schnell"), ("flux2", "flux2-klein")),
    ):
        cells = (script(giver, "--denoising-end 0.5", "base"), go_on(taker))
        yield Row(f"hand-over/{giver} to {taker}", cells)


def demos() -> Iterator[Row]:
    """The embedded models, whole, in windows and in pairs."""
    names = ("demo/scenes", "demo/paper", "demo/flow")
    said = {"prompt": '"a lake at night"', "steps": 4, "size": 128}
    for name in names:
        first, last = script(name, "--denoising-end 0.5", "base", **said), go_on(name, **said)
        yield Row(f"demo/{name} windows", (script(name, **said), first, last))
    for giver, taker in permutations(names, 2):
        first = script(giver, "--denoising-end 0.5", "base", **said)
        yield Row(f"demo/{giver} to {taker}", (first, go_on(taker, **said)))
    yield Row("demo/own size", (script("demo/scenes", prompt='"a forest"', steps=4, size=""),))


MODELS: tuple[Row, ...] = (*modes(), *windows(), *schedulers(), *strengths(), *handovers(), *demos())
