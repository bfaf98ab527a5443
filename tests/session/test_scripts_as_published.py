r"""Scripts as dgenerate's users publish them run as they stand, or are refused at the line that cannot.

They are written here after the shapes of published ones: many lines, ``\set``, loops, templates, ``last_images``.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from jupyter_latents.errors import JupyterLatentsError
from tests import tiny as tinies
from tests.engine.cases import mask, picture
from tests.session.conftest import Desk

pytestmark = pytest.mark.kept_models

HEAD = "#! /usr/bin/env dgenerate --file\n#! dgenerate 5.0.0\n\n"
RUNS = {
    "basic, with comments behind continued lines": """
# the first stage

<sd15> --model-type torch
--variant fp16 --dtype float32 \\ # of the weights

--inference-steps 3 \\

--guidance-scales 5 # a scale
--gen-seeds 2
--output-size 64
--output-path out
--prompts "an astronaut riding a horse; bad quality"
""",
    "templates and last_images": """
\\set my_prompt "a very very \\
                long prompt; artwork"
\\setp steps [2, 3]
\\gen_seeds my_seeds 2

{% for step in steps %}
    <sd15>
    --prompts {{ my_prompt }}
    --inference-steps {{ step }}
    --seeds {{ my_seeds | join(' ') }}
    --output-size 64 --output-path loop
{% endfor %} !END

\\print {{ quote(last(last_images)) }}

<sd15> --image-seeds {{ quote(last_images) }} --prompts {{ format_prompt(last(last_prompts)) }}
--image-seed-strengths 0.7 --inference-steps 3 --output-size 64 --output-path again
{{ '--device '+injected_device if injected_device else '' }}

{% for image in last_images %}
    \\print {{ quote(image) }}
{% endfor %}
""",
    "the refiner, several schedulers": """
<sdxl> --model-type torch-sdxl
--dtype float32
--sdxl-refiner <sdxl-refiner>
--sdxl-high-noise-fractions 0.6
--schedulers EulerAncestralDiscreteScheduler
--second-model-schedulers EulerAncestralDiscreteScheduler KDPM2AncestralDiscreteScheduler
--inference-steps 5
--seeds 5
--output-size 64
--output-path refined
--prompts "Photo of a horse, high resolution; artwork"
""",
    "the refiner in edit mode": """
<sdxl> --model-type sdxl --dtype float32
--sdxl-refiner-edit
--sdxl-high-noise-fractions 0.8 # HNF = 0.8
--sdxl-refiner <sdxl-refiner> \\

--second-model-inference-steps 10  \\ # two of them run

--second-model-scheduler UniPCMultistepScheduler \\ # another one
                                                   # than the first
--scheduler LCMScheduler
--model-cpu-offload
--inference-steps 2
--guidance-scales 1
--gen-seeds 1
--output-size 64
--output-path edit
--prompts "close-up of an old man"
""",
    "one plain control image with a processor": """
<sd15> --model-type sd
--dtype float32
--gen-seeds 2
--inference-steps 3
--guidance-scales 8
--vae-tiling
--vae-slicing
--prompts "Majestic unicorn; low quality"
--control-nets ./net;scale=0.5
--image-seeds "horse.png"
--control-image-processors "canny;threshold-algo=otsu;blur=true;gray=true;output-file=unicorn/canny.png"
--output-size 64
--output-path unicorn
""",
    "masks of a batch, globs, a grid": """
