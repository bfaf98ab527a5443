"""T2I-Adapters: small networks that steer a U-Net by control images, read once for all steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from jupyter_latents.engine.given.inputs import Call, Inputs
from jupyter_latents.engine.given.processing import guides
from jupyter_latents.engine.models.addons.addon import Addon
from jupyter_latents.engine.models.addons.address import OptionAddress, entry_of, fault, locate, part_at, story_of
from jupyter_latents.engine.models.facts import ModelFacts
from jupyter_latents.engine.models.parts import PartSource, with_defaults
from jupyter_latents.stage import ModelSource, Window, settings_of
from jupyter_latents.wording import option

__all__ = ["Sketcher", "T2IAdapters", "find_addon"]

_KEYS = settings_of("t2i_adapters")
_DEST = "t2i_adapters"
_CHANNELS = (320, 640, 1280, 1280)  # of diffusers' T2IAdapter, where a configuration names none


@dataclass(frozen=True, slots=True)
class Sketcher:
    """A T2I-Adapter, how strongly it works, and for which steps."""

    part: PartSource
    scale: float = 1.0
    window: Window = field(default_factory=Window)
    story: str = ""


@dataclass(frozen=True)
class T2IAdapters(Addon):
    """The T2I-Adapters of a stage, in the order of the control images."""

    found: tuple[Sketcher, ...]

    field = _DEST
    dest = _DEST

    @property
    def steering(self) -> str:
        """Pipelines with T2I-Adapters."""
        return "t2i"

    @property
    def digest(self) -> str:
        """Files, scales and windows."""
        return repr([(one.part.digest, one.part.dtype, one.scale, one.window.words) for one in self.found])

    @property
    def story(self) -> str:
        """Names, scales and windows."""
        return " ".join(f"{one.story}{one.window.words}" for one in self.found)

    @property
    def parts(self) -> tuple[PartSource, ...]:
        """The networks."""
        return tuple(one.part for one in self.found)

    def misfit(self, facts: ModelFacts, /) -> str:
        """The U-Net has attention at other levels than that which they are made for."""
        blocks = with_defaults(facts.sources["unet"], f"unet of {facts.name}")["down_block_types"]
        plain = [index for index, block in enumerate(blocks[:-1]) if "CrossAttn" not in block]
        # Features are added before a level shrinks them where it has attention, else after.
        wanted = [0] if facts.family.name == "SDXL" else []
        if plain == wanted:
            return ""
        told, here = (", ".join(map(str, levels)) or "none" for levels in (wanted, plain))
        return (
            f"a T2I-Adapter is made for another U-Net (levels without attention: {told} in its own U-Net, {here} in "
            f"{facts.name}); use one made for this one."
        )

    def components(self, own: Mapping[str, Any]) -> dict[str, Any]:
        """``adapter``: the network, or the list of several."""
        nets = [own[one.part.name] for one in self.found]
        return {"adapter": nets[0] if len(nets) == 1 else nets}

    def objection(self, call: Call, /) -> str:
        """Control images differ in number, or the size is none of theirs."""
        images, count = call.given.controls, len(self.found)
        if images != count:
            needs = "T2I-Adapter needs" if count == 1 else "T2I-Adapters need"
            return (
                f"{count} {needs} as many control images, and there are {images} "
                f'({option("image_seeds")} "control: edges.png").'
            )
        factor = _factor(self.found[0].part)
        if any(side % factor for side in call.size):
            return (
                f"T2I-Adapters of this kind take sizes in multiples of {factor} pixels, and this is "
                f"{call.size[0]}x{call.size[1]}; use another {option('output_size')}."
            )
        return ""

    def arguments(self, call: Call, inputs: Inputs, /) -> dict[str, Any]:
        """The control images, in grey for the networks that see grey, with their scales: 0 for those that do not hold.

        Where none holds, the pipeline is the one without them, and takes nothing.
        """
        active = self.holds(call, len(self.found))
        if not active:
            return {}
        greys = [one.part.config.get("in_channels", 3) == 1 for one in self.found]
        images = [
            image.convert("L" if grey else "RGB") for image, grey in zip(guides(call, inputs), greys, strict=True)
        ]
        scales = [one.scale if place in active else 0.0 for place, one in enumerate(self.found)]
        several = len(images) > 1
        return {
            "image": images if several else images[0],
            "adapter_conditioning_scale": scales if several else scales[0],
        }


def find_addon(source: ModelSource, facts: ModelFacts) -> T2IAdapters:
    """The T2I-Adapters that a stage names.

    Raises:
        ModelError: The family runs none, or one cannot be found, is none, or was made for another family.
    """
    if "t2i" not in facts.family.special:
        raise fault(_DEST, f"{facts.name} ({facts.family.name}) runs no T2I-Adapters in diffusers; leave them out.")
    entries = [entry_of(_DEST, address, _KEYS) for address in source.t2i_adapters]
    found = tuple(_sketcher(entry, index, source, facts) for index, entry in enumerate(entries))
    if len({(_factor(one.part), one.part.config.get("adapter_type")) for one in found}) > 1:
        raise fault(_DEST, "adapters that shrink pictures differently cannot work together in diffusers; use one kind.")
    return T2IAdapters(found)


def _sketcher(entry: OptionAddress, index: int, source: ModelSource, facts: ModelFacts) -> Sketcher:
    scale = entry.number("scale", 1.0, -100, 100)
    return Sketcher(_part(entry, index, source, facts), scale, entry.window(), story_of(entry, scale, ("subfolder",)))


def _part(entry: OptionAddress, index: int, source: ModelSource, facts: ModelFacts) -> PartSource:
    place = locate(entry, entry.name, source, ("config.json",))
    folder = place.folder
    if folder is None or not (folder / "config.json").is_file():
        raise fault(_DEST, f"{folder or entry.name} has no config.json; give the adapter's diffusers folder.")
    part = part_at(entry, place, folder, f"adapter_{index + 1}" if index else "adapter")
    if part.class_name != "T2IAdapter":
        raise fault(_DEST, f"{entry.name} is a {part.class_name}, no T2IAdapter.")
    if reason := _misfit(part, facts):
        raise fault(_DEST, f"{entry.name} is of another family ({reason}); use one made for {facts.family.name}.")
    return part


def _misfit(part: PartSource, facts: ModelFacts) -> str:
    """Why an adapter's features cannot be added to those of the U-Net; empty where they can."""
    large = str(part.config.get("adapter_type", "")).endswith("_xl")
    if large != (facts.family.name == "SDXL"):
        return f"it is made for {'SDXL' if large else 'SD'}"
    theirs = tuple(part.config.get("channels") or _CHANNELS)
    ours = tuple(facts.config(facts.denoiser).get("block_out_channels") or _CHANNELS)
    if theirs[: len(ours)] != ours[: len(theirs)]:
        return f"its features have {theirs} channels, and {facts.name} has {ours}"
    return ""


def _factor(part: PartSource) -> int:
    """Pixels of a side that become one."""
    return int(part.config.get("downscale_factor") or (16 if "xl" in str(part.config.get("adapter_type")) else 8))
