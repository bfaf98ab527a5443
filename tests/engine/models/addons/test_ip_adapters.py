"""IP-Adapters: as plain diffusers runs them, through any window, and refused where they cannot."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from jupyter_latents.engine.given.inputs import Given, Inputs
from jupyter_latents.engine.models.cache import ModelCache
from jupyter_latents.engine.models.describe import describe
from jupyter_latents.engine.prepare import prepare
from jupyter_latents.errors import ModelError
from jupyter_latents.stage import ModelSource, Stage, Window
from tests import tiny as tinies
from tests.engine.cases import PROMPT, Bench, equal, inputs, picture, plain
from tests.engine.test_plain_diffusers import unpacked

FAMILIES = ("sd15", "sdxl", "kolors", "sd3", "flux")
MAKERS = {"sd3": tinies.sd3_ip_adapter, "flux": tinies.flux_ip_adapter}


def adapters(bench: Bench, family: str, count: int = 1) -> list[Path]:
    made = tinies.build(family)
    maker, denoiser = MAKERS.get(family, tinies.ip_adapter), getattr(made, "unet", None) or made.transformer
    return [maker(bench.scratch / f"{family}-{seed}", denoiser, seed) for seed in range(count)]


def stage(bench: Bench, family: str, files: list[Path], **options: Any) -> Stage:
    made = bench.stage(family, **options)
    named = tuple(f"{file.parent};weight-name={file.name};scale=0.7" for file in files)
    return replace(made, model=replace(made.model, ip_adapters=named))


def reference(bench: Bench, family: str, files: list[Path], images: list[Any], **call: Any) -> torch.Tensor:
    """What diffusers makes, called as its documentation shows."""
    import transformers

    made, encoder = plain(bench.folder(family)), files[0].parent / "image_encoder"
    kind = "SiglipVisionModel" if family == "sd3" else "CLIPVisionModelWithProjection"
    made.image_encoder = getattr(transformers, kind).from_pretrained(encoder).eval()
    if family == "sd3":
        made.feature_extractor = transformers.SiglipImageProcessor.from_pretrained(encoder)
    names, folders = [file.name for file in files], [str(file.parent) for file in files]
    if family == "sd3":
        made.load_ip_adapter(folders[0], subfolder="", weight_name=names[0])
    else:
        made.load_ip_adapter(folders, subfolder="", weight_name=names)
    made.set_ip_adapter_scale(0.7 if family in MAKERS else [0.7] * len(files))
    options = {"guidance_scale": 3.0, "num_inference_steps": 10, "width": 64, "height": 64, "output_type": "latent"}
    generator = torch.Generator().manual_seed(7)
    images = images[0] if family == "sd3" else images
    latents: torch.Tensor = made(PROMPT, generator=generator, ip_adapter_image=images, **options, **call).images
    return unpacked(latents, family)


@pytest.mark.parametrize(
    "family", [pytest.param(name, marks=pytest.mark.slow if name in ("kolors", "flux") else ()) for name in FAMILIES]
)
def test_an_adapter_works_as_in_diffusers_and_keeps_the_law(family: str, bench: Bench) -> None:
    files, given = adapters(bench, family), Inputs(adapters=((picture(48),),))
    whole = bench.engine.run(stage(bench, family, files), given)
    assert torch.equal(whole.latents.tensor, reference(bench, family, files, [picture(48)]))
    first = bench.engine.run(stage(bench, family, files, window=Window(None, 0.5)), given).latents
    second = bench.engine.run(stage(bench, family, files, window=Window(0.5)), replace(given, latents=(first,)))
    assert equal(whole, second)
    assert not equal(whole, bench.whole(family)), "the adapter has an effect, and the model without it has none"
    assert whole.latents.provenance.options["ip_adapters"] == "ip-adapter.safetensors;scale=0.7"


@pytest.mark.parametrize("mode", ["img2img", "inpaint"])
def test_a_picture_and_a_mask_go_with_an_adapter(mode: str, bench: Bench) -> None:
    files = adapters(bench, "sd15")

    def run(window: Window, *latents: Any) -> Any:
        made = stage(bench, "sd15", files, strength=0.7, window=window)
        return bench.engine.run(made, replace(inputs(mode, *latents), adapters=((picture(),),)))

    assert equal(run(Window()), run(Window(0.6), run(Window(None, 0.6)).latents))


def test_two_adapters_and_two_images_of_one(bench: Bench) -> None:
    files, other = adapters(bench, "sd15", 2), picture(40).transpose(Image.Transpose.ROTATE_90)
    given = Inputs(adapters=((picture(48), other), (other,)))
    ours = bench.engine.run(stage(bench, "sd15", files), given).latents.tensor
    assert torch.equal(ours, reference(bench, "sd15", files, [[picture(48), other], [other]]))


def test_the_denoiser_alone_is_read_anew_and_all_is_given_back(bench: Bench) -> None:
    cache, source = ModelCache(), stage(bench, "sd15", adapters(bench, "sd15")).model
    plainly = cache.load(replace(source, ip_adapters=())).parts["unet"]
    before, names = set(cache.parts), set(plainly.attn_processors)
    cache.load(source)
    assert {cache.parts[key].name for key in set(cache.parts) - before} == {"unet", "image_encoder"}
    assert set(plainly.attn_processors) == names
    assert plainly.encoder_hid_proj is None
    cache.unload()
    assert not cache.parts


@pytest.mark.parametrize(
    ("images", "message"),
    [((), "1 IP-Adapter needs images of its own, and there are those of 0"), ((1, 1), "there are those of 2")],
)
def test_images_and_adapters_must_agree_in_number(images: tuple[int, ...], message: str, bench: Bench) -> None:
    with pytest.raises(ModelError, match=message) as caught:
        prepare(stage(bench, "sd15", adapters(bench, "sd15")), Given(adapters=images))
    assert caught.value.option == "ip_adapters"
    if images:
        with pytest.raises(ModelError, match="takes one image; give it one"):
            prepare(stage(bench, "sd3", adapters(bench, "sd3")), Given(adapters=(2,)))
        with pytest.raises(ModelError, match="no IP-Adapter for them"):
            prepare(bench.stage("sd15"), Given(adapters=images))


def test_what_does_not_fit_is_refused_before_weights_load(tiny: Callable[[str], Path], bench: Bench) -> None:
    def refusal(family: str, file: Path | str, **more: Any) -> str:
        with pytest.raises(ModelError) as caught:
            describe(ModelSource(str(tiny(family)), ip_adapters=(str(file),), **more))
        assert caught.value.option in ("ip_adapters", "image_encoder")
        return str(caught.value)

    own, xl = adapters(bench, "sd15")[0], adapters(bench, "sdxl")[0]
    assert "its layers are" in refusal("sd15", xl)
    assert "takes no IP-Adapters in diffusers" in refusal("pixart-sigma", own)
    assert "it is made for SD, SDXL or Kolors" in refusal("sd3", own)
    (third,), (flux,) = adapters(bench, "sd3"), adapters(bench, "flux")
    assert "it is made for SD3" in refusal("flux", third)
    assert "it is made for Flux.1" in refusal("sd15", flux)
    word = tinies.inversion(own.parent / "word.safetensors")
    assert "it holds no IP-Adapter" in refusal("sd15", word)
    assert "sees no images" in refusal("sd15", own, image_encoder=f"{tiny('sd15')};subfolder=text_encoder")
    alone = bench.scratch / "alone" / own.name
    alone.parent.mkdir()
    alone.write_bytes(own.read_bytes())
    assert "needs an image encoder" in refusal("sd15", alone)
    describe(ModelSource(str(tiny("sd15")), ip_adapters=(str(alone),), image_encoder=str(own.parent / "image_encoder")))


@pytest.mark.parametrize("plus", [False, True])
def test_adapters_of_faces_are_refused_by_name(plus: bool, tiny: Callable[[str], Path], bench: Bench) -> None:
    from safetensors.torch import load_file, save_file

    own = adapters(bench, "sd15")[0]
    held = {name: one for name, one in load_file(own).items() if name.startswith("ip_adapter.")}
    faces = ["norm.weight", "proj.0.weight", "proj.2.weight"] + ["perceiver_resampler.proj_in.weight"] * plus
    held |= {f"image_proj.{name}": torch.zeros(8, 8) for name in faces}
    face = own.with_name("ip-adapter-faceid.safetensors")
    save_file(held, face)
    with pytest.raises(ModelError, match="it is a FaceID adapter, which reads embeddings of faces"):
        describe(ModelSource(str(tiny("sd15")), ip_adapters=(str(face),)))


def test_a_file_that_lacks_tensors_is_refused(bench: Bench) -> None:
    from safetensors.torch import load_file, save_file

    (own,) = adapters(bench, "sd3")
    held = load_file(own)
    save_file({name: one for name, one in held.items() if not name.startswith("image_proj.layers.3")}, own)
    with pytest.raises(ModelError, match=r"lacks 1[0-9] tensors, such as image_proj\.layers\.3"):
        ModelCache().load(stage(bench, "sd3", [own]).model)


def test_a_file_of_torch_is_read_as_well(tiny: Callable[[str], Path], bench: Bench) -> None:
    from safetensors.torch import load_file

    (own,) = adapters(bench, "sd15")
    nested: dict[str, dict[str, torch.Tensor]] = {"image_proj": {}, "ip_adapter": {}}
    for name, tensor in load_file(own).items():
        kind, _, rest = name.partition(".")
        nested[kind][rest] = tensor
    torch.save(nested, own.with_suffix(".bin"))
    given = Inputs(adapters=((picture(),),))
    runs = [bench.engine.run(stage(bench, "sd15", [file]), given) for file in (own, own.with_suffix(".bin"))]
    assert equal(*runs)
