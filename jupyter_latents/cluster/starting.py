"""Starts Ray, or joins a cluster of it, from a thread that lives as long: Ray's processes die with their starter."""

from __future__ import annotations

import atexit
import contextlib
import importlib
import importlib.util
import os
import secrets
import shutil
import socket
import sys
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import psutil

from jupyter_latents import stopping
from jupyter_latents.errors import SettingError
from jupyter_latents.paths import explain

__all__ = ["Connection"]

_ENVIRONMENT = {
    # What is smaller travels from process to process. The shared memory in its place ends this process as soon as it is
    # used after the head has ended.
    "RAY_max_direct_call_object_size": str(64 << 20),
    "RAY_task_rpc_inlined_bytes_limit": str(256 << 20),
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # everywhere: the one switch that has all of Ray listen on loopback alone
    "RAY_AUTH_MODE": "token",
}
_ALWAYS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_TQDM_PATCH_PRINT": "0",  # else Ray puts a print of its own in the place of Python's
    "RAY_gcs_rpc_server_reconnect_timeout_s": "86400",  # else Ray ends this process a minute after the head
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".",  # what Ray's own processes would print into cells; runs tell it themselves
}
_LOOK_SECONDS = 0.5
_HEAR_SECONDS = 0.2  # between two questions whether the run that waits is to end
_KNOCK_SECONDS = 10.0  # for the first answer of a cluster's head; Ray itself would try for a quarter of an hour
_LEAVE_SECONDS = 3.0  # for a cluster that is still looked for: nothing tells Ray to leave off
_LITTLE = 1 << 20  # bytes; with less room in its folder Ray does not start, and says that something timed out
_SILENT = 60  # no level of logging is that high


@dataclass(frozen=True, slots=True)
class Connection:
    """Ray, running.

    Attributes:
        ray: The library.
        address: Of the cluster's head; None where this process started workers on this machine alone.
        cpus: Cores of this machine that workers may use, where this process started them.
    """

    ray: Any
    address: str | None
    cpus: int = 0

    _keeper: ClassVar[_Keeper | None] = None
    _left: ClassVar[_Keeper | None] = None
    _users: ClassVar[list[_User]] = []
    _starting: ClassVar[threading.Lock] = threading.Lock()

    @classmethod
    def start(cls, address: str | None) -> Connection:
        """Starts Ray on this machine, or joins a cluster.

        Args:
            address: Of the head; None for this machine.

        Raises:
            SettingError: Ray is not installed or cannot be started, nothing answers at the address, it is another
                version, or this process has another cluster already.
            StoppedError: The run that waits is to end; Ray goes on starting, and who asks next takes it.
        """
        with cls._starting:
            if cls._keeper is not None and cls._keeper.address != address:
                cls.end()
            if cls._left is not None and cls._left.is_looking:
                raise SettingError(
                    f"Ray still looks for the cluster at {cls._left.address} and cannot be told to leave off: start "
                    "the kernel again."
                )
            if cls._keeper is None:
                ray = _library(address)
                if ray.is_initialized():
                    raise SettingError(
                        "this process uses Ray for something else already; call ray.shutdown() first, or run this "
                        "notebook's cells in another kernel."
                    )
                cls._keeper = _Keeper(ray, address)
            try:
                cls._keeper.wait()
            except SettingError:
                cls._keeper = None
                raise
            return cls(cls._keeper.ray, address, _cpus())

    @classmethod
    def use(cls, close: Callable[[], object], lose: Callable[[], object]) -> None:
        """Names what uses Ray: who asks Ray for anything after its end ends the process.

        Args:
            close: Called before Ray ends; returns once nobody asks any more.
            lose: Called when Ray is found to have ended.
        """
        cls._users.append(_User(close, lose))

    @classmethod
    def full(cls) -> str:
        """The folder of this machine to which Ray can write nothing more, since its disk is full; empty without."""
        return "" if cls._keeper is None else cls._keeper.full

    @classmethod
    def lose(cls) -> None:
        """Ray is found to have ended."""
        for user in tuple(cls._users):
            user.lose()

    @classmethod
    def end(cls) -> None:
        """Ends Ray, or leaves the cluster, after all who use it; nothing where there is none."""
        keeper, cls._keeper = cls._keeper, None
        users, cls._users = cls._users, []
        for user in users:
            user.close()
        if keeper is not None:
            keeper.end()
            cls._left = keeper


@dataclass(frozen=True, slots=True)
class _User:
    """What uses Ray; see `Connection.use`."""

    close: Callable[[], object]
    lose: Callable[[], object]


def _library(address: str | None) -> Any:
    """Ray, imported with what its processes are to know."""
    if importlib.util.find_spec("ray") is None:
        raise SettingError(
            'workers need Ray, which is not installed: pip install "jupyter-latents[cluster]", and start the kernel '
            "again."
        )
    if address is None and "ray" in sys.modules and not _ENVIRONMENT.keys() <= os.environ.keys():
        raise SettingError(
            "Ray was imported in this process already, for something else or for a cluster at an address, and reads "
            "its settings then: start the kernel again and run %dgen --executor ray before anything imports Ray."
        )
    os.environ.update(_ALWAYS)
    if address is None:
        for name, value in _ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        if os.environ["RAY_AUTH_MODE"] == "token" and "RAY_AUTH_TOKEN_PATH" not in os.environ:
            os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))  # else Ray writes one into the home folder
    return importlib.import_module("ray")


