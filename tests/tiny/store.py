"""Tiny pipelines on disk: plain diffusers folders, and the hub cache under published names."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.tiny.registry import build

WEIGHTS = (".safetensors", ".bin", ".model")
"""Files that the hub keeps as large files: their blobs are named by SHA-256, all others by git's SHA-1."""


@dataclass(frozen=True)
class Published:
    """What stands under a published name.

    Attributes:
        family: A key of ``FAMILIES``.
        seed: Seed of the weights; two models of one family differ by it.
        variants: Which weight files there are: ``None`` for the plain ones, ``"fp16"`` for half precision.
    """

    family: str
    seed: int = 0
    variants: tuple[str | None, ...] = (None,)


BOTH = (None, "fp16")

PUBLISHED: dict[str, Published] = {
    "stable-diffusion-v1-5/stable-diffusion-v1-5": Published("sd15", variants=BOTH),
    "Lykon/DreamShaper": Published("sd15", seed=1, variants=BOTH),
    "stabilityai/stable-diffusion-2-1": Published("sd2", variants=BOTH),
    "stabilityai/stable-diffusion-xl-base-1.0": Published("sdxl", variants=BOTH),
    "stabilityai/stable-diffusion-xl-refiner-1.0": Published("sdxl-refiner", variants=BOTH),
    "Kwai-Kolors/Kolors-diffusers": Published("kolors", variants=BOTH),
    "stabilityai/stable-diffusion-3-medium-diffusers": Published("sd3", variants=BOTH),
    "black-forest-labs/FLUX.1-dev": Published("flux"),
    "black-forest-labs/FLUX.1-schnell": Published("flux-schnell"),
    "black-forest-labs/FLUX.2-dev": Published("flux2"),
    "Qwen/Qwen-Image": Published("qwen-image"),
    "Tongyi-MAI/Z-Image-Turbo": Published("z-image"),
}
"""Published names that scripts use, and the tiny model that stands in for each."""


def save_folder(
    name: str,
    folder: str | Path,
    *,
    seed: int = 0,
    variants: Sequence[str | None] = (None,),
    max_shard_size: str | int | None = None,
) -> Path:
    """Write a family's tiny pipeline as a diffusers folder and return the folder.

    Args:
        name: A key of ``FAMILIES``.
        folder: Made where it does not exist.
        seed: Seed of the weights.
        variants: Weight files to write, for example ``(None, "fp16")``; ``"fp16"`` holds half precision.
        max_shard_size: Size above which weights are split into several files with an index, for example ``"100KB"``.
    """
    import torch

    folder = Path(folder)
    # The plain weights last: every save rewrites the configurations, whose dtype transformers obeys when it loads.
    for variant in sorted(variants, key=lambda variant: variant is None):
        pipeline = build(name, seed)
        if variant is not None:
            pipeline.to(torch.float16 if variant == "fp16" else torch.bfloat16)
        options = {} if max_shard_size is None else {"max_shard_size": max_shard_size}
        pipeline.save_pretrained(folder, variant=variant, **options)
    return folder


def hub_cache(root: str | Path, repositories: Mapping[str, str | Published] = PUBLISHED) -> Path:
    """Lay tiny models out as the hub's own cache and return its root.

    ``from_pretrained(repo_id, cache_dir=root)``, or ``HF_HUB_CACHE=root``, then finds them offline.

    Args:
        root: The cache folder; ``models--org--name`` folders are added to it.
        repositories: What to lay out: a family's name, or a ``Published``, by repository id.
    """
    root = Path(root)
    for repo_id, entry in repositories.items():
        published = Published(entry) if isinstance(entry, str) else entry
        with tempfile.TemporaryDirectory() as scratch:
            folder = save_folder(published.family, scratch, seed=published.seed, variants=published.variants)
            add_repository(root, repo_id, folder)
    return root


def add_repository(root: Path, repo_id: str, folder: Path) -> None:
    """Move the files of ``folder`` into the cache: contents in ``blobs``, links to them in ``snapshots``."""
    home = root / f"models--{repo_id.replace('/', '--')}"
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    names = {path.relative_to(folder).as_posix(): _blob_name(path) for path in files}
    commit = hashlib.sha1(
        "\n".join(f"{blob} {name}" for name, blob in names.items()).encode(), usedforsecurity=False
    ).hexdigest()
    snapshot = home / "snapshots" / commit
    (home / "blobs").mkdir(parents=True, exist_ok=True)
    for name, blob in names.items():
        shutil.move(folder / name, home / "blobs" / blob)
        link = snapshot / name
        link.parent.mkdir(parents=True, exist_ok=True)
        if not link.is_symlink():
            link.symlink_to(Path(*[".."] * (name.count("/") + 2), "blobs", blob))
    (home / "refs").mkdir(exist_ok=True)
    (home / "refs" / "main").write_text(commit)


def _blob_name(path: Path) -> str:
    """The name of a file's contents in the cache."""
    content = path.read_bytes()
    if path.suffix in WEIGHTS:
        return hashlib.sha256(content).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
