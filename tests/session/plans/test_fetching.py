"""A model that is not on this machine: its configuration is fetched, it is judged, and then its weights are."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from jupyter_latents.errors import HandoffError, ModelError
from jupyter_latents.session import Session
from tests import tiny as tinies
from tests.engine.cases import picture
from tests.session.conftest import Desk
from tests.tiny.hub_server import Hub, serving
from tests.tiny.store import save_folder

BASE = "<sd15> --prompts cat --seeds 3 --inference-steps 2 --output-size 64 --denoising-end 0.5 --into base"
FINAL = "some/sd --prompts cat --inference-steps 2 --image-seeds 'latents: base' --into final"


PUBLISHED = "stable-diffusion-v1-5/stable-diffusion-v1-5"
"""Where diffusers takes the configurations of a single file of Stable Diffusion 1."""


@pytest.fixture(scope="module")
def repositories(tmp_path_factory: pytest.TempPathFactory, tiny: Callable[[str], Path]) -> dict[str, Path]:
    """Repositories of models, VAEs, ControlNets, LoRAs, single files, and of a model with a variant alone."""
    folder = tmp_path_factory.mktemp("repositories")
    there = {name: folder / name for name in ("vae", "net", "lora", "loras", "single", "half")}
    for path in there.values():
        path.mkdir(parents=True)
    tinies.build("sd15", seed=5).vae.save_pretrained(there["vae"])
    tinies.build("sd15", seed=5).vae.save_pretrained(there["vae"] / "half", variant="fp16")
    tinies.controlnet(seed=1).save_pretrained(there["net"])
    tinies.lora(there["lora"] / "pytorch_lora_weights.safetensors", seed=1)
    tinies.lora(there["loras"] / "one.safetensors", seed=1)
    tinies.lora(there["loras"] / "two.safetensors", seed=2)
    tinies.single_file("sd15", there["single"] / "sd.safetensors")
    (there["single"] / "sd.ckpt").write_bytes(b"")
    save_folder("sd15", there["half"], variants=("fp16",))
    whole = {"some/sd": tiny("sd15"), "some/sdxl": tiny("sdxl"), PUBLISHED: tiny("sd15"), "some/flux": tiny("flux")}
    return whole | {f"some/{name}": path for name, path in there.items()}


@pytest.fixture
def hub(repositories: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub with models and what is put on them, none of them on this machine."""
    from huggingface_hub import constants, hf_api

    with serving(dict(repositories)) as made:
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "ENDPOINT", made.address)
        monkeypatch.setattr(hf_api.api, "endpoint", made.address)  # what diffusers asks
        files = f"{made.address}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", files)
        yield made


def test_weights_are_fetched_after_the_verdict(desk: Desk, hub: Hub) -> None:
    plan = desk.plan(f"{BASE}\n\n{FINAL}")
    assert plan.stages[1].later == "some/sd is fetched at the run, then judged"
    assert hub.fetched == [], "a plan asks no network"
    desk.run(f"{BASE}\n\n{FINAL}")
    settings = [path for path in hub.fetched if path not in hub.weights]
    assert hub.fetched[: len(settings)] == settings, "configurations come first"
    assert any(path.startswith("unet/") for path in hub.weights)
    assert any(line.startswith("stage 2, some/sd: same schedule") for line in desk.notes.lines)
    own = Desk(desk.models)
    own.run(f"{BASE}\n\n{FINAL.replace('some/sd', '<sd15>')}")
    assert torch.equal(desk["final"].tensor, own["final"].tensor)


def test_what_was_fetched_is_remembered_like_any_other(desk: Desk, hub: Hub) -> None:
    script = f"{BASE}\n\n{FINAL}"
    desk.run(script)
    given = len(hub.fetched)
    assert desk.run(script).model_evaluations == 0
    assert len(hub.fetched) == given


