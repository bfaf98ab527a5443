"""Packed latents are told, and read with their picture's size; arrays of any kind are latents or refused."""

from __future__ import annotations

import numpy as np
import pytest
import safetensors.torch
import torch
from diffusers import FluxPipeline

from jupyter_latents.errors import LatentsError, LatentsFileError, LatentsWarning, SettingError
from jupyter_latents.latents import CLEAN, SPACES, Latents
from jupyter_latents.latents.packing import to_tokens

pytestmark = pytest.mark.filterwarnings("ignore::jupyter_latents.errors.LatentsWarning")
PICTURE = torch.randn(2, 16, 8, 6, generator=torch.Generator().manual_seed(1))  # 48 x 64 pixels
PACKED = FluxPipeline._pack_latents(PICTURE, 2, 16, 8, 6)


@pytest.mark.parametrize("ending", [".pt", ".safetensors"])
def test_packed_latents_are_told_and_read_with_their_size(tmp_path, ending):
    path = tmp_path / f"some{ending}"
    (torch.save if ending == ".pt" else safetensors.torch.save_file)({"latents": PACKED}, path)
    with pytest.raises(LatentsFileError, match=r"look packed.*size=\(width, height\)"):
        Latents.load(path)
    found = Latents.load(path, size=(48, 64), space="flux", sigma=0)
    assert torch.equal(found.tensor, PICTURE)
    assert (found.size, found.space, found.noise) == ((48, 64), SPACES["flux"], CLEAN)
    with pytest.warns(LatentsWarning, match=r"Flux's or Qwen-Image's"):
        assert torch.equal(Latents.load(path, size=(48, 64)).tensor, PICTURE)


def test_tokens_of_flux2_are_latent_pixels_themselves():
    latents = torch.randn(1, 128, 3, 4)
    for space in ("flux2", None):
        assert torch.equal(Latents.from_tensor(to_tokens(latents), size=(64, 48), space=space).tensor, latents)


@pytest.mark.parametrize(
    ("size", "message"),
    [((64, 64), "12 tokens"), ((48,), "width, height"), ((0, 64), "width, height"), ("48x64", "width, height")],
)
def test_another_size_is_refused(size, message):
    with pytest.raises((LatentsError, SettingError), match=message):
        Latents.from_tensor(PACKED, size=size)


def test_a_square_size_is_proposed():
    with pytest.raises(LatentsError, match="256x256 or"):
        Latents.from_tensor(torch.zeros(1, 256, 64), size=(512, 512))


@pytest.mark.parametrize(
    ("tokens", "sizes"),
    [
        ((12, 64), "64x48 or 48x64 or 96x32 or 32x96 pixels"),
        ((4096, 64), "1024x1024 or 2048x512 or 512x2048 pixels"),
        ((12, 128), "64x48 or 48x64 or 96x32 or 32x96 pixels"),
        ((7, 64), "112x16 or 16x112 pixels"),
        ((1, 64), " 16x16 pixels"),
    ],
)
def test_the_sizes_that_packed_latents_may_have_are_said(tokens, sizes):
    with pytest.raises(LatentsError, match=sizes):
        Latents.from_tensor(torch.zeros(1, *tokens))
    size, space = tuple(map(int, sizes.split()[0].split("x"))), "flux" if tokens[1] == 64 else "flux2"
    assert Latents.from_tensor(torch.zeros(1, *tokens), size=size, space=space).size == size


def test_latents_without_a_batch_are_no_tokens_where_the_size_says_so():
    tensor = torch.randn(4, 64, 64)  # SD's at 512 pixels, or four pictures of 64 of Flux's tokens
    for size, shape in (((512, 512), (1, 4, 64, 64)), ((128, 128), (4, 16, 16, 16))):
        assert Latents.from_tensor(tensor, size=size).shape == shape


def test_a_size_that_latents_do_not_have_is_told():
    with pytest.warns(LatentsWarning, match="left aside"):
        Latents.from_tensor(torch.randn(1, 4, 8, 8), size=(32, 32))


def test_packed_latents_as_a_value_say_what_to_do():
    with pytest.raises(LatentsError, match=r"look packed.*from_tensor"):
        Latents(PACKED)


def test_a_tensor_of_three_dimensions_is_read_as_a_file_of_it(tmp_path):
    tensor = torch.randn(4, 8, 8)
    torch.save(tensor, tmp_path / "some.pt")
    with pytest.warns(LatentsWarning, match="channels, height, width"):
        found = Latents.from_tensor(tensor)
    assert torch.equal(found.tensor, Latents.load(tmp_path / "some.pt").tensor)


ARRAY = np.random.default_rng(1).standard_normal((1, 4, 8, 8))


@pytest.mark.parametrize("array", [ARRAY.astype(">f4"), ARRAY[:, :, ::-1], ARRAY.T.copy().T, np.asfortranarray(ARRAY)])
def test_arrays_of_any_order_are_latents(array):
    found = Latents.from_tensor(array)
    assert np.array_equal(found.tensor.numpy(), array)
    before = found.tensor.clone()
    array[:] = 0
    assert torch.equal(found.tensor, before), "they share no memory"


@pytest.mark.parametrize(
    "value",
    [
        np.full((1, 4, 2, 2), None),
        np.full((1, 4, 2, 2), 1.0, dtype=object),
        np.full((1, 4, 2, 2), "a"),
        np.zeros((1, 4, 2, 2), dtype=[("a", "f4")]),
        np.zeros((1, 4, 2, 2), dtype="M8[s]"),
        np.zeros((1, 4, 2, 2), dtype=np.int64),
        torch.ones(1, 4, 2, 2).to_sparse(),
        torch.ones(1, 4, 2, 2, device="meta"),
        [[1.0], [1.0, 2.0]],
        object(),
        "text",
    ],
)
def test_what_holds_no_numbers_is_refused(value):
    with pytest.raises(LatentsError, match="latents"):
        Latents.from_tensor(value)
    if isinstance(value, torch.Tensor):
        with pytest.raises(LatentsError, match="dense"):
            Latents(value)
