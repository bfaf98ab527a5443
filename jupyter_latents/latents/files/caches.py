"""Latents that trainers keep beside their pictures: sd-scripts' `.npz` and musubi-tuner's `.safetensors` files.

Their arrays are called ``latents`` or ``latents_HEIGHTxWIDTH``, musubi-tuner's ``latents_FRAMESxHEIGHTxWIDTH_DTYPE``,
in latent pixels, and have the shape (channels, height, width) or (channels, 1, height, width). They are clean. The
file's name or metadata says the architecture, and that says the space and whether the VAE's own values are kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import torch

from jupyter_latents.errors import LatentsFileError
from jupyter_latents.latents.arguments import shown
from jupyter_latents.latents.facts import CLEAN, Provenance
from jupyter_latents.latents.files.content import Content, others, plain
from jupyter_latents.latents.spaces import SPACES, UNKNOWN_SPACE

if TYPE_CHECKING:
    from jupyter_latents.latents.files.content import TensorFile

__all__ = ["cached_content"]

_KEY = re.compile(r"latents(?:_(?:(?P<frames>\d{1,6})x)?(?P<height>\d{1,6})x(?P<width>\d{1,6})(?:_[a-z]+\d*\w*)?)?")
_BESIDE = ("original_size", "crop_ltrb")  # arrays of sd-scripts that tell its files, and say nothing of the latents
_METADATA = ("architecture", "format_version")  # texts of musubi-tuner that do


@dataclass(frozen=True, slots=True)
class Kind:
    """What a trainer keeps of an architecture.

    Attributes:
        space: A key of `SPACES`.
        raw: Whether they are the VAE's own values, to be scaled for the model.
    """

    space: str
    raw: bool = False


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        # sd-scripts: what its files' names end in
        "sd": Kind("sd", raw=True),
        "sdxl": Kind("sdxl", raw=True),
        "sd3": Kind("sd3", raw=True),
        "flux": Kind("flux"),
        "lumina": Kind("flux"),
        "anima": Kind("wan"),
        # musubi-tuner: the architecture that its files name
        "flux_kontext": Kind("flux"),
        "flux_2_dev": Kind("flux2"),
        "flux_2_klein_4b": Kind("flux2"),
        "flux_2_klein_9b": Kind("flux2"),
        "qwen_image": Kind("wan"),
        "qwen_image_edit": Kind("wan"),
        "wan": Kind("wan"),
        "z_image": Kind("flux", raw=True),
    }
)


def cached_content(
    file: TensorFile, metadata: Mapping[str, str], keys: Iterable[str], path: Path, size: tuple[int, int] | None
) -> Content | None:
    """What a trainer's file holds; None where it is none.

    Args:
        file: Hands out its tensors.
        metadata: Its texts.
        keys: Names of its tensors.
        path: Where it is; sd-scripts names the architecture there.
        size: (width, height) in pixels of the picture, where the file holds latents of several.

    Raises:
        LatentsFileError: It holds latents of several sizes of which none was chosen, or is damaged.
    """
    names = list(keys)
    entries = {name: found for name in names if (found := _KEY.fullmatch(name))}
    scripts = any(name.startswith(_BESIDE) for name in names)
    if not entries or not (scripts or all(name in metadata for name in _METADATA)):
        return None
    told = path.stem.rpartition("_")[2] if scripts else metadata["architecture"]
    kind = KINDS.get(told)
    key = _chosen(entries, size, SPACES[kind.space].factor if kind else UNKNOWN_SPACE.factor)
    tensor = _batch(plain(file.get_tensor(key)), entries[key])
    trainer = "sd-scripts" if scripts else "musubi-tuner"
    return Content(
        tensor,
        space=SPACES[kind.space] if kind else None,
        noise=CLEAN,
        provenance=Provenance(operation="load", options=MappingProxyType({"trainer": trainer, "architecture": told})),
        raw=kind.raw if kind else tensor.shape[1] == SPACES["sd"].channels,
        assumed=_assumed(trainer, told, kind, by_name=scripts),
        left_out=others((name for name in names if not name.startswith(_BESIDE)), key),
    )


def _chosen(entries: Mapping[str, re.Match[str]], size: tuple[int, int] | None, factor: int) -> str:
    """The name of the latents of a size.

    Raises:
        LatentsFileError: There are none, or several and no size.
    """
    sizes = {
        name: (int(found["width"]) * factor, int(found["height"]) * factor)
        for name, found in entries.items()
        if found["width"]
    }
    fitting = [name for name in entries if size is None or sizes.get(name, size) == size]
    if len(fitting) == 1:
        return fitting[0]
    there = ", ".join(f"({width}, {height})" for width, height in sorted(sizes.values()))
    wanted = "" if size is None else f", none of {size[0]} by {size[1]} pixels"
    raise LatentsFileError(f"it holds latents of pictures of the sizes {there}{wanted}: choose one with size=.")


def _batch(tensor: torch.Tensor, name: re.Match[str]) -> torch.Tensor:
    """(1, channels, height, width), or a clip, of a trainer's tensor, which has no batch and perhaps one frame.

    Raises:
        LatentsFileError: It has another shape, or another one than its name says.
    """
    shape = tuple(tensor.shape)
    if len(shape) not in (3, 4) or 0 in shape:
        raise LatentsFileError(
            f"its latents {name[0]!r} have shape {shape}; a trainer's are (channels, height, width)."
        )
    frames = 1 if len(shape) == 3 else shape[1]
    if name["width"] and (
        shape[-2:] != (int(name["height"]), int(name["width"])) or frames != int(name["frames"] or frames)
    ):
        raise LatentsFileError(f"its latents {name[0]!r} have shape {shape}; it is damaged.")
    return tensor.unsqueeze(0) if frames != 1 else tensor.reshape(1, shape[0], *shape[-2:])


def _assumed(trainer: str, told: str, kind: Kind | None, *, by_name: bool) -> tuple[str, ...]:
    if kind is None:
        return (f"{trainer} made it of clean pictures, for a model that is not known here ({shown(told)})",)
    if by_name:
        return (f"{trainer} made it of clean pictures for {SPACES[kind.space].name}, as its name ends in _{told}",)
    return ()
