"""A stop is heard while Ray and its workers start, and what was begun serves who comes next."""

from __future__ import annotations

import importlib.util
import sys
import threading
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from jupyter_latents.cluster import starting
from jupyter_latents.cluster.crew import _answers
from jupyter_latents.cluster.starting import Connection
from jupyter_latents.errors import SettingError, StoppedError
from jupyter_latents.stopping import StopFlag, heeding


class SlowRay:
    """In Ray's place: it is there as soon as the gate opens."""

    def __init__(self, error: Exception | None = None) -> None:
        self.gate, self.error, self.started = threading.Event(), error, 0

    def init(self, **_: Any) -> Any:
        self.started += 1
        self.gate.wait()
        if self.error is not None:
            raise self.error
        return SimpleNamespace(address_info={})

    def is_initialized(self) -> bool:
        return self.started > 0

    def shutdown(self) -> None:
        self.started = 0


def test_ray_that_somebody_imported_before_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has read its settings; the door to its processes would not open."""
    monkeypatch.setitem(sys.modules, "ray", ModuleType("ray"))
    monkeypatch.delenv("RAY_AUTH_MODE", raising=False)
    monkeypatch.setattr(Connection, "_keeper", None)
    monkeypatch.setattr(importlib.util, "find_spec", lambda *_: object())
    with pytest.raises(SettingError, match=r"imported in this process already.*start the kernel again"):
        Connection.start(None)


def stopped() -> StopFlag:
    flag = StopFlag()
    flag.stop()
    return flag


def in_place(monkeypatch: pytest.MonkeyPatch, ray: SlowRay) -> SlowRay:
    monkeypatch.setattr(Connection, "_keeper", None)
    monkeypatch.setattr(Connection, "_users", [])
    monkeypatch.setattr(starting, "_library", lambda _address: ray)
    return ray


def test_a_stop_is_heard_while_ray_starts_and_the_next_start_takes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    ray = in_place(monkeypatch, SlowRay())
    try:
        with heeding(stopped()), pytest.raises(StoppedError):
            Connection.start(None)
        ray.gate.set()
        assert Connection.start(None).ray is ray
        assert ray.started == 1
    finally:
        ray.gate.set()
        Connection.end()
    assert ray.started == 0


def test_a_start_that_fails_is_tried_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    ray = in_place(monkeypatch, SlowRay(RuntimeError("no room")))
    ray.gate.set()
    for _ in range(2):
        with pytest.raises(SettingError, match="no room"):
            Connection.start(None)


def test_a_stop_is_heard_while_workers_start() -> None:
    def wait(asked: list[Any], **_: Any) -> tuple[list[Any], list[Any]]:
        return [], asked

    with heeding(stopped()), pytest.raises(StoppedError):
        _answers(SimpleNamespace(wait=wait, get=None), [1], "a worker did not start")
