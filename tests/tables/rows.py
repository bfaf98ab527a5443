"""The rows of the table *plan = run*: what is asked for, as a script that a person could write."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace

from tests.tables.pipelines import CLASSES, MODES, Size

__all__ = ["OTHER_WAYS", "SEED", "Relay", "Row", "all_relays", "all_rows", "thin"]

_DIFFUSION = ("sd15", "sd2", "sdxl", "sdxl-refiner", "kolors", "demo/scenes")
_FLOW = ("sd3", "flux", "qwen-image", "z-image", "flux2", "demo/flow")

SCHEDULERS = (
    "DDIMScheduler",
    "DPMSolverMultistepScheduler",
    "DPMSolverSinglestepScheduler",
    "EulerAncestralDiscreteScheduler",
    "EulerDiscreteScheduler",
    "HeunDiscreteScheduler",
    "KDPM2DiscreteScheduler",
    "LCMScheduler",
    "LMSDiscreteScheduler",
    "UniPCMultistepScheduler",
)
FLOW_SCHEDULERS = (
    "FlowMatchHeunDiscreteScheduler",
    "FlowMatchLCMScheduler",
    "UniPCMultistepScheduler;use_flow_sigmas=true;prediction_type=flow_prediction",
)

SEED = 3
STEPS = tuple(range(1, 13))
STRENGTHS = (None, 0.05, 0.1, 0.2, 0.3, 0.33, 0.4, 0.5, 0.6, 0.7, 0.79, 0.8, 0.9, 1.0)
ENDS = (0.1, 0.3, 0.5, 0.79, 0.9, 1.0)
SIZES = ("64", "72", "104", "48x32", "96x72", "40x56", "8")
PICTURES = ((100, 72), (96, 48), (40, 104))
RESIZES = ("48", "64x32", "64x32;aspect=false", "33x50;aspect=false", "72x40")
CUTS = (0.1, 0.3, 0.5, 0.79, 0.9)
CARRIES = ("cell", "memory", "safetensors", "SAFETENSORS", "pt")


@dataclass(frozen=True)
class Row:
    """A stage that starts from a prompt or a picture.

    Attributes:
        family: A tiny family, ``sd-inpaint``, or a demo model.
        mode: ``txt2img``, ``img2img`` or ``inpaint``.
        steps: ``--inference-steps``.
        strength: ``--image-seed-strengths``; None to leave it out.
        size: ``--output-size``; None to leave it out.
        picture: (width, height) of the picture in the image position.
        resize: What stands behind the picture in the image seed, such as ``64x32;aspect=false``.
        scheduler: ``--scheduler``; None for the model's own.
        end: ``--denoising-end``.
        filed: Whether the picture and its mask are files, not variables.
        batch: ``--batch-size``.
        several: Whether two pictures stand in the image position (``images: a, b``).
        sigmas: ``--sigmas``, or empty.
    """

    family: str
    mode: str = "txt2img"
    steps: int = 4
    strength: float | None = None
    size: str | None = "64"
    picture: Size = (64, 64)
    resize: str = ""
    scheduler: str | None = None
    end: float | None = None
    filed: bool = False
    batch: int = 1
    several: bool = False
    sigmas: str = ""

    def __str__(self) -> str:
        image = self.mode != "txt2img"
        parts = (
            f"{self.family} {self.mode} {self.steps} steps",
            f"strength {self.strength:g}" if self.strength is not None else "",
            f"size {self.size}" if self.size else "no size",
            f"{'file' if self.filed else 'picture'} {self.picture[0]}x{self.picture[1]}" if image else "",
            f"resized {self.resize}" if self.resize else "",
            self.scheduler or "",
            f"end {self.end:g}" if self.end is not None else "",
            f"batch {self.batch}" if self.batch > 1 else "",
            "two pictures" if self.several else "",
            f"sigmas {self.sigmas}" if self.sigmas else "",
        )
        return ", ".join(filter(None, parts))

    @property
    def options(self) -> str:
        """The options that the parts of a split run share."""
        given = (
            f"--inference-steps {self.steps} --guidance-scales 1",
            f"--image-seed-strengths {self.strength}" if self.strength is not None and self.mode != "txt2img" else "",
            f"--scheduler {self.scheduler}" if self.scheduler else "",
            f"--sigmas {self.sigmas}" if self.sigmas else "",
        )
        return " ".join(filter(None, given))

    def seed(self, latents: str = "") -> str:
        """The image seed, with latents to go on from where there are some."""
        ending = ".png" if self.filed else ""
        start = "./" if self.filed else ""
        photo = f"{start}photo_{self.picture[0]}_{self.picture[1]}{ending}"
        parts = (
            f"images: {photo}, {photo}" if self.several else photo,
            f"mask={start}mask_{self.picture[0]}_{self.picture[1]}{ending}" if self.mode == "inpaint" else "",
            f"latents={latents}" if latents else "",
            self.resize,
        )
        if self.mode == "txt2img":
            return f"latents: {latents}" if latents else ""
        return ";".join(filter(None, parts))

    @property
    def script(self) -> str:
        """The whole script."""
        parts = (
            f"<{self.family}> --prompts cat --seeds {SEED} {self.options}",
            f"--output-size {self.size}" if self.size else "",
            f"--denoising-end {self.end}" if self.end is not None else "",
            f"--batch-size {self.batch}" if self.batch > 1 else "",
            f"--image-seeds '{self.seed()}'" if self.seed() else "",
            "--into base",
        )
        return " ".join(filter(None, parts))


@dataclass(frozen=True)
class Relay:
    """A stage that goes on from the latents of another.

    Attributes:
        row: The whole run; the first part ends at `cut`.
        cut: Where the first part ends and the second begins.
        carry: ``cell``: both stand in one script; ``memory``: a second script finds the variable; else the ending of
            the file that a new session reads.
        receiver: The model that goes on; empty for the same.
        steps: Its ``--inference-steps``; 0 for the same.
        scheduler: Its ``--scheduler``; empty for the same.
        again: ``--output-size`` of the second part, or empty.
        alter: What is done in between: ``without history``, ``joined`` (with themselves) or ``scaled``.
        direct: Whether the latents stand in the image position, as SDXL takes them.
        verdict: Words of the verdict, recorded from runs.
    """

    row: Row
    cut: float = 0.5
    carry: str = "memory"
    receiver: str = ""
    steps: int = 0
    scheduler: str = ""
    again: str = ""
    alter: str = ""
    direct: bool = False
    verdict: str = "exact continuation"

    def __str__(self) -> str:
        parts = (
            f"{self.row}, cut {self.cut:g} through {self.carry}",
            f"into {self.receiver}" if self.receiver else "",
            f"of {self.steps} steps" if self.steps else "",
            f"with {self.scheduler}" if self.scheduler else "",
            f"size {self.again} again" if self.again else "",
            self.alter,
            "in the image position" if self.direct else "",
        )
        return ", ".join(filter(None, parts))

    @property
    def own(self) -> bool:
        """Whether the second part goes on with the same schedule, so that both parts are the whole run."""
        return not (self.receiver or self.steps or self.scheduler)

    @property
    def first(self) -> Row:
        """The first part."""
        return replace(self.row, end=self.cut)

    @property
    def second(self) -> str:
        """The script of the second part."""
        row = self.row
        if self.receiver or self.steps or self.scheduler:
            scheduler = self.scheduler or (None if self.receiver else row.scheduler)
            row = replace(row, family=self.receiver or row.family, steps=self.steps or row.steps, scheduler=scheduler)
        name = "base" if self.carry in ("cell", "memory") else f"./base.{self.carry}"
        seed = name if self.direct else row.seed(f"{name}, {name}" if self.alter == "joined" else name)
        start = f"--denoising-start {self.cut}" if self.carry in ("pt", "latent") or self.direct else ""
        size = f"--output-size {self.again}" if self.again else ""
        scaled = '--latents-processors "scale;factor=3"' if self.alter == "scaled" else ""
        parts = (f"<{row.family}> --prompts dog {row.options}", size, start, scaled, f"--image-seeds '{seed}'")
        return " ".join(filter(None, parts)) + " --into final"


def _schedulers(family: str) -> tuple[str, ...]:
    return SCHEDULERS if family in _DIFFUSION else FLOW_SCHEDULERS if family in _FLOW else ()


def _without_picture(family: str) -> Iterator[Row]:
    for steps in STEPS:
        for end in (None, *ENDS):
            yield Row(family, steps=steps, end=end)
    for size in SIZES:
        yield Row(family, size=size, steps=3)
    for scheduler in _schedulers(family):
        for steps in (1, 2, 3, 5, 8, 12):
            for end in (None, 0.3, 0.5):
                yield Row(family, steps=steps, scheduler=scheduler, end=end)


def _with_picture(family: str, mode: str) -> Iterator[Row]:
    for steps in STEPS:
        for strength in STRENGTHS:
            yield Row(family, mode, steps, strength)
    for steps in (5, 8, 10, 12):
        for strength in (0.33, 0.79, 1.0):
            for end in (0.3, 0.5, 0.9):
                yield Row(family, mode, steps, strength, end=end)
    for picture in PICTURES:
        for resize in ("", *RESIZES):
            for size in (None, "72x48"):
                yield Row(family, mode, 4, 0.5, size, picture, resize, filed=bool(resize) == (size is None))
    for scheduler in _schedulers(family):
        for steps in (2, 3, 5, 10):
            for strength in (0.33, 0.79):
                yield Row(family, mode, steps, strength, scheduler=scheduler)


def all_rows() -> Iterator[Row]:
    """Every row that starts from a prompt or a picture."""
    for family, classes in CLASSES.items():
        for mode, made_by in zip(MODES, classes, strict=True):
            if not made_by:
                yield Row(family, mode)
            elif mode == "txt2img":
                yield from _without_picture(family)
            else:
                yield from _with_picture(family, mode)


def all_relays() -> Iterator[Relay]:
    """Every row that goes on from latents."""
    for family, classes in CLASSES.items():
        for mode, made_by in zip(MODES, classes, strict=True):
            if made_by:
                yield from _relays(family, mode)
    yield from OTHER_WAYS


def _relays(family: str, mode: str) -> Iterator[Relay]:
    strength = None if mode == "txt2img" else 0.79
    for number, (steps, cut) in enumerate((steps, cut) for steps in (2, 5, 8, 12) for cut in CUTS):
        for scheduler in (None, *_schedulers(family)[5:7], *_schedulers(family)[:1]):
            row = Row(family, mode, steps, strength, scheduler=scheduler)
            carry = CARRIES[(number + len(scheduler or "")) % len(CARRIES)]
            yield Relay(row, cut, carry, verdict="same space" if carry == "pt" else "exact continuation")
    for size in ("72", "96x72", "40x56"):
        for carry in ("cell", "memory"):
            yield Relay(Row(family, mode, 4, strength, size), 0.5, carry, again=size)
    for resize in RESIZES if mode == "img2img" else ():
        row = Row(family, mode, 4, 0.79, None, (64, 64), resize)
        yield from (Relay(row, 0.5, carry) for carry in ("cell", "memory"))


_EULER = Row("sd15", steps=8, scheduler="EulerDiscreteScheduler")

OTHER_WAYS: tuple[Relay, ...] = (
    *(Relay(_EULER, carry=carry, scheduler="DDIMScheduler", verdict="converted form") for carry in CARRIES[:3]),
    *(Relay(Row("sd15", steps=8), carry=carry, steps=12, verdict="same space") for carry in CARRIES[:3]),
    *(Relay(Row("sd15", steps=8), carry=carry, receiver="sd3", verdict="bridged space") for carry in CARRIES[:3]),
    *(Relay(Row("sd15", size="72"), carry=carry, receiver="flux", verdict="bridged space") for carry in CARRIES[:2]),
    Relay(Row("sd15", steps=8), receiver="flux2", verdict="bridged space"),
    Relay(Row("flux", steps=8), carry="cell", receiver="sdxl", verdict="bridged space"),
    Relay(Row("demo/scenes", steps=8), carry="cell", receiver="demo/flow", verdict="bridged space"),
    Relay(Row("demo/scenes", steps=8), carry="cell", receiver="demo/paper", verdict="same schedule, another model"),
    Relay(Row("sdxl", steps=8), 0.79, "cell", receiver="sdxl-refiner", verdict="same schedule, another model"),
    Relay(Row("sdxl", steps=8), 0.79, "safetensors", receiver="sdxl-refiner", verdict="same schedule, another model"),
    Relay(Row("sdxl", steps=8), 0.79, "cell", direct=True),
    Relay(Row("sdxl", steps=8), 0.79, "safetensors", direct=True),
    Relay(Row("sdxl", steps=8), 0.79, "SAFETENSORS", direct=True),
    Relay(Row("kolors", steps=8), 0.79, "SAFETENSORS", direct=True),
    *(Relay(Row(family, steps=8), 0.5, "latent", verdict="same space") for family in ("sd15", "sdxl", "flux")),
    *(Relay(Row(family, steps=8), alter="without history", verdict="same schedule, without history")
      for family in ("sd15", "sdxl", "sd3", "demo/flow")),
    *(Relay(Row(family, steps=8), alter="joined", verdict="without history")
      for family in ("sd15", "flux")),
    *(Relay(Row(family, steps=8), alter="scaled", verdict="changed by scale") for family in ("sd15", "sd3")),
)  # fmt: skip


def thin(rows: Iterator[Row] | Iterator[Relay], share: int) -> list[Row] | list[Relay]:
    """About one row of `share`, always the same ones: those whose name has a checksum that `share` divides."""
    return [row for row in rows if zlib.crc32(str(row).encode()) % share == 0]
