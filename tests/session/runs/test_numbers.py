"""NaN and infinity: found after the part that made them, named with what helps; nothing is written, nothing goes on."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from jupyter_latents.display import wiring
from jupyter_latents.engine.vae import codec
from jupyter_latents.errors import JupyterLatentsError, LatentsError, ModelError, RunError, ScriptError
from jupyter_latents.latents import Latents
from jupyter_latents.latents.facts import CLEAN
from jupyter_latents.latents.spaces import SPACES
from tests import tiny as tinies
from tests.engine.cases import picture
from tests.session.conftest import Desk

pytestmark = pytest.mark.kept_models

RUN = "--prompts cat --inference-steps 4 --guidance-scales 1 --seeds 3 --output-size 64 --output-path out"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def spoilt(model: Path, folder: Path, part: str, weight: str, value: float = 1e30) -> Path:
    """A copy of a model with a part whose weights overflow."""
    shutil.copytree(model, folder)
    (file,) = (folder / part).glob("*.safetensors")
    weights = load_file(file)
    (name,) = [name for name in weights if name.endswith(weight)]
    weights[name] = torch.full_like(weights[name], value)
    save_file(weights, file, {"format": "pt"})
    return folder


PARTS = {
    "text encoder": ("text_encoder", "final_layer_norm.weight", "", "a text encoder"),
    "denoiser": ("unet", "conv_out.weight", "", "the unet of"),
    "decoder": ("vae", "decoder.conv_out.weight", "", "the VAE (AutoencoderKL), while it decoded,"),
    "encoder": ("vae", "encoder.conv_out.weight", "--image-seeds photo", "the VAE, while it encoded a picture,"),
    "inpainting": ("vae", "encoder.conv_out.weight", "--image-seeds 'photo;mask=hole'", "while it encoded a picture,"),
}


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("part", PARTS)
def test_the_part_that_made_no_numbers_is_named(
    desk: Desk, tiny: Callable[[str], Path], part: str, dtype: str, folder: Path
) -> None:
    name, weight, options, words = PARTS[part]
    model = spoilt(tiny("sd15"), folder / "model", name, weight, float("nan"))
    config = json.loads((model / "vae/config.json").read_text())
    (model / "vae/config.json").write_text(json.dumps({**config, "force_upcast": False}))
    desk.session.names |= {"photo": picture(64), "hole": picture(64).convert("L")}
    with pytest.raises(RunError) as failed:
        desk.run(f"{model} {RUN} --dtype {dtype} {options} --into made")
    message = failed.value.message
    assert words in message
    assert f"NaN or infinite values in {dtype};" in message
    advice = {"float16": "use --dtype float32 or bfloat16", "bfloat16": "use --dtype float32", "float32": ""}[dtype]
    assert advice in message
    assert not Path("out").exists()
    assert ("made" in desk.session.names) == (part == "decoder")  # its steps are kept, and have no picture


def test_the_step_is_named(desk: Desk, tiny: Callable[[str], Path]) -> None:
    model = spoilt(tiny("sd15"), Path("model"), "unet", "conv_out.weight", 1e38)
    with pytest.raises(RunError, match=r"the unet of \./model, at step 1 of 4, made NaN or infinite values in float32"):
        desk.run(f"./{model} {RUN} --scheduler EulerDiscreteScheduler")


def test_img2img_goes_not_on_from_a_picture_that_is_none(desk: Desk, tiny: Callable[[str], Path]) -> None:
    desk.run(f"{tiny('sd15')} {RUN} --into base")
    model = spoilt(tiny("sd15"), Path("model"), "vae", "decoder.conv_out.weight", float("inf"))
    with pytest.raises(RunError, match="while it decoded"):
        desk.run(f"{model} {RUN} --image-seeds base")
    desk.run(f"{tiny('sd15')} {RUN} --denoising-end 0.5 --into half")
    other = desk.session.names["half"]
    desk.session.names["half"] = other.replace(provenance=other.provenance.__class__(model=str(model)))
    with pytest.raises(RunError, match="while it decoded"):
        desk.run(f"<flux> {RUN} --image-seeds 'latents: half' --into crossed")
    assert "crossed" not in desk.session.names


F64 = torch.float64
HUGE = {"huge": torch.full((1, 4, 8, 8), 1e300, dtype=F64), "large": torch.full((1, 4, 8, 8), 1e37)}
CAME = {
    "latents beyond the dtype": ("--image-seeds 'latents: huge' --denoising-start 0.5", "these latents reach 1e+300"),
    "large latents": ("--image-seeds 'latents: large' --denoising-start 0.5", "the latents that came in reach 1e+37"),
    "latents in the image position": ("--image-seeds huge", "the latents that came in reach 1e+300"),
    "a ControlNet": ("--control-nets 'control;scale=1e38' --image-seeds 'control: photo'", "scale 1e+38 of control"),
    "guidance": ("--output-size 64 --dtype float16 --guidance-scales 1e6", "--guidance-scales of 1e+06 did it: 1 to"),
}  # fmt: skip


@pytest.mark.parametrize("name", CAME)
def test_what_came_in_is_blamed_and_no_part(desk: Desk, name: str, folder: Path) -> None:
    options, words = CAME[name]
    tinies.controlnet().save_pretrained(folder / "control")
    desk.session.names |= {**HUGE, "photo": picture(64)}
    with pytest.raises(JupyterLatentsError) as failed:
        desk.run(f"<sd15> --prompts cat --inference-steps 4 --seeds 3 {options}")
    message = failed.value.message
    assert words in message
    assert not [advice for advice in ("another", "weights", "--scheduler") if advice in message]
    assert failed.value.option in {"image_seeds", "guidance_scales", "control_nets"}


def test_latents_beyond_the_dtype_are_refused_before_weights_load(desk: Desk) -> None:
    desk.session.names |= HUGE
    (planned,) = desk.plan(f"<sd15> {CAME['latents beyond the dtype'][0]} --prompts cat --inference-steps 4").stages
    assert "float32 holds 3.4e+38 at most" in planned.refused


@pytest.mark.parametrize("count", [10, 11])
def test_processors_that_overflow_are_refused(desk: Desk, count: int) -> None:
    desk.run(f"<sd15> {RUN} --denoising-end 0.5 --into half")
    chain = " + ".join(["scale;factor=1e4"] * count)
    script = f"<sd15> {RUN} --image-seeds 'latents: half' --latents-processors '{chain}'"
    (planned,) = desk.plan(script).stages
    with pytest.raises(JupyterLatentsError) as refused:
        desk.run(script)
    assert planned.refused == refused.value.message
    assert "the scale processor spoils latents of float32" in planned.refused


@pytest.mark.parametrize("link", ["scale;factor=1e5", "noise;sigma=20000", "scale;clamp-max=1e30"])
def test_a_number_beyond_all_latents_is_refused_where_it_stands(desk: Desk, link: str) -> None:
    with pytest.raises(ScriptError, match="at most 10000"):
        desk.plan(f"<sd15> {RUN} --image-seeds 'latents: x' --latents-processors {link}")


@pytest.mark.kept_models(False)
@pytest.mark.parametrize(
    ("name", "value"),
    [("scaling_factor", 0), ("scaling_factor", float("nan")), ("scaling_factor", -8), ("scaling_factor", "big"),
     ("shift_factor", float("inf")), ("latents_std", [1, 0, 1, 1]), ("latents_mean", [float("nan")] * 4)],
)  # fmt: skip
def test_numbers_of_a_vae_that_scale_nothing_are_refused_before_weights_load(
    desk: Desk, tiny: Callable[[str], Path], name: str, value: object
) -> None:
    shutil.copytree(tiny("sd15"), "model")
    file = Path("model/vae/config.json")
    file.write_text(json.dumps({**json.loads(file.read_text()), name: value}))
    (planned,) = desk.plan(f"./model {RUN}").stages
    assert f"config.json says {name}" in planned.refused
    with pytest.raises(ModelError, match=name):
        desk.run(f"./model {RUN}")
    assert not desk.session.holdings()


def test_every_known_space_has_numbers_that_are_taken() -> None:
    for space in SPACES.values():
        config = {"latent_channels": space.channels, "scaling_factor": space.scaling_factor, "shift_factor": None}
        assert codec.space_of("AutoencoderKL", config).channels == space.channels


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_an_operation_that_overflows_says_in_which_dtype(dtype: str) -> None:
    latents = Latents(torch.full((1, 4, 8, 8), 6e4, dtype=getattr(torch, dtype)), noise=CLEAN)
    with pytest.raises(LatentsError) as refused:
        latents * 1e38
    message = refused.value.message
    assert f"256 NaN or infinite values of 256, in {dtype};" in message
    assert ("or with dtype float32" in message) == (dtype == "float16")


def test_latents_that_their_vae_cannot_decode_are_shown_without_a_picture(
    desk: Desk, tiny: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = spoilt(tiny("sd15"), Path("model"), "vae", "decoder.conv_out.weight", float("inf"))
    with pytest.raises(RunError):
        desk.run(f"./{model} {RUN} --into made")
    monkeypatch.setattr(wiring, "shows_pictures", lambda: True)
    assert "image/png" not in wiring._bundle(desk.session, desk["made"])
