"""Another U-Net or transformer in the place of the model's own."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from jupyter_latents.engine.models.addons.addon import Addon
from jupyter_latents.engine.models.addons.address import OptionAddress, entry_of, fault, locate, part_at
from jupyter_latents.engine.models.addons.weight_file import WeightFile, weight_file
from jupyter_latents.engine.models.facts import ModelFacts
from jupyter_latents.engine.models.files.gguf_files import gguf_shapes
from jupyter_latents.engine.models.files.single_files import is_gguf, is_weight_file
from jupyter_latents.engine.models.parts import PartSource, with_defaults
from jupyter_latents.engine.models.places.hub import HubFiles
from jupyter_latents.errors import ModelError
from jupyter_latents.stage import Address, ModelSource, settings_of
from jupyter_latents.wording import option

__all__ = ["Denoiser", "denoiser_of"]

_SAME = (
    "in_channels", "out_channels", "cross_attention_dim", "joint_attention_dim", "caption_projection_dim",
    "pooled_projection_dim", "addition_embed_type", "guidance_embeds", "patch_size",
)  # fmt: skip
"""What of its configuration decides what its pipeline gives it and takes from it."""


@dataclass(frozen=True)
class Denoiser(Addon):
    """Another denoiser.

    Attributes:
        part: The denoiser; its name is that of its option.
        name: As the stage names it.
    """

    part: PartSource
    name: str

    @property
    def dest(self) -> str:  # type: ignore[override]
        """``unet`` or ``transformer``."""
        return self.part.name

    @property
    def digest(self) -> str:
        """Its files and the dtype of its own."""
        return repr((self.part.digest, self.part.dtype))

    @property
    def story(self) -> str:
        """Its file's name, or the last part of its own."""
        return self.part.weights[0].name if self.part.form == "file" else Path(self.name).name

    @property
    def parts(self) -> tuple[PartSource, ...]:
        """The denoiser, in the place of the model's own."""
        return (self.part,)


def denoiser_of(dest: str, address: Address, source: ModelSource, facts: ModelFacts) -> Denoiser:
    """The denoiser that a stage names.

    Args:
        dest: ``unet`` or ``transformer``.
        address: What the stage says.
        source: Its model.
        facts: What the model's files say.

    Raises:
        ModelError: The model has no such part, or the other cannot be found or is of another kind.
    """
    own = facts.own.get(dest)
    if own is None:
        raise fault(dest, f"{facts.name} ({facts.family.name}) has no {dest}; it has a {facts.denoiser}.")
    entry = entry_of(dest, address, settings_of(dest))
    if is_gguf(entry.get("weight-name") or entry.name):
        _check_gguf(dest)
    part = _part(entry, dest, source, own)
    if dest == "unet" and part.hub is None and part.weights and is_gguf(part.weights[0]):
        _check_unet(part.weights[0], facts)
    if part.class_name != own.class_name:
        raise fault(
            dest, f"{entry.name} is a {part.class_name}, and {facts.name} has a {own.class_name}; use such a one."
        )
    theirs, ours = (with_defaults(one, option(dest)) for one in (part, own))
    if other := _difference(theirs, ours):
        raise fault(dest, f"{entry.name} is of another family ({other}); use one made for {facts.family.name}.")
    return Denoiser(part, entry.name)


def _part(entry: OptionAddress, dest: str, source: ModelSource, own: PartSource) -> PartSource:
    if entry.get("weight-name"):
        return _of_file(entry, weight_file(entry, source, ()), own)
    place = locate(entry, entry.name, source, ("config.json", f"{dest}/config.json"))
    folder, file = place.folder, place.file
    if folder is None:
        hub = file if isinstance(file, HubFiles) else None
        path = Path(hub.names[0]) if hub is not None else place.root
        return _of_file(entry, WeightFile(path, "", hub), own)
    inner = folder if (folder / "config.json").is_file() else folder / dest
    if not (inner / "config.json").is_file():
        raise fault(
            dest, f"{folder} has neither a config.json nor a {dest} folder; add ;subfolder=NAME, or ;weight-name=FILE."
        )
    return part_at(entry, place, inner, dest)


def _of_file(entry: OptionAddress, file: WeightFile, own: PartSource) -> PartSource:
    """The model's own part with the weights of a file, which is here or on the hub."""
    path = file.path
    if not is_weight_file(path) and not is_gguf(path):
        raise fault(entry.dest, f"{path} is no weight file; give a .safetensors file or a diffusers folder.")
    return replace(own, weights=(path,), variant=None, form="file", dtype=entry.dtype, hub=file.hub)


def _check_gguf(dest: str) -> None:
    """Sees that GGUF files can be read.

    Raises:
        ModelError: The library gguf is not installed.
    """
    if importlib.util.find_spec("gguf") is None:
        raise fault(
            dest,
            'GGUF files need gguf, which is not installed: pip install "jupyter-latents[gguf]". Or give a diffusers '
            "folder or a .safetensors file.",
        )


def _check_unet(file: Path, facts: ModelFacts) -> None:
    """Sees by its header that a GGUF file holds a U-Net that reads the texts of a model.

    Raises:
        ModelError: It is damaged, or holds another one.
    """
    try:
        shapes = gguf_shapes(file)
    except ModelError as error:
        raise fault("unet", error.message) from error
    read = {shape[-1] for name, shape in shapes.items() if name.endswith("attn2.to_k.weight")}
    if not read:
        raise fault("unet", f"{file} holds no U-Net: its first tensor is {next(iter(shapes), 'missing')!r}.")
    width = facts.config("unet").get("cross_attention_dim")
    if isinstance(width, int) and read != {width}:
        raise fault(
            "unet",
            f"{file} is of another family (cross_attention_dim {min(read)}, and the model has {width}); use one made "
            f"for {facts.family.name}.",
        )


def _difference(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> str:
    """The first setting in which two denoisers differ, in words; empty where they are exchangeable."""
    for key in _SAME:
        pair = [value if not isinstance(value, list) else tuple(value) for value in (theirs.get(key), ours.get(key))]
        if pair[0] != pair[1]:
            return f"{key} {pair[0]}, and the model has {pair[1]}"
    return ""
