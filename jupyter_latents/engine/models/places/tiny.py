"""Where tiny autoencoders are, which previews may use. Nothing is fetched for a preview."""

from __future__ import annotations

from pathlib import Path

from jupyter_latents.engine.models.places.names import cached_folder
from jupyter_latents.errors import ModelError
from jupyter_latents.paths import is_file, opened
from jupyter_latents.wording import option

__all__ = ["checked_preview_vae", "find_tiny", "published_tiny"]

PUBLISHED = {
    "SD": "madebyollin/taesd",
    "SDXL": "madebyollin/taesdxl",
    "SD3": "madebyollin/taesd3",
    "Flux": "madebyollin/taef1",
}
"""Latent space to the tiny autoencoder that is used without being named, where the hub's cache holds it."""

_CHOICES = (None, "auto", "off")
_DEST = "preview_vae"
_MARKS = ("config.json",)
_ENDINGS = (".pth", ".pt", ".safetensors")


def find_tiny(name: str) -> Path:
    """The folder or file of a tiny autoencoder.

    Args:
        name: A folder of diffusers' ``AutoencoderTiny``, a decoder file of the TAESD family, or a name in the hub's
            cache.

    Raises:
        ModelError: It is not on this machine: previews fetch nothing.
    """
    path = opened(name)
    if is_file(path) and path.suffix in _ENDINGS:
        return path
    folder = path if is_file(path / _MARKS[0]) else cached_folder(name, _MARKS)
    if folder is None:
        raise ModelError(
            f"{option(_DEST)} {name!r} is no tiny autoencoder on this machine. Give a folder of diffusers' "
            f"AutoencoderTiny, a decoder file of the TAESD family ({', '.join(_ENDINGS)}), or a name in the hub's "
            f"cache, such as {', '.join(PUBLISHED.values())}; 'hf download NAME' fetches one. With off there is none.",
            option=_DEST,
        )
    return folder


def checked_preview_vae(name: str | None) -> str | None:
    """A tiny autoencoder's name, ``auto``, ``off`` or None as given, when it can be used.

    Args:
        name: See `find_tiny`.

    Raises:
        ModelError: It is not on this machine.
    """
    if name not in _CHOICES:
        find_tiny(str(name))
    return name


def published_tiny(space: str) -> str | None:
    """The published tiny autoencoder of a latent space, where the hub's cache on this machine holds it.

    Args:
        space: The name of the space.
    """
    name = PUBLISHED.get(space, "")
    return name if name and cached_folder(name, _MARKS) is not None else None
