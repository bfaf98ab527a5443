"""The samplers and schedules of other programs and the scheduler of each: the one table of their names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

__all__ = [
    "LEVELS",
    "SAMPLERS",
    "Sampler",
    "Sampling",
    "difference",
    "exact_sampler",
    "sampler",
    "sampler_name",
    "schedule_of",
]


@dataclass(frozen=True, slots=True)
class Sampler:
    """A row.

    Attributes:
        name: As A1111 calls it.
        scheduler: The scheduler's class.
        settings: Its settings that make it this one.
        also: Other programs' names: words in lower case, without a ``k_`` or ``sample_`` before them.
        levels: The noise levels that A1111 takes by itself, ``karras`` or ``exponential``; empty for the usual ones.
        near: How it differs from this scheduler, the nearest in kind that diffusers has, in words; empty where it does
            not.
    """

    name: str
    scheduler: str
    settings: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    also: tuple[str, ...] = ()
    levels: str = ""
    near: str = ""


_SDE = MappingProxyType({"algorithm-type": "sde-dpmsolver++"})
_THIRD = MappingProxyType({"solver-order": "3"})
_SDE_THIRD = MappingProxyType({**_SDE, **_THIRD})
_ANCESTRAL = "adds noise at each step there and none here"
_PLUS = "steps along the prediction without a prompt there, which schedulers are not given here"
_PLUS_NOISE = f"adds noise at each step, and {_PLUS}"

SAMPLERS: tuple[Sampler, ...] = (
    Sampler("Euler", "EulerDiscreteScheduler"),
    Sampler("Euler a", "EulerAncestralDiscreteScheduler", also=("euler ancestral",)),
    Sampler("Heun", "HeunDiscreteScheduler"),
    Sampler("LMS", "LMSDiscreteScheduler"),
    Sampler("DPM2", "KDPM2DiscreteScheduler", also=("dpm 2", "kdpm 2"), levels="karras"),
    Sampler(
        "DPM2 a", "KDPM2AncestralDiscreteScheduler", also=("dpm 2 ancestral", "kdpm 2 a", "dpm2 ancestral"),
        levels="karras",
    ),
    Sampler("DPM++ 2M", "DPMSolverMultistepScheduler", also=("dpm++",), levels="karras"),
    Sampler("DPM++ 2M SDE", "DPMSolverMultistepScheduler", _SDE, levels="exponential"),
    Sampler(
        "DPM++ 2M SDE Heun", "DPMSolverMultistepScheduler", MappingProxyType({**_SDE, "solver-type": "heun"}),
        levels="exponential",
    ),
    Sampler("DPM++ 3M", "DPMSolverMultistepScheduler", _THIRD),
    Sampler(
        "DPM++ 3M SDE", "DPMSolverMultistepScheduler", _SDE_THIRD, levels="exponential"
    ),
    Sampler("DPM++ 2S", "DPMSolverSinglestepScheduler"),
    Sampler(
        "DPM++ 2S a", "DPMSolverSinglestepScheduler", also=("dpm++ 2s ancestral",), levels="karras", near=_ANCESTRAL
    ),
    Sampler("DPM++ SDE", "DPMSolverSDEScheduler", levels="karras"),
    Sampler("DDIM", "DDIMScheduler", also=("ddim v3",)),
    Sampler("DDPM", "DDPMScheduler"),
    Sampler("PLMS", "PNDMScheduler", also=("pndm",)),
    Sampler("UniPC", "UniPCMultistepScheduler", also=("uni pc", "uni pc bh2")),
    Sampler("DEIS", "DEISMultistepScheduler"),
    Sampler("LCM", "LCMScheduler"),
    Sampler("TCD", "TCDScheduler"),
    Sampler("IPNDM", "IPNDMScheduler"),
    Sampler("SA Solver", "SASolverScheduler"),
    Sampler("Flow match Euler", "FlowMatchEulerDiscreteScheduler"),
    Sampler("DPM fast", "DPMSolverSinglestepScheduler", _THIRD, near="solves in the predicted noise there"),
    Sampler(
        "DPM adaptive", "DPMSolverSinglestepScheduler", _THIRD, also=("dpm ad",),
        near="chooses its own steps there by the error of each",
    ),
    Sampler(
        "Restart", "HeunDiscreteScheduler", levels="karras", near="goes back to more noise several times there",
    ),
    Sampler("HeunPP2", "HeunDiscreteScheduler", also=("heun++ 2", "heun++"), near="evaluates up to three times there"),
    Sampler("DDIM CFG++", "DDIMScheduler", near=_PLUS),
    Sampler("Euler CFG++", "EulerDiscreteScheduler", near=_PLUS),
    Sampler(
        "Euler a CFG++", "EulerAncestralDiscreteScheduler", also=("euler ancestral cfg++",), near=_PLUS
    ),
    Sampler("DPM++ 2M CFG++", "DPMSolverMultistepScheduler", near=_PLUS),
    Sampler(
        "DPM++ 2S a CFG++", "DPMSolverSinglestepScheduler", also=("dpm++ 2s ancestral cfg++",), near=_PLUS_NOISE
    ),
    Sampler("IPNDM_V", "IPNDMScheduler", also=("ipndm v",), near="weighs its steps by their lengths there"),
    Sampler(
        "res_multistep", "DPMSolverMultistepScheduler", also=("res multistep",),
        near="is an exponential multistep solver with other coefficients there",
    ),
    Sampler(
        "res_multistep_cfg_pp", "DPMSolverMultistepScheduler", also=("res multistep cfg++",), near=_PLUS
    ),
    Sampler(
        "res_multistep_ancestral", "DPMSolverMultistepScheduler", _SDE, also=("res multistep ancestral",),
        near="adds another share of noise at each step there",
    ),
    Sampler(
        "res_multistep_ancestral_cfg_pp", "DPMSolverMultistepScheduler", _SDE,
        also=("res multistep ancestral cfg++",), near=_PLUS,
    ),
    Sampler(
        "gradient_estimation", "EulerDiscreteScheduler", also=("gradient estimation",),
        near="corrects each step by the one before there",
    ),
    Sampler(
        "gradient_estimation_cfg_pp", "EulerDiscreteScheduler", also=("gradient estimation cfg++",), near=_PLUS
    ),
    Sampler("er_sde", "DPMSolverMultistepScheduler", _SDE_THIRD, also=("er sde",),
            near="adds another share of noise at each step there"),
    Sampler("seeds_2", "DPMSolverSDEScheduler", also=("seeds 2",), near="is another stochastic solver there"),
    Sampler(
        "seeds_3", "DPMSolverSDEScheduler", also=("seeds 3",),
        near="is another stochastic solver there, of three evaluations a step",
    ),
    Sampler(
        "exp_heun_2_x0", "DPMSolverSinglestepScheduler", MappingProxyType({"solver-type": "heun"}),
        also=("exp heun 2 x0",), near="evaluates twice a step there",
    ),
    Sampler(
        "exp_heun_2_x0_sde", "DPMSolverSDEScheduler", also=("exp heun 2 x0 sde",),
        near="is another stochastic solver there",
    ),
    Sampler(
        "sa_solver_pece", "SASolverScheduler", also=("sa solver pece",),
        near="evaluates again behind each correction there",
    ),
)  # fmt: skip
"""Every sampler that has a scheduler here, and below them those of which diffusers has the nearest in kind alone."""

LEVELS: Mapping[str, str] = MappingProxyType(
    {"karras": "use-karras-sigmas", "exponential": "use-exponential-sigmas", "beta": "use-beta-sigmas"}
)
"""The schedules of other programs that are settings of a scheduler."""

_SPACED = MappingProxyType(
    {"sgm uniform": "trailing", "simple": "", "normal": "", "uniform": "", "automatic": "", "ddim uniform": ""}
)
_PLAIN_LEVELS = frozenset(
    {
        *("EulerAncestralDiscreteScheduler", "DDIMScheduler", "DDPMScheduler", "PNDMScheduler"),
        *("LCMScheduler", "TCDScheduler", "IPNDMScheduler"),
    }
)
"""Schedulers whose noise levels cannot be chosen."""
_PLAIN_SPACING = frozenset({"DPMSolverSinglestepScheduler", "IPNDMScheduler", "FlowMatchEulerDiscreteScheduler"})
"""Schedulers whose timesteps are always spaced alike."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """What to write for another program's sampler and schedule.

    Attributes:
        scheduler: The scheduler with its settings, as scripts write it.
        differs: What is not the same, in words; empty where all is.
    """

    scheduler: str
    differs: str = ""


def _words(name: str) -> str:
    """A name in lower case, its words parted by spaces."""
    words = re.sub(r"[\s_-]+", " ", name.lower()).strip().removeprefix("sample ").removeprefix("k ")
    return re.sub(r"\bdpmpp", "dpm++", words).removesuffix(" gpu").replace(" cfg pp", " cfg++")


def _row(words: str) -> Sampler | None:
    return next((row for row in SAMPLERS if words in (row.name.lower(), *row.also)), None)


def _named(name: str) -> tuple[Sampler | None, list[str]]:
    """The row of a sampler as others call it, and the kinds of noise levels behind its name."""
    words = _words(name).split()
    row = _row(" ".join(word for word in words if word not in (*LEVELS, "simple", "normal")))
    return row, [word for word in words if word in LEVELS]


def sampler(name: str) -> str | None:
    """What to write for a sampler as others call it, ``DPM++ 2M Karras``; None where it is not known.

    Args:
        name: As others call it.
    """
    row, kinds = _named(name)
    return None if row is None else _written(row, [f"{LEVELS[kind]}=true" for kind in kinds])


def difference(name: str) -> str:
    """How a sampler as others call it differs from what stands for it here; empty where it does not.

    Args:
        name: As others call it.
    """
    row, _ = _named(name)
    return row.near if row is not None else ""


def exact_sampler(name: str) -> str | None:
    """The same for a name that A1111 or ComfyUI has letter by letter, and that means no other sampler than here.

    Args:
        name: ``DPM++ 2M Karras``, ``dpmpp_2m``.
    """
    words = name.split(" ")
    kinds = [word for word in words if word.lower() in LEVELS and word == word.capitalize()]
    plain = " ".join(word for word in words if word not in kinds)
    row = _row(_words(plain))
    comfy = re.fullmatch(r"(?!k_|sample_)[a-z0-9_]+", name)
    if row is None or row.near or not (plain == row.name or comfy):
        return None
    return _written(row, [f"{LEVELS[kind.lower()]}=true" for kind in kinds])


def _written(row: Sampler, more: list[str]) -> str:
    return ";".join([row.scheduler, *(f"{key}={value}" for key, value in row.settings.items()), *more])


def schedule_of(name: str, schedule: str = "") -> Sampling | None:
    """What to write for a sampler with its schedule; None where the sampler is not known.

    Args:
        name: The sampler: ``DPM++ 2M``, ``dpmpp_2m_sde``, ``DPM++ 2M Karras``, ``euler_k``.
        schedule: The schedule: ``Karras``, ``sgm_uniform``; ``Automatic`` is A1111's own choice; empty for none.
    """
    words, kind = _words(name), _words(schedule)
    row = _row(words)
    if row is None:
        head, _, last = words.rpartition(" ")
        row, kind = _row(head), "karras" if last == "k" else last
        if row is None or kind not in LEVELS:
            return None
    if kind == "automatic":
        kind = row.levels
    differs = [f"{row.name} {row.near}"] if row.near else []
    spacing = _SPACED.get(kind, "")
    steady = _PLAIN_LEVELS if kind in LEVELS else _PLAIN_SPACING if spacing else ()
    if row.scheduler in steady or not (kind in LEVELS or kind in _SPACED or not kind):
        return Sampling(_written(row, []), "; ".join([*differs, f"the schedule {schedule or kind} is left out"]))
    more = [f"{LEVELS[kind]}=true"] if kind in LEVELS else []
    more += [f"timestep-spacing={spacing}"] if spacing else []
    return Sampling(_written(row, more), "; ".join(differs))


def _fitting(scheduler: str, settings: Mapping[str, str]) -> Iterator[Sampler]:
    for row in SAMPLERS:
        if row.scheduler == scheduler and not row.near and row.settings.items() <= settings.items():
            yield row


def sampler_name(scheduler: str, settings: Mapping[str, str] = MappingProxyType({})) -> tuple[str, str]:
    """A scheduler as A1111 calls it: the sampler, and the schedule, which is empty for the usual noise levels.

    Args:
        scheduler: The scheduler's class; one without a row is called by it.
        settings: Its settings.
    """
    rows = sorted(_fitting(scheduler, settings), key=lambda row: len(row.settings))
    kinds = [kind for kind, key in LEVELS.items() if settings.get(key, "").lower() == "true"]
    trailing = "SGM Uniform" if settings.get("timestep-spacing") == "trailing" else ""
    return (rows[-1].name if rows else scheduler), (kinds[0].capitalize() if kinds else trailing)
