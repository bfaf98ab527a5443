"""From one latent space to another in mid-denoising: the clean estimate crosses, the noise level stays.

Only a clean estimate means anything to another VAE, so it is decoded by the giver's and encoded by the receiver's
VAE, or goes through a converter that somebody registered; then it is noised again to the same sigma.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F

from jupyter_latents.engine.given.outline import Outline, Standing
from jupyter_latents.engine.given.picture_sizes import round_down
from jupyter_latents.engine.vae import codec
from jupyter_latents.errors import HandoffError, SettingError
from jupyter_latents.latents.facts import CLEAN, Noise, Provenance
from jupyter_latents.latents.forms import convert
from jupyter_latents.latents.separation import complete
from jupyter_latents.latents.spaces import Space
from jupyter_latents.latents.tensors import check_tensor
from jupyter_latents.latents.value import Latents

__all__ = ["Converter", "bridge", "converter", "crossing", "register_converter", "way"]

Converter = Callable[[torch.Tensor], torch.Tensor]
_converters: dict[tuple[str, str], Converter] = {}


def register_converter(giver: str, receiver: str, module: Converter | None) -> None:
    """Uses a module of one's own between two spaces in place of decoding and encoding.

    Args:
        giver: Name of the space that latents come from, such as ``SD``.
        receiver: Name of the space they go to, such as ``SDXL``.
        module: Clean latents (batch, channels, height, width) of the giver in model space to those of the receiver;
            None to go back to decoding and encoding.

    Raises:
        SettingError: `module` cannot be called.
    """
    if module is None:
        _converters.pop((giver, receiver), None)
    elif callable(module):
        _converters[giver, receiver] = module
    else:
        raise SettingError(
            f"a converter is called with clean latents and returns latents; {type(module).__name__} cannot be called."
        )


def converter(giver: Space, receiver: Space) -> Converter | None:
    """The registered converter between two spaces, or None."""
    return _converters.get((giver.name, receiver.name))


def way(giver: Space | None, receiver: Space) -> str:
    """By what latents cross from one space to another, to be put behind a clause: a converter, or nothing to say.

    Args:
        giver: The space that they come from.
        receiver: The space that they go to.
    """
    own = converter(giver, receiver) if giver is not None else None
    return "" if own is None else f", by the registered converter {getattr(own, '__name__', type(own).__name__)}"


def bridge(given: Latents, giver_vae: Callable[[], Any], receiver_vae: Any, space: Space, align: int) -> Latents:
    """Latents of another space, written in the receiver's at the same noise level.

    Args:
        given: Partly denoised latents with their clean estimate, or clean ones.
        giver_vae: Finds the VAE that decodes them; called only where no converter is registered.
        receiver_vae: The VAE of the receiving model.
        space: The receiving space.
        align: Picture sizes of the receiving model are multiples of this.

    Returns:
        Latents in `space`, variance-exploding form, the same sigma. The giver's estimated noise is carried over where
        its shape fits, brought to unit variance; what is missing is drawn from the latents' own seed.

    Raises:
        HandoffError: The clean estimate or the noise level is not known, or a converter made something else.
    """
    noise, clean = given.noise, given.tensor if given.is_clean else given.denoised
    if noise is None or given.space is None or clean is None:
        raise HandoffError(
            f"latents of another space cross into {space} as a clean estimate, and these carry none "
            "(a file without facts). Put them in the image position, where they are decoded."
        )
    crossed = _crossed(clean.float(), given.space, giver_vae, receiver_vae, space, align)
    sigma = noise.sigma
    if given.is_clean:
        return Latents(crossed, space, _noise_after(noise), provenance=_bridged(given), denoised=crossed)
    if not math.isfinite(sigma):
        return given.replace(
            tensor=_fresh(crossed, given, space),
            space=space,
            denoised=crossed,
            position=None,
            resume=None,
            trajectory=(),
        )
    exploding = convert(given.tensor.float(), sigma, noise.form, "ve")
    estimated = (exploding - clean.float()) / sigma
    fresh = _fresh(crossed, given, space)
    # What the estimate does not tell of the noise was left in the other space: without it sigma would be told too high.
    carried = complete(estimated, fresh) if estimated.shape == crossed.shape else fresh
    return Latents(
        crossed + sigma * carried,
        space,
        _noise_after(noise),
        provenance=_bridged(given),
        denoised=crossed,
    )


def crossing(given: Standing, space: Space, align: int) -> Outline:
    """The facts of the latents that `bridge` will make.

    Args:
        given: Latents of another space, or their outline.
        space: The receiving space.
        align: Picture sizes of the receiving model are multiples of this.
    """
    own = given.space or space
    width, height = (round_down(pixels, align) for pixels in own.size_of(given.shape))
    frames = own.frames_of(given.shape) if own.moves else 1
    shape = space.shape_for(width, height, given.shape[0], frames)
    made = given.provenance
    return Outline(shape, space, _noise_after(given.noise), None, made, has_history=False)


def _noise_after(noise: Noise | None) -> Noise | None:
    """The level of latents that have crossed: the same, in variance-exploding form."""
    if noise is None or not math.isfinite(noise.sigma):
        return noise
    return CLEAN if noise.is_clean else Noise(noise.sigma, "ve", noise.timestep)


def _crossed(
    clean: torch.Tensor, giver: Space, giver_vae: Callable[[], Any], receiver_vae: Any, space: Space, align: int
) -> torch.Tensor:
    own = converter(giver, space)
    if own is not None and not giver.moves:
        return _checked(own(clean), clean, giver, space)
    pictures = codec.decode(giver.seen(clean), giver_vae())
    height, width = pictures.shape[-2:]
    wanted = (round_down(height, align), round_down(width, align))
    if wanted != (height, width):
        pictures = _sized(pictures, wanted)
    return codec.encode(pictures.clamp(-1, 1), receiver_vae)


def _sized(pictures: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Pictures, or the frames of clips, at another (height, width)."""
    flat = pictures.transpose(1, 2).flatten(0, 1) if pictures.dim() > 4 else pictures
    made = F.interpolate(flat, size, mode="bicubic", antialias=True)
    return made.reshape(len(pictures), -1, *made.shape[1:]).transpose(1, 2) if pictures.dim() > 4 else made


