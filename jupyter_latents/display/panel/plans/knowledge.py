"""What a panel has found out about its stages, and which of it still holds for the present text."""

from __future__ import annotations

from jupyter_latents.display.panel.form import StageForm
from jupyter_latents.display.panel.model import Mark, PanelModel
from jupyter_latents.engine import scheduler_names

from .outlook import Outlook, Schedule

__all__ = ["Knowledge"]

_KEPT = 50


class Knowledge:
    """Outlooks, schedules and the faults that only a plan or a run could find.

    Args:
        model: The stages that it is about.
    """

    def __init__(self, model: PanelModel) -> None:
        self._model = model
        self._text = ""
        self._outlooks: list[Outlook] = []
        self._late: tuple[str, list[Mark]] = ("", [])
        self._schedules: dict[tuple[str, ...], Schedule] = {}

    def learn(self, text: str, outlooks: list[Outlook], marks: list[Mark]) -> None:
        """Keeps what a plan found.

        Args:
            text: The text that was planned, the model's own.
            outlooks: One a form.
            marks: Its faults that can only be seen so.
        """
        self._text, self._outlooks = text, outlooks
        self._late = (text, marks)
        for form, outlook in zip(self._model.forms, outlooks, strict=False):
            if outlook.schedule is not None:
                if len(self._schedules) >= _KEPT:
                    self._schedules.clear()
                self._schedules[_key(form)] = outlook.schedule

    def blame(self, mark: Mark) -> None:
        """Keeps a fault of the present text."""
        self._late = (self._model.text, [mark])

    def outlooks(self) -> list[Outlook]:
        """What is known of all forms; empty where the text has changed since."""
        return self._outlooks if self._text == self._model.text else []

    def sure(self) -> list[Mark]:
        """The faults that the present text has whatever is there at the run."""
        return self._model.marks(scheduler_names())

    @property
    def late(self) -> list[Mark]:
        """Those that a plan or a run found: what was not there then may be there now."""
        return self._late[1] if self._late[0] == self._model.text else []

    def marks(self) -> list[Mark]:
        """The faults of the present text."""
        marks, late = self.sure(), self.late
        places = {(mark.index, mark.field) for mark in marks}
        return [*marks, *(mark for mark in late if (mark.index, mark.field) not in places)]

    def outlook(self, index: int) -> Outlook | None:
        """What is known of a form, if the text has not changed since."""
        return self._outlooks[index] if self._text == self._model.text and index < len(self._outlooks) else None

    def schedule(self, form: StageForm) -> Schedule:
        """The schedule of a form; of its steps alone while its model's is not known."""
        return self._schedules.get(_key(form), Schedule.plain(form.step_count))

    def take_window(self, form: StageForm, start: int, end: int) -> None:
        """Puts the slider's steps into a form; the end that was not moved keeps its text."""
        schedule = self.schedule(form)
        if schedule.step_of_text(form.start, 0) != start:
            form.start = "" if start == 0 else schedule.fraction(start)
        if schedule.step_of_text(form.end, schedule.steps) != end:
            form.end = "" if end == schedule.steps else schedule.fraction(end)


def _key(form: StageForm) -> tuple[str, ...]:
    return form.model, form.scheduler, form.steps, form.size, form.more
