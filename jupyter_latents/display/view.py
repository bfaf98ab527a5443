"""`RunView` shows one run: live in a notebook, as text in a terminal, as one output in a program's kernel."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, Protocol

from jupyter_latents.display.choice import choose_screen, shows_pictures
from jupyter_latents.display.records.previews import Previews
from jupyter_latents.display.records.run_record import RunRecord
from jupyter_latents.display.run_queue import RunQueue
from jupyter_latents.display.screens import Screen, shell
from jupyter_latents.engine import checked_preview_vae
from jupyter_latents.settings import SETTINGS
from jupyter_latents.threads import start_thread
from jupyter_latents.wording import visible

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from jupyter_latents.engine import ItemEvent, Look, Phase, StageResult, StepEvent, WorkerRow
    from jupyter_latents.latents.value import Latents
    from jupyter_latents.stage import Stage

__all__ = ["RunView", "Watched", "view_of"]

_SEND_SECONDS = 0.1  # between two updates that nobody asked for
_UNPUMPED_SECONDS = 0.6  # without a pump for so long, events send themselves
_GOING = ("queued", "running", "paused", "stopping")


class Watched(Protocol):
    """The part of a `jupyter_latents.session.runs.run.Run` that the view uses."""

    error: BaseException | None
    watcher: Any
    queue: Any

    @property
    def held(self) -> float:
        """Seconds for which it has been paused."""

    @property
    def state(self) -> str:
        """``queued``, ``running``, ``paused``, ``stopping``, ``stopped``, ``failed`` or ``done``."""

    def wait(self, timeout: float | None = None) -> bool:
        """Waits for its end; whether it has come."""

    def stop(self) -> None:
        """Ends it at the next step."""

    def pause(self) -> None:
        """Holds it after the present step."""

    def resume(self) -> None:
        """Lets it go on."""


class RunView:
    """Observes a run and shows it.

    The observer's methods are called from the run's thread and only record. `show` and `pump` send from the main
    thread; where nobody pumps (a background run) events send themselves, and the view finishes itself at the run's end.

    Args:
        preview_every: Make a preview every so many steps; 0 for none; None for at most five a second, and fewer or
            none where they would take more than a fiftieth of the time.
        preview_vae: A tiny autoencoder that makes the previews; None for what the settings say.
        verbose: Show every note as it comes, in a terminal too.
        size: Bytes that the final output may have; None for the settings' ``output_size``.
        bind: Binds a name, for "branch here"; None for the shell's namespace.
        tells_error: Whether to say what a run failed with; not where the waiting cell raises it.

    Raises:
        ModelError: The tiny autoencoder is not on this machine.
    """

    def __init__(
        self,
        preview_every: int | None = None,
        *,
        preview_vae: str | None = None,
        verbose: bool = False,
        size: int | None = None,
        bind: Callable[[str, Latents], None] | None = None,
        tells_error: bool = True,
    ) -> None:
        self.record = RunRecord()
        self.verbose = verbose
        self.size = SETTINGS.output_size if size is None else size
        self.bind = bind or _bind_in_shell
        self.tells_error = tells_error
        self.run: Watched | None = None
        self._previews = Previews(preview_every, checked_preview_vae(preview_vae), lambda: self._screens)
        self._lock = threading.RLock()
        self._pumped = self._sent = 0.0
        self._screens: list[Screen] = []
        self._finished = False

    def plan(self, stages: Sequence[Stage]) -> None:
        """Tells all stages that will come, for the bar and the time left; may be left out."""
        self.record.planned = tuple(stages)

    def attach(self, run: Watched) -> None:
        """Gives the run that Stop and Pause act on, and whose end ends the view."""
        self.run, run.watcher = run, self
        start_thread(lambda: self._watch(run), "view-of-run")

    def show(self, display_id: str | None = None) -> None:
        """Shows it, once more where it is shown already; from the main thread, or from a widget's handler.

        Args:
            display_id: The output to replace; a new one by default.
        """
        screen = choose_screen(self, display_id)
        with self._lock:
            screen.show()
            others = [other for other in self._screens if screen.shares and self._follows(other)]
            self._screens = [*others, screen]

    def pump(self) -> None:
        """Sends what is new; the waiting main thread calls it about ten times a second."""
        self._pumped = time.monotonic()
        self._send()

    def poke(self) -> None:
        """A command of the front end waits: it is answered here, unless someone pumps."""
        self._send_unpumped(force=True)

    def finish(self) -> None:
        """Replaces the output by its lasting form; a second call does nothing."""
        with self._lock:
            if self._finished:
                return
            partial = getattr(self.run.error, "partial", None) if self.run is not None else None
            self.record.end(self._last_state(), getattr(partial, "latents", None))
            if self.tells_error and self.run is not None and self.run.error is not None:
                self.record.error = visible(str(getattr(self.run.error, "message", self.run.error)).split("\n")[0])
            self._previews.fill_run(self.record)
            for screen in self._screens:
                screen.finish()
            self._finished = True  # only now: an interrupt on the way has the next call do it

    def _ipython_display_(self) -> None:
        self.show()

    def _display_(self) -> Any:
        """What marimo shows where a cell ends with it: a widget."""
        from jupyter_latents.display.marimo import MarimoScreen

        screen = MarimoScreen(self)
        with self._lock:
            screen.show()
            self._screens.append(screen)
        return screen.widget

    # The observer's methods, in the run's thread.

    def stage(self, _index: int, stage: Stage, name: str) -> None:
        """See `jupyter_latents.engine.observer.Observer.stage`."""
        with self._lock:
            if not self.record.stages:
                self.record.began = self._previews.begin()
            self.record.begin_stage(stage, name)
        self._send_unpumped(force=True)

    def phase(self, phase: Phase) -> None:
        """See `jupyter_latents.engine.observer.Observer.phase`."""
        with self._lock:
            self.record.held = self.run.held if self.run is not None else 0.0
            self.record.begin_phase(phase)
        self._send_unpumped(force=True)

    def step(self, event: StepEvent, look: Look) -> None:
        """See `jupyter_latents.engine.observer.Observer.step`."""
        point = self._previews.point(event, look, self.record)
        with self._lock:
            self.record.held = self.run.held if self.run is not None else 0.0
            self.record.add_step(point, event.span)
        self._send_unpumped()

    def note(self, text: str, *, warning: bool = False) -> None:
        """See `jupyter_latents.engine.observer.Observer.note`."""
        with self._lock:
            self.record.add_note(text, warning=warning)
        self._send_unpumped()

    def result(self, result: StageResult) -> None:
        """See `jupyter_latents.engine.observer.Observer.result`."""
        with self._lock:
            self.record.looks.pop(len(self.record.stages) - 1, None)
            self.record.add_result(result.latents, result.images, result.start, result.span, result.switches)
            self._previews.fill_stage(self.record)
        self._send_unpumped(force=True)

    def item(self, event: ItemEvent, workers: Sequence[WorkerRow], look: Look | None = None) -> None:
        """See `jupyter_latents.engine.observer.Observer.item`."""
        picture = self._previews.of_item(event, look, self.record) if look is not None else b""
        with self._lock:
            if not self.record.stages and not self.record.items:
                self.record.began = self._previews.begin()
            self.record.held = self.run.held if self.run is not None else 0.0
            self.record.items[event.index] = event
            self.record.workers = tuple(workers)
            if picture:
                self.record.looks[event.index] = picture
            elif event.state == "waiting":  # it begins anew; what has ended is shown so until its result is told
                self.record.looks.pop(event.index, None)
        self._send_unpumped()

    def _last_state(self) -> str:
        state = self.run.state if self.run is not None else "done"
        return {"stopping": "stopped", "running": "done", "paused": "done", "queued": "stopped"}.get(state, state)

    def _watch(self, run: Watched) -> None:
        """Keeps an unpumped view fresh, and finishes the view where nobody else does."""
        while not run.wait(_UNPUMPED_SECONDS):
            self._send_unpumped()
        while time.monotonic() - self._pumped < 2 * _UNPUMPED_SECONDS and not self._finished:
            time.sleep(_SEND_SECONDS)
        self.finish()

    def _send(self) -> None:
        with self._lock:
            screens = [screen for screen in self._screens if self._follows(screen)]
            if not screens:
                return
            if self.run is not None and self.run.state in _GOING:
                self.record.state = self.run.state
            self._sent = time.monotonic()
            queue = self.queue
            self.record.queue, self.record.ahead, self.record.held_up = queue.waiting, queue.ahead, queue.held_up
            for screen in screens:
                screen.update()

    def preview_each(self, *, on: bool) -> None:
        """Has each step's picture made from now on, or as before.

        Args:
            on: Whether each is.
        """
        self._previews.each(on=on)

    @property
    def queue(self) -> RunQueue:
        """The runs that wait, and the one that they wait for."""
        return RunQueue(self.run)

    def _follows(self, screen: Screen) -> bool:
        """Whether a screen has still something to show."""
        return screen.open or self.record.ended is None

    def _send_unpumped(self, *, force: bool = False) -> None:
        now = time.monotonic()
        unpumped = self._finished or now - self._pumped > _UNPUMPED_SECONDS
        if unpumped and (force or now - self._sent >= _SEND_SECONDS):
            self._send()


def view_of(latents: Latents, **settings: Any) -> RunView:
    """A view of what made latents, from their kept steps; it shows itself where a cell ends with it.

    Args:
        latents: Latents, with a trajectory where they have one.
        settings: See `RunView`.
    """
    from jupyter_latents.display.records.of_latents import record_of

    running = shell()
    names = dict(running.user_ns) if running is not None else {}
    name = next((name for name, value in names.items() if value is latents and not name.startswith("_")), "")
    view = RunView(**settings)
    view.record = record_of(latents, name, pictures=shows_pictures())
    return view


def _bind_in_shell(name: str, latents: Latents) -> None:
    from jupyter_latents.errors import SettingError

    running = shell()
    if running is None:
        raise SettingError("there is no IPython shell to bind a name in; use .at(step=...).")
    running.push({name: latents})
