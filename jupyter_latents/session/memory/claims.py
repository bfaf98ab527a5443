"""Who makes a result that several processes want: the first to claim it; the others wait for what it leaves.

A claim is a small file beside the results. Whoever holds one touches it now and then. One that nobody touched for
`DEAD_SECONDS`, as the one who waits counts them, is dead and is taken over: clocks of two machines are never compared.
Where a claim cannot be written nobody waits for anybody: a result that is made twice is the same one twice.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil

from jupyter_latents import stopping
from jupyter_latents.threads import start_thread

__all__ = ["DEAD_SECONDS", "Claims"]

DEAD_SECONDS = 150.0
"""Without a touch for so long a claim is dead; more than the minute for which network file systems remember times."""

_TOUCH_SECONDS = 15.0
_LOOK_SECONDS = 0.25


class Claims:
    """The claims in the folder of a store.

    Args:
        folder: Where they lie.
        dead: Seconds without a touch after which a claim is dead.
        touch: Seconds between two touches of a claim that is held.
        clock: Seconds that only grow.
        pause: Waits so many seconds between two looks at another's claim.
    """

    def __init__(
        self,
        folder: Path,
        dead: float = DEAD_SECONDS,
        touch: float = _TOUCH_SECONDS,
        *,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._folder, self._dead, self._touch = folder, dead, touch
        self._clock, self._pause = clock, pause
        self._held: set[Path] = set()
        self._change = threading.Condition()

    @contextlib.contextmanager
    def holding(self, key: str, tell: Callable[[str], None] = lambda _: None) -> Iterator[None]:
        """Holds the claim to a result; waits while another holds it.

        Args:
            key: Digest of the stage.
            tell: Is told once where another process is waited for.

        Raises:
            StoppedError: The run that waits is to end.
        """
        path = self._folder / f"{key}.claim"
        if not self._take(path, tell):
            yield
            return
        self._keep(path)
        try:
            yield
        finally:
            self._let_go(path)

    def sweep(self) -> None:
        """Deletes the claims of processes of this machine that have ended."""
        for path in self._folder.glob("*.claim"):
            watched = _Watched(path, self._dead, self._clock)
            if watched.is_dead():
                _set_aside(path, watched.content)

    def _take(self, path: Path, tell: Callable[[str], None]) -> bool:
        """Whether the claim is ours now; not where none can be written there."""
        watched = _Watched(path, self._dead, self._clock)
        told = False
        while True:
            try:
                _write(path)
            except FileExistsError:
                pass
            except OSError:
                return False
            else:
                return True
            if watched.is_dead():
                _set_aside(path, watched.content)
                continue
            if not told and (owner := watched.owner):
                told = True
                tell(f"{owner} makes this result now; it is waited for")
            stopping.check()
            self._pause(_LOOK_SECONDS)

    def _keep(self, path: Path) -> None:
        with self._change:
            self._held.add(path)
            if len(self._held) == 1:
                start_thread(self._touch_all, "jupyter-latents-claims", self._wake)

    def _let_go(self, path: Path) -> None:
        with self._change:
            self._held.discard(path)
            self._change.notify_all()
        with contextlib.suppress(OSError):  # another took it for dead: theirs is no longer ours to delete
            if _owned(path):
                path.unlink(missing_ok=True)

    def _touch_all(self) -> None:
        with self._change:
            while self._held:
                for path in self._held:
                    with contextlib.suppress(OSError):
                        os.utime(path)
                self._change.wait(self._touch)

    def _wake(self) -> None:
        with self._change:
            self._held.clear()
            self._change.notify_all()


class _Watched:
    """Another's claim, as the one sees it who waits.

    Attributes:
        content: What it says; empty where it is gone.
    """

    def __init__(self, path: Path, dead: float, clock: Callable[[], float]) -> None:
        self._path, self._dead, self._clock = path, dead, clock
        self._seen: tuple[bytes, int] = (b"", 0)
        self._since = clock()
        self.content = b""

    def is_dead(self) -> bool:
        """Whether nobody holds it any more: its process is gone, or it was not touched for long."""
        try:
            seen = self._path.read_bytes(), self._path.stat().st_mtime_ns
        except OSError:
            self.content = b""
            return False  # gone just now
        now = self._clock()
        if seen != self._seen:
            self._seen, self._since = seen, now
        self.content = seen[0]
        return now - self._since >= self._dead or _is_gone(self._record)

    @property
    def _record(self) -> dict[str, object]:
        try:
            record = json.loads(self.content)
        except ValueError:
            return {}  # half written: its writer is at it, or died there
        return record if isinstance(record, dict) else {}

    @property
    def owner(self) -> str:
        """Who holds it, in words; empty where that is not known."""
        record = self._record
        return f"process {record['process']} on {record['host']}" if {"process", "host"} <= record.keys() else ""


def _me() -> dict[str, object]:
    return {"host": socket.gethostname(), "process": os.getpid(), "began": psutil.Process().create_time()}


def _write(path: Path) -> None:
    """Writes a claim where there is none.

    Raises:
        OSError: There is one, or none can be written.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        os.write(descriptor, json.dumps(_me()).encode())
    except OSError:
        path.unlink(missing_ok=True)
        raise
    finally:
        os.close(descriptor)


def _owned(path: Path) -> bool:
    return path.read_bytes() == json.dumps(_me()).encode()


def _is_gone(record: dict[str, object]) -> bool:
    """Whether a claim is of a process of this machine that has ended; another may bear its number since."""
    number, began = record.get("process"), record.get("began")
    if record.get("host") != socket.gethostname() or not isinstance(number, int) or not isinstance(began, float):
        return False
    try:
        return bool(abs(psutil.Process(number).create_time() - began) > 1.0)
    except psutil.NoSuchProcess:
        return True
    except psutil.Error:
        return False


def _set_aside(path: Path, content: bytes) -> None:
    """Deletes a dead claim; one that another has taken over meanwhile is put back.

    Of several that do so at once one moves it, and the others find it gone.
    """
    aside = path.with_name(f"{path.name}.{secrets.token_hex(6)}")
    with contextlib.suppress(OSError):
        path.rename(aside)
        if aside.read_bytes() != content:
            os.link(aside, path)
    with contextlib.suppress(OSError):
        aside.unlink(missing_ok=True)
