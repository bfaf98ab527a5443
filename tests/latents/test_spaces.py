"""A space knows its axes: the picture's size from a shape, the shape for a picture, and how both are kept."""

from __future__ import annotations

import json
import math
import struct
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from jupyter_latents.errors import LatentsError, LatentsFileError, SettingError
from jupyter_latents.latents import SPACES, Latents, Space
from jupyter_latents.latents.files import records
from jupyter_latents.latents.files.metadata import CHECK_KEY, FACTS_KEY, checksum
from jupyter_latents.latents.files.safetensors_file import safetensors_bytes
from jupyter_latents.latents.spaces import AXES

SIDES = st.integers(1, 200)


@given(st.sampled_from(sorted(SPACES)), st.sampled_from(AXES), SIDES, SIDES, st.integers(1, 4))
def test_the_size_of_a_shape_for_a_picture_is_the_picture(name, axes, across, down, batch):
    space = replace(SPACES[name], axes=axes)
    width, height = across * space.factor, down * space.factor
    shape = space.shape_for(width, height, batch)
    assert space.size_of(shape) == (width, height)
    assert space.holds(shape)
    assert math.prod(shape) == batch * space.channels * across * down


def test_shapes_follow_the_axes():
    assert SPACES["sd"].shape_for(64, 32) == (1, 4, 4, 8)
    assert SPACES["flux2"].shape_for(64, 32, batch=3) == (3, 128, 2, 4)
    assert replace(SPACES["wan"], axes="b c f h w").shape_for(64, 32) == (1, 16, 1, 4, 8)
    assert replace(SPACES["wan"], axes="b c f h w").size_of((1, 16, 7, 4, 8)) == (64, 32)


def test_what_goes_beyond_whole_latent_pixels_is_left_out():
    assert SPACES["sd"].shape_for(71, 39) == (1, 4, 4, 8)


def test_a_shape_of_other_axes_or_channels_is_not_of_the_space():
    assert not SPACES["sd"].holds((1, 4, 1, 8, 8))
    assert not SPACES["sd"].holds((1, 16, 8, 8))
    with pytest.raises(LatentsError, match="axes b c f h w"):
        Latents(torch.randn(1, 16, 4, 4), replace(SPACES["wan"], axes="b c f h w"))


@pytest.mark.parametrize("axes", ["b h w c", "", "bchw", "b c h w "])
def test_axes_that_are_not_known_are_refused_with_the_known(axes):
    with pytest.raises(SettingError, match="known are 'b c h w' and 'b c f h w'"):
        Space("odd", 4, axes=axes)


def test_the_stored_form_of_the_usual_axes_is_that_of_earlier_versions():
    """Digests of models and stages are made of the text, files of the record; both as before there were axes."""
    space = Space("SD", 4, 8, 0.18215, vae="abc")
    assert repr(space) == (
        "Space(name='SD', channels=4, factor=8, scaling_factor=0.18215, shift_factor=0.0, channel_mean=(), "
        "channel_std=(), vae='abc')"
    )
    assert list(records.space_record(space)) == [
        *("name", "channels", "factor", "scaling_factor", "shift_factor", "channel_mean", "channel_std", "vae")
    ]


@pytest.mark.parametrize("axes", AXES)
def test_a_space_comes_back_from_its_record(axes):
    space = replace(SPACES["wan"], axes=axes)
    assert records.space_from(json.loads(json.dumps(records.space_record(space)))) == space
    assert (repr(axes) in repr(space)) == (axes != AXES[0])
    assert replace(space, axes=AXES[0]).same_as(space) == (axes == AXES[0])


def with_axes(content: bytes, axes: object) -> bytes:
    """A latents file whose facts name other axes, with a checksum that agrees."""
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    facts = json.loads(header["__metadata__"][FACTS_KEY])
    facts["space"]["axes"] = axes
    text = json.dumps(facts)
    header["__metadata__"] |= {FACTS_KEY: text, CHECK_KEY: checksum(text)}
    written = json.dumps(header).encode()
    return struct.pack("<Q", len(written)) + written + content[8 + length :]


@pytest.mark.parametrize("axes", ["b h w c", 7, None, ["b", "c"], "b c f h w"])
def test_a_file_that_names_other_axes_is_refused(tmp_path, axes):
    path = tmp_path / "some.safetensors"
    content = safetensors_bytes(Latents(torch.randn(1, 4, 4, 4), SPACES["sd"]))
    path.write_bytes(with_axes(content, axes))
    with pytest.raises(LatentsFileError, match="axes"):
        Latents.load(path)
    path.write_bytes(with_axes(content, "b c h w"))
    assert Latents.load(path).space == SPACES["sd"]