\\sete files ./batch/*.png
\\echo ./batch/*.png
<sd15>
--prompts "A fluffy orange cat; deformed"
--image-seeds "images: ./batch/one.png, ./batch/two.png;mask=hole.png;resize=64;aspect=False"
--image-seed-strengths 0.9
--inference-steps 3 --guidance-scales 7
--seeds 39877139643371
--batch-size 2 --batch-grid-size 2x1
--output-path {{ quote(os.path.join(os.path.abspath('.'), 'grid')) }}

<sd15> --prompts "In the style" --inference-steps 3 --output-size 64
--image-seeds {{ quote(glob.glob('./batch/*.png')) }} --seeds 1 2 --seeds-to-images --output-path each
""",
    "sigmas by numpy": """
\\import numpy as np

\\setp inference_steps 4
\\setp sigma_max 14.0
\\setp sigma_min 0.02
\\setp sigma_scale 0.95

\\set sigmas {{ csv(np.exp(np.linspace(np.log(sigma_max), np.log(sigma_min), inference_steps)) * sigma_scale) }}

<sdxl>
--model-type torch-sdxl
--inference-steps 4
--sigmas {{ sigmas }}
--scheduler EulerDiscreteScheduler
--clip-skips 0
--gen-seeds 1
--output-path sigmas
--output-size 64x64
--prompts "a horse standing in a field"
""",
    "cooperative denoising through files, processed": """
{% if have_cuda() %}
    \\set offload --model-cpu-offload
{% else %}
    \\set offload --model-sequential-offload
{% endif %}

<sd15> --dtype float32 --inference-steps 5 --seeds 3 --output-size 64
--prompts "a castle" --denoising-end 0.6 --image-format pt --output-path stage1 {{ offload }}

<sd15> --dtype float32 --inference-steps 5 --seeds 3
--prompts {{ format_prompt(last_prompts) }}
--image-seeds "latents: {{ last_images[0] }}" --denoising-start 0.6
--latents-processors scale;factor=1.01
--latents-post-processors noise;timestep=100;seed=1 --image-format safetensors --output-path stage2

<sd15> --prompts "a castle" --image-seeds {{ quote(last_images) }} --img2img-latents-processors scale;factor=0.9
--inference-steps 3 --output-path stage3 --post-processors "resize;size=32"
""",
    "image processing, then a run": """
\\image_process "horse.png" "hole.png"
-o made/
--processors mirror
--resize 48

<sd15> --prompts "a horse" --image-seeds "{{ first(last_images) }};mask={{ last(last_images) }}" --inference-steps 2
--output-path processed --output-size {{ image_size('horse.png') }}
""",
    "LoRA, weights, IP-Adapter": """
\\set prompt "(Photo:1.2) of a [horse], BREAK high resolution; artwork"
<sd15> --prompt-weighter sd-embed --prompts {{ prompt }} --loras ./style.safetensors;scale=0.8
--lora-fuse-scale 0.5 --inference-steps 2 --output-size 64 --output-path weighted --safety-checker

\\clear_object_cache

<sd15> --prompts "<weighter: sd-embed> {{ unquote(prompt)[0] }}" --inference-steps 2 --output-size 64
--ip-adapters ./adapter;scale=0.7 --image-encoder "./eyes" --image-seeds "adapter: horse.png + hole.png|resize=32"
--output-path ip --output-configs --output-metadata
""",
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with what the scripts name."""
    monkeypatch.chdir(tmp_path)
    picture(64).save(tmp_path / "horse.png")
    mask(64).save(tmp_path / "hole.png")
    (tmp_path / "batch").mkdir()
    for name in ("one", "two"):
        picture(64).save(tmp_path / "batch" / f"{name}.png")
    return tmp_path


def needs(folder: Path, script: str) -> None:
    """Makes the model files that a script names."""
    if "./net" in script:
        tinies.controlnet().save_pretrained(folder / "net")
    if "./style" in script:
        pytest.importorskip("peft")
        tinies.lora(folder / "style.safetensors")
    if "./adapter" in script:
        tinies.ip_adapter(folder / "adapter", tinies.build("sd15").unet)
        tinies.image_encoder(folder / "eyes", seed=2)


@pytest.mark.parametrize("name", RUNS)
def test_a_script_runs_as_it_stands(desk: Desk, folder: Path, name: str) -> None:
    script = RUNS[name].replace("--variant fp16 ", "")
    needs(folder, script)
    plan = desk.plan(HEAD + script)
    assert not plan.refused
    run = desk.run(HEAD + script)
    assert run.files
    assert all(Path(file).is_file() for file in run.files)
    if not plan.waiting:
        assert run.model_evaluations == plan.model_evaluations
    assert not any("is not there" in line for line in desk.notes.lines)
    if name.startswith("masks"):
        (grid,) = (folder / "grid").iterdir()
        assert Image.open(grid).size == (128, 64)


def test_pictures_that_are_downloaded_are_fetched_where_they_are_used(desk: Desk, folder: Path) -> None:
    from jupyter_latents.syntax import Environment, Script

    script = """
\\setp images []
{% for i in range(0, 2) %}
    \\download image "https://example.org/style/img{{i}}.png"
    \\setp images images + [image]
{% endfor %} !END
\\setp images ' + '.join(images)
m --ip-adapters x --image-seeds "adapter: {{ images }}" --prompts cat
"""
    (made,) = Script(script).invocations(Environment(environ={}, print=lambda _: None))
    ((adapter,),) = [one.adapters for one in made.values["image_seeds"]]
    assert [one.image.text for one in adapter] == [f"https://example.org/style/img{n}.png" for n in range(2)]


REFUSED = {
    "its model is not the same": (
        "<sd15> --prompts x --inference-steps 2 --output-size 64\n\n\\save_modules a vae\n\\use_modules a\n<sdxl>", 4,
    ),
    "CivitAI": ("\\set x 1\n\\civitai_links https://civitai.com/models/1", 2),
    "does not run here": ("<sd15>\n--prompts x\n--deep-cache", 3),
    "a network of its own": (
        "<sd15> --prompts x\n--control-nets n --image-seeds horse.png\n--control-image-processors openpose", 3,
    ),
    "prompts are not rewritten": ("<sd15>\n--prompts x\n--prompt-upscaler dynamicprompts", 3),
    "their model families": ("<sd15>\n--model-type sd\n--upscaler-noise-levels 20", 3),
    "size and crop conditions": ("<sdxl> --prompts x\n--sdxl-original-size 498x286", 2),
    "detailing after the picture": ("<sd15>\n--adetailer-detectors x.pt", 2),
    "is no address of a picture": ("\\download model https://example.org/a.safetensors", 1),
    "take it away": ("\\download image https://example.org/a.png -o here.png", 1),
    "plugins cannot run": ("<sd15> --prompts x\n--plugin-modules my.py", 2),
}  # fmt: skip


@pytest.mark.kept_models(False)
@pytest.mark.parametrize("says", REFUSED)
def test_what_cannot_run_is_refused_at_its_line(desk: Desk, folder: Path, says: str) -> None:
    script, line = REFUSED[says]
    with pytest.raises(JupyterLatentsError) as caught:
        desk.run(script)
    assert says in caught.value.message
    assert caught.value.place is not None
    assert caught.value.place.line == line + 1
    assert not desk.session.holdings()
