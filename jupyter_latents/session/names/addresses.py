"""Files behind http and https addresses: a run fetches each once, and nothing else fetches any."""

from __future__ import annotations

import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from jupyter_latents.errors import NameNotFoundError, ScriptError
from jupyter_latents.session.plans.later import UnforeseenError
from jupyter_latents.stopping import check

__all__ = ["Addresses", "download"]

_SECONDS = 30
_BLOCK = 1 << 16


class Addresses:
    """The files that runs of this process fetched, by address."""

    def __init__(self) -> None:
        self._files: dict[str, Path] = {}

    def file(self, address: str) -> Path:
        """The file that an earlier run fetched; nothing is fetched.

        Args:
            address: An http or https address.

        Raises:
            UnforeseenError: No run fetched it yet.
        """
        if address not in self._files:
            raise UnforeseenError(f"judged at the run: {address} is fetched then")
        return self._files[address]

    def run(self) -> Callable[[str], Path]:
        """What fetches for one run: each address anew, and once."""
        fetched: set[str] = set()

        def fetch(address: str) -> Path:
            if address not in fetched:
                self._files[address] = download(address)
                fetched.add(address)
            return self._files[address]

        return fetch


def download(address: str) -> Path:
    """Fetches a file to a temporary folder, which lasts as long as the kernel.

    Args:
        address: An http or https address.

    Raises:
        NameNotFoundError: It cannot be fetched.
        ScriptError: It is no such address.
        StoppedError: The run is to end.
    """
    name = address.split("?", maxsplit=1)[0].rstrip("/").rsplit("/", 1)[-1] or "download"
    target = Path(tempfile.mkdtemp(prefix="jupyter-latents-")) / name
    if not address.startswith(("http://", "https://")):
        raise ScriptError(f"{address} is no http or https address.")
    try:
        with urllib.request.urlopen(address, timeout=_SECONDS) as reply, target.open("wb") as file:  # noqa: S310 - checked above
            while block := reply.read(_BLOCK):
                check()
                file.write(block)
    except (urllib.error.URLError, OSError) as error:
        raise NameNotFoundError(f"{address} cannot be fetched: {error}. Save it as a file and name that.") from error
    return target
