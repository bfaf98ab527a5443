"""What a model's folder says is read with care: no code is fetched for it, no text grows beyond its encoder."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from jupyter_latents.engine.models.describe import describe
from jupyter_latents.errors import ModelError, ScriptError
from jupyter_latents.latents import Latents
from jupyter_latents.stage import ModelSource
from jupyter_latents.syntax import Script
from jupyter_latents.syntax.options.model_types import OTHER_TYPES
from tests.tiny import FAMILIES


def said(model: Path, folder: Path, file: str, **settings: Any) -> ModelSource:
    """A copy of a model with further settings in one of its files."""
    shutil.copytree(model, folder / "model")
    path = folder / "model" / file
    path.write_text(json.dumps({**json.loads(path.read_text()), **settings}))
    return ModelSource(str(folder / "model"))


CODE: Mapping[str, tuple[str, dict[str, Any]]] = {
    "a kernel": ("text_encoder/config.json", {"attn_implementation": "somebody/attention"}),
    "a private kernel": ("text_encoder/config.json", {"_attn_implementation": "kernels-community/flash-attn3@main:f"}),
    "flash attention": ("text_encoder/config.json", {"attn_implementation": "flash_attention_2"}),
    "an inner one": ("text_encoder/config.json", {"text_config": {"attn_implementation": "somebody/attention"}}),
    "one for each": ("text_encoder/config.json", {"attn_implementation": {"": "sdpa", "vision": "a/b"}}),
    "experts": ("text_encoder/config.json", {"experts_implementation": "somebody/experts"}),
    "a quantizer": ("text_encoder/config.json", {"quantization_config": {"quant_method": "mxfp4"}}),
    "the denoiser": ("unet/config.json", {"quantization_config": {"quant_method": "eetq"}}),
}


@pytest.mark.parametrize("case", CODE)
def test_code_that_a_model_names_is_never_fetched(case: str, tiny: Callable[[str], Path], tmp_path: Path) -> None:
    file, settings = CODE[case]
    with pytest.raises(ModelError, match=r"never fetched\. Allowed are") as refused:
        describe(said(tiny("sd15"), tmp_path, file, **settings))
    assert file.partition("/")[0] in refused.value.message


@pytest.mark.parametrize("length", [10**12, 10**30, float("inf"), float("nan"), 78])
def test_a_text_beyond_its_encoder_is_refused(length: float, tiny: Callable[[str], Path], tmp_path: Path) -> None:
    """Ten to the twelfth aborted the process."""
    source = said(tiny("sd15"), tmp_path, "tokenizer/tokenizer_config.json", model_max_length=length)
    with pytest.raises(ModelError, match="takes 77 tokens"):
        describe(source)


@pytest.mark.parametrize("family", FAMILIES)
def test_models_as_they_are_published_say_nothing_of_the_kind(family: str, tiny: Callable[[str], Path]) -> None:
    assert describe(ModelSource(str(tiny(family)))).sources


def test_usual_settings_are_taken(tiny: Callable[[str], Path], tmp_path: Path) -> None:
    kept = {"attn_implementation": "sdpa", "_attn_implementation_autoset": True, "quantization_config": None}
    assert describe(said(tiny("sd15"), tmp_path, "text_encoder/config.json", **kept)).sources


@pytest.mark.parametrize("name", ["flux-fill", "torch-flux-kontext", "if", "sdxl-pix2pix", "torch-upscaler-x4"])
def test_model_types_that_do_not_run_are_refused_with_the_reason(name: str) -> None:
    with pytest.raises(ScriptError) as refused:
        Script(f"demo/scenes --prompts a --model-type {name}", 1).check(schedulers=())
    assert f"does not run here: {OTHER_TYPES[name]}" in refused.value.message
    assert "did you mean" not in refused.value.message


def test_a_missing_file_is_not_said_to_be_in_a_dot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.pts").mkdir()
    with pytest.raises(Exception, match=rf"^no file x\.pt in {tmp_path}\.$"):
        Latents.load("x.pt")
