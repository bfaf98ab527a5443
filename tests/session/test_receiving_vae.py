"""Latents in the image position: which weights decode them, wherever they come from and whoever made them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from jupyter_latents.engine.vae import codec
from jupyter_latents.errors import HandoffError, ModelError
from jupyter_latents.latents import Latents
from jupyter_latents.latents.facts import CLEAN, Provenance
from jupyter_latents.session import Session
from tests.session.conftest import Desk

pytestmark = pytest.mark.kept_models

RUN = "--prompts cat --inference-steps 2 --guidance-scales 1 --seeds 3"
WAYS = ("variable", "safetensors", "pt", "latent")


@pytest.fixture(scope="module")
def models(tiny: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Three models of SD's space, two of whose VAEs have other weights and stay in half precision; one of SDXL's."""
    folder = tmp_path_factory.mktemp("models")
    found = {"giver": tiny("sd15"), "xl": tiny("sdxl")}
    for name, shift in (("receiver", 1), ("other", 2)):
        found[name] = folder / name
        shutil.copytree(tiny("sd15"), found[name])
        file = found[name] / "vae" / "diffusion_pytorch_model.safetensors"
        weights = load_file(file)
        weights["decoder.conv_out.bias"] += shift
        save_file(weights, file, {"format": "pt"})
        config = file.with_name("config.json")
        config.write_text(config.read_text().replace('"force_upcast": true', '"force_upcast": false'))
    return found


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch, models: dict[str, Path]) -> list[str]:
    """Whose weights decode, one after another; ``of float16`` and so on where it is not float32."""
    base = load_file(models["giver"] / "vae" / "diffusion_pytorch_model.safetensors")["decoder.conv_out.bias"]
    xl = load_file(models["xl"] / "vae" / "diffusion_pytorch_model.safetensors")["decoder.conv_in.weight"]
    names, real = ["giver", "receiver", "other"], codec.decode
    found: list[str] = []

    def watched(latents: torch.Tensor, vae: Any) -> torch.Tensor:
        weights = vae.state_dict()
        own = round(float((weights["decoder.conv_out.bias"] - base).mean()))
        is_xl = vae.config.scaling_factor == 0.13025 and torch.allclose(weights["decoder.conv_in.weight"].float(), xl)
        kind = "" if vae.dtype == torch.float32 else f" of {str(vae.dtype).removeprefix('torch.')}"
        found.append(("xl" if is_xl else names[own]) + kind)
        return real(latents, vae)

    monkeypatch.setattr(codec, "decode", watched)
    return found


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def made(desk: Desk, model: Path, options: str = "") -> None:
    desk.run(f"{model} {RUN} {options} --into base")
    for ending in ("safetensors", "pt", "latent"):
        desk["base"].save(f"base.{ending}")


def image_position(desk: Desk, way: str, kernel: str) -> str:
    """What stands in the image position: a variable or a file, in the kernel that made it or in a new one."""
    if kernel == "new":
        names = {"base": desk["base"]} if way == "variable" else {}
        desk.session = Session(names)
    return "base" if way == "variable" else f"./base.{way}"


@pytest.mark.parametrize("kernel", ["same", "new"])
@pytest.mark.parametrize("way", WAYS)
def test_latents_of_the_receivers_space_are_decoded_by_its_vae(
    desk: Desk, models: dict[str, Path], decoded: list[str], way: str, kernel: str,
) -> None:  # fmt: skip
    made(desk, models["giver"])
    seed = image_position(desk, way, kernel)
    for vae, right in (("", "receiver"), (f"--vae AutoencoderKL;model={models['other']}", "other")):
        script = f"{models['receiver']} {RUN} {vae} --image-seeds {seed}"
        (planned,) = desk.plan(script).stages
        decoded.clear()
        desk.run(script)
        assert decoded == [right, right]  # what comes in, and what is made
        word = (
            f"decoded by the VAE {vae.removeprefix('--vae ')}" if vae else f"decoded by the VAE of {models['receiver']}"
        )
        assert planned.verdict == word
        assert f"stage 1, {models['receiver']}: {word}" in desk.notes.lines


