"""Where the pages of a kernel ask what can be done after a run, and say which button was pressed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from anywidget import AnyWidget

from jupyter_latents.display.live import LiveScreen
from jupyter_latents.display.publishing import Placing, shell
from jupyter_latents.display.scripts import restart_script
from jupyter_latents.display.view import RunView
from jupyter_latents.display.widget import answer_on_the_asking_thread
from jupyter_latents.errors import JupyterLatentsError

if TYPE_CHECKING:
    from jupyter_latents.display.records.run_record import RunRecord
    from jupyter_latents.display.records.ways import Way
    from jupyter_latents.display.restart.again import Restart

__all__ = ["Port", "close_ports"]

_PLACELESS = "this page cannot show the run; run the cell by hand"
_PAST = "that is not possible any more: the variable holds something else"
_open: list[Port] = []


class RestartWidget(AnyWidget):
    """It is never drawn: its script answers the output of a run, which is a page without a kernel of its own."""

    _esm = restart_script()


class Port:
    """The buttons of one run; a kernel has those of the last one that ended before its time.

    Args:
        restart: Makes the tasks.
        record: The run.
        key: Tells its output from others.
    """

    def __init__(self, restart: Restart, record: RunRecord, key: str) -> None:
        self._restart, self._record, self._key = restart, record, key
        self._unplaced: dict[str, tuple[LiveScreen, Callable[[], None]]] = {}
        self.widget: Any = RestartWidget()
        answer_on_the_asking_thread(self.widget)
        self.widget.on_msg(lambda _, content, __: self._receive(content))
        self._events = getattr(shell(), "events", None)
        if self._events is not None:
            self._events.register("post_run_cell", self._ran)
        self.tell()

    @classmethod
    def open(cls, restart: Restart, record: RunRecord, key: str) -> Port:
        """Offers the buttons of a run in place of those before.

        Args:
            restart: Makes the tasks.
            record: The run.
            key: Tells its output from others.
        """
        close_ports()
        _open.append(cls(restart, record, key))
        return _open[-1]

    def tell(self, said: str = "") -> None:
        """Tells the pages which buttons there are.

        Args:
            said: What came of the last one.
        """
        offered = [[way.kind, way.button, way.tip] for way in self._restart.possible(self._record)]
        placing = self._restart.start is None
        self.widget.send({"key": self._key, "ways": offered, "placing": placing, "said": said})

    def close(self) -> None:
        """Takes the buttons away."""
        if self in _open:
            _open.remove(self)
        if self._events is not None:
            self._events.unregister("post_run_cell", self._ran)
        self._leave_unplaced()
        layout = self.widget.layout
        self.widget.close()
        layout.close()

    def _ran(self, *_: Any) -> None:
        """Variables may have changed."""
        self.tell()

    def _receive(self, content: object) -> None:
        found = content if isinstance(content, dict) else {}
        kind, placed = found.get("cmd"), found.get("placed")
        if kind == "ask":
            self.tell()
        elif isinstance(placed, str) and placed in self._unplaced:
            self._placed(placed, done=found.get("done") is True)
        elif kind in ("again", "onward"):
            self._press(kind)

    def _placed(self, display_id: str, *, done: bool) -> None:
        """The page has made a place for a run, or could not."""
        screen, begin = self._unplaced.pop(display_id)
        if done:
            begin()
        else:
            screen.close()
            self.tell(_PLACELESS)

    def _press(self, kind: str) -> None:
        way = next((way for way in self._restart.possible(self._record) if way.kind == kind), None)
        if way is None:
            self.tell(_PAST)
            return
        try:
            self._restart.session.check(self._restart.task_of(self._record, way).script)
            if self._restart.start is None:
                self._place(way)
            else:
                self._restart.start(self._restart.task_of(self._record, way), self._restart)
                self.tell("it runs")
        except JupyterLatentsError as error:
            self.tell(error.message)

    def _place(self, way: Way) -> None:
        """Has the page make a place for the run, which starts when it has one: what nobody sees cannot be stopped."""
        restart = self._restart
        task, cell = restart.task_of(self._record, way), restart.cell(self._record, way)
        view = RunView(**restart.settings)

        def begin() -> None:
            view.attach(restart.session.start(task, view), replace(restart, task=task))
            self.tell("it runs below")

        def place(bundle: Mapping[str, Any], display_id: str) -> None:
            new = f"%%dgen\n{cell}".rstrip("\n") if way.kind == "onward" else ""
            self.widget.send({"key": self._key, "place": dict(bundle), "cell": new, "id": display_id})

        screen = LiveScreen(view, placing=Placing(place))
        self._leave_unplaced()
        self._unplaced[screen.display_id] = screen, begin
        view.show_on(screen)

    def _leave_unplaced(self) -> None:
        """Lets go of what no page answered for."""
        for screen, _ in self._unplaced.values():
            screen.close()
        self._unplaced.clear()


def close_ports() -> None:
    """Takes the buttons of all runs away."""
    while _open:
        _open[-1].close()
