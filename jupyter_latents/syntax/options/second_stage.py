"""The options of dgenerate's refiner, which become a second stage: what each is called there."""

from __future__ import annotations

from types import MappingProxyType

__all__ = ["BEFORE", "EDIT", "FRACTION", "FRACTIONS", "REFINER", "REWRITTEN", "SECOND", "SHORT", "refiner_help"]

BEFORE = "before_refiner"
"""What the latents of the first stage are called."""

FRACTION = "0.8"
"""Where the refiner begins when nobody says, as in dgenerate."""

REFINER, FRACTIONS, EDIT = "--sdxl-refiner", "--sdxl-high-noise-fractions", "--sdxl-refiner-edit"

SECOND = MappingProxyType(
    {
        "--second-model-prompts": "--prompts",
        "--second-model-second-prompts": "--second-prompts",
        "--second-model-prompt-weighter": "--prompt-weighter",
        "--second-model-inference-steps": "--inference-steps",
        "--second-model-guidance-scales": "--guidance-scales",
        "--second-model-schedulers": "--scheduler",
        "--second-model-scheduler": "--scheduler",
        "--second-model-quantizer": "--quantizer",
        "--second-model-text-encoders": "--text-encoders",
        "--second-model-unet": "--unet",
        "--second-model-cpu-offload": "--model-cpu-offload",
        "--second-model-sequential-offload": "--model-sequential-offload",
        "--sdxl-refiner-prompts": "--prompts",
        "--sdxl-refiner-second-prompts": "--second-prompts",
        "--sdxl-refiner-inference-steps": "--inference-steps",
        "--sdxl-refiner-guidance-scales": "--guidance-scales",
        "--sdxl-refiner-schedulers": "--scheduler",
        "--sdxl-refiner-scheduler": "--scheduler",
        "--sdxl-refiner-guidance-rescales": "--guidance-rescales",
        "--sdxl-refiner-sigmas": "--sigmas",
        "--sdxl-refiner-pag": "--pag",
        "--sdxl-refiner-pag-scales": "--pag-scales",
        "--sdxl-refiner-pag-adaptive-scales": "--pag-adaptive-scales",
    }
)
"""Options of the refiner to what its stage has in their place."""

SHORT = MappingProxyType(
    {
        "-hnf": FRACTIONS,
        "-pw2": "--second-model-prompt-weighter",
        "-ifs2": "--second-model-inference-steps",
        "-gs2": "--second-model-guidance-scales",
        "-sch2": "--second-model-schedulers",
        "-q2": "--second-model-quantizer",
        "-te2": "--second-model-text-encoders",
        "-un2": "--second-model-unet",
        "-mco2": "--second-model-cpu-offload",
        "-mqo2": "--second-model-sequential-offload",
        "-rgr": "--sdxl-refiner-guidance-rescales",
        "-sir": "--sdxl-refiner-sigmas",
        "-rpag": "--sdxl-refiner-pag",
        "-rpags": "--sdxl-refiner-pag-scales",
        "-rpagas": "--sdxl-refiner-pag-adaptive-scales",
    }
)
"""Their short names."""

REWRITTEN = frozenset({REFINER, FRACTIONS, EDIT, *SECOND})
"""All of them by their long names."""

_OWN = MappingProxyType(
    {
        REFINER: f"NAME: a second stage of this model, which goes on with the latents {BEFORE} of the first.",
        FRACTIONS: f"Where the first stage ends and the refiner goes on, a fraction of the steps. Default: {FRACTION}.",
        EDIT: "The refiner changes the finished picture of the first stage, by image to image.",
    }
)


def refiner_help() -> dict[str, str]:
    """What each of these options is for, by its long name."""
    taken = {name: f"{to} of the stage that {REFINER} makes." for name, to in SECOND.items()}
    return {**_OWN, **taken}
