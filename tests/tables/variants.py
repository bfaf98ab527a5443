"""Schedulers and their variants: which settings the tables try."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from types import MappingProxyType

from tests.engine.cases import FLOW_SCHEDULERS, SCHEDULERS

__all__ = ["FLOW_MODELS", "OTHERS", "SETTINGS", "schedulers_for", "variants"]

SETTINGS: Mapping[str, tuple[object, ...]] = MappingProxyType(
    {
        "use_karras_sigmas": ("true",),
        "use_exponential_sigmas": ("true",),
        "use_beta_sigmas": ("true",),
        "use_lu_lambdas": ("true",),
        "timestep_spacing": ("leading", "linspace", "trailing"),
        "prediction_type": ("v_prediction", "sample"),
        "algorithm_type": (
            "dpmsolver",
            "dpmsolver++",
            "sde-dpmsolver",
            "sde-dpmsolver++",
            "data_prediction",
            "noise_prediction",
        ),
        "solver_order": (1, 2, 3),
        "solver_type": ("midpoint", "heun", "logrho", "bh1", "bh2"),
        "predictor_order": (1, 3),
        "corrector_order": (1, 3),
        "predict_x0": ("false",),
        "lower_order_final": ("false",),
        "euler_at_final": ("true",),
        "final_sigmas_type": ("sigma_min",),
        "variance_type": ("fixed_large", "fixed_small_log"),
        "rescale_betas_zero_snr": ("true",),
        "interpolation_type": ("log_linear",),
        "timestep_type": ("continuous",),
        "sigma_schedule": ("exponential",),
        "skip_prk_steps": ("false",),
        "stochastic_sampling": ("true",),
        "shift": (5.0,),
        "shift_terminal": (0.1,),
    }
)
"""Setting to the values tried, one setting at a time; only those that a class takes."""

FLOW_MODELS = ("sd3", "flux", "qwen-image", "z-image", "auraflow", "lumina2", "flux2")

OTHERS = (
    "AmusedScheduler",
    "BlockRefinementScheduler",
    "CogVideoXDPMScheduler",
    "CosineDPMSolverMultistepScheduler",
    "DDPMWuerstchenScheduler",
    "DiscreteDDIMScheduler",
    "EntropyBoundScheduler",
    "FlowMapEulerDiscreteScheduler",
    "HeliosDMDScheduler",
    "HeliosScheduler",
    "KarrasVeScheduler",
    "LTXEulerAncestralRFScheduler",
    "MiniMaxH3Scheduler",
    "PiflowScheduler",
    "RFD4ProteinaScheduler",
    "RePaintScheduler",
    "SCMScheduler",
    "ScoreSdeVeScheduler",
    "UnCLIPScheduler",
    "VQDiffusionScheduler",
)
"""Classes made for other tasks (video, audio, discrete tokens, proteins) or other pipelines."""


def schedulers_for(model: str) -> tuple[str, ...]:
    """The schedulers that a tiny model's table lists."""
    return FLOW_SCHEDULERS if model in FLOW_MODELS else SCHEDULERS


def variants(scheduler: str) -> Iterator[str]:
    """The scheduler as it is, then with each setting that its class takes, as ``--scheduler`` writes them."""
    import diffusers

    yield scheduler
    accepted = inspect.signature(getattr(diffusers, scheduler.partition(";")[0])).parameters
    for name, values in SETTINGS.items():
        if name in accepted and f"{name}=" not in scheduler:
            yield from (f"{scheduler};{name}={value}" for value in values)
