"""Files that cannot be read or written: one clear error each, nothing half-written, nothing run."""

from __future__ import annotations

import contextlib
import errno
import os
import pickle
import resource
import struct
import time
import zipfile
from pathlib import Path

import pytest
import safetensors.torch
import torch
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from jupyter_latents.errors import JupyterLatentsError, LatentsError, LatentsFileError
from jupyter_latents.latents import Latents, Resume
from jupyter_latents.latents.files.atomic import write_whole
from jupyter_latents.latents.files.reading import ENDINGS
from tests.latents.test_files import some_latents

FUZZ = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
IN_FULL = settings(FUZZ, max_examples=500)  # under ``slow``
pytestmark = pytest.mark.filterwarnings("ignore::jupyter_latents.errors.LatentsWarning")


def refused(path, match, **facts):
    with pytest.raises(LatentsFileError, match=match) as caught:
        Latents.load(path, **facts)
    return caught.value


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_missing_file_names_the_nearest(tmp_path, ending):
    some_latents().save(tmp_path / f"base{ending}")
    refused(tmp_path / f"bsae{ending}", f"did you mean base{ending}")


def test_a_missing_folder_is_said(tmp_path):
    refused(tmp_path / "none" / "some.pt", "cannot be listed")


def test_a_folder_is_no_latents_file(tmp_path):
    (tmp_path / "some.pt").mkdir()
    refused(tmp_path / "some.pt", "is a folder")
    with pytest.raises(LatentsFileError, match="is a folder"):
        some_latents().save(tmp_path / "some.pt")


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "some.pt")
    refused(tmp_path / "some.pt", "not a plain file")


@pytest.mark.parametrize("name", ["some.tif", "some", "some.ckpt"])
def test_an_unknown_ending_lists_the_allowed(tmp_path, name):
    refused(tmp_path / name, r"\.safetensors, \.pt, \.pth, \.latent")
    with pytest.raises(LatentsFileError, match=r"\.safetensors, \.pt, \.pth, \.latent"):
        some_latents().save(tmp_path / name)


@pytest.mark.parametrize("ending", ENDINGS)
def test_an_empty_file_is_said(tmp_path, ending):
    (tmp_path / f"some{ending}").touch()
    refused(tmp_path / f"some{ending}", "is empty")


