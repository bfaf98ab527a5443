"""Pictures in a cell: what the plan says of them is what the run does with them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from jupyter_latents.errors import HandoffError, JupyterLatentsError, NameNotFoundError
from jupyter_latents.pictures.reading import read_mask
from tests.engine.cases import picture
from tests.session.conftest import Desk

pytestmark = pytest.mark.kept_models

STAGE = "<sd15> --prompts cat --inference-steps 2 --guidance-scales 1 --seeds 3 --image-seeds"


def refusal(desk: Desk, seed: str) -> str:
    """Why a seed is refused, in the plan as in the run."""
    (planned,) = desk.plan(f"{STAGE} {seed}").stages
    with pytest.raises(JupyterLatentsError) as refused:
        desk.run(f"{STAGE} {seed}")
    assert planned.error is not None
    assert planned.refused == refused.value.message
    return planned.refused


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_photograph_of_a_phone_stands_upright(desk: Desk) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    picture(64).resize((64, 48)).save("phone.jpg", exif=exif)
    desk.session.names["upright"] = Image.open("phone.jpg").transpose(Image.Transpose.ROTATE_270)
    (planned,) = desk.plan(f"{STAGE} ./phone.jpg").stages
    assert planned.outline is not None
    assert planned.outline.space.size_of(planned.outline.shape) == (48, 64)
    desk.run(f"{STAGE} ./phone.jpg --into turned")
    desk.run(f"{STAGE} upright --into right")
    assert torch.equal(desk["turned"].tensor, desk["right"].tensor)


@pytest.mark.parametrize("mode", ["F", "I"])
@pytest.mark.parametrize("seed", ["odd", "odd.tiff", '"photo;mask=odd"', '"photo;mask=odd.tiff"'])
def test_numbers_without_a_white_are_refused_in_the_plan(desk: Desk, mode: str, seed: str) -> None:
    desk.session.names.update(photo=picture(64), odd=Image.new(mode, (64, 64), 3))
    Image.new(mode, (64, 64), 3).save("odd.tiff")
    assert "nothing says which of them is white" in refusal(desk, seed)


def test_an_array_of_long_numbers_says_which_numbers_pictures_hold(desk: Desk) -> None:
    desk.session.names["odd"] = np.zeros((64, 64, 3), np.int64)
    assert "holds int64; pictures hold uint8, 0 to 255" in refusal(desk, "odd")


@pytest.mark.parametrize("more", ["", " --output-size 64"])
def test_a_picture_is_not_resized_beyond_what_may_come_in(desk: Desk, more: str) -> None:
    desk.session.names["photo"] = picture(64)
    assert "99999x99999; 178 million pixels are the most" in refusal(desk, f'"photo;resize=99999x99999"{more}')


def test_the_first_picture_of_a_gif_is_told_in_plan_and_run(desk: Desk) -> None:
    picture(64).save("film.gif", save_all=True, append_images=[Image.new("RGB", (64, 64))])
    desk.session.names["hole"] = Image.new("L", (64, 64), 255)
    said = "film.gif holds several pictures; the first is used; --animation-format gif has a stage run for each"
    (planned,) = desk.plan(f"{STAGE} './film.gif;mask=hole'").stages
    desk.run(f"{STAGE} './film.gif;mask=hole'")
    assert said in planned.notes
    assert said in desk.notes.lines


@pytest.mark.parametrize("kind", ["EPS", "TGA"])
def test_only_the_listed_formats_are_read(desk: Desk, kind: str) -> None:
    picture(64).save(f"photo.{kind.lower()}", kind)
    assert "none of PNG, JPEG, WEBP, BMP, TIFF, GIF, PPM, AVIF" in refusal(desk, f"./photo.{kind.lower()}")


def test_a_pipe_as_picture_is_refused_at_once(desk: Desk) -> None:
    os.mkfifo("pipe.png")
    assert "no plain file" in refusal(desk, "./pipe.png")


@pytest.mark.parametrize("size", [(1, 1), (20000, 10), (10, 20000), (64, 1)])
def test_a_picture_of_an_odd_shape_is_painted_at_the_nearest_size(desk: Desk, size: tuple[int, int]) -> None:
    desk.session.names["odd"] = Image.new("RGB", size, "teal")
    (planned,) = desk.plan(f"{STAGE} odd").stages
    run = desk.run(f"{STAGE} odd")
    assert planned.outline is not None
    told = planned.outline.space.size_of(planned.outline.shape)
    assert run.results[0].images[0].size == told == tuple(max(8, side // 8 * 8) for side in size)
    assert any("is rounded to" in note for note in planned.notes)
    assert set(planned.notes) <= set(desk.notes.lines)


@pytest.mark.parametrize("seed", ["numbers", "'photo;mask=numbers'"])
def test_an_array_of_floats_is_refused_as_a_picture(desk: Desk, seed: str) -> None:
    desk.session.names |= {"numbers": np.random.default_rng(0).random((64, 64, 3)), "photo": picture(64)}
    assert "(255 * x).round() as uint8" in refusal(desk, seed)


def test_a_mask_of_truth_values_is_a_mask(desk: Desk) -> None:
    half = np.indices((64, 64))[0] >= 32
    desk.session.names |= {"photo": picture(64), "half": half, "grey": Image.fromarray((half * 255).astype(np.uint8))}
    desk.run(f"{STAGE} 'photo;mask=half' --into ours")
    desk.run(f"{STAGE} 'photo;mask=grey' --into right")
    assert torch.equal(desk["ours"].tensor, desk["right"].tensor)


def test_as_many_masks_as_pictures_or_one(desk: Desk) -> None:
    desk.session.names |= {"photo": picture(64), "holes": [Image.new("L", (64, 64), 255)] * 2}
    assert "there are 2 masks for 1 images; give one mask for all or one each" in refusal(desk, "'photo;mask=holes'")


def test_a_buffer_of_bytes_is_no_list_of_pictures(desk: Desk) -> None:
    desk.session.names["raw"] = memoryview(np.zeros((64, 64, 3), np.uint8))
    for seed in ("raw", "'latents: raw'"):
        assert "raw is a memoryview" in refusal(desk, seed)
    assert "no variable 'other'" in refusal(desk, "other")


def test_a_missing_picture_names_no_folder_instead(desk: Desk) -> None:
    Path("drawings").mkdir()
    Path("photo.jpg").touch()
    assert "did you mean" not in refusal(desk, "./drawing.s")
    assert "did you mean photo.jpg?" in refusal(desk, "./photo.jpeg")


def test_an_object_that_only_looks_like_latents_is_refused(desk: Desk) -> None:
    class Odd:
        noise = 3

    desk.session.names |= {"odd": Odd(), "objects": np.array([None, "a"], dtype=object)}
    for name in ("odd", "objects"):
        for seed in (name, f"'latents: {name}'"):
            assert ("Odd" if name == "odd" else "'object'") in refusal(desk, seed)
    with pytest.raises((HandoffError, NameNotFoundError), match="No variable of this kernel"):
        desk.run(f"{STAGE} nothing")


@pytest.mark.parametrize(("size", "told"), [((64, 64), False), ((128, 128), False), ((128, 64), True)])
def test_a_mask_of_another_shape_is_told(desk: Desk, size: tuple[int, int], told: bool) -> None:
    desk.session.names |= {"photo": picture(64), "hole": Image.new("L", size, 255)}
    (planned,) = desk.plan(f"{STAGE} 'photo;mask=hole'").stages
    desk.run(f"{STAGE} 'photo;mask=hole'")
    note = "a mask of 128x64 is stretched to its picture of 64x64"
    assert (note in planned.notes, note in desk.notes.lines) == (told, told)


GREY = "of the mask's pixels are grey, and diffusers rounds masks at 0.5"
INVERTED = "--mask-image-processors invert"


@pytest.mark.parametrize(
    ("mask", "more", "told"),
    [
        ("soft", "", "74 %"),
        ("./soft.png", "", "74 %"),
        ("./soft.png", INVERTED, "74 %"),
        ("./soft.png", "--mask-image-processors 'invert;pre-resize=true'", "74 %"),
        ("./soft.png", "--mask-image-processors 'posterize;bits=1;pre-resize=true'", ""),
        ("./soft.png", "--mask-image-processors 'posterize;bits=1'", ""),
        ("hard", "", ""),
        ("./hard.png", INVERTED, ""),
    ],
)
def test_a_grey_mask_is_told_by_the_plan_as_by_the_run(desk: Desk, mask: str, more: str, told: str) -> None:
    soft = Image.fromarray(np.tile(np.linspace(0, 255, 256).round().astype(np.uint8), (256, 1)))
    hard = soft.point([0] * 128 + [255] * 128)
    soft.save("soft.png")
    hard.save("hard.png")
    desk.session.names |= {"photo": picture(64), "soft": soft, "hard": hard}
    script = f"{STAGE} 'photo;mask={mask}' {more}"
    (planned,) = desk.plan(script).stages
    notes = [note for note in planned.notes if GREY in note]
    assert [note[:4] for note in notes] == ([told] if told else [])
    assert all("Differential masks are not there yet" in note for note in notes)
    desk.run(script)
    assert [line for line in desk.notes.lines if GREY in line] == notes
    if told and not more:
        desk.run(f"{STAGE} 'photo;mask={mask}' --into asked")
        desk.run(f"{STAGE} 'photo;mask=hard' --into rounded")
        assert torch.equal(desk["asked"].tensor, desk["rounded"].tensor), "as it says"


def test_a_mask_is_read_once_by_all_plans(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.session.names["photo"] = picture(64)
    Image.new("L", (64, 64), 128).save("mask.png")
    read: list[str] = []

    def counted(value: object, name: str, check: Callable[[], None]) -> Image.Image:
        read.append(name)
        return read_mask(value, name, check)

    monkeypatch.setattr("jupyter_latents.session.names.greys.read_mask", counted)
    for _ in range(2):
        stages = desk.plan(f"{STAGE} 'photo;mask=./mask.png' 'photo;32;mask=./mask.png'").stages
        assert all(any("100 % of the mask" in note for note in stage.notes) for stage in stages)
    assert len(stages) == 2
    assert read == ["mask.png"]
    Image.new("L", (32, 32), 255).save("mask.png")
    assert not any(GREY in note for note in desk.plan(f"{STAGE} 'photo;mask=./mask.png'").stages[0].notes)
    assert len(read) == 2, "another file by that name is read"
