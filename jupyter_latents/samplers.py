"""The samplers and schedules of other programs and the scheduler of each: the one table of their names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

__all__ = ["LEVELS", "SAMPLERS", "Sampler", "Sampling", "exact_sampler", "sampler", "sampler_name", "schedule_of"]


@dataclass(frozen=True, slots=True)
class Sampler:
    """A row.

    Attributes:
        name: As A1111 calls it.
        scheduler: The scheduler's class.
        settings: Its settings that make it this one.
        also: Other programs' names: words in lower case, without a ``k_`` or ``sample_`` before them.
        levels: The noise levels that A1111 takes by itself, ``karras`` or ``exponential``; empty for the usual ones.
        near: How it differs from this scheduler, in words; empty where it does not.
    """

    name: str
    scheduler: str
    settings: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    also: tuple[str, ...] = ()
    levels: str = ""
    near: str = ""


_SDE = MappingProxyType({"algorithm-type": "sde-dpmsolver++"})
_THIRD = MappingProxyType({"solver-order": "3"})
_ANCESTRAL = "adds noise at each step there and none here"

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
        "DPM++ 3M SDE", "DPMSolverMultistepScheduler", MappingProxyType({**_SDE, **_THIRD}), levels="exponential"
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
)  # fmt: skip
"""Every sampler that has a scheduler here."""

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
    return re.sub(r"\bdpmpp", "dpm++", words).removesuffix(" gpu")


def _row(words: str) -> Sampler | None:
    return next((row for row in SAMPLERS if words in (row.name.lower(), *row.also)), None)


def sampler(name: str) -> str | None:
    """What to write for a sampler as others call it, ``DPM++ 2M Karras``; None where it is not known.

    Args:
        name: As others call it.
    """
    words = _words(name).split()
    row = _row(" ".join(word for word in words if word not in (*LEVELS, "simple", "normal")))
    if row is None:
        return None
    return _written(row, [f"{LEVELS[word]}=true" for word in words if word in LEVELS])


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
