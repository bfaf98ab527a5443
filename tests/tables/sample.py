"""Which rows every change is tested with: one or more for each rule, and a few of all the others."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import TypeAlias

from tests.tables.refusals import REFUSALS, Refusal
from tests.tables.rows import OTHER_WAYS, Relay, Row, all_relays, all_rows, thin

__all__ = ["TELLING", "AnyRow", "core", "every", "family", "sample"]

AnyRow: TypeAlias = Row | Relay | Refusal


_EULER = "FlowMatchEulerDiscreteScheduler"
_UNIPC = "UniPCMultistepScheduler;use_flow_sigmas=true;prediction_type=flow_prediction"

TELLING: Mapping[str, tuple[AnyRow, ...]] = MappingProxyType(
    {
        "first step of a strength, rounded as SD does": (
            Row("sd15", "img2img", 10, 0.79),
            Row("sdxl", "inpaint", 7, 0.33),
            Row("kolors", "img2img", 12, 0.79),
            Row("sdxl", "img2img", 3, 0.33, scheduler="HeunDiscreteScheduler"),  # less than one step: none is left
            Row("sd15", "inpaint", 2, 0.33, scheduler="KDPM2DiscreteScheduler"),
            Row("sd15", "img2img", 4, 0.05),  # PNDM's list is one longer than its steps: one is left, and runs
            Row("sd15", "inpaint", 4, 0.05),  # the same list, and the pipeline refuses: no step of the four is left
        ),
        "first step of a strength, rounded as SD3 does": (
            Row("sd3", "img2img", 10, 0.79),
            Row("flux", "img2img", 10, 0.79),
            Row("z-image", "img2img", 7, 0.33),
            Row("qwen-image", "inpaint", 3, 0.5),
            Row("demo/flow", "img2img", 10, 0.79),
            Row("demo/flow", "img2img", 10, 0.79, end=0.3),
            Row("sd3", "img2img", 1, 0.05),
            *(Row("flux", mode, 5, 0.79, scheduler=_UNIPC) for mode in ("img2img", "inpaint")),
            Row("flux2-klein", "inpaint", 5, 0.79, scheduler=_UNIPC),
        ),
        "default strength": (Row("sd15", "img2img", 10), Row("sdxl", "img2img", 10), Row("flux", "inpaint", 10)),
        "alignment": (
            *(Row(family, size="96x72") for family in ("sd15", "sd3", "flux", "flux2", "qwen-image", "z-image")),
            Row("sd15", "img2img", 4, 0.5, None, (40, 104), "33x50;aspect=false"),
            Row("sd15", "img2img", size=None, picture=(100, 72)),
            Row("flux", "img2img", size=None, picture=(100, 72), filed=True),
        ),
        "a size is never rounded to nothing": (
            Row("demo/flow", size="8"),
            Row("sd15", size="8"),
            Row("flux", size="8"),
        ),
        "kept aspect": (
            Row("sd15", "img2img", size=None, resize="64x32"),
            Row("sd15", "img2img", size=None, resize="64x32;aspect=false"),
            Row("flux", "img2img", size=None, picture=(100, 72), resize="48", filed=True),
            Row("demo/flow", "inpaint", size=None, picture=(96, 48), resize="64"),
            Relay(Row("sd15", "img2img", size=None, resize="64x32"), carry="cell", again="64x64"),
            Relay(Row("sd15", "img2img", size=None, resize="64x32"), carry="memory", again="64x64"),
            Relay(Row("sd3", size="96x72"), carry="cell", again="96x72"),
        ),
        "window by steps": (
            Row("sd2", steps=100, end=0.29),
            Row("sd15", steps=9, end=0.79),
            Row("flux", steps=7, end=0.5),
        ),
        "window by timesteps": (
            Row("sdxl", steps=12, end=0.5),
            Row("sdxl", steps=10, end=0.099, scheduler="DDIMScheduler"),  # 901 is a timestep and the cutoff
            Row("sdxl", steps=10, end=0.1984, scheduler="DDIMScheduler"),  # the cutoff is 802, and 801 a timestep
            Row("kolors", steps=12, end=0.5),
            Row("sdxl-refiner", "img2img", 12, 1.0, end=0.5),
        ),
        "evaluations of a second-order scheduler": (
            Row("sd15", steps=5, scheduler="HeunDiscreteScheduler"),
            Row("sd15", steps=5, scheduler="HeunDiscreteScheduler", end=0.4),  # two of five, not one of four
            Row("sd15", "img2img", 10, 0.79, scheduler="KDPM2DiscreteScheduler"),
            Row("sdxl", steps=8, scheduler="HeunDiscreteScheduler", end=0.5),
            Row("sd3", steps=5, scheduler="FlowMatchHeunDiscreteScheduler", end=0.5),
        ),
        "evaluations of a scheduler that repeats a timestep": (Row("sd15", steps=5), Row("sd15", steps=1)),
        "sigmas given": (
            Row("sd15", steps=3, scheduler="EulerDiscreteScheduler", sigmas="14,7,1"),
            Row("sd15", steps=4, scheduler="EulerDiscreteScheduler", sigmas="14,7,1", end=0.5),
            Row("sd15", "img2img", 4, 0.5, scheduler="EulerDiscreteScheduler", sigmas="14,7,3,2,1,0.5,0.2"),
            Row("flux", steps=4, sigmas="1,0.7,0.4"),
            Row("sd3", "img2img", 3, 0.79, sigmas="1,0.7,0.4,0.2,0.1"),
        ),
        "levels shifted by the number of tokens": (
            Row("sd3", size="96x72", scheduler=f"{_EULER};use_dynamic_shifting=true"),
            Row("z-image", size="96x72", scheduler=f"{_EULER};use_dynamic_shifting=true"),
        ),
        "pictures at once": (
            Row("sd15", batch=2),
            Row("flux", batch=3, size="72"),
            Row("sdxl", "img2img", batch=2),
            Row("sd15", "img2img", several=True),
            Row("sd3", "img2img", 4, 0.5, several=True, batch=2),
        ),
        "default size": (
            Row("demo/scenes", steps=1, size=None),
            Row("demo/flow", steps=1, size=None),
            Row("sd15", steps=1, size=None),
            Row("sdxl", steps=1, size=None),
            Row("flux", steps=1, size=None),
        ),
        "mode": (
            Row("sdxl-refiner", "img2img", 5, 0.5),
            Relay(Row("sdxl", steps=8), 0.79, "cell", receiver="sdxl-refiner", verdict="same schedule, another model"),
            Row("sd-inpaint", "inpaint", 5, 1.0),
            Row("flux2", "img2img"),
        ),
        "verdict": OTHER_WAYS,
        "history lost": (
            *(relay for relay in OTHER_WAYS if "without history" in relay.verdict),
            Relay(Row("sd15", steps=8), carry="cell", alter="joined", verdict="without history"),
        ),
        "history of packed latents": (Relay(Row("flux", steps=8, scheduler=_UNIPC)),),
        "refused before weights": REFUSALS,
    }
)
"""Rule to rows that turn red where the rule is broken."""


@cache
def sample() -> tuple[AnyRow, ...]:
    """The rows that every change is tested with."""
    telling = [row for rows in TELLING.values() for row in rows]
    return tuple(dict.fromkeys([*telling, *thin(all_rows(), 90), *thin(all_relays(), 50)]))


def core() -> tuple[AnyRow, ...]:
    """Those of them that are tried always: all that a rule's break turns red, and every third of the others."""
    telling = dict.fromkeys(row for rows in TELLING.values() for row in rows)
    return (*telling, *[row for row in sample() if row not in telling][::3])


def every() -> tuple[AnyRow, ...]:
    """All rows."""
    return tuple(dict.fromkeys([*sample(), *all_rows(), *all_relays()]))


def family(row: AnyRow) -> str:
    """The model of a row."""
    if isinstance(row, Refusal):
        return row.script.partition(">")[0].removeprefix("<")
    return row.row.family if isinstance(row, Relay) else row.family
