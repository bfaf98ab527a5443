"""The control panel: what it shows of its stages; what happens when its widgets are used stands in `control`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, MutableMapping
from functools import partial
from typing import Any

from jupyter_latents.engine import known_models, scheduler_names

from .choices import Choices
from .editor import StageEditor
from .fields import FIELDS
from .form import StageForm
from .front.maker import close_all
from .front.presses import Press
from .layout import PanelWidgets, StageRow
from .model import Mark, PanelModel
from .plans.knowledge import Knowledge
from .queue import Queue
from .variables import latents_of, pictures_of

__all__ = ["Face"]

_NAMED = 3  # stages at most whose faults are counted by name


class Face:
    """The list of stages, the editor of the chosen one, the script and the buttons.

    A stage has an editor of its own from when it is first looked at: a letter that comes late, after another stage was
    chosen, still goes to the stage that it was typed for.

    Attributes:
        widgets: All widgets.

    Args:
        model: The stages.
        known: What has been found out about them.
        names: The kernel's variables.
        editor: Makes the editor of a form.
        chosen: Is called with the number of a stage that is clicked.
    """

    def __init__(
        self,
        model: PanelModel,
        known: Knowledge,
        names: MutableMapping[str, Any],
        editor: Callable[[StageForm], StageEditor],
        chosen: Callable[[int], None],
    ) -> None:
        self.widgets = PanelWidgets()
        self._model, self._known, self._names = model, known, names
        self._make, self._chosen = editor, chosen
        self._sought: Mark | None = None  # the fault that is shown next
        self._last: Mark | None = None  # the one that was shown last
        self._rows: list[StageRow] = []
        self._editors: list[tuple[StageForm, StageEditor]] = []

    @property
    def editor(self) -> StageEditor:
        """The editor of the chosen stage."""
        form = self._model.form
        found = next((editor for own, editor in self._editors if own is form), None)
        if found is None:
            found = self._make(form)
            self._editors.append((form, found))
        return found

    def press(self, press: Press) -> None:
        """Puts in what was typed into fields before a button was clicked, and clicks it."""
        for _, editor in tuple(self._editors):
            editor.take_typed(press.typed)
        buttons = {**self.widgets.buttons, **self.editor.buttons}
        row = self._rows[press.index].button if 0 <= press.index < len(self._rows) else None
        button = row if press.button == "stage" else buttons.get(press.button)
        if button is not None and not button.disabled:
            button.click()

    def accept(self, form: StageForm, name: str, value: Any) -> None:
        """Notes that a change has been put into a form; see `StageEditor.accept`."""
        for own, editor in self._editors:
            if own is form:
                editor.accept(name, value)

    def waits(self, form: StageForm, name: str, value: Any) -> bool:
        """Whether a change is still to be put into a form; see `StageEditor.waits`."""
        return any(own is form and editor.waits(name, value) for own, editor in self._editors)

    def show_stages(self) -> None:
        """Shows the stages and the chosen one, and lets only those buttons be pressed that can do something."""
        marks, forms = self._known.marks(), self._model.forms
        for index in range(len(self._rows), len(forms)):
            self._rows.append(StageRow(partial(self._chosen, index), index))
        for row in self._rows[len(forms) :]:
            close_all(row.button)
        del self._rows[len(forms) :]
        for index, (row, form) in enumerate(zip(self._rows, forms, strict=True)):
            wrong = [mark.alone for mark in marks if mark.index == index]
            text = self._line(index, form, len(wrong))
            row.show(text, selected=index == self._model.selected, fault="\n".join(wrong))
        _put(self.widgets.stages, [row.button for row in self._rows])
        self.widgets.say_summary(self._summary(marks), self._to_fix(marks))
        self._show_form(marks)
        buttons, index = self.widgets.buttons, self._model.selected
        buttons["up"].disabled, buttons["down"].disabled = index == 0, index == len(forms) - 1

    def seek_fault(self) -> Mark | None:
        """Chooses the stage of the next wrong field, which has the focus when it is shown; None where none is wrong."""
        order = {row.name: place for place, row in enumerate(FIELDS)}

        def place(mark: Mark) -> tuple[int, int]:
            return mark.index, order.get(mark.field, -1)

        marks = sorted(self._known.marks(), key=place)
        later = [mark for mark in marks if self._last is not None and place(mark) > place(self._last)]
        self._last = self._sought = next(iter([*later, *marks]), None)
        if self._sought is not None:
            self._model.selected = self._sought.index
        return self._sought

    def name(self, index: int) -> str:
        """What a stage is called."""
        return self._model.forms[index].into or f"stage {index + 1}"

    def show_runs(self, queue: Queue) -> None:
        """Shows what runs and what waits, and says on the button what it does: it runs, queues, or leads to a fault.

        Args:
            queue: The kernel's runs.
        """
        going, said = queue.going, self.widgets.say_run
        self.widgets.say_queue(going, queue.names)
        if self._known.sure():
            text = _several(len(self._known.marks()), "field")
            said(f"Fix {text}", "Go to the next field to fix; nothing runs before", strong=False)
        elif going is not None:
            said("▶ Queue", f"Run all stages in the background, after {going.name}", strong=False)
        else:
            said("▶ Run", "Run all stages in the background", strong=not self._known.late)

    def show_choices(self) -> None:
        """Renews what there is to choose from."""
        latents = latents_of(self._names)
        used = [one.provenance.model for one in latents.values() if hasattr(one, "provenance")]
        made = [form.into for form in self._model.forms[: self._model.selected] if form.into]
        models = [*known_models(), *used, *(form.model for form in self._model.forms)]
        self.editor.propose(
            Choices(
                models=[name for name in dict.fromkeys(models) if name],
                schedulers=scheduler_names(),
                latents=list(dict.fromkeys([*made, *latents])),
                pictures=pictures_of(self._names),
            )
        )
        self.widgets.offer_latents([name for name, one in latents.items() if hasattr(one, "provenance")])

    def _show_form(self, marks: list[Mark]) -> None:
        index, form, editor = self._model.selected, self._model.form, self.editor
        editor.show(form, self._known.schedule(form))
        faults = {mark.field: mark.message for mark in marks if mark.index == index}
        editor.mark(faults)
        outlook = self._known.outlook(index)
        told = (
            faults.get("")
            or (outlook and outlook.text)
            or self._known.schedule(form).in_words(*self._window(index, form))
        )
        editor.tell(told, outlook.model if outlook is not None else "")
        _put(self.widgets.editor, [editor.box])
        self.widgets.paint(index)
        self.widgets.presses.fields = [one.model_id for one in (*editor.typed_in, self.widgets.text)]
        if self._sought is not None:
            control = editor.controls.get(self._sought.field)
            self._sought = None
            if control is not None:
                self.widgets.presses.focus(control.model_id)
        kept = [(own, one) for own, one in self._editors if any(own is other for other in self._model.forms)]
        for _, left in (pair for pair in self._editors if pair not in kept):
            close_all(left.box)
        self._editors = kept

    def close(self) -> None:
        """Closes all widgets, those of editors that are not shown too."""
        for _, editor in self._editors:
            close_all(editor.box)
        close_all(self.widgets.box)

    def _line(self, index: int, form: StageForm, wrong: int) -> str:
        start, end = self._window(index, form)
        told = _several(wrong, "field to fix") if wrong else f"steps {start}–{end}"
        return f"{self.name(index)}\n{form.model or 'no model'} · {told}"

    def _to_fix(self, marks: list[Mark]) -> str:
        """How many fields are to be fixed, and in which stages: ``6 fields to fix: 5 in base, 1 in final``."""
        text = _several(len(marks), "field to fix") if marks else ""
        counts = Counter(mark.index for mark in sorted(marks, key=lambda mark: mark.index))
        if not counts or len(self._model.forms) == 1:
            return text
        if len(counts) > _NAMED:
            return f"{text} in {len(counts)} stages"
        if len(counts) == 1:
            return f"{text} in {self.name(marks[0].index)}"
        return f"{text}: {', '.join(f'{count} in {self.name(index)}' for index, count in counts.items())}"

    def _summary(self, marks: list[Mark]) -> str:
        """What the stages come to: how many, and with no field wrong evaluations and hand-overs between them."""
        forms = self._model.forms
        made = [form.into for form in forms if form.into]
        parts = [(len(forms), "stage"), (sum(one.evaluations for one in self._known.outlooks()), "model evaluation")]
        parts.append((sum(form.latents in made for form in forms if form.latents), "hand-over"))
        if marks:
            del parts[1:]
        return " · ".join(_several(count, what) for count, what in parts if count)

    def _window(self, index: int, form: StageForm) -> tuple[int, int]:
        schedule, outlook = self._known.schedule(form), self._known.outlook(index)
        if outlook is not None and outlook.window is not None:
            return outlook.window
        return schedule.step_of_text(form.start, 0), schedule.step_of_text(form.end, schedule.steps)


def _several(count: int, what: str) -> str:
    """``1 stage``, ``2 fields to fix``."""
    first, _, rest = what.partition(" to ")
    return f"{count} {first}{'s'[count == 1 :]}{f' to {rest}' if rest else ''}"


def _put(box: Any, children: list[Any]) -> None:
    """Sets a box's children where they differ."""
    if list(box.children) != children:
        box.children = children
