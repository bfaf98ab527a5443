"""The control panel: what happens when its widgets are used.

Handlers may come on the main thread or on a subshell's; plans and runs tell their results from threads of their own.
One lock lets them through one at a time, and none of them waits for a model.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from jupyter_latents.engine import scheduler_names
from jupyter_latents.errors import JupyterLatentsError
from jupyter_latents.syntax.script import Script

from .changes import Changes
from .editor import StageEditor
from .face import Face
from .fields import worded
from .layout import PanelWidgets
from .model import PanelModel
from .plans.forecast import Forecast
from .plans.knowledge import Knowledge
from .presses import Press
from .rest import Clicks
from .results import Results, ending
from .script_field import ScriptField

if TYPE_CHECKING:
    from jupyter_latents.session import Session
    from jupyter_latents.session.runs.run import Run

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
        changed: Is called with the text when it is another.
    """

    def __init__(
        self,
        session: Session,
        model: PanelModel,
        left: Callable[[Panel], None] = lambda _: None,
        changed: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.model = model
        self.closed = False
        self._session, self._left, self._changed = session, left, changed
        self._told = model.text
        self._lock = threading.RLock()
        self._known = Knowledge(model)
        self._changes = Changes(session, model, self._known)
        self._clicks = Clicks()
        self._forecast = Forecast(session, model, self._known, self._lock, self._show_stages)
        self.results = Results(session, self._run_ended)
        self._face = Face(model, self._known, session.names, self._editor_of, self._select)
        self._field = ScriptField(self._face.widgets, model)
        self._faulty: str | None = None  # the text that a fault was told of
        self._connect()
        self.refresh()

    def _connect(self) -> None:
        work: dict[str, Callable[[], None]] = {
            "add": self.model.add,
            "duplicate": self.model.duplicate,
            "up": lambda: self.model.move(-1),
            "down": lambda: self.model.move(1),
            "remove": self.model.remove,
            "fill": lambda: self._changes.fill(self.widgets.origin.value),
        }
        for name, act in work.items():
            self.widgets.buttons[name].on_click(lambda _, act=act: self._do(act))
        self.widgets.buttons["stop"].on_click(lambda _: self._do(self._stop, read=False))
        self.widgets.buttons["close"].on_click(lambda _: self.close())
        reading: dict[str, Callable[[], None]] = {
            "run": lambda: self._do(self._run),
            "dry_run": lambda: self._do(self._dry_run),
            "apply": self._apply,
        }
        for name, act in reading.items():
            self.widgets.buttons[name].on_click(lambda _, name=name, act=act: self._ask(name, act))

        self.widgets.presses.on_press(self._press)

    def _press(self, press: Press) -> None:
        with self._lock:
            if not self.closed:
                self._field.take_typed(press.typed)
                self._face.press(press)

    def _editor_of(self, form: StageForm) -> StageEditor:
        return StageEditor(partial(self._edited, form), partial(self._uploaded, form))

    @property
    def widgets(self) -> PanelWidgets:
        """All its widgets."""
        return self._face.widgets

    @property
    def editor(self) -> StageEditor:
        """The editor of the stage that is shown."""
        return self._face.editor

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
        self._forecast.wait(timeout)

    def close(self) -> None:
        """Closes its widgets; a run goes on, and a script that was typed is taken in where it can be read."""
        with self._lock:
            if self.closed:
                return
            self._field.read()
            self.closed = True
            self._forecast.close()
            self._left(self)
            self._face.close()

    def refresh(self) -> None:
        """Shows the model: text, fields, marks, what there is to choose from; asks for a new plan."""
        with self._lock:
            if self.closed:
                return
            text = self.model.text
            if text != self._told:
                self._told = text
                self._changed(text)
            if not self._clicks.waits("apply"):
                self._field.write()
            if self._faulty not in (None, text):
                self._say("")
            self._face.show_choices()
            self._show_stages()
            self._forecast.ask()

    def _say(self, text: str, *, fault: bool = False) -> None:
        """Says a line; a fault is told until the stages are others."""
        self._faulty = self.model.text if fault else None
        self.widgets.say(text, fault=fault)

    def _show_stages(self) -> None:
        self._face.show_stages(busy=self._busy)

    @property
    def _busy(self) -> bool:
        return self.results.busy or self._clicks.waits("run")

    # What people do.

    def _do(self, act: Callable[[], None], *, read: bool = True) -> None:
        """Does what a button asks for, and shows everything anew.

        Args:
            act: Does it.
            read: Whether a script that was typed comes first; nothing is done while it cannot be read.
        """
        with self._lock:
            if self.closed:
                return
            self._apply_what_waits()
            try:
                if read and self._field.read() is not None:
                    self._say("The script below was changed and cannot be read; mend it first.", fault=True)
                else:
                    act()
            except JupyterLatentsError as error:
                self._say(worded(error), fault=True)
            self.refresh()

    def _ask(self, name: str, act: Callable[[], None]) -> None:
        """Does something that reads all fields once they have come."""
        with self._lock:
            if not self.closed:
                self._clicks.ask(name, act)
                self._face.show_buttons(busy=self._busy)

    def _apply_what_waits(self) -> None:
        """A text that waits to be applied comes before what is done after that click."""
        if self._clicks.cancel("apply"):
            self._apply()

    def _edited(self, form: StageForm, name: str, value: Any) -> None:
        with self._lock:
            self._clicks.changed()
            if not self._face.waits(form, name, value):
                return
            self._clicks.cancel("apply")
            self._field.read()
            self._face.accept(form, name, value)
            self._changes.edit(form, name, value)
            self.refresh()

    def _uploaded(self, form: StageForm, name: str, file: str, content: bytes) -> None:
        def take() -> None:
            if said := self._changes.upload(form, name, file, content):
                self._say(said)

        self._do(take)

    def _select(self, index: int) -> None:
        with self._lock:
            if index < len(self.model.forms):
                self.model.selected = index
            self.refresh()

    def _apply(self) -> None:
        with self._lock:
            if not self.closed and self._field.read() is None:
                self.refresh()

    def _script(self) -> Script | None:
        """The script; None where a field is marked, which is then shown."""
        marks = self.model.marks(scheduler_names())
        if marks:
            self.model.selected = marks[0].index
            self._say(f"stage {marks[0].index + 1}: {marks[0].message}", fault=True)
            return None
        if not self.model.text:
            self._say("There is nothing to run; choose a model.", fault=True)
            return None
        return Script(self.model.text)

    def _run(self) -> None:
        script = self._script()
        if script is not None:
            self._say("running; the kernel is free meanwhile")
            self.results.start(script)

    def _stop(self) -> None:
        if self._clicks.cancel("run"):
            self._say("stopped before it began")
        else:
            self.results.stop()

    def _dry_run(self) -> None:
        script = self._script()
        if script is not None:
            self._say("planning")
            self.results.plan(script, self._planned)

    # What threads tell.

    def _planned(self, error: JupyterLatentsError | None) -> None:
        with self._lock:
            if not self.closed:
                self._say(worded(error) if error else "the plan; nothing was run", fault=error is not None)

    def _run_ended(self, run: Run) -> None:
        with self._lock:
            if self.closed or run is not self.results.run:
                return
            if isinstance(run.error, JupyterLatentsError):
                self._known.blame(self.model.mark(run.error))
            names = ", ".join(dict.fromkeys(form.into for form in self.model.forms if form.into in self._session.names))
            self._say(ending(run) + (f"; bound: {names}" if names else ""), fault=run.error is not None)
            self._forecast.forget()
            self.refresh()
