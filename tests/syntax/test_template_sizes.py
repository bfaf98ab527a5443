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
        *((f"format_dtype('{name}')", name) for name in ("auto", "float16", "bfloat16", "float32")),
        ("format_dtype(' BFloat16 ')", "bfloat16"),
        ("format_dtype('half')", "float16"),
        ("format_model_type('SDXL')", "sdxl"),
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


@pytest.mark.parametrize("given", [None, "'fp17'", "''", "16"])
def test_what_is_no_dtype_is_refused_as_in_dgenerate(given: str | None) -> None:
    with pytest.raises(JupyterLatentsError, match="is no dtype; known are auto, float16, bfloat16, float32"):
        printed(f"format_dtype({given})")


def test_what_is_no_model_type_is_refused() -> None:
    with pytest.raises(JupyterLatentsError, match="'sdxxl' is no model type; known are sd, sdxl"):
        printed("format_model_type('sdxxl')")
    assert printed("format_model_type(last_model_type)") == "auto"


def test_a_dtype_that_was_given_is_told_by_its_full_name(tmp_path: Path) -> None:
    lines: list[str] = []
    script = "demo/scenes --prompts a --dtype HALF\n\\print {{ format_dtype(last_dtype) }}"
    for _ in Script(script).invocations(Environment(environ={}, print=lines.append)):
        pass
    assert "".join(lines) == "float16"


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
