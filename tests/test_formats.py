"""The table of file formats: the one list of endings."""

import ast
import json
import re
from pathlib import Path

import pytest
from PIL import Image

from jupyter_latents import formats
from jupyter_latents.display.scripts import live_script, page_script
from jupyter_latents.formats import FORMATS, endings, format_of, listed, offered
from jupyter_latents.latents.files.reading import CODECS

PACKAGE = Path(formats.__file__).parent


def test_every_latents_format_is_read_and_written_and_every_picture_format_is_pillows() -> None:
    assert set(CODECS) == {row.ending for row in FORMATS if row.holds == "latents"}
    written = {row.writer for row in FORMATS if row.holds == "picture"}
    Image.init()
    assert written <= set(Image.SAVE)


def test_an_ending_means_one_format() -> None:
    assert len(set(endings())) == len(endings())
    assert set(endings()) == {*endings("latents"), *endings("picture"), *endings("film")}
    for ending in endings():
        row = format_of(ending)
        assert row is not None
        assert row is format_of(ending.upper()) is format_of(ending[1:])
        assert ending in endings(row.holds)


@pytest.mark.parametrize("ending", ["", ".", "ckpt", ".bmp", "..png", "png "])
def test_other_endings_mean_none(ending: str) -> None:
    assert format_of(ending) is None


def test_endings_are_listed_for_people() -> None:
    assert listed("latents", "or", dot=".") == ".safetensors, .pt, .pth, .latent, .npz or .npy"
    assert listed("picture", "and") == "png, jpg and webp"


def texts(path: Path) -> list[str]:
    """The texts of a module that are no docstrings and no part of sentences."""
    constants = [node.value for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant)]
    return [text for text in constants if isinstance(text, str) and "\n" not in text and len(text) < 60]


def test_the_list_stands_in_no_other_module() -> None:
    """Three endings or more in the texts of a module are a list of them; models' weight files are another matter."""
    names = {ending[1:] for ending in endings()}
    lists = {}
    for path in PACKAGE.rglob("*.py"):
        place = path.relative_to(PACKAGE).as_posix()
        found = {name for text in texts(path) for name in re.findall(r"\w+", text) if name in names}
        if len(found) > 2 and not place.startswith(("demo/", "engine/models/")):
            lists[place] = found
    assert set(lists) - {"session/planning.py"} == {"formats.py"}


def test_the_views_offer_what_the_table_says() -> None:
    assert offered() == ("safetensors", "pt", "latent", "npz")
    for script in (live_script(), page_script("k")):
        assert f"const FORMATS = {json.dumps(offered())};" in script
    static = (PACKAGE / "display" / "static").glob("*.js")
    named = [path.name for path in static for ending in offered() if f'"{ending}"' in path.read_text()]
    assert named == []
