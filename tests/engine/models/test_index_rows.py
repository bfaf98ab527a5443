"""A model_index.json whose rows are odd is refused by its description, before any weights load; names the row."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jupyter_latents.engine.models.describe import describe
from jupyter_latents.errors import ModelError
from jupyter_latents.stage import ModelSource
from tests.tiny.fixtures import tiny  # noqa: F401

ROWS = (
    [],
    ["transformers"],
    ["transformers", ""],
    ["transformers", None],
    [1, 2],
    ["a", "b", "c"],
    "CLIP",
    {},
    True,
    3,
)


def with_rows(model: Path, folder: Path, **rows: Any) -> ModelSource:
    """A model with other rows; ... leaves one out."""
    copy = Path(shutil.copytree(model, folder / "model", dirs_exist_ok=True))
    index = {**json.loads((model / "model_index.json").read_text()), **rows}
    kept = {name: row for name, row in index.items() if row is not ...}
    (copy / "model_index.json").write_text(json.dumps(kept))
    return ModelSource(str(copy))


@pytest.mark.parametrize("part", ["text_encoder", "tokenizer", "unet", "vae", "scheduler"])
def test_a_row_that_is_no_pair_is_named(tiny: Callable[[str], Path], tmp_path: Path, part: str) -> None:  # noqa: F811
    for row in ROWS:
        with pytest.raises(ModelError) as refused:
            describe(with_rows(tiny("sd15"), tmp_path, **{part: row}))
        assert f"says {part}: {row!r}; a part is written as its library and its class" in refused.value.message


@pytest.mark.parametrize("row", [None, [None, None], ...])
@pytest.mark.parametrize("part", ["text_encoder", "tokenizer"])
def test_a_part_that_is_needed_is_not_left_out(
    tiny: Callable[[str], Path],  # noqa: F811
    tmp_path: Path,
    part: str,
    row: Any,
) -> None:
    with pytest.raises(ModelError, match=f"names no {part};"):
        describe(with_rows(tiny("sd15"), tmp_path, **{part: row}))


def test_what_may_be_left_out_may(tiny: Callable[[str], Path], tmp_path: Path) -> None:  # noqa: F811
    none: Any = [None, None]
    describe(with_rows(tiny("sd3"), tmp_path / "a", text_encoder_3=none, tokenizer_3=none))
    describe(with_rows(tiny("sdxl-refiner"), tmp_path / "b", text_encoder=none, tokenizer=none))
    describe(with_rows(tiny("sd15"), tmp_path / "c", safety_checker=[], requires_safety_checker=False, note=[1, 2]))


def test_an_encoder_stands_with_its_tokenizer(tiny: Callable[[str], Path], tmp_path: Path) -> None:  # noqa: F811
    none: Any = [None, None]
    with pytest.raises(ModelError, match="names text_encoder without tokenizer"):
        describe(with_rows(tiny("sdxl"), tmp_path / "a", tokenizer=none))
    both = dict.fromkeys(("text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2"), none)
    with pytest.raises(ModelError, match="names no text encoder"):
        describe(with_rows(tiny("sdxl"), tmp_path / "b", **both))
    for name in ("text_encoder", "text_encoder_2"):  # diffusers runs without where a caller brings embeddings
        pair = {name: none, name.replace("text_encoder", "tokenizer"): none}
        with pytest.raises(ModelError, match=f"names no {name}"):
            describe(with_rows(tiny("sdxl"), tmp_path / name, **pair))
