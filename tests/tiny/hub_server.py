"""A small model hub on this machine: it serves folders, and keeps which files it gave."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

COMMIT = "0" * 40


@dataclass
class Hub:
    """What is served, and what was fetched of it.

    Attributes:
        folders: Repository name to its folder.
        fetched: Paths of the files that were given, in order.
        heads: Paths of the files of which a part was given.
        address: Where it is.
    """

    folders: dict[str, Path]
    fetched: list[str] = field(default_factory=list)
    heads: list[str] = field(default_factory=list)
    address: str = ""

    @property
    def weights(self) -> list[str]:
        """Those of the fetched files that hold weights."""
        return [path for path in self.fetched if path.endswith((".safetensors", ".bin"))]

    def files(self, name: str) -> dict[str, Path]:
        """Path in the repository to the file."""
        folder = self.folders[name]
        return {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}


@contextmanager
def serving(folders: dict[str, Path]) -> Iterator[Hub]:
    """Serves folders as repositories of a hub."""
    hub = Hub(folders)

    class Handler(_Handler):
        served = hub

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    served: Hub

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def log_message(self, *_: Any) -> None:
        pass

    def _answer(self, *, body: bool) -> None:
        path = unquote(urlsplit(self.path).path).strip("/")
        for name in sorted(self.served.folders, key=len, reverse=True):  # a name may begin with another
            if path.startswith(f"api/models/{name}/tree/"):
                return self._json([_entry(*one) for one in self.served.files(name).items()])
            if path.startswith(f"api/models/{name}"):
                siblings = [{"rfilename": file} for file in self.served.files(name)]
                return self._json({"id": name, "modelId": name, "sha": COMMIT, "siblings": siblings, "tags": []})
            if path.startswith(f"{name}/resolve/"):
                return self._file(name, path.removeprefix(f"{name}/resolve/").split("/", 1)[1], body=body)
        return self._end(404, b"", {"X-Error-Code": "RepoNotFound"})

    def _json(self, value: object) -> None:
        self._end(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _file(self, name: str, path: str, *, body: bool) -> None:
        file = self.served.files(name).get(path)
        if file is None:
            return self._end(404, b"", {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": COMMIT})
        content = file.read_bytes()
        headers = {"ETag": f'"{_oid(content)}"', "X-Repo-Commit": COMMIT}
        asked = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range") or "")
        if asked and body:
            self.served.heads.append(path)
            return self._end(206, content[int(asked[1]) : int(asked[2]) + 1], headers)
        if body:
            self.served.fetched.append(path)
        return self._end(200, content, headers)

    def _end(self, status: int, content: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for key, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)


def _entry(path: str, file: Path) -> dict[str, object]:
    content = file.read_bytes()
    return {"type": "file", "path": path, "size": len(content), "oid": _oid(content)}


def _oid(content: bytes) -> str:
    return hashlib.sha1(content, usedforsecurity=False).hexdigest()
