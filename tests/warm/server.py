"""Imports the libraries, and forks for each `client.py` that asks; ends with the last connection."""

from __future__ import annotations

import gc
import json
import os
import random
import runpy
import select
import signal
import socket
import sys
from contextlib import suppress
from importlib import import_module
from types import ModuleType
from typing import Any

LIBRARIES = """torch torch._dynamo scipy.stats sympy transformers.modeling_utils transformers.models.clip
transformers.image_processing_utils diffusers diffusers.models diffusers.loaders.single_file IPython zmq
tornado.ioloop jupyter_client ipykernel.kernelapp anywidget PIL.Image""".split()
"""What takes seconds; nothing of ours."""

TOLD = tuple("CUDA_ DIFFUSERS_ HF_ HOME HUGGINGFACE_ LD_ MKL_ OMP_ PYTHON PYTORCH_ TORCH TRANSFORMERS_ XDG_".split())
"""How the names of variables begin that Python and the libraries read when they start."""

ADDED = ("PYTHONPATH", "PYTHONBREAKPOINT", "TORCHINDUCTOR_CACHE_DIR")
"""What counts for nothing: where modules are found is read again after the fork, Ray and torch add the others."""

Asked = dict[str, Any]


def told(environment: dict[str, str]) -> dict[str, str]:
    """What an environment tells the libraries."""
    return {name: value for name, value in environment.items() if name.startswith(TOLD) and name not in ADDED}


class Server:
    """Who is connected, and the child that works for each."""

    def __init__(self, address: str, environment: dict[str, str]) -> None:
        self.told = told(environment)
        self.listening = socket.socket(socket.AF_UNIX)
        self.listening.bind(address)
        self.listening.listen(64)
        self.connected: dict[int, socket.socket] = {}
        """By the file descriptor of a connection, or of the child that works for it."""
        self.children: dict[socket.socket, int] = {}

    def serve(self) -> Asked | None:
        """Answers until nobody is connected; in a child, returns what was asked of it."""
        while True:
            ready, _, _ = select.select([self.listening, *self.connected], [], [])
            for one in ready:
                if one is self.listening:
                    connection, _ = self.listening.accept()
                    self.connected[connection.fileno()] = connection
                elif one in self.connected and (asked := self.hear(one)):
                    return asked
            if not self.connected:
                return None

    def hear(self, descriptor: int) -> Asked | None:
        """A request, the end of who asked, or the end of a child."""
        connection = self.connected[descriptor]
        if descriptor != connection.fileno():
            self.tell_end(descriptor, connection)
            return None
        length, streams = b"", list[int]()
        with suppress(ConnectionResetError):  # killed with an answer unread
            length, streams, _, _ = socket.recv_fds(connection, 8, 3)
        if length:
            asked = json.loads(read(connection, int.from_bytes(length, "big")))
            return self.begin(connection, {**asked, "streams": streams})
        del self.connected[descriptor]
        if connection in self.children:  # who asked was killed: so is what worked for it
            os.kill(self.children[connection], signal.SIGKILL)
        else:
            connection.close()
        return None

    def begin(self, connection: socket.socket, asked: Asked) -> Asked | None:
        child = 0
        if told(asked["env"]) == self.told:
            child = os.fork()
            if not child:
                self.let_go()
                return asked
            self.children[connection] = child
            self.connected[os.pidfd_open(child)] = connection
        for stream in asked["streams"]:
            os.close(stream)
        say(connection, child)
        return None

    def tell_end(self, descriptor: int, connection: socket.socket) -> None:
        _, status = os.waitpid(self.children.pop(connection), 0)
        del self.connected[descriptor]
        os.close(descriptor)
        if self.connected.pop(connection.fileno(), None):
            say(connection, status)
        connection.close()

    def let_go(self) -> None:
        """In a child: nothing stays open of what others are connected by."""
        self.listening.close()
        for descriptor in {*self.connected, *(one.fileno() for one in self.children)}:
            os.close(descriptor)


def say(connection: socket.socket, number: int) -> None:
    """Answers; who was killed meanwhile hears nothing, and its end is heard next."""
    with suppress(BrokenPipeError, ConnectionResetError):
        connection.sendall(number.to_bytes(8, "big"))


def read(connection: socket.socket, length: int) -> bytes:
    content = b""
    while len(content) < length:
        content += connection.recv(length - len(content))
    return content


def become(asked: Asked) -> None:
    """Makes a fork what ``python ARGV`` is, and does its work; it ends as any process does."""
    os.setsid()
    for place, stream in enumerate(asked["streams"]):
        os.dup2(stream, place)
        os.close(stream)
    os.chdir(asked["cwd"])
    os.environ.clear()
    os.environ.update(asked["env"])
    kind, what, *rest = asked["argv"]
    added = [part for part in os.environ.get("PYTHONPATH", "").split(os.pathsep) if part]
    sys.path[0:1] = [asked["cwd"] if kind == "-m" else "", *added]  # the first is this file's folder
    random.seed()
    sys.modules["numpy"].random.seed()
    sys.argv = [kind, *rest]
    if kind == "-m":
        runpy.run_module(what, run_name="__main__", alter_sys=True)
    else:
        main = sys.modules["__main__"] = ModuleType("__main__")
        exec(compile(what, "<string>", "exec"), main.__dict__)


if __name__ == "__main__":
    before = dict(os.environ)
    for library in LIBRARIES:  # some of them add to the environment
        import_module(library)
    server = Server(sys.argv[1], before)
    gc.collect()
    gc.freeze()
    asked_of_me = server.serve()
    if asked_of_me:
        become(asked_of_me)
