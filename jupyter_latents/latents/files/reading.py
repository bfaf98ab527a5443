"""Latents files: which format an ending means, and the facts that a file does not say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from jupyter_latents.errors import LatentsError, LatentsFileError
from jupyter_latents.formats import FORMATS, FileFormat, endings, format_in, format_of, listed
from jupyter_latents.latents import services
from jupyter_latents.latents.arguments import file_path
from jupyter_latents.latents.facts import Form
from jupyter_latents.latents.files.atomic import check_readable, write_whole
from jupyter_latents.latents.files.claims import Claim, claim_of, facts_of
from jupyter_latents.latents.files.content import Codec, Content, plain, warn
from jupyter_latents.latents.files.picture_file import read_picture_latents
from jupyter_latents.latents.files.safetensors_file import read_safetensors_bytes
from jupyter_latents.latents.spaces import Space
from jupyter_latents.latents.tensors import as_tensor, check_tensor

if TYPE_CHECKING:
    from jupyter_latents.latents.value import Latents

__all__ = ["CODECS", "ENDINGS", "PICTURE", "from_bytes", "from_tensor", "load", "of_size", "save"]


def _codec(row: FileFormat) -> Codec:
    """How files of a row are read and written."""
    found: Codec = import_module(f"jupyter_latents.latents.files.{row.module}").CODEC
    return found


CODECS: Mapping[str, Codec] = MappingProxyType({row.ending: _codec(row) for row in FORMATS if row.holds == "latents"})
ENDINGS = endings("latents")
PICTURE = ".png"
"""The ending of pictures that may hold latents."""


def _codec_of(path: Path, found: FileFormat | None, also: str = "") -> Codec:
    """How a file of that row is read and written.

    Args:
        path: The file.
        found: The row.
        also: What else could be written, a clause for the message.

    Raises:
        LatentsFileError: There is no row, or one of pictures.
    """
    if found is None or found.holds != "latents":
        given = f"the ending {path.suffix!r}" if path.suffix else "no ending"
        raise LatentsFileError(f"{path} has {given}; latents files end in {', '.join(ENDINGS)}{also}.")
    return CODECS[found.ending]


def save(latents: Latents, path: str | Path) -> Path:
    """Writes latents whole or not at all; the format follows the ending.

    Args:
        latents: The value; it is not changed, whatever happens.
        path: ``.safetensors`` or ``.npz`` (all but the trajectory), ``.pt``, ``.pth`` or ``.npy`` (the bare tensor) or
            ``.latent`` (ComfyUI); ``.png``, ``.jpg`` or ``.webp`` for the decoded picture, which says how it was made;
            ``.mp4``, ``.webm``, ``.gif``, ``.apng`` or ``.webp`` for a decoded clip.
            Missing folders are made; a file of that name is replaced.

    Returns:
        The path written, with ``~`` resolved.

    Raises:
        LatentsFileError: Unknown ending, facts missing that the format needs, several pictures for one file, or the
            file cannot be written.
        LatentsError: Its values are NaN or infinite.
        ModelError: A picture is asked for, and the VAE is not at hand.
    """
    target = file_path(path)
    check_tensor(latents.tensor)  # whose values somebody may have changed in place
    kind = format_of(target.suffix)
    if kind is not None and kind.films and (kind.holds == "film" or latents.moves):
        write_whole(target, services.film_file(latents, kind.ending))
    elif kind is not None and kind.holds == "picture":
        write_whole(target, services.picture_file(latents, kind.writer))
    else:
        also = f", pictures of them in {listed('picture', 'or', dot='.')}"
        kept = replace(latents, resume=None) if latents.changed_in_place else latents  # a history of other values
        write_whole(target, _codec_of(target, kind, also).write(kept))
    return target


def load(  # noqa: PLR0913 - a file may lack each of these
    cls: type[Latents],
    path: str | Path,
    *,
    space: str | Space | None = None,
    sigma: float | None = None,
    form: Form | None = None,
    size: Sequence[int] | None = None,
    verify: bool = True,
) -> Latents:
    """Reads latents.

    What a foreign file does not say stays None unless it is given here; what is taken for granted is said in a warning
    and kept in ``provenance.options["assumed"]``.

    Args:
        cls: The class of the result.
        path: A ``.safetensors``, ``.pt``, ``.pth``, ``.latent``, ``.npz`` or ``.npy`` file; one without an ending is
            known by its content. A ``.png`` may have latents in it.
        space: Name of the latent space (``sd``, ``sdxl``, ``sd3``, ``flux``, ``flux2``, ``wan``) or a `Space`.
        sigma: Noise level in variance-exploding terms, 0 for clean latents; of a flow model's s it is s / (1 - s).
        form: ``ve``, ``vp`` or ``flow``; by default ``flow`` for the flow models' spaces and ``ve`` for the others.
        size: (width, height) in pixels of the picture, which packed latents (batch, tokens, channels) do not say.
        verify: Whether checksums must agree; False reads what is there.

    Raises:
        LatentsFileError: Missing, damaged, unsafe, no latents in it, or it says something else than the arguments.
        LatentsError: `sigma` and `form` do not go together.
        SettingError: No space has that name, or a size that is none.

    Warns:
        LatentsWarning: Something was assumed, or left out because it was damaged.
    """
    return _read(cls, file_path(path), claim_of(space, sigma, form, size), verify=verify)


def _read(cls: type[Latents], source: Path, claim: Claim, *, verify: bool) -> Latents:
    codec = None if source.suffix.lower() == PICTURE else _codec_of(source, format_in(source))
    check_readable(source)
    content = codec.read(source, verify=verify, size=claim.size) if codec else read_picture_latents(source)
    try:
        return _latents(cls, content, claim, source.name)
    except LatentsError as error:
        raise LatentsFileError(f"{source}: {error.template}") from error


def from_tensor(
    cls: type[Latents],
    tensor: object,
    *,
    space: str | Space | None = None,
    sigma: float | None = None,
    form: Form | None = None,
    size: Sequence[int] | None = None,
) -> Latents:
    """Latents out of a bare tensor or array, by the rules for a file that holds one.

    Args:
        cls: The class of the result.
        tensor: Shape (batch, channels, height/factor, width/factor), (channels, height/factor, width/factor), that of a
            clip (batch, channels, frames, height/factor, width/factor) or, with `size`, packed (batch, tokens,
            channels); floating point.
        space: See `load`.
        sigma: See `load`.
        form: See `load`.
        size: See `load`.

    Raises:
        LatentsError: It can be no latents, or `sigma` and `form` do not go together.
        SettingError: No space has that name, or a size that is none.

    Warns:
        LatentsWarning: Something was assumed.
    """
    return _latents(cls, Content(plain(as_tensor(tensor))), claim_of(space, sigma, form, size), "the tensor")


def of_size(cls: type[Latents], source: object, size: tuple[int, int] | None) -> Latents:
    """Latents for a stage that makes pictures of a size: packed ones do not say theirs, all others do.

    Args:
        cls: The class of the result.
        source: A latents file, a tensor or an array.
        size: (width, height) in pixels, where the stage says one.

    Raises:
        LatentsFileError: See `load`.
        LatentsError: See `from_tensor`.

    Warns:
        LatentsWarning: Something was assumed, or left out because it was damaged.
    """
    claim = Claim(size=size, must_fit=False)
    if isinstance(source, Path):
        return _read(cls, source, claim, verify=True)
    return _latents(cls, Content(plain(as_tensor(source))), claim, "the tensor")


def _latents(cls: type[Latents], content: Content, claim: Claim, name: str) -> Latents:
    """Latents of what was read; what was assumed and left out is said."""
    facts, assumed = facts_of(content, claim)
    latents = cls(**facts)
    for part in content.left_out:
        warn(f"{name}: left out is {part}.")
    if claim.must_fit and claim.size is not None and any(latents.size[axis] > claim.size[axis] for axis in (0, 1)):
        warn(f"{name}: size={claim.size} is left aside: these latents are not packed and of {latents.size} pixels.")
    if assumed:
        options = {**latents.provenance.options, "assumed": "; ".join(assumed)}
        latents = replace(latents, provenance=replace(latents.provenance, options=MappingProxyType(options)))
        warn(f"{name}: assumed that {'; '.join(assumed)}.")
    return latents


def from_bytes(cls: type[Latents], content: bytes) -> Latents:
    """Latents from the bytes of a ``.safetensors`` file that `save` would write.

    Args:
        cls: The class of the result.
        content: The bytes.

    Raises:
        LatentsFileError: They are damaged, or a part of them is.
    """
    found = read_safetensors_bytes(content)
    if found.left_out:
        raise LatentsFileError(f"these bytes are damaged: left out would be {'; '.join(found.left_out)}.")
    try:
        return cls(**facts_of(found, Claim())[0])
    except LatentsError as error:
        raise LatentsFileError(f"these bytes hold no latents: {error.template}") from error
