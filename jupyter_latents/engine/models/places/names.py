"""What models are called, and which of them are on this machine: demo models, folders, and the hub's cache."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from jupyter_latents import demo
from jupyter_latents.errors import ModelError, nearest
from jupyter_latents.paths import is_there, opened
from jupyter_latents.stage import ModelSource
from jupyter_latents.wording import hub_command, option

__all__ = [
    "MODULAR",
    "SETTINGS",
    "Wanted",
    "cached_folder",
    "cached_models",
    "cached_revisions",
    "download_line",
    "known_models",
    "not_found",
]

MODULAR = "modular_model_index.json"
"""What a folder of diffusers' modular pipelines has in the place of a ``model_index.json``."""

SETTINGS = ("*.json", "*.txt", "*.model", "*.jinja")
"""Files of a repository that say what a model is: configurations and vocabularies, no weights."""

_NEAR = 0.8
"""How alike names of models are that one may take for another: their owners and versions are, of many."""

_WEIGHTS = (".safetensors", ".ckpt", ".bin", ".pt", ".pth", ".gguf")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is looked for.

    Attributes:
        name: Demo model, folder, file, hub name or a link to a file on the hub.
        dest: The option that names it; None for the model itself.
        marks: Files that tell its folder, relative to it; one is enough. ``*.safetensors`` is any file of that ending.
        revision: Hub branch, tag or commit; None for ``main``.
        token: Hub token; never shown.
        offline: Never ask the hub.
        variant: Which of a model's weights; None for the plain ones.
    """

    name: str
    dest: str | None = None
    marks: tuple[str, ...] = ("model_index.json",)
    revision: str | None = None
    token: str | None = field(default=None, repr=False)
    offline: bool = False
    variant: str | None = None

    @staticmethod
    def model(source: ModelSource) -> Wanted:
        """The model of a stage."""
        marks = ("model_index.json", MODULAR)
        return Wanted(
            source.name,
            marks=marks,
            revision=source.revision,
            token=source.auth_token,
            offline=source.offline,
            variant=source.variant,
        )

    @property
    def what(self) -> str:
        """What it is to be, for messages."""
        return option(self.dest) if self.dest else "model"

    @property
    def is_repository(self) -> bool:
        """Whether the name can be one of the hub's."""
        return _is_repository(self.name)

    @property
    def on_hub(self) -> bool:
        """Whether the name is that of a repository, and of nothing on this machine."""
        return self.is_repository and self.name not in demo.MODELS and not is_there(opened(self.name))


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

    if not _is_repository(name):
        return None
    for mark in marks:
        inside, _, last = mark.rpartition("/")
        if last.startswith("*."):
            root = _snapshot(name, revision)
            held = root / inside if root is not None else None
            if held is not None and held.is_dir() and any(path.name.endswith(last[1:]) for path in held.iterdir()):
                return root
            continue
        found = try_to_load_from_cache(name, mark, revision=revision)
        if isinstance(found, str) and Path(found).is_file():
            return Path(found).parents[mark.count("/")]
    return None


def _snapshot(name: str, revision: str | None) -> Path | None:
    """The snapshot folder of a repository in the hub's cache, whatever is in it; the hub is not asked."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        return Path(snapshot_download(name, revision=revision, local_files_only=True))
    except LocalEntryNotFoundError:
        return None


def _is_repository(name: str) -> bool:
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined] # documented, but not in __all__

    if name.count("/") != 1:  # the hub knows names without an owner; here those are folders
        return False
    try:
        validate_repo_id(name)
    except HFValidationError:
        return False
    return True


def not_found(wanted: Wanted, reason: str = "") -> ModelError:
    """The error for a name that is nowhere, with what is known here and what to do."""
    name, what = wanted.name, wanted.what
    if not wanted.is_repository:
        known = [] if wanted.dest else known_models()
        hint = nearest(name, known, _NEAR)
        more = f" Known here: {', '.join(known)}." if known else ""
        return ModelError(
            f"{what} {name!r} is no folder or file in {Path.cwd()}{hint}{'' if hint.endswith('?') else '.'}{more}",
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
        here = cached_folder(name, wanted.marks, wanted.revision) is not None
        lacks = "files that this stage needs are missing" if here else f"none of {', '.join(wanted.marks)}"
        return ModelError(
            f"{what} {name!r} is only partly in the hub's cache on this machine ({lacks})"
            f"{f'; {reason}' if reason else ''}. Fetch the rest where there is a network: "
            f"{download_line(name, wanted.marks, wanted.variant)}",
            option=wanted.dest,
        )
    known = [] if wanted.dest else known_models()
    line = download_line(name, wanted.marks, wanted.variant)
    kinds = "a folder nor" if wanted.dest else "a demo model, a folder nor"
    return ModelError(
        f"{what} {name!r} is neither {kinds} in the hub's cache on this machine{f'; {reason}' if reason else ''}"
        f"{nearest(name, known, _NEAR) or '.'}{f' Known here: {_listed(known)}.' if known else ''} "
        f"For use without network, fetch it once where there is one: {line}",
        option=wanted.dest,
    )


def download_line(name: str, marks: Sequence[str], variant: str | None = None) -> str:
    """The line for a terminal that fetches of a repository what a stage reads, and not the same weights several times.

    Args:
        name: The repository.
        marks: The file that is wanted, or the files that tell the folder; of a model one is ``model_index.json``.
        variant: Which of the weights; None for the plain ones.
    """
    if len(marks) == 1 and Path(marks[0]).suffix.lower() in _WEIGHTS:
        return hub_command(f"{name} {marks[0]}")
    if "model_index.json" not in marks:
        return hub_command(name)
    chosen = f"*/*.{variant}*.safetensors" if variant else "*/*.safetensors"
    return hub_command(name, (*SETTINGS, chosen), () if variant else ("*.fp16*",))


def _listed(names: list[str]) -> str:
    return ", ".join(names)
