"""Values of the environment stay out of what a run tells and keeps; where a cell says ``$NAME``, kept text says so."""

from __future__ import annotations

import pickle
import shutil
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from jupyter_latents import Latents
from jupyter_latents.errors import JupyterLatentsError, ModelError
from jupyter_latents.session import Task
from jupyter_latents.syntax import Script
from tests.session.conftest import SECONDS, Desk, Notes

SECRET = "s3cret-v4lue"
SHORT = "--inference-steps 2 --output-size 64 --seeds 1"


class Everything(Notes):
    """Keeps all that a run tells, as bytes."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[Any] = []

    def plan(self, stages: Any) -> None:
        self.told.append(list(stages))

    def stage(self, index: int, stage: Any, name: str) -> None:
        self.told.append((index, stage, name))

    def phase(self, phase: Any) -> None:
        self.told.append(phase)

    def step(self, event: Any, look: Any) -> None:
        self.told.append(event)

    def result(self, result: Any) -> None:
        self.told.append((result.latents.facts(), [one.provenance for one in result.latents.trajectory]))


def ran(desk: Desk, text: str) -> tuple[Everything, JupyterLatentsError | None]:
    observer = Everything()
    run = desk.session.start(Task(Script(desk.text(text), 2)), observer)
    assert run.wait(SECONDS)
    assert run.error is None or isinstance(run.error, JupyterLatentsError)
    return observer, run.error


@pytest.fixture
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", SECRET)


@pytest.mark.usefixtures("secret")
def test_a_secret_is_in_no_byte_of_what_is_told_kept_and_written(desk: Desk, tmp_path: Path) -> None:
    desk.session.keep_in(str(tmp_path / "store"))
    observer, error = ran(
        desk,
        "\\print $TOKEN {{ env.TOKEN }}\n"
        f'<sd15> --prompts "a $TOKEN b; $TOKEN" "{{{{ env.TOKEN ~ \'!\' }}}}" {SHORT}\n'
        f"--auth-token $TOKEN --into base --output-path {tmp_path}/out --denoising-end 0.5 --image-format safetensors",
    )
    assert error is None
    base = desk["base"]
    assert [one.provenance.prompt for one in base] == ["a $TOKEN b", "$TOKEN!"]
    assert [one.provenance.negative_prompt for one in base] == ["$TOKEN", ""]
    assert base.labels[0].count("$TOKEN") == 2
    told = pickle.dumps([observer.told, observer.lines, [one.facts() for one in base], base.labels])
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert len(files) >= 4
    for content in (told, repr(base).encode(), *(file.read_bytes() for file in files)):
        assert SECRET.encode() not in content
    assert any("$TOKEN" in line for line in observer.lines)
    assert Latents.load(next(tmp_path.glob("out/*"))).provenance.prompt.count("$TOKEN") == 1


@pytest.mark.usefixtures("secret")
@pytest.mark.parametrize(
    "line",
    [
        f"<sd15> --prompts cat {SHORT} --image-seeds $TOKEN.png",
        f"<sd15> --prompts cat {SHORT} --image-seeds http://127.0.0.1:9/$TOKEN.png",
        f"<sd15> --prompts cat {SHORT} --scheduler $TOKEN",
        f"<sd15> --prompts cat {SHORT} --vae no/such-$TOKEN",
        f"<sd15> --prompts cat {SHORT} --auth-token $TOKEN $TOKEN",
        f"no/such-$TOKEN --prompts cat {SHORT}",
        f"<sd15> --prompts cat {SHORT}\n\n\\setp x int(env.TOKEN)",
        f"<sd15> --prompts cat {SHORT}\n\n<sd15> --seeds $TOKEN {{{{ last_images[0].shape[0] }}}}",
        f"<sd15> --prompts cat {SHORT} --output-path /proc/$TOKEN",
    ],
)
def test_a_secret_is_in_no_byte_of_an_error(line: str, desk: Desk) -> None:
    observer, error = ran(desk, line)
    assert error is not None
    told = f"{error} {vars(error)} {error.args} {error._render_traceback_()} {observer.lines} {observer.told}"
    assert SECRET not in told
    assert "$TOKEN" in told


@pytest.mark.parametrize(
    "line",
    [
        f'<sd15> --prompts cat {SHORT} --optimize "taylorseer;$KEY=4"',
        f'<sd15> --prompts cat {SHORT} --image-seeds "a.png;$KEY=4"',
        f'<sd15> --prompts cat {SHORT} --scheduler "DDIMScheduler;$KEY=4"',
        f'<sd15> --prompts cat {SHORT} --vae "AutoencoderKL;$KEY=4"',
        f'<sd15> --prompts cat {SHORT} --quantizer "bnb;$KEY=4"',
        f'<sd15> --prompts cat {SHORT} --latents-processors "scale;$KEY=4"',
    ],
)
def test_a_secret_that_is_read_as_a_key_is_in_no_letter_of_an_error(
    line: str, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEY", "Hunter2-Secret_XYZ")
    observer, error = ran(desk, line)
    assert error is not None
    told = f"{error} {vars(error)} {error.args} {error._render_traceback_()} {observer.lines}"
    assert not [piece for piece in ("hunter2", "xyz") if piece in told.lower()]
    assert "$KEY" in told


def test_a_model_named_by_the_environment_is_found_again(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    model = Path(desk.text("<sd15>"))
    monkeypatch.setenv("MODELS", str(model.parent))
    desk.run(f"$MODELS/{model.name} --prompts cat {SHORT} --into a")
    assert desk["a"].provenance.model == f"$MODELS/{model.name}"
    desk.session.unload()
    assert desk.session.decode(desk["a"])[0].size == (64, 64)
    desk.run(f"$MODELS/{model.name} --prompts cat {SHORT} --image-seeds a --into b")
    assert str(model.parent) not in str(desk["b"].facts())


ODD = 'Zq7x W9kL\'s "m2"Tv'
PIECES = {ODD[at : at + 3] for at in range(len(ODD) - 2) if any(letter.isdigit() for letter in ODD[at : at + 3])}
UPPER = {piece.upper() for piece in PIECES}


@pytest.mark.parametrize(
    "script",
    [
        f'<sd15> --prompts "$TOKEN" {SHORT} --into a',
        f'<sd15> --prompts "a $TOKEN b; $TOKEN" {SHORT} --into a',
        f"<sd15> --prompts {{{{ quote(env.TOKEN) }}}} {SHORT} --into a",
        f"\\sete words $TOKEN\n<sd15> --prompts {{{{ quote(words[0]) }}}} {SHORT} --into a",
        f"<sd15> {SHORT} --into a --prompts $ARGUMENTS",
        f"<sd15> {SHORT} $WORDS --into a",
        f"{{% if 1 %}}\n<sd15> --prompts '{{{{ env.TOKEN }}}}' {SHORT} --into a\n{{% endif %}}",
        f'<sd15> --prompts x {SHORT} --output-path "{{out}}/$TOKEN" --into a\n\n\\print {{{{ last_images[0] }}}}',
        f'<sd15> --prompts x {SHORT} --output-path "{{out}}/$TOKEN" --into a\n\n\\print {{{{ last_images[0]|upper }}}}',
        f'<sd15> --prompts "$TOKEN" {SHORT} --into a\n\n\\print {{{{ last_prompts[0].positive[2:] }}}}',
        f'<sd15> --prompts "$TOKEN" {SHORT} --into a\n\n\\print {{{{ a.provenance.prompt[0:] }}}}',
        f"<sd15> --prompts x {SHORT} --image-seeds $TOKEN",
        f'<sd15> --prompts "$TOKEN" {SHORT} --image-seeds "{{out}}/$TOKEN.png;resize=64" --into a',
        f"<sd15> --prompts x {SHORT} --image-seeds {{out}}/$WORD.png --into a --output-path {{out}} --image-format pt",
        f'<sd15> --prompts x {SHORT} --image-seeds "$TOKEN.png;mask=$TOKEN"',
        f"<sd15> --prompts x {SHORT} --scheduler $TOKEN",
        f'<sd15> --prompts x {SHORT} --vae "AutoencoderKL;model=$TOKEN"',
        f'<sd15> --prompts x {SHORT} --loras "$TOKEN"',
        f'"$TOKEN" --prompts x {SHORT}',
        f"<sd15> --prompts x {SHORT} --seeds $TOKEN",
        f"\\print {{{{ env.TOKEN|upper }}}}\n<sd15> --prompts x {SHORT}",
    ],
)
def test_no_piece_of_an_odd_value_is_told_kept_or_written(
    script: str, desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKEN", ODD)
    monkeypatch.setenv("WORD", "Zq7xW9kLm2Tv")
    monkeypatch.setenv("ARGUMENTS", "'Zq7x W9kL' 'm2Tv'")
    monkeypatch.setenv("WORDS", "--prompts 'Zq7x W9kL; m2Tv'")
    (tmp_path / "out").mkdir()
    for name in (ODD, "Zq7xW9kLm2Tv"):
        Image.new("RGB", (64, 64)).save(tmp_path / "out" / f"{name}.png")
    script = script.replace("{out}", str(tmp_path / "out"))
    told: list[Any] = []
    try:
        plan = desk.plan(script)
        told += [
            plan.printed,
            plan.waiting,
            [(one.stage, str(one.error), one.notes, one.verdict) for one in plan.stages],
        ]
        told += [repr(plan)]
    except JupyterLatentsError as planned:
        told += [str(planned), planned.args, planned.template]
    observer, error = ran(desk, script)
    told += [observer.told, observer.lines]
    told += [str(error), error.args, error.template] if error is not None else []
    if "a" in desk.session.names:
        told += [desk["a"].facts() if isinstance(desk["a"], Latents) else [one.facts() for one in desk["a"]]]
    content = [repr(told).encode(), pickle.dumps(observer.told)]
    content += [file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()]
    for part in content:
        found = [part.find(piece.encode()) for piece in PIECES | UPPER]
        assert not [part[max(0, at - 99) : at + 99] for at in found if at >= 0]


@pytest.mark.parametrize("line", ["$NOT_SET/my-sdxl --prompts x", "demo/scenes --prompts x --seeds $NOT_SET"])
def test_an_error_says_that_its_line_names_a_variable_that_is_not_set(desk: Desk, line: str) -> None:
    with pytest.raises(JupyterLatentsError, match="The environment has no variable NOT_SET, and nothing"):
        desk.run(line)


def test_a_variable_named_by_the_environment_is_told_by_its_name_there(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TARGET", "hunter_two")
    told, error = ran(desk, "<sd15> --prompts cat --inference-steps 1 --output-size 64 --seeds 1 --into $TARGET")
    assert error is None
    assert "hunter_two" in desk.session.names
    assert "hunter_two" not in str(vars(told))
    assert desk["hunter_two"].provenance.cell.endswith("--into $TARGET")


@pytest.mark.parametrize("option", ["--guidance-scales $KEY", "--scheduler $KEY", "--image-seeds $KEY", "--dtype $KEY"])
def test_a_short_value_that_a_message_quotes_is_hidden(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, option: str
) -> None:
    monkeypatch.setenv("KEY", "q7z")
    _, error = ran(desk, f"<sd15> --prompts cat --inference-steps 1 {option}")
    assert error is not None
    assert "'$KEY'" in error.message
    assert "q7z" not in error.message


@pytest.mark.usefixtures("secret")
@pytest.mark.parametrize(
    "options",
    [
        "--vae '{}'",
        "--unet '{}'",
        "--vae '{}/w.txt'",
        "--control-nets '{}' --image-seeds 'control: a.png'",
        "--t2i-adapters '{}' --image-seeds 'control: a.png'",
        "--sdxl-refiner '{}'",
    ],
)
@pytest.mark.parametrize("name", ["in/$TOKEN/x", "in/${{TOKEN}}/x"])
def test_a_name_in_quotes_that_the_engine_reads_shows_nothing(
    options: str, name: str, desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "in" / SECRET / "x"
    folder.mkdir(parents=True)
    (folder / "w.txt").touch()
    Image.new("RGB", (64, 64)).save(tmp_path / "a.png")
    line = f"<sd15> --prompts cat {SHORT} {options.format(name.format())}"
    observer, error = ran(desk, line)
    assert error is not None
    told = f"{error} {vars(error)} {error.args} {error._render_traceback_()} {observer.lines} {observer.told}"
    assert SECRET not in told
    assert "$TOKEN" in told
    (stage, *_) = (one for one in desk.plan(line).stages if one.error is not None)
    assert SECRET not in f"{stage.error} {stage.error.args} {stage}"


def causes(error: BaseException | None) -> str:
    """What a traceback shows: an error and all that it came from."""
    return "" if error is None else f"{error!r} {error} " + causes(error.__cause__ or error.__context__)


@pytest.mark.usefixtures("secret")
@pytest.mark.parametrize("options", ["--optimize $TOKEN", "--loras $TOKEN.safetensors", "--scheduler $TOKEN"])
def test_no_cause_of_an_error_shows_a_value(options: str, desk: Desk) -> None:
    _, error = ran(desk, f"<sd15> --prompts cat {SHORT} {options}")
    assert error is not None
    assert SECRET not in causes(error)


@pytest.mark.usefixtures("secret")
def test_held_models_are_called_as_scripts_call_them(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKEN", str(tmp_path / SECRET))
    shutil.copytree(desk.models("sd15"), tmp_path / SECRET / "m")
    desk.run(f"$TOKEN/m --prompts cat {SHORT}")
    (called,) = {name for row in desk.session.holdings() for name in row.models}
    assert called == "$TOKEN/m"
    with pytest.raises(ModelError) as told:
        desk.session.unload("another")
    assert SECRET not in str(told.value)
    assert desk.session.unload("$TOKEN/m") != "0 B"
    assert desk.session.holdings() == []


@pytest.mark.usefixtures("secret")
@pytest.mark.parametrize("kind", [ValueError, KeyboardInterrupt, SystemExit, BaseException])
@pytest.mark.parametrize("moment", ["plan", "stage", "result"])
def test_whatever_ends_a_run_shows_no_value(kind: type[BaseException], moment: str, desk: Desk) -> None:
    class Breaks(Everything):
        pass

    def fail(*_given: Any) -> None:
        raise kind(SECRET)

    setattr(Breaks, moment, fail)
    run = desk.session.start(Task(Script(desk.text(f'<sd15> --prompts "$TOKEN" {SHORT}'), 2)), Breaks())
    assert run.wait(SECONDS)
    assert run.state == "failed"
    assert SECRET not in f"{run.error} {run.error and run.error.args}"