def _checked(converted: object, clean: torch.Tensor, giver: Space, space: Space) -> torch.Tensor:
    """What a converter returned, on the CPU in float32.

    Raises:
        HandoffError: It is no batch of latents of the receiving space.
    """
    name = f"the converter from {giver.name} to {space.name}"
    if not isinstance(converted, torch.Tensor):
        raise HandoffError(f"{name} returned a {type(converted).__name__}; it returns a tensor of clean latents.")
    shape = tuple(converted.shape)
    if len(shape) != 4 or shape[:2] != (clean.shape[0], space.channels) or 0 in shape:
        raise HandoffError(
            f"{name} made {shape} of {tuple(clean.shape)}; {space} needs ({clean.shape[0]}, {space.channels}, "
            "height, width)."
        )
    check_tensor(converted, f"latents that {name} made")
    return converted.detach().to("cpu", torch.float32)


def _fresh(like: torch.Tensor, given: Latents, space: Space) -> torch.Tensor:
    """Noise that follows from the seed, and is another one for each crossing of a chain."""
    own, level = given.space.name if given.space else "", given.noise.sigma if given.noise else 0.0
    text = f"bridge {given.provenance.seed or 0} {own} {space.name} {level:.3g}"
    seed = int(hashlib.sha256(text.encode()).hexdigest()[:15], 16)
    return torch.randn(like.shape, generator=torch.Generator("cpu").manual_seed(seed))


def _bridged(given: Latents) -> Provenance:
    made = given.provenance
    return Provenance(
        made.model,
        made.revision,
        made.prompt,
        made.negative_prompt,
        made.seed,
        made.guidance_scale,
        "bridge",
        made.options,
        (given.digest,),
    )
