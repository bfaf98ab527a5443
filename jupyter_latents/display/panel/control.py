"""The control panel: what happens when its widgets are used.

Handlers may come on the main thread or on a subshell's; plans and runs tell their results from threads of their own.
One lock lets them through one at a time, and none of them waits for a model.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from jupyter_latents.errors import JupyterLatentsError

from .changes import Changes
from .editor import StageEditor
from .errands import Errands
from .face import Face
from .fields import worded
from .front.drops import ANYWHERE
from .front.presses import Press
from .layout import PanelWidgets
from .model import PanelModel
from .plans.forecast import Forecast
from .plans.knowledge import Knowledge
from .queue import Queue
from .rest import Clicks
from .results import Results, ending
from .script_field import ScriptField
from .whole import Whole

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
        self.queue = Queue(session, self._queue_changed, self._run_moved)
        self._face = Face(model, self._known, session.names, self._editor_of, self._select)
        self._field = ScriptField(self._face.widgets, model, self._typed)
        self._whole = Whole(model, self._face.widgets, self._field, self._changes, self._say)
        self._errands = Errands(model, self.results, self.queue, self._clicks, self._say)
        self._said = ""
        self._faulty: str | None = None  # the text that a fault was told of
        self._asked_to_close = False
        self._connect()
        self.refresh()

    def _connect(self) -> None:
        changing: dict[str, Callable[[], None]] = {
            "add": self.model.add,
            "duplicate": self.model.duplicate,
            "up": lambda: self.model.move(-1),
            "down": lambda: self.model.move(1),
            "remove": lambda: self._whole.replace(self.model.remove),
            "fill": lambda: self._whole.replace(lambda: self._changes.fill(self.widgets.origin.value)),
        }
        beside: dict[str, Callable[[], object]] = {
            "undo": self._whole.undo,
            "resume": self._errands.resume,
            "stop": self._errands.stop,
            "cancel": self._errands.cancel,
            "fix": self._face.seek_fault,
            "discard": self._whole.discard,
            "text": lambda: self.widgets.open("text"),
            "more": lambda: self.widgets.open("more"),
            "close": self._close,
        }
        reading: dict[str, Callable[[], None]] = {
            "run": lambda: self._do(lambda: self._unless_faulty(self._errands.run)),
            "dry_run": lambda: self._do(lambda: self._unless_faulty(lambda: self._errands.dry_run(self._planned))),
            "new_cell": lambda: self._do(lambda: self._whole.write_cell(self._wrote_cell), read=False),
            "apply": self._apply,
        }
        buttons = self.widgets.buttons
        for name, act in changing.items():
            buttons[name].on_click(lambda _, act=act: self._do(act))
        for name, work in beside.items():
            buttons[name].on_click(lambda _, work=work: self._do(work, read=False))
        for name, act in reading.items():
            buttons[name].on_click(lambda _, name=name, act=act: self._ask(name, act))
        self.widgets.on_picture(self._uploaded_whole)
        self.widgets.presses.on_press(self._press)

    def _press(self, press: Press) -> None:
        with self._lock:
            if not self.closed:
                self._field.take_typed(press.typed)
                self._face.press(press)

    def _editor_of(self, form: StageForm) -> StageEditor:
        return StageEditor(partial(self._edited, form), partial(self._uploaded, form), partial(self._last_seed, form))

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

    @property
    def typed(self) -> str:
        """What a person has typed as a script and no stage has taken in; empty where there is nothing."""
        return self._field.typed

    @property
    def left_text(self) -> str:
        """What stays when the panel goes: the equivalent cell, or what was typed in place of it."""
        return self._field.left

    def type_script(self, text: str) -> None:
        """Puts a text into the script's field as if it were typed, with what is wrong with it."""
        with self._lock:
            self._field.put(text)
            self._field.read(self._whole.keep)
            self.refresh()

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
            self._tell_text()
            if not self._clicks.waits("apply"):
                self._field.write()
            if self._faulty not in (None, self.model.text):
                self._say("")
            self._face.show_choices()
            self._show_stages()
            self._forecast.ask()

    def _tell_text(self) -> None:
        text = self.left_text
        if text != self._told:
            self._told = text
            self._changed(text)

    def _say(self, text: str, *, fault: bool = False) -> None:
        """Says a line; a fault is told until the stages are others."""
        self._faulty = self.model.text if fault else None
        self._said = text
        self.widgets.say(text, fault=fault)

    def _show_stages(self) -> None:
        self.queue.watch()
        self._face.show_stages()
        self._show_buttons()

    def _show_buttons(self) -> None:
        widgets, asked = self.widgets, self._clicks.waits("run")
        widgets.buttons["run"].disabled = asked
        self._face.show_runs(self.queue)
        widgets.let("resume", on=self.queue.paused)
        widgets.let("stop", on=asked or self.queue.running is not None)
        widgets.let("cancel", on=bool(self.queue.waiting))
        widgets.let("undo", on=self._whole.can_undo)
        widgets.let("discard", on=bool(self.typed))

    # What people do.

    def _do(self, act: Callable[[], object], *, read: bool = True) -> None:
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
                if read and self._field.read(self._whole.keep) is not None:
                    self._say(
                        "The cell text below was changed and cannot be read; fix it first, or discard it.", fault=True
                    )
                else:
                    act()
            except JupyterLatentsError as error:
                self._say(worded(error), fault=True)
            self.refresh()

    def _unless_faulty(self, act: Callable[[], None]) -> None:
        """Does something for which no field may be wrong, or leads to the next one that is."""
        if not self._known.sure():
            act()
        elif mark := self._face.seek_fault():
            stage = f"{self._face.name(mark.index)}: " if len(self.model.forms) > 1 else ""
            self._say(f"{stage}{mark.alone}", fault=True)

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

    def _edited(self, form: StageForm, name: str, value: Any) -> None:
        with self._lock:
            self._clicks.changed()
            if not self._face.waits(form, name, value):
                return
            self._clicks.cancel("apply")
            self._field.read(self._whole.keep)
            self._face.accept(form, name, value)
            self._changes.edit(form, name, value)
            self.refresh()

    def _typed(self) -> None:
        with self._lock:
            if not self.closed:
                self._tell_text()
                self._show_buttons()

    def _uploaded(self, form: StageForm, name: str, file: str, content: bytes) -> None:
        if name == ANYWHERE:
            self._uploaded_whole(file, content)
            return

        def take() -> None:
            if said := self._changes.upload(form, name, file, content):
                self._say(said)

        self._do(take)

    def _last_seed(self, form: StageForm) -> str:
        seed = self._changes.last_seed(form, self.results.run and self.results.run.result)
        if not seed:
            self._say("There is no result of this stage yet whose seed could be used again.")
        return seed

    def _select(self, index: int) -> None:
        with self._lock:
            if index < len(self.model.forms):
                self.model.selected = index
            self.refresh()

    def _apply(self) -> None:
        with self._lock:
            if not self.closed and self._field.read(self._whole.keep) is None:
                self.refresh()

    def _uploaded_whole(self, file: str, content: bytes) -> None:
        self._do(lambda: self._whole.open_picture(file, content))

    def _wrote_cell(self, done: bool) -> None:
        with self._lock:
            if not self.closed:
                self._whole.wrote_cell(done)

    def _close(self) -> None:
        if self._field.read(self._whole.keep) is not None and not self._asked_to_close:
            self._asked_to_close = True
            said = "The cell text below cannot be read as it stands. Close panel again leaves it as text; or fix it."
            self._say(said, fault=True)
            return
        self.close()

    # What threads tell.

    def _planned(self, error: JupyterLatentsError | None) -> None:
        with self._lock:
            if not self.closed:
                self._say(worded(error) if error else "the plan; nothing was run", fault=error is not None)

    def _queue_changed(self) -> None:
        with self._lock:
            if not self.closed:
                if self._said and self._said == self._errands.told:
                    self._errands.tell()
                self.refresh()

    def _run_moved(self) -> None:
        with self._lock:
            if not self.closed:
                self._face.show_runs(self.queue)

    def cell_ran(self) -> None:
        """A cell has run: there may be other variables, and what was missing may be there."""
        with self._lock:
            if self._known.late:
                self._forecast.forget()
            self.refresh()

    def _run_ended(self, run: Run) -> None:
        with self._lock:
            if self.closed:
                return
            if isinstance(run.error, JupyterLatentsError):
                self._known.blame(self.model.mark(run.error))
            if run.results or run.error is not None or run is self.results.run:
                self._say(ending(run), fault=run.error is not None)
            self._forecast.forget()
            self.refresh()
