"""What MkDocs is told beside `mkdocs.yml`: pages from outside of `docs/`, and links to them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[2]
NOTEBOOKS = ROOT / "build" / "docs-notebooks"
_OUTSIDE = re.compile(r"\]\(\.\./(?:notebooks/([\w-]+)\.ipynb|(CHANGELOG)\.md)\)")


def on_files(files: Files, config: Any) -> Files:
    """Adds the changelog and the executed notebooks, which `make docs` writes first."""
    files.append(File.generated(config, "changelog.md", content=(ROOT / "CHANGELOG.md").read_text("utf-8")))
    for source in sorted((ROOT / "notebooks").glob("*.ipynb")):
        page = NOTEBOOKS / source.stem / f"{source.stem}.html"
        files.append(File.generated(config, f"notebooks/{page.name}", content=page.read_bytes()))
    config["nav"] = _whole(config["nav"], {file.src_uri for file in files.documentation_pages()})
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Lets links to what lies beside `docs/` lead to its page here."""
    return _OUTSIDE.sub(lambda found: f"](notebooks/{found[1]}.html)" if found[1] else "](changelog.md)", markdown)


def _whole(nav: list[Any], pages: set[str]) -> list[Any]:
    """The navigation without pages that are not there, and with all that are."""
    found, named = [], set()
    for section in nav:
        ((title, entries),) = section.items()
        there = [one for one in entries if isinstance(one, dict) or one in pages]
        named |= {one if isinstance(one, str) else next(iter(one.values())) for one in there}
        found.append({title: there})
    guides = next(section["Guides"] for section in found if "Guides" in section)
    guides += sorted(pages - named)
    return found
