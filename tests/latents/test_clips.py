"""Latents of five dimensions: size and frames by their space, slices in time, operations in height and width, files."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image

from jupyter_latents.errors import LatentsError, LatentsWarning, SettingError
from jupyter_latents.latents import CLEAN, SPACES, Latents, Noise, batch
from jupyter_latents.latents.clip import Clip
from jupyter_latents.latents.facts import Provenance
from jupyter_latents.latents.operations.resampling import each_frame
from jupyter_latents.latents.spaces import for_shape

SHAPE = (2, 16, 4, 6, 5)
WAN = for_shape(SPACES["wan"], SHAPE)
HALF = Noise(1.0, "flow")
REAL = Path(__file__).resolve().parents[3] / "shared" / "weights" / "wan21_latents.pth"


def clip(noise: Noise = CLEAN, seed: int = 1) -> Latents:
    generator = torch.Generator().manual_seed(seed)
    tensor = torch.randn(SHAPE, generator=generator)
    return Latents(tensor, WAN, noise, denoised=torch.randn(SHAPE, generator=generator))


def frame(latents: Latents, number: int) -> Latents:
    """One latent frame as pictures."""
    estimate = None if latents.denoised is None else latents.denoised[:, :, number]
    return Latents(latents.tensor[:, :, number], SPACES["wan"], latents.noise, denoised=estimate)


def test_a_clip_knows_its_size_and_frames():
    assert (clip().size, clip().frames, clip().moves) == ((40, 48), 13, True)
    assert clip().facts()["frames"] == "13 of 40 × 48 pixels"
    assert WAN.shape_for(40, 48, 2, 13) == SHAPE
    bare = Latents(torch.zeros(SHAPE))
    assert (bare.size, bare.frames) == ((40, 48), 13)
    assert frame(clip(), 0).frames == 1


def test_pictures_are_not_of_a_space_of_clips():
    with pytest.raises(LatentsError, match=r"are pictures, and Wan2.1 space .* is one of clips"):
        Latents(torch.zeros(1, 16, 4, 4), WAN)
    with pytest.raises(LatentsError, match=r"are clips, and Wan2.1 space .* is one of pictures"):
        Latents(torch.zeros(SHAPE), SPACES["wan"])
    assert Latents(torch.zeros(SHAPE)).replace(space="wan").space == WAN


@pytest.mark.parametrize(
    ("part", "kept", "frames"),
    [
        (slice(0, 5), slice(0, 2), 5),
        (slice(None), slice(0, 4), 13),
        (slice(5, None), slice(2, 4), 5),
        (slice(1, 9), slice(1, 3), 5),
        (slice(-8, None), slice(2, 4), 5),
    ],
)
def test_slices_are_frames_of_whole_latent_frames(part, kept, frames):
    found = clip(HALF)[part]
    assert torch.equal(found.tensor, clip().tensor[:, :, kept])
    assert torch.equal(found.denoised, clip().denoised[:, :, kept])
    assert (found.frames, found.noise, found.provenance.operation) == (frames, HALF, "cut")


@pytest.mark.parametrize(
    ("part", "message"),
    [
        (slice(0, 6), "End at 5 or 9"),
        (slice(0, 3), "End at 1 or 5"),
        (slice(3, 9), "Begin at 1 or 5"),
        (slice(5, 5), "frames 5 to 5 are none"),
        (slice(0, 9, 2), "give a slice of its 13 frames"),
        (slice(0.0, 5), "in whole numbers"),
        (3, "give a slice of its 13 frames, such as clip"),
    ],
)
def test_slices_between_latent_frames_name_the_nearest(part, message):
    with pytest.raises(SettingError, match=message):
        clip()[part]


def test_pictures_have_no_slices_in_time():
    with pytest.raises(LatentsError, match="slices are frames of a clip"):
        frame(clip(), 0)[0:5]


def test_flip_and_crop_leave_time_alone():
    assert torch.equal(clip().flip(vertical=True).tensor, clip().tensor.flip(-1, -2))
    assert torch.equal(clip().crop((8, 16, 32, 40)).tensor, clip().tensor[..., 2:5, 1:4])


def test_a_clip_keeps_its_speed_and_what_steers_it_whatever_is_done_to_it():
    options = {"fps": "12", "pictures": "1", "steps": "4"}
    own = clip().replace(provenance=Provenance("m", options=options))
    made = (own.flip(), own.crop((8, 16, 32, 40)), own[0:5], own.resize((56, 24)), batch([own, own]))
    assert all({"fps": "12", "pictures": "1"}.items() <= one.provenance.options.items() for one in made)
    assert "steps" not in made[0].provenance.options
    other = clip().replace(provenance=Provenance("m", options={"fps": "24"}))
    assert dict(own.blend(other, 0.5).provenance.options).get("fps") is None


def test_a_slice_of_a_film_is_a_film():
    film = Clip([Image.new("RGB", (8, 8))] * 5, 12, {"a": "b"})
    assert (len(film[1:3]), film[1:3].fps, film[::-1].texts) == (2, 12, {"a": "b"})
    assert film[0].size == (8, 8)


@pytest.mark.parametrize("mode", ["edge", "reflect", "zero"])
def test_pad_is_that_of_each_frame(mode):
    larger = clip().pad((8, 16, 0, 8), mode=mode)
    assert larger.shape == (2, 16, 4, 9, 6)
    for number in range(4):
        assert torch.equal(larger.tensor[:, :, number], frame(clip(), number).pad((8, 16, 0, 8), mode=mode).tensor)


@pytest.mark.parametrize("mode", ["bilinear", "bicubic", "nearest"])
def test_resize_is_that_of_each_frame(mode):
    other = clip().resize((56, 24), mode=mode)
    for number in range(4):
        assert torch.equal(other.tensor[:, :, number], frame(clip(), number).resize((56, 24), mode=mode).tensor)
    assert clip(HALF).resize((80, 96)).noise == HALF


def test_blend_composite_and_paste_of_clips():
    one, two = clip(HALF, 1), clip(HALF, 2)
    assert torch.equal(one.blend(two, 0).tensor, one.tensor)
    assert torch.equal(one.blend(two, 1).tensor, two.tensor)
    mask = torch.zeros(6, 5)
    mask[:, 2:] = 1
    mixed = one.composite(two, mask).tensor
    assert torch.equal(mixed[..., :2], one.tensor[..., :2])
    assert torch.equal(mixed[..., 2:], two.tensor[..., 2:])
    pasted = one.paste(two.crop((0, 0, 16, 16)), (8, 8))
    assert torch.equal(pasted.tensor[..., 1:3, 1:3], two.tensor[..., :2, :2])


def test_a_blend_may_go_over_in_time():
    one, two = clip(seed=1), clip(seed=2)
    over = one.blend(two, [0, 1]).tensor
    assert torch.equal(over[:, :, 0], one.tensor[:, :, 0])
    assert torch.equal(over[:, :, -1], two.tensor[:, :, -1])
    assert torch.allclose(over[:, :, 1], torch.lerp(one.tensor[:, :, 1], two.tensor[:, :, 1], 1 / 3))
    with pytest.raises(SettingError, match="weight is"):
        one.blend(two, [0, 2])


def test_a_mask_may_move():
    one, two = clip(seed=1), clip(seed=2)
    moving = one.composite(two, torch.stack([torch.zeros(6, 5), torch.ones(6, 5)]))
    assert torch.equal(moving.tensor[:, :, 0], one.tensor[:, :, 0])
    assert torch.equal(moving.tensor[:, :, -1], two.tensor[:, :, -1])
    with pytest.raises(SettingError, match="empty list"):
        one.composite(two, [])


def test_items_of_a_batch_of_clips():
    items = clip(HALF).split()
    assert [item.shape for item in items] == [(1, *SHAPE[1:])] * 2
    assert torch.equal(batch(items).tensor, clip().tensor)
    assert clip(HALF).add_noise(2.0).frames == 13
    assert clip(HALF).scale(0.5).frames == 13


def test_a_change_of_each_frame_keeps_the_axes():
    assert torch.equal(each_frame(lambda frames: frames[..., :2], clip().tensor), clip().tensor[..., :2])


@pytest.mark.parametrize("ending", ["safetensors", "npz", "pt", "npy", "latent"])
def test_clips_come_back_from_every_format(tmp_path, ending):
    given = clip(HALF)
    found = Latents.load(given.save(tmp_path / f"some.{ending}"), space="wan", sigma=1.0, form="flow")
    assert (found.space, found.noise, found.frames) == (WAN, HALF, 13)
    near = torch.allclose(found.tensor, given.tensor, atol=1e-5)
    assert near if ending == "latent" else torch.equal(found.tensor, given.tensor)


def test_comfyui_reads_a_clip_as_raw_values_of_five_axes(tmp_path):
    from safetensors.torch import load_file

    clip().save(tmp_path / "some.latent")
    raw = load_file(tmp_path / "some.latent")["latent_tensor"]
    mean, std = (torch.tensor(values).view(1, -1, 1, 1, 1) for values in (WAN.channel_mean, WAN.channel_std))
    assert torch.allclose(raw, clip().tensor * std + mean, atol=1e-5)


def test_frames_before_channels_are_turned(tmp_path):
    torch.save(clip().tensor.transpose(1, 2), tmp_path / "some.pt")
    with pytest.warns(LatentsWarning, match=r"is \(batch, frames, channels, height, width\)"):
        found = Latents.load(tmp_path / "some.pt", space="wan", sigma=0)
    assert torch.equal(found.tensor, clip().tensor)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last_3d])
def test_the_layout_in_memory_comes_back(tmp_path, layout):
    from jupyter_latents.latents import Resume

    given = clip(HALF).replace(resume=Resume())
    given = given.replace(tensor=given.tensor.contiguous(memory_format=layout))
    assert Latents.load(given.save(tmp_path / "some.safetensors")).tensor.stride() == given.tensor.stride()


def test_real_latents_of_a_clip_come_back_from_every_format(tmp_path):
    if not REAL.is_file():
        pytest.skip("there are no real latents here")
    real = Latents.load(REAL, space="wan", sigma=0)
    assert (real.size, real.frames, real.noise) == ((512, 320), 61, CLEAN)
    for ending in ("safetensors", "npz", "pt", "npy", "latent"):
        found = Latents.load(real.save(tmp_path / f"some.{ending}"), space="wan", sigma=0)
        assert torch.allclose(found.tensor.float(), real.tensor.float(), atol=1e-5), ending
