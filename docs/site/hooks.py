"""What MkDocs is told beside `mkdocs.yml`: pages from outside of `docs/`, and links to them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[2]
NOTEBOOKS = ROOT / "build" / "docs-notebooks"
_OUTSIDE = re.compile(r"\]\(\.\./(?:notebooks/([\w-]+)\.ipynb|(CHANGELOG)\.md)\)")
_BACK = {
    "jupyter_latents": "index.html",
    "Start": "start.html",
    "Your own models": "own-models.html",
    "Guides": "index.html#guides",
    "Glossary": "glossary.html",
}


def on_files(files: Files, config: Any) -> Files:
    """Adds the changelog and the executed notebooks, which `make docs` writes first."""
    changes = (ROOT / "CHANGELOG.md").read_text("utf-8").replace("](docs/", "](")
    files.append(File.generated(config, "changelog.md", content=changes))
    for source in sorted((ROOT / "notebooks").glob("*.ipynb")):
        page = NOTEBOOKS / source.stem / f"{source.stem}.html"
        html = with_way_back(page.read_text("utf-8"))
        files.append(File.generated(config, f"notebooks/{page.name}", content=html.encode()))
    config["nav"] = _whole(config["nav"], {file.src_uri for file in files.documentation_pages()})
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Lets links to what lies beside `docs/` lead to its page here."""
    return _OUTSIDE.sub(lambda found: f"](notebooks/{found[1]}.html)" if found[1] else "](changelog.md)", markdown)


def with_way_back(html: str) -> str:
    """A notebook's page, which is nbconvert's, with links to the site's own pages above."""
    links = " · ".join(f'<a href="../{page}">{title}</a>' for title, page in _BACK.items())
    bar = f'<nav style="padding:12px 24px;font:16px sans-serif;border-bottom:1px solid #8884">{links}</nav>'
    return re.sub(r"(<body[^>]*>)", lambda body: body[1] + bar, html, count=1)


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
