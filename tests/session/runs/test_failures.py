"""A write, an allocation or a decoding fails: the kernel lives, what was made is bound, no half file stays."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from jupyter_latents.engine.vae import codec
from jupyter_latents.errors import JupyterLatentsError, RunError
from jupyter_latents.latents import Latents
from jupyter_latents.latents.files import atomic
from jupyter_latents.session.memory.store import Store
from tests.session.conftest import SECONDS, Desk

STEPS = "--inference-steps 2 --output-size 64 --scheduler EulerDiscreteScheduler --force"
SCRIPT = f"""\
<sd15> --prompts cat --seeds 3 {STEPS} --denoising-end 0.5 --output-path out --image-format safetensors
--output-prefix base --into base

<sd15> --prompts cat {STEPS} --image-seeds 'latents: base' --output-path out --output-prefix final --into final"""


class Nth:
    """Does what it stands for, and fails at the n-th time; 0 for never."""

    def __init__(self, call: Callable[..., Any], error: BaseException) -> None:
        self.call, self.error, self.number, self.times = call, error, 0, 0

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        self.times += 1
        if self.times == self.number:
            raise self.error
        return self.call(*arguments, **options)

    def fails_at(self, number: int) -> None:
        self.number, self.times = number, 0


@contextmanager
def writes(monkeypatch: pytest.MonkeyPatch) -> Iterator[Nth]:
    nth = Nth(lambda descriptor, content: os.write(descriptor, content[: 1 << 15]), OSError(28, "No space left"))
    monkeypatch.setitem(atomic.write_whole.__kwdefaults__, "write", nth)
    yield nth


@contextmanager
def decodings(monkeypatch: pytest.MonkeyPatch) -> Iterator[Nth]:
    nth = Nth(codec.decode, RuntimeError("the decoder failed"))
    monkeypatch.setattr(codec, "decode", nth)
    yield nth


@contextmanager
def allocations(_: pytest.MonkeyPatch) -> Iterator[Nth]:
    """Every layer of every model allocates: a full device refuses the n-th."""
    nth = Nth(lambda *_: None, torch.OutOfMemoryError("Tried to allocate 20.00 GiB"))
    handle = torch.nn.modules.module.register_module_forward_pre_hook(nth)
    try:
        yield nth
    finally:
        handle.remove()


def whole_files(folder: Path) -> None:
    """Everything in the folder can be read, and nothing is left of what could not be written."""
    for path in folder.iterdir():
        assert not path.name.endswith(".part")
        if path.suffix == ".png":
            with Image.open(path) as image:
                image.load()
        else:
            Latents.load(path)


@pytest.mark.parametrize("count", [3, pytest.param(60, marks=pytest.mark.slow)])
@pytest.mark.parametrize("kind", [writes, decodings, allocations])
def test_whichever_fails_the_kernel_lives(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: Any, count: int
) -> None:
    monkeypatch.chdir(tmp_path)
    desk.session.keep_in(str(tmp_path / "store"))
    with kind(monkeypatch) as nth:
        expected = desk.run(SCRIPT).result.tensor
        total = nth.times
        assert total > 0
        for number in sorted({1, total, *range(1, total + 1, max(1, total // count))}):
            for name in ("base", "final"):
                desk.session.names.pop(name, None)
            nth.fails_at(number)
            run = desk.start(SCRIPT)
            assert run.wait(SECONDS)
            assert run.error is None or isinstance(run.error, JupyterLatentsError), number
            if run.error is None:
                assert torch.equal(run.result.tensor, expected), number
            assert len(run.results) >= len({"base", "final"} & set(desk.session.names)), number
            for made, name in zip(run.results, ("base", "final"), strict=False):
                assert torch.equal(desk[name].tensor, made.latents.tensor), (number, name)
            whole_files(tmp_path / "out")
            whole_store = Store(tmp_path / "store")
            assert all(whole_store.get(path.name.split("-")[0]) for path in whole_store.folder.glob("*.zip")), number
            assert not list(whole_store.folder.glob(".*.part")), number
        nth.fails_at(0)
        assert torch.equal(desk.run(SCRIPT).result.tensor, expected)


def test_a_picture_that_cannot_be_decoded_leaves_its_steps(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    with decodings(monkeypatch) as nth:
        nth.fails_at(1)
        run = desk.start(f"<sd15> --prompts cat --seeds 3 {STEPS} --into made")
        assert run.wait(SECONDS)
    assert isinstance(run.error, RunError)
    assert desk["made"].position.step == 2
    assert desk.session.decode(desk["made"])
