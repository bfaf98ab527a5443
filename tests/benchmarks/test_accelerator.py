"""The programme for an accelerator works where there is none: its machinery, and all of it on toys."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from jupyter_latents.errors import RunError
from tests.benchmarks.accelerator import command, law, printing, sections, wheels
from tests.benchmarks.accelerator.budget import Clock, OutOfTimeError
from tests.benchmarks.accelerator.place import Place
from tests.benchmarks.accelerator.sections import Section
from tests.benchmarks.accelerator.timing import MARK
from tests.benchmarks.accelerator.trace import counted
from tests.tiny.fixtures import one_thread  # noqa: F401

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/accelerator.md"
TINY = ["--tiny", "--device", "cpu", "--out"]

# What a machine with an accelerator has, as distributions; with the wheels that is all the programme may import.
THERE = (
    "accelerate anyio certifi charset-normalizer click filelock fsspec h11 hf-xet httpcore httpx huggingface-hub idna "
    "jinja2 markdown-it-py markupsafe mdurl mpmath networkx numpy packaging peft pillow pip protobuf psutil pygments "
    "pyyaml regex requests rich safetensors scipy sentencepiece setuptools shellingham six sympy tokenizers torch tqdm "
    "transformers triton typer typing-extensions urllib3 zipp"
).split()

BLOCKED = """
import importlib.abc, importlib.metadata, re, sys

def needs(name):
    if name in allowed or not list(importlib.metadata.distributions(name=name)):
        return
    allowed.add(name)
    for line in importlib.metadata.requires(name) or ():
        if "extra ==" not in line:
            needs(re.match("[A-Za-z0-9._-]+", line).group().lower().replace("_", "-"))


allowed = set()
for name in sys.argv[1].split(","):
    needs(name)
allowed |= set(sys.argv[2].split(","))
known = importlib.metadata.packages_distributions()


class Lacks(importlib.abc.MetaPathFinder):
    finders = tuple(sys.meta_path)

    def find_spec(self, name, path=None, target=None):
        owners = {one.lower().replace("_", "-") for one in known.get(name.partition(".")[0], ())}
        if owners and not owners & allowed and "jupyter-latents" not in owners:
            return None
        found = (finder.find_spec(name, path, target) for finder in self.finders)
        return next((spec for spec in found if spec is not None), None)

    def find_distributions(self, *context):
        for finder in self.finders:
            if hasattr(finder, "find_distributions"):
                yield from finder.find_distributions(*context)


sys.meta_path[:] = [Lacks()]
import importlib
for module in ("command", "machine", "sections", "printing"):
    importlib.import_module(f"tests.benchmarks.accelerator.{module}")
from tests.benchmarks.accelerator.command import main
sys.exit(main(sys.argv[3:]))
"""


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the command says to the libraries by its environment ends with the test."""
    for name in ("HF_HUB_OFFLINE", "HF_HUB_DISABLE_PROGRESS_BARS", "TQDM_DISABLE"):
        monkeypatch.setenv(name, "1")


