"""Texts that steer together, joined by ``AND``: a denoiser that is passed once for each, in a pipeline's own guidance.

A pipeline makes ``uncond + scale * (cond - uncond)`` of the two halves of what its denoiser returns. Where the second
half is ``uncond + sum(weight * (part - uncond))``, that is composable diffusion (Liu et al. 2022, eq. 11), as A1111 has
it: ``uncond + scale * sum(weight * (part - uncond))``.

A ControlNet reads the text of the pass that it steers, as in diffusers and in A1111's extension: it, too, is passed
once for each text.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

__all__ = ["Composed", "Composition", "listening"]

_POOLED = 2
"""Where the pooled embeddings of a text stand in what ``encode_prompt`` returns, of families that have any."""
_ADDED = ("down_block_additional_residuals", "mid_block_additional_residual", "block_controlnet_hidden_states")
"""Arguments of denoisers by which they are given what ControlNets return, in the order of that."""


@dataclass(slots=True)
class Composition:
    """What the texts of a run that steer together became.

    Attributes:
        weights: How strongly each steers.
        encoded: What ``encode_prompt`` returned for each; empty before.
        asked: ControlNets that were called since the last pass of the denoiser, each with its arguments.
    """

    weights: Sequence[float]
    encoded: list[Sequence[Any]] = field(default_factory=list)
    asked: list[tuple[Any, Any]] = field(default_factory=list)

    def told(self, given: Any, text: Sequence[Any]) -> Any:
        """The arguments of a call for one text, of a call that holds the first text, in its second half or alone.

        Args:
            given: Its arguments, and those with names.
            text: What ``encode_prompt`` returned for the text.
        """
        args, options = given
        size = (args[0] if args else options.get("hidden_states", options.get("sample"))).shape[0]
        args, options = _last(given, size, self.encoded[0][0].shape[0])
        if options.get("encoder_hidden_states") is not None:
            options["encoder_hidden_states"] = text[0].to(options["encoder_hidden_states"])
        if len(text) > _POOLED:
            holder, name = (options, "pooled_projections")
            if name not in options:
                holder, name = options["added_cond_kwargs"], "text_embeds"
            if torch.equal(holder[name], self.encoded[0][_POOLED].to(holder[name])):  # SD3's ControlNets get zeros
                holder[name] = text[_POOLED].to(holder[name])
        return args, options


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
        own, asked = self._composition, self._composition.asked[:]
        further = [own.told((args, options), text) for text in own.encoded[1:]]  # before a call that uses lists up
        whole = self.denoiser(*args, **options)
        uncond, first = whole[0].chunk(2)
        texts = [first]
        for text, (theirs, named) in zip(own.encoded[1:], further, strict=True):
            texts.append(self.denoiser(*theirs, **{**named, **self._added(asked, text, named)})[0])
        own.asked.clear()  # of this pass, and what was asked anew
        shares = (weight * (text - uncond) for weight, text in zip(own.weights, texts, strict=True))
        return (torch.cat([uncond, sum(shares, start=uncond)]), *whole[1:])

    def _added(self, asked: Sequence[tuple[Any, Any]], text: Sequence[Any], named: Mapping[str, Any]) -> dict[str, Any]:
        """What ControlNets add to the pass of a text, all together as diffusers' networks of several have it."""
        made = []
        for network, given in asked:
            args, options = self._composition.told(given, text)
            made.append(network(*args, **options))
        names = [name for name in _ADDED if name in named]
        return dict(zip(names, functools.reduce(_sum, made), strict=True)) if made else {}


def listening(network: Any, composition: Composition) -> Any:
    """A second face of a ControlNet, of a class that pipelines take for its own: it notes what it is asked.

    Args:
        network: The ControlNet, whose modules and weights it shares.
        composition: Where it notes that.
    """
    own: Any = type(network)
    kind = _listening(own)
    face = kind.__new__(kind)
    vars(face).update(vars(network), jupyter_latents_composition=composition)
    return face


@functools.cache
def _listening(kind: Any) -> Any:
    def forward(self: Any, *args: Any, **options: Any) -> Any:
        self.jupyter_latents_composition.asked.append((self, (args, options)))
        return kind.forward(self, *args, **options)

    functools.update_wrapper(forward, kind.forward)
    return type(kind.__name__, (kind,), {"forward": forward, "__module__": kind.__module__})


def _last(value: Any, size: int, count: int) -> Any:
    """The last items of every tensor that holds a whole batch, in a copy of what holds them.

    Args:
        value: A tensor, a container, or anything else.
        size: Items of the whole batch.
        count: How many are wanted.
    """
    if isinstance(value, torch.Tensor):
        return value[size - count :] if value.dim() and value.shape[0] == size else value
    if isinstance(value, Mapping):
        return {name: _last(one, size, count) for name, one in value.items()}
    return type(value)(_last(one, size, count) for one in value) if isinstance(value, (list, tuple)) else value


def _sum(one: Any, other: Any) -> Any:
    """Two equal nests of tensors added."""
    return one + other if isinstance(one, torch.Tensor) else tuple(map(_sum, one, other))
