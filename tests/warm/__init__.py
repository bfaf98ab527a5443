"""Processes that need not import torch, transformers and diffusers: forked from one that has.

Those imports are five seconds of a core in each kernel and each child of a test. `server.py` has made them and forks;
`client.py` is the process that a test starts in Python's place: streams, signals, folder, environment and exit code
are its own. Nothing of ours is imported before the fork. A process whose environment tells the libraries something
else than the server's starts as any other; so does every process of a test that is about imports.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

__all__ = ["KERNEL", "Command", "command", "serving", "write_kernelspec"]

KERNEL = "warm"
"""Name of the kernelspec."""

Command = Callable[..., list[str]]

_HERE = Path(__file__).parent
_ADDRESS = "WARM_SERVER"
_START_SECONDS = 120


def command(*arguments: str) -> list[str]:
    """``python`` with arguments, of which the first is ``-c`` or ``-m``."""
    return [sys.executable, "-I", "-S", str(_HERE / "client.py"), *arguments]


def write_kernelspec(data: Path) -> None:
    """Writes the kernelspec into a data folder of Jupyter's."""
    folder = data / "kernels" / KERNEL
    folder.mkdir(parents=True, exist_ok=True)
    argv = command("-m", "ipykernel_launcher", "-f", "{connection_file}")
    spec = {"argv": argv, "display_name": "Python 3 (warm)", "language": "python", "metadata": {"debugger": True}}
    (folder / "kernel.json").write_text(json.dumps(spec))


@contextmanager
def serving(folder: Path) -> Iterator[None]:
    """A server for the processes that are started meanwhile; those who name the same folder share it."""
    folder.mkdir(parents=True, exist_ok=True)
    address = folder / "server"
    with FileLock(folder / "lock"):
        try:
            held = _connected(address)
        except OSError:
            address.unlink(missing_ok=True)
            server = subprocess.Popen([sys.executable, str(_HERE / "server.py"), str(address)])
            held = _connected_soon(address, server)
    before = os.environ.get(_ADDRESS)
    os.environ[_ADDRESS] = str(address)
    try:
        yield
    finally:
        held.close()  # it ends with the last one who holds a connection
        os.environ.pop(_ADDRESS)
        if before is not None:
            os.environ[_ADDRESS] = before


def _connected(address: Path) -> socket.socket:
    held = socket.socket(socket.AF_UNIX)
    held.connect(str(address))
    return held


def _connected_soon(address: Path, server: subprocess.Popen[bytes]) -> socket.socket:
    deadline = time.monotonic() + _START_SECONDS
    while server.poll() is None and time.monotonic() < deadline:
        try:
            return _connected(address)
        except OSError:
            time.sleep(0.01)
    raise RuntimeError(f"the warm server did not start: {server.poll()}")
