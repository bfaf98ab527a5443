"""Where model files are: demo models, folders, single files, the hub's cache, and the hub where it may be asked.

What is on this machine comes first. The hub is asked once, briefly, and only for what is not here; a token goes to
the hub and nowhere else.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from jupyter_latents import demo
from jupyter_latents.errors import ModelError, nearest
from jupyter_latents.paths import is_there, opened
from jupyter_latents.stage import ModelSource
from jupyter_latents.wording import option

__all__ = [
    "MODULAR",
    "SETTINGS",
    "Wanted",
    "cached_folder",
    "cached_models",
    "cached_revisions",
    "fetch",
    "find",
    "hub_is_off",
    "known_models",
    "not_found",
    "settings_of",
]

_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
_LINK = re.compile(
    r"https?://(?:www\.)?(?:huggingface\.co|hf\.co)/([\w.-]+/[\w.-]+)/(?:blob|resolve)/([^/]+)/([^?]+)(?:\?.*)?"
)
_PROBE_SECONDS = 5.0

SETTINGS = ("*.json", "*.txt", "*.model", "*.jinja")
"""Files of a repository that say what a model is: configurations and vocabularies, no weights."""
MODULAR = "modular_model_index.json"
"""What a folder of diffusers' modular pipelines has in the place of a ``model_index.json``."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is looked for.

    Attributes:
        name: Demo model, folder, file, hub name or a link to a file on the hub.
        dest: The option that names it; None for the model itself.
        marks: Files that tell its folder, relative to it; one is enough.
        revision: Hub branch, tag or commit; None for ``main``.
        token: Hub token; never shown.
        offline: Never ask the hub.
    """

    name: str
    dest: str | None = None
    marks: tuple[str, ...] = ("model_index.json",)
    revision: str | None = None
    token: str | None = field(default=None, repr=False)
    offline: bool = False

    @staticmethod
    def model(source: ModelSource) -> Wanted:
        """The model of a stage."""
        marks = ("model_index.json", MODULAR)
        return Wanted(
            source.name, marks=marks, revision=source.revision, token=source.auth_token, offline=source.offline
        )

    @property
    def what(self) -> str:
        """What it is to be, for messages."""
        return option(self.dest) if self.dest else "model"

    @property
    def is_repository(self) -> bool:
        """Whether the name can be one of the hub's."""
        return _REPOSITORY.fullmatch(self.name) is not None and ".." not in self.name


def cached_models() -> list[str]:
    """Names of the diffusers models in the hub's cache on this machine."""
    from huggingface_hub import constants

    root = Path(constants.HF_HUB_CACHE)
    found = root.glob("models--*/snapshots/*/model_index.json") if root.is_dir() else ()
    return sorted({path.parts[-4].removeprefix("models--").replace("--", "/") for path in found})


def known_models() -> list[str]:
    """Demo models and the models in the hub's cache."""
    return [*demo.MODELS, *cached_models()]


def cached_revisions(name: str) -> list[str]:
    """Revisions of a repository that are in the hub's cache: branches and tags first, then bare commits."""
    from huggingface_hub import constants

    home = Path(constants.HF_HUB_CACHE) / f"models--{name.replace('/', '--')}"
    refs = {path.relative_to(home / "refs").as_posix(): path for path in (home / "refs").rglob("*") if path.is_file()}
    commits = {path.read_text(encoding="utf-8").strip() for path in refs.values()}
    snapshots = home / "snapshots"
    bare = {path.name for path in snapshots.iterdir()} - commits if snapshots.is_dir() else set()
    return [*sorted(refs), *sorted(bare)]


def cached_folder(name: str, marks: Iterable[str], revision: str | None = None) -> Path | None:
    """The snapshot folder of a repository in the hub's cache that has one of the `marks`, or None."""
    from huggingface_hub import try_to_load_from_cache

    for mark in marks:
        found = try_to_load_from_cache(name, mark, revision=revision)
        if isinstance(found, str) and Path(found).is_file():
            return Path(found).parents[mark.count("/")]
    return None