@pytest.mark.parametrize(
    ("line", "error"),
    [
        (f"{FINAL} --output-size 128", HandoffError),
        (f"{FINAL} --second-prompts dog", ModelError),
        ("some/sd --model-type sdxl --prompts cat", ModelError),
    ],
)
def test_nothing_is_fetched_for_a_stage_that_is_refused(
    desk: Desk, hub: Hub, line: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        desk.run(f"{BASE}\n\n{line}")
    assert "model_index.json" in hub.fetched
    assert hub.weights == []
    assert desk["base"] is not None


def test_no_model_is_fetched_ahead_of_its_verdict(desk: Desk, hub: Hub) -> None:
    with pytest.raises(HandoffError):
        desk.run(f"{BASE.replace('steps 2', 'steps 4')}\n\n{FINAL} --output-size 128")
    assert hub.weights == []


def test_a_hub_that_goes_away_after_the_verdict_is_told(desk: Desk, hub: Hub) -> None:
    with pytest.raises(HandoffError):
        desk.run(f"{BASE}\n\n{FINAL} --output-size 128")
    later = Desk(desk.models, Session())
    hub.folders = {}
    with pytest.raises(ModelError, match="only partly in the hub's cache"):
        later.run(f"{BASE}\n\n{FINAL}")


LINK = "https://huggingface.co/some/{}/resolve/main/{}"
STAGE = "<sd15> --prompts cat --seeds 3 --inference-steps 2 --output-size 64 --into final"
CONTROLLED = f"{STAGE} --image-seeds 'control: photo'"
REFUSED = f"{STAGE} --second-prompts dog"
XL = STAGE.replace("<sd15>", "<sdxl>")


def as_settings(hub: Hub) -> bool:
    return all(path.endswith((".json", ".txt")) for path in hub.fetched)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (f"{REFUSED} --vae some/vae", "prompt 2"),
        (f"{STAGE} --vae some/vae;subfolder=half;variant=fp32", "variant=fp32; there are: fp16"),
        (f"{STAGE} --vae some/flux", "another latent space"),
        (f"{STAGE} --vae AutoencoderTiny;model=some/vae", "not a AutoencoderTiny"),
        (f"{REFUSED} --vae {LINK.format('vae', 'diffusion_pytorch_model.safetensors')}", "prompt 2"),
        (f"{REFUSED} --vae {LINK.format('single', 'sd.ckpt')}", "prompt 2"),
        (f"{STAGE} --control-nets some/net", "control images"),
        (f"{STAGE} --control-nets some/vae", "no ControlNet"),
        (f"{CONTROLLED.replace('<sd15>', '<sdxl>')} --control-nets some/net", "another family"),
        (f"{STAGE} --control-nets {LINK.format('net', 'diffusion_pytorch_model.safetensors')}", "no config.json"),
        (f"{REFUSED} --loras some/lora", "prompt 2"),
        (f"{REFUSED} --loras some/loras;weight-name=two.safetensors", "prompt 2"),
        (f"{STAGE} --loras some/loras", "one.safetensors, two.safetensors"),
        (f"{STAGE} --loras some/loras;weight-name=three.safetensors", "no file three.safetensors"),
        (f"{STAGE} --loras some/vae", "does not fit"),
        (f"{XL} --loras some/lora", "does not fit"),
        (f"{XL} --loras {LINK.format('lora', 'pytorch_lora_weights.safetensors')}", "does not fit"),
        ("some/sdxl --prompts cat --loras some/lora", "does not fit"),
        ("some/sdxl --prompts cat --vae some/vae --control-nets some/net", "another latent space"),
        ("some/sd --prompts cat --variant fp16", "variant fp16; the hub has: plain files"),
        ("some/half --prompts cat --variant fp32", "variant fp32; the hub has: fp16"),
        (f"{LINK.format('single', 'sd.safetensors')} --prompts cat --second-prompts dog", "prompt 2"),
        (f"{LINK.format('single', 'sd.safetensors')} --prompts cat --model-type sdxl", "--model-type"),
        (f"{LINK.format('lora', 'pytorch_lora_weights.safetensors')} --prompts cat", "no single-file checkpoint"),
        (f"{LINK.format('single', 'no.safetensors')} --prompts cat", "no such file"),
    ],
)
def test_what_is_put_on_a_model_is_judged_before_its_weights_are_fetched(
    desk: Desk, hub: Hub, line: str, says: str
) -> None:
    desk.session.names["photo"] = picture(64)
    desk.run(BASE)
    loads = desk.session.engine.cache.loads
    assert desk.plan(line).stages[0].later.endswith("is fetched at the run, then judged") or not hub.fetched
    assert hub.fetched == hub.heads == [], "a plan asks no network"
    with pytest.raises(ModelError, match=says):
        desk.run(line)
    assert as_settings(hub), hub.fetched
    assert desk.session.engine.cache.loads == loads


