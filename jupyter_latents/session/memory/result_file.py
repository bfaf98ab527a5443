"""A stage's result as one file: a plain zip of the latents after each step, the pictures and a record.

Nothing in it is inflated, each part has its checksum, and the record names the stage whose result it is. A file that
is read is the result that was written, or it is damaged.
"""

from __future__ import annotations

import errno
import json
import math
import struct
import zipfile
from dataclasses import asdict
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from jupyter_latents.errors import JupyterLatentsError
from jupyter_latents.latents.arguments import bounded, choice, flag, number, shown

if TYPE_CHECKING:
    from PIL.Image import Image

    from jupyter_latents.engine import Span, StageResult
    from jupyter_latents.latents.value import Latents

__all__ = ["DAMAGED", "pack", "unpack"]

_RECORD = "result.json"
_VERSION = 1
_MOST = 1_000_000  # steps and timesteps of one result
_UTF8 = 0x800  # the one flag that a member may have: its name is not plain ASCII
DAMAGED = (
    zipfile.BadZipFile,
    struct.error,
    EOFError,
    SyntaxError,  # of Pillow: a picture that is none
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    RuntimeError,
    RecursionError,
    OverflowError,
    JupyterLatentsError,
)
"""What `unpack` raises of a damaged file; an `OSError` says nothing about what is in it."""


def pack(key: str, result: StageResult) -> bytes:
    """A result as the bytes of a file.

    Args:
        key: Digest of the stage.
        result: What it made.
    """
    from jupyter_latents.latents.clip import Clip, stills
    from jupyter_latents.latents.files.records import noise_record
    from jupyter_latents.latents.files.safetensors_file import safetensors_bytes

    steps: list[Latents] = list(result.latents.trajectory) or [result.latents]
    ends = steps[-1].digest == result.latents.digest
    steps += [] if ends else [result.latents]
    clips = [one for one in result.images if isinstance(one, Clip)]
    frames = [frame for clip in clips for frame in clip] or stills(result.images)
    record: dict[str, Any] = {
        "version": _VERSION,
        "key": key,
        "steps": len(steps),
        "trajectory": len(result.latents.trajectory),
        "images": len(frames),
        "clips": [len(one) for one in clips],
        "fps": [one.fps for one in clips],
        "span": asdict(result.span),
        "stopped": result.stopped,
        "timesteps": result.timesteps,
        "rule": result.rule,
        "train_timesteps": result.train_timesteps,
        "start": None if result.start is None else noise_record(result.start),
        "sigmas": [level if math.isfinite(level) else None for level in result.sigmas],
        "switches": result.switches,
        "boundary": result.boundary,
    }
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as file:
        file.writestr(_RECORD, json.dumps(record))
        for number, latents in enumerate(steps):
            file.writestr(_step(number), safetensors_bytes(latents))
        for number, image in enumerate(frames):
            png = BytesIO()
            image.save(png, "PNG")
            file.writestr(_picture(number), png.getvalue())
    return packed.getvalue()


def unpack(key: str, path: Path) -> StageResult:
    """A result from its file.

    Args:
        key: Digest of the stage that it is to be of.
        path: The file.

    Raises:
        OSError: It cannot be read now.
        Exception: One of `DAMAGED`: it is damaged, or the result of another stage.
    """
    try:
        with zipfile.ZipFile(path) as file:
            return _result(key, file, path.stat().st_size)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        raise ValueError("it names a place that no file has") from error  # to seek there is no fault of the disk


