"""What the package says of itself: one place each, and what it imports is what it asks for."""

import re
import sys
import tomllib

from tests.test_imports import PACKAGE, TOP, imports_of

ROOT = PACKAGE.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
DISTRIBUTIONS = {"PIL": "pillow", "IPython": "ipython", "imageio_ffmpeg": "imageio-ffmpeg"}
BROUGHT = {"markupsafe"}  # by jinja2, of which it is a part


def asked_for(*extras: str) -> set[str]:
    lines = [*PROJECT["dependencies"], *(line for name in extras for line in PROJECT["optional-dependencies"][name])]
    return {re.split(r"[\[<>=;! ]", line, maxsplit=1)[0].lower().replace("_", "-") for line in lines}


def imported() -> set[str]:
    roots = {found.root for found in imports_of(PACKAGE) if "demo.training" not in found.importer}
    return {DISTRIBUTIONS.get(root, root.replace("_", "-")) for root in roots - sys.stdlib_module_names - {TOP}}


def test_what_is_imported_is_asked_for() -> None:
    extras = ("samplers", "film", "lora", "weights", "gguf", "cluster", "lab")
    assert imported() - asked_for(*extras) - BROUGHT == set()
    assert {"huggingface-hub", "traitlets"} <= asked_for()


def test_what_no_extra_should_need_is_no_dependency() -> None:
    assert not {"scipy", "torchsde", "ray", "peft", "compel", "imageio", "ftfy"} & asked_for()


def test_the_citation_says_what_the_project_says() -> None:
    said = (ROOT / "CITATION.cff").read_text("utf-8")
    for key, value in (("version", PROJECT["version"]), ("title", "jupyter_latents"), ("license", PROJECT["license"])):
        assert f"\n{key}: {value}\n" in said
    names = re.findall(r"^  - name: (.+)$", said, re.MULTILINE)
    assert names == [author["name"] for author in PROJECT["authors"]]
    assert f"abstract: {PROJECT['description']}\n" in said


def test_the_description_shows_no_picture_until_there_is_an_address() -> None:
    shown = re.findall(r"!?\[[^\]]*\]\((?!https?:)[^)]*\)", (ROOT / PROJECT["readme"]).read_text("utf-8"))
    assert "urls" in PROJECT or not shown
