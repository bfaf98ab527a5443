"""The folder of `demo/paper`, put together from what the package keeps of it.

It has all of `demo/scenes` but the denoiser's weights, and of these the package keeps how they differ: each file is in
the package once, and the difference is smaller than the weights. The folder is put together once for a person, in their
cache.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import zlib
from functools import cache
from pathlib import Path

__all__ = ["DIFFERENCE", "DIGEST", "WEIGHTS", "difference", "paper_folder", "restored"]

DIGEST = "38235fb4f1deb63b7119b7f204f875f2993b4addfa757244bf9b92bb9a85fa9b"
"""SHA-256 of the denoiser's weights: names the folder, so that other weights are another folder."""

WEIGHTS = "unet/diffusion_pytorch_model.safetensors"
DIFFERENCE = "unet/difference.zlib"


def paper_folder(models: Path) -> Path:
    """The whole folder, an ordinary one of diffusers.

    Args:
        models: Where the package keeps its models.

    Raises:
        OSError: It can be written neither to the person's cache nor to a temporary folder.
    """
    scenes = models / "scenes"
    name = f"paper-{DIGEST[:16]}"
    try:
        return _whole(_cache() / name, scenes, models / "paper")
    except (OSError, RuntimeError):  # a home that cannot be written, or none
        return _whole(_spare() / name, scenes, models / "paper")


def difference(base: bytes, other: bytes) -> bytes:
    """What `paper_folder` makes the second file of, given the first: of equal length, and even.

    Each pair of bytes is a number of half precision; close ones differ little as whole numbers. All low bytes come
    first, then all high ones, which are mostly equal and so pack well.
    """
    import numpy as np

    apart = np.frombuffer(other, "<u2") - np.frombuffer(base, "<u2")
    return zlib.compress(apart.view(np.uint8).reshape(-1, 2).T.tobytes(), 9)


def restored(base: bytes, packed: bytes) -> bytes:
    """The second file again, from the first and what `difference` made of both."""
    import numpy as np

    planes = np.frombuffer(zlib.decompress(packed), np.uint8).reshape(2, -1)
    apart = np.ascontiguousarray(planes.T).view("<u2").ravel()
    return bytes((np.frombuffer(base, "<u2") + apart).tobytes())


def _whole(whole: Path, scenes: Path, own: Path) -> Path:
    files = [file.relative_to(scenes) for file in scenes.rglob("*") if file.is_file()]
    if not all((whole / file).is_file() for file in files):
        _write(whole, scenes, own)
    return whole


def _write(whole: Path, scenes: Path, own: Path) -> None:
    """Writes the folder beside its place and puts it there once it is whole: another process may do the same."""
    whole.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=whole.parent, prefix=".writing-") as spare:
        new = Path(spare) / "new"
        shutil.copytree(scenes, new, ignore=shutil.ignore_patterns("unet"))
        shutil.copytree(scenes / "unet", new / "unet", ignore=shutil.ignore_patterns("*.safetensors"))
        weights = restored((scenes / WEIGHTS).read_bytes(), (own / DIFFERENCE).read_bytes())
        (new / WEIGHTS).write_bytes(weights)
        if whole.exists():  # somebody took files from it
            whole.rename(Path(spare) / "old")
        try:
            new.rename(whole)
        except OSError:
            if not whole.is_dir():
                raise  # and else another process was faster


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "jupyter_latents" / "demo"


@cache
def _spare() -> Path:
    return Path(tempfile.mkdtemp(prefix="jupyter_latents-demo-"))
