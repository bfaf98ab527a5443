"""What pictures say of how they were made: the cell, A1111's text, and nothing of this machine or its environment."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from jupyter_latents import Latents, cell_from
from jupyter_latents.errors import JupyterLatentsError, LatentsError, LatentsFileError, LatentsWarning
from jupyter_latents.pictures.film_texts import read_film_texts
from jupyter_latents.pictures.metadata.record import read_record
from jupyter_latents.pictures.metadata.texts import OURS, PARAMETERS, read_texts
from jupyter_latents.settings import Settings
from jupyter_latents.syntax.script import parse
from tests.session.conftest import Desk

pytestmark = pytest.mark.kept_models

SECRET = "s3cret-v4lue"
SHORT = "--inference-steps 4 --output-size 64"
TWO_STAGES = """demo/scenes --prompts "a red house; rain" {SHORT} --seeds 7 --denoising-end 0.5 --into base

demo/paper --prompts "a red house, paper; rain" --guidance-scales 4.5 --image-seeds "latents: base" {SHORT} --seeds 8
--denoising-start 0.5 --scheduler DPMSolverMultistepScheduler;use-karras-sigmas=true --output-path out --into final
""".replace("{SHORT}", SHORT)


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def the_file(folder: str = "out") -> Path:
    (file,) = Path(folder).iterdir()
    return file


def told(file: Path, key: str = OURS) -> str:
    return read_texts(file, str(file)).texts.get(key, "")


def body(cell: str) -> str:
    return cell.partition("\n")[2]


@pytest.mark.parametrize("ending", ["png", "jpg", "webp"])
def test_the_cell_of_two_stages_makes_the_same_latents_in_another_session(desk: Desk, ending: str) -> None:
    desk.session.keep_in("store")
    desk.run(f"{TWO_STAGES}--image-format {ending}")
    cell, digest = cell_from(the_file()), desk["final"].digest
    assert read_record(told(the_file()), "it").latents == digest
    other = Desk(desk.models)
    other.run(body(cell))
    assert other["final"].digest == digest
    stored = Desk(desk.models)
    stored.session.keep_in("store")
    run = stored.run(body(cell))
    assert [result.evaluations for result in run.results] == [0, 0]
    assert stored["final"].digest == digest


def test_a_stage_alone_needs_no_name_and_its_picture_may_be_an_input(desk: Desk) -> None:
    Image.effect_noise((64, 64), 60).convert("RGB").save("photo.png")
    script = f"demo/scenes --prompts hill {SHORT} --seeds 3 --image-seeds photo.png --image-seed-strengths 0.5"
    run = desk.run(f"{script} --output-path out")
    cell = cell_from(the_file())
    assert "fill in" not in cell
    assert len(read_record(told(the_file()), "it").inputs["photo.png"]) == 32
    again = Desk(desk.models).run(body(cell))
    assert again.results[0].latents.digest == run.results[0].latents.digest


def test_what_no_file_holds_is_to_be_filled_in(desk: Desk) -> None:
    desk.session.names["photo"] = Image.new("RGB", (64, 64), "teal")
    desk.run(f"demo/scenes --prompts hill {SHORT} --seeds 3 --image-seeds photo --output-path out")
    assert "# fill in photo: a picture of 64x64 pixels" in cell_from(the_file())
    bare = Latents.from_tensor(desk.run(f"demo/scenes {SHORT} --seeds 3").results[0].latents.tensor + 1)
    desk.session.names["found"] = bare
    desk.run(f"demo/scenes --prompts hill {SHORT} --seeds 3 --image-seeds found --output-path two")
    cell = cell_from(the_file("two"))
    assert '--image-seeds "latents_1"' in cell or '--image-seeds "latents"' in cell
    assert f"digest {bare.digest}" in cell.replace("\n# ", " ")


def test_paths_of_this_machine_are_names_alone(desk: Desk, tmp_path: Path) -> None:
    Image.new("RGB", (64, 64), "teal").save("photo.png")
    run = desk.run(
        f"<sd15> --prompts cat {SHORT} --seeds 3 --image-seeds {tmp_path}/photo.png --output-path {tmp_path}/out "
        "--auth-token abcdefgh"
    )
    content = the_file().read_bytes()
    cell = cell_from(the_file())
    for private in (str(tmp_path), str(desk.models("sd15").parent), "abcdefgh"):
        assert private.encode() not in content
    model = desk.models("sd15").name
    assert f"# fill in {model}: " in cell
    assert "# fill in photo.png: " in cell
    assert run.results[0].latents.provenance.revision in cell
    assert f"Model: {model}" in told(the_file(), PARAMETERS)


def test_values_of_the_environment_stand_as_their_names(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", SECRET)
    desk.run(
        f'demo/scenes --prompts "a $TOKEN house, \\$HOME, {{{{ env.TOKEN ~ 1 }}}}; $TOKEN" {SHORT} --seeds 7\n'
        "--into a --output-path out"
    )
    content, cell = the_file().read_bytes(), cell_from(the_file())
    assert SECRET.encode() not in content
    assert '"a $TOKEN house, \\$HOME, ${TOKEN}1"' in cell
    assert "# fill in $TOKEN" in cell
    assert "# fill in $HOME" not in cell
    assert told(the_file(), PARAMETERS).startswith("a $TOKEN house, $HOME, $TOKEN1\nNegative prompt: $TOKEN\n")
    other = Desk(desk.models)
    other.run(body(cell))
    assert other["a"].digest == desk["a"].digest


def test_a_chain_through_steps_operations_files_and_a_name_bound_twice(desk: Desk) -> None:
    desk.run(f"demo/scenes --prompts hill {SHORT} --seeds 1 2 --denoising-end 0.75 --into many")
    desk.session.names["x"] = desk["many"][0].at(0.5).blend(desk["many"][1].at(0.5), 0.25)
    desk.session.names["y"] = desk["x"].flip()
    for _ in range(2):
        desk.run(
            f"demo/scenes --prompts sea {SHORT} --seeds 3 --image-seeds 'latents: y' --into z --denoising-start 0.5"
        )
        desk.session.names["y"] = desk["z"].add_noise(4, seed=5)
    desk.run(
        f"demo/scenes --prompts sea {SHORT} --image-seeds 'latents: y' --latents-processors scale;factor=0.9 "
        "--output-path mid --image-format safetensors\n\n"
        f"demo/scenes --prompts sky {SHORT} --seeds 4 --image-seeds {{{{ quote(last_images) }}}} --output-path out\n"
        "--into end"
    )
    cell = cell_from(the_file())
    assert cell.count("demo/scenes\n") == 6
    assert "fill in" not in cell
    other = Desk(desk.models)
    other.run(body(cell))
    assert other["end"].digest == desk["end"].digest


def test_the_cell_of_a_picture_that_operations_made_gives_it_to_the_notebook(desk: Desk) -> None:
    desk.run(f"demo/scenes --prompts hill {SHORT} --seeds 1 --denoising-end 0.5 --into base")
    mixed = desk["base"].flip().blend(desk["base"], 0.25)
    cell = read_record(desk.session.texts(mixed)[OURS], "it").cell
    other = Desk(desk.models)
    run = other.run(body(cell))
    assert other["blend"].digest == mixed.digest == run.get().digest
    assert [line for line in other.notes.lines if line.startswith("blend, which the script ends with, is a variable")]
    other.session.names["blend"] = 3  # somebody's own: it stays, and that is told
    other.run(body(cell))
    assert other["blend"] == 3
    assert [line for line in other.notes.lines if line.startswith("blend, which the script ends with, is not bound")]
    assert "flip" not in other.session.names


def test_what_was_stopped_ends_where_it_was_stopped(desk: Desk) -> None:
    (result,) = desk.run(f"demo/scenes --prompts hill {SHORT} --seeds 3 --into x").results
    stage = parse(f"demo/scenes --prompts hill {SHORT} --seeds 3")[0].stages()[0]
    part = replace(result, latents=result.latents.at(0.5), stopped=True)
    desk.session.origins.keep(stage, stage, part, lambda _reference: None)
    assert "--denoising-end 0.5" in read_record(desk.session.texts(part.latents)[OURS], "it").cell


def test_steps_of_the_stage_before_stay_its_own(desk: Desk) -> None:
    desk.run(f"demo/scenes --prompts hill {SHORT} --seeds 3 --denoising-end 0.5 --into base")
    go_on = "--image-seeds 'latents: base' --denoising-start 0.5 --into end"
    desk.run(f"demo/scenes --prompts sea {SHORT} --seeds 3 {go_on}")
    for latents in (desk["base"], desk["end"].at(0.5), desk["end"].at(0.25)):
        cell = read_record(desk.session.texts(latents)[OURS], "it").cell
        assert '"hill"' in cell
        assert '"sea"' not in cell
    assert "--denoising-end 0.75" in read_record(desk.session.texts(desk["end"].at(0.75))[OURS], "it").cell


def test_a_drawn_seed_is_written(desk: Desk) -> None:
    run = desk.run(f"demo/scenes --prompts hill {SHORT} --output-path out")
    assert f"--seeds {run.results[0].latents.provenance.seed}\n" in cell_from(the_file())


def test_each_picture_of_a_batch_says_which_it_is(desk: Desk) -> None:
    desk.run(f"demo/scenes --prompts hill {SHORT} --seeds 3 --batch-size 2 --output-path out")
    assert [read_record(told(file), "it").item for file in sorted(Path("out").iterdir())] == [0, 1]


LEVELS = {"full": {OURS, PARAMETERS}, "parameters": {PARAMETERS}, "none": set()}


@pytest.mark.parametrize("level", LEVELS)
def test_the_setting_says_how_much_is_told(desk: Desk, level: str) -> None:
    desk.session.settings = Settings(metadata=level)  # type: ignore[arg-type]
    (result,) = desk.run(f"demo/scenes --prompts hill {SHORT} --seeds 3 --output-path out").results
    assert set(read_texts(the_file(), "it").texts) == LEVELS[level]
    with Image.open(the_file()) as written:
        assert written.convert("RGB").tobytes() == result.images[0].convert("RGB").tobytes()
    if level == "none":
        result.images[0].save("plain.png")
        assert the_file().read_bytes() == Path("plain.png").read_bytes()


def test_a_picture_with_latents_gives_them_back_without_history(desk: Desk) -> None:
    half = f"demo/scenes --prompts hill {SHORT} --seeds 3 --denoising-end 0.5"
    desk.run(f"{half} --output-path out --image-format png;latents --into base")
    with pytest.warns(LatentsWarning, match="history"):
        found = Latents.load(the_file())
    assert (found.digest, found.noise, found.resume) == (desk["base"].digest, desk["base"].noise, None)
    assert found.provenance == desk["base"].provenance
    go_on = f"demo/scenes {SHORT} --seeds 4 --image-seeds 'latents: {the_file()}' --denoising-start 0.5 --into end"
    desk.run(f"{go_on} --output-path end")
    assert any("history" in line for line in desk.notes.lines)
    cell = cell_from(the_file("end"))
    assert f"latents: {the_file().as_posix()}" in cell
    other = Desk(desk.models)
    other.run(body(cell))
    assert other["end"].digest == desk["end"].digest


def test_damaged_latents_in_a_picture_are_told(desk: Desk) -> None:
    desk.run(f"demo/scenes {SHORT} --seeds 3 --output-path out --image-format png;latents")
    content = bytearray(the_file().read_bytes())
    content[content.index(b"ltNS") + 3000] ^= 1
    Path("damaged.png").write_bytes(content)
    with pytest.raises(LatentsFileError):
        Latents.load("damaged.png")
    Image.new("RGB", (8, 8)).save("plain.png")
    with pytest.raises(LatentsFileError, match="png;latents"):
        Latents.load("plain.png")


def test_prompts_of_any_length_go_into_a_jpeg_or_are_told(desk: Desk) -> None:
    desk.run(f"demo/scenes --prompts '{'hill ' * 9000}' {SHORT} --seeds 3 --output-path out --image-format jpg")
    assert any("JPEG has no room" in line for line in desk.notes.lines)
    assert "hill" in told(the_file())
    assert not told(the_file(), PARAMETERS)


def test_latents_save_a_picture_that_says_how_it_was_made(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    from jupyter_latents.display import wiring
    from jupyter_latents.latents import services

    before = list(services._services)
    monkeypatch.setattr(wiring.sessions, "current", lambda names=None: desk.session)
    wiring.session_with_display()
    try:
        desk.run(f"demo/scenes --prompts hill {SHORT} --seeds 3 --denoising-end 0.5 --into base")
        for ending in ("png", "jpg", "webp"):
            assert "--denoising-end 0.5" in cell_from(desk["base"].save(f"x.{ending}"))
        steps, film = desk["base"].trajectory, read_texts(desk["base"].trajectory.to_gif("x.gif"), "x").texts
        assert "--seeds 3" in cell_from("x.gif")
        if importlib.util.find_spec("imageio_ffmpeg"):
            assert read_film_texts(steps.to_mp4("x.mp4"), "x") == film
            assert cell_from("x.mp4") == cell_from("x.gif")
        desk.run(f"demo/scenes --prompts hill {SHORT} --seeds 3 --batch-size 2 --into two")
        with pytest.raises(LatentsFileError, match="split"):
            desk["two"].save("y.png")
    finally:
        services._services[:] = before


def test_a_recorded_cell_that_somebody_changed_is_not_shown(desk: Desk) -> None:
    from jupyter_latents.pictures.metadata.record import Record, write_record
    from jupyter_latents.pictures.metadata.texts import picture_bytes

    for changed in (
        "demo/scenes --prompts x",
        "%%dgen\ndemo/scenes --prompts {{ env.HF_TOKEN }}\n",
        "%%dgen\n{% for a in [1] %}\nx\n{% endfor %}\n",
        "%%dgen\n\\setp x open('/etc/passwd')\n",
        "%%dgen\n\\print x\n",
        "%%dgen\ndemo/scenes --no-such-option\n",
        "%%dgen\n# \u202e\ndemo/scenes\n",
        "%%dgen\ndemo/scenes --prompts 'x\n",
    ):
        Path("x.png").write_bytes(picture_bytes(Image.new("RGB", (4, 4)), "PNG", {OURS: write_record(Record(changed))}))
        with pytest.raises(JupyterLatentsError, match="did not write"):
            cell_from("x.png")


def test_a_long_chain_ends_in_latents_from_elsewhere(desk: Desk) -> None:
    desk.run("demo/scenes --prompts hill --inference-steps 1 --output-size 16 --seeds 3 --into x")
    x = desk["x"]
    for _ in range(70):
        x = x.scale(1.0)
        desk.session.remember(x)
    desk.session.names["x"] = x
    with pytest.raises(LatentsError):
        x.at(0.5)
    assert len(desk.session.texts(x)[OURS]) < 20_000
