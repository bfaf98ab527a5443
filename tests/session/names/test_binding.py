"""Results are bound to names that nobody else needs, and files stay in their folder."""

from __future__ import annotations

import ast
import builtins
import keyword
from pathlib import Path

import pytest
import torch

from jupyter_latents.errors import JupyterLatentsError, LatentsFileError, NameNotFoundError, ScriptError
from jupyter_latents.latents import Latents, LatentsSequence
from jupyter_latents.latents.facts import Provenance
from jupyter_latents.session import outputs
from jupyter_latents.session.names.bindings import check_free
from jupyter_latents.stage import ModelSource, Output, Stage
from jupyter_latents.syntax import parse
from tests.session.conftest import Desk

pytestmark = pytest.mark.kept_models

SHORT = "--prompts cat --inference-steps 2 --output-size 64 --seeds 1"
NEEDED = ("get_ipython", "exit", "quit", "In", "Out", "_", "__", "_i", "_oh", "_7", "_i7", "__name__", "display")


@pytest.mark.parametrize("name", [*NEEDED, *keyword.kwlist, *dir(builtins)])
def test_names_of_python_and_of_the_shell_are_refused(name: str) -> None:
    with pytest.raises(ScriptError, match=f"'{name}' cannot be a kernel variable: .*choose another name"):
        parse(f"m --into {name}")


@pytest.mark.parametrize("name", ["_mine", "__mine", "_in", "i7"])
def test_other_names_with_underscores_are_free(name: str) -> None:
    ((stage,),) = (one.stages() for one in parse(f"m --into {name}"))
    assert stage.into == name


@pytest.mark.parametrize("written", ["cafe\u0301", "caf\u00e9"])
@pytest.mark.parametrize("read", ["cafe\u0301", "caf\u00e9"])
def test_a_name_is_the_variable_that_python_reads(desk: Desk, tmp_path: Path, written: str, read: str) -> None:
    desk.run(f"<sd15> {SHORT} --denoising-end 0.5 --into {written}")
    name = ast.parse(written, mode="eval").body.id  # type: ignore[attr-defined]
    made = desk[name]
    desk.run(f'<sd15> --prompts cat --inference-steps 2 --image-seeds "latents: {read}" --into end')
    assert desk["end"].provenance.parents == (made.digest,)
    assert list(desk.session.names) == ["caf\u00e9", "end"]
    desk.session.load(written, str(made.save(tmp_path / "file.pt")))
    assert list(desk.session.names) == ["caf\u00e9", "end"]


def test_a_builtin_in_other_letters_is_refused(desk: Desk, tmp_path: Path) -> None:
    with pytest.raises(ScriptError, match="cannot be a kernel variable"):
        parse("m --into \uff50rint")
    desk.run(f"<sd15> {SHORT} --into base")
    with pytest.raises(NameNotFoundError, match="cannot be a variable"):
        desk.session.load("\uff50rint", desk.session.save("base", str(tmp_path / "base.pt")))


def test_a_loaded_file_takes_no_such_name_either(desk: Desk, tmp_path: Path) -> None:
    desk.run(f"<sd15> {SHORT} --into base")
    file = desk.session.save("base", str(tmp_path / "base.safetensors"))
    with pytest.raises(NameNotFoundError, match="'print' cannot be a variable"):
        desk.session.load("print", file)
    desk.session.load("again", file)
    desk.run(f"<sd15> {SHORT} --into again")


@pytest.mark.parametrize("value", [5, "text", [1, 2], None])
def test_a_variable_that_no_script_made_is_not_overwritten(desk: Desk, value: object) -> None:
    desk.session.names["mine"] = value
    script = f"<sd15> {SHORT} --into first\n\n<sd15> {SHORT} --into mine"
    plan = desk.plan(script)
    assert "would overwrite a variable that no script made" in plan.stages[1].refused
    assert "--force" in plan.stages[1].refused
    with pytest.raises(ScriptError, match="would overwrite a variable that no script made") as caught:
        desk.run(script)
    assert caught.value.place is not None
    assert (caught.value.place.line, "first" in desk.session.names) == (4, False)
    assert desk["mine"] is value


