"""ControlNets: networks that steer a model by control images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from jupyter_latents.engine.given.inputs import Call, Inputs, Loop
from jupyter_latents.engine.given.processing import guides
from jupyter_latents.engine.libraries.signatures import parameters_of
from jupyter_latents.engine.models.addons.addon import Addon
from jupyter_latents.engine.models.addons.address import OptionAddress, entry_of, fault, locate, part_at, story_of
from jupyter_latents.engine.models.facts import ModelFacts
from jupyter_latents.engine.models.parts import PartSource, with_defaults
from jupyter_latents.errors import ModelError
from jupyter_latents.stage import Address, ModelSource, settings_of
from jupyter_latents.wording import option

_DRAWS = 0  # seeds what SD3's pipeline draws from nobody's generator

__all__ = ["ControlSpec", "Controls", "find_addon"]

_KEYS = settings_of("control_nets")
_TOLD = ("subfolder", "mode", "start", "end")  # in results
_WIDTHS = ("cross_attention_dim", "joint_attention_dim")
_HEADS = ("num_attention_heads", "attention_head_dim")  # their product is the width of a transformer's blocks
_LAYOUT = ("block_out_channels", "layers_per_block")  # of a U-Net's way down, whose features are added to
_UNION = "ControlNetUnionModel"
_CLASSES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "SD": ("ControlNetModel",),
        "SDXL": ("ControlNetModel", _UNION),
        "SD3": ("SD3ControlNetModel",),
        "Flux.1": ("FluxControlNetModel",),
        "Qwen-Image": ("QwenImageControlNetModel",),
    }
)
_XL_MODES = ["openpose", "depth", "scribble", "canny", "normal", "segment"]
_FLUX_MODES = ["canny", "tile", "depth", "blur", "pose", "gray", "lq"]
_MODES: Mapping[str, tuple[Sequence[str], Mapping[str, str]]] = MappingProxyType(
    {
        "SDXL": (
            _XL_MODES,
            {"hed": "scribble", "pidi": "scribble", "ted": "scribble", "lineart": "canny", "anime_lineart": "canny",
             "mlsd": "canny", "pose": "openpose", "segmentation": "segment"},
        ),
        "Flux.1": (_FLUX_MODES, {"openpose": "pose", "grey": "gray"}),
    }
)  # fmt: skip
"""Family to what the modes of its union networks are called, as they were trained, and what else they are called."""


@dataclass(frozen=True, slots=True)
class ControlSpec:
    """A ControlNet and when it works.

    Attributes:
        part: The network.
        scale: ``controlnet_conditioning_scale``.
        start: ``control_guidance_start``, a fraction of the steps.
        end: ``control_guidance_end``.
        mode: ``control_mode`` of union networks, or None.
        story: What results say of it.
    """

    part: PartSource
    scale: float = 1.0
    start: float = 0.0
    end: float = 1.0
    mode: int | None = None
    story: str = ""

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

    dest = "control_nets"

    @property
    def steering(self) -> str:
        """``union`` where the networks are SDXL's of many modes."""
        return "union" if self.specs[0].part.class_name == _UNION else "control"

    @property
    def digest(self) -> str:
        """Files and settings of each."""
        return repr([spec.digest for spec in self.specs])

    @property
    def story(self) -> str:
        """Names, scales, modes, starts and ends."""
        return " ".join(spec.story for spec in self.specs)

    @property
    def parts(self) -> tuple[PartSource, ...]:
        """The networks."""
        return tuple(spec.part for spec in self.specs)

    def misfit(self, facts: ModelFacts, /) -> str:
        """A network is made for a U-Net of another layout."""
        reasons = (_misfit(spec.part, facts) for spec in self.specs if facts.denoiser == "unet")
        reason = next(filter(None, reasons), "")
        return f"a ControlNet is made for another U-Net ({reason}); use one made for this one." if reason else ""

    def components(self, own: Mapping[str, Any]) -> dict[str, Any]:
        """``controlnet``: the network, or the list of several."""
        nets = [own[spec.part.name] for spec in self.specs]
        return {"controlnet": nets[0] if len(nets) == 1 else nets}

    def objection(self, call: Call, /) -> str:
        """Control images differ in number."""
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
        return ""

    def arguments(self, call: Call, inputs: Inputs, /) -> dict[str, Any]:
        """The control images with their scales, starts and ends."""
        pictures = guides(call, inputs)
        apart = call.mode != "txt2img" or "control_image" in parameters_of(call.pipeline.__call__)
        ends = [_seen(spec, call.loop) for spec in self.specs]
        values: dict[str, list[Any]] = {
            "control_image" if apart else "image": pictures,
            "controlnet_conditioning_scale": [spec.scale for spec in self.specs],
            "control_guidance_start": [start for start, _ in ends],
            "control_guidance_end": [end for _, end in ends],
        }
        if any(spec.mode is not None for spec in self.specs):
            values["control_mode"] = [spec.mode for spec in self.specs]
        if len(self.specs) > 1 or self.steering == "union":
            return dict(values)
        return {name: value[0] for name, value in values.items()}

    @contextmanager
    def around(self, _parts: Mapping[str, Any], /) -> Iterator[None]:
        """SD3's pipeline encodes control images with torch's own random numbers: the same ones in every run."""
        import torch

        if self.specs[0].part.class_name != "SD3ControlNetModel":
            yield
            return
        with torch.random.fork_rng():
            torch.manual_seed(_DRAWS)
            yield


