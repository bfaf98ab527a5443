"""Where a model is and what its configuration says, before any weights load."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from jupyter_latents import demo
from jupyter_latents.engine.codec import space_of
from jupyter_latents.engine.digests import folder_digest
from jupyter_latents.engine.families import Family, family_of
from jupyter_latents.errors import ModelError, nearest
from jupyter_latents.latents.facts import Space
from jupyter_latents.stage import ModelSource

__all__ = ["ModelFacts", "cached_models", "describe", "known_models"]

_SKIPPED = ("safety_checker", "feature_extractor", "image_encoder")


@dataclass(frozen=True)
class ModelFacts:
    """What a model's folder says about it.

    Attributes:
        name: The name the stage gave.
        folder: Its diffusers folder.
        pipeline_class: ``_class_name`` of its ``model_index.json``.
        index: The whole ``model_index.json``.
        family: Its family's row.
    """

    name: str
    folder: Path
    pipeline_class: str
    index: Mapping[str, Any]
    family: Family

    def config(self, part: str) -> dict[str, Any]:
        """A part's configuration, empty when it has none."""
        for file in ("config.json", "scheduler_config.json"):
            path = self.folder / part / file
            if path.is_file():
                return dict(read_json(path))
        return {}

    @property
    def parts(self) -> dict[str, tuple[str, str]]:
        """Part name to (library, class) of every part that is there and used."""
        return {
            name: (entry[0], entry[1])
            for name, entry in self.index.items()
            if isinstance(entry, list) and len(entry) == 2 and entry[0] and name not in _SKIPPED
        }

    @cached_property
    def digests(self) -> dict[str, str]:
        """Part name to the digest of its files."""
        return {name: folder_digest(self.folder / name) for name in self.parts}

    @cached_property
    def digest(self) -> str:
        """Digest of the denoiser's files: what makes a model this model."""
        return self.digests.get("unet") or self.digests.get("transformer") or ""

    @property
    def scheduler(self) -> tuple[str, dict[str, Any]]:
        """Class name and configuration of the model's own scheduler."""
        return self.parts["scheduler"][1], self.config("scheduler")

    @cached_property
    def space(self) -> Space:
        """The latent space of its VAE."""
        return space_of(self.parts["vae"][1], self.config("vae"), self.digests["vae"])

    @property
    def default_size(self) -> tuple[int, int]:
        """(width, height) in pixels when nobody says."""
        sample = (self.config("unet") or {}).get("sample_size")
        if isinstance(sample, int):
            return sample * self.space.factor, sample * self.space.factor
        return self.family.default_size, self.family.default_size


def read_json(path: Path) -> Any:
    """A JSON file of a model.

    Raises:
        ModelError: Missing or damaged.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{path.name} of the model at {path.parent} cannot be read: {error}") from error


def cached_models() -> list[str]:
    """Names of the diffusers models in the hub's cache on this machine."""
    from huggingface_hub import constants

    root = Path(constants.HF_HUB_CACHE)
    found = root.glob("models--*/snapshots/*/model_index.json") if root.is_dir() else ()
    return sorted({path.parts[-4].removeprefix("models--").replace("--", "/") for path in found})


def known_models() -> list[str]:
    """Demo models and the models in the hub's cache."""
    return [*demo.MODELS, *cached_models()]


def describe(source: ModelSource) -> ModelFacts:
    """Finds a model and reads its configuration.

    Args:
        source: What the stage names.

    Raises:
        ModelError: Neither a demo model, a folder nor in the hub's cache, and not to be had from the hub.
    """
    folder = _folder(source)
    if source.subfolder:
        folder = folder / source.subfolder
    index_path = folder / "model_index.json"
    if not index_path.is_file():
        raise ModelError(f"{source.name} has no model_index.json at {folder}: it is no diffusers model folder.")
    index = read_json(index_path)
    pipeline_class = str(index.get("_class_name", ""))
    return ModelFacts(source.name, folder, pipeline_class, index, family_of(pipeline_class))


def _folder(source: ModelSource) -> Path:
    if source.name in demo.MODELS:
        return demo.path(source.name)
    if source.name.startswith("demo/"):
        raise ModelError(f"no demo model {source.name!r}{nearest(source.name, demo.MODELS)} The demo models are {', '.join(demo.MODELS)}.")
    path = Path(source.name).expanduser()
    if path.is_dir():
        return path
    if source.name.startswith((".", "/", "~")) or source.name.count("/") != 1:
        raise _not_found(source, "")
    return _from_hub(source)


def _from_hub(source: ModelSource) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    where = {"revision": source.revision, "token": source.auth_token}
    try:
        folder = Path(snapshot_download(source.name, local_files_only=True, **where))
        if (folder / "model_index.json").is_file():
            return folder
    except (LocalEntryNotFoundError, ValueError):
        folder = None
    if source.offline or os.environ.get("HF_HUB_OFFLINE", "").lower() in ("1", "true", "yes", "on"):
        raise _not_found(source, " and the hub is not asked (offline)")
    from diffusers import DiffusionPipeline

    try:
        return Path(DiffusionPipeline.download(source.name, variant=source.variant, **where))
    except (HfHubHTTPError, OSError, ValueError) as error:
        raise _not_found(source, f" and the hub did not give it ({type(error).__name__})") from error


def _not_found(source: ModelSource, reason: str) -> ModelError:
    known = known_models()
    return ModelError(
        f"model {source.name!r} is neither a demo model, a folder nor in the hub's cache on this machine{reason}"
        f"{nearest(source.name, known)} Known here: {', '.join(known)}. For use without network, fetch it once where there is one: "
        f"hf download {source.name}"
    )
