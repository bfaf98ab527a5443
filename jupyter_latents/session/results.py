"""The results of a session, newest first: their names, what made them, small pictures. Nothing large is held."""

from __future__ import annotations

import io
import threading
import time
import weakref
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from jupyter_latents.engine import StageResult
    from jupyter_latents.latents.value import Latents
    from jupyter_latents.session.cells.sources import Source

__all__ = ["PastResult", "PastResults"]

_MOST = 500
_SIDE = 192  # pixels of a small picture


@dataclass(frozen=True, slots=True, eq=False)
class PastResult:
    """What a stage made, as it is remembered.

    Attributes:
        number: Tells it from the others of the session.
        name: Python that named it, such as ``base`` or ``xy[5]``; empty where it was bound to nothing.
        digest: Digest of the latents.
        source: What made it.
        prompt: Its prompt, as the script says it.
        model: Its model.
        seed: Its seed, or None.
        noise: How noisy it is and at which step, such as ``step 24 of 30, σ 0.49 (VE)``; empty where it is clean.
        made_at: When, in seconds since 1970.
        place: Of a noisy one the steps that it has behind it, such as ``24 of 30``; empty where nobody knows.
    """

    number: int
    name: str
    digest: str
    source: Source
    prompt: str
    model: str
    seed: int | None
    noise: str
    made_at: float
    place: str
    _latents: weakref.ref[Latents] = field(repr=False)

    @property
    def latents(self) -> Latents | None:
        """The latents, as long as a variable or the session's memory holds them."""
        return self._latents()


class PastResults:
    """The results of a session; of those with the same latents the last.

    Args:
        source: Says what made latents.
    """

    def __init__(self, source: Callable[[Latents], Source]) -> None:
        self._source = source
        self._items: OrderedDict[str, PastResult] = OrderedDict()
        self._small: dict[str, bytes] = {}
        self._count = 0
        self._lock = threading.Lock()
        self._watchers: list[weakref.WeakMethod[Callable[[], None]]] = []

    @property
    def count(self) -> int:
        """How many there have been; it grows with each, those again that were there before."""
        return self._count

    def watch(self, tell: Callable[[], None]) -> None:
        """Has a method called after each new result, from the run's thread, as long as its object lives.

        Args:
            tell: The method; it returns quickly.
        """
        self._watchers = [*(one for one in self._watchers if one() is not None), weakref.WeakMethod(tell)]

    def newest(self) -> list[PastResult]:
        """All that are remembered, the newest first."""
        with self._lock:
            return list(reversed(self._items.values()))

    def add(self, result: StageResult, name: str) -> None:
        """Remembers a result.

        Args:
            result: What a stage made, or what there is of it.
            name: Python that names it, or empty.
        """
        latents = result.latents
        said, source, small = latents.provenance, self._source(latents), _small(result)
        at = None if latents.is_clean else latents.position
        noise = "" if latents.is_clean else ", ".join(map(str, filter(None, (at, latents.noise))))
        place = f"{at.step} of {at.of}" if at is not None else ""
        with self._lock:
            self._count += 1
            self._items[latents.digest] = PastResult(
                self._count, name, latents.digest, source, said.prompt, said.model, said.seed, noise, time.time(),
                place, weakref.ref(latents),
            )  # fmt: skip
            self._items.move_to_end(latents.digest)
            if small:
                self._small[latents.digest] = small
            while len(self._items) > _MOST:
                gone, _ = self._items.popitem(last=False)
                self._small.pop(gone, None)
        for watcher in self._watchers:
            if (tell := watcher()) is not None:
                tell()

    def picture(self, one: PastResult) -> bytes:
        """The small picture of a result as JPEG; empty where none was made yet.

        Args:
            one: The result.
        """
        return self._small.get(one.digest, b"")

    def keep_picture(self, one: PastResult, content: bytes) -> None:
        """Remembers the small picture of a result that was not decoded.

        Args:
            one: The result.
            content: A JPEG file.
        """
        with self._lock:
            if one.digest in self._items:
                self._small[one.digest] = content


def _small(result: StageResult) -> bytes:
    """The first of a result's pictures, small; empty where it has none."""
    from jupyter_latents.latents.clip import still

    if not result.images:
        return b""
    picture = still(result.images[0]).convert("RGB")
    picture.thumbnail((_SIDE, _SIDE))
    content = io.BytesIO()
    picture.save(content, "JPEG", quality=85)
    return content.getvalue()
