"""What the readers of other programs' pictures share: models and samplers as scripts name them, and their remarks."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from jupyter_latents.formats import endings
from jupyter_latents.pictures.metadata.bounds import real
from jupyter_latents.pictures.metadata.recipe import fill_in
from jupyter_latents.samplers import schedule_of
from jupyter_latents.stage import Address, ImageSeed, Reference, Size

__all__ = [
    "MASK", "MODEL", "NOISE", "PHOTO", "STEPS", "Remarks", "addon", "file_name", "leftovers", "loras_in", "not_covered",
    "picture_size", "strength_of",
]  # fmt: skip

MODEL, PHOTO, MASK = "MODEL", "photo.png", "mask.png"
"""What stands in a cell for a model, a picture and a mask that nobody named."""
STEPS = 10_000
NOISE = "seeds draw their noise otherwise in {program}: the picture will be alike, not the same"

_LORA = re.compile(r"<(lora|lyco):([^<>:]{1,300})(?::([^<>:]{0,40}))?(?::[^<>]{0,100})?>", re.IGNORECASE)
_OTHER = re.compile(r"<(hypernet|embedding):[^<>]{1,300}>", re.IGNORECASE)
_WEIGHTED = re.compile(r"\([^()]{1,200}:\s*[\d.]{1,9}\s*\)|\(\(|\[[^\[\]]{0,100}:[^\[\]]{0,100}\]")
_HUB = re.compile(r"[\w.-]+/[\w.-]+")
_FILES = (*endings(), ".ckpt", ".bin", ".gguf")
_MOST_SIDE = 16_384


@dataclass(slots=True)
class Remarks:
    """Collects remarks, each once, and finds what scripts call things.

    Attributes:
        lines: The remarks so far.
    """

    lines: list[str] = field(default_factory=list)

    def add(self, *lines: str) -> None:
        """Adds remarks that are not there yet."""
        self.lines += [line for line in lines if line and line not in self.lines]

    def take(self) -> tuple[str, ...]:
        """The remarks; the next ones begin anew."""
        taken, self.lines = tuple(self.lines), []
        return taken

    def model(self, name: str, more: str = "") -> str:
        """A model's name in a cell, with the remark that it is to be filled in."""
        found = file_name(name) or MODEL
        known = f"the model was {name}{f' ({more})' if more else ''}" if name else "nothing says which model it was"
        self.add(fill_in(found, f"{known}; give a hub name, a folder or a file"))
        return found

    def scheduler(self, name: str, schedule: str = "") -> Address | None:
        """The scheduler of a sampler; None for the model's own, which is then said."""
        if not name:
            return None
        found = schedule_of(name, schedule)
        if found is None:
            self.add(
                not_covered("sampler", f"{name} {schedule}".strip(), "the model's own scheduler stands in its place")
            )
            return None
        self.add(found.differs)
        head, *settings = found.scheduler.split(";")
        pairs = (setting.partition("=") for setting in settings)
        return Address(head, MappingProxyType({key: value for key, _, value in pairs}))

    def prompt(self, text: str) -> str:
        """A prompt, with the remark that weights in it are text."""
        if _WEIGHTED.search(text[:20_000]):
            self.add("weights and schedules such as (word:1.2) stand in the prompt as they were written")
        return text

    @staticmethod
    def weighter(*texts: str, schedules: bool = True) -> Address | None:
        """What reads the weights in prompts; None where there are none.

        Args:
            texts: The prompts.
            schedules: Whether the program reads schedules, ``[a:b:0.5]``, too.
        """
        if not any(_WEIGHTED.search(text[:20_000]) for text in texts):
            return None
        return Address("a1111", MappingProxyType({} if schedules else {"schedules": "false"}))

    def picture(self, was: str = "", *, mask: bool = False) -> ImageSeed:
        """An image seed of a picture that is to be filled in."""
        name = file_name(was) or PHOTO
        self.add(fill_in(name, "the picture that it began from"))
        if mask:
            self.add(fill_in(MASK, "its mask, white where it is painted anew"))
        masks = (Reference(MASK, "path"),) if mask else ()
        return ImageSeed(images=(Reference(name if "." in name else f"{name}.png", "path"),), masks=masks)

    def size(self, width: Any, height: Any) -> Size | None:
        """A picture's size, in whole latent pixels; None where it is none."""
        found, note = picture_size(width, height)
        self.add(note)
        return found


def not_covered(key: str, value: str, instead: str = "") -> str:
    """A remark on a setting that the cell does not have."""
    return f"not covered: {key}: {value}{f'; {instead}' if instead else ''}"


def file_name(path: str) -> str:
    """The last part of a path of any system; a hub name as it is."""
    path = path.strip()
    return path if _HUB.fullmatch(path) and not path.lower().endswith(_FILES) else re.split(r"[\\/]", path)[-1].strip()


def strength_of(steps: int, of: int) -> float:
    """The strength at which exactly the last ``steps`` of ``of`` steps run, 0 to 1.

    Pipelines of SD cut ``of * strength`` down to whole steps, those of SD3 and Flux ``of - of * strength``: where their
    product is whole both run as many. Where no number of this precision has that, one that does for SD is taken.
    """
    exact = steps / of
    near = [*(round(exact, digits) for digits in range(1, 18)), math.nextafter(exact, 2), math.nextafter(exact, 0)]
    return min(1.0, next((one for one in near if of * one == steps), math.nextafter(exact, 2)))


def addon(name: str, settings: Mapping[str, float | None]) -> Address:
    """The address of a LoRA or ControlNet; settings at their defaults are left out.

    Args:
        name: Its file's or hub name.
        settings: Values by key; None for those that are not said.
    """
    usual = {"scale": 1.0, "start": 0.0, "end": 1.0}
    said = {key: f"{value:g}" for key, value in settings.items() if value is not None and value != usual.get(key)}
    return Address(file_name(name) or MODEL, MappingProxyType(said))


def loras_in(prompt: str, remarks: Remarks) -> tuple[str, tuple[Address, ...]]:
    """A prompt without its ``<lora:name:0.8>``, and these."""
    found = [(match[2], real(match[3], -100, 100)) for match in _LORA.finditer(prompt)]
    remarks.add(*(fill_in(name, "a LoRA, as a hub name or a file") for name, _ in found))
    remarks.add(*(not_covered("in the prompt", match[0]) for match in _OTHER.finditer(prompt)))
    plain = _OTHER.sub("", _LORA.sub("", prompt))
    loras = tuple(addon(name, {"scale": scale}) for name, scale in found)
    return (re.sub(r"(?:,\s*){2,}", ", ", plain).strip(" ,\n") if found else plain.strip()), loras


def picture_size(width: Any, height: Any) -> tuple[Size | None, str]:
    """A size in multiples of 8, and what was changed of it."""
    sides = [real(side, 8, _MOST_SIDE) for side in (width, height)]
    if sides[0] is None or sides[1] is None:
        return None, ""
    across, down = (int(side) // 8 * 8 for side in sides if side is not None)
    exact = (across, down) == (sides[0], sides[1])
    return Size(across, down), "" if exact else f"the size was {sides[0]:g}x{sides[1]:g}; sizes are multiples of 8"


def leftovers(values: Mapping[str, Any], used: frozenset[str]) -> Iterator[str]:
    """A remark for each setting that nobody used."""
    for key, value in values.items():
        if key not in used:
            yield not_covered(str(key), str(value))
