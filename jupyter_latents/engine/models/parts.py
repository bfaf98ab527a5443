"""A part of a model on disk: its class, its configuration, its weight files, before any of it is loaded."""

from __future__ import annotations

import inspect
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from jupyter_latents.engine.libraries.signatures import parameters_of
from jupyter_latents.engine.models.families import family_of
from jupyter_latents.engine.models.files.digests import (
    FileMark,
    file_digest,
    files_digest,
    marks_of,
    part_digest,
    settings_files,
)
from jupyter_latents.engine.models.files.index_rows import SKIPPED, is_pair
from jupyter_latents.engine.models.files.weights import (
    header,
    is_model_folder,
    missing_shards,
    value_count,
    variants,
    weight_files,
)
from jupyter_latents.engine.models.places.hub import HubFiles
from jupyter_latents.errors import ModelError
from jupyter_latents.wording import option

__all__ = ["PartSource", "class_of", "parts_of", "read_json", "with_defaults"]

_CONFIGURATIONS = ("config.json", "scheduler_config.json", "guider_config.json")


@dataclass(frozen=True)
class PartSource:
    """Where a part is and how it is read.

    Attributes:
        name: Its name in the pipeline.
        library: ``diffusers``, ``transformers`` or a package of ``diffusers.pipelines``.
        class_name: Its class.
        folder: Its configuration's folder.
        weights: Its weight files; empty for tokenizers, processors and schedulers.
        variant: The variant its files are of; None for plain ones.
        form: ``folder``; ``checkpoint`` when a model's single file holds it; ``file`` when a file of its own does.
        dtype: A dtype of its own, or None for the model's.
        prefixes: How the names of its tensors start in a ``checkpoint``.
        hub: Its weight files, where they are on the hub alone and are fetched after the verdict.
    """

    name: str
    library: str
    class_name: str
    folder: Path
    weights: tuple[Path, ...] = ()
    variant: str | None = None
    form: Literal["folder", "checkpoint", "file"] = "folder"
    dtype: str | None = None
    prefixes: tuple[str, ...] = ()
    hub: HubFiles | None = None

    @cached_property
    def config(self) -> Mapping[str, Any]:
        """Its configuration as written, empty when it has none.

        Raises:
            ModelError: Its file is damaged.
        """
        for file in _CONFIGURATIONS:
            path = self.folder / file
            if path.is_file():
                found = read_json(path)
                if not isinstance(found, Mapping):
                    raise ModelError(f"{file} of the model at {path.parent} holds no settings; fetch it again.")
                return dict(found)
        return {}

    @cached_property
    def marks(self) -> frozenset[FileMark]:
        """Of its weight files here, as they were before their digest was taken."""
        return marks_of(() if self.hub is not None else self.weights)

    @cached_property
    def settings_marks(self) -> frozenset[FileMark]:
        """Of its settings and vocabulary files, likewise; once they are read, they may change."""
        return marks_of(settings_files(self.folder))

    @cached_property
    def digest(self) -> str:
        """Digest of what it is read from: equal for equal parts of different models."""
        _ = self.marks, self.settings_marks  # first
        if self.form == "folder" or self.hub is not None:
            return part_digest(self.folder, () if self.hub is not None else self.weights)
        files = [(self.form if self.form == "file" else self.name, file_digest(path)) for path in self.weights]
        return files_digest([*files, ("settings", part_digest(self.folder))])

    @cached_property
    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        """Tensor name to shape of its weights; empty where their files do not tell without being loaded.

        Raises:
            ModelError: A weight file is damaged.
        """
        files = [path for path in self.weights if path.suffix == ".safetensors"]
        try:
            heads = [self.hub.shapes()] if self.hub is not None else [header(path) for path in files]
        except ModelError as error:
            raise ModelError(f"the {self.name} of the model cannot be loaded: {error.message}") from error
        found = (item for head in heads for item in head.items())
        return {name: shape for name, shape in found if name.startswith(self.prefixes or "")}

    @cached_property
    def values(self) -> int:
        """How many numbers its weights hold.

        Raises:
            ModelError: A weight file is damaged.
        """
        others = [] if self.hub is not None else [path for path in self.weights if path.suffix != ".safetensors"]
        return sum(map(math.prod, self.shapes.values())) + value_count(others)

    @property
    def lacking(self) -> str:
        """What of it is not on this machine, in words; empty when all is there."""
        if not self.folder.is_dir() or not any(self.folder.iterdir()):
            return f"{self.name} is not there"
        if self.form != "folder" or self.hub is not None or not is_model_folder(self.folder):
            return ""
        if not self.weights:
            have = sorted(variant for variant in variants(self.folder) if variant)
            others = f" but those of {option('variant')} {' and '.join(have)}" if have else ""
            return f"{self.name} has no weights{others}"
        shards = missing_shards(self.folder, self.variant)
        return f"{self.name} lacks {shards} of its weight files" if shards else ""


def read_json(path: Path) -> Any:
    """A JSON file of a model.

    Raises:
        ModelError: Missing or damaged.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(
            f"{path.name} of the model at {path.parent} cannot be read ({error}); fetch it again."
        ) from error


def parts_of(folder: Path, index: Mapping[str, Any], variant: str | None, model: str) -> dict[str, PartSource]:
    """The parts that a ``model_index.json`` names, without those that no stage uses.

    Raises:
        ModelError: A part's class is neither of diffusers nor of transformers: such code is never run.
    """
    found = {}
    used = ("image_encoder",) if family_of(str(index.get("_class_name")), index).sees else ()
    for name, entry in index.items():
        if (name in SKIPPED and name not in used) or not is_pair(entry):
            continue
        library, class_name = entry
        class_of(library, class_name, f"{name} of {model}")
        files = weight_files(folder / name, variant)
        own = variant if variant in variants(folder / name) else None
        found[name] = PartSource(name, library, class_name, folder / name, files, own)
    return found


def class_of(library: str, class_name: str, what: str) -> Any:
    """A part's class.

    Args:
        library: ``diffusers``, ``transformers`` or a package of ``diffusers.pipelines``.
        class_name: The class.
        what: Whose it is, for messages.

    Raises:
        ModelError: It is of no other library than these, or they do not have it.
    """
    import diffusers
    import transformers

    known = {"diffusers": diffusers, "transformers": transformers}
    module = known.get(library) or getattr(diffusers.pipelines, library, None)
    if module is None:
        raise ModelError(
            f"{what} is {library}.{class_name}, code that comes with the model. Only classes of diffusers and "
            "transformers are loaded; code of a model never runs here. Use a model without it."
        )
    found = getattr(module, class_name, None)
    if found is None:
        versions = f"diffusers {diffusers.__version__} and transformers {transformers.__version__}"
        raise ModelError(f"{what} is a {library}.{class_name}, which {versions} do not have; a newer version may.")
    return found


def with_defaults(part: PartSource, what: str) -> dict[str, Any]:
    """A part's configuration with its class's defaults for what is not written: old files leave out much."""
    parameters = parameters_of(class_of(part.library, part.class_name, what).__init__)
    defaults = {
        name: parameter.default
        for name, parameter in parameters.items()
        if parameter.default is not inspect.Parameter.empty
    }
    return {**defaults, **part.config}
