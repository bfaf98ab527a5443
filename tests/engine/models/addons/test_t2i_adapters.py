"""T2I-Adapters: as plain diffusers runs them, through any window, and refused where they cannot."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub import constants

from jupyter_latents.engine.given.inputs import Given, Inputs
from jupyter_latents.engine.models.cache import ModelCache
from jupyter_latents.engine.models.describe import describe
from jupyter_latents.engine.prepare import prepare
from jupyter_latents.errors import ModelError
from jupyter_latents.stage import ModelSource, Size, Stage, Window
from tests import tiny as tinies
from tests.engine.cases import PROMPT, Bench, equal, picture, plain


def model(bench: Bench, *, large: bool) -> Path:
    folder = bench.scratch / f"sketched-{large}"
    tinies.sketched(large=large).save_pretrained(folder)
    return folder


def net(bench: Bench, **kind: Any) -> Path:
    folder = bench.scratch / f"net-{'-'.join(map(str, kind.values()))}"
    tinies.t2i_adapter(**kind).save_pretrained(folder)
    return folder


def stage(bench: Bench, folder: Path, *nets: Path | str, **options: Any) -> Stage:
    made = bench.stage(str(folder), **options)
    return replace(made, model=replace(made.model, t2i_adapters=tuple(f"{one};scale=0.8" for one in nets)))


def reference(folder: Path, nets: list[Path], images: list[Any], *, large: bool) -> torch.Tensor:
    """What diffusers makes, called as its documentation shows."""
    import diffusers

    kind = getattr(diffusers, f"StableDiffusion{'XL' if large else ''}AdapterPipeline")
    loaded = [diffusers.T2IAdapter.from_pretrained(one).eval() for one in nets]
    adapter = loaded[0] if len(loaded) == 1 else diffusers.MultiAdapter(loaded)
    parts = {name: part for name, part in plain(folder).components.items() if name != "image_encoder" or large}
    made = kind(**{**parts, "adapter": adapter}, **({} if large else {"requires_safety_checker": False}))
    made.set_progress_bar_config(disable=True)
    scales: Any = [0.8] * len(nets)
    latents: torch.Tensor = made(
        PROMPT,
        image=images if len(nets) > 1 else images[0],
        adapter_conditioning_scale=scales if len(nets) > 1 else scales[0],
        generator=torch.Generator().manual_seed(7),
        guidance_scale=3.0,
        num_inference_steps=10,
        width=64,
        height=64,
        output_type="latent",
    ).images
    return latents


@pytest.mark.parametrize("large", [False, True], ids=["sd", "sdxl"])
def test_an_adapter_works_as_in_diffusers_and_keeps_the_law(large: bool, bench: Bench) -> None:
    folder, own, given = model(bench, large=large), net(bench, large=large), Inputs(controls=(picture(),))
    whole = bench.engine.run(stage(bench, folder, own), given)
    assert torch.equal(whole.latents.tensor, reference(folder, [own], [picture()], large=large))
    first = bench.engine.run(stage(bench, folder, own, window=Window(None, 0.5)), given).latents
    second = bench.engine.run(stage(bench, folder, own, window=Window(0.5)), replace(given, latents=(first,)))
    assert equal(whole, second)
    assert not equal(whole, bench.engine.run(stage(bench, folder))), "the adapter has an effect"
    assert whole.latents.provenance.options["t2i_adapters"] == f"{own.name};scale=0.8"


@pytest.mark.parametrize("scheduler", ["HeunDiscreteScheduler", "DPMSolverMultistepScheduler", "DDPMScheduler"])
def test_the_law_holds_where_steps_have_two_calls_a_memory_or_noise(scheduler: str, bench: Bench) -> None:
    folder, own, given = model(bench, large=False), net(bench, large=False), Inputs(controls=(picture(),))

    def run(window: Window, *latents: Any) -> Any:
        made = stage(bench, folder, own, scheduler=scheduler, window=window)
        return bench.engine.run(made, replace(given, latents=latents))

    assert equal(run(Window()), run(Window(0.5), run(Window(None, 0.5)).latents))


def test_the_name_of_the_hub_is_told_not_that_of_a_folder_in_its_cache(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tinies.t2i_adapter().save_pretrained(tmp_path / "made")
    tinies.add_repository(tmp_path / "hub", "o/sketch", tmp_path / "made")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    own = stage(bench, model(bench, large=False), "o/sketch;end=0.5")
    told = prepare(own, Given(controls=1)).outline.provenance.options["t2i_adapters"]
    assert told == "sketch;scale=0.8;end=0.5"


def test_two_adapters_of_which_one_sees_grey(bench: Bench) -> None:
    folder = model(bench, large=False)
    nets = [net(bench, large=False), net(bench, large=False, seed=1, grey=True)]
    ours = bench.engine.run(stage(bench, folder, *nets), Inputs(controls=(picture(), picture(32)))).latents.tensor
    images = [picture(), picture(32).resize((64, 64)).convert("L")]
    assert torch.equal(ours, reference(folder, nets, images, large=False))


def test_the_network_alone_is_read_and_given_back(bench: Bench) -> None:
    folder, cache = model(bench, large=False), ModelCache()
    cache.load(ModelSource(str(folder)))
    before = set(cache.parts)
    cache.load(stage(bench, folder, net(bench, large=False)).model)
    assert [cache.parts[key].name for key in set(cache.parts) - before] == ["adapter"]
    cache.unload()
    assert not cache.parts


def test_what_cannot_run_is_refused_before_weights_load(tiny: Callable[[str], Path], bench: Bench) -> None:
    folder, own = model(bench, large=False), net(bench, large=False)

    def refusal(made: Stage, given: Given = Given()) -> str:  # noqa: B008 - frozen
        with pytest.raises(ModelError) as caught:
            prepare(made, given)
        assert caught.value.option == "t2i_adapters"
        return caught.value.message

    assert "1 T2I-Adapter needs as many control images, and there are 0" in refusal(stage(bench, folder, own))
    shown = Given(images=((64, 64),), controls=1)
    assert "SD runs no img2img with T2I-Adapters in diffusers; it does so for txt2img alone" in refusal(
        stage(bench, folder, own), shown
    )
    large = model(bench, large=True), net(bench, large=True)
    odd = replace(stage(bench, *large), size=Size(72, 64))
    assert "sizes in multiples of 16 pixels, and this is 72x64" in refusal(odd, Given(controls=1))
    assert "is of another family (it is made for SDXL)" in refusal(stage(bench, folder, large[1]), Given(controls=1))
    assert "runs no T2I-Adapters in diffusers" in refusal(stage(bench, tiny("sd3"), own), Given(controls=1))
    tinies.controlnet().save_pretrained(bench.scratch / "net")
    assert "is a ControlNetModel, no T2IAdapter" in refusal(stage(bench, folder, bench.scratch / "net"))
    assert describe(stage(bench, folder, own).model).steering == {"t2i"}
