"""Texts that steer together, joined by ``AND``: a denoiser that is passed once for each, in a pipeline's own guidance.

A pipeline makes ``uncond + scale * (cond - uncond)`` of the two halves of what its denoiser returns. Where the second
half is ``uncond + sum(weight * (part - uncond))``, that is composable diffusion (Liu et al. 2022, eq. 11), as A1111 has
it: ``uncond + scale * sum(weight * (part - uncond))``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

__all__ = ["Composed", "Composition"]

_POOLED = 2
"""Where the pooled embeddings of a text stand in what ``encode_prompt`` returns, of families that have any."""


@dataclass(slots=True)
class Composition:
    """What the texts of a run that steer together became.

    Attributes:
        weights: How strongly each steers.
        encoded: What ``encode_prompt`` returned for each; empty before.
    """

    weights: Sequence[float]
    encoded: list[Sequence[Any]] = field(default_factory=list)


class Composed(torch.nn.Module):
    """A denoiser seen by a pipeline: its second half is that of all texts together; all else is the denoiser's own.

    It is a module, since pipelines take their device from such, and move them.

    Args:
        denoiser: A U-Net or transformer, called with the two halves of classifier-free guidance, the text in the
            second one.
        composition: The texts.
    """

    def __init__(self, denoiser: torch.nn.Module, composition: Composition) -> None:
        super().__init__()
        self.denoiser, self._composition = denoiser, composition

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(super().__getattr__("denoiser"), name)

    def forward(self, *args: Any, **options: Any) -> Any:
        """What the denoiser returns, shape (2 * batch, ...); one further pass of half of it for each further text.

        Args:
            args: The denoiser's own; what is denoised, shape (2 * batch, ...), is the first, or ``hidden_states``.
            options: Those with names.
        """
        size = (args[0] if args else options["hidden_states"]).shape[0]
        further = [self._half((args, options), one, size) for one in self._composition.encoded[1:]]
        whole = self.denoiser(*args, **options)
        uncond, first = whole[0].chunk(2)
        texts = [first, *(self.denoiser(*theirs, **named)[0] for theirs, named in further)]
        shares = (weight * (text - uncond) for weight, text in zip(self._composition.weights, texts, strict=True))
        return (torch.cat([uncond, sum(shares, start=uncond)]), *whole[1:])

    @staticmethod
    def _half(given: Any, encoded: Sequence[Any], size: int) -> Any:
        """The second half of a call's arguments, with another text; taken before the call, which may use lists up."""
        args, options = _second_half(given, size)
        embeds = encoded[0]
        options["encoder_hidden_states"] = embeds.to(options["encoder_hidden_states"])
        if len(encoded) > _POOLED:
            holder, name = (options, "pooled_projections")
            if name not in options:
                holder, name = options["added_cond_kwargs"], "text_embeds"
            holder[name] = encoded[_POOLED].to(holder[name])
        return args, options


def _second_half(value: Any, size: int) -> Any:
    """The second half of every tensor that holds a whole batch, in a copy of what holds them."""
    if isinstance(value, torch.Tensor):
        return value[size // 2 :] if value.dim() and value.shape[0] == size else value
    if isinstance(value, Mapping):
        return {name: _second_half(one, size) for name, one in value.items()}
    return type(value)(_second_half(one, size) for one in value) if isinstance(value, (list, tuple)) else value
