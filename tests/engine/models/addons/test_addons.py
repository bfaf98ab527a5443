"""What a stage puts on a model: one row a field, found before weights load, known by its digest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from jupyter_latents.engine.given.inputs import Call, Given, Inputs, Loop
from jupyter_latents.engine.models import addons
from jupyter_latents.engine.models.addons import quantizer
from jupyter_latents.engine.models.addons.table import ADDONS
from jupyter_latents.engine.models.cache import ModelCache
from jupyter_latents.engine.models.describe import describe
from jupyter_latents.engine.models.load import LoadPlan, plan_of
from jupyter_latents.errors import ModelError
from jupyter_latents.stage import ModelSource, Stage, Window
from tests import tiny as tinies
from tests.engine.cases import picture

Folders = Callable[[str], Path]


@dataclass(frozen=True)
class Files:
    """Files of a test's own that addons name."""

    folder: Path

    def vae(self, seed: int) -> str:
        vae = tinies.build("sd15").vae
        torch.nn.init.constant_(vae.decoder.conv_out.bias, seed)
        vae.save_pretrained(self.folder / f"vae-{seed}")
        return str(self.folder / f"vae-{seed}")

    def model(self, field: str, tiny: Folders) -> Path:
        """The model that takes an addon: T2I-Adapters have one of their own."""
        own = self.folder / "sketched"
        if field == "t2i_adapters" and not own.exists():
            tinies.sketched().save_pretrained(own)
        return own if field == "t2i_adapters" else tiny("sd15")

    def control_nets(self, seed: int) -> tuple[str]:
        tinies.controlnet(seed=seed).save_pretrained(self.folder / f"net-{seed}")
        return (str(self.folder / f"net-{seed}"),)

    def textual_inversions(self, seed: int) -> tuple[str]:
        return (str(tinies.inversion(self.folder / f"word-{seed}.safetensors", seed=seed)),)

    def ip_adapters(self, seed: int) -> tuple[str]:
        unet = tinies.build("sd15").unet
        return (str(tinies.ip_adapter(self.folder / f"adapter-{seed}", unet, seed)),)

    def t2i_adapters(self, seed: int) -> tuple[str]:
        made = tinies.t2i_adapter(seed=seed)
        made.save_pretrained(self.folder / f"sketch-{seed}")
        return (str(self.folder / f"sketch-{seed}"),)

    def unet(self, seed: int) -> str:
        tinies.build("sd15", seed).unet.save_pretrained(self.folder / f"unet-{seed}")
        return str(self.folder / f"unet-{seed}")

    def text_encoders(self, seed: int) -> tuple[str]:
        tinies.build("sd15", seed).text_encoder.save_pretrained(self.folder / f"encoder-{seed}")
        return (str(self.folder / f"encoder-{seed}"),)

    def loras(self, seed: int) -> tuple[str]:
        return (str(tinies.lora(self.folder / f"lora-{seed}.safetensors", seed=seed)),)

    def quantizer(self, seed: int) -> str:
        return f"bnb;bits={4 * seed}"

    def optimize(self, seed: int) -> tuple[str]:
        return (f"taylorseer;interval={seed + 1}",)


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Files:
    there = SimpleNamespace(util=SimpleNamespace(find_spec=lambda name: name))
    monkeypatch.setattr(quantizer, "importlib", there)  # as if bitsandbytes were installed, for this module alone
    return Files(tmp_path)


def plan(folder: Path, **put: Any) -> LoadPlan:
    source = ModelSource(str(folder), **put)
    return plan_of(source, describe(source), torch.device("cpu"), torch.float32)


def test_every_module_that_finds_an_addon_is_named_by_a_field() -> None:
    room = Path(addons.__file__).parent
    finders = {path.stem for path in room.glob("*.py") if "\ndef find_addon(" in path.read_text(encoding="utf-8")}
    assert finders == {row.metadata["addon"] for row in fields(ModelSource) if "addon" in row.metadata}


# Field to the parts whose keys it changes; a ControlNet is a further part.
CHANGED = {
    "vae": {"vae"},
    "control_nets": {"controlnet"},
    "quantizer": {"unet", "text_encoder"},
    "loras": {"unet"},
    "textual_inversions": {"tokenizer", "text_encoder"},
    "ip_adapters": {"unet", "image_encoder"},
    "t2i_adapters": {"adapter"},
    "unet": {"unet"},
    "text_encoders": {"text_encoder"},
    "optimize": {"unet"},
}