@pytest.mark.parametrize("kernel", ["same", "new"])
@pytest.mark.parametrize("way", ["variable", "safetensors"])
def test_latents_of_another_space_are_decoded_by_the_vae_of_their_model(
    desk: Desk, models: dict[str, Path], decoded: list[str], way: str, kernel: str,
) -> None:  # fmt: skip
    made(desk, models["xl"])
    script = f"{models['receiver']} {RUN} --image-seeds {image_position(desk, way, kernel)}"
    (planned,) = desk.plan(script).stages
    decoded.clear()
    desk.run(script)
    assert decoded == ["xl", "receiver"]
    assert planned.verdict == f"decoded by the VAE of {models['xl']}"
    assert any("are of SDXL space" in note for note in planned.notes)
    assert set(planned.notes) <= set(desk.notes.lines)


@pytest.mark.parametrize("kernel", ["same", "new"])
def test_a_bare_file_is_decoded_alike_whatever_the_kernel_knows_of_it(
    desk: Desk, models: dict[str, Path], decoded: list[str], kernel: str,
) -> None:  # fmt: skip
    """A kernel that knows better says so."""
    made(desk, models["xl"])
    script = f"{models['receiver']} {RUN} --image-seeds {image_position(desk, 'pt', kernel)}"
    decoded.clear()
    desk.run(script)
    assert decoded == ["receiver", "receiver"]
    assert any("this session made it as SDXL space" in note for note in desk.notes.lines) == (kernel == "same")
    assert any("bare latents are taken as clean ones of SD space" in note for note in desk.notes.lines)


def test_a_stage_that_is_yet_to_run_is_told_of_in_the_plan(desk: Desk, models: dict[str, Path]) -> None:
    first = f"{models['xl']} {RUN} --into base"
    for receiver, right in ((models["receiver"], models["xl"]), (models["xl"], models["xl"])):
        plan = desk.plan(f"{first}\n\n{receiver} {RUN} --image-seeds base")
        assert plan.stages[1].verdict == f"decoded by the VAE of {right}"


def test_clean_latents_with_a_space_alone_are_decoded_by_the_receiver(
    desk: Desk, models: dict[str, Path], decoded: list[str]
) -> None:
    """Their model is not known, and is not needed."""
    made(desk, models["giver"])
    tensor = desk["base"].tensor
    save_file({"latent_tensor": tensor / 0.18215, "latent_format_version_0": torch.tensor([])}, "comfy.latent")
    names = {"base": Latents.load("base.pt", space="sd", sigma=0), "right": desk["base"]}
    desk.session = Session(names)
    desk.run(f"{models['receiver']} {RUN} --image-seeds right --into expected")
    for seed in ("base", "./comfy.latent"):
        decoded.clear()
        desk.run(f"{models['receiver']} {RUN} --image-seeds {seed} --into ours")
        assert decoded[0] == "receiver"
        assert torch.allclose(desk["ours"].tensor, desk["expected"].tensor, atol=0.1)
    desk.session.names["base"] = Latents(torch.randn(1, 16, 8, 8))
    (planned,) = desk.plan(f"{models['receiver']} {RUN} --image-seeds base").stages
    assert "16 channels" in planned.refused
    desk.session.names["base"] = Latents.load("base.pt", space="sdxl", sigma=0)
    with pytest.raises(HandoffError, match="no VAE decodes them"):
        desk.run(f"{models['receiver']} {RUN} --image-seeds base")


def test_noisy_latents_as_a_picture_are_told_of(desk: Desk, models: dict[str, Path]) -> None:
    desk.run(f"{models['giver']} {RUN} --denoising-end 0.5 --into base")
    (planned,) = desk.plan(f"{models['giver']} {RUN} --image-seeds base").stages
    (note,) = (note for note in planned.notes if "in the place of a picture" in note)
    assert str(desk["base"].noise) in note
    assert "write latents:" in note


