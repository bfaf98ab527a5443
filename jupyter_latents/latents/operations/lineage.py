"""What an operation's result inherits from the latents it was made from."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeGuard, TypeVar

import torch

from jupyter_latents.errors import HandoffError, LatentsError, SettingError
from jupyter_latents.latents.data import LatentsData
from jupyter_latents.latents.facts import Noise, Position, Provenance
from jupyter_latents.latents.forms import to_form
from jupyter_latents.latents.separation import noise_of
from jupyter_latents.latents.spaces import Space
from jupyter_latents.latents.trajectory import Trajectory

if TYPE_CHECKING:
    from jupyter_latents.latents.value import Latents

__all__ = [
    "align",
    "check_latents",
    "check_most",
    "common_position",
    "derive",
    "is_latents",
    "name_of",
    "one_space",
    "provenance_at",
]

T = TypeVar("T")

_MOST_DERIVED = 4096
_derived: OrderedDict[str, Provenance] = OrderedDict()  # digest to the operation that made it, the latest last
_lock = threading.Lock()

_MOST_VALUES = 1 << 28
"""Values that an operation makes: a gigabyte in float32, 1,024 pictures of a megapixel in 16 channels."""


def check_most(shape: Sequence[int], what: str) -> None:
    """Raises before an operation takes more memory than any latents need.

    Args:
        shape: Shape of what it would make.
        what: The operation's name.

    Raises:
        SettingError: It would make too many values.
    """
    if math.prod(shape) > _MOST_VALUES:
        raise SettingError(
            f"{what} would make latents of shape {tuple(shape)}, {math.prod(shape):,} values; {_MOST_VALUES:,} are the "
            "most. Make it smaller, or take fewer latents at once."
        )


def _common(values: Sequence[T], otherwise: T) -> T:
    return values[0] if all(value == values[0] for value in values) else otherwise


def common_position(parents: Sequence[Latents]) -> Position | None:
    """The position that all parents share; its model is left empty where they come from several."""
    positions = [parent.position for parent in parents]
    first = positions[0]
    if first is None:
        return None
    models = [position.model if position else "" for position in positions]
    first = replace(first, model=_common(models, ""))
    return first if all(position and replace(position, model=first.model) == first for position in positions) else None


def _maker(parents: Sequence[Latents]) -> str:
    """The one model that parents name, whose VAE decodes them; a file that names none is of no other."""
    names = {parent.provenance.model for parent in parents} - {""}
    return names.pop() if len(names) == 1 else ""


def _kept(sources: Sequence[Provenance]) -> dict[str, str]:
    """What holds of latents whatever is done to them: a clip's speed, and that a picture steers what goes on."""
    speed = _common([source.options.get("fps", "") for source in sources], "")
    steered = any(source.options.get("pictures") == "1" for source in sources)
    return ({"fps": speed} if speed else {}) | ({"pictures": "1"} if steered else {})


def common_space(parents: Sequence[Latents]) -> Space | None:
    """The space of latents that share one: as it is told by the first parent who knows the VAE, whichever comes first.

    A file that was read with ``space=`` knows the numbers alone, and nothing can decode what says no more.
    """
    spaces = [parent.space for parent in parents if parent.space is not None]
    return next((space for space in spaces if space.vae), spaces[0] if spaces else None)


def derive(
    parents: Sequence[Latents],
    operation: str,
    options: dict[str, object],
    tensor: torch.Tensor,
    denoised: torch.Tensor | None,
) -> Latents:
    """A result with its parents' space and position, the first one's noise and dtype, and its provenance.

    Scheduler history and trajectory belong to a run and are dropped. Model, prompt, seed and the like stay where all
    parents agree.

    Args:
        parents: What it was made from.
        operation: Name of the operation.
        options: Its options, kept as text.
        tensor: The result.
        denoised: Its clean estimate, when known.
    """
    first = parents[0]
    sources = [parent.provenance for parent in parents]
    provenance = Provenance(
        model=_maker(parents),
        revision=_common([source.revision for source in sources], ""),
        prompt=_common([source.prompt for source in sources], ""),
        negative_prompt=_common([source.negative_prompt for source in sources], ""),
        seed=_common([source.seed for source in sources], None),
        guidance_scale=_common([source.guidance_scale for source in sources], None),
        operation=operation,
        options=MappingProxyType(_kept(sources) | {name: str(value) for name, value in options.items()}),
        parents=tuple(parent.digest for parent in parents),
    )
    dtype = first.tensor.dtype
    estimate_dtype = dtype if first.denoised is None else first.denoised.dtype
    made = replace(
        first,
        tensor=tensor.to(dtype).contiguous(),
        space=common_space(parents),
        position=common_position(parents),
        resume=None,
        provenance=provenance,
        denoised=None if denoised is None else denoised.to(estimate_dtype),
        trajectory=Trajectory(),
    )
    with _lock:
        _derived[made.digest] = provenance
        while len(_derived) > _MOST_DERIVED:
            _derived.popitem(last=False)
    return made


def provenance_at(digest: str) -> Provenance | None:
    """What operation of this process made latents, which may be gone; None where it is too long ago, or none did.

    Args:
        digest: Of the latents.
    """
    with _lock:
        return _derived.get(digest)


def _describe(noise: Noise) -> str:
    return "clean" if noise.is_clean else f"σ {noise.sigma:.4g}"


def is_latents(value: object) -> TypeGuard[Latents]:
    """Whether `value` is one `Latents`."""
    return isinstance(value, LatentsData)


def check_latents(value: object, operation: str) -> None:
    """Raises unless `value` is one `Latents`.

    Raises:
        LatentsError: It is something else, or several.
    """
    if is_latents(value):
        return
    several = " Take one of them by its index, or join them with batch()." if isinstance(value, Sequence) else ""
    raise LatentsError(f"{operation} needs latents and was given a {type(value).__name__}.{several}")


def one_space(first: Latents, second: Latents) -> bool:
    """Whether two latents are of the same space, or both of none that is known."""
    if first.space is None or second.space is None:
        return first.space is second.space
    return first.space.same_as(second.space)


def name_of(latents: Latents) -> str:
    """Latents by their space and model, for a message."""
    model = f" by {latents.provenance.model}" if latents.provenance.model else ""
    return f"latents of {latents.space or 'an unknown space'}{model}"


def align(first: Latents, second: Latents, operation: str) -> Latents:
    """`second` in the form of `first`, after checking that the two can be mixed value by value.

    Raises:
        HandoffError: Different latent spaces or noise levels.
        LatentsError: No latents, different shapes, or a noise level that nobody said.
    """
    check_latents(first, operation)
    check_latents(second, operation)
    if not one_space(first, second):
        raise HandoffError(
            f"{operation} of {name_of(first)} and {name_of(second)}: the numbers mean different things. "
            "Decode one and encode it with the other's VAE; or, where a space is only unknown, "
            "say it with replace(space=...)."
        )
    if first.shape != second.shape:
        raise LatentsError(
            f"{operation} of latents of shapes {first.shape} and {second.shape}: they must be equal. "
            "Use resize(), crop() or pad() on one of them first."
        )
    one, two = noise_of(first, operation), noise_of(second, operation)
    if one.is_clean != two.is_clean or not math.isclose(one.sigma, two.sigma, rel_tol=1e-3):
        raise HandoffError(
            f"{operation} of latents of different noise: {_describe(one)} and {_describe(two)}. "
            f"Bring the cleaner one up with add_noise(to={max(one.sigma, two.sigma):.6g}), "
            "or take both at the same step."
        )
    return second if one.is_clean else to_form(second, one.form)
