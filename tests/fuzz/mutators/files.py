"""Latents files and store records with a few changes: what is read was written, or it is said what is missing."""

from __future__ import annotations

import base64
import io
import json
import struct
import tempfile
import warnings
import zipfile
from functools import cache
from math import prod
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import safetensors.torch
import torch

from jupyter_latents.engine.result import StageResult
from jupyter_latents.errors import LatentsError, LatentsFileError, LatentsWarning, SettingError
from jupyter_latents.latents import Latents
from jupyter_latents.latents.files.reading import CODECS
from jupyter_latents.session.memory.result_file import DAMAGED, pack, unpack
from tests.fuzz.frame import Mutator
from tests.latents.test_corruption import same, small
from tests.session.memory.test_result_file import KEY, some_result
from tests.session.memory.test_result_file import same as same_result

_FOREIGN = (
    *("latents", "latent", "sample", "samples", "latent_tensor", "noise_mask", "x", "resume.a", "denoised"),
    *(
        "latents_4x4",
        "latents_1x4x4_fp32",
        "latents_flipped_4x4",
        "original_size_4x4",
        "crop_ltrb",
        "jupyter_latents.a",
    ),
)
_VALUES = (None, True, -1, 0, 1, 3.5, 10**30, "", "a", "nan", "inf", [], [1], {}, {"a": 1}, float("nan"), 2**63)
_WORDS = (0, 1, 255, 256, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF)


@cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="fuzz-files-")


def _path(name: str) -> Path:
    return Path(_folder().name) / name


@cache
def _whole(ending: str) -> bytes:
    return CODECS[ending].write(small()) if ending != "zip" else pack(KEY, some_result())


@cache
def _read_whole(ending: str) -> Latents:
    path = _path(f"whole.{ending}")
    path.write_bytes(_whole(ending))
    return Latents.load(path)


def _changed(content: bytes, source: Random) -> bytes:
    """Bytes with one change."""
    at, length = source.randrange(len(content) + 1), source.choice((1, 1, 2, 4, 8, 64))
    other = source.randrange(len(content) + 1)
    before, part, after = content[:at], content[at : at + length], content[at + length :]
    flipped = bytes([part[0] ^ (1 << source.randrange(8)), *part[1:]]) if part else b""
    return source.choice(
        (
            before,
            before + after,
            before + source.randbytes(length) + part + after,
            before + source.randbytes(length) + after,
            before + content[other : other + length] + after,
            before + struct.pack("<I", source.choice(_WORDS)) + content[at + 4 :],
            before + flipped + after,
            before + flipped + after,
        )
    )


def _file(source: Random) -> tuple[str, bytes]:
    ending = source.choice(list(CODECS))
    content = _whole(ending)
    for _ in range(source.choice((1, 1, 1, 2, 5))):
        content = _changed(content, source)
    return ending, content


def _load(given: tuple[str, bytes]) -> None:
    ending, content = given
    path, whole = _path(f"some.{ending}"), _read_whole(ending)
    path.write_bytes(content)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", LatentsWarning)
        found = Latents.load(path)
    assert same(found, whole) or told, "read as another value, and nobody was told"


def _json(value: object, source: Random) -> object:
    """A JSON value with one change somewhere in it."""
    if isinstance(value, dict) and value and source.random() < 0.9:
        key = source.choice(sorted(value))
        if source.random() < 0.1:
            return {name: item for name, item in value.items() if name != key}
        return value | {key: _json(value[key], source)}
    if isinstance(value, list) and value and source.random() < 0.7:
        at = source.randrange(len(value))
        return [*value[:at], _json(value[at], source), *value[at + 1 :]]
    return source.choice(_VALUES)


def _forged(source: Random) -> tuple[str, bytes]:
    """A file of ours, changed by somebody who made the checksums right."""
    from jupyter_latents.latents.files.metadata import CHECK_KEY, FACTS_KEY, RESUME_KEY, checksum

    ending = source.choice(("safetensors", "latent"))
    tensors = safetensors.torch.load(_whole(ending))
    length = int.from_bytes(_whole(ending)[:8], "little")
    metadata = json.loads(_whole(ending)[8 : 8 + length])["__metadata__"]
    key = source.choice([FACTS_KEY, FACTS_KEY, RESUME_KEY]) if RESUME_KEY in metadata else FACTS_KEY
    for _ in range(source.choice((1, 1, 2))):
        metadata[key] = json.dumps(_json(json.loads(metadata[key]), source))
    if key == RESUME_KEY:
        record = json.loads(metadata[FACTS_KEY])
        record["beside"][key] = checksum(metadata[key])
        metadata[FACTS_KEY] = json.dumps(record)
    metadata[CHECK_KEY] = checksum(metadata[FACTS_KEY])
    return ending, safetensors.torch.save(tensors, metadata)


