"""What a file says of its latents and what a caller says of them, put together to their facts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from jupyter_latents.errors import LatentsError
from jupyter_latents.latents.arguments import number
from jupyter_latents.latents.facts import CLEAN, Form, Noise
from jupyter_latents.latents.files.comfy_file import RAW_VAE, model_from_raw
from jupyter_latents.latents.files.content import Content, as_batch
from jupyter_latents.latents.forms import check_level, convert
from jupyter_latents.latents.packing import picture_size
from jupyter_latents.latents.spaces import FLOW_SPACES, SPACES, Space, find_space, for_shape
from jupyter_latents.latents.tensors import check_tensor

__all__ = ["Claim", "claim_of", "facts_of"]


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


def claim_of(space: object, sigma: object, form: Any, size: object) -> Claim:
    """The arguments of a caller, checked one by one."""
    given: Any = space
    own = None if given is None else find_space(given)
    if form is not None:
        check_level(0.0, form)
    level = None if sigma is None else number(sigma, "sigma", "it is a number, 0 for clean latents.")
    if level is not None:
        check_level(level, form or "vp")
    return Claim(own, level, form, None if size is None else picture_size(size))


def facts_of(content: Content, claim: Claim) -> tuple[dict[str, Any], tuple[str, ...]]:
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