def test_a_tensor_of_three_axes_is_one_of_a_batch_as_in_a_file(desk: Desk, models: dict[str, Path]) -> None:
    desk.run(f"{models['giver']} {RUN} --into base --denoising-end 0.5")
    tensor = desk["base"].tensor
    desk.session = Session({"whole": tensor, "three": tensor[0].clone(), "array": tensor[0].numpy()})
    start = f"{models['giver']} {RUN} --denoising-start 0.5 --image-seeds"
    for name in ("whole", "three", "array"):
        desk.run(f"{start} 'latents: {name}' --into {name}_out")
    assert torch.equal(desk["three_out"].tensor, desk["whole_out"].tensor)
    assert torch.equal(desk["array_out"].tensor, desk["whole_out"].tensor)


def test_each_run_is_decoded_in_its_own_dtype(desk: Desk, models: dict[str, Path], decoded: list[str]) -> None:
    """Of two dtypes of one model, in either order; a VAE beside the model's own, too."""
    other = f"--vae AutoencoderKL;model={models['other']}"
    for dtype in ("float16", "bfloat16", "float32"):
        desk.run(f"{models['receiver']} {RUN} --dtype {dtype} --into {dtype}")
        desk.run(f"{models['receiver']} {RUN} {other} --dtype {dtype} --into {dtype}_other")
    for session in (desk.session, Session(dict(desk.session.names))):
        for dtype in ("bfloat16", "float16", "float32"):
            kind = "" if dtype == "float32" else f" of {dtype}"
            decoded.clear()
            session.decode(desk[dtype])
            session.decode(desk[f"{dtype}_other"])
            assert decoded == [f"receiver{kind}", f"other{kind}"]


@pytest.mark.parametrize(("first", "second"), [("float16", "bfloat16"), ("bfloat16", "float16")])
def test_what_comes_in_is_decoded_in_the_dtype_of_the_stage_that_takes_it(
    desk: Desk, models: dict[str, Path], decoded: list[str], first: str, second: str
) -> None:
    """A crossing decodes in the dtype of the run that made the latents."""
    for dtype in (first, second):
        desk.run(f"{models['receiver']} {RUN} --dtype {dtype} --denoising-end 0.5 --into {dtype}")
        desk.run(f"{models['receiver']} {RUN} --dtype {dtype} --into {dtype}_clean")
    for dtype in (first, second):
        decoded.clear()
        desk.run(f"{models['receiver']} {RUN} --dtype {dtype} --image-seeds {first}_clean")
        desk.run(f"<sd3> {RUN} --dtype float32 --image-seeds 'latents: {dtype}'")
        assert decoded[:3:2] == [f"receiver of {dtype}"] * 2


def test_each_dtype_has_previews_of_its_own(desk: Desk, models: dict[str, Path]) -> None:
    cache = desk.session.engine.cache
    for dtype in ("float16", "bfloat16"):
        desk.run(f"{models['receiver']} {RUN} --dtype {dtype} --into {dtype}")
        desk.session.preview(desk[dtype])
    assert sorted(kind for _, kind, _ in cache._previewers) == ["torch.bfloat16", "torch.float16"]


@pytest.mark.parametrize(
    "options", [{"vae": ";;=="}, {"vae": "a;b"}, {"vae": 7}, {"dtype": "odd"}, {"subfolder": ".."}]
)
def test_facts_that_somebody_wrote_are_read_with_care(desk: Desk, models: dict[str, Path], options: Any) -> None:
    made = Provenance(model=str(models["giver"]), options=options)
    with pytest.raises(ModelError, match="sd15"):
        desk.session.decode(Latents(torch.zeros(1, 4, 8, 8), noise=CLEAN, provenance=made))
