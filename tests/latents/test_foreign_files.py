"""Files of other programs: numpy's, trainers' caches, InvokeAI's without an ending, lists of tensors."""

from __future__ import annotations

import io
import resource
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch

from jupyter_latents.errors import LatentsFileError, LatentsWarning
from jupyter_latents.latents import CLEAN, SPACES, Latents
from jupyter_latents.latents.files.comfy_file import model_from_raw
from tests.latents import strategies
from tests.latents.test_files import some_latents

pytestmark = pytest.mark.filterwarnings("ignore::jupyter_latents.errors.LatentsWarning")
ARRAY = np.random.default_rng(1).standard_normal((1, 4, 6, 5)).astype("f4")


def refused(path: Path, match: str, **facts: Any) -> str:
    with pytest.raises(LatentsFileError, match=match) as caught:
        Latents.load(path, **facts)
    return str(caught.value)


@pytest.mark.parametrize("dtype", strategies.DTYPES)
def test_npz_keeps_everything_and_is_numpys(tmp_path: Path, dtype: torch.dtype) -> None:
    tensor = some_latents().tensor.to(dtype)
    latents = some_latents(tensor=tensor, denoised=tensor / 2, resume=some_latents().resume)
    path = latents.save(tmp_path / "some.npz")
    assert path.read_bytes() == latents.save(tmp_path / "again.npz").read_bytes()
    found = Latents.load(path)
    for name in ("space", "noise", "position", "provenance"):
        assert getattr(found, name) == getattr(latents, name)
    assert strategies.same_state(found.tensor, latents.tensor)
    assert strategies.same_state(found.denoised, latents.denoised)
    assert found.resume is not None
    assert latents.resume is not None
    assert strategies.same_state(found.resume.scheduler, latents.resume.scheduler)
    with np.load(path, allow_pickle=False) as arrays:
        assert np.array_equal(arrays["latents"], np.asarray(latents))


@pytest.mark.parametrize("dtype", strategies.DTYPES)
def test_npy_is_the_bare_array_and_numpys(tmp_path: Path, dtype: torch.dtype) -> None:
    latents = some_latents(tensor=some_latents().tensor.to(dtype))
    path = latents.save(tmp_path / "some.npy")
    assert np.array_equal(np.load(path, allow_pickle=False), np.asarray(latents))
    assert np.array_equal(np.load(path, mmap_mode="r"), np.asarray(latents))
    assert np.array_equal(np.asarray(Latents.load(path)), np.asarray(latents))


@pytest.mark.parametrize("array", [ARRAY, ARRAY.astype(">f4"), np.asfortranarray(ARRAY), ARRAY.astype("f8"), ARRAY[0]])
def test_arrays_of_numpy_are_read(tmp_path: Path, array: np.ndarray[Any, Any]) -> None:
    np.save(tmp_path / "a.npy", array)
    np.savez(tmp_path / "a.npz", array)
    np.savez_compressed(tmp_path / "named.npz", samples=array, other=array)
    for name in ("a.npy", "a.npz", "named.npz"):
        assert np.array_equal(np.asarray(Latents.load(tmp_path / name)), array.reshape(1, 4, 6, 5))


