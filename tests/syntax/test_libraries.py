"""Libraries that dgenerate's scripts call: glob, os.path and numpy, of which templates have functions alone."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from jupyter_latents.errors import JupyterLatentsError
from jupyter_latents.session.names.numbers import numbers
from jupyter_latents.syntax import Environment, parse


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