@pytest.mark.parametrize("every", [13, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("ending", ENDINGS)
def test_a_truncated_file_is_refused_wherever_it_ends(tmp_path, ending, every):
    """At each byte of its head and its end, and every so many between; at every byte under ``slow``."""
    small = some_latents(tensor=torch.ones(1, 4, 1, 1), denoised=None, resume=Resume({"order": 2}))
    whole = small.save(tmp_path / f"whole{ending}").read_bytes()
    path = tmp_path / f"part{ending}"
    size = len(whole)
    for length in sorted({*range(size)[:70], *range(0, size, every), *range(size)[-70:]}):
        path.write_bytes(whole[:length])
        refused(path, "is empty" if length == 0 else "damaged|holds more")


@pytest.mark.parametrize("ending", [".safetensors", ".latent"])
@pytest.mark.parametrize("claim", [10 * 2**30, 2**63, 2**64 - 1])
def test_a_huge_header_claim_is_refused_without_memory(tmp_path, ending, claim):
    path = tmp_path / f"some{ending}"
    path.write_bytes(struct.pack("<Q", claim) + b'{"latents":')
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    refused(path, "damaged")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # kilobytes


def test_a_tensor_larger_than_its_file_is_refused_without_memory(tmp_path):
    torch.save(torch.ones(1).expand(1, 4, 100_000, 100_000), tmp_path / "some.pt")
    refused(tmp_path / "some.pt", "holds fewer")


def test_a_compressed_bomb_is_refused(tmp_path):
    some_latents(tensor=torch.zeros(1, 4, 256, 256), denoised=None).save(tmp_path / "some.pt")
    with zipfile.ZipFile(tmp_path / "some.pt") as archive:
        parts = {part.filename: archive.read(part) for part in archive.infolist()}
    with zipfile.ZipFile(tmp_path / "bomb.pt", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    refused(tmp_path / "bomb.pt", "claim")


def test_a_link_that_leads_to_itself_is_said(tmp_path):
    (tmp_path / "a.pt").symlink_to(tmp_path / "b.pt")
    (tmp_path / "b.pt").symlink_to(tmp_path / "a.pt")
    refused(tmp_path / "a.pt", "leads to itself")
    with pytest.raises(LatentsFileError, match="cannot write"):
        some_latents().save(tmp_path / "a.pt")


def test_a_link_to_nothing_is_said(tmp_path):
    (tmp_path / "a.pt").symlink_to(tmp_path / "gone.pt")
    refused(tmp_path / "a.pt", "link to a file that is not there")


@pytest.mark.parametrize("name", ["a\0b.pt", "a" * 300 + ".pt"])
def test_impossible_names_are_said(tmp_path, name):
    refused(tmp_path / name, "cannot read|no file")
    with pytest.raises(LatentsFileError, match="cannot write"):
        some_latents().save(tmp_path / name)


@pytest.fixture
def powerless(tmp_path):
    """A folder with one file, and a process without the right to either."""
    path = some_latents().save(tmp_path / "some.safetensors")
    path.chmod(0)
    tmp_path.chmod(0o500)
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    yield path
    if root:
        os.seteuid(0)
    tmp_path.chmod(0o700)


def test_missing_permission_is_said(powerless):
    refused(powerless, "no permission")
    with pytest.raises(LatentsFileError, match=r"no permission.*still in memory"):
        some_latents().save(powerless)


class Exploit:
    def __reduce__(self):
        return os.system, ("touch exploited",)


@pytest.mark.parametrize(
    "wrap", [lambda value: value, lambda value: {"latents": value}, lambda value: [torch.ones(1), value]]
)
@pytest.mark.parametrize("archive", [True, False])
def test_a_pickle_with_code_is_refused_and_not_run(tmp_path, monkeypatch, wrap, archive):
    monkeypatch.chdir(tmp_path)
    if archive:
        torch.save(wrap(Exploit()), "some.pt")
    else:
        (tmp_path / "some.pt").write_bytes(pickle.dumps(wrap(Exploit())))
    error = refused("some.pt", "refused")
    assert not (tmp_path / "exploited").exists()
    assert "weights_only" not in str(error)
    assert error.__cause__ is None
    assert error.__suppress_context__


def test_a_torchscript_program_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "some.pt", "w") as archive:
        archive.writestr("some/constants.pkl", pickle.dumps(()))
        archive.writestr("some/data.pkl", pickle.dumps(()))
        archive.writestr("some/version", "3")
    assert "weights_only" not in str(refused(tmp_path / "some.pt", "refused|damaged"))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (torch.ones(1, 4, 2, 2, dtype=torch.int64), "dtype"),
        (torch.ones(1, 4, 2, 2, dtype=torch.bool), "dtype"),
        (torch.ones(1, 4, 2, 2, dtype=torch.complex64), "dtype"),
        (torch.ones(1, 4, 2, 2).to(torch.float8_e4m3fn), "dtype"),
        (torch.ones(1, 4, 0, 2), "empty"),
        (torch.ones(0, 4, 2, 2), "empty"),
        (torch.full((1, 4, 2, 2), float("nan")), "NaN"),
        (torch.full((1, 4, 2, 2), float("inf")), "infinite"),
        (torch.ones(1, 4, 2, 2).to_sparse(), "sparse"),
        ("text", "holds a str"),
        ([], "holds a list"),
        (["text"], "holds a str"),
        ([torch.ones(1, 4, 2, 2), torch.ones(1, 4, 2, 3)], "differ in shape"),
        ([torch.ones(1, 4, 2, 2), torch.ones(1, 4, 2, 2).half()], r"\) float32, .*\) float16"),
        ([torch.ones(1, 4, 16, 16)] * 99, "many times"),
        ([torch.ones(())] * 2, "shape"),
        ({}, "no tensor"),
        ({"step": 3}, "no tensor"),
    ],
)
def test_what_is_no_latents_is_refused(tmp_path, value, message):
    torch.save(value, tmp_path / "some.pt")
    refused(tmp_path / "some.pt", message)
    if isinstance(value, torch.Tensor) and value.layout == torch.strided:
        for key, ending in (("latents", ".safetensors"), ("latent_tensor", ".latent")):
            safetensors.torch.save_file({key: value}, tmp_path / f"some{ending}")
            refused(tmp_path / f"some{ending}", message)


def test_a_safetensors_file_without_tensors_is_refused(tmp_path):
    safetensors.torch.save_file({}, tmp_path / "some.safetensors")
    refused(tmp_path / "some.safetensors", "no tensor")


@pytest.mark.parametrize(("sigma", "form"), [(-1.0, None), (float("nan"), None), (0.5, "clean"), (0.5, "other")])
def test_impossible_noise_is_refused_before_reading(tmp_path, sigma, form):
    with pytest.raises(LatentsError):
        Latents.load(tmp_path / "none.pt", sigma=sigma, form=form)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
@pytest.mark.parametrize("after", [0, 1, 5])
def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path, number, after):
    path = tmp_path / "some.safetensors"
    path.write_bytes(b"old")
    calls = []

    def write(descriptor, content):
        calls.append(1)
        if len(calls) > after:
            raise OSError(number, os.strerror(number))
        return os.write(descriptor, content[:7])

    with pytest.raises(LatentsFileError, match="Nothing was written and the latents are still in memory"):
        write_whole(path, b"x" * 100, write=write)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_short_writes_are_finished(tmp_path):
    content = bytes(range(256)) * 9
    write_whole(tmp_path / "some", content, write=lambda descriptor, part: os.write(descriptor, part[:100]))
    assert (tmp_path / "some").read_bytes() == content


