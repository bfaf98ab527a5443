"""From an image seed's names to what goes into a stage: kernel variables, files, addresses."""

from __future__ import annotations

import shutil
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_latents.errors import HandoffError, LatentsFileError, NameNotFoundError, ScriptError, nearest
from jupyter_latents.formats import endings
from jupyter_latents.stage import ImageSeed, Reference, Stage

if TYPE_CHECKING:
    from PIL.Image import Image

    from jupyter_latents.engine.calls import Inputs
    from jupyter_latents.latents.value import Latents

__all__ = ["Resolver"]

_TENSOR_ENDINGS = endings("latents")
_SECONDS = 30


@dataclass(frozen=True)
class Resolver:
    """Looks names up.

    Attributes:
        kernel: Kernel variables.
        captured: Objects that templates handed over, by made name.
        known: Finds the facts of a bare tensor that this session made, by its digest; None when it did not.
        decode: Latents and the receiving stage to pictures.
    """

    kernel: Mapping[str, Any]
    captured: Mapping[str, Any]
    known: Callable[[Latents], Latents]
    decode: Callable[[Latents, Stage], list[Image]]

    def inputs(self, stage: Stage, *, direct_latents: bool = False) -> Inputs:
        """What a stage's image seed stands for.

        Args:
            stage: The stage.
            direct_latents: Whether tensors in the image position go in undecoded (SDXL and Kolors with
                ``--denoising-start``).

        Raises:
            JupyterLatentsError: A name is not there, or is of no use in its position.
        """
        from jupyter_latents.engine.calls import Inputs

        seed = stage.image_seed
        if seed is None:
            return Inputs()
        images: list[Image] = []
        latents = [item for reference in seed.latents for item in self._latents(reference)]
        for reference in seed.images:
            value = self.value(reference)
            if direct_latents and _is_tensor_like(value):
                latents.extend(self.as_latents(value, reference.text))
            else:
                images.extend(self._as_images(value, reference.text, stage))
        masks = [
            mask.convert("L")
            for reference in seed.masks
            for mask in self._as_images(self.value(reference), reference.text, stage)
        ]
        controls = [
            image
            for reference in seed.controls
            for image in self._as_images(self.value(reference), reference.text, stage)
        ]
        images = [_sized(image, seed) for image in images]
        return Inputs(tuple(latents), tuple(images), tuple(masks), tuple(controls))

    def _latents(self, reference: Reference) -> list[Latents]:
        return self.as_latents(self.value(reference), reference.text)

    def value(self, reference: Reference) -> Any:
        """The object behind a reference; files stay paths.

        Args:
            reference: A variable, a path or an address.

        Raises:
            NameNotFoundError: It is not there.
        """
        if reference.kind == "variable":
            return self._variable(reference.text)
        if reference.kind == "url":
            return _download(reference.text)
        path = Path(reference.text).expanduser()
        if not path.exists():
            beside = [other.name for other in path.parent.iterdir()] if path.parent.is_dir() else []
            hint = nearest(path.name, beside)
            raise NameNotFoundError(f"no file {reference.text}{hint or '.'} Paths are taken from {Path.cwd()}.")
        return path

    def _variable(self, text: str) -> Any:
        name, _, index = text.partition("[")
        source = self.captured if name in self.captured else self.kernel
        if name not in source:
            known = [other for other, value in self.kernel.items() if not other.startswith("_") and _is_usable(value)]
            held = (
                f" Variables that can go here: {', '.join(sorted(known))}."
                if known
                else " No variable of this kernel can go here yet."
            )
            raise NameNotFoundError(
                f"no variable {name!r}{nearest(name, known) or '.'}{held} A file needs a dot or a slash in its name."
            )
        value = source[name]
        if not index:
            return value
        try:
            return value[int(index.rstrip("]"))]
        except IndexError as error:
            raise NameNotFoundError(
                f"{text} is not there: {name} holds {len(value)}; use {name}[0] to {name}[{len(value) - 1}]."
            ) from error
        except (TypeError, ValueError, KeyError) as error:
            raise NameNotFoundError(f"{text} is not there: {type(error).__name__}: {error}.") from error

    def as_latents(self, value: Any, text: str) -> list[Latents]:
        """Anything that can be latents, as latents.

        Args:
            value: `Latents`, a tensor, an array, a file, or a list of these.
            text: What the script calls it.

        Raises:
            JupyterLatentsError: It cannot be latents.
        """
        import torch

        from jupyter_latents.latents import Latents

        if isinstance(value, Latents):
            return [self.known(value)]
        if isinstance(value, Path):
            if value.suffix.lower() not in _TENSOR_ENDINGS:
                raise LatentsFileError(f"{value} holds no latents; latents files end in {', '.join(_TENSOR_ENDINGS)}.")
            return [self.known(Latents.load(value))]
        if isinstance(value, str):
            return self.as_latents(self.value(Reference(value, "path")), text)
        if isinstance(value, torch.Tensor):
            return [self.known(Latents(value.detach().to("cpu").contiguous()))]
        if hasattr(value, "__array_interface__") and not _is_image(value):
            return self.as_latents(torch.as_tensor(value), text)
        if isinstance(value, Sequence) and value:
            return [latents for item in value for latents in self.as_latents(item, text)]
        raise HandoffError(
            f"{text} is a {type(value).__name__}; `latents:` takes Latents, tensors, arrays, files of them, or a "
            f"list of these."
        )

    def _as_images(self, value: Any, text: str, stage: Stage) -> list[Image]:
        from PIL import Image, UnidentifiedImageError

        if _is_image(value):
            return [value.convert("RGB")]
        if isinstance(value, Path) and value.suffix.lower() not in _TENSOR_ENDINGS:
            try:
                with Image.open(value) as image:
                    return [image.convert("RGB")]
            except (UnidentifiedImageError, OSError) as error:
                raise NameNotFoundError(f"{value} cannot be read as a picture: {error}.") from error
        if isinstance(value, str):
            return self._as_images(self.value(Reference(value, "path")), text, stage)
        if getattr(value, "dtype", None) == "uint8" and getattr(value, "ndim", 0) in (2, 3):
            return [Image.fromarray(value).convert("RGB")]
        if isinstance(value, Sequence) and value and not isinstance(value, (str, bytes)) and not _is_tensor_like(value):
            return [image for item in value for image in self._as_images(item, text, stage)]
        return [image for latents in self.as_latents(value, text) for image in self.decode(latents, stage)]


