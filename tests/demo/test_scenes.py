"""Scenes, captions and the tokenizer: every combination can be drawn, named and read."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from jupyter_latents.demo import MODELS, path
from jupyter_latents.demo.training.captions import caption, words
from jupyter_latents.demo.training.scenes import STYLES, TIMES, Scene, combinations, draw, random_scene
from jupyter_latents.demo.training.tokenizer import build

QUICKSTART = ("a beautiful sunset over the mountains", "clouds in the sky on a sunny day")


@pytest.mark.parametrize("style", STYLES)
def test_every_combination_draws(style: str) -> None:
    for number, parts in enumerate(combinations()):
        picture = draw(Scene(*parts, seed=number), style)
        assert picture.shape == (128, 128, 3)
        assert picture.dtype == np.uint8
        assert picture.std() > 5, parts


def test_a_scene_is_drawn_the_same_each_time() -> None:
    scene = Scene("sunset", "mountains", "few", "sun", 7)
    assert np.array_equal(draw(scene), draw(scene))
    assert not np.array_equal(draw(scene), draw(Scene("sunset", "mountains", "few", "sun", 8)))


def test_styles_differ_and_share_the_layout() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        scene = random_scene(rng)
        painted, paper = (draw(scene, style).astype(float) for style in STYLES)
        assert np.abs(painted - paper).mean() > 4
        assert np.corrcoef(painted.mean(2).ravel(), paper.mean(2).ravel())[0, 1] > 0.6


def test_every_word_of_a_caption_is_one_token(tmp_path: Path) -> None:
    tokenizer, rng = build(tmp_path), np.random.default_rng(0)
    for parts in combinations():
        for _ in range(8):
            said = re.findall("[a-z]+", caption(Scene(*parts), rng))
            assert set(said) <= set(words())
            assert tokenizer.tokenize(" ".join(said)) == [f"{word}</w>" for word in said]


def test_the_quickstart_prompts_are_captions() -> None:
    rng = np.random.default_rng(0)
    sunset = {caption(Scene("sunset", "mountains", "few", "sun"), rng) for _ in range(2000)}
    clouds = {caption(Scene("day", "hills", "few", "sun"), rng) for _ in range(2000)}
    assert QUICKSTART[0] in sunset
    assert QUICKSTART[1] in clouds


def test_any_text_tokenizes(tmp_path: Path) -> None:
    tokenizer = build(tmp_path)
    for text in ("", "a red bicycle", "🚲 naïve ∂", "\x00\n"):
        ids = tokenizer(text, padding="max_length", truncation=True).input_ids
        assert len(ids) == tokenizer.model_max_length
        assert max(ids) < len(tokenizer)


def test_the_shipped_tokenizer_is_the_built_one(tmp_path: Path) -> None:
    from transformers import CLIPTokenizer

    shipped = CLIPTokenizer.from_pretrained(path(MODELS[0]) / "tokenizer", local_files_only=True)
    for text in (*QUICKSTART, "a red bicycle"):
        assert shipped(text).input_ids == build(tmp_path)(text).input_ids
    assert shipped.model_max_length == build(tmp_path).model_max_length


@pytest.mark.parametrize(
    "parts", [("noon", "sea", "none", "sun"), ("day", "moor", "none", "sun"), ("day", "sea", "none", "moon")]
)
def test_what_cannot_be_drawn_is_refused(parts: tuple[str, str, str, str]) -> None:
    with pytest.raises(ValueError, match="choose one of"):
        Scene(*parts)


def test_unknown_style_is_refused() -> None:
    with pytest.raises(ValueError, match="scenes, paper"):
        draw(Scene(TIMES[0], "sea", "none", "sun"), "oil")


def test_unknown_model_is_refused() -> None:
    with pytest.raises(KeyError, match="demo/scenes, demo/paper, demo/flow"):
        path("demo/oil")


def test_drawing_needs_no_torch() -> None:
    made = "jupyter_latents.demo.training"
    code = f"import sys, {made}.scenes, {made}.captions; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])