def test_force_overwrites_whatever_there_is(desk: Desk) -> None:
    desk.session.names["mine"] = 5
    desk.run(f"<sd15> {SHORT} --into mine --force")
    assert desk["mine"].is_clean


def test_what_a_script_made_is_made_again(desk: Desk) -> None:
    desk.run(f"<sd15> {SHORT} --into base --denoising-end 0.5")
    desk.run(f"<sd15> {SHORT} --into base")
    desk.run(f"<sd15> {SHORT} 2 --into base")
    desk.run(f"<sd15> {SHORT} --into base")
    desk.session.names["base"] = desk["base"].flip(horizontal=True)
    desk.run(f"<sd15> {SHORT} --into base")
    desk.session.names["base"] = 5
    with pytest.raises(ScriptError, match="would overwrite"):
        desk.run(f"<sd15> {SHORT} --into base")


@pytest.mark.parametrize(
    "prefix", ["../../x", "/tmp/x", "a/b", r"..\x", "C:x", "a\x00b", "'{{ \"..\" }}/x'", "x" * 300, "é" * 60]
)
def test_a_prefix_names_no_folder_and_is_short(prefix: str) -> None:
    with pytest.raises(ScriptError, match=r"cannot start a file's name|too long") as caught:
        parse(f"m --output-prefix {prefix} -o out")
    assert caught.value.option == "output_prefix"


def test_a_prefix_of_the_environment_names_no_folder(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PREFIX", "../outside")
    with pytest.raises(JupyterLatentsError, match="cannot start a file's name") as caught:
        desk.run(f"<sd15> {SHORT} --output-path {tmp_path}/out --output-prefix $PREFIX")
    assert "../outside" not in str(caught.value)
    assert not list(tmp_path.rglob("*outside*"))


def test_files_stay_in_the_folder_whatever_names_them(desk: Desk, tmp_path: Path) -> None:
    stage = Stage(model=ModelSource("m"), output=Output(path=str(tmp_path / "out"), prefix="../x"))
    desk.run(f"<sd15> {SHORT} --into base")
    with pytest.raises(LatentsFileError, match="file names stay inside"):
        outputs.write_outputs(stage, desk.run(f"<sd15> {SHORT}").results[0], lambda _: {}, lambda _: None)


def test_a_link_in_the_place_of_a_file_is_replaced_not_followed(desk: Desk, tmp_path: Path) -> None:
    folder, other = tmp_path / "out", tmp_path / "other.txt"
    other.write_text("kept")
    line = f"<sd15> {SHORT} --output-path {folder} --output-overwrite"
    desk.run(line)
    (file,) = folder.iterdir()
    file.unlink()
    file.symlink_to(other)
    desk.run(line)
    assert (other.read_text(), file.is_symlink()) == ("kept", False)


@pytest.mark.parametrize("folder", ["x" * 300, "/proc/nothing", "/dev/null/x"])
def test_a_folder_that_cannot_be_is_told(desk: Desk, folder: str, tmp_path: Path) -> None:
    path = folder if folder.startswith("/") else tmp_path / folder
    with pytest.raises(LatentsFileError):
        desk.run(f"<sd15> {SHORT} --output-path {path}")


@pytest.mark.parametrize(("name", "bound"), [("q", True), ("mine", False)])
def test_what_scripts_bound_before_the_modules_were_read_again_may_be_bound_again(name: str, bound: bool) -> None:
    """As after autoreload: the classes are others of the same names, and the session has forgotten what it bound."""
    earlier = type("Latents", (), {"__module__": Latents.__module__})
    value = earlier()
    value.provenance = Provenance(cell="demo/scenes\n--prompts cat\n--into q")
    several = type(
        "LatentsSequence", (), {"__module__": LatentsSequence.__module__, "__qualname__": "LatentsSequence"}
    )()
    several.items = (value, value)
    for one in (value, several):
        if bound:
            check_free(name, {name: one}, ())
        else:
            with pytest.raises(ScriptError, match="that no script made"):
                check_free(name, {name: one}, ())
    with pytest.raises(ScriptError, match="that no script made"):
        check_free("q", {"q": Latents(torch.zeros(1, 4, 8, 8), provenance=value.provenance)}, ())