def find(wanted: Wanted, download: Callable[[], Path]) -> Path:
    """The folder or file that a name means.

    Args:
        wanted: What is looked for.
        download: Fetches it from the hub and returns its folder; called where it is nowhere else.

    Raises:
        ModelError: It is nowhere.
    """
    name = wanted.name
    if name in demo.MODELS:
        return demo.path(name)
    if name.startswith("demo/"):
        hint = nearest(name, demo.MODELS) or "."
        raise ModelError(
            f"no demo model {name!r}{hint} The demo models are {', '.join(demo.MODELS)}.", option=wanted.dest
        )
    link = _LINK.fullmatch(name)
    if link:
        return _linked(wanted, *link.groups())
    if "://" in name:
        raise ModelError(
            f"{wanted.what} {name!r}: only links to files on the model hub are read; fetch it and give its path.",
            option=wanted.dest,
        )
    path = opened(os.path.expandvars(name))  # what is kept of a cell says $NAME where the cell did
    if is_there(path):
        return path
    if not wanted.is_repository:
        raise not_found(wanted)
    return cached_folder(name, wanted.marks, wanted.revision) or fetch(wanted, download)


def _linked(wanted: Wanted, name: str, revision: str, path: str) -> Path:
    from huggingface_hub import hf_hub_download

    folder = cached_folder(name, (path,), revision)
    if folder is not None:
        return folder / path
    repository = Wanted(name, wanted.dest, (path,), revision, wanted.token, wanted.offline)
    fetch(repository, lambda: Path(hf_hub_download(name, path, revision=revision, token=wanted.token)).parent)
    return Path(hf_hub_download(name, path, revision=revision, local_files_only=True))


def settings_of(name: str, revision: str | None = None, token: str | None = None) -> Path:
    """Fetches what a repository says of its model, no weights, and returns its folder."""
    from huggingface_hub import snapshot_download

    return Path(snapshot_download(name, revision=revision, token=token, allow_patterns=list(SETTINGS)))


def hub_is_off() -> bool:
    """Whether the hub may not be asked at all in this process."""
    from huggingface_hub import is_offline_mode

    return bool(is_offline_mode())


def fetch(wanted: Wanted, download: Callable[[], Path]) -> Path:
    """Fetches from the hub what is not here.

    Raises:
        ModelError: The hub may not be asked, cannot be reached or does not give it.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HTTPError  # type: ignore[attr-defined]

    if wanted.offline or hub_is_off():
        absent = not_found(wanted, "the hub is not asked (offline)")
        absent.unasked = not hub_is_off()
        raise absent
    try:
        HfApi().model_info(wanted.name, revision=wanted.revision, timeout=_PROBE_SECONDS, token=wanted.token)
        return download()
    except (HTTPError, OSError, ValueError, RuntimeError) as error:
        raise not_found(wanted, _why(error)) from error


def _why(error: BaseException) -> str:
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


def not_found(wanted: Wanted, reason: str = "") -> ModelError:
    """The error for a name that is nowhere, with what is known here and what to do."""
    name, what = wanted.name, wanted.what
    if not wanted.is_repository:
        known = [] if wanted.dest else known_models()
        hint = nearest(name, known)
        more = f" Known here: {', '.join(known)}." if known else ""
        return ModelError(
            f"{what} {name!r} is no folder or file here{hint}{'' if hint.endswith('?') else '.'}{more}",
            option=wanted.dest,
        )
    revisions = cached_revisions(name)
    if wanted.revision and revisions and wanted.revision not in revisions:
        return ModelError(
            f"{what} {name!r} is in the hub's cache, but not its revision {wanted.revision!r}"
            f"{f' ({reason})' if reason else ''}; here are {', '.join(revisions)}.",
            option=wanted.dest,
        )
    if revisions:
        return ModelError(
            f"{what} {name!r} is only partly in the hub's cache on this machine (none of {', '.join(wanted.marks)})"
            f"{f'; {reason}' if reason else ''}. Fetch the rest where there is a network: hf download {name}",
            option=wanted.dest,
        )
    known = [] if wanted.dest else known_models()
    kinds = "a folder nor" if wanted.dest else "a demo model, a folder nor"
    return ModelError(
        f"{what} {name!r} is neither {kinds} in the hub's cache on this machine{f'; {reason}' if reason else ''}"
        f"{nearest(name, known) or '.'}{f' Known here: {_listed(known)}.' if known else ''} "
        f"For use without network, fetch it once where there is one: hf download {name}",
        option=wanted.dest,
    )


def _listed(names: list[str]) -> str:
    return ", ".join(names)
