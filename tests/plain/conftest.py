"""Plain Python on the smallest demo model; each test has a session of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from jupyter_latents import session as sessions
from jupyter_latents.session import Session
from tests.tiny.fixtures import one_thread  # noqa: F401

SECONDS = 120
MODEL = "demo/scenes"
STEPS = 4


@pytest.fixture(autouse=True)
def session(monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    """The session of the process, with nothing remembered."""
    fresh = Session()
    monkeypatch.setattr(sessions, "current", lambda names=None: fresh)
    yield fresh
    assert not [run for run in fresh.executor.waiting if not run.wait(SECONDS)]
