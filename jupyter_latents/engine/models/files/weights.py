"""Which files of a folder hold a part's weights, and how large they are: read from names and headers only."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from pathlib import Path

import safetensors

from jupyter_latents.errors import ModelError

__all__ = [
    "chosen_files",
    "header",
    "is_model_folder",
    "missing_shards",
    "value_count",
    "variants",
    "variants_of",
    "weight_files",
]

# model.safetensors, model.fp16.safetensors, model.fp16-00001-of-00002.safetensors and the older
# model-00001-of-00002.fp16.safetensors; the same with .bin.
_NAME = re.compile(
    r"(?:diffusion_pytorch_model|pytorch_model|model)(?:\.(?P<variant>\w+))?"
    r"(?:-(?P<shard>\d{5})-of-(?P<of>\d{5}))?(?:\.(?P<late>\w+))?\.(?P<kind>safetensors|bin)"
)


def _groups(names: Iterable[str]) -> dict[tuple[str | None, str], list[tuple[str, int]]]:
    """(variant, kind) to its files, each with the number of shards its name tells."""
    groups: dict[tuple[str | None, str], list[tuple[str, int]]] = {}
    for name in sorted(names):
        match = _NAME.fullmatch(name)
        if match:
            groups.setdefault((match["variant"] or match["late"], match["kind"]), []).append(
                (name, int(match["of"] or 1))
            )
    return groups


def _names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.is_file()] if folder.is_dir() else []


def _chosen(names: Iterable[str], variant: str | None) -> list[tuple[str, int]]:
    groups = _groups(names)
    wanted = ((variant, "safetensors"), (variant, "bin"), (None, "safetensors"), (None, "bin"))
    return next((groups[key] for key in wanted if key in groups), [])


def chosen_files(names: Iterable[str], variant: str | None = None) -> tuple[str, ...]:
    """Those of the names in a folder that `weight_files` would choose."""
    return tuple(name for name, _ in _chosen(names, variant))


def weight_files(folder: Path, variant: str | None = None) -> tuple[Path, ...]:
    """The files a part is read from, in the order of choice that diffusers has: the variant, safetensors first."""
    return tuple(folder / name for name in chosen_files(_names(folder), variant))


def missing_shards(folder: Path, variant: str | None = None) -> int:
    """How many files of a sharded part are not there."""
    chosen = _chosen(_names(folder), variant)
    return max((of for _, of in chosen), default=0) - len(chosen) if chosen else 0


def variants(folder: Path) -> set[str | None]:
    """The weight file variants of a part; None stands for the plain files."""
    return variants_of(_names(folder))


def variants_of(names: Iterable[str]) -> set[str | None]:
    """The same of the names in a folder."""
    return {variant for variant, _ in _groups(names)}


def is_model_folder(folder: Path) -> bool:
    """Whether a part's folder is that of a model with weights, not of a tokenizer, processor or scheduler."""
    others = ("tokenizer_config.json", "preprocessor_config.json", "processor_config.json", "scheduler_config.json")
    return (folder / "config.json").is_file() and not any((folder / name).is_file() for name in others)


def header(path: Path) -> dict[str, tuple[int, ...]]:
    """Tensor name to shape of a ``.safetensors`` file, without its tensors.

    Raises:
        ModelError: The file is damaged.
    """
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            return {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118 - no mapping
    except (OSError, safetensors.SafetensorError) as error:
        raise ModelError(f"{path} is no whole .safetensors file ({error}); fetch it again.") from error


def value_count(files: Iterable[Path]) -> int:
    """How many numbers weight files hold: exact for ``.safetensors``, from the size otherwise."""
    total = 0
    for path in files:
        if path.suffix == ".safetensors":
            total += sum(math.prod(shape) for shape in header(path).values())
        else:
            total += path.stat().st_size // (2 if "fp16" in path.name or path.suffix.lower() == ".gguf" else 4)
    return total
