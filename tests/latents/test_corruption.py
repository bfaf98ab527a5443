"""What is read of a corrupted file is what was written, with all its facts, or it is said what is missing."""

from __future__ import annotations

import pickle
import random
import resource
import warnings
import zipfile
from pathlib import Path

import pytest
import torch

from jupyter_latents.errors import LatentsFileError, LatentsWarning
from jupyter_latents.latents import Latents, Resume
from jupyter_latents.latents.files.reading import ENDINGS
from tests.latents import strategies
from tests.latents.test_files import some_latents


def small() -> Latents:
    tensor = torch.randn(1, 4, 1, 1, generator=torch.Generator().manual_seed(3))
    resume = Resume({"order": 2, "outputs": [torch.ones(1)]}, versions={"torch": "2"})
    return some_latents(tensor=tensor, denoised=tensor / 2, resume=resume)


def same(first: Latents, second: Latents) -> bool:
    """Equality of tensor and facts to the last bit."""
    parts = [
        {
            **{name: getattr(one, name) for name in ("tensor", "space", "noise", "position", "denoised")},
            "provenance": (one.provenance, dict(one.provenance.options)),
            "scheduler": dict(one.resume.scheduler) if one.resume else None,
            "generator": one.resume.generator if one.resume else None,
            "versions": dict(one.resume.versions) if one.resume else None,
        }
        for one in (first, second)
    ]
    return strategies.same_state(*parts)


def holds(path: Path, content: bytes, whole: Latents) -> bool:
    """Whether what is read of these bytes is the whole, or is told to be less."""
    path.write_bytes(content)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", LatentsWarning)
        try:
            found = Latents.load(path)
        except LatentsFileError:
            return True
    return same(found, whole) or (bool(told) and torch.equal(found.tensor, whole.tensor))


@pytest.mark.parametrize("every", [11, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("ending", ENDINGS)
def test_one_flipped_bit_changes_nothing_in_silence(tmp_path: Path, ending: str, every: int) -> None:
    """One bit of every so many bytes; all bits of all bytes under ``slow``."""
    path, chance = tmp_path / f"some{ending}", random.Random(5)
    content = small().save(path).read_bytes()
    whole = Latents.load(path)
    for place in range(chance.randrange(every), len(content), every):
        for bit in range(8) if every == 1 else [chance.randrange(8)]:
            changed = bytearray(content)
            changed[place] ^= 1 << bit
            assert holds(path, bytes(changed), whole), (place, bit)


@pytest.mark.parametrize("ending", [".pt", ".pth"])
def test_a_flipped_bit_of_a_torch_tensor_is_told_and_can_be_read_all_the_same(tmp_path: Path, ending: str) -> None:
    path = some_latents(tensor=torch.full((1, 4, 2, 2), 0.5), denoised=None).save(tmp_path / f"some{ending}")
    content = path.read_bytes()
    path.write_bytes(content.replace(b"\x00\x00\x00\x3f", b"\x00\x00\x80\x3f", 1))
    with pytest.raises(LatentsFileError, match=r"checksum.*verify=False"):
        Latents.load(path)
    assert Latents.load(path, verify=False).tensor.max() == 1.0


class Allocation:
    def __reduce__(self):
        return torch.Tensor, (3, 4, 15_000, 15_000)


@pytest.mark.parametrize("archive", [True, False])
def test_a_pickle_that_makes_a_tensor_of_its_own_takes_no_memory(tmp_path: Path, *, archive: bool) -> None:
    """2.7 billion values in a file of a few hundred bytes."""
    path = tmp_path / "some.pt"
    torch.save(Allocation(), path, _use_new_zipfile_serialization=archive)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(LatentsFileError):
        Latents.load(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # kilobytes


class Told:
    """A class whose name speaks to the reader."""

    def __reduce__(self):
        return Told, ()


@pytest.mark.parametrize("archive", [True, False])
def test_no_name_and_no_advice_out_of_a_pickle_is_repeated(tmp_path: Path, *, archive: bool) -> None:
    path = tmp_path / "some.pt"
    for value in (Told(), {"latents": Told()}, Told, print):
        if archive:
            torch.save(value, path)
        else:
            path.write_bytes(pickle.dumps(value))
        with pytest.raises(LatentsFileError) as caught:
            Latents.load(path)
        for text in ("Told", "print", "weights_only", "safe_globals", "WeightsUnpickler", "trust"):
            assert text not in str(caught.value)
        assert caught.value.__cause__ is None
        assert caught.value.__suppress_context__


@pytest.mark.parametrize("flag", [1 << bit for bit in range(16)])
def test_flags_of_an_archive_are_read_or_damage(tmp_path: Path, flag: int) -> None:
    path = small().save(tmp_path / "some.pt")
    whole, content = Latents.load(path), bytearray(path.read_bytes())
    for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = content.find(mark)
        while place >= 0:
            content[place + at : place + at + 2] = (
                int.from_bytes(content[place + at : place + at + 2], "little") | flag
            ).to_bytes(2, "little")
            place = content.find(mark, place + 1)
    assert holds(path, bytes(content), whole)


def test_an_archive_in_an_archive_is_no_torch_file(tmp_path: Path) -> None:
    inner = small().save(tmp_path / "inner.pt").read_bytes()
    with zipfile.ZipFile(tmp_path / "some.pt", "w") as archive:
        archive.writestr("inner.pt", inner)
    with pytest.raises(LatentsFileError, match="damaged or no torch file"):
        Latents.load(tmp_path / "some.pt")


def test_a_part_of_an_archive_that_says_it_is_a_folder_is_not_read(tmp_path: Path) -> None:
    """Torch would read nothing of it, and make the tensor of memory as it lies there."""
    path = small().save(tmp_path / "some.pt")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(tmp_path / "new.pt", "w") as new:
        for part in old.infolist():
            content = old.read(part)
            part.external_attr |= 0x10
            new.writestr(part, content)
    with pytest.raises(LatentsFileError, match="folder"):
        Latents.load(tmp_path / "new.pt")
