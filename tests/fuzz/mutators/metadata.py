"""What pictures say of how they were made: texts of all programs and of ours, changed at random, and their files."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from random import Random

from PIL import Image

from jupyter_latents.pictures.metadata.programs import recipe_of
from jupyter_latents.pictures.metadata.record import Record, write_record
from jupyter_latents.pictures.metadata.texts import OURS, PARAMETERS, picture_bytes, read_texts
from jupyter_latents.session.cells.reading import cell_of
from jupyter_latents.syntax import Script
from tests.fuzz.frame import Mutator

_SAMPLES = Path(__file__).parents[4] / "shared" / "pictures"
_A1111 = (
    "a cat, <lora:x:0.5>\nin a hat\nNegative prompt: rain\nSteps: 20, Sampler: DPM++ 2M, Schedule type: Karras, CFG "
    'scale: 7, Seed: 1, Size: 512x768, Model: m, Denoising strength: 0.5, Hires upscale: 2, ControlNet 0: "Module: a, '
    'Model: b, Weight: 1", Hashes: {"a": "b"}'
)
_GRAPH = {
    "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "m.ckpt"}},
    "2": {"class_type": "CLIPTextEncode", "inputs": {"text": "a cat", "clip": ["1", 1]}},
    "3": {"class_type": "EmptyLatentImage", "inputs": {"width": 512, "height": 512, "batch_size": 1}},
    "4": {
        "class_type": "KSampler",
        "inputs": {
            "seed": 1, "steps": 20, "cfg": 7.0, "sampler_name": "euler", "scheduler": "karras", "denoise": 0.5,
            "model": ["1", 0], "positive": ["2", 0], "negative": ["2", 0], "latent_image": ["3", 0],
        },
    },
    "5": {"class_type": "LatentUpscale", "inputs": {"samples": ["4", 0], "width": 640, "height": 640}},
    "6": {"class_type": "LatentComposite", "inputs": {"samples_to": ["5", 0], "samples_from": ["4", 0], "x": 8}},
    "7": {"class_type": "VAEDecode", "inputs": {"samples": ["6", 0], "vae": ["1", 2]}},
    "8": {"class_type": "SaveImage", "inputs": {"images": ["7", 0]}},
}  # fmt: skip
_INVOKE = {
    "positive_prompt": "a cat", "negative_prompt": "rain", "seed": 1, "steps": 9, "scheduler": "euler_k", "width": 64,
    "height": 64, "model": {"name": "m"}, "loras": [{"model": {"name": "l"}, "weight": 0.5}], "strength": 0.6,
    "controlnets": [{"control_model": {"name": "c"}, "image": {"image_name": "e.png"}}],
}  # fmt: skip
_FOOOCUS = {
    "prompt": "a", "full_prompt": ["a", "b"], "steps": 9, "resolution": "(64, 64)", "sampler": "euler", "seed": "1",
    "scheduler": "karras", "base_model": "m", "loras": [["l", 0.5, "x"]],
}  # fmt: skip
_CELL = "%%dgen\n# it\n\ndemo/scenes\n--prompts \"a {{ '\\n' }} $X\"\n--into a\n\n\\setp b a.flip()\n"
_PIECES = (
    '"', "\\", "{", "}", "[", "]", ":", ",", "\n", "\r", "{{ env.HOME }}", "{% x %}", "$HOME", "\\set x y", "\u202e",
    "\x00", "é", "1e999", "-1", "null", "true", "[]", "{}", '["4", 0]', '["1", 9999999999]', "9" * 30, "Steps: ",
    "Size: ", "Negative prompt:", "<lora:", ">", "%%dgen\n", "# ", "#", "--into x", "LatentBlend", "\\u0000", "\\ud800",
    "SamplerCustomAdvanced", "Hires upscaler: Latent, ", "Refiner: x, Refiner switch at: 0.5, ",
)  # fmt: skip


@cache
def _blocks() -> tuple[tuple[str, str], ...]:
    """Key and text of each block that is changed."""
    own = [
        (PARAMETERS, _A1111),
        ("prompt", json.dumps(_GRAPH)),
        (OURS, write_record(Record(_CELL, "d", 1, {"m": "d"}))),
    ]
    own += [("invokeai_metadata", json.dumps(_INVOKE)), (PARAMETERS, json.dumps(_FOOOCUS))]
    own += [("Dream", '"a cat [rain]" -s 20 -S 5 -W 512 -H 768 -C 7.5 -A k_lms')]
    own += [("sd-metadata", json.dumps({"image": {"prompt": [{"prompt": "a [b]"}], "sampler": "ddim", "seed": 1}}))]
    files = sorted(_SAMPLES.glob("*.png")) if _SAMPLES.is_dir() else []
    found = [read_texts(file, file.name).texts for file in files if file.stat().st_size]
    keys = (PARAMETERS, "prompt", "invokeai_metadata")
    return (*own, *((key, texts[key]) for texts in found for key in keys if key in texts))


def block(source: Random) -> dict[str, str]:
    """The texts of a picture, one of them changed."""
    key, text = source.choice(_blocks())
    for _ in range(source.randrange(1, 6)):
        at = source.randrange(len(text) + 1)
        text = text[:at] + source.choice(_PIECES) * source.randrange(2) + text[at + source.randrange(12) :]
    return {key: text}


def read(texts: dict[str, str]) -> None:
    """Makes a cell of the texts, which a script's reader takes, and in which foreign text is text."""
    cell = cell_of(texts, "it")
    magic, _, body = cell.partition("\n")
    assert magic == "%%dgen"
    Script(body, 2).check()
    live = "\n".join(line for line in body.split("\n") if not line.startswith("#"))
    assert OURS in texts or not re.search(r"\{\{ env|\{%|(?<!\\)\$HOME", live), live


def file(source: Random) -> bytes:
    """A picture's file, some of its bytes changed."""
    key, text = source.choice(_blocks())
    kind = source.choice(("PNG", "JPEG", "WEBP", "GIF"))
    content = bytearray(picture_bytes(Image.new("RGB", (4, 4)), kind, {key: text[:3000]}, b"latents"))
    for _ in range(source.randrange(1, 8)):
        content[source.randrange(len(content))] = source.randrange(256)
    return bytes(content[: source.randrange(len(content))] if source.random() < 0.2 else content)


def read_file(content: bytes) -> None:
    """Reads the texts of a file, and makes a cell of them."""
    recipe_of(read_texts(content, "it").texts, "it")


MUTATORS = (Mutator("metadata", block, read, quick=150), Mutator("pictures", file, read_file, quick=150))
