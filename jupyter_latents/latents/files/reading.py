"""Latents files: which format an ending means, and the facts that a file does not say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from jupyter_latents.errors import LatentsError, LatentsFileError
from jupyter_latents.formats import FORMATS, FileFormat, endings, format_in, format_of
from jupyter_latents.latents import services
from jupyter_latents.latents.arguments import file_path, number
from jupyter_latents.latents.facts import CLEAN, Form, Noise
from jupyter_latents.latents.files.atomic import check_readable, write_whole
from jupyter_latents.latents.files.comfy_file import RAW_VAE, model_from_raw
from jupyter_latents.latents.files.content import Codec, Content, as_batch, plain, warn
from jupyter_latents.latents.files.picture_file import read_picture_latents
from jupyter_latents.latents.files.safetensors_file import read_safetensors_bytes
from jupyter_latents.latents.forms import check_level, convert
from jupyter_latents.latents.packing import picture_size
from jupyter_latents.latents.spaces import FLOW_SPACES, SPACES, Space, find_space, for_shape
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


def _codec_of(path: Path, found: FileFormat | None) -> Codec:
    """How a file of that row is read and written.

    Raises:
        LatentsFileError: There is no row, or one of pictures.
    """
    if found is None or found.holds != "latents":
        given = f"the ending {path.suffix!r}" if path.suffix else "no ending"
        raise LatentsFileError(f"{path} has {given}; latents files end in {', '.join(ENDINGS)}.")
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
        ModelError: A picture is asked for, and the VAE is not at hand.
    """
    target = file_path(path)
    kind = format_of(target.suffix)
    if kind is not None and kind.films and (kind.holds == "film" or latents.moves):
        write_whole(target, services.film_file(latents, kind.ending))
    elif kind is not None and kind.holds == "picture":
        write_whole(target, services.picture_file(latents, kind.writer))
    else:
        write_whole(target, _codec_of(target, kind).write(latents))
    return target


@dataclass(frozen=True, slots=True)
class Claim:
    """What a caller says of latents that do not say it themselves.

    Attributes:
        space: The latent space.
        sigma: Noise level in variance-exploding terms.
        form: How signal and noise are mixed.
        size: (width, height) in pixels of the picture, for packed latents.
        must_fit: Whether a size that latents do not have is told.
    """

    space: Space | None = None
    sigma: float | None = None
    form: Form | None = None
    size: tuple[int, int] | None = None
    must_fit: bool = True


def _claim(space: object, sigma: object, form: Any, size: object) -> Claim:
    """The arguments of a caller, checked one by one."""
    given: Any = space
    own = None if given is None else find_space(given)
    if form is not None:
        check_level(0.0, form)
    level = None if sigma is None else number(sigma, "sigma", "it is a number, 0 for clean latents.")
    if level is not None:
        check_level(level, form or "vp")
    return Claim(own, level, form, None if size is None else picture_size(size))


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
    return _read(cls, file_path(path), _claim(space, sigma, form, size), verify=verify)


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
    return _latents(cls, Content(plain(as_tensor(tensor))), _claim(space, sigma, form, size), "the tensor")


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
    facts, assumed = _facts(content, claim)
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
        return cls(**_facts(found, Claim())[0])
    except LatentsError as error:
        raise LatentsFileError(f"these bytes hold no latents: {error.template}") from error


def _facts(content: Content, claim: Claim) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The arguments that latents are made of, and what was assumed."""
    space = _space_of(content.space, claim.space, content.tensor.shape)
    noise, assumed = _noise_of(content, space, claim.sigma, claim.form)
    tensor, read_as = as_batch(content.tensor, space, claim.size)
    space = for_shape(space, tensor.shape) if space is not None else None
    assumed = (*content.assumed, *read_as, *assumed)
    check_tensor(tensor)
    if content.raw:
        tensor = tensor.float()  # as ComfyUI reads them
        if space is None:
            space = for_shape(Space(RAW_VAE, tensor.shape[1]), tensor.shape)
            names = [known.name for known in SPACES.values() if known.channels == space.channels]
            hint = f" (perhaps {' or '.join(names)})" if names else ""
            assumed = (
                *assumed,
                f"its model is not known{hint} and the values stay the VAE's own; give space= to convert them",
            )
        elif tensor.shape[1] == space.channels:
            tensor = model_from_raw(tensor, space)
        if noise is not None:
            tensor = convert(tensor, noise.sigma, "ve", noise.form)
    facts = {name: getattr(content, name) for name in ("position", "resume", "provenance", "denoised")}
    return {"tensor": tensor, "space": space, "noise": noise, **facts}, assumed


def _space_of(found: Space | None, given: Space | None, shape: Sequence[int]) -> Space | None:
    if given is not None and found is not None and found.moves:
        given = for_shape(given, shape)
    if found is not None and given is not None and not found.same_as(given):
        raise LatentsError(
            f"the file says {found}, but space= says {given}. "
            "Leave space= out, or change it after loading with replace()."
        )
    return found or given


def _noise_of(
    content: Content, space: Space | None, sigma: float | None, form: Form | None
) -> tuple[Noise | None, tuple[str, ...]]:
    found = content.noise
    if found is not None:
        if (sigma is not None and sigma != found.sigma) or (
            form is not None and form != found.form and not found.is_clean
        ):
            said = f"sigma={sigma}" if sigma is not None else f"form={form!r}"
            raise LatentsError(
                f"the file says sigma {found.sigma:g} in form {found.form}, but {said} was given. Leave it out."
            )
        return found, ()
    if sigma is None:
        if form is not None:
            raise LatentsError(f"form={form!r} was given without sigma=; both are needed to know the noise.")
        return None, ()
    if sigma == 0.0:
        return CLEAN, ()
    if form is not None:
        return Noise(float(sigma), form), ()
    if content.raw:
        return Noise(float(sigma), "ve"), ()
    likely: Form = "flow" if space is not None and space.name in FLOW_SPACES else "ve"
    return Noise(float(sigma), likely), (f"its noise has the form {likely!r}; give form= if its scheduler has another",)
