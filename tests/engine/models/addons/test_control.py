"""ControlNet and LoRA stages keep the split law."""

import weakref
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from jupyter_latents.engine.given.inputs import Inputs
from jupyter_latents.engine.local import LocalEngine
from jupyter_latents.engine.models.cache import ModelCache
from jupyter_latents.errors import ModelError
from jupyter_latents.stage import ModelSource, Prompt, Size, Stage, Window
from tests.engine.cases import Bench, mask, picture, plain, through_file
from tests.tiny import controlnet, lora


@pytest.fixture(scope="session")
def control(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("control")
    controlnet().save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def lora_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return lora(tmp_path_factory.mktemp("lora") / "lora.safetensors")


def stage(bench: Bench, window: Window = Window(), **source: object) -> Stage:  # noqa: B008
    return Stage(
        model=ModelSource(str(bench.folder("sd15")), **source),
        prompt=Prompt("a red cat"),
        seed=5,
        num_inference_steps=8,
        size=Size(64, 64),
        scheduler="EulerAncestralDiscreteScheduler",
        window=window,
    )


@pytest.mark.parametrize("mode", ["txt2img", "img2img", "inpaint"])
def test_a_split_with_a_controlnet_equals_the_whole(mode: str, bench: Bench, control: Path) -> None:
    images = () if mode == "txt2img" else (picture(),)
    masks = (mask(),) if mode == "inpaint" else ()
    nets = {"control_nets": (f"{control};scale=0.7",)}

    def run(window: Window, *latents: object) -> torch.Tensor:
        return bench.engine.run(stage(bench, window, **nets), Inputs(latents, images, masks, (picture(),))).latents

    first = run(Window(None, 0.5))
    assert torch.equal(run(Window(0.5), first).tensor, run(Window()).tensor)


def test_the_controlnet_changes_the_picture(bench: Bench, control: Path) -> None:
    steered = stage(bench, control_nets=(str(control),))
    plain = bench.engine.run(stage(bench)).latents.tensor
    assert not torch.equal(bench.engine.run(steered, Inputs(controls=(picture(),))).latents.tensor, plain)


def test_control_images_and_controlnets_must_agree_in_number(bench: Bench, control: Path) -> None:
    with pytest.raises(ModelError, match="1 ControlNet needs as many control images"):
        bench.engine.run(stage(bench, control_nets=(str(control),)))


@pytest.mark.parametrize(
    ("window", "mode"),
    [
        ("start=0.2;end=0.6", "txt2img"), ("start=0.97", "txt2img"), ("end=0.3", "img2img"), ("start=0.55", "inpaint"),
    ],
)  # fmt: skip
def test_a_split_keeps_start_and_end_of_a_controlnet(window: str, mode: str, bench: Bench, control: Path) -> None:
    images = () if mode == "txt2img" else (picture(),)
    masks = (mask(),) if mode == "inpaint" else ()
    nets = {"control_nets": (f"{control};{window}",)}

    def run(window: Window, *latents: Any) -> Any:
        return bench.engine.run(stage(bench, window, **nets), Inputs(latents, images, masks, (picture(),))).latents

    whole = run(Window())
    for at in (4, 0.5, 7):
        assert torch.equal(run(Window(at), run(Window(None, at))).tensor, whole.tensor)


@pytest.mark.parametrize("scheduler", ["HeunDiscreteScheduler", "PNDMScheduler", "EulerDiscreteScheduler"])
def test_start_and_end_of_a_controlnet_are_diffusers_own(scheduler: str, bench: Bench, control: Path) -> None:
    import diffusers

    options = {"scheduler": scheduler, "num_inference_steps": 7, "guidance_scale": 3.0}
    steered = replace(stage(bench, control_nets=(f"{control};start=0.2;end=0.6",)), **options)
    given = Inputs(controls=(picture(),))
    half = bench.engine.run(replace(steered, window=Window(None, 3)), given).latents
    ours = bench.engine.run(steered, replace(given, latents=(half,))).latents.tensor
    pipeline = plain(bench.folder("sd15"))
    net = diffusers.ControlNetModel.from_pretrained(control, local_files_only=True)
    theirs = diffusers.StableDiffusionControlNetPipeline(**pipeline.components, controlnet=net)
    theirs.scheduler = getattr(diffusers, scheduler).from_config(theirs.scheduler.config)
    theirs.set_progress_bar_config(disable=True)
    made = theirs(
        "a red cat", image=picture(), num_inference_steps=7, guidance_scale=3.0, width=64, height=64,
        control_guidance_start=0.2, control_guidance_end=0.6, output_type="latent",
        generator=torch.Generator().manual_seed(5),
    ).images  # fmt: skip
    assert torch.equal(ours, made)


def test_what_was_put_on_stands_in_provenance_and_comes_back_from_a_file(
    bench: Bench, control: Path, lora_file: Path
) -> None:
    put = {"control_nets": (f"{control};end=0.5", f"{control};scale=0.25;start=0.20"),
           "loras": (f"{lora_file};scale=0.8;start=2", str(lora_file))}  # fmt: skip
    made = bench.engine.run(stage(bench, Window(None, 3), **put), Inputs(controls=(picture(), picture()))).latents
    told = {"control_nets": f"{control.name};scale=1;end=0.5 {control.name};scale=0.25;start=0.20",
            "loras": "lora.safetensors;scale=0.8;start=2 lora.safetensors;scale=1"}  # fmt: skip
    for latents in (made, through_file(made, bench.scratch)):
        assert {name: latents.provenance.options[name] for name in told} == told
    plain = bench.engine.run(stage(bench, Window(None, 2))).latents.provenance.options
    assert not told.keys() & plain.keys()


def test_memory_of_controlnets_and_loras_is_given_back(bench: Bench, control: Path, lora_file: Path) -> None:
    cache = ModelCache()
    base, prompt = stage(bench, Window(None, 2)), Prompt("a cat AND a dog", weighter="a1111")
    put = {"control_nets": (str(control), f"{control};scale=0.2"), "loras": (f"{lora_file};end=0.2", str(lora_file))}
    steered = replace(base, prompt=prompt, guidance_scale=3.0, model=replace(base.model, **put))

    def run(own: Stage, controls: int) -> None:
        LocalEngine(cache).run(own, Inputs(controls=(picture(),) * controls))

    def taken() -> int:
        return sum(part.size for part in cache.parts.values())

    run(base, 0)
    plain, alone = set(cache.parts), taken()
    names = {"controlnet_2", "unet"}  # one network, which both addresses name, and a copy of the U-Net for LoRAs
    run(steered, 2)
    brought = [cache.parts[key] for key in cache.parts.keys() - plain]
    assert {part.name for part in brought} == names
    gone = [weakref.ref(weight) for part in brought for weight in part.value.parameters()]
    size = sum(part.size for part in brought)
    assert taken() == alone + size > alone
    del brought
    assert cache.let_idle_go(torch.device("cpu"), but=base.model) == size
    assert set(cache.parts) == plain
    assert taken() == alone
    assert [one() for one in gone] == [None] * len(gone)
    run(steered, 2)
    assert cache.unload(base.model.name) == alone + size
    assert not cache.parts


def test_a_split_with_a_lora_equals_the_whole_and_differs_from_none(bench: Bench, lora_file: Path) -> None:
    loras = {"loras": (f"{lora_file};scale=0.9",)}
    whole = bench.engine.run(stage(bench, **loras)).latents.tensor
    first = bench.engine.run(stage(bench, Window(None, 0.5), **loras)).latents
    second = bench.engine.run(stage(bench, Window(0.5), **loras), Inputs((first,))).latents
    assert torch.equal(second.tensor, whole)
    assert not torch.equal(bench.engine.run(stage(bench)).latents.tensor, whole)
