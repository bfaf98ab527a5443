"""ControlNets: networks that steer a model by control images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jupyter_latents.engine.given.inputs import Call, Inputs
from jupyter_latents.engine.models.addons.addon import Addon
from jupyter_latents.engine.models.addons.address import OptionAddress, entry_of, fault, locate, part_at
from jupyter_latents.engine.models.facts import ModelFacts
from jupyter_latents.engine.models.parts import PartSource
from jupyter_latents.errors import ModelError
from jupyter_latents.stage import Address, ModelSource
from jupyter_latents.wording import option

__all__ = ["ControlSpec", "Controls", "find_addon"]

_KEYS = ("scale", "start", "end", "mode", "revision", "variant", "subfolder", "dtype")
_WIDTHS = ("cross_attention_dim", "joint_attention_dim")


@dataclass(frozen=True, slots=True)
class ControlSpec:
    """A ControlNet and when it works.

    Attributes:
        part: The network.
        scale: ``controlnet_conditioning_scale``.
        start: ``control_guidance_start``, a fraction of the steps.
        end: ``control_guidance_end``.
        mode: ``control_mode`` of union networks, or None.
    """

    part: PartSource
    scale: float = 1.0
    start: float = 0.0
    end: float = 1.0
    mode: int | None = None

    @property
    def digest(self) -> str:
        """Its files and settings."""
        return repr((self.part.digest, self.part.dtype, self.scale, self.start, self.end, self.mode))


@dataclass(frozen=True)
class Controls(Addon):
    """The ControlNets of a stage.

    Attributes:
        specs: Each with its scale, start and end, in the order of the control images.
    """

    specs: tuple[ControlSpec, ...]

    steering = "control"

    @property
    def digest(self) -> str:
        """Files and settings of each."""
        return repr([spec.digest for spec in self.specs])

    @property
    def parts(self) -> tuple[PartSource, ...]:
        """The networks."""
        return tuple(spec.part for spec in self.specs)

    def components(self, own: Mapping[str, Any]) -> dict[str, Any]:
        """``controlnet``: the network, or the list of several."""
        nets = [own[spec.part.name] for spec in self.specs]
        return {"controlnet": nets[0] if len(nets) == 1 else nets}

    def objection(self, call: Call, /) -> str:
        """Control images differ in number, or a window meets a start or end other than 0 and 1.

        diffusers counts these over the steps that a stage runs, so a split would not be invisible.
        """
        images = call.given.controls
        if images != len(self.specs):
            seed = call.stage.image_seed
            start = seed.images[0].text if seed is not None and seed.images and not images else ""
            plain = f" {start} is the picture that denoising starts from; to steer by it, write control: {start}."
            return (
                f"{len(self.specs)} {'ControlNet needs' if len(self.specs) == 1 else 'ControlNets need'} as many "
                f'control images, and there are {images} ({option("image_seeds")} "photo.png;control=edges.png").'
                f"{plain if start else ''}"
            )
        window = call.stage.window
        windowed = window.start is not None or window.end is not None or call.given.latents
        if windowed and any((spec.start, spec.end) != (0.0, 1.0) for spec in self.specs):
            return (
                "a ControlNet's start and end count over the steps that a stage runs, so they cannot be kept across a "
                "window. Leave them out, or run the stage whole."
            )
        return ""

    def arguments(self, call: Call, inputs: Inputs, /) -> dict[str, Any]:
        """The control images with their scales, starts and ends."""
        pictures = [image.resize(call.size) for image in inputs.controls]
        values: dict[str, list[Any]] = {
            "image" if call.mode == "txt2img" else "control_image": pictures,
            "controlnet_conditioning_scale": [spec.scale for spec in self.specs],
            "control_guidance_start": [spec.start for spec in self.specs],
            "control_guidance_end": [spec.end for spec in self.specs],
        }
        return dict(values) if len(self.specs) > 1 else {name: value[0] for name, value in values.items()}


def find_addon(source: ModelSource, facts: ModelFacts) -> Controls:
    """The ControlNets that a stage names.

    Raises:
        ModelError: The family runs none, or one cannot be found, is none, or was made for another architecture.
    """
    if "control" not in facts.family.special:
        raise ModelError(
            f"{source.name} ({facts.family.name}) has no pipeline with ControlNets here; leave "
            f"{option('control_nets')} out.",
            option="control_nets",
        )
    return Controls(tuple(_spec(net, index, source, facts) for index, net in enumerate(source.control_nets)))


def _spec(net: Address, index: int, source: ModelSource, facts: ModelFacts) -> ControlSpec:
    entry = entry_of("control_nets", net, _KEYS)
    part = _part(entry, "controlnet" if not index else f"controlnet_{index + 1}", source, facts)
    start, end = entry.number("start", 0, 0, 1), entry.number("end", 1, 0, 1)
    if start >= end:
        raise fault("control_nets", f"start={start:g} of {entry.name} must be below end={end:g}.")
    mode = int(entry.number("mode", 0, 0, 99)) if entry.get("mode") else None
    return ControlSpec(part, entry.number("scale", 1.0), start, end, mode)


def _part(entry: OptionAddress, name: str, source: ModelSource, facts: ModelFacts) -> PartSource:
    place = locate(entry, entry.name, source, ("config.json",))
    folder = place.folder
    if folder is None or not (folder / "config.json").is_file():
        raise fault(
            "control_nets", f"{folder or entry.name} has no config.json; give the ControlNet's diffusers folder."
        )
    part = part_at(entry, place, folder, name)
    if "ControlNet" not in part.class_name:
        raise fault("control_nets", f"{entry.name} is a {part.class_name}, no ControlNet.")
    denoiser = facts.config(facts.denoiser)
    for key in _WIDTHS:
        theirs, ours = part.config.get(key), denoiser.get(key)
        if theirs and ours and theirs != ours:
            raise fault(
                "control_nets",
                f"{entry.name} is of another family ({key} {theirs}, {source.name} has {ours}); use one made for it.",
            )
    return part
