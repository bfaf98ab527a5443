"""Stages are remembered: the same stage again, or one that only ends elsewhere, repeats no step.

A stage is known by everything that decides its steps except where it ends: weights, options, seed, inputs, libraries.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from jupyter_latents.engine import StageResult, run_rest
from jupyter_latents.errors import JupyterLatentsError, RunError
from jupyter_latents.optimizations import keeps_law
from jupyter_latents.paths import explain
from jupyter_latents.session.memory.identity import seal
from jupyter_latents.settings import SETTINGS, Settings
from jupyter_latents.stage import Stage

if TYPE_CHECKING:
    from jupyter_latents.engine import Inputs
    from jupyter_latents.session.memory.leads import Lead
    from jupyter_latents.session.memory.store import Store

__all__ = ["Memo", "continues"]


_LEADS = 256  # from so many on, those of results that have left are looked for


@dataclass(frozen=True, slots=True)
class _Entry:
    """A result and the checksum of what was in it when it was kept."""

    result: StageResult
    seal: int


class Memo:
    """Results of stages. Over the budget the oldest lose every second step, then more, and leave at last.

    Args:
        settings: Say how many bytes are kept.

    Attributes:
        store: Where results are kept on disk too, or None.
    """

    def __init__(self, settings: Settings = SETTINGS) -> None:
        self.settings = settings
        self.store: Store | None = None
        self._kept: OrderedDict[str, _Entry] = OrderedDict()
        self._leads: dict[str, tuple[str, int]] = {}  # a lead's key to that of a stage with it, and how far it goes
        self._most_leads = _LEADS
        self._lock = threading.RLock()  # a dry run looks while a background run keeps

    def run(
        self,
        key: str,
        stage: Stage,
        inputs: Inputs,
        go: Callable[[Stage, Inputs], StageResult],
        tell: Callable[[str], None] = lambda _: None,
        leads: Sequence[Lead] = (),
    ) -> StageResult:
        """A stage's result: kept, continued from what is kept, or run.

        Args:
            key: Digest of the stage; empty for one that is not remembered.
            stage: What is asked for.
            inputs: Its resolved inputs.
            go: Runs a stage.
            tell: Is told when the store cannot be written to, and when another process is waited for.
            leads: What it may have in common with others.
        """
        if not key:
            return go(stage, inputs)
        with self._alone(key, stage, tell):
            return self._run(key, stage, inputs, go, tell, leads)

    def _alone(self, key: str, stage: Stage, tell: Callable[[str], None]) -> AbstractContextManager[None]:
        """Keeps other processes on the same store from making a result that is to be made now; waits for them."""
        store = self.store
        if store is None or stage.force:
            return nullcontext()
        kept = self.find(key, stage)
        if kept is not None and kept.step_of(stage.window.end) <= _reach(kept):
            return nullcontext()
        return store.claims.holding(key, tell)

    def _run(
        self,
        key: str,
        stage: Stage,
        inputs: Inputs,
        go: Callable[[Stage, Inputs], StageResult],
        tell: Callable[[str], None],
        leads: Sequence[Lead],
    ) -> StageResult:
        before = self.find(key, stage)
        kept = None if stage.force else self._furthest(before, stage, leads)
        try:
            result = go(stage, inputs) if kept is None else _answer(kept, stage, inputs, go)
        except RunError as error:
            done = _done(error) if before is None and continues(stage) else None
            if done is not None:
                self._take(key, done, tell, anew=stage.force)
            raise
        if before is None or _reach(result) >= _reach(before) or (stage.force and not _agree(before, result)):
            self._take(key, result, tell, anew=stage.force)
            self._lead(key, result, leads, tell)
        return result

    def _lead(self, key: str, result: StageResult, leads: Sequence[Lead], tell: Callable[[str], None]) -> None:
        """Notes how far a kept result goes for others that begin as it does, in memory and in the store."""
        with self._lock:
            if len(self._leads) > self._most_leads:
                self._leads = {name: known for name, known in self._leads.items() if known[0] in self._kept}
                self._most_leads = max(_LEADS, 2 * len(self._leads))
            for lead in leads:
                end = min(lead.end, _reach(result))
                if end > self._leads.get(lead.key, (key, 0))[1]:
                    self._leads[lead.key] = (key, end)
        store = self.store
        if store is None:
            return
        try:
            for lead in leads:
                store.put_lead(lead.key, key, min(lead.end, _reach(result)))
        except JupyterLatentsError as error:
            tell(_refusal(store, error))

    def _furthest(self, own: StageResult | None, stage: Stage, leads: Sequence[Lead]) -> StageResult | None:
        """What is kept of a stage, or what it has in common with another one where that goes further."""
        if own is not None and own.step_of(stage.window.end) <= _reach(own):
            return own
        led = self._led(stage, leads)
        return led if led is not None and (own is None or _reach(led) > _reach(own)) else own

    def _led(self, stage: Stage, leads: Sequence[Lead]) -> StageResult | None:
        """The longest beginning of a stage that another one, kept in memory or in the store, has in common with it.

        Its last step is left out: the stage runs that itself, and its result says of all where it comes from.
        """
        for lead in reversed(leads) if continues(stage) else ():
            for key, end in self._known(lead):
                kept = self._sound(key) or self._stored(key)
                most = min(end, lead.end, kept.step_of(stage.window.end) - 1) if kept is not None else 0
                known = _up_to(kept, most) if kept is not None else None
                if known is not None and known.latents.resume is not None:
                    return known
        return None

    def _known(self, lead: Lead) -> list[tuple[str, int]]:
        """The stages that are known to begin so, and how far, the one that goes furthest first."""
        store = self.store
        with self._lock:
            found = [self._leads.get(lead.key), store.lead(lead.key) if store is not None else None]
        return sorted(dict.fromkeys(one for one in found if one is not None), key=lambda one: -one[1])

    def _stored(self, key: str) -> StageResult | None:
        """A result of the store, which memory then holds too."""
        stored = self.store.get(key) if self.store is not None else None
        if stored is not None:
            self._keep(key, stored)
        return stored

    def _take(self, key: str, result: StageResult, tell: Callable[[str], None], *, anew: bool) -> None:
        """Keeps a result in memory and in the store."""
        self._keep(key, result)
        store = self.store  # another thread may take it away
        if store is None:
            return
        try:
            store.put(key, result, anew=anew)
        except JupyterLatentsError as error:
            tell(_refusal(store, error))

    def find(self, key: str, stage: Stage) -> StageResult | None:
        """What is kept of a stage, in memory or in the store, whichever goes further where that matters.

        What somebody changed in place since it was kept is no answer any more.

        Args:
            key: Digest of the stage.
            stage: What is asked for.
        """
        kept, store = self._sound(key), self.store
        if store is None or (kept is not None and kept.step_of(stage.window.end) <= _reach(kept)):
            return kept
        stored = store.get(key)
        if stored is None or (kept is not None and _reach(kept) >= _reach(stored)):
            return kept
        self._keep(key, stored)
        return stored

    def foresee(self, key: str, stage: Stage, leads: Sequence[Lead] = ()) -> StageResult | None:
        """What would answer a stage, or be continued by it, if it ran now, as far as it is kept.

        Args:
            key: Digest of the stage; empty for one that is not remembered.
            stage: What is asked for.
            leads: What it may have in common with others.
        """
        kept = self._furthest(self.find(key, stage), stage, leads) if key and not stage.force else None
        if kept is None:
            return None
        wanted = kept.step_of(stage.window.end)
        known = _up_to(kept, wanted)
        return known if known is not None and (_reach(known) == wanted or continues(stage)) else None

    def _sound(self, key: str) -> StageResult | None:
        """A result in memory; none that was changed in place since: variables share its tensors."""
        with self._lock:
            kept = self._kept.get(key)
            if kept is None:
                return None
            if seal(kept.result) != kept.seal:
                del self._kept[key]
                return None
            self._kept.move_to_end(key)
            return kept.result

    def _keep(self, key: str, result: StageResult) -> None:
        with self._lock:
            self._kept[key] = _Entry(result, seal(result))
            self._kept.move_to_end(key)
            while len(self._kept) > 1 and self._bytes() > self.settings.trajectory_memory:
                self._make_room(key)

    def _bytes(self) -> int:
        return sum(_bytes(kept.result) for kept in self._kept.values())

    def _make_room(self, newest: str) -> None:
        held = ((key, kept.result.latents.trajectory) for key, kept in self._kept.items())
        oldest = next((key for key, steps in held if len(steps) > 2), None)
        if oldest is None or oldest == newest:
            self._kept.popitem(last=False)
        elif (whole := self._sound(oldest)) is not None:
            thinned = _thinned(whole)
            self._kept[oldest] = _Entry(thinned, seal(thinned))
            self._kept.move_to_end(oldest, last=False)


def _refusal(store: Store, error: JupyterLatentsError) -> str:
    """What is told of a store that cannot be written to: the same of every result, so that a run says it once."""
    cause = error.__cause__
    why = explain(cause) if isinstance(cause, OSError) else error.message.rstrip(".")
    return (
        f"the store {store.folder} did not take a result: {why}. The run goes on, and results are in memory; make room "
        "there, or give another store."
    )


def continues(stage: Stage) -> bool:
    """Whether a kept part of a stage may be gone on from: with a step cache that is another run than the whole one."""
    return keeps_law(stage.model.optimize)


def _answer(kept: StageResult, stage: Stage, inputs: Inputs, go: Callable[[Stage, Inputs], StageResult]) -> StageResult:
    """What a kept result says about the same stage with another end."""
    wanted = kept.step_of(stage.window.end)
    known = _up_to(kept, wanted)
    if known is not None and _reach(known) == wanted:
        return known
    if known is None or known.latents.resume is None or not continues(stage):
        return go(stage, inputs)
    return run_rest(known, stage, inputs, go)


def _up_to(kept: StageResult, step: int) -> StageResult | None:
    """A kept result as it was at the last kept step that is not beyond `step`; None where there is none."""
    if _reach(kept) <= step:
        return replace(kept, evaluations=0, stopped=False)
    before = [item for item in kept.latents.trajectory if item.position and item.position.step <= step]
    last = before[-1].position.step if before and before[-1].position else 0
    if last <= kept.span.start:
        return None
    latents = before[-1].replace(trajectory=tuple(before))
    return replace(kept, latents=latents, images=(), span=replace(kept.span, end=last), evaluations=0, stopped=False)


def _agree(longer: StageResult, result: StageResult) -> bool:
    """Whether a result that was forced is what a longer one, kept from before, says of the same step."""
    import torch

    known = _up_to(longer, _reach(result))
    return (
        known is not None
        and _reach(known) == _reach(result)
        and torch.equal(known.latents.tensor, result.latents.tensor)
    )


def _done(error: RunError) -> StageResult | None:
    """The steps that a run had done when it failed; without the last where only the decoding failed, to end in it."""
    partial = error.partial
    if not isinstance(partial, StageResult):
        return None
    return _up_to(partial, _reach(partial) - 1) if partial.latents.is_clean else partial


def _thinned(result: StageResult) -> StageResult:
    """A result with every second of its steps, the last one always."""
    steps = tuple(result.latents.trajectory)
    return replace(result, latents=result.latents.replace(trajectory=steps[::-2][::-1]))


def _reach(result: StageResult) -> int:
    return result.latents.position.step if result.latents.position is not None else 0


def _bytes(result: StageResult) -> int:
    """Bytes of a result's latents and steps; a step's history counts as much again."""
    kept = (*result.latents.trajectory, result.latents)
    return sum(3 * item.tensor.numel() * item.tensor.element_size() for item in kept)
