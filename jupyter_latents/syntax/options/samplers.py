"""Schedulers as other programs call them, and what to write here."""

from __future__ import annotations

import re

__all__ = ["sampler"]

_CLASSES = {
    "euler": "EulerDiscreteScheduler",
    "euler a": "EulerAncestralDiscreteScheduler",
    "euler ancestral": "EulerAncestralDiscreteScheduler",
    "heun": "HeunDiscreteScheduler",
    "lms": "LMSDiscreteScheduler",
    "ddim": "DDIMScheduler",
    "ddpm": "DDPMScheduler",
    "plms": "PNDMScheduler",
    "pndm": "PNDMScheduler",
    "unipc": "UniPCMultistepScheduler",
    "uni pc": "UniPCMultistepScheduler",
    "deis": "DEISMultistepScheduler",
    "lcm": "LCMScheduler",
    "tcd": "TCDScheduler",
    "ipndm": "IPNDMScheduler",
    "sa solver": "SASolverScheduler",
    "dpm2": "KDPM2DiscreteScheduler",
    "dpm2 a": "KDPM2AncestralDiscreteScheduler",
    "dpm++": "DPMSolverMultistepScheduler",
    "dpm++ 2m": "DPMSolverMultistepScheduler",
    "dpm++ 3m": "DPMSolverMultistepScheduler;solver-order=3",
    "dpm++ 2m sde": "DPMSolverMultistepScheduler;algorithm-type=sde-dpmsolver++",
    "dpm++ 3m sde": "DPMSolverMultistepScheduler;algorithm-type=sde-dpmsolver++;solver-order=3",
    "dpm++ 2s": "DPMSolverSinglestepScheduler",
    "dpm++ 2s a": "DPMSolverSinglestepScheduler",
    "dpm++ sde": "DPMSolverSDEScheduler",
    "flow match euler": "FlowMatchEulerDiscreteScheduler",
}
_LEVELS = {"karras": "use-karras-sigmas", "exponential": "use-exponential-sigmas", "beta": "use-beta-sigmas"}


def sampler(name: str) -> str | None:
    """What to write for a sampler as others call it, ``DPM++ 2M Karras``; None where it is not known.

    Args:
        name: As others call it.
    """
    words = re.sub(r"\bdpmpp", "dpm++", re.sub(r"[\s_-]+", " ", name.lower()).removeprefix("k "))
    levels = [_LEVELS[word] for word in words.split() if word in _LEVELS]
    found = _CLASSES.get(" ".join(word for word in words.split() if word not in (*_LEVELS, "simple", "normal")))
    return None if found is None else ";".join([found, *(f"{level}=true" for level in levels)])