def _result(key: str, file: zipfile.ZipFile, size: int) -> StageResult:
    from jupyter_latents.engine import FractionRule, StageResult
    from jupyter_latents.latents.files.records import noise_from
    from jupyter_latents.latents.value import Latents

    _check_members(file, size)
    record, most = json.loads(file.read(_RECORD)), len(file.namelist())
    if record["version"] != _VERSION or record.get("key", key) != key:  # files of before name no stage
        raise ValueError(f"store version {shown(record['version'])}, stage {shown(record.get('key'))}")
    count, pictures = bounded(record["steps"], "steps", 1, most), bounded(record["images"], "images", 0, most)
    steps = [Latents.from_bytes(file.read(_step(number))) for number in range(count)]
    images = [_image(file.read(_picture(number)), steps[-1]) for number in range(pictures)]
    choice(record["rule"], "rule", get_args(FractionRule))
    start = record.get("start")
    return StageResult(
        steps[-1].replace(trajectory=tuple(steps[: bounded(record["trajectory"], "trajectory", 0, count)])),
        _clips(images, record.get("clips", []), record.get("fps", [])) or tuple(images),
        _span(record["span"]),
        0,
        flag(record["stopped"], "stopped"),
        _timesteps(record["timesteps"]),
        record["rule"],
        bounded(record["train_timesteps"], "train_timesteps", 1, _MOST),
        None if start is None else noise_from(start),
        _sigmas(record.get("sigmas", [])),
        tuple(bounded(step, "switch", 0, _MOST) for step in record.get("switches", [])[:_MOST]),
        None if record.get("boundary") is None else number(record["boundary"], "boundary", "it is a share, or None."),
    )


def _clips(frames: list[Image], lengths: list[int], speeds: list[float]) -> tuple[Any, ...]:
    """The clips that frames are of; none where they are pictures."""
    from jupyter_latents.latents.clip import Clip, check_fps

    if sum(bounded(length, "clip", 1, len(frames)) for length in lengths) != (len(frames) if lengths else 0):
        raise ValueError("clips of other lengths than there are frames")
    left = iter(frames)
    return tuple(Clip(islice(left, length), check_fps(speed)) for length, speed in zip(lengths, speeds, strict=True))


def _check_members(file: zipfile.ZipFile, size: int) -> None:
    """Refuses an archive with members that are not as `pack` writes them, before any of them is read."""
    for member in file.infolist():
        plain = member.compress_type == zipfile.ZIP_STORED and member.compress_size == member.file_size
        if not plain or member.flag_bits & ~_UTF8:
            raise ValueError(f"{shown(member.filename)} is compressed or encrypted")
    if sum(member.file_size for member in file.infolist()) > size:
        raise ValueError("its members claim more than the file holds")


def _image(content: bytes, latents: Latents) -> Image:
    """A picture of latents; one far larger than they are is damage."""
    from PIL import Image

    width, height = latents.size
    try:
        with Image.open(BytesIO(content), formats=("PNG",)) as image:
            if image.width * image.height > 4 * width * height:
                raise ValueError(f"a picture of {image.size} from latents of {latents.size}")
            return image.convert("RGB")
    except (OSError, Image.DecompressionBombError) as error:  # of the bytes in memory: no file was read
        raise ValueError(str(error)) from error


def _span(record: dict[str, Any]) -> Span:
    from jupyter_latents.engine import Span

    of = bounded(record["of"], "of", 1, _MOST)
    end = bounded(record["end"], "end", 0, of)
    return Span(
        bounded(record["start"], "start", 0, end),
        end,
        of,
        bounded(record["order"], "order", 1, 100),
        bounded(record["timesteps"], "timesteps", 1, _MOST),
    )


def _timesteps(record: list[Any]) -> tuple[float, ...]:
    found = tuple(number(value, "timestep", "it is a number.") for value in record[:_MOST])
    if not all(map(math.isfinite, found)):
        raise ValueError("a timestep that is no finite number")
    return found


def _sigmas(record: list[Any]) -> tuple[float, ...]:
    """Noise levels; what is infinite stands as nothing."""
    levels = [math.inf if value is None else number(value, "sigma", "it is a number.") for value in record[:_MOST]]
    if any(math.isnan(level) for level in levels):
        raise ValueError("a noise level that is no number")
    return tuple(levels)


def _step(number: int) -> str:
    return f"step-{number:05d}.safetensors"


def _picture(number: int) -> str:
    return f"picture-{number}.png"
