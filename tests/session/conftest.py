"""A session on tiny models, and scripts to run in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from jupyter_latents.engine.observer import Observer, Silent
from jupyter_latents.session import Plan, Session, Task
from jupyter_latents.session.process import Process
from jupyter_latents.session.runs.run import Run
from jupyter_latents.settings import SETTINGS
from jupyter_latents.syntax import Script
from tests.tiny.fixtures import one_thread, tiny  # noqa: F401

SECONDS = 120


class Notes(Silent):
    """Keeps what a run says."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def note(self, text: str, *, warning: bool = False) -> None:
        self.lines.append(text)


@dataclass
class Desk:
    """A session with the folders of tiny models as ``{sd15}`` and so on in its scripts."""

    models: Callable[[str], Path]
    session: Session = field(default_factory=Session)
    notes: Notes = field(default_factory=Notes)

    def text(self, text: str) -> str:
        for name in ("sd15", "sd2", "sdxl-refiner", "sdxl", "sd3", "flux2", "flux", "wan21", "wan22"):
            if f"<{name}>" in text:
                text = text.replace(f"<{name}>", str(self.models(name)))
        return text

    def start(self, text: str, observer: Observer | None = None) -> Run:
        self.notes = Notes()
        return self.session.start(Task(Script(self.text(text), 2)), observer or self.notes)

    def run(self, text: str, observer: Observer | None = None) -> Run:
        """Runs a script to its end; raises what it failed with."""
        run = self.start(text, observer)
        assert run.wait(SECONDS)
        if run.error is not None:
            raise run.error
        return run

    def plan(self, text: str) -> Plan:
        return self.session.plan(Task(Script(self.text(text), 2)))

    def __getitem__(self, name: str) -> Any:
        return self.session.names[name]


@pytest.fixture(scope="session")
def keeper() -> Process:
    """A process whose models stay loaded from test to test."""
    return Process()


def process_of(request: pytest.FixtureRequest) -> Process:
    """A process for a test.

    Where the module is marked ``kept_models``, its engine may hold models that were loaded before; a test that is
    marked ``kept_models(False)`` begins without any.
    """
    process = Process()
    marker = request.node.get_closest_marker("kept_models")
    if marker and marker.args != (False,):
        process._engine = request.getfixturevalue("keeper").engine(SETTINGS)
    return process


@pytest.fixture
def desk(
    tiny: Callable[[str], Path],  # noqa: F811
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> Desk:
    """A fresh session, as the first of its process; see `process_of`."""
    monkeypatch.setattr("jupyter_latents.session.session.PROCESS", process_of(request))
    return Desk(tiny)
