"""What must be refused before any weights are read, and what the refusal must name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tests.tables.odd_models import NO_PICTURES

__all__ = ["REFUSALS", "Refusal"]

HUGE = "100000x100000"


@dataclass(frozen=True)
class Refusal:
    """A stage that can never run.

    Attributes:
        name: What is wrong with it.
        script: The stage.
        says: Words that the message must hold.
        error: Names of the error classes that are right.
        before: A script to run first.
        heavy: Whether running it, where it is not refused, takes the machine's memory.
    """

    name: str
    script: str
    says: tuple[str, ...]
    error: tuple[str, ...] = ("ModelError",)
    before: str = ""
    heavy: bool = False

    def __str__(self) -> str:
        return f"refused: {self.name}"


def _stage(family: str, options: str = "", seed: str = "", *, steps: int = 4, size: str = "64") -> str:
    words = (
        f"<{family}> --prompts cat --seeds 3 --inference-steps {steps} --guidance-scales 1",
        f"--output-size {size}" if size else "",
        options,
        f"--image-seeds '{seed}'" if seed else "",
    )
    return " ".join(filter(None, words))


PHOTO, MASK = "photo_64_64", "mask_64_64"
NOISY = "{} --denoising-end 0.5 --into base"


def _models() -> Iterator[Refusal]:
    inpaint = ("mask",)
    yield Refusal("a nine-channel U-Net without picture and mask", _stage("sd-inpaint"), inpaint)
    yield Refusal("a nine-channel U-Net without a mask", _stage("sd-inpaint", seed=PHOTO), inpaint)
    for name in NO_PICTURES:
        yield Refusal(f"a folder of {name}", _stage(name), (name,))
    yield Refusal("a picture into a folder of a depth model", _stage("StableDiffusionDepth2ImgPipeline", seed=PHOTO),
                  ("StableDiffusionDepth2ImgPipeline",))  # fmt: skip
    yield Refusal("a folder of modular blocks", _stage("modular"), ("modular",))
    yield Refusal("the refiner without a picture", _stage("sdxl-refiner"), ("txt2img",))
    yield Refusal("a picture into Flux.2", _stage("flux2", seed=PHOTO), ("img2img",))
    yield Refusal("a mask into Kolors", _stage("kolors", seed=f"{PHOTO};mask={MASK}"), ("inpaint",))


def _schedules() -> Iterator[Refusal]:
    for family, scheduler in (("sd15", "DDIMScheduler"), ("sd15", ""), ("sdxl", "DDIMScheduler"),
                              ("sd3", "FlowMatchHeunDiscreteScheduler")):  # fmt: skip
        options = "--sigmas 1,0.5" + (f" --scheduler {scheduler}" if scheduler else "")
        yield Refusal(f"sigmas for {scheduler or 'the own scheduler'} of {family}", _stage(family, options),
                      ("sigmas", scheduler or "PNDMScheduler"))  # fmt: skip
    yield Refusal("DDIM in Flux", _stage("flux", "--scheduler DDIMScheduler"), ("sigmas", "DDIMScheduler"))
    yield Refusal("a scheduler that noises no picture", _stage("sd15", "--scheduler IPNDMScheduler", PHOTO),
                  ("IPNDMScheduler", "img2img"))  # fmt: skip
    for family in ("sd15", "sdxl", "kolors"):
        yield Refusal(f"one step of {family} at strength 0.8",
                      _stage(family, "--image-seed-strengths 0.8", PHOTO, steps=1),
                      ("--image-seed-strengths", "--inference-steps", "0.8"), ("WindowError",))  # fmt: skip
    yield Refusal("one step stretched to a last level", _stage("qwen-image", steps=1),
                  ("1 step", "--inference-steps", "FlowMatchEulerDiscreteScheduler"), ("WindowError",))  # fmt: skip
    for name, what in (("DPMSolverMultistepScheduler", "learned"), ("DPMSolverSinglestepScheduler", "learned_range")):
        yield Refusal(f"a variance that {name} takes off a picture's channels",
                      _stage("sd15", f"--scheduler '{name};variance-type={what}'"), (name, "step 1 fails"))  # fmt: skip
    for family in ("flux", "flux2", "z-image"):
        scheduler = "SASolverScheduler;use-flow-sigmas=true;prediction-type=flow_prediction"
        yield Refusal(f"a scheduler that takes no shift in {family}", _stage(family, f"--scheduler '{scheduler}'"),
                      ("SASolverScheduler", "takes none"))  # fmt: skip
    sizes = "--scheduler 'FlowMatchLCMScheduler;scale-factors=[1,2]'"
    yield Refusal("a scheduler that changes the size of its latents", _stage("sd3", sizes), ("scale_factors",))
    yield Refusal("a word that is no choice", _stage("sd15", "--scheduler 'EDMEulerScheduler;sigma-schedule=odd'"),
                  ("sigma_schedule", "karras, exponential"))  # fmt: skip
    yield Refusal("a window that ends before the strength begins",
                  _stage("sd15", "--image-seed-strengths 0.3 --denoising-end 0.5", PHOTO, steps=10),
                  ("--denoising-end 0.5",), ("WindowError",))  # fmt: skip
    yield Refusal("a window without a step", _stage("sd15", "--denoising-end 0.1"), ("no step to run",),
                  ("WindowError",))  # fmt: skip
    yield Refusal("a start with a picture alone", _stage("sd15", "--denoising-start 0.5", PHOTO),
                  ("--denoising-start 0.5", "latents"), ("WindowError", "HandoffError"))  # fmt: skip


def _latents() -> Iterator[Refusal]:
    for family, channels in (("flux", 16), ("qwen-image", 16), ("sd3", 16), ("z-image", 16)):
        yield Refusal(f"latents of 9x9 into {family}",
                      _stage(family, "--denoising-start 0.5", f"latents: odd_{channels}", size=""), ("9, 9)",),
                      ("HandoffError",))  # fmt: skip
    xl = NOISY.format(_stage("sdxl"))
    yield Refusal("latents and a mask in SDXL's image position",
                  _stage("sdxl", "--denoising-start 0.5", f"base;mask={MASK}", size=""), ("mask",),
                  ("HandoffError", "ModelError", "ScriptError"), before=xl)  # fmt: skip
    sd = NOISY.format(_stage("sd15"))
    yield Refusal("another size than the latents'", _stage("sd15", seed="latents: base", size="128"),
                  ("--output-size 128x128", "64x64"), ("HandoffError",), before=sd)  # fmt: skip
    several = NOISY.format(_stage("sd15", "--batch-size 2")) + f"\n\n{_stage('sd15', '--denoising-end 0.5')} --into one"
    yield Refusal("two pictures beside three latents",
                  _stage("sd15", seed=f"images: {PHOTO}, {PHOTO};latents=base, one", size=""),
                  ("2 pictures beside 3 latents",), ("HandoffError",), before=several)  # fmt: skip
    clean = _stage("sd15") + " --into base"
    yield Refusal("clean latents to go on from", _stage("sd15", seed="latents: base", size=""), ("fully denoised",),
                  ("HandoffError",), before=clean)  # fmt: skip
    yield Refusal("latents that say nothing", _stage("sd15", seed="latents: odd_4", size=""),
                  ("noise level", "--denoising-start"), ("HandoffError",))  # fmt: skip
    yield Refusal("latents of other channels", _stage("sd15", "--denoising-start 0.5", "latents: odd_16", size=""),
                  ("16 channels",), ("HandoffError",))  # fmt: skip


def _inputs() -> Iterator[Refusal]:
    for family in ("sd15", "sdxl", "flux", "demo/scenes", "demo/flow"):
        why = "memory" if family != "demo/flow" else "position embeddings"
        yield Refusal(f"a size beyond all bounds of {family}", _stage(family, size=HUGE), (HUGE, why),
                      ("ModelError", "RunError", "ScriptError"), heavy=True)  # fmt: skip
    for family, size, most in (("sd3", "1040x32", "1024x1024"), ("demo/flow", "64x528", "512x512"),
                               ("z-image", "2064x16", "2048x2048"), ("lumina2", "16x2064", "2048x2048"),
                               ("auraflow", "16x1040", "1024x1024")):  # fmt: skip
        yield Refusal(f"{size} pixels of {family}", _stage(family, size=size), (most, size, "position embeddings"))
    for family, tokens, said in (("sd3", 513, "1 to 512"), ("flux", 513, "1 to 512"), ("kolors", 257, "1 to 256"),
                                 ("lumina2", 512, "1 to 511"), ("demo/flow", 1, "2 to 512")):  # fmt: skip
        yield Refusal(f"{tokens} tokens of a text for {family}", _stage(family, f"--max-sequence-length {tokens}"),
                      ("--max-sequence-length", said))  # fmt: skip
    yield Refusal("perturbed attention without its layer", _stage("sd3", "--pag-scales 3"), ("blocks.1", "transformer"))
    yield Refusal("a ControlNet without a picture", _stage("sd15", "--control-nets <control>"), ("control",))
    yield Refusal("a negative prompt for Flux", _stage("flux", "--negative-prompts dog"), ("negative prompt",))
    yield Refusal("a second prompt for SD", _stage("sd15", "--second-prompts dog"), ("prompt 2",))
    yield Refusal("clip skip in Flux", _stage("flux", "--clip-skips 1"), ("clip skip",))
    yield Refusal("guidance rescale in SD3", _stage("sd3", "--guidance-rescales 0.5"), ("guidance rescale",))


REFUSALS: tuple[Refusal, ...] = (*_models(), *_schedules(), *_latents(), *_inputs())
"""All of them."""
