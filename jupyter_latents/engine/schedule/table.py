"""One table: diffusers scheduler class to how it mixes signal and noise. No torch, so that it serves completion too."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jupyter_latents.latents.facts import Form

__all__ = ["BACKWARDS", "FORMS", "MIDPOINT", "OWN_OUTPUT", "SCHEDULER_ERRORS", "SIGMAS_AS_GIVEN", "scheduler_names"]

_ROWS: dict[Form, tuple[str, ...]] = {
    "ve": (  # x0 + sigma * eps
        "CMStochasticIterativeScheduler",
        "DPMSolverSDEScheduler",
        "EDMDPMSolverMultistepScheduler",
        "EDMEulerScheduler",
        "EulerAncestralDiscreteScheduler",
        "EulerDiscreteScheduler",
        "HeunDiscreteScheduler",
        "KDPM2AncestralDiscreteScheduler",
        "KDPM2DiscreteScheduler",
        "LMSDiscreteScheduler",
    ),
    "vp": (  # (x0 + sigma * eps) / sqrt(1 + sigma^2)
        "CogVideoXDDIMScheduler",
        "DDIMInverseScheduler",
        "DDIMParallelScheduler",
        "DDIMScheduler",
        "DDPMParallelScheduler",
        "DDPMScheduler",
        "DEISMultistepScheduler",
        "DPMSolverMultistepInverseScheduler",
        "DPMSolverMultistepScheduler",
        "DPMSolverSinglestepScheduler",
        "IPNDMScheduler",
        "LCMScheduler",
        "PNDMScheduler",
        "SASolverScheduler",
        "TCDScheduler",
        "UniPCMultistepScheduler",
    ),
    "flow": (  # (1 - s) * x0 + s * eps
        "FlowMatchEulerDiscreteScheduler",
        "FlowMatchHeunDiscreteScheduler",
        "FlowMatchLCMScheduler",
    ),
}

FORMS: Mapping[str, Form] = MappingProxyType({name: form for form, names in _ROWS.items() for name in names})
"""Class name to form."""


BACKWARDS = frozenset({"DDIMInverseScheduler", "DPMSolverMultistepInverseScheduler"})
"""Schedulers that add the noise that a model predicts: their schedules begin with a picture and end in noise."""


SIGMAS_AS_GIVEN = frozenset({"EulerDiscreteScheduler"})
"""Schedulers whose custom sigmas must hold the final 0."""


MIDPOINT = frozenset({"DPMSolverSDEScheduler", "KDPM2DiscreteScheduler"})
"""Second-order schedulers whose second evaluation stands at the geometric mean of its two levels.

Heun's stands at the lower one, and so does that of KDPM2Ancestral: half way to its own lower target, which is s^2 / s0.
"""


OWN_OUTPUT: Mapping[str, str] = MappingProxyType(
    {"CMStochasticIterativeScheduler": "consistency", "IPNDMScheduler": "v_prediction"}
)
"""Schedulers without a prediction type in their settings: what they take a model's output for."""

SCHEDULER_ERRORS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    ImportError,
    LookupError,
    NameError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""What diffusers' schedulers raise at settings and schedules that they cannot make."""


def scheduler_names() -> list[str]:
    """Names of the scheduler classes that a text-to-image stage can use."""
    return sorted(FORMS)
