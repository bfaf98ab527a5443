"""What the hub is asked for: what a repository says of its model first, its weights after the verdict.

The hub is asked once, briefly, and only for what is not on this machine; a token goes to the hub and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from jupyter_latents.engine.models.places.names import SETTINGS, Wanted, not_found
from jupyter_latents.errors import ModelError
from jupyter_latents.wording import option

__all__ = ["SETTINGS", "HubFiles", "absence", "fetch", "files_of", "hub_is_off", "settings_of", "why"]

T = TypeVar("T")

_PROBE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class HubFiles:
    """Weight files of a repository that are not on this machine.

    Attributes:
        repository: The repository.
        names: Their paths in it.
    """

    repository: Wanted
    names: tuple[str, ...]

    def __str__(self) -> str:
        return f"{' and '.join(self.names)} of {self.repository.name} is not there"

    @property
    def readable(self) -> bool:
        """Whether their headers can be read without them."""
        return all(name.lower().endswith(".safetensors") for name in self.names)

    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        """Tensor name to shape, from the headers of the files: some kilobytes of each are fetched.

        Empty for files whose headers say nothing.

        Raises:
            ModelError: They cannot be read.
        """
        from huggingface_hub import HfApi
        from huggingface_hub.errors import SafetensorsParsingError

        wanted = self.repository
        if not self.readable:
            return {}

        def read() -> dict[str, tuple[int, ...]]:
            api = HfApi()
            heads = [
                api.parse_safetensors_file_metadata(wanted.name, name, revision=wanted.revision, token=wanted.token)
                for name in self.names
            ]
            return {name: tuple(info.shape) for head in heads for name, info in head.tensors.items()}

        try:
            return fetch(wanted, read)
        except SafetensorsParsingError as error:
            raise ModelError(f"{self} and is no whole .safetensors file: {error}", option=wanted.dest) from error

    def fetch(self) -> Path:
        """Fetches them and returns the path of the first.

        Raises:
            ModelError: They cannot be fetched.
        """
        from huggingface_hub import hf_hub_download

        wanted = self.repository

        def download() -> Path:
            got = [
                hf_hub_download(wanted.name, name, revision=wanted.revision, token=wanted.token) for name in self.names
            ]
            return Path(got[0])

        return fetch(wanted, download)


def settings_of(wanted: Wanted, folder: str = "") -> Path:
    """Fetches what a repository says of its model, no weights, and returns its folder.

    Args:
        wanted: The repository.
        folder: The folder in it that is looked at; empty for all of it.
    """
    from huggingface_hub import snapshot_download

    patterns = [f"{folder}/{pattern}" if folder else pattern for pattern in SETTINGS]
    return Path(snapshot_download(wanted.name, revision=wanted.revision, token=wanted.token, allow_patterns=patterns))


def files_of(wanted: Wanted) -> tuple[str, ...]:
    """The paths of all files of a repository.

    Raises:
        ModelError: The hub does not say.
    """
    from huggingface_hub import HfApi

    def ask() -> tuple[str, ...]:
        info = HfApi().model_info(wanted.name, revision=wanted.revision, timeout=_PROBE_SECONDS, token=wanted.token)
        return tuple(sorted(file.rfilename for file in info.siblings or ()))

    return fetch(wanted, ask)


def hub_is_off() -> bool:
    """Whether the hub may not be asked at all in this process."""
    from huggingface_hub import is_offline_mode

    return bool(is_offline_mode())


def fetch(wanted: Wanted, download: Callable[[], T]) -> T:
    """Fetches from the hub what is not here.

    Args:
        wanted: What it is.
        download: Fetches it.

    Raises:
        ModelError: The hub may not be asked, cannot be reached or does not give it.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HTTPError  # type: ignore[attr-defined]

    if wanted.offline or hub_is_off():
        raise absence(wanted)
    try:
        HfApi().model_info(wanted.name, revision=wanted.revision, timeout=_PROBE_SECONDS, token=wanted.token)
        return download()
    except (HTTPError, OSError, ValueError, RuntimeError) as error:
        raise not_found(wanted, why(error)) from error


def absence(wanted: Wanted) -> ModelError:
    """The error for what is not here where the hub is not asked; it may be there."""
    absent = not_found(wanted, "the hub is not asked (offline)")
    absent.unasked = not hub_is_off()
    return absent


def why(error: BaseException) -> str:
    """Why the hub did not give it, in words; its own messages can be long and are kept as the cause."""
    kind = type(error).__name__
    token = option("auth_token")
    words = {
        "GatedRepoError": f"its terms must be accepted on its page, and {token} given",
        "RepositoryNotFoundError": f"the hub has no such repository, or it is private and {token} is missing",
        "RevisionNotFoundError": "the hub has no such revision of it",
        "RemoteEntryNotFoundError": "the hub has no such file in it",
    }
    return words.get(kind, f"the hub could not be reached or did not give it ({kind})")