def _use(given: tuple[str, bytes]) -> None:
    """Reads a file and does what a notebook does with latents at once."""
    ending, content = given
    path, nameless = _path(f"forged.{ending}"), _path("nameless")
    path.write_bytes(content)
    nameless.write_bytes(content)
    for place, verify in ((path, True), (path, False), (nameless, True)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", LatentsWarning)
            try:
                found = Latents.load(place, verify=verify)
            except LatentsFileError:
                continue
        repr(found)
        assert len(found.size) == 2
        found.save(_path("again.safetensors"))


def _foreign(source: Random) -> tuple[str, bytes]:
    """A file of another program, with shapes and dtypes that may be anything."""
    dtypes = (torch.float32, torch.float16, torch.int64, torch.bool, torch.float64)
    shapes = [[source.choice((0, 1, 1, 2, 4, 16, 64)) for _ in range(source.randrange(6))] for _ in range(12)]
    tensors = {
        source.choice(_FOREIGN): torch.zeros(shape if prod(shape) < 1 << 14 else [1], dtype=source.choice(dtypes))
        for shape in shapes[: source.choice((1, 1, 2, 12))]
    }
    ending = source.choice(list(CODECS))
    if ending in ("safetensors", "latent"):
        texts = source.choice(({"prompt": "x"}, {"a": "x"}, {"architecture": "wan", "format_version": "1"}))
        return ending, safetensors.torch.save(tensors, texts)
    if ending in ("npz", "npy"):
        return ending, _arrays(ending, [(name, tensor.numpy()) for name, tensor in tensors.items()], source)
    packed, archive = io.BytesIO(), source.random() < 0.5
    value = source.choice((tensors, next(iter(tensors.values())), list(tensors.values()), {"a": tensors}))
    torch.save(value, packed, _use_new_zipfile_serialization=archive)
    return ending, packed.getvalue()


def _arrays(ending: str, arrays: list[tuple[str, np.ndarray[Any, Any]]], source: Random) -> bytes:
    """A file of numpy's, with arrays that may be of anything."""
    packed = io.BytesIO()
    name, array = arrays[0]
    odd = source.choice((array, array.T, array.astype(">f4"), array.astype("U3"), array.astype(object)))
    if ending == "npy":
        np.save(packed, odd, allow_pickle=True)
    else:
        save = source.choice((np.savez, np.savez_compressed))
        save(packed, **dict([*arrays[1:], (name, odd)]))
    return packed.getvalue()


def _record(source: Random) -> bytes:
    """A store file with changed bytes."""
    content = _whole("zip")
    for _ in range(source.choice((1, 1, 2, 5))):
        content = _changed(content, source)
    return content


def _forged_record(source: Random) -> bytes:
    """A store file whose record was changed, or that lacks a member, by somebody who made the checksums right."""
    packed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(_whole("zip"))) as old, zipfile.ZipFile(packed, "w") as new:
        for name in old.namelist():
            part = old.read(name)
            if name == "result.json":
                part = json.dumps(_json(json.loads(part), source)).encode()
            if source.random() < 0.95:
                new.writestr(name, part)
    return packed.getvalue()


def _unpack(content: bytes) -> StageResult:
    path = _path("some.zip")
    path.write_bytes(content)
    return unpack(KEY, path)


def _unpack_equal(content: bytes) -> None:
    assert same_result(_unpack(content), some_result()), "read as another result"


def _unpack_used(content: bytes) -> None:
    found = _unpack(content)
    repr((found.saved, found.step_of(0.5), found.latents, found.start))
    pack(KEY, found)


def _of_text(text: str) -> tuple[str, bytes]:
    ending, _, content = text.partition(" ")
    return ending, base64.b64decode(content)


_OURS = (LatentsFileError, LatentsError, SettingError)

MUTATORS = (
    Mutator("files", _file, _load, _OURS, _of_text, quick=400),
    Mutator("forged-files", _forged, _use, _OURS, _of_text, quick=200),
    Mutator("foreign-files", _foreign, _use, _OURS, _of_text, quick=200),
    Mutator("store-records", _record, _unpack_equal, DAMAGED, base64.b64decode, quick=300),
    Mutator("forged-store-records", _forged_record, _unpack_used, DAMAGED, base64.b64decode, quick=100),
)