def test_every_row_has_a_case_here() -> None:
    assert {*CHANGED, "transformer"} == ADDONS.keys()  # a transformer is found as a U-Net is


@pytest.mark.parametrize("field", CHANGED)
def test_an_addon_reaches_identity_and_keys_by_its_digest(field: str, tiny: Folders, files: Files) -> None:
    make = getattr(files, field)
    plain, one, same, other = (
        plan(files.model(field, tiny), **({field: make(seed)} if seed else {})) for seed in (0, 1, 1, 2)
    )
    assert len({each.facts.identity for each in (plain, one, same, other)}) == 3
    assert one.facts.identity == same.facts.identity
    assert one.keys == same.keys
    for before, after in ((plain, one), (one, other)):
        changed = {name for name, key in after.keys.items() if key != before.keys.get(name)}
        assert changed == CHANGED[field]


@pytest.mark.parametrize("field", sorted(CHANGED.keys() - {"quantizer", "optimize"}))
def test_files_of_an_addon_are_known_by_marks(field: str, tiny: Folders, files: Files) -> None:
    given = getattr(files, field)(1)
    place = Path(given if isinstance(given, str) else given[0])
    weights = {place} if place.is_file() else set(place.rglob("*.safetensors"))
    made = plan(files.model(field, tiny), **{field: given})
    assert weights
    assert weights <= {Path(mark.path) for name in made.keys for mark in made.marks(name)}


def test_loras_and_a_denoiser_make_a_model_another_to_latents_it_made(tiny: Folders, files: Files) -> None:
    for field in CHANGED:
        model = str(files.model(field, tiny))
        own = describe(ModelSource(model)).digest
        digest = describe(ModelSource(model, **{field: getattr(files, field)(1)})).digest
        assert (digest != own) == (field in ("loras", "unet"))


@pytest.mark.parametrize("setting", ["bits4-quant-type=nonsense", "bits=3", "bits4-use-double-quant=maybe"])
def test_settings_of_a_quantizer_are_refused_when_it_is_described(setting: str, tiny: Folders, files: Files) -> None:
    with pytest.raises(ModelError, match="is not allowed; use"):
        describe(ModelSource(str(tiny("sd15")), quantizer=f"bnb;{setting}"))


def test_each_library_gets_its_own_configuration_of_a_quantizer(tiny: Folders, files: Files) -> None:
    made = plan(tiny("sd15"), quantizer="bnb;bits=8")
    kinds = {name: [type(value) for value in made.reading(name).values()] for name in ("unet", "text_encoder", "vae")}
    import diffusers
    import transformers

    assert kinds == {
        "unet": [diffusers.BitsAndBytesConfig],
        "text_encoder": [transformers.BitsAndBytesConfig],
        "vae": [],
    }


def test_a_pipeline_that_takes_no_loras_is_refused_when_it_is_described(tiny: Folders, files: Files) -> None:
    with pytest.raises(ModelError, match="takes no LoRAs in diffusers"):
        describe(ModelSource(str(tiny("pixart-sigma")), loras=files.loras(1)))


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("vae", "no/vae"),
        ("vae", "AutoencoderKL"),
        ("vae", "./nowhere;subfolder=../up"),
        ("vae", "https://somewhere.org/vae"),
        ("vae", "https://huggingface.co/a/b/blob/main/../../vae.safetensors"),
        ("vae", "demo/vae"),
        ("control_nets", "no/net"),
        ("control_nets", "no/net;scale=much"),
        ("loras", "./nowhere.safetensors"),
        ("loras", "no/lora;scale=nan"),
        ("loras", "no/lora;weight-name=../../lora.safetensors"),
        ("loras", "./;weight-name=/lora.safetensors"),
        ("loras", "no/lora;strength=1"),
        ("textual_inversions", "./nowhere.pt"),
        ("textual_inversions", "no/word;scale=1"),
        ("ip_adapters", "no/adapter"),
        ("ip_adapters", "no/adapter;scale=1e9"),
        ("t2i_adapters", "no/adapter"),
        ("unet", "no/unet"),
        ("quantizer", "sdnq"),
        ("quantizer", "bnb;bits=3"),
        ("optimize", "speed"),
    ],
)
def test_an_error_names_the_option_of_the_addon_and_spells_none(field: str, text: str, tiny: Folders) -> None:
    given = text if field in ("vae", "quantizer", "unet") else (text,)
    with pytest.raises(ModelError) as caught:
        describe(ModelSource(str(tiny("sd15")), **{field: given}))
    assert caught.value.option == field
    assert "--" not in caught.value.message


