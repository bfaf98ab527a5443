"""Every snippet of the page about plain Python runs, one after another, and what it says is printed is printed."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from jupyter_latents.cli import main

PAGE = Path(__file__).parents[2] / "docs" / "python.md"
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)


def test_every_snippet_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "page"}
    printed = ""
    text = PAGE.read_text(encoding="utf-8")
    for found in _BLOCK.finditer(text):
        language, content = found.groups()
        line = text[: found.start()].count("\n") + 1
        if language == "python":
            exec(compile("\n" * line + content, str(PAGE), "exec"), names)
            printed = capsys.readouterr().out
        elif content.startswith("%%dgen"):
            assert printed == content
    assert Path("sunset.png").is_file()
    assert Path("step4.png").is_file()


def test_every_command_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    script = "demo/scenes\n--prompts cat --inference-steps 1 --seeds 1 --into base\n"
    for name in ("lighthouse", "first"):
        Path(f"{name}.dgen").write_text(script)
    Path("second.dgen").write_text("demo/paper\n--prompts cat --inference-steps 4 --image-seeds base\n")
    (block,) = [
        content for _, content in _BLOCK.findall(PAGE.read_text(encoding="utf-8")) if "jupyter latents" in content
    ]
    for line in block.splitlines():
        words = shlex.split(line, comments=True)
        if words[0] == "echo":
            (tmp_path / "in").write_text(words[1])
            with (tmp_path / "in").open() as file:
                monkeypatch.setattr("sys.stdin", file)
                assert main(words[words.index("latents") + 1 :]) == 0
        else:
            assert main(words[2:]) == 0, line
    assert list(Path("out").iterdir())
    assert list(Path("kept").iterdir())