def _is_image(value: Any) -> bool:
    return hasattr(value, "convert") and hasattr(value, "resize") and hasattr(value, "mode")


def _is_tensor_like(value: Any) -> bool:
    if isinstance(value, Path):
        return value.suffix.lower() in _TENSOR_ENDINGS
    if isinstance(value, str):
        return value.lower().endswith(_TENSOR_ENDINGS)
    if isinstance(value, (list, tuple)):
        return bool(value) and all(_is_tensor_like(item) for item in value)
    return hasattr(value, "__dlpack__") and not _is_image(value) and str(getattr(value, "dtype", "")) != "uint8"


def _is_usable(value: Any) -> bool:
    return _is_image(value) or _is_tensor_like(value) or hasattr(value, "noise")


def _sized(image: Image, seed: ImageSeed) -> Image:
    """An input picture at the seed's size; without ``aspect=false`` the aspect ratio is kept."""
    if seed.resize is None:
        return image
    width, height = seed.resize.width, seed.resize.height
    if seed.aspect is not False and (width, height) != image.size:
        height = round(image.height * width / image.width)
    align = seed.align or 8
    return image.resize((max(align, width - width % align), max(align, height - height % align)))


def _download(address: str) -> Path:
    """A file behind an http or https address, in a temporary folder that lasts as long as the kernel."""
    name = address.split("?", maxsplit=1)[0].rstrip("/").rsplit("/", 1)[-1] or "download"
    target = Path(tempfile.mkdtemp(prefix="jupyter-latents-")) / name
    if not address.startswith(("http://", "https://")):
        raise ScriptError(f"{address} is no http or https address.")
    try:
        with urllib.request.urlopen(address, timeout=_SECONDS) as reply, target.open("wb") as file:  # noqa: S310 - checked above
            shutil.copyfileobj(reply, file)
    except (urllib.error.URLError, OSError) as error:
        raise NameNotFoundError(f"{address} cannot be fetched: {error}. Save it as a file and name that.") from error
    return target