def test_an_interrupt_while_saving_leaves_nothing(tmp_path):
    def write(descriptor, content):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_whole(tmp_path / "some.pt", b"x", write=write)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_real_size_limit_leaves_the_latents_in_memory(tmp_path, ending):
    latents = some_latents(tensor=torch.ones(1, 4, 64, 64), denoised=None)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        with pytest.raises(LatentsFileError, match="larger than this system allows"):
            latents.save(tmp_path / f"some{ending}")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []
    assert torch.equal(Latents.load(latents.save(tmp_path / f"some{ending}")).tensor, latents.tensor)


def load_or_refuse(path):
    with contextlib.suppress(JupyterLatentsError):
        assert torch.isfinite(Latents.load(path).tensor).all()


@pytest.mark.parametrize("ending", ENDINGS)
@FUZZ
@given(content=st.binary(max_size=200))
@example(content=b"PK\x05\x06" + bytes(18))
@example(content=struct.pack("<Q", 2) + b"{}")
@example(content=struct.pack("<Q", 2) + b"[]")
def test_random_bytes_raise_only_our_errors(tmp_path, ending, content):
    (tmp_path / f"some{ending}").write_bytes(content)
    load_or_refuse(tmp_path / f"some{ending}")


@pytest.mark.slow
@pytest.mark.parametrize("ending", ENDINGS)
@IN_FULL
@given(content=st.binary(max_size=200))
def test_random_bytes_in_full(tmp_path, ending, content):
    test_random_bytes_raise_only_our_errors.hypothesis.inner_test(tmp_path, ending, content)


@pytest.mark.parametrize("ending", ENDINGS)
@FUZZ
@given(data=st.data())
def test_mutated_files_raise_only_our_errors(tmp_path, ending, data):
    whole = bytearray(
        some_latents(tensor=torch.ones(1, 4, 2, 2), denoised=None).save(tmp_path / f"whole{ending}").read_bytes()
    )
    for place, value in data.draw(st.lists(st.tuples(st.integers(0, len(whole) - 1), st.integers(0, 255)), max_size=4)):
        whole[place] = value
    (tmp_path / f"some{ending}").write_bytes(whole)
    load_or_refuse(tmp_path / f"some{ending}")


@pytest.mark.slow
@pytest.mark.parametrize("ending", ENDINGS)
@IN_FULL
@given(data=st.data())
def test_mutated_files_in_full(tmp_path, ending, data):
    test_mutated_files_raise_only_our_errors.hypothesis.inner_test(tmp_path, ending, data)


STRANGE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
).map(repr) | st.text(max_size=30)


@pytest.mark.parametrize("ending", [".safetensors", ".latent"])
@FUZZ
@given(text=STRANGE)
@example(text="[" * 50_000)
@example(text="{}")
@example(text="1" * 5000)
def test_strange_metadata_raises_only_our_errors(tmp_path, ending, text):
    metadata = {"jupyter_latents": text, "jupyter_latents.resume": text}
    tensors = {"latents": torch.ones(1, 4, 2, 2), "latent_tensor": torch.ones(1, 4, 2, 2)}
    path = tmp_path / f"some{ending}"
    path.write_bytes(
        safetensors.torch.save(tensors, {name: value.replace("'", '"') for name, value in metadata.items()})
    )
    load_or_refuse(path)
    assert torch.equal(Latents.load(path, verify=False, space="sd").tensor.sign(), torch.ones(1, 4, 2, 2))


@pytest.mark.slow
@pytest.mark.parametrize("ending", [".safetensors", ".latent"])
@IN_FULL
@given(text=STRANGE)
def test_strange_metadata_in_full(tmp_path, ending, text):
    test_strange_metadata_raises_only_our_errors.hypothesis.inner_test(tmp_path, ending, text)


def left_behind(folder, name, age):
    path = folder / name
    path.write_bytes(b"half")
    os.utime(path, (time.time() - age, time.time() - age))
    return path


def test_what_killed_writers_left_is_deleted_by_the_next_one(tmp_path):
    old = left_behind(tmp_path, ".some.pt.0123456789ab.part", 3600)
    young = left_behind(tmp_path, ".other.pt.0123456789ab.part", 5)  # perhaps another process is at work on it
    foreign = left_behind(tmp_path, ".film.mp4.part", 3600)
    path = some_latents().save(tmp_path / "some.pt")
    assert not old.exists()
    assert sorted(tmp_path.iterdir()) == sorted([young, foreign, path])


@pytest.mark.parametrize("ending", ["safetensors", "pt", "npz", "npy", "latent"])
def test_values_that_are_no_numbers_are_not_written(ending: str, tmp_path: Path) -> None:
    latents = some_latents()
    latents.tensor[:] = torch.nan
    with pytest.raises(LatentsError, match="NaN or infinite values of"):
        latents.save(tmp_path / f"x.{ending}")
    assert not list(tmp_path.iterdir())
