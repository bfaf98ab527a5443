"""Texts are encoded once, and what comes of it is what plain encoding gives."""

import gc
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from jupyter_latents.engine.local import LocalEngine
from jupyter_latents.engine.models.encodings import Encodings
from jupyter_latents.stage import ModelSource, Prompt, Size, Stage
from tests.engine.cases import MODES, Bench, equal, inputs


class Encoder(torch.nn.Module):
    """Counts its calls."""

    dtype = torch.float32

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def forward(self, ids: torch.Tensor, *, output_hidden_states: bool = False) -> tuple[torch.Tensor, ...]:
        self.calls += 1
        return (ids.float() * (2 if output_hidden_states else 1),)


def test_the_same_input_runs_the_encoder_once() -> None:
    encodings, encoder = Encodings(), Encoder()
    seen = encodings.remembering({"text_encoder": encoder, "unet": encoder, "text_encoder_2": None})
    assert seen["unet"] is encoder
    assert seen["text_encoder_2"] is None
    ids = torch.arange(6)
    first = seen["text_encoder"](ids)
    assert seen["text_encoder"](ids.clone()) is first
    assert encoder.calls == 1
    for other in (ids + 1, ids.int(), ids.view(2, 3)):
        seen["text_encoder"](other)
    seen["text_encoder"](ids, output_hidden_states=True)
    assert encoder.calls == 5
    assert seen["text_encoder"].dtype == torch.float32


def test_what_a_text_becomes_does_not_depend_on_how_many_were_encoded_before(bench: Bench) -> None:
    """Optimized, scripted functions are fused from their second call on, on an accelerator with other roundings."""
    engine, stage, optimized = LocalEngine(), bench.stage("kolors", num_inference_steps=1), list[bool]()

    def ask(*_: object) -> None:
        optimized.append(torch._C._get_graph_executor_optimize())

    hook = engine.cache.load(stage.model).parts["text_encoder"].register_forward_pre_hook(ask)
    engine.run(stage)
    hook.remove()
    assert optimized == [False, False]
    assert torch._C._get_graph_executor_optimize(), "others' scripted functions are left as they were"


def test_another_number_of_threads_encodes_anew() -> None:
    """Kernels round by the number of threads that share the work."""
    encodings, encoder = Encodings(), Encoder()
    seen = encodings.remembering({"text_encoder": encoder})
    seen["text_encoder"](torch.arange(6))
    torch.set_num_threads(torch.get_num_threads() + 1)
    seen["text_encoder"](torch.arange(6))
    assert encoder.calls == 2


def test_other_encoders_have_their_own_and_take_it_along() -> None:
    encodings, ids = Encodings(), torch.arange(6)
    for _ in range(3):
        encoder = Encoder()
        encodings.remembering({"text_encoder": encoder})["text_encoder"](ids)
        assert encoder.calls == 1
        del encoder
        gc.collect()
    assert len(encodings._kept) == 1


def test_the_limit_holds() -> None:
    encodings, encoder = Encodings(limit=100), Encoder()
    seen = encodings.remembering({"text_encoder": encoder})["text_encoder"]
    for number in (1, 2, 3, 1):
        seen(torch.full((10,), number))
    assert encoder.calls == 4, "40 bytes each: the first had left"
    seen(torch.full((10,), 3))
    assert encoder.calls == 4


@pytest.mark.parametrize("family", ["sd15", "sdxl", "kolors", "sd3", "flux"])
def test_a_second_run_encodes_nothing_and_gives_the_same_bits(family: str, tiny: Callable[[str], Path]) -> None:
    stage = Stage(
        model=ModelSource(str(tiny(family))), prompt=Prompt("cat"), seed=3, num_inference_steps=2, size=Size(64, 64)
    )
    engine = LocalEngine()
    first = engine.run(stage)
    made = engine.cache.encodings.made
    assert made > 0
    assert torch.equal(engine.run(stage).latents.tensor, first.latents.tensor)
    assert engine.cache.encodings.made == made
    assert torch.equal(LocalEngine().run(stage).latents.tensor, first.latents.tensor)


@pytest.mark.parametrize(("mode", "pictures"), [("img2img", 1), ("inpaint", 2)])
def test_the_windows_of_a_stage_encode_its_pictures_once(bench: Bench, mode: str, pictures: int) -> None:
    stage = bench.stage("sd15", guidance_scale="7@0,3@0.4,1@0.7", scheduler="DDIMScheduler", strength=1.0)
    bench.engine.cache.encodings = Encodings()
    encoder, counted = bench.engine.cache.load(stage.model).vae.encoder, []
    hook = encoder.register_forward_hook(lambda *_: counted.append(1))
    try:
        assert len(bench.engine.run(stage, inputs(mode)).switches) == 2
    finally:
        hook.remove()
    assert len(counted) == pictures


@pytest.mark.parametrize("family", ["sdxl", "sd3", "flux", "qwen-image", "z-image", "kolors"])
def test_a_picture_that_is_encoded_again_gives_the_same_bits(family: str, bench: Bench) -> None:
    mode, options = MODES[1], {"num_inference_steps": 3, "strength": 0.9}
    first = bench.run(family, mode, **options)
    made = bench.engine.cache.encodings.made
    assert equal(first, bench.run(family, mode, **options))
    assert bench.engine.cache.encodings.made == made
