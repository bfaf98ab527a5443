"""A stage's result as one file: what is read is what was written, or the stage runs again."""

from __future__ import annotations

import io
import json
import random
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from jupyter_latents.engine.result import StageResult
from jupyter_latents.engine.schedule.window import Span
from jupyter_latents.latents import CLEAN, Latents, Noise, Position, Resume
from jupyter_latents.session.memory import result_file
from jupyter_latents.session.memory.result_file import DAMAGED, pack, unpack
from jupyter_latents.session.memory.store import Store
from tests.latents import strategies
from tests.latents.test_files import some_latents

KEY, OTHER = "0" * 64, "1" * 64


def some_result(**changes: Any) -> StageResult:
    tensor = torch.randn(1, 4, 1, 1, generator=torch.Generator().manual_seed(3))
    step = some_latents(
        tensor=tensor, denoised=None, position=Position(1, 2, "EulerDiscreteScheduler"), resume=Resume({"order": 2})
    )
    last = some_latents(tensor=tensor * 2, denoised=None, noise=CLEAN, position=Position(2, 2), resume=None)
    parts = {
        "latents": last.replace(trajectory=(step, last)),
        "images": (Image.new("RGB", (8, 8), (1, 2, 3)),),
        "span": Span(0, 2, 2, 1, 2),
        "evaluations": 0,
        "stopped": False,
        "timesteps": (999.0, 1.0),
        "start": Noise(14.6, "ve", 999.0),
    }
    return StageResult(**(parts | changes))  # type: ignore[arg-type]


def facts(latents: Latents) -> tuple[object, ...]:
    return latents.space, latents.noise, latents.position, latents.provenance


def history(latents: Latents) -> tuple[object, object]:
    return (latents.resume.scheduler, latents.resume.generator) if latents.resume else (None, None)


def same(first: StageResult, second: StageResult) -> bool:
    """Equality of all that a result holds."""
    rest = ("span", "evaluations", "stopped", "timesteps", "rule", "train_timesteps", "start")
    pictures = [[picture.tobytes() for picture in result.images] for result in (first, second)]
    steps = [[*result.latents.trajectory, result.latents] for result in (first, second)]
    return (
        all(getattr(first, name) == getattr(second, name) for name in rest)
        and pictures[0] == pictures[1]
        and all(strategies.same_state(a.tensor, b.tensor) for a, b in zip(*steps, strict=True))
        and all(facts(a) == facts(b) for a, b in zip(*steps, strict=True))
        and all(strategies.same_state(history(a), history(b)) for a, b in zip(*steps, strict=True))
    )


def read(path: Path, content: bytes, key: str = KEY) -> StageResult | None:
    """What a file of these bytes says; None where it is damaged."""
    path.write_bytes(content)
    try:
        return unpack(key, path)
    except DAMAGED:
        return None


def test_a_result_read_back_is_equal(tmp_path: Path) -> None:
    for result in (some_result(), some_result(images=(), stopped=True, start=None)):
        found = read(tmp_path / "some.zip", pack(KEY, result))
        assert found is not None
        assert same(found, result)


def test_a_file_under_another_key_answers_for_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.put(KEY, some_result())
    (path,) = tmp_path.glob("*.zip")
    path.rename(tmp_path / path.name.replace(KEY, OTHER))
    assert store.get(OTHER) is None
    assert len(store) == 0, "it is of no use under that name"


def rewritten(content: bytes, change: Callable[[dict[str, Any]], None]) -> bytes:
    """A file whose record was changed, with all checksums right."""
    packed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(packed, "w") as new:
        for name in old.namelist():
            part = old.read(name)
            if name == "result.json":
                record = json.loads(part)
                change(record)
                part = json.dumps(record).encode()
            new.writestr(name, part)
    return packed.getvalue()


def test_a_file_of_before_is_read(tmp_path: Path) -> None:
    def before(record: dict[str, Any]) -> None:
        del record["key"], record["start"]

    found = read(tmp_path / "some.zip", rewritten(pack(KEY, some_result()), before))
    assert found is not None
    assert same(found, some_result(start=None))


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"version": None},
        {"key": OTHER},
        {"key": None},
        {"steps": 0},
        {"steps": -1},
        {"steps": 10**12},
        {"steps": "2"},
        {"steps": 1.5},
        {"trajectory": 3},
        {"trajectory": -1},
        {"images": 10**12},
        {"images": -1},
        {"images": None},
        {"span": None},
        {"span": {"start": 0, "end": 3, "of": 2, "order": 1, "timesteps": 2}},
        {"span": {"start": 0, "end": 2, "of": 2, "order": 0, "timesteps": 2}},
        {"span": {"start": 0, "end": 2, "of": 10**30, "order": 1, "timesteps": 2}},
        {"stopped": "no"},
        {"timesteps": [float("nan"), 1.0]},
        {"timesteps": ["a"]},
        {"timesteps": 5},
        {"rule": "other"},
        {"rule": []},
        {"train_timesteps": 0},
        {"train_timesteps": 10**30},
        {"start": {"sigma": -1.0, "form": "ve", "timestep": None}},
        {"start": 3},
    ],
)
def test_a_record_of_impossible_values_is_damage(tmp_path: Path, change: dict[str, Any]) -> None:
    content = rewritten(pack(KEY, some_result()), lambda record: record.update(change))
    assert read(tmp_path / "some.zip", content) is None


