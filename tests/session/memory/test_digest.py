"""Each field of all that goes into a stage enters its digest, or a row says why not."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import pytest
import torch
from PIL import Image

from jupyter_latents.engine.given.inputs import Inputs
from jupyter_latents.latents import Latents
from jupyter_latents.latents.facts import Noise, Position, Provenance, Resume
from jupyter_latents.latents.spaces import Space
from jupyter_latents.session.memory.identity import OUT, fingerprint
from jupyter_latents.stage import (
    Address,
    ImageSeed,
    LatentsProcessor,
    ModelSource,
    Output,
    Prompt,
    Reference,
    Size,
    Stage,
    Sweep,
    Window,
)
from jupyter_latents.syntax.script import parse

# Options of which one value is another field of the stage: to that field. What fields do is tried below, each alone.
FIELD_OF = {
    "model_type": ("--model-type sd", "ModelSource.model_type"),
    "revision": ("--revision main", "ModelSource.revision"),
    "dtype": ("--dtype bfloat16", "ModelSource.dtype"),
    "quantizer": ("--quantizer bnb;bits=4", "ModelSource.quantizer"),
    "prompts": ("--prompts dog", "Prompt.positive"),
    "negative_prompts": ("--negative-prompts dog", "Prompt.negative"),
    "second_prompts": ("--second-prompts dog", "Prompt.second"),
    "prompt_weighter": ("--prompt-weighter a1111", "Prompt.weighter"),
    "third_prompts": ("--third-prompts dog", "Prompt.third"),
    "clip_skips": ("--clip-skips 1", "Stage.clip_skip"),
    "inference_steps": ("--inference-steps 7", "Stage.num_inference_steps"),
    "guidance_scales": ("--guidance-scales 3", "Stage.guidance_scale"),
    "num_frames": ("--num-frames 5", "Stage.num_frames"),
    "fps": ("--fps 8", "Stage.fps"),
    "guidance_rescales": ("--guidance-rescales 0.5", "Stage.guidance_rescale"),
    "sigmas": ("--sigmas 14,5,1", "Stage.sigmas"),
    "strengths": ("--image-seeds x --image-seed-strengths 0.7", "Stage.strength"),
    "output_size": ("--output-size 72", "Stage.size"),
    "batch_size": ("--batch-size 2", "Stage.batch_size"),
    "batch_seeds": ("--batch-seeds", "Stage.batch_seeds"),
    "device": ("--device cpu:0", "ModelSource.device"),
    "vae_tiling": ("--vae-tiling", "ModelSource.vae_tiling"),
    "vae_slicing": ("--vae-slicing", "ModelSource.vae_slicing"),
    "model_cpu_offload": ("--model-cpu-offload", "ModelSource.offload"),
    "model_sequential_offload": ("--model-sequential-offload", "ModelSource.offload"),
    "model_group_offload": ("--model-group-offload", "ModelSource.offload"),
    "auth_token": ("--auth-token secret", "ModelSource.auth_token"),
    "offline": ("--offline-mode", "ModelSource.offline"),
    "force": ("--force", "Stage.force"),
    "denoising_end": ("--denoising-end 0.5", "Window.end"),
}


def stage_of(options: str) -> Stage:
    ((stage, *_),) = (one.stages() for one in parse(f"model {options}"))
    return stage


@pytest.mark.parametrize("option", FIELD_OF)
def test_an_option_is_a_field_that_the_digest_knows(option: str) -> None:
    given, field = FIELD_OF[option]
    kind, name = field.split(".")
    before, after = stage_of("--image-seeds x" if "--image-seeds" in given else ""), stage_of(given)
    ((one, other),) = [
        pair for pair in zip(values_of(before), values_of(after), strict=True) if type(pair[0]).__name__ == kind
    ]
    assert getattr(one, name) != getattr(other, name)
    assert (fingerprint(before) == fingerprint(after)) == (name in OUT.get(kind, {}))


def values_of(stage: Stage) -> tuple[object, ...]:
    return stage, stage.model, stage.prompt, stage.window


TENSOR = torch.arange(16.0).reshape(1, 4, 2, 2)
VALUES = (
    Size(8, 16),
    Window(0.25, 0.5),
    Prompt("a", "b", "c", "d", "e", "f", "a1111"),
    LatentsProcessor("noise", {"sigma": "1"}, Reference("a", "variable")),
    ModelSource(
        *("a", "sd", "main", "fp16", "in", "float32", "cpu", "vae", ("l",), ("c",), "q", "model"),
        auth_token="t",
        optimize=("o",),
        textual_inversions=("t",),
        ip_adapters=("i",),
        image_encoder="e",
        t2i_adapters=("a",),
        unet="u",
        transformer="t",
        text_encoders=("e",),
    ),
    Noise(1.0, "ve", 3.0),
    Position(1, 2, "a", "b", "c"),
    Provenance("a", "b", "c", "d", 1, 2.0, "denoise", {"steps": "2"}, ("p",), "a"),
    Resume({"order": 1}, torch.arange(3), {"torch": "2"}),
    Space("SD", 4, channel_mean=(1.0,), channel_std=(1.0,), vae="v"),
)
OF = {type(value).__name__: value for value in VALUES}
LATENTS = Latents(
    TENSOR, OF["Space"], OF["Noise"], OF["Position"], OF["Resume"], OF["Provenance"], TENSOR + 1, (Latents(TENSOR),)
)
IMAGE = Image.new("RGB", (2, 2))
OF["Latents"] = LATENTS
OF["Inputs"] = Inputs(
    (LATENTS,), (IMAGE,), (IMAGE,), (IMAGE,), (8, 8), ("note",), (LATENTS,), ((IMAGE,),), (8, 8), 8.0, (LATENTS,)
)
OF["Stage"] = Stage(
    model=OF["ModelSource"], prompt=OF["Prompt"], seed=1, guidance_rescale=0.5, strength=0.5, scheduler="a",
    num_frames=5, fps=8.0, max_sequence_length=64, pag_scale=3.0, pag_adaptive_scale=0.5, sweep=Sweep(1, 2),
    sigmas=(1.0,), window=OF["Window"], image_seed=ImageSeed(), size=OF["Size"], clip_skip=1,
    latents_processors=(OF["LatentsProcessor"],), post_processors=("flip",),
    img2img_latents_processors=(OF["LatentsProcessor"],), latents_post_processors=(OF["LatentsProcessor"],),
    output=Output(), into="a", seed_image_processors=("mirror",),
    mask_image_processors=("invert",), control_image_processors=("canny",),
)  # fmt: skip
CASES = [(kind, field.name) for kind, value in OF.items() for field in fields(value)]
OTHER = {
    "dtype": "float16",
    "device": "cpu:0",
    "form": "vp",
    "image_seed": ImageSeed(batch=True),
    "output": Output("a"),
}
ANOTHER: tuple[tuple[Any, Callable[[Any], Any]], ...] = (
    (Address, lambda value: Address(value.name, {**value.settings, "more": "1"})),
    (bool, lambda value: not value),
    ((int, float, torch.Tensor), lambda value: value + 1),
    (str, lambda value: f"{value}+"),
    (Mapping, lambda value: {**value, "more": "1"}),
    (Image.Image, lambda _value: Image.new("RGB", (2, 2), (1, 2, 3))),
    (Sequence, lambda value: type(value)([*value[:-1], another(value[-1])])),
)


def another(value: Any) -> Any:
    """Another value of the same kind; of fields, the first that enters is another."""
    if is_dataclass(value) and not isinstance(value, Address):
        out = OUT.get(type(value).__name__, {})
        return changed(value, next(field.name for field in fields(value) if field.name not in out))
    return next(make for kinds, make in ANOTHER if isinstance(value, kinds))(value)


def changed(value: Any, name: str) -> Any:
    """A value with one field changed, past all checks."""
    copied = copy.copy(value)
    object.__setattr__(copied, name, OTHER[name] if name in OTHER else another(getattr(value, name)))
    return copied


def test_what_stays_out_of_the_digest_is_there() -> None:
    there = {kind: {field.name for field in fields(value)} for kind, value in OF.items()}
    assert not {f"{kind}.{name}" for kind, rows in OUT.items() for name in set(rows) - there[kind]}


@pytest.mark.parametrize(("kind", "name"), CASES)
def test_a_field_changed_alone_changes_the_digest_unless_its_row_says_why_not(kind: str, name: str) -> None:
    row, before = OUT.get(kind, {}).get(name), OF[kind]
    assert (fingerprint(changed(before, name)) != fingerprint(before)) == (row is None)
    assert row is None or row.why


def test_an_address_enters_as_its_text() -> None:
    assert fingerprint(Address("a;b", {"scale": "1"})) == repr('"a;b";scale=1')


def test_a_field_to_come_enters_by_itself() -> None:
    @dataclass(frozen=True)
    class Prompt:
        positive: str = ""
        style: str = ""

    assert fingerprint(Prompt("a", "b")) != fingerprint(Prompt("a", "c"))
