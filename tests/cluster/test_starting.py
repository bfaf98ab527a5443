"""A stop is heard while Ray and its workers start, and what was begun serves who comes next."""

from __future__ import annotations

import importlib.util
import socket
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


def test_an_address_where_nothing_answers_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray itself tries for a quarter of an hour."""
    ray = in_place(monkeypatch, SlowRay())
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(SettingError, match=f"{address} cannot be joined: nothing answers there"):
            Connection.start(address)
    assert ray.started == 0


def test_the_end_waits_for_no_cluster_that_is_still_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process could not end before; what Ray finds later would take the next cluster's place."""
    ray = in_place(monkeypatch, SlowRay())
    monkeypatch.setattr(starting, "_knock", lambda _address: None)
    monkeypatch.setattr(starting, "_LEAVE_SECONDS", 0.1)
    monkeypatch.setattr(Connection, "_left", None)
    try:
        with heeding(stopped()), pytest.raises(StoppedError):
            Connection.start("10.0.0.5:6379")
        ender = threading.Thread(target=Connection.end, daemon=True)
        ender.start()
        ender.join(20)
        assert not ender.is_alive()
        with pytest.raises(SettingError, match=r"still looks .* 10\.0\.0\.5:6379 .*start the kernel"):
            Connection.start(None)
    finally:
        ray.gate.set()


def test_a_full_disk_is_the_reason_that_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray says that a node timed out."""
    in_place(monkeypatch, SlowRay(RuntimeError("The current node timed out during startup."))).gate.set()
    monkeypatch.setattr(starting.shutil, "disk_usage", lambda _folder: SimpleNamespace(free=8192))
    with pytest.raises(SettingError, match=r"the disk of .*, where it keeps its files, is full"):
        Connection.start(None)


def test_a_stop_is_heard_while_workers_start() -> None:
    def wait(asked: list[Any], **_: Any) -> tuple[list[Any], list[Any]]:
        return [], asked

    with heeding(stopped()), pytest.raises(StoppedError):
        _answers(SimpleNamespace(wait=wait, get=None), [1], "a worker did not start")
