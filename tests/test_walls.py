"""What a room may not say: HTML is made in display/ alone, and options are spelled where scripts are read."""

from __future__ import annotations

import ast
import re
from collections import Counter
from pathlib import Path

PACKAGE = Path(__file__).parent.parent / "jupyter_latents"
HTML = re.compile(r"</?(?:div|span|table|thead|tbody|tr|td|th|img|p|b|ul|li|style|script|details)\b[^<]*>")


def texts(path: Path) -> list[str]:
    """All string literals of a module but its docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    bare = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in bare
    ]


def modules_with(pattern: re.Pattern[str], *rooms: str) -> set[str]:
    """The modules of some rooms that hold a text in which a pattern is found."""
    paths = [path for room in rooms for path in (PACKAGE / room).rglob("*.py")]
    found = [path for path in paths if any(pattern.search(text) for text in texts(path))]
    return {path.relative_to(PACKAGE).as_posix() for path in found}


def test_html_is_made_in_display_alone() -> None:
    makers = modules_with(HTML, "")
    assert makers, "the reader finds what there is"
    assert {path for path in makers if not path.startswith("display/")} == set()


SPELLED = re.compile(r"(?<![\w-])--(?!include)[a-z][a-z-]+")  # --include is an option of the hub's own command


def test_the_engine_and_latents_spell_no_options() -> None:
    assert modules_with(SPELLED, "engine", "latents") == set()


def test_no_folder_holds_more_than_twenty_modules() -> None:
    folders = Counter(path.parent.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py"))
    assert {folder: count for folder, count in folders.items() if count > 20} == {}, "give some of them a room"
