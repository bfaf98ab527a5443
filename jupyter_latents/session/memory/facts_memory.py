"""The facts of latents that a session made, for bare tensors that have lost theirs."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jupyter_latents.latents.value import Latents

__all__ = ["FactsMemory"]


class FactsMemory:
    """Latents by their digest, as long as somebody holds them."""

    def __init__(self) -> None:
        self._latents: weakref.WeakValueDictionary[str, Latents] = weakref.WeakValueDictionary()

    def remember(self, latents: Latents) -> None:
        """Keeps the facts of latents and of all their steps.

        Args:
            latents: What a stage made or a file held.
        """
        for one in (*latents.trajectory, latents):
            self._latents[one.digest] = one

    def find(self, digest: str) -> Latents | None:
        """The latents of a digest; None where nobody holds any.

        Args:
            digest: Their digest.
        """
        return self._latents.get(digest)

    def of(self, latents: Latents) -> Latents:
        """A bare tensor that this session made has its facts back; all else comes as it is.

        Args:
            latents: Latents, perhaps bare.
        """
        if latents.noise is not None:
            return latents
        from jupyter_latents.latents.tensors import tensor_digest

        own = self._latents.get(latents.digest)
        same = own is not None and tensor_digest(own.tensor) == latents.digest  # not changed in place since
        return own if own is not None and same else latents