@pytest.mark.parametrize("text", ["", "[]", "3", "{}", "[" * 100_000, '{"version": 1}', "\udcff"])
def test_a_record_that_is_none_is_damage(tmp_path: Path, text: str) -> None:
    with zipfile.ZipFile(tmp_path / "some.zip", "w") as file:
        file.writestr("result.json", text.encode("utf-8", "surrogatepass"))
    assert read(tmp_path / "some.zip", (tmp_path / "some.zip").read_bytes()) is None


def flagged(content: bytes, flag: int) -> bytes:
    """The archive with a flag set in the head of each member and in its directory."""
    changed = bytearray(content)
    for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = changed.find(mark)
        while place >= 0:
            (flags,) = struct.unpack_from("<H", changed, place + at)
            struct.pack_into("<H", changed, place + at, flags | flag)
            place = changed.find(mark, place + 1)
    return bytes(changed)


@pytest.mark.parametrize("flag", [1 << bit for bit in range(16)])
def test_flags_of_the_archive_are_read_or_damage(tmp_path: Path, flag: int) -> None:
    found = read(tmp_path / "some.zip", flagged(pack(KEY, some_result()), flag))
    assert found is None or same(found, some_result())
    if flag != 0x800:
        assert found is None


def test_a_compressed_member_is_not_inflated(tmp_path: Path) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("result.json", b" " * 10_000_000)
    assert read(tmp_path / "some.zip", packed.getvalue()) is None


def test_a_picture_far_larger_than_its_latents_is_not_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = pack(KEY, some_result(images=(Image.new("1", (3_000, 3_000)),)))
    monkeypatch.setattr(Image.Image, "convert", None)
    assert read(tmp_path / "some.zip", content) is None


def test_a_bomb_of_a_picture_is_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = pack(KEY, some_result())
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    assert read(tmp_path / "some.zip", content) is None


@pytest.mark.parametrize("every", [7, pytest.param(1, marks=pytest.mark.slow)])
def test_a_file_with_one_flipped_bit_is_the_result_or_damage(tmp_path: Path, every: int) -> None:
    """One bit of every so many bytes; all bits of all bytes under ``slow``."""
    result, chance = some_result(), random.Random(5)
    content, told = pack(KEY, result), 0
    for place in range(chance.randrange(every), len(content), every):
        for bit in range(8) if every == 1 else [chance.randrange(8)]:
            changed = bytearray(content)
            changed[place] ^= 1 << bit
            found = read(tmp_path / "some.zip", bytes(changed))
            told += found is None
            assert found is None or same(found, result), (place, bit)
    assert told > 0


@pytest.mark.parametrize("every", [97, pytest.param(1, marks=pytest.mark.slow)])
def test_a_file_that_ends_early_is_damage(tmp_path: Path, every: int) -> None:
    content = pack(KEY, some_result())
    for length in {*range(0, len(content), every), *range(len(content) - 30, len(content))}:
        assert read(tmp_path / "some.zip", content[:length]) is None, length


def test_a_result_without_its_history_is_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would be gone on from as if it had none."""
    from jupyter_latents.latents.files import safetensors_file

    content = pack(KEY, some_result())
    monkeypatch.setattr(safetensors_file, "VERSION", 2)
    assert read(tmp_path / "some.zip", content) is None


def test_damaged_files_are_deleted_and_those_that_cannot_be_deleted_cost_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path)
    store.put(KEY, some_result())
    (path,) = tmp_path.glob("*.zip")
    path.write_bytes(b"PK")
    with monkeypatch.context() as patched:

        def refused(*_: object, **__: object) -> None:
            raise PermissionError(13, "no permission")

        patched.setattr(Path, "unlink", refused)
        assert store.get(KEY) is None
        store.put(KEY, some_result(), anew=True)
    assert store.get(KEY) is not None
    assert result_file.unpack(KEY, path).span == some_result().span