def run_blocked(*arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """The command in a process that finds only what such a machine has."""
    wheeled = [name.partition("==")[0] for name in wheels.NAMES]
    environment = {**os.environ, "PYTHONPATH": str(cwd), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-c", BLOCKED, ",".join(THERE), ",".join(wheeled), *arguments],
        cwd=cwd, env=environment, capture_output=True, text=True, check=False, timeout=600,
    )  # fmt: skip


def _fails(place: Place) -> None:
    place.result.rows.append({"what": "before"})
    raise ValueError("no such thing")


def _a_row_fails(place: Place) -> None:
    with place.row(what="first"):
        raise TypeError(f"{place.scratch}/sdxl: of this row alone")
    with place.row(what="second") as row:
        row["value"] = 1


def _is_cut(place: Place) -> None:
    with place.row(what="long"):
        try:
            raise OutOfTimeError("cut after 1 s")
        except OutOfTimeError as error:
            raise RunError(f"{place.scratch}/sdxl failed while it ran: {error}") from error


def _ends_without_time(place: Place) -> None:
    place.tiny, place.clock = False, Clock(-1)
    assert not place.has_time(5, "the third model")


def test_what_fails_or_is_cut_stands_in_the_file_and_the_rest_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: list[Any] = []

    def reads(_place: Place) -> None:
        seen.append(json.loads((tmp_path / "made.json").read_text()))

    made: dict[str, Callable[[Place], None]] = {
        "fails": _fails, "row": _a_row_fails, "cut": _is_cut, "late": _ends_without_time, "reads": reads,
    }  # fmt: skip
    monkeypatch.setattr(sections, "SECTIONS", {name: Section(go, 1) for name, go in made.items()})
    assert command.main([*TINY, str(tmp_path / "made.json")]) == 1
    document = json.loads((tmp_path / "made.json").read_text())
    fails, row, cut, late, _ = document["sections"]
    assert fails["error"]["type"] == "ValueError"
    assert "no such thing" in fails["error"]["traceback"]
    assert fails["rows"] == [{"what": "before"}]
    assert row["error"] is None
    assert row["rows"][0]["error"]["message"] == "sdxl: of this row alone", "no folder of the machine"
    assert [("error" in one, one.get("value")) for one in row["rows"]] == [(True, None), (False, 1)]
    assert cut["cut"] == ["long: cut after 1 s"]
    assert cut["rows"][0]["cut"] == "cut after 1 s", "as the engine tells it, too: time that is over is no failure"
    assert "error" not in cut["rows"][0]
    assert cut["error"] is None
    assert late["cut"] == ["the third model"]
    assert [one["name"] for one in seen[0]["sections"]] == list(made), "the file is whole after each section"
    assert capsys.readouterr().err.endswith("failed: fails, row\n")


def test_the_file_names_no_host_and_no_folder(tmp_path: Path) -> None:
    from tests.benchmarks.accelerator.machine import head

    text = json.dumps(head("cpu", tiny=True))
    assert not any(os.uname().nodename == word.strip('",') for word in text.split())
    assert str(ROOT) not in text


def test_sections_share_all_of_the_time() -> None:
    assert sum(section.share for section in sections.SECTIONS.values()) <= 520


def test_the_law_runs_on_toys(tmp_path: Path) -> None:
    assert command.main([*TINY, str(tmp_path / "made.json"), "--only", "law"]) == 0
    (section,) = json.loads((tmp_path / "made.json").read_text())["sections"]
    assert section["facts"]["equal"] == section["facts"]["rows"] == len(section["rows"])
    assert section["rows"][0]["plain twice"]
    assert section["rows"][0]["plain"]


def test_only_the_families_asked_for_are_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(law, "_measure", lambda *_: None)  # which rows there are, not what they say
    given = ["--only", "law", "--families", "sd3"]
    assert command.main([*TINY, str(tmp_path / "made.json"), *given]) == 0
    (section,) = json.loads((tmp_path / "made.json").read_text())["sections"]
    assert [row["family"] for row in section["rows"]] == ["sd3"]


@pytest.mark.parametrize("given", [("--only", "tempo"), ("--families", "sd9"), ("--models", "SD 9")])
def test_a_name_that_is_none_is_refused(tmp_path: Path, given: tuple[str, str]) -> None:
    with pytest.raises(SystemExit, match=f"no .* '{given[1]}'; there are"):
        command.main([*TINY, str(tmp_path / "made.json"), *given])


@dataclass(frozen=True)
class Event:
    """One of a profile's, as kineto gives it."""

    title: str
    begun: int
    correlation: int = 0
    kind: str = "DeviceType.CPU"

    def name(self) -> str:
        return self.title

    def start_ns(self) -> int:
        return self.begun

    def correlation_id(self) -> int:
        return self.correlation

    def device_type(self) -> str:
        return self.kind


def test_what_comes_after_the_last_step_is_not_counted_as_a_step() -> None:
    asked = [Event("cudaMemcpyAsync", at, number) for number, at in ((1, 5), (2, 15), (3, 25), (4, 35))]
    done = [Event("Memcpy DtoH (Device -> Pinned)", 40, number, "DeviceType.CUDA") for number in (1, 2, 3, 4)]
    whole, between, steps = counted([*asked, *done, *(Event(MARK, at) for at in (10, 20, 30))])
    assert (whole["Memcpy DtoH"], between["Memcpy DtoH"], steps) == (4, 2, 2), "a copy counts when it was asked for"


def test_nothing_is_imported_that_such_a_machine_lacks(tmp_path: Path) -> None:
    (tmp_path / "made.json").write_text(json.dumps({"sections": [{"name": "law", "rows": [], "facts": {"rows": 0}}]}))
    done = run_blocked("--print", str(tmp_path / "made.json"))
    assert done.returncode == 0, done.stderr
    assert "In all: rows 0." in done.stdout


@pytest.mark.slow
def test_the_whole_programme_runs_on_toys_in_a_copy_of_the_tree(tmp_path: Path) -> None:
    copy = tmp_path / "tree"
    for part in ("jupyter_latents", "tests"):
        shutil.copytree(ROOT / part, copy / part, ignore=shutil.ignore_patterns("__pycache__", "browser"))
    out = tmp_path / "made.json"
    done = run_blocked(*TINY, str(out), "--budget", "400", "--trace", str(tmp_path / "traces"), cwd=copy)
    assert done.returncode == 0, done.stderr
    document = json.loads(out.read_text())
    assert [section["name"] for section in document["sections"]] == list(sections.SECTIONS)
    assert all(section["error"] is None for section in document["sections"])
    assert "| SDXL, 1024 pixels | engine |" in printing.printed(document)
    assert any((tmp_path / "traces").iterdir())


def test_wheels_of_too_many_bytes_are_refused(tmp_path: Path) -> None:
    with (tmp_path / "large.whl").open("wb") as file:
        file.truncate(wheels.LIMIT + 1)
    with pytest.raises(SystemExit, match=r"20,000,001 bytes; 20,000,000 are allowed"):
        wheels.put_on_path(tmp_path, tmp_path / "libraries")


def test_a_folder_without_wheels_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="fetch them with --download"):
        command.main([*TINY, str(tmp_path / "made.json"), "--wheels", str(tmp_path)])


def test_the_page_holds_what_is_printed_of_the_committed_file() -> None:
    documents = [json.loads(file.read_text(encoding="utf-8")) for file in printing.files_of_the_repository()]
    page = PAGE.read_text(encoding="utf-8")
    assert page == printing.page_of(page, documents)


def test_no_committed_file_names_a_folder_of_a_machine() -> None:
    for file in printing.files_of_the_repository():
        text = file.read_text(encoding="utf-8")
        assert not any(start in text for start in ("/tmp/", "/home/", "/root/", "/work/", "/opt/", "/usr/"))


def test_a_page_is_printed_between_its_marks() -> None:
    page = f"above\n{printing.BEGIN}\nold\n{printing.END}\nbelow\n"
    again = printing.page_of(page, [{"sections": [], "date": "today"}, {"sections": [], "date": "tomorrow"}])
    assert again.index("Measured on today") < again.index("Measured on tomorrow")
    assert again.startswith("above\n")
    assert again.endswith("\nbelow\n")
    assert printing.page_of(again, []) == page.replace("old", printing.NONE)