def _seen(spec: ControlSpec, loop: Loop | None) -> tuple[float, float]:
    """Start and end, in shares of the timesteps that a loop sees, by which it keeps those of the whole run.

    diffusers counts them over its loop: the timestep i of n is left out where i/n < start or (i + 1)/n > end
    (`StableDiffusionControlNetPipeline.__call__`). A window's loop sees the end of the whole run's.
    """
    if loop is None or (len(loop.seen) == loop.whole and loop.seen[0] == 0):
        return spec.start, spec.end
    count, whole = len(loop.seen), loop.whole
    held = [
        place
        for place, index in enumerate(loop.seen)
        if not (index / whole < spec.start or (index + 1) / whole > spec.end)
    ]
    return (held[0] / count, (held[-1] + 1) / count) if held else ((count - 0.5) / count, 1.0)


def find_addon(source: ModelSource, facts: ModelFacts) -> Controls:
    """The ControlNets that a stage names.

    Raises:
        ModelError: The family runs none, or one cannot be found, is none, or was made for another architecture.
    """
    if facts.family.name not in _CLASSES:
        raise ModelError(
            f"{source.name} ({facts.family.name}) has no pipeline with ControlNets here; leave "
            f"{option('control_nets')} out.",
            option="control_nets",
        )
    specs = tuple(_spec(net, index, source, facts) for index, net in enumerate(source.control_nets))
    if len({spec.part.class_name for spec in specs}) > 1:
        raise fault("control_nets", "networks of many modes work with others of their kind alone; use one kind.")
    if facts.family.name == "Qwen-Image" and len(specs) > 1:
        raise fault("control_nets", f"Qwen-Image takes one ControlNet, and there are {len(specs)}; give one.")
    return Controls(specs)


def _spec(net: Address, index: int, source: ModelSource, facts: ModelFacts) -> ControlSpec:
    entry = entry_of("control_nets", net, _KEYS)
    part = _part(entry, "controlnet" if not index else f"controlnet_{index + 1}", source, facts)
    start, end = entry.number("start", 0, 0, 1), entry.number("end", 1, 0, 1)
    if start >= end:
        raise fault("control_nets", f"start={start:g} of {entry.name} must be below end={end:g}.")
    mode = _mode(entry, part, facts)
    scale = entry.number("scale", 1.0)
    return ControlSpec(part, scale, start, end, mode, story_of(entry, scale, _TOLD))


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
    if part.class_name not in _CLASSES[facts.family.name]:
        raise fault(
            "control_nets",
            f"{entry.name} is of another family (a {part.class_name}); use one made for {facts.family.name}, a "
            f"{' or '.join(_CLASSES[facts.family.name])}.",
        )
    denoiser = facts.config(facts.denoiser)
    for key in _WIDTHS:
        theirs, ours = part.config.get(key), denoiser.get(key)
        if theirs and ours and theirs != ours:
            raise fault(
                "control_nets",
                f"{entry.name} is of another family ({key} {theirs}, {source.name} has {ours}); use one made for it.",
            )
    if facts.denoiser == "transformer" and (_width(part.config), _width(denoiser)).count(None) == 0:
        theirs, ours = _width(part.config), _width(denoiser)
        if theirs != ours:
            raise fault(
                "control_nets",
                f"{entry.name} is of another family (blocks of {theirs} values, {source.name} has {ours}); use one "
                "made for it.",
            )
    return part


def _misfit(part: PartSource, facts: ModelFacts) -> str:
    """Why a ControlNet's features cannot be added to those of the U-Net; empty where they can."""
    theirs = with_defaults(part, part.name)
    ours = with_defaults(facts.sources["unet"], f"unet of {facts.name}")
    for key in _LAYOUT:
        each = len(ours["block_out_channels"])
        one, other = (_listed(config.get(key), each) for config in (theirs, ours))
        if one != other:
            return f"{key} {_told(one)}, {facts.name} has {_told(other)}"
    shrinks = 2 ** (len(theirs.get("conditioning_embedding_out_channels") or ()) - 1)
    if shrinks >= 1 and shrinks != facts.space.factor:
        return f"it shrinks control images to 1/{shrinks}, and latents of {facts.name} are 1/{facts.space.factor}"
    return ""


def _listed(value: Any, count: int) -> list[Any]:
    """A setting for each level, as a list; one value is that of all."""
    return list(value) if isinstance(value, (list, tuple)) else [value] * count


def _told(values: Sequence[Any]) -> str:
    return ", ".join(map(str, values)) if len(set(values)) > 1 else str(values[0])


def _width(config: Mapping[str, Any]) -> int | None:
    """Values of a token in the blocks of a transformer; None where its configuration does not say."""
    heads, each = (config.get(key) for key in _HEADS)
    return int(heads) * int(each) if heads and each else None


def _mode(entry: OptionAddress, part: PartSource, facts: ModelFacts) -> int | None:
    """The mode of a union network, by its number or its name.

    Raises:
        ModelError: The network has none, or not this one; or it has some, and none is named.
    """
    given = entry.get("mode")
    if part.class_name == _UNION:
        count = int(part.config.get("num_control_type") or 6)
    else:
        count = int(part.config.get("num_mode") or 0)
    names, also = _MODES.get(facts.family.name, ((), {}))
    known = ", ".join(f"{number} ({name})" for number, name in enumerate(names[:count]))
    if not count:
        if given is not None:
            raise fault("control_nets", f"{entry.name} has one mode alone; leave mode={given} out.")
        return None
    if given is None:
        raise fault("control_nets", f"{entry.name} has several modes; say which one, ;mode=0 and so on: {known}.")
    name = also.get(given.lower(), given.lower())
    number = names.index(name) if name in names else int(given) if given.isdecimal() else count
    if number >= count:
        raise fault("control_nets", f"mode={given} of {entry.name} is not allowed; its modes are {known}.")
    return number
