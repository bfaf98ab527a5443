"""Loaded parts by content, within budgets: what is used least leaves first, to RAM before it is dropped."""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Iterable, Mapping
from typing import Any

from jupyter_latents.engine.answers import PartRow
from jupyter_latents.engine.models.budget import ModelBudget
from jupyter_latents.engine.models.files.digests import FileMark
from jupyter_latents.engine.models.load import Part, PartKey, is_mapped, row_of, size_of
from jupyter_latents.engine.models.memory import free_memory, is_ram

__all__ = ["Shelf"]

_SHARE_OF_FREE = 0.9
_RAM = "cpu"


class Shelf:
    """Holds parts of models and says what may leave.

    Args:
        budget: Says how many bytes parts may take in RAM and on each accelerator; where it does not, nine tenths of
            what is free when room is asked for.
    """

    def __init__(self, budget: ModelBudget) -> None:
        self._budget = budget
        self._parts: dict[PartKey, Part] = {}
        # A model that somebody still holds is in use: dropping its parts would free nothing.
        self._handed: weakref.WeakKeyDictionary[Any, frozenset[PartKey]] = weakref.WeakKeyDictionary()
        self._lock = threading.RLock()

    @property
    def parts(self) -> Mapping[PartKey, Part]:
        """The parts held."""
        with self._lock:
            return dict(self._parts)

    def get(self, key: PartKey) -> Part | None:
        """A part that is held and still is what its files held when they were read; None where there is none.

        One that is mapped to a file which was written to serves nobody any more, and leaves when room is made.
        """
        with self._lock:
            part = self._parts.get(key)
            return part if part is not None and part.is_as_read else None

    def rows(self) -> list[PartRow]:
        """What is held, most recently used first."""
        with self._lock:
            busy = self._busy()
            rows = [row_of(key, part, busy=key in busy) for key, part in self._parts.items()]
        return sorted(rows, key=lambda row: (-row.used, row.what))

    def put(self, key: PartKey, value: Any, name: str, marks: frozenset[FileMark], models: Iterable[str] = ()) -> None:
        """Holds a part from now on.

        Args:
            key: What makes it the same as another.
            value: The module, tokenizer or processor.
            name: Its name in the pipeline.
            marks: Of its files, taken before they were read.
            models: Names of the models that use it.
        """
        kept = marks if is_mapped(value) else frozenset()
        with self._lock:
            self._parts[key] = Part(value, size_of(value), time.time(), set(models), name, kept)

    def use(self, keys: Iterable[PartKey], model: str) -> None:
        """Notes that a model uses parts now."""
        with self._lock:
            for key in keys:
                self._parts[key].used = time.time()
                self._parts[key].models.add(model)

    def hand(self, model: Any, keys: frozenset[PartKey]) -> None:
        """Notes that a model was handed out: its parts are in use as long as somebody holds it."""
        with self._lock:
            self._handed[model] = keys

    def drop(self, name: str | None) -> int:
        """Lets go of the parts that a model alone uses, or of all; says how many bytes that is."""
        with self._lock:
            leaving = [key for key, part in self._parts.items() if name is None or part.models <= {name}]
            size = sum(self._parts.pop(key).size for key in leaving)
            for part in self._parts.values():
                part.models.discard(name or "")
        return size

    def fetch(self, key: PartKey) -> Any | None:
        """A part that waits idle in RAM, moved back to its device; None where there is none."""
        import torch

        waiting = key._replace(device=_RAM)
        with self._lock:
            if waiting == key or waiting in self._busy() or self.get(waiting) is None:
                return None
            part = self._parts.pop(waiting)
            part.value.to(torch.device(key.device))
            self._parts[key] = part
            return part.value

    def fits(self, device: Any, size: int) -> bool:
        """Whether so many bytes fit on a device with nothing leaving it."""
        with self._lock:
            taken = self._taken(str(device))
            return taken + size <= self._limit(device, taken)

    def make_room(self, device: Any, size: int | None, keep: set[PartKey]) -> None:
        """Lets idle parts leave a device, those not used for longest first, until there is room.

        From an accelerator they move to RAM, where they fit there with nothing leaving; from RAM they are dropped.

        Args:
            device: The torch device.
            size: Bytes that are to fit; None to let all leave that are not in use.
            keep: Keys of parts that stay.
        """
        with self._lock:
            taken = self._taken(str(device))
            limit = self._limit(device, taken)
            busy = keep | self._busy()
            there = [(key, part) for key, part in self._parts.items() if key.device == str(device) and part.size]
            for key, part in sorted(there, key=lambda pair: pair[1].used):
                if size is not None and taken + size <= limit:
                    return
                if key not in busy:
                    self._leave(key, part, device)
                    taken -= part.size

    def _leave(self, key: PartKey, part: Part, device: Any) -> None:
        import torch

        del self._parts[key]
        moves = not is_ram(device) and not key.made.startswith("quantized") and key.made != "decodes"
        waiting = key._replace(device=_RAM)
        if moves and waiting not in self._parts and self.fits(torch.device(_RAM), part.size):
            part.value.to(_RAM)
            self._parts[waiting] = part

    def _taken(self, device: str) -> int:
        return sum(part.size for key, part in self._parts.items() if key.device == device)

    def _limit(self, device: Any, taken: int) -> int:
        budget = self._budget.model_memory if is_ram(device) else self._budget.device_memory
        return taken + int(_SHARE_OF_FREE * free_memory(device)) if budget is None else budget

    def _busy(self) -> set[PartKey]:
        """Keys of the parts of models that somebody holds."""
        return {key for keys in list(self._handed.values()) for key in keys}
