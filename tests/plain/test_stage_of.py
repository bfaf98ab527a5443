"""`Stage.of`: plain values under diffusers' names, checked at once, printed as the cell that the stage stands for."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any, get_type_hints

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import jupyter_latents as jl
from jupyter_latents.errors import ScriptError, SettingError
from jupyter_latents.latents import LatentsSequence
from jupyter_latents.plain.inputs import image_seed_of
from jupyter_latents.points import read_scales
from jupyter_latents.stage import Address, Held, Reference, SigmaPoint, Size, Stage, StageOptions, StepPoint, Window
from jupyter_latents.syntax import Environment, parse
from jupyter_latents.syntax.options.keywords import KEYWORDS, PARTS
from jupyter_latents.syntax.options.table import OPTIONS
from tests.syntax.test_compose import HOSTILE

MODEL = "demo/scenes"
PICTURE = Image.new("RGB", (64, 64), "teal")
WHOLE_NAMES = {"output_size", "image_seeds", "batch_seeds"}


def of(**given: Any) -> Stage:
    return Stage.of(MODEL, **given)


def body(stage: Stage) -> list[str]:
    return str(stage).split("\n")[2:]


def test_the_example_prints_as_its_cell() -> None:
    stage = of(prompt="a lighthouse", seed=7, num_inference_steps=20, denoising_end=0.8)
    assert str(stage) == repr(stage) == (
        '%%dgen\ndemo/scenes\n--prompts "a lighthouse"\n--seeds 7\n--inference-steps 20\n--denoising-end 0.8'
    )  # fmt: skip
    assert jl.Stage is Stage
    assert stage.window.end == 0.8


def test_the_table_decides_which_names_there_are() -> None:
    here = set(KEYWORDS.values()) | set(PARTS.values()) | {"width", "height", "negative_prompt_2", "negative_prompt_3"}
    assert here == set(get_type_hints(StageOptions))
    assert {option.dest for option in OPTIONS if option.field} - WHOLE_NAMES == set(KEYWORDS)


EACH: dict[str, tuple[Any, str]] = {
    "prompt": ("a; b", r'--prompts "a\; b"'),
    "negative_prompt": ("rain", '--negative-prompts "rain"'),
    "prompt_2": ("two", '--second-prompts "two"'),
    "prompt_3": ("three", '--third-prompts "three"'),
    "prompt_weighter": ("a1111", "--prompt-weighter a1111"),
    "clip_skip": (1, "--clip-skips 1"),
    "seed": (np.int64(7), "--seeds 7"),
    "num_inference_steps": (12, "--inference-steps 12"),
    "guidance_scale": (np.float32(7.5), "--guidance-scales 7.5"),
    "num_frames": (9, "--num-frames 9"),
    "fps": (8, "--fps 8"),
    "guidance_rescale": (0.25, "--guidance-rescales 0.25"),
    "denoising_end": (0.8, "--denoising-end 0.8"),
    "sigmas": (torch.tensor([2.0, 1.0, 0.5]), "--sigmas 2,1,0.5"),
    "scheduler": ("DDIMScheduler;clip-sample=false", '--scheduler "DDIMScheduler;clip-sample=false"'),
    "seed_image_processors": ("mirror", "--seed-image-processors mirror"),
    "mask_image_processors": ("invert", "--mask-image-processors invert"),
    "control_image_processors": (("mirror", "canny;lower=20"), '--control-image-processors mirror "canny;lower=20"'),
    "latents_processors": ("scale;factor=1.1", '--latents-processors "scale;factor=1.1"'),
    "img2img_latents_processors": ("scale;factor=2", '--img2img-latents-processors "scale;factor=2"'),
    "latents_post_processors": (
        ["scale;factor=2", "noise;sigma=1"],
        '--latents-post-processors "scale;factor=2" "noise;sigma=1"',
    ),
    "post_processors": ("mirror", "--post-processors mirror"),
    "num_images_per_prompt": (2, "--batch-size 2"),
    "model_type": ("sd", "--model-type sd"),
    "torch_dtype": (torch.float16, "--dtype float16"),
    "variant": ("fp16", "--variant fp16"),
    "revision": ("main", "--revision main"),
    "subfolder": ("sub", "--subfolder sub"),
    "vae": ("some/vae", "--vae some/vae"),
    "ip_adapters": ("a/b;scale=0.5", '--ip-adapters "a/b;scale=0.5"'),
    "image_encoder": ("some/encoder", "--image-encoder some/encoder"),
    "t2i_adapters": ("some/net", "--t2i-adapters some/net"),
    "text_encoders": (["+", "some/encoder"], "--text-encoders + some/encoder"),
    "unet": ("some/unet", "--unet some/unet"),
    "transformer": ("some/transformer", "--transformer some/transformer"),
    "max_sequence_length": (64, "--max-sequence-length 64"),
    "pag_scale": (2.5, "--pag-scales 2.5"),
    "pag_adaptive_scale": (0.01, "--pag-adaptive-scales 0.01"),
    "textual_inversions": ("word.pt;token=x", '--textual-inversions "word.pt;token=x"'),
    "loras": (["a.safetensors;scale=0.5", "b.safetensors"], '--loras "a.safetensors;scale=0.5" b.safetensors'),
    "control_nets": ("some/net", "--control-nets some/net"),
    "quantizer": ("bnb;bits=4", '--quantizer "bnb;bits=4"'),
    "optimize": ("channels-last", "--optimize channels-last"),
    "local_files_only": (True, "--offline-mode"),
    "device": ("cpu", "--device cpu"),
    "model_cpu_offload": (True, "--model-cpu-offload"),
    "model_sequential_offload": (True, "--model-sequential-offload"),
    "model_group_offload": (True, "--model-group-offload"),
    "vae_tiling": (True, "--vae-tiling"),
    "vae_slicing": (True, "--vae-slicing"),
    "output_path": (Path("out"), "--output-path out"),
    "output_prefix": ("a", "--output-prefix a"),
    "output_overwrite": (True, "--output-overwrite"),
    "output_metadata": (True, "--output-metadata"),
    "output_configs": (True, "--output-configs"),
    "batch_grid_size": ("3x2", "--batch-grid-size 3x2"),
    "image_format": ("jpg", "--image-format jpg"),
    "into": ("base", "--into base"),
    "force": (True, "--force"),
}
TOGETHER = {"strength", "denoising_start", "width", "height", "token", "negative_prompt_2", "negative_prompt_3"}


@pytest.mark.parametrize("name", sorted(EACH))
def test_each_option_is_written_as_scripts_write_it(name: str) -> None:
    value, line = EACH[name]
    assert line in body(of(**{name: value}))


def test_every_name_is_tried_here() -> None:
    assert set(EACH) | TOGETHER | set(PARTS.values()) == set(get_type_hints(StageOptions))


def test_a_switch_that_is_off_and_none_are_as_good_as_left_out() -> None:
    assert of(vae_tiling=False, force=False, seed=None, image=None, prompt="a") == of(prompt="a")


def test_width_and_height_further_prompts_and_strength() -> None:
    stage = of(width=512, height=768, prompt_2="b; c", negative_prompt_2="d", image=PICTURE, strength=0.5)
    assert stage.size == Size(512, 768)
    assert (stage.prompt.second, stage.prompt.second_negative) == ("b; c", "d")
    assert stage.strength == 0.5
    assert of(scheduler="DDIMScheduler").scheduler == Address("DDIMScheduler")


def test_a_token_is_kept_and_never_shown() -> None:
    stage = of(token="hf_secret")
    assert stage.model.auth_token == "hf_secret"
    assert "hf_secret" not in str(stage) + repr(stage)
    assert "token" in str(stage)


@pytest.mark.parametrize(
    ("given", "kind", "words"),
    [
        ({"sede": 7}, SettingError, "no 'sede'; did you mean seed?"),
        ({"seeds": 7}, SettingError, "called seed"),
        ({"inference_steps": 7}, SettingError, "called num_inference_steps"),
        ({"batch_size": 2}, SettingError, "called num_images_per_prompt"),
        ({"dtype": "float16"}, SettingError, "called torch_dtype"),
        ({"xyz": 7}, SettingError, "It takes prompt, "),
        ({"seed": "7"}, SettingError, "a str; give a whole number"),
        ({"seed": True}, SettingError, "give a whole number"),
        ({"seed": 7.0}, SettingError, "give a whole number"),
        ({"guidance_scale": "7"}, SettingError, "give a number"),
        ({"force": 1}, SettingError, "give True or False"),
        ({"prompt": 7}, SettingError, "give a text"),
        ({"prompt": ["a", "b"]}, SettingError, "give a text"),
        ({"prompt": "<weighter: a1111> (fox:1.3)"}, SettingError, "give prompt_weighter='a1111'"),
        ({"sigmas": 7}, SettingError, "give a list of numbers"),
        ({"width": 512}, SettingError, "width and height belong together"),
        ({"width": 500, "height": 512}, ScriptError, "multiple of 8"),
        ({"seed": -1}, ScriptError, "seed: '-1' is not allowed"),
        ({"denoising_end": 1.5}, ScriptError, "denoising_end: '1.5' is not allowed"),
        ({"guidance_scale": "7@0,2@x"}, ScriptError, "guidance_scale: 'x' is not allowed; give a fraction"),
        ({"denoising_end": "half"}, ScriptError, "denoising_end: 'half' is not allowed; give a fraction"),
        ({"denoising_end": 0}, ScriptError, "denoising_end 0 leaves nothing to run"),
        ({"denoising_start": 0.5}, ScriptError, "nothing to begin from; add latents"),
        ({"strength": 0.5}, ScriptError, "nothing to begin from; add image"),
        ({"scheduler": "DDIMSchedular"}, ScriptError, "did you mean DDIMScheduler?"),
        ({"torch_dtype": "fp99"}, ScriptError, "torch_dtype: 'fp99' is no dtype"),
        ({"image_format": "bmpp"}, ScriptError, "image_format"),
        ({"into": "for"}, ScriptError, "cannot be a kernel variable"),
        ({"model_cpu_offload": True, "model_sequential_offload": True}, SettingError, "exclude each other"),
        ({"latents": 5}, SettingError, "latents is an int; give Latents"),
        ({"latents": PICTURE}, SettingError, "latents is an Image; give Latents"),
        ({"latents": []}, SettingError, "latents is empty"),
        ({"image": 5}, SettingError, "image is an int; give a PIL image"),
        ({"image": ""}, SettingError, "give a file"),
        ({"mask_image": PICTURE}, SettingError, "give the picture as image"),
    ],
)
def test_what_is_wrong_is_told_at_once_in_the_words_of_python(given: dict[str, Any], kind: type, words: str) -> None:
    with pytest.raises(kind) as told:
        of(**given)
    assert words in str(told.value)
    assert "--" not in str(told.value)


@pytest.mark.parametrize("model", [5, "", None])
def test_a_model_has_a_name(model: Any) -> None:
    with pytest.raises(SettingError, match="give its name, folder or file"):
        Stage.of(model)


def test_a_sequence_of_latents_is_a_stage_for_each() -> None:
    with pytest.raises(SettingError, match="for one in several"):
        of(latents=LatentsSequence(()))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from(HOSTILE) | st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=5)).map(
        "".join
    )
)
def test_any_prompt_is_taken_letter_by_letter_and_reads_back(text: str) -> None:
    stage = of(prompt=text, negative_prompt=text)
    assert (stage.prompt.positive, stage.prompt.negative) == (text.strip(), text.strip())
    (made,) = parse("\n".join(str(stage).split("\n")[1:]), Environment(environ={"HOME": "home"}))
    assert made.stages() == (stage,) or any(ord(letter) in range(0x2028, 0x202F) for letter in text)


# What goes in


def test_values_have_names_in_the_cell_and_are_told_apart() -> None:
    other = Image.new("RGB", (64, 64), "teal")
    stage = of(prompt="a", image=[PICTURE, other, PICTURE], mask_image="hole.png", latents=["a.pt"] * 3)
    assert '--image-seeds "images: image, image_2, image;mask=hole.png;latents=a.pt, a.pt, a.pt"' in body(stage)
    assert of(image=PICTURE) == of(image=PICTURE)
    assert of(image=PICTURE) != of(image=other)


def test_a_stage_that_is_given_runs_first_in_the_cell() -> None:
    base = of(prompt="a", denoising_end=0.5)
    final = Stage.of("demo/paper", prompt="b", latents=base)
    assert str(final).split("\n")[1:] == [
        *("demo/scenes", '--prompts "a"', "--denoising-end 0.5", "--into base", ""),
        *("demo/paper", '--prompts "b"', '--image-seeds "latents: base"'),
    ]  # fmt: skip
    named = of(prompt="a", denoising_end=0.5, into="half")
    assert '--image-seeds "latents: half"' in body(of(prompt="b", latents=named))


def test_stages_that_hand_over_under_one_name_are_refused() -> None:
    first, second = (of(prompt=text, denoising_end=0.5, into="half") for text in "ab")
    with pytest.raises(SettingError, match="two stages hand over as 'half'"):
        jl.start([of(prompt="c", latents=first), of(prompt="c", latents=second)])


def test_paths_and_addresses_are_meant_as_such() -> None:
    seed = image_seed_of({"image": "https://a.org/b.png", "mask_image": Path("m.png"), "latents": "base"})
    assert seed is not None
    assert seed.images == (Reference("https://a.org/b.png", "url"),)
    assert seed.masks == (Reference("m.png", "path"),)
    assert seed.latents == (Reference("base", "path"),)


def test_what_holds_a_value_is_equal_by_identity_and_pickles() -> None:
    first, second = torch.zeros(2), torch.zeros(2)
    assert Held(first) == Held(first)
    assert Held(first) != Held(second)
    assert len({Held(first), Held(first), Held(second)}) == 2
    stage = pickle.loads(pickle.dumps(of(prompt="a", image=PICTURE)))  # noqa: S301
    assert stage.image_seed.images[0].held.value.size == (64, 64)


def test_points_of_a_run_are_fractions_steps_and_noise_levels() -> None:
    assert of(denoising_end=12).window == Window(None, StepPoint(12))
    assert of(denoising_end="sigma=0.5").window == of(denoising_end=SigmaPoint(0.5)).window
    made = of(guidance_scale="7@0,2@0.6")
    assert made.guidance_scale == read_scales("7@0,2@0.6")
    assert of(guidance_scale=made.guidance_scale) == made
    assert "--guidance-scales 7@0,2@0.6" in str(made)
