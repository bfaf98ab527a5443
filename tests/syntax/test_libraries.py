"""Libraries that dgenerate's scripts call: glob, os.path and numpy, of which templates have functions alone."""

from __future__ import annotations

import glob
import itertools
import os
from pathlib import Path

import numpy as np
import pytest

from jupyter_latents.errors import JupyterLatentsError, StoppedError
from jupyter_latents.session.names.numbers import numbers
from jupyter_latents.syntax import Environment, parse
from jupyter_latents.syntax.text.file_search import search


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("b.png", "a.png", "c.txt"):
        (tmp_path / name).write_text("x")
    return tmp_path


def said(text: str) -> list[str]:
    lines: list[str] = []
    parse(text, Environment(print=lines.append, modules={"numpy": numbers()}))
    return lines


def test_glob_lists_files_in_order(files: Path) -> None:
    assert said("\\print {{ quote(glob.glob('*.png')) }}") == ["'a.png' 'b.png'"]
    assert said("{% for file in glob.iglob('*.png') %}\n\\print <{{ file }}>\n{% endfor %}") == ["<a.png>", "<b.png>"]
    assert said("\\setp found glob.glob('*')\n\\print {{ found | length }}") == ["3"]
    assert said("\\print {{ glob.glob('*.gif') }}") == ["[]"]
    made = parse("m --prompts p --image-seeds {{ quote(glob.glob('*.png')) }}", Environment())
    assert len(made[0].values["image_seeds"]) == 2
    assert said("\\print {{ unquote('x *.png', expand=True) | join(' ') }}") == ["x a.png b.png"]
    assert (files / "a.png").exists()


def test_paths_are_put_together(files: Path) -> None:
    assert said("\\print {{ os.path.join(os.path.abspath('.'), 'output') }}") == [str(files / "output")]
    assert said("\\setp name os.path.splitext('a/b.png')\n\\print {{ name[0] }}") == ["a/b"]
    assert said("\\print {{ os.path.exists('a.png') }} {{ os.path.exists('z.png') }}") == ["True False"]


def test_numpy_makes_sigmas() -> None:
    levels = "np.exp(np.linspace(np.log(14.0), np.log(0.002), steps)) * 0.95"
    text = f"\\import numpy as np\n\\setp steps 5\n\\print {{{{ csv({levels}) }}}}"
    right = np.exp(np.linspace(np.log(14.0), np.log(0.002), 5)) * 0.95
    assert said(text) == [",".join(map(str, right))]
    assert said("\\import numpy as np\n\\print {{ np.sum(np.concatenate([np.ones(3), np.full((2,), 2)])) }}") == ["7.0"]
    assert said("\\import numpy\n\\setp x numpy.arange(0, 3) ** 2\n\\print {{ x.tolist() }}") == ["[0, 1, 4]"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{{ glob.os }}", "'glob.os' is not here"),
        ("{{ os.system('ls') }}", "'os.system' is not here"),
        ("{{ os.environ }}", "'os.environ' is not here"),
        ("{{ os.path.glob('x') }}", "'os.path.glob' is not here"),
        ("{{ os.path.os.remove('x') }}", "'os.path.os' is not here"),
        ("{{ glob.glob.__globals__ }}", "are private"),
        ("{{ glob.__class__ }}", "are private"),
        ("{{ glob.functions() }}", "'glob.functions' is not here"),
        ("\n\\import os", "there is \\\\import numpy as NAME"),
        ("\n\\import numpy as glob", "is kept by the language"),
        ("\n\\import numpy as np\n\\print {{ np.fromfile('x') }}", "'numpy.fromfile' is not here"),
        ("\n\\import numpy as np\n\\print {{ np.linspace(0, 1, 10000000) }}", "are the most here"),
        ("\n\\import numpy as np\n\\print {{ np.array('x') }}", "it takes numbers"),
        ("\n\\import numpy as np\n\\print {{ np.ones((20000, 20000)) }}", "are the most here"),
        ("\n\\import numpy as np\n\\print {{ np.arange(0, 1, 0.0000001) }}", "are the most here"),
        ("\n\\import numpy as np\n\\print {{ np.linspace(np.ones(1000), 1, 10000) }}", "are the most here"),
        ("\n\\import numpy as np\n\\print {{ np.maximum(np.ones((5000, 1)), np.ones((1, 5000))) }}", "are the most"),
        ("\n\\set glob x", "is kept by the language"),
    ],
)
def test_nothing_else_of_them_is_within_reach(text: str, says: str) -> None:
    with pytest.raises(JupyterLatentsError, match=says):
        said(f"\\print {text}")


def test_the_environments_values_are_not_handed_to_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HIDDEN_FOLDER", "secret")
    environment = Environment(environ=os.environ, veils=True)
    with pytest.raises(JupyterLatentsError, match="HIDDEN_FOLDER"):
        parse("\\print {{ glob.glob(env.HIDDEN_FOLDER) }}", environment)


def test_a_search_in_folders_finds_what_glob_finds_and_can_be_stopped(files: Path) -> None:
    for path in ("a/b/c.png", "a/.hidden/x.png", "b/c/d/e.png", ".hidden.png", "b/[q].png"):
        (files / path).parent.mkdir(parents=True, exist_ok=True)
        (files / path).touch()
    parts = ("*", "**", "a", "b", "*.png", "?", ".", "[ab]", "", ".*", "[[]q].png", "c.txt")
    for pattern in {"/".join(chosen) for size in (1, 2, 3) for chosen in itertools.product(parts, repeat=size)} - {""}:
        if pattern.startswith("/") or "//" in pattern:
            continue
        for recursive in (False, True):
            found = sorted(search(pattern, lambda: None, recursive=recursive))
            likened = {one for one in glob.glob(pattern, recursive=recursive) if os.path.lexists(one)}  # noqa: PTH207 - what it is like
            assert found == sorted(likened)  # glob tells of c.txt/** as of a folder
    entered: list[str] = []

    def check() -> None:
        entered.append("")
        if len(entered) == 3:
            raise StoppedError("stop")

    with pytest.raises(StoppedError):
        parse("\\print {{ glob.glob('./**', recursive=True) }}", Environment(print=entered.append, check=check))
    assert len(entered) == 3
