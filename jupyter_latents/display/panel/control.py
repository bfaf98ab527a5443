"""The control panel: what happens when its widgets are used.

Handlers may come on the main thread or on a subshell's; plans and runs tell their results from threads of their own.
One lock lets them through one at a time, and none of them waits for a model.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from jupyter_latents.engine.models.find import known_models
from jupyter_latents.engine.schedule.table import scheduler_names
from jupyter_latents.errors import JupyterLatentsError, LatentsError, StoppedError
from jupyter_latents.syntax.script import Script

from .editor import Choices, StageEditor
from .knowledge import Knowledge
from .layout import PanelWidgets, StageRow, close_all
from .model import Mark, PanelModel
from .outlook import Outlook, Planner, look
from .rest import Clicks
from .results import Results, told
from .uploads import take_file
from .variables import latents_of, pictures_of, progress

if TYPE_CHECKING:
    from jupyter_latents.session import Session
    from jupyter_latents.session.runs import Run

    from .form import StageForm

__all__ = ["Panel"]


class Panel:
    """Widgets that make, check and run a script.

    Attributes:
        model: The stages, without widgets.
        closed: Whether it has been closed.

    Args:
        session: The kernel's session.
        model: What it begins with.
        left: Is called once when it is closed.
    """

    def __init__(self, session: Session, model: PanelModel, left: Callable[[Panel], None] = lambda _: None) -> None:
        self.model = model
        self.closed = False
        self._session, self._left = session, left
        self._lock = threading.RLock()
        self._known = Knowledge(model)
        self._asked = ""
        self._written: str | None = None
        self._clicks = Clicks()
        self._planner = Planner(self._plan)
        self.results = Results(session, self._run_ended)
        self.editor = StageEditor(self._edited, self._uploaded)
        self.widgets = PanelWidgets(self.editor.box)
        self._rows: list[StageRow] = []
        self._connect()
        self.refresh()

    def _connect(self) -> None:
        work: dict[str, Callable[[], None]] = {
            "add": self.model.add,
            "duplicate": self.model.duplicate,
            "up": lambda: self.model.move(-1),
            "down": lambda: self.model.move(1),
            "remove": self.model.remove,
            "stop": self._stop,
            "close": self.close,
            "fill": self._fill,
        }
        for name, act in work.items():
            self.widgets.buttons[name].on_click(lambda _, act=act: self._do(act))
        reading: dict[str, Callable[[], None]] = {
            "run": lambda: self._do(self._run),
            "dry_run": lambda: self._do(self._dry_run),
            "apply": self._apply,
        }
        for name, act in reading.items():
            self.widgets.buttons[name].on_click(lambda _, name=name, act=act: self._ask(name, act))

    @property
    def text(self) -> str:
        """The equivalent cell, without its ``%%dgen`` line."""
        return self.model.text

    def wait(self, timeout: float = 60) -> None:
        """Waits until what was clicked has begun, and the plan and the run that go on are shown.

        Args:
            timeout: Seconds at most, for each of them.
        """
        self._clicks.wait(timeout)
        self.results.wait(timeout)
        self._planner.wait(timeout)

    def close(self) -> None:
        """Closes its widgets; a run goes on."""
        with self._lock:
            if self.closed:
                return
            self.closed = True
            self._planner.close()
            self._left(self)
            close_all(self.widgets.box)

    def refresh(self) -> None:
        """Shows the model: text, fields, marks, what there is to choose from; asks for a new plan."""
        with self._lock:
            if self.closed:
                return
            text = self.model.text
            if text != self._written and not self._clicks.waits("apply"):
                self._write(text)
            self._show_choices()
            self._show_stages()
            if text != self._asked and text and not self.model.marks(scheduler_names()):
                self._asked = text
                self._planner.ask(text)

    def _write(self, text: str) -> None:
        """Writes the script anew; what a person wrote there stays until the forms change or it is applied."""
        self.widgets.say_text_error("")
        self.widgets.text.value = self._written = text

    # What people do.

    def _do(self, act: Callable[[], None]) -> None:
        """Does what a button asks for, and shows everything anew."""
        with self._lock:
            if self.closed:
                return
            self._apply_what_waits()
            try:
                act()
            except JupyterLatentsError as error:
                self.widgets.say(error.message, fault=True)
            self.refresh()

    def _ask(self, name: str, act: Callable[[], None]) -> None:
        """Does something that reads all fields once they have come."""
        with self._lock:
            if not self.closed:
                self._clicks.ask(name, act)
                self._show_buttons()

    def _apply_what_waits(self) -> None:
        """A text that waits to be applied comes before what is done after that click."""
        if self._clicks.cancel("apply"):
            self._apply()

    def _edited(self, name: str, value: Any) -> None:
        with self._lock:
            self._clicks.changed()
            self._apply_what_waits()
            self.editor.accept(name, value)
            if name == "window":
                self._set_window(*value)
            elif name == "latents":
                self.model.take_latents(value, progress(self._session.names.get(value)))
            else:
                setattr(self.model.form, name, value)
            self.refresh()

    def _set_window(self, start: int, end: int) -> None:
        """Takes the slider's steps; the end that was not moved keeps its text."""
        form = self.model.form
        schedule = self._known.schedule(form)
        if schedule.step_of_text(form.start, 0) != start:
            form.start = "" if start == 0 else schedule.fraction(start)
        if schedule.step_of_text(form.end, schedule.steps) != end:
            form.end = "" if end == schedule.steps else schedule.fraction(end)

    def _uploaded(self, name: str, file: str, content: bytes) -> None:
        def take() -> None:
            try:
                bound = take_file(self._session, file, content, latents=name == "latents")
            except JupyterLatentsError as error:
                self._known.blame(Mark(self.model.selected, name, error.message))
                return
            if name == "latents":
                self.model.take_latents(bound, progress(self._session.names[bound]))
            else:
                setattr(self.model.form, name, bound)
            self.widgets.say(f"{file} is bound to {bound}")

        self._do(take)

    def _select(self, index: int) -> None:
        with self._lock:
            self.model.selected = index
            self.refresh()

    def _apply(self) -> None:
        with self._lock:
            if self.closed:
                return
            try:
                self.model.apply(self.widgets.text.value)
            except JupyterLatentsError as error:
                self.widgets.say_text_error(str(error))
                return
            self._write(self.model.text)
            self.refresh()

    def _fill(self) -> None:
        known = {name: one for name, one in latents_of(self._session.names).items() if hasattr(one, "provenance")}
        if self.widgets.origin.value not in known:
            raise LatentsError("Choose latents in the list beside the button; they tell how they were made.")
        self.model.fill(known[self.widgets.origin.value], known)

    def _script(self) -> Script | None:
        """The script; None where a field is marked, which is then shown."""
        marks = self.model.marks(scheduler_names())
        if marks:
            self.model.selected = marks[0].index
            self.widgets.say(f"stage {marks[0].index + 1}: {marks[0].message}", fault=True)
            return None
        if not self.model.text:
            self.widgets.say("There is nothing to run; choose a model.", fault=True)
            return None
        return Script(self.model.text)

    def _run(self) -> None:
        script = self._script()
        if script is not None:
            self.widgets.say("running; the kernel is free meanwhile")
            self.results.start(script)

    def _stop(self) -> None:
        if self._clicks.cancel("run"):
            self.widgets.say("stopped before it began")
        else:
            self.results.stop()

    def _dry_run(self) -> None:
        script = self._script()
        if script is not None:
            self.widgets.say("planning")
            self.results.plan(script, self._planned)

    # What threads tell.

    def _planned(self, error: JupyterLatentsError | None) -> None:
        with self._lock:
            if not self.closed:
                self.widgets.say(error.message if error else "the plan; nothing was run", fault=error is not None)

    def _run_ended(self, run: Run) -> None:
        with self._lock:
            if self.closed or run is not self.results.run:
                return
            if isinstance(run.error, JupyterLatentsError):
                self._known.blame(self.model.mark(run.error))
            names = ", ".join(dict.fromkeys(form.into for form in self.model.forms if form.into in self._session.names))
            self.widgets.say(told(run) + (f"; bound: {names}" if names else ""), fault=run.error is not None)
            self._asked = ""
            self.refresh()

    def _plan(self, text: str) -> None:
        """Finds out what the stages will do; in the planner's thread."""
        with self._lock:
            if not self._is_current(text):
                return
            counts = self.model.counts()
        try:
            outlooks: list[Outlook] = look(self._session, text, counts, self._planner.check)
            failed: JupyterLatentsError | None = None
        except StoppedError:
            return  # the next question, or nobody, is answered
        except JupyterLatentsError as error:
            outlooks, failed = [], error
        with self._lock:
            if not self._is_current(text):
                return
            self._known.learn(text, outlooks)
            if failed is not None:
                self._known.blame(self.model.mark(failed))
            self._show_stages()

    def _is_current(self, text: str) -> bool:
        return not self.closed and text == self.model.text

    # What is shown.

    def _show_stages(self) -> None:
        marks = self._known.marks()
        forms = self.model.forms
        for index in range(len(self._rows), len(forms)):
            self._rows.append(StageRow(partial(self._select, index)))
        for row in self._rows[len(forms) :]:
            close_all(row.button)
        del self._rows[len(forms) :]
        for index, (row, form) in enumerate(zip(self._rows, forms, strict=True)):
            fault = next((mark.message for mark in marks if mark.index == index), "")
            row.show(self._line(index, form), selected=index == self.model.selected, fault=fault)
        buttons = [row.button for row in self._rows]
        if list(self.widgets.stages.children) != buttons:
            self.widgets.stages.children = buttons
        self._show_form(marks)

    def _show_form(self, marks: list[Mark]) -> None:
        index, form = self.model.selected, self.model.form
        self.editor.show(form, self._known.schedule(form))
        self.editor.mark({mark.field: mark.message for mark in marks if mark.index == index})
        outlook = self._known.outlook(index)
        self.editor.tell(outlook.told if outlook and outlook.told else self._window(index, form))
        self._show_buttons()

    def _show_buttons(self) -> None:
        buttons, index = self.widgets.buttons, self.model.selected
        busy = self.results.busy or self._clicks.waits("run")
        buttons["up"].disabled, buttons["down"].disabled = index == 0, index == len(self.model.forms) - 1
        buttons["stop"].disabled, buttons["run"].disabled = not busy, busy

    def _line(self, index: int, form: StageForm) -> str:
        name = f" → {form.into}" if form.into else ""
        return f"{index + 1}. {form.model or 'no model'}{name} · {self._window(index, form)}"

    def _window(self, index: int, form: StageForm) -> str:
        schedule, outlook = self._known.schedule(form), self._known.outlook(index)
        if outlook is not None and outlook.window is not None:
            return schedule.told(*outlook.window)
        return schedule.told(schedule.step_of_text(form.start, 0), schedule.step_of_text(form.end, schedule.steps))

    def _show_choices(self) -> None:
        latents, names = latents_of(self._session.names), self._session.names
        used = [one.provenance.model for one in latents.values() if hasattr(one, "provenance")]
        made = [form.into for form in self.model.forms[: self.model.selected] if form.into]
        models = [*known_models(), *used, *(form.model for form in self.model.forms)]
        self.editor.propose(
            Choices(
                models=[name for name in dict.fromkeys(models) if name],
                schedulers=scheduler_names(),
                latents=list(dict.fromkeys([*made, *latents])),
                pictures=pictures_of(names),
            )
        )
        self.widgets.offer_latents([name for name, one in latents.items() if hasattr(one, "provenance")])
