"""Reads what a plan wants and a shelf does not hold, a part at a time, after making room."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from jupyter_latents.engine.ear import ear
from jupyter_latents.engine.models.files.digests import are_as_they_were
from jupyter_latents.engine.models.load import LoadPlan, PartKey
from jupyter_latents.engine.models.memory import is_out_of_memory, is_ram
from jupyter_latents.engine.models.readers import place, read_checkpoint, read_part
from jupyter_latents.engine.models.shelf import Shelf
from jupyter_latents.engine.observer import Reading
from jupyter_latents.errors import ModelError

__all__ = ["Filler"]


class Filler:
    """Fills a shelf; one thread at a time.

    Attributes:
        loads: How many parts were read so far.

    Args:
        shelf: Holds the parts.
    """

    def __init__(self, shelf: Shelf) -> None:
        self.loads = 0
        self._shelf = shelf

    def fill(self, plan: LoadPlan, tell: Callable[[Reading], None]) -> dict[str, Any]:
        """Every part of a plan, read where it is not held.

        Args:
            plan: What is wanted.
            tell: Is told what is read, a part at a time; what it raises ends the reading.

        Raises:
            ModelError: A part cannot be read.
        """
        values = {name: part.value for name, key in plan.keys.items() if (part := self._shelf.get(key)) is not None}
        for name, key in plan.keys.items():
            if name not in values and (waiting := self._fetched(plan, name, key)) is not None:
                values[name] = waiting
        missing = [name for name in plan.keys if name not in values]
        last = list(plan.last)
        plain = [name for name in missing if name not in last]
        inside = [name for name in plain if plan.part(name).form == "checkpoint"]
        read = 0
        for names in (*([name] for name in plain if name not in inside), inside):
            if names:
                tell(_reading(plan, names, read, missing))
                read += plan.file_bytes(names)
                self._take(plan, names, values)
        if any(name in last for name in missing):
            tell(_reading(plan, last, read, missing, plan.late_addons))
            self._take(plan, last, values)
        return values

    def _take(self, plan: LoadPlan, names: list[str], values: dict[str, Any]) -> None:
        """Reads parts, puts addons on those that are read for them, and holds them.

        Raises:
            ModelError: One cannot be read, or its files are others than those that were digested.
        """
        ready = self._read(plan, names, values)
        for addon, changed in plan.changes:
            own = {name: ready[name] for name in changed if name in ready}
            ready |= addon.put_on(plan.facts, values, own) if own else {}
        for name in names:
            if not are_as_they_were(plan.marks(name) | plan.part(name).settings_marks):
                raise ModelError(
                    f"files of {name} of {plan.facts.name}, or of what is put on it, were changed since this run "
                    "looked at them; run it again."
                )
        values.update(ready)
        for name, value in ready.items():
            self._shelf.put(plan.keys[name], value, name, plan.marks(name))

    def _fetched(self, plan: LoadPlan, name: str, key: PartKey) -> Any | None:
        """A part that waits in RAM for the accelerator, moved there after making room."""
        if not plan.part(name).weights or key._replace(device="cpu") not in self._shelf.parts or is_ram(plan.home):
            return None
        self._shelf.make_room(plan.home, plan.memory([name]), set(plan.keys.values()))
        return self._shelf.fetch(key)

    def _read(self, plan: LoadPlan, names: list[str], held: Mapping[str, Any]) -> dict[str, Any]:
        """Reads parts and puts them on their device, after making room; where that fails, after letting all idle go."""
        keep = set(plan.keys.values())
        self._shelf.make_room(plan.home, plan.memory(names), keep)
        try:
            with ear():
                return self._read_now(plan, names, held)
        except ModelError as error:
            if error.__cause__ is None or not is_out_of_memory(error.__cause__):
                raise
        self._shelf.make_room(plan.home, None, keep)
        with ear():
            return self._read_now(plan, names, held)

    def _read_now(self, plan: LoadPlan, names: list[str], held: Mapping[str, Any]) -> dict[str, Any]:
        self.loads += len(names)
        model = plan.facts.name
        inside = [name for name in names if plan.part(name).form == "checkpoint"]
        own = [name for name in names if name not in inside]
        values = {name: read_part(plan.part(name), plan.dtype_of(name), model, plan.reading(name)) for name in own}
        if inside:
            absent = {name: None for name in plan.facts.sources if name != "scheduler"}
            values |= read_checkpoint(plan.facts, inside, {**absent, **held, **values}, plan.dtype)
        return {name: place(value, plan.home, f"{name} of {model}") for name, value in values.items()}


def _reading(plan: LoadPlan, names: list[str], read: int, missing: list[str], upon: tuple[str, ...] = ()) -> Reading:
    """Some parts are read: how much their files hold, and how much of all that is missing was read before them."""
    return Reading(plan.facts.name, tuple(names), upon, plan.file_bytes(names), read, plan.file_bytes(missing))