def test_of_several_arrays_those_that_are_left_out_are_named(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", b=ARRAY, c=ARRAY)
    with pytest.warns(LatentsWarning, match=r"first tensor, 'b' of 2|left out is 'c'"):
        Latents.load(tmp_path / "a.npz")


def test_a_changed_npy_file_of_ours_is_told_and_can_be_read_all_the_same(tmp_path: Path) -> None:
    path = some_latents(tensor=torch.full((1, 4, 2, 2), 0.5), denoised=None).save(tmp_path / "some.npy")
    path.write_bytes(path.read_bytes().replace(b"\x00\x00\x00\x3f", b"\x00\x00\x80\x3f", 1))
    refused(path, r"checksum.*verify=False")
    assert Latents.load(path, verify=False).tensor.max() == 1.0


def test_a_shape_that_reaches_into_the_checksum_is_told(tmp_path: Path) -> None:
    """Eight values more are as many bytes as the checksum has."""
    path = some_latents(tensor=torch.ones(1, 4, 1, 1), denoised=None).save(tmp_path / "some.npy")
    path.write_bytes(path.read_bytes().replace(b"(1, 4, 1, 1)", b"(1, 4, 3, 1)", 1))
    refused(path, "reaches into its checksum")


def test_a_npy_file_of_ours_that_lost_its_checksum_is_told(tmp_path: Path) -> None:
    """Else nobody would hear of its other damage; numpy reads the file as any."""
    latents = some_latents(tensor=torch.ones(1, 4, 1, 1), denoised=None)
    path = latents.save(tmp_path / "some.npy")
    assert np.array_equal(np.load(path), np.asarray(latents))
    path.write_bytes(path.read_bytes()[:-32])
    refused(path, "ends before its checksum")


def npy(header: str, content: bytes = bytes(16)) -> bytes:
    text = header.encode("latin1")
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + content


def header(descr: str = "'<f4'", shape: str = "(1, 4, 1, 1)", columns: str = "False") -> str:
    return f"{{'descr': {descr}, 'fortran_order': {columns}, 'shape': {shape}, }}\n"


BAD = {
    "a shape beyond the file": (npy(header(shape="(1, 4, 100000, 100000)")), "holds fewer"),
    "a shape beyond all numbers": (npy(header(shape=f"(1, 4, {10**30}, 1)")), "holds fewer"),
    "a negative shape": (npy(header(shape="(-1, -4, 1, 1)")), "holds fewer|damaged"),
    "a smaller shape": (npy(header(shape="(1, 2, 1, 1)")), "bytes more"),
    "objects": (npy(header("'|O'")), "objects"),
    "records": (npy(header("[('a', '<f4')]")), "objects|damaged"),
    "texts": (npy(header("'<U1'")), "dtype|array of"),
    "dates": (npy(header("'<M8[s]'", shape="(1, 2, 1, 1)")), "objects"),
    "whole numbers": (npy(header("'<i4'")), "dtype"),
    "no numbers": (npy(header("'<f4'", shape="(1, 0, 1, 1)"), b""), "empty"),
    "NaN": (npy(header(), struct.pack("<4f", *[float("nan")] * 4)), "NaN"),
    "a deep header": (npy("(" * 4000), "damaged"),
    "a long header": (npy(" " * 60_000 + header()), "damaged"),
    "code as header": (npy("__import__('os').system('touch exploited')"), "damaged"),
    "version 9": (npy(header()).replace(b"\x01\x00", b"\x09\x00", 1), "damaged"),
}


@pytest.mark.parametrize("case", BAD)
def test_arrays_that_are_no_latents_are_refused_without_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    monkeypatch.chdir(tmp_path)
    content, message = BAD[case]
    Path("some.npy").write_bytes(content)
    with zipfile.ZipFile("some.npz", "w") as archive:
        archive.writestr("latents.npy", content)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for name in ("some.npy", "some.npz"):
        assert "pickle" not in refused(Path(name), message)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # kilobytes
    assert not Path("exploited").exists()


def test_objects_in_numpys_files_are_not_made(tmp_path: Path) -> None:
    objects = np.array([object, 1], dtype=object)
    np.save(tmp_path / "a.npy", objects, allow_pickle=True)
    np.savez(tmp_path / "a.npz", latents=objects)
    for name in ("a.npy", "a.npz"):
        assert "pickle" not in refused(tmp_path / name, "objects")


def archive(path: Path, parts: list[tuple[str, bytes]], compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as made:
        for name, content in parts:
            made.writestr(name, content)
    return path


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_archives_that_are_traps_are_refused_without_memory(tmp_path: Path) -> None:
    path, zeros = tmp_path / "some.npz", bytes(1 << 24)
    plain = io.BytesIO()
    np.save(plain, ARRAY)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    refused(archive(path, [(f"{n}.npy", zeros) for n in range(8)], zipfile.ZIP_DEFLATED), "claim")
    refused(archive(path, [("a.npy", plain.getvalue())] * 2), "one name")
    refused(archive(path, [("a\0b", plain.getvalue())]), "no tensor")
    refused(archive(path, [("../a.txt", b"x")]), "no tensor")
    refused(archive(path, []), "no tensor")
    assert list(tmp_path.iterdir()) == [path]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # kilobytes


@pytest.mark.parametrize("ending", ["safetensors", "pt", "latent", "npz", "npy"])
def test_a_file_without_an_ending_is_known_by_its_content(tmp_path: Path, ending: str) -> None:
    saved = Latents.load(some_latents().save(tmp_path / f"some.{ending}"))
    (tmp_path / "Tensor_3f0c").write_bytes((tmp_path / f"some.{ending}").read_bytes())
    found = Latents.load(tmp_path / "Tensor_3f0c")
    assert torch.equal(found.tensor, saved.tensor)
    assert (found.noise, found.space) == (saved.noise, saved.space)


def test_invokeais_tensors_are_read_and_its_conditionings_refused(tmp_path: Path) -> None:
    for archived in (True, False):
        torch.save(torch.ones(1, 4, 8, 8), tmp_path / "Tensor_1", _use_new_zipfile_serialization=archived)
        assert Latents.load(tmp_path / "Tensor_1").shape == (1, 4, 8, 8)
        torch.save(Conditioning(), tmp_path / "ConditioningFieldData_1", _use_new_zipfile_serialization=archived)
        refused(tmp_path / "ConditioningFieldData_1", "refused")
    (tmp_path / "picture").write_bytes(b"\x89PNG\r\n")
    refused(tmp_path / "picture", "no ending")


class Conditioning:
    """Something that is no tensor."""


@pytest.mark.parametrize(
    ("value", "shape"),
    [
        ([torch.ones(1, 4, 2, 2)], (1, 4, 2, 2)),
        ([torch.ones(1, 4, 2, 2), torch.zeros(1, 4, 2, 2)], (2, 4, 2, 2)),
        ((torch.ones(2, 4, 2, 2), torch.zeros(2, 4, 2, 2)), (4, 4, 2, 2)),
        ([torch.ones(4, 2, 2), torch.zeros(4, 2, 2), torch.zeros(4, 2, 2)], (3, 4, 2, 2)),
    ],
)
def test_lists_of_tensors_are_a_batch(tmp_path: Path, value: object, shape: tuple[int, ...]) -> None:
    torch.save(value, tmp_path / "some.pt")
    found = Latents.load(tmp_path / "some.pt")
    assert found.shape == shape
    assert found.tensor[0].min() == 1.0
    assert shape[0] == 1 or "batch" in found.facts()["assumed"]


def test_a_list_of_packed_latents_is_a_batch_of_them(tmp_path: Path) -> None:
    torch.save([torch.ones(1, 12, 64), torch.zeros(1, 12, 64)], tmp_path / "some.pt")
    assert Latents.load(tmp_path / "some.pt", size=(64, 48)).shape == (2, 16, 6, 8)


def test_what_was_assumed_of_three_axes_stands_in_the_facts(tmp_path: Path) -> None:
    torch.save(torch.ones(4, 2, 2), tmp_path / "some.pt")
    assert "(channels, height, width)" in Latents.load(tmp_path / "some.pt").facts()["assumed"]


SCRIPTS = {"sd": ("sd", True), "sdxl": ("sdxl", True), "sd3": ("sd3", True), "flux": ("flux", False)}


def scripts_cache(path: Path, channels: int, suffix: str = "_6x4", **more: Any) -> np.ndarray[Any, Any]:
    """A file as sd-scripts writes it."""
    values = np.random.default_rng(2).standard_normal((channels, 6, 4)).astype("f4")
    beside = {f"original_size{suffix}": np.array([40, 50]), f"crop_ltrb{suffix}": np.array([0, 0, 32, 48])}
    np.savez(path, **{f"latents{suffix}": values, **beside, **more})
    return values


@pytest.mark.parametrize("suffix", ["", "_6x4"])
@pytest.mark.parametrize("architecture", SCRIPTS)
def test_caches_of_sd_scripts_are_in_model_space(tmp_path: Path, architecture: str, suffix: str) -> None:
    name, raw = SCRIPTS[architecture]
    space, path = SPACES[name], tmp_path / f"photo_0032x0048_{architecture}.npz"
    values = torch.from_numpy(scripts_cache(path, space.channels, suffix, latents_flipped=ARRAY)).unsqueeze(0)
    with pytest.warns(LatentsWarning, match=rf"name ends in _{architecture}|'latents_flipped'"):
        found = Latents.load(path)
    assert (found.space, found.noise, found.size) == (space, CLEAN, (32, 48))
    assert torch.equal(found.tensor, model_from_raw(values, space) if raw else values)
    assert found.provenance.options["trainer"] == "sd-scripts"


def test_caches_of_several_sizes_ask_which(tmp_path: Path) -> None:
    path = tmp_path / "photo_sdxl.npz"
    scripts_cache(path, 4, latents_8x4=np.ones((4, 8, 4), "f4"))
    refused(path, r"sizes \(32, 48\), \(32, 64\): choose one with size=")
    refused(path, "none of 64 by 64", size=(64, 64))
    assert Latents.load(path, size=(32, 64)).size == (32, 64)


def test_a_cache_of_an_unknown_model_says_so(tmp_path: Path) -> None:
    scripts_cache(tmp_path / "photo.npz", 4)
    with pytest.warns(LatentsWarning, match=r"not known here.*its model is not known"):
        found = Latents.load(tmp_path / "photo.npz")
    assert found.noise == CLEAN
    given = Latents.load(tmp_path / "photo.npz", space="sd")
    assert torch.allclose(given.tensor, found.tensor * 0.18215)


MUSUBI = {
    "qwen_image": ("wan", "latents_1x6x4_bf16", (16, 1, 6, 4), False),
    "wan": ("wan", "latents_1x6x4_fp32", (16, 1, 6, 4), False),
    "flux_kontext": ("flux", "latents_1x6x4_fp32", (16, 6, 4), False),
    "flux_2_dev": ("flux2", "latents_6x4_fp32", (128, 6, 4), False),
    "z_image": ("flux", "latents_1x6x4_fp32", (16, 6, 4), True),
}


@pytest.mark.parametrize("architecture", MUSUBI)
def test_caches_of_musubi_are_in_model_space(tmp_path: Path, architecture: str) -> None:
    name, key, shape, raw = MUSUBI[architecture]
    values = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    values = values.bfloat16() if key.endswith("bf16") else values
    tensors = {key: values, f"latents_control_0_{key[8:]}": torch.ones(shape)}
    metadata = {"architecture": architecture, "width": "40", "height": "50", "format_version": "1.0.1"}
    safetensors.torch.save_file(tensors, tmp_path / "photo_0032x0048.safetensors", metadata)
    with pytest.warns(LatentsWarning, match="latents_control_0"):
        found = Latents.load(tmp_path / "photo_0032x0048.safetensors")
    expected = values.reshape(1, shape[0], 6, 4)
    assert (found.space, found.noise) == (SPACES[name], CLEAN)
    assert torch.equal(found.tensor, model_from_raw(expected, found.space) if raw else expected)


@pytest.mark.parametrize(
    ("key", "shape", "message"),
    [
        ("latents_1x6x4_fp32", (16, 1, 4, 6), "damaged"),
        ("latents_1x6x4_fp32", (4,), "trainer's are"),
        ("latents_1x6x4_fp32", (4, 6, 4), "4 channels"),
    ],
)
def test_damaged_caches_are_refused(tmp_path: Path, key: str, shape: tuple[int, ...], message: str) -> None:
    metadata = {"architecture": "wan", "format_version": "1.0.1"}
    safetensors.torch.save_file({key: torch.ones(shape)}, tmp_path / "a.safetensors", metadata)
    refused(tmp_path / "a.safetensors", message)


REAL = Path(__file__).resolve().parents[3] / "shared" / "weights" / "wan21_latents.pth"


@pytest.fixture(scope="module")
def real() -> torch.Tensor:
    """Frames of a real film's latents, (frames, 16, height, width)."""
    if not REAL.is_file():
        pytest.skip("there are no real latents here")
    film: torch.Tensor = torch.load(REAL, weights_only=True, map_location="cpu")
    return film[0].transpose(0, 1).contiguous()


@pytest.mark.parametrize("ending", ["safetensors", "pt", "npz", "npy", "latent"])
def test_real_latents_come_back_from_every_format(tmp_path: Path, real: torch.Tensor, ending: str) -> None:
    latents = Latents(real, SPACES["wan"], CLEAN)
    found = Latents.load(latents.save(tmp_path / f"some.{ending}"), space="wan", sigma=0)
    assert (found.space, found.noise, found.shape) == (latents.space, CLEAN, latents.shape)
    exact = torch.equal(found.tensor.float(), real.float())
    assert exact or (ending == "latent" and torch.allclose(found.tensor, real.float(), atol=1e-5))


def test_real_latents_are_unpacked_as_qwen_image_packs_them(tmp_path: Path, real: torch.Tensor) -> None:
    from diffusers import QwenImagePipeline

    frames, channels, height, width = real.shape
    torch.save(QwenImagePipeline._pack_latents(real, frames, channels, height, width), tmp_path / "packed.pt")
    found = Latents.load(tmp_path / "packed.pt", size=(8 * width, 8 * height), space="qwen")
    assert torch.equal(found.tensor, real)
    assert torch.equal(found.packed(), torch.load(tmp_path / "packed.pt", weights_only=True))


def test_caches_of_clips_are_read(tmp_path: Path) -> None:
    values = torch.randn((16, 5, 6, 4), generator=torch.Generator().manual_seed(1))
    metadata = {"architecture": "wan", "format_version": "1.0.1"}
    safetensors.torch.save_file({"latents_5x6x4_fp32": values}, tmp_path / "a.safetensors", metadata)
    found = Latents.load(tmp_path / "a.safetensors")
    assert (found.frames, found.size, found.noise) == (17, (32, 48), CLEAN)
    assert torch.equal(found.tensor[0], values)
