"""All faults of a panel's stages at once: a plan stops at the first one of a stage, so it is asked again without it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from jupyter_latents.display.panel.model import Mark, PanelModel
from jupyter_latents.engine import known_models
from jupyter_latents.errors import JupyterLatentsError, NameNotFoundError, StoppedError

from .outlook import Outlook

__all__ = ["Found", "find"]

_INPUTS = ("latents", "image", "mask")
_ROUNDS = 6


@dataclass(frozen=True, slots=True)
class Found:
    """What a plan of the stages came to.

    Attributes:
        outlooks: One a form; empty where nothing could be planned.
        marks: The faults that only a plan sees.
    """

    outlooks: list[Outlook]
    marks: list[Mark]


def find(model: PanelModel, seen: Sequence[Mark], plan: Callable[[PanelModel], list[Outlook]]) -> Found:
    """Plans the stages, and where some are wrong plans the rest.

    Args:
        model: A copy of the stages, which is changed.
        seen: The faults that are known without a plan.
        plan: Plans stages.

    Raises:
        StoppedError: Nobody wants to know any more.
    """
    trial, marks, first = _Trial(model, {mark.index for mark in seen}), list[Mark](), list[Outlook]()
    for mark in seen:
        trial.leave_out(mark)
    for number in range(_ROUNDS):
        try:
            outlooks = plan(model)
        except StoppedError:
            raise
        except JupyterLatentsError as error:
            wrong = [(0, error)]
        else:
            wrong = [(index, one.error) for index, one in enumerate(outlooks) if one.error is not None]
            first = outlooks if number == 0 else first
        new = [(trial.mark(error, index), error) for index, error in wrong]
        marks += [mark for mark, error in new if trial.counts(mark, error) and mark not in marks]
        if not [mark for mark, _ in new if trial.leave_out(mark)]:
            break
    whole = [Outlook() if index in trial.seen else one for index, one in enumerate(first)]
    return Found(whole, marks)


class _Trial:
    """Stages that lose what is wrong with them, one field after the other.

    Args:
        model: The stages.
        seen: Those of which a fault is known before a plan.
    """

    def __init__(self, model: PanelModel, seen: set[int]) -> None:
        self.model, self.seen = model, seen
        self._changed: set[int] = set()
        self._lent: set[int] = set()  # stages with another model than theirs
        self._moved: set[int] = set()  # stages whose mask stands in their picture's place

    def mark(self, error: JupyterLatentsError, index: int) -> Mark:
        """Where an error belongs."""
        mark = self.model.mark(error, index)
        return replace(mark, field="mask") if mark.field == "image" and mark.index in self._moved else mark

    def counts(self, mark: Mark, error: JupyterLatentsError) -> bool:
        """Whether it is the person's fault: in a stage that has lost a field only what is not there at all is."""
        if mark.index not in self._changed:
            return True
        if mark.field == "model":
            return mark.index not in self._lent
        return mark.field in _INPUTS and isinstance(error, NameNotFoundError)

    def leave_out(self, mark: Mark) -> bool:
        """Takes what is wrong out of its stage; tells whether there was anything to take."""
        if not 0 <= mark.index < len(self.model.forms):
            return False
        form = self.model.forms[mark.index]
        before = copy.copy(form)
        if mark.field == "window":
            form.start = form.end = ""
        elif mark.field == "model":
            form.model = known_models()[0]
            self._lent.add(mark.index)
        elif mark.field == "image" and form.mask:
            form.image, form.mask = form.mask, ""
            self._moved.add(mark.index)
        elif mark.field == "mask" and mark.index in self._moved:
            form.image = ""
        elif mark.field:
            setattr(form, mark.field, "")
        if mark.field in _INPUTS:
            form.start = form.strength = ""
        self._changed.add(mark.index)
        return form != before
