"""Parts that an accelerator has no room for wait in RAM. ``cpu:0`` stands for the accelerator: it is counted as one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from jupyter_latents.engine.models.cache import ModelCache
from jupyter_latents.errors import StoppedError
from jupyter_latents.settings import Settings
from jupyter_latents.stage import ModelSource
from tests import tiny as tinies

DEVICE = "cpu:0"


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Path]]:
    """Two models that share their VAE alone."""
    root = tmp_path_factory.mktemp("models")
    return [tinies.save_folder("sd15", root / str(seed), seed=seed) for seed in range(2)]


def on_device(folder: Path) -> ModelSource:
    return ModelSource(str(folder), device=DEVICE)


def size_of(folder: Path) -> int:
    cache = ModelCache()
    cache.load(ModelSource(str(folder)))
    return sum(row.size for row in cache.rows())


def unets(cache: ModelCache) -> list[str]:
    return sorted(row.where for row in cache.rows() if row.what.startswith("unet"))


def test_what_leaves_an_accelerator_waits_in_ram_and_comes_back_unread(folders: list[Path]) -> None:
    cache = ModelCache(Settings(device_memory=size_of(folders[0]) + 1000))
    weights = cache.load(on_device(folders[0])).parts["unet"].state_dict()
    before = {name: tensor.clone() for name, tensor in weights.items()}
    cache.load(on_device(folders[1]))
    assert unets(cache) == ["cpu float32", "cpu:0 float32"]
    loads = cache.loads
    back = cache.load(on_device(folders[0]))
    assert cache.loads == loads
    assert all(torch.equal(tensor, before[name]) for name, tensor in back.parts["unet"].state_dict().items())
    assert unets(cache) == ["cpu float32", "cpu:0 float32"]
    assert sum(row.size for row in cache.rows() if row.where.startswith("cpu:0")) <= size_of(folders[0]) + 1000


def test_what_ram_has_no_room_for_is_dropped(folders: list[Path]) -> None:
    cache = ModelCache(Settings(device_memory=size_of(folders[0]) + 1000, model_memory=1000))
    cache.load(on_device(folders[0]))
    cache.load(on_device(folders[1]))
    assert unets(cache) == ["cpu:0 float32"]


def test_what_a_run_holds_stays_where_it_is(folders: list[Path]) -> None:
    cache = ModelCache(Settings(device_memory=1))
    first, second = cache.load(on_device(folders[0])), cache.load(on_device(folders[1]))
    assert unets(cache) == ["cpu:0 float32"] * 2
    del first, second


def test_reading_ahead_takes_what_fits_and_moves_nothing_out(folders: list[Path]) -> None:
    cache = ModelCache(Settings(model_memory=size_of(folders[0]) + 1000))
    cache.load(ModelSource(str(folders[0])))
    held = set(cache.parts)
    assert not cache.read_ahead(ModelSource(str(folders[1])))
    assert set(cache.parts) == held
    roomy = ModelCache()
    assert roomy.read_ahead(ModelSource(str(folders[1])))
    loads = roomy.loads
    roomy.load(ModelSource(str(folders[1])))
    assert roomy.loads == loads


def test_reading_ahead_ends_when_told_and_keeps_what_was_read(folders: list[Path]) -> None:
    told: list[str] = []

    def tell(text: str) -> None:
        told.append(text)
        if len(told) == 2:
            raise StoppedError("stopped")

    cache = ModelCache()
    with pytest.raises(StoppedError):
        cache.read_ahead(ModelSource(str(folders[0])), tell)
    assert cache.loads == 1
    assert len(cache.parts) == 1


def test_idle_parts_can_be_let_go_of_to_the_last(folders: list[Path]) -> None:
    cache = ModelCache()
    kept = cache.load(ModelSource(str(folders[0])))
    cache.load(ModelSource(str(folders[1])))
    freed = cache.let_idle_go(torch.device("cpu"))
    assert freed > 0
    assert {row.busy for row in cache.rows() if row.size} == {True}
    assert kept.parts["unet"] in [part.value for part in cache.parts.values()]
