"""Tensors travel by their digests, once, in the layout that they had."""

from __future__ import annotations

import io
import pickle
from typing import Any

import pytest
import safetensors.torch
import torch

from jupyter_latents.cluster.parcels import LackingError, Parcel, TensorShelf
from jupyter_latents.engine import Inputs
from tests.display.fake_run import latents_at, stage


def large(seed: int, *, last: bool = False) -> torch.Tensor:
    made = torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(seed))
    return made.contiguous(memory_format=torch.channels_last) if last else made


def test_a_worker_is_sent_what_it_lacks_and_nothing_else() -> None:
    first, second = (latents_at(stage("base"), 3).replace(tensor=large(seed), denoised=None) for seed in (1, 2))
    inputs, shelf = Inputs(latents=(first, second)), TensorShelf()
    shelf.put(Parcel.of(first).tensors)
    parcel = Parcel.of(inputs)
    assert len(parcel.outline) < 8000
    with pytest.raises(LackingError) as lacking:
        shelf.unpack(parcel.outline, parcel.tensors)
    content = parcel.content(lacking.value.digests)
    (sent,) = safetensors.torch.load(content).values()
    assert torch.equal(sent, second.tensor)
    for came in (shelf.unpack(parcel.outline, parcel.tensors, content), shelf.unpack(parcel.outline, parcel.tensors)):
        assert [one.digest for one in came.latents] == [first.digest, second.digest]
        assert [one.facts() for one in came.latents] == [first.facts(), second.facts()]


def test_another_thread_may_ask_for_a_digest_while_latents_are_packed() -> None:
    latents = latents_at(stage("base"), 3)

    class Meddling(pickle.Pickler):
        def persistent_id(self, value: Any) -> None:
            assert value is not latents.tensor or latents.digest

    latents.__dict__.pop("digest", None)
    Meddling(io.BytesIO()).dump(latents)


def test_a_tensor_keeps_its_layout() -> None:
    """Kernels round by it."""
    several = [large(1), large(1, last=True), large(1)[:, :, ::2], large(1)[:, :1].expand(1, 4, 16, 16)]
    parcel = Parcel.of(several)
    assert len(parcel.tensors) == 2, "what has no dense bytes of its own goes by value"
    found = TensorShelf().unpack(parcel.outline, parcel.tensors, parcel.content(parcel.tensors))
    assert [one.stride() for one in found[:2]] == [one.stride() for one in several[:2]]
    assert all(torch.equal(*pair) for pair in zip(found, several, strict=True))


def test_a_shelf_lets_go_of_what_was_not_used_for_longest() -> None:
    parcels = [Parcel.of(large(seed)) for seed in range(3)]
    shelf = TensorShelf(most=2 * large(0).nbytes)
    for number in (0, 1, 0, 2):
        shelf.put(parcels[number].tensors)
    assert [all(digest in shelf for digest in parcel.tensors) for parcel in parcels] == [True, False, True]
