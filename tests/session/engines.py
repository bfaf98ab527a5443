"""Engines that are not the session's own: in another process, and of another machine."""

from __future__ import annotations

import pickle
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Client, Connection, Listener
from pathlib import Path
from typing import Any

from jupyter_latents.engine import Course, Engine, Given, Inputs, ModelCard, Observer, PartRow, Reading, StageResult

from jupyter_latents.engine import Look, Phase, StepEvent  # isort: skip
from jupyter_latents.stage import ModelSource, Stage
from tests.warm import Command


def say(end: Connection, value: object) -> None:
    """Sends plain pickles: a connection's own `send` would share the memory of tensors."""
    end.send_bytes(pickle.dumps(value))


def hear(end: Connection) -> Any:
    return pickle.loads(end.recv_bytes())  # noqa: S301 - from our own process


class Line:
    """One end of a line to an engine in another process; one question at a time."""

    def __init__(self, end: Connection) -> None:
        self._end, self._lock = end, threading.Lock()

    def ask(self, method: str, *given: Any, hears: Callable[[str, tuple[Any, ...]], Any] | None = None) -> Any:
        """Asks, answers what is asked back meanwhile, and returns the answer or raises the error."""
        with self._lock:
            say(self._end, (method, given))
            while True:
                kind, values = hear(self._end)
                if kind == "answer":
                    return values[0]
                if kind == "error":
                    raise values[0]
                if hears is not None:
                    say(self._end, hears(kind, values))

    def fetch(self, what: str) -> Any:
        """Asks for something of the step that is being told."""
        say(self._end, what)
        return hear(self._end)


@dataclass
class Remote:
    """Shows a step of the other process."""

    line: Line

    def preview(self, tiny: str | None = None) -> Any:
        return self.line.fetch("preview")

    def values(self) -> Any:
        return self.line.fetch("values")


class ChildEngine:
    """A local engine in a fresh process. All that goes there and comes back is pickled.

    Args:
        folder: Where its line is.
        python: Makes the command of that process; see `tests.warm`.
    """

    def __init__(self, folder: Path, python: Command) -> None:
        address = str(folder / "line")
        with Listener(address) as listener:
            command = python("-m", "tests.session.engines", address)
            self._process = subprocess.Popen(command, cwd=Path(__file__).parents[2])
            self._runs, self._beside = (Line(listener.accept()) for _ in range(2))

    def close(self) -> None:
        self._process.terminate()
        self._process.wait()

    def scope(self, tell: Callable[[str], None]) -> AbstractContextManager[object]:
        return nullcontext()

    def describe(self, model: ModelSource) -> ModelCard:
        return self._beside.ask("describe", model)

    def fetch(self, model: ModelSource) -> None:
        self._beside.ask("fetch", model)

    def prepare(self, stage: Stage, given: Given) -> Course:
        return self._beside.ask("prepare", stage, given)

    def numerics(self, model: ModelSource, spaces: Sequence[Any] = (), decoded: Sequence[Any] = ()) -> str | None:
        return self._beside.ask("numerics", model, spaces, decoded)

    def read_ahead(self, model: ModelSource, tell: Callable[[Reading], None]) -> bool:
        def hears(_kind: str, values: tuple[Any, ...]) -> None:
            tell(*values)

        return self._beside.ask("read_ahead", model, hears=hears)

    def run(
        self,
        stage: Stage,
        inputs: Inputs,
        observer: Observer,
        stopped: Callable[[], bool],
        stop_asked: Callable[[], bool],
    ) -> StageResult:
        return self._runs.ask("run", stage, inputs, hears=self._hears(observer, stopped, stop_asked))

    def run_together(
        self,
        stages: Sequence[Stage],
        observer: Observer,
        stopped: Callable[[], bool],
        stop_asked: Callable[[], bool],
    ) -> Iterator[StageResult]:
        yield from self._runs.ask("run_together", stages, hears=self._hears(observer, stopped, stop_asked))

    def _hears(
        self, observer: Observer, stopped: Callable[[], bool], stop_asked: Callable[[], bool]
    ) -> Callable[[str, tuple[Any, ...]], Any]:
        questions = {"stopped": stopped, "stop_asked": stop_asked}

        def hears(kind: str, values: tuple[Any, ...]) -> Any:
            if kind in questions:
                return questions[kind]()
            if kind == "step":
                observer.step(*values, Remote(self._runs))
            elif kind == "note":
                observer.note(values[0], warning=values[1])
            else:
                observer.phase(*values)
            return None

        return hears

    def decode(self, latents: Any, receiver: Any = None) -> list[Any]:
        return self._beside.ask("decode", latents, receiver)

    def preview(self, latents: Any) -> list[Any]:
        return self._beside.ask("preview", latents)

    def holdings(self) -> list[PartRow]:
        return self._beside.ask("holdings")

    def unload(self, name: str | None = None) -> int:
        return self._beside.ask("unload", name)


@dataclass
class Teller:
    """Tells the session's process what a run does, and waits until that has heard it."""

    end: Connection

    def ask(self, kind: str, *values: Any, look: Look | None = None) -> Any:
        say(self.end, (kind, values))
        while True:
            answer = hear(self.end)
            if look is None or answer not in ("preview", "values"):
                return answer
            say(self.end, getattr(look, answer)())

    def phase(self, phase: Phase) -> None:
        self.ask("phase", phase)

    def step(self, event: StepEvent, look: Look) -> None:
        self.ask("step", event, look=look)

    def note(self, text: str, *, warning: bool = False) -> None:
        self.ask("note", text, warning)

    def arguments(self, method: str) -> tuple[Any, ...]:
        """What else a method of the engine is given here."""
        if method == "read_ahead":
            return (lambda reading: self.ask("reading", reading),)
        return (self, lambda: self.ask("stopped"), lambda: self.ask("stop_asked")) if "run" in method else ()


def serve(address: str) -> None:
    """What the other process does: answers each line in a thread of its own."""
    import torch

    from jupyter_latents.engine import local_engine
    from jupyter_latents.settings import SETTINGS

    torch.set_num_threads(1)
    engine = local_engine(SETTINGS)
    threads = [threading.Thread(target=answer, args=(engine, Client(address))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def answer(engine: Engine, end: Connection) -> None:
    """Answers questions until the line is closed."""
    while True:
        try:
            method, given = hear(end)
        except EOFError:
            return
        try:
            found = getattr(engine, method)(*given, *Teller(end).arguments(method))
            say(end, ("answer", (list(found) if isinstance(found, Iterator) else found,)))
        except Exception as error:  # noqa: BLE001 - it is the other process's to judge
            say(end, ("error", (error,)))


FAR = "cuda:7"
"""An accelerator that this machine does not have."""


@dataclass
class FarEngine:
    """An engine of a machine that has more accelerators than this one; keeps what it is asked."""

    engine: Engine
    asked: list[str] = field(default_factory=list)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def ask(*given: Any) -> Any:
            self.asked.append(name)
            return getattr(self.engine, name)(*map(here, given))

        return ask


def here(value: Any) -> Any:
    """A question for the far machine as this one can answer it."""
    if isinstance(value, ModelSource) and value.device == FAR:
        return replace(value, device=None)
    if isinstance(value, Stage):
        return replace(value, model=here(value.model))
    return [here(item) for item in value] if isinstance(value, list) else value


if __name__ == "__main__":
    serve(sys.argv[1])
