"""Sizes and lists in templates, under dgenerate's names."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from jupyter_latents import machine
from jupyter_latents.errors import JupyterLatentsError
from jupyter_latents.session.names.sizes import file_size
from jupyter_latents.syntax import Environment, Script


def printed(expression: str) -> str:
    lines: list[str] = []
    environment = Environment(environ={}, print=lines.append, picture_size=file_size)
    for _ in Script(f"\\print {{{{ {expression} }}}}").invocations(environment):
        pass
    return "".join(lines)


@pytest.mark.parametrize(
    ("expression", "made"),
    [
        ("align_size('700x513', 64)", "640x512"),
        ("align_size((700, 513), 8, format_size=False)", "[696, 512]"),
        ("align_size('700', 64)", "640x640"),
        ("pow2_size('700x500')", "512x512"),
        ("size_is_aligned('512x640', 64)", "True"),
        ("size_is_aligned('500', 64)", "False"),
        ("size_is_pow2('512x1024')", "True"),
        ("size_is_pow2((0, 6))", "False"),
        ("csv([1, 2, 'a'])", "1,2,a"),
        ("format_dtype('float16')", "float16"),
        ("have_mps()", "False"),
        ("have_xpu()", "False"),
        ("default_device()", "cpu"),
    ],
)
def test_sizes_and_lists_are_worked_out(expression: str, made: str) -> None:
    assert printed(expression) == made


def test_a_picture_says_its_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (30, 20)).save("a.png")
    assert printed("image_size('a.png')") == "30x20"
    assert printed("image_size('a.png', format_size=False)[0]") == "30"
    with pytest.raises(JupyterLatentsError):
        printed("image_size('none.png')")


@pytest.mark.parametrize("expression", ["align_size('wide', 8)", "align_size('64', 0)", "pow2_size(3)"])
def test_what_is_no_size_is_refused(expression: str) -> None:
    with pytest.raises(JupyterLatentsError):
        printed(expression)


def test_the_device_is_the_best_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "have_cuda", lambda *_: False)
    monkeypatch.setattr(machine, "have_xpu", lambda *_: False)
    monkeypatch.setattr(machine, "have_mps", lambda *_: True)
    assert machine.default_device() == "mps"


@pytest.mark.parametrize(
    ("expression", "made"),
    [
        ("image_width('a.png') * 2", "60"),
        ("image_height('a.png')", "20"),
        ("scale_size('a.png', 2)", "60x40"),
        ("scale_size('1024x768', 0.5)", "512x384"),
        ("scale_size('512x768', (2, 1))", "1024x768"),
        ("scale_size('512x768', '1x2', format_size=False)", "[512, 1536]"),
    ],
)
def test_sizes_of_pictures_are_scaled(
    expression: str, made: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (30, 20)).save("a.png")
    assert printed(expression) == made


@pytest.mark.parametrize("scale", ["0", "'x'", "1e9", "(1, 2, 3)"])
def test_what_is_no_scale_is_refused(scale: str) -> None:
    with pytest.raises(JupyterLatentsError):
        printed(f"scale_size('64x64', {scale})")
