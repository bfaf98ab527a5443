"""Latents joined along the batch dimension, and divided again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from jupyter_latents.errors import HandoffError, LatentsError
from jupyter_latents.latents.arguments import shown
from jupyter_latents.latents.forms import to_form
from jupyter_latents.latents.operations.lineage import check_latents, check_most, derive, is_latents, name_of, one_space

if TYPE_CHECKING:
    from jupyter_latents.latents.value import Latents

__all__ = ["batch", "split"]


def batch(items: Sequence[Latents]) -> Latents:
    """Several latents as one batch.

    Scheduler history and generator belong to each run alone and are dropped; position stays where all share it.

    Args:
        items: Latents of one space, height, width and sigma; other forms are converted to the first's.

    Raises:
        HandoffError: Different spaces or noise.
        LatentsError: None given, something that is no latents, or different heights and widths.
        SettingError: More than memory should hold.
    """
    if is_latents(items):
        raise LatentsError("batch() takes a list of latents: batch([first, second]).")
    given: object = items
    if not isinstance(given, Sequence) or isinstance(given, str | bytes):
        raise LatentsError(f"batch() was given {shown(items)}; it takes a list of latents: batch([first, second]).")
    if not items:
        raise LatentsError("batch() was given no latents; give a list of at least one.")
    for item in items:
        check_latents(item, "batch")
    first = items[0]
    check_most((sum(item.shape[0] for item in items), *first.shape[1:]), "batch")
    same_form = [first, *(_match(first, item) for item in items[1:])]
    tensors = torch.cat([item.tensor.to(first.tensor.dtype) for item in same_form])
    estimates = [item.denoised for item in same_form if item.denoised is not None]
    denoised = torch.cat([one.to(estimates[0].dtype) for one in estimates]) if len(estimates) == len(items) else None
    return derive(list(items), "batch", {"sizes": [item.shape[0] for item in items]}, tensors, denoised)


def _match(first: Latents, item: Latents) -> Latents:
    if not one_space(first, item):
        raise HandoffError(
            f"batch of {name_of(first)} and {name_of(item)}: a batch has one space. Make one batch of each."
        )
    if item.shape[1:] != first.shape[1:]:
        raise LatentsError(
            f"batch of latents of shapes {first.shape} and {item.shape}: all but the first number must agree. "
            "Use resize(), crop() or pad()."
        )
    if item.noise is None or first.noise is None:
        if item.noise is not first.noise:
            raise HandoffError("batch of latents of known and unknown noise: say it with replace(noise=...).")
        return item
    if item.noise.sigma != first.noise.sigma:
        raise HandoffError(
            f"batch of latents of different noise: {first.noise} and {item.noise}. "
            "Bring the cleaner up with add_noise()."
        )
    return item if first.noise.is_clean else to_form(item, first.noise.form)


def split(latents: Latents) -> list[Latents]:
    """The items of a batch, one by one; a batch of one is returned as it is, history included.

    History and generator are those of the whole batch and are dropped from its items. A batch has one seed, from which
    its items draw one after another; each says by its place which of them it is.
    """
    check_latents(latents, "split")
    if latents.shape[0] == 1:
        return [latents]
    items = []
    for index in range(latents.shape[0]):
        denoised = None if latents.denoised is None else latents.denoised[index : index + 1]
        tensor = latents.tensor[index : index + 1].clone()
        place: dict[str, object] = {"item": index, "of": latents.shape[0]}
        item = derive([latents], "split", place, tensor, denoised)
        items.append(item.replace(provenance=replace(item.provenance, cell=latents.provenance.cell)))
    return items
