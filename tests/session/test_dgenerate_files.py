"""What dgenerate's options write: a batch as one grid, scripts beside files and inside them."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from jupyter_latents import cell_from
from jupyter_latents.errors import ScriptError
from jupyter_latents.settings import Settings
from jupyter_latents.syntax.script import parse
from tests.session.conftest import Desk

pytestmark = pytest.mark.kept_models

ONE = "demo/scenes --prompts hills --inference-steps 1 --output-size 64 --seeds 7 --output-path out --into made"


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def files() -> list[Path]:
    return sorted(Path("out").iterdir())


def test_a_batch_is_one_grid_as_dgenerate_joins_it(desk: Desk) -> None:
    run = desk.run(f"{ONE} --batch-size 3 --batch-grid-size 2x3")
    (file,) = files()
    assert run.files == [file.as_posix()]
    pictures = desk["made"].decode()
    expected = Image.new("RGB", (128, 192))
    for number, one in enumerate(pictures):
        expected.paste(one, (number % 2 * 64, number // 2 * 64))
    assert Image.open(file).tobytes() == expected.tobytes()
    assert "--batch-grid-size 2x3" in cell_from(file)


@pytest.mark.parametrize("ending", ["png", "jpg", "safetensors"])
def test_the_script_beside_a_file_makes_it_again(desk: Desk, ending: str) -> None:
    desk.run(f"{ONE} --output-configs --image-format {ending}")
    script, file = sorted(files(), key=lambda path: path.suffix != ".dgen")
    assert script.with_suffix(file.suffix) == file
    again = Desk(desk.models)
    again.run(script.read_text())
    assert again["made"].digest == desk["made"].digest
    assert len(files()) == 4  # a number is appended to both


@pytest.mark.parametrize("level", ["full", "none"])
@pytest.mark.parametrize("ending", ["png", "jpg"])
def test_the_script_stands_in_the_picture_where_dgenerate_puts_it(desk: Desk, ending: str, level: str) -> None:
    desk.session.settings = Settings(metadata=level)  # type: ignore[arg-type]
    desk.run(f"{ONE} --output-metadata --image-format {ending}")
    (file,) = files()
    image = Image.open(file)
    comment = image.getexif().get_ifd(0x8769).get(0x9286, b"")
    text = image.info["DgenerateConfig"] if ending == "png" else comment[8:].decode("utf-16-be")
    assert text.startswith("# jupyter_latents")
    assert cell_from(file).partition("\n")[2].lstrip("\n") == text
    assert ("jupyter_latents" in image.info) is (ending == "png" and level == "full")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("--output-metadata --image-format webp", "write png or jpg"),
        ("--output-metadata --image-format safetensors", "write png or jpg"),
        ("--batch-grid-size 2 --image-format pt", "holds no such"),
        ("--batch-grid-size 2x1 --batch-size 3", "has 2 places"),
        ("--batch-grid-size 0x2", "is no grid"),
    ],
)
def test_what_no_file_can_hold_is_refused_in_its_place(given: str, said: str) -> None:
    with pytest.raises(ScriptError, match=said) as told:
        parse(f"{ONE} {given}")
    assert told.value.place is not None