def _cpus() -> int:
    """Cores that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1


class _Keeper:
    """The thread that holds Ray.

    Attributes:
        ray: The library.
        address: See `Connection`.
    """

    def __init__(self, ray: Any, address: str | None) -> None:
        self.ray, self.address = ray, address
        self._end, self._begun = threading.Event(), threading.Event()
        self._errors: list[BaseException] = []
        self._folder = _own_folder() if address is None else None
        self._place = self._folder or ""
        self._thread = threading.Thread(target=self._keep, name="jupyter-latents-ray", daemon=True)
        self._thread.start()
        atexit.register(Connection.end)

    def wait(self) -> None:
        """Waits until Ray is there.

        Raises:
            SettingError: It cannot be started or joined.
            StoppedError: The run that waits is to end.
        """
        while not self._begun.wait(_HEAR_SECONDS):
            stopping.check()
        for error in self._errors:
            full = self.full
            self.end()
            raise SettingError(_why(error, self.address, full)) from error

    @property
    def full(self) -> str:
        """See `Connection.full`."""
        with contextlib.suppress(OSError):  # it is gone, or never was on this machine
            if self._place and shutil.disk_usage(self._place).free < _LITTLE:
                return str(Path(self._place).parent)
        return ""

    @property
    def is_looking(self) -> bool:
        """Whether Ray has neither begun nor failed yet."""
        return self._thread.is_alive() and not self._begun.is_set()

    def _keep(self) -> None:
        own = {"_temp_dir": self._folder, "num_cpus": _cpus(), "include_dashboard": False}
        door = ""
        try:
            _knock(self.address)
            context = self.ray.init(
                **(own if self.address is None else {"address": self.address}),
                log_to_driver=False,
                logging_level=_SILENT,
                namespace=f"jupyter-latents-{os.getpid()}-{secrets.token_hex(4)}",
            )
            door = str(context.address_info.get("raylet_socket_name", ""))
            self._place = self._place or str(context.address_info.get("session_dir", ""))
        except BaseException as error:  # noqa: BLE001 - raised by who waits
            self._errors.append(error)
        self._begun.set()
        while not self._end.wait(_LOOK_SECONDS):
            if door and not _is_open(door):
                Connection.lose()
                door = ""
        self.ray.shutdown()

    def end(self) -> None:
        """Ends Ray and deletes what it wrote; a second call does nothing."""
        atexit.unregister(Connection.end)
        self._end.set()
        self._thread.join(_LEAVE_SECONDS if self.address is not None and self.is_looking else None)
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None


def _own_folder() -> str:
    """A folder for what Ray writes; those of processes that were killed are deleted.

    Its sockets lie in it, whose names have at most about a hundred characters.
    """
    place = Path("/tmp")  # noqa: S108 - the shortest there is; the folder itself is one of our own
    place = place if place.is_dir() and os.access(place, os.W_OK) else Path(tempfile.gettempdir())
    for left in place.glob("jl-ray-*-*"):
        owner = left.name.split("-")[2]
        if owner.isdigit() and not psutil.pid_exists(int(owner)):
            shutil.rmtree(left, ignore_errors=True)
    return tempfile.mkdtemp(prefix=f"jl-ray-{os.getpid()}-", dir=place)


def _knock(address: str | None) -> None:
    """Sees that something answers at the address of a cluster.

    Raises:
        OSError: Nothing does.
    """
    if address is not None:
        host, _, port = address.rpartition(":")
        socket.create_connection((host.strip("[]"), int(port)), _KNOCK_SECONDS).close()


def _is_open(door: str) -> bool:
    """Whether Ray's own process on this machine still listens."""
    if not hasattr(socket, "AF_UNIX") or not door.startswith("/"):
        return True
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as knock:
        try:
            knock.connect(door)
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except OSError:
            return True  # it is busy
    return True


def _why(error: BaseException, address: str | None, full: str = "") -> str:
    """Why there is no Ray, in one sentence; `full` is the folder of a full disk that it was to write to."""
    if full:
        return f"Ray cannot be started on this machine: the disk of {full}, where it keeps its files, is full."
    text = str(error)
    if isinstance(error, OSError):
        text = f"nothing answers there ({explain(error)})." if address is not None else explain(error)
    first = next((line.strip() for line in text.splitlines() if line.strip()), type(error).__name__)
    if "ersion mismatch" in text:
        first = " ".join(line.strip() for line in text.splitlines() if line.strip())[:300]
    if address is None:
        return f"Ray cannot be started on this machine: {first}"
    return (
        f"the cluster at {address} cannot be joined: {first} Give the address that `ray start --head` printed, such as "
        "10.0.0.5:6379; Ray and Python must be of the same versions there and here."
    )