def test_a_file_that_is_named_twice_is_refused(tiny: Folders, files: Files) -> None:
    (name,) = files.loras(1)
    with pytest.raises(ModelError, match=r"is a file, and weight-name=other\.safetensors names another"):
        describe(ModelSource(str(tiny("sd15")), loras=(f"{name};weight-name=other.safetensors",)))
    describe(ModelSource(str(tiny("sd15")), loras=(f"{name};weight-name={Path(name).name}",)))


# What addons give to a call.


def controlled(folder: Path, files: Files, *settings: str, window: Window = Window()) -> Any:  # noqa: B008 - frozen
    (net,) = files.control_nets(1)
    source = ModelSource(str(folder), control_nets=tuple(f"{net}{setting}" for setting in settings))
    return describe(source), Stage(model=source, window=window)


@pytest.mark.parametrize("mode", ["txt2img", "img2img"])
def test_a_controlnet_gives_its_image_scale_and_part_of_the_steps(mode: str, tiny: Folders, files: Files) -> None:
    facts, stage = controlled(tiny("sd15"), files, ";scale=0.5;start=0.1;end=0.9")
    call = Call(stage, Given(controls=1), mode, (64, 64))
    facts.check(call)
    given = facts.arguments(call, Inputs(controls=(picture(32),)))
    assert given.pop("image" if mode == "txt2img" else "control_image").size == (64, 64)
    assert given == {
        "controlnet_conditioning_scale": 0.5,
        "control_guidance_start": 0.1,
        "control_guidance_end": 0.9,
    }


def test_what_an_addon_lacks_is_known_before_weights_load(tiny: Folders, files: Files) -> None:
    facts, stage = controlled(tiny("sd15"), files, "", "")
    with pytest.raises(ModelError, match="2 ControlNets need as many control images"):
        facts.check(Call(stage, Given(controls=1), "txt2img", (64, 64)))


@pytest.mark.parametrize(
    ("start", "seen", "given"),
    [(0.5, range(10), (0.5, 1.0)), (0.5, range(3, 10), (2 / 7, 1.0)), (0.2, range(5, 10), (0.0, 1.0))],
)
def test_a_controlnet_is_told_its_share_of_the_loop(
    start: float, seen: range, given: tuple[float, float], tiny: Folders, files: Files
) -> None:
    facts, stage = controlled(tiny("sd15"), files, f";start={start}")
    call = Call(stage, Given(controls=1), "txt2img", (64, 64), loop=Loop(seen, 10))
    told = facts.arguments(call, Inputs(controls=(picture(32),)))
    assert (told["control_guidance_start"], told["control_guidance_end"]) == given


def test_a_controlnet_that_works_for_no_timestep_of_a_loop_is_told_so(tiny: Folders, files: Files) -> None:
    facts, stage = controlled(tiny("sd15"), files, ";end=0.2")
    call = Call(stage, Given(controls=1), "txt2img", (64, 64), loop=Loop(range(5, 10), 10))
    told = facts.arguments(call, Inputs(controls=(picture(32),)))
    start, end = told["control_guidance_start"], told["control_guidance_end"]
    assert 0 <= start < end <= 1
    assert all(place / 5 < start or (place + 1) / 5 > end for place in range(5))


def test_a_lora_and_an_optimization_are_put_on_one_unet_of_their_own(tiny: Folders, files: Files) -> None:
    pytest.importorskip("peft")
    cache = ModelCache()
    plain = cache.load(ModelSource(str(tiny("sd15"))))
    both = cache.load(ModelSource(str(tiny("sd15")), loras=files.loras(1), optimize=("channels-last",)))
    unet = both.parts["unet"]
    assert unet is not plain.parts["unet"]
    assert "lora_0" in unet.peft_config
    assert unet.conv_in.weight.is_contiguous(memory_format=torch.channels_last)