@pytest.mark.parametrize(
    ("far", "near", "files"),
    [
        (f"{STAGE} --vae some/vae", f"{STAGE} --vae '{{vae}}'", ["diffusion_pytorch_model.safetensors"]),
        (f"{STAGE} --vae some/vae;subfolder=half;variant=fp16", f"{STAGE} --vae '{{vae}}'",
         ["half/diffusion_pytorch_model.fp16.safetensors"]),
        (f"{STAGE} --vae {LINK.format('vae', 'diffusion_pytorch_model.safetensors')}",
         f"{STAGE} --vae '{{vae}}/diffusion_pytorch_model.safetensors'", ["diffusion_pytorch_model.safetensors"]),
        (f"{CONTROLLED} --control-nets some/net", f"{CONTROLLED} --control-nets '{{net}}'",
         ["diffusion_pytorch_model.safetensors"]),
        (f"{STAGE} --loras some/lora", f"{STAGE} --loras '{{lora}}'", ["pytorch_lora_weights.safetensors"]),
        (f"{STAGE} --loras some/loras;weight-name=two.safetensors;scale=0.5",
         f"{STAGE} --loras '{{loras}}/two.safetensors;scale=0.5'", ["two.safetensors"]),
        (STAGE.replace("<sd15>", LINK.format("single", "sd.safetensors")),
         STAGE.replace("<sd15>", "{single}/sd.safetensors"), ["sd.safetensors"]),
        (STAGE.replace("<sd15>", "some/half --variant fp16"), STAGE.replace("<sd15>", "{half} --variant fp16"), []),
    ],
)  # fmt: skip
def test_what_is_fetched_makes_what_the_same_files_make(
    desk: Desk, hub: Hub, far: str, near: str, files: list[str]
) -> None:
    desk.session.names["photo"] = picture(64)
    desk.run(far)
    settings = [path for path in hub.fetched if path not in hub.weights]
    assert hub.fetched[: len(settings)] == settings, "configurations come first"
    assert hub.weights == files or (not files and hub.weights)
    given = len(hub.fetched)
    assert desk.plan(far).stages[0].saved, "it is all here, and known"
    assert desk.run(far).model_evaluations == 0
    assert len(hub.fetched) == given
    final = desk["final"]
    own = Desk(desk.models)
    own.session.names["photo"] = picture(64)
    here = {name.removeprefix("some/"): path for name, path in hub.folders.items()}
    for name, path in here.items():
        near = near.replace(f"{{{name}}}", str(path))
    own.run(near)
    assert torch.equal(final.tensor, own["final"].tensor)


def test_a_variant_that_only_the_hub_has_is_fetched(desk: Desk, hub: Hub, tmp_path: Path) -> None:
    line = STAGE.replace("<sd15>", "some/half")
    hub.folders["some/half"] = shutil.copytree(hub.folders["some/half"], tmp_path / "half")
    save_folder("sd15", hub.folders["some/half"], variants=(None, "fp16"))
    desk.run(line)
    hub.fetched.clear()
    assert "then judged" in desk.plan(f"{line} --variant fp16").stages[0].later
    desk.run(f"{line} --variant fp16")
    assert hub.weights
    assert all(".fp16." in path for path in hub.weights)


def test_a_file_that_says_nothing_without_its_weights_is_announced(desk: Desk, hub: Hub) -> None:
    (planned,) = desk.plan(f"{LINK.format('single', 'sd.ckpt')} --prompts cat").stages
    assert planned.later.endswith("is fetched whole at the run, then judged: nothing else says what it is")
    assert hub.fetched == []
    refused = desk.plan(f"{LINK.format('single', 'sd.ckpt')} --prompts cat --output-path {__file__}").stages[0].refused
    assert "a part of the path is a file" in refused


def test_after_a_refusal_the_rest_is_fetched_when_it_fits(desk: Desk, hub: Hub) -> None:
    with pytest.raises(ModelError, match="prompt 2"):
        desk.run(f"{REFUSED} --vae some/vae")
    assert "then judged" in desk.plan(f"{STAGE} --vae some/vae").stages[0].later
    desk.run(f"{STAGE} --vae some/vae")
    assert hub.weights == ["diffusion_pytorch_model.safetensors"]
