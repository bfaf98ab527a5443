"""The pages of the documentation site: what they show runs, their tables are counted, and they are short."""

from __future__ import annotations

import importlib.util
import json
import math
import re
import sys
from pathlib import Path

import pytest
from PIL import Image

from tests.tables import memory
from tests.tiny import hub_cache
from tests.tiny.fixtures import _once

DOCS = Path(__file__).parent.parent / "docs"
README = DOCS.parent / "README.md"
PAGES = sorted(DOCS.glob("*.md"))
EXECUTED = (
    *("start", "own-models", "models-as-cells", "memory", "cooperative", "refiner", "hand-over", "latents"),
    *("comfyui-cells", "from-comfyui", "from-dgenerate", "from-diffusers", "glossary", "errors", "settings"),
    *("nothing-twice", "api", "panel", "sweeps"),
    *(
        "adapters",
        "back-to-noise",
        "clusters",
        "files",
        "front-ends",
        "help",
        "how-latents-flow",
        "metadata",
        "processors",
        "prompts",
    ),
    "shared-store",
)
OWN_TESTS = {"python", "schedules", "video", "performance"}
"""Pages whose snippets other tests run: tests/plain, tests/session; and one that is IPython's own ``%env``."""
ABOVE = {
    "adapters": """from PIL import Image
from diffusers import ControlNetModel
from tests.tiny import build, lora

unet = build("sdxl").unet
lora("style.safetensors", denoiser=unet)
ControlNetModel.from_unet(unet).save_pretrained("canny-sdxl")
Image.new("RGB", (64, 64), "teal").save("edges.png")
""",
    "back-to-noise": "final = jl.run('demo/scenes\\n--prompts sea --inference-steps 2 --seeds 1')",
    "files": """base = jl.run(
    "black-forest-labs/FLUX.1-dev\\n--prompts sea --inference-steps 2 --seeds 1 --output-size 64"
    " --denoising-end 0.5 --max-sequence-length 16"
)""",
    "front-ends": "text, seed, steps = 'a lighthouse; at night', 3, 2",
    "how-latents-flow": "import torch; my_module = torch.nn.Identity()",
    "metadata": "jl.run('demo/scenes\\n--prompts sea --inference-steps 2 --seeds 1').save('x.png')",
    "processors": "from PIL import Image; Image.new('RGB', (96, 128), 'teal').save('drawing.png')",
}
"""What a reader of a page has already."""
BELOW = {
    "how-latents-flow": "jl.register_converter('SD', 'SDXL', None)",
    "shared-store": "get_ipython().run_line_magic('dgen', '--store off')",
}
"""What would last beyond the page."""
STAND_INS = {
    "stabilityai/stable-diffusion-xl-base-1.0": "sdxl",
    "stabilityai/stable-diffusion-xl-refiner-1.0": "sdxl-refiner",
    "stabilityai/stable-diffusion-3-medium-diffusers": "sd3",
    "black-forest-labs/FLUX.1-dev": "flux",
    "Wan-AI/Wan2.1-T2V-1.3B-Diffusers": "wan21",
}
"""Published names on the pages, and the tiny models that stand for them here."""
SMALLER = (
    (r"--inference-steps \d+", "--inference-steps 10"),
    (r"num_inference_steps=\d+", "num_inference_steps=10"),
    (r"--output-size \S+", "--output-size 64"),
    (r"--num-frames \d+", "--num-frames 5"),
    (r"--max-sequence-length \d+", "--max-sequence-length 16"),
    (r"--denoising-(start|end) 24", r"--denoising-\1 8"),
    (r"torch\.randn\(1, 4, 128, 128", "torch.randn(1, 4, 32, 32"),
    (r" --executor ray", ""),  # see tests/cluster
    (r"--seeds 1 2 3 4", "--seeds 1 --inference-steps 4"),
    (r'pipe\("a lighthouse", ', 'pipe("a lighthouse", max_sequence_length=16, '),
    (r" --variant fp16", ""),  # tiny models have the plain files
)
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
_PROSE = re.compile(r"^```.*?^```|^\|.*?$|<!-- accelerator: begin.*accelerator: end -->", re.DOTALL | re.MULTILINE)


def text_of(name: str) -> str:
    return (DOCS / f"{name}.md").read_text(encoding="utf-8")


def small(block: str) -> str:
    for given, instead in SMALLER:
        block = re.sub(given, instead, block)
    return block


@pytest.fixture
def reader(
    shell: InteractiveShell,  # noqa: F821
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> InteractiveShell:  # noqa: F821
    """Somebody at a shell, with what the pages name in the folder and in the hub's cache."""
    from huggingface_hub import constants

    hub = _once(tmp_path_factory, "site-hub", lambda part: hub_cache(part, STAND_INS))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(hub))
    return shell


def others(shell: InteractiveShell) -> None:  # noqa: F821
    """Files that the reader has from elsewhere: a script, and a picture that tells how it was made."""
    Path("lighthouse.dgen").write_text("demo/scenes\n--prompts cat --inference-steps 1 --seeds 1\n")
    shell.run_cell(
        "%%dgen\ndemo/scenes\n--prompts cat --inference-steps 1 --seeds 1 --output-path . --output-prefix one\n"
    ).raise_error()
    (picture,) = Path().glob("*.png")
    picture.rename("ComfyUI_00042_.png")


def test_what_the_readme_and_the_package_say_runs(reader: InteractiveShell) -> None:  # noqa: F821
    for page in (README, DOCS / "site" / "package.md"):
        text = page.read_text(encoding="utf-8")
        assert "are variables: look at them, split, branch,\nblend and save them" in text
        for language, block in _BLOCK.findall(text):
            if language == "python" or block.startswith("%"):
                reader.run_cell(small(block)).raise_error()


@pytest.mark.parametrize("name", EXECUTED)
def test_what_a_page_shows_runs(name: str, reader: InteractiveShell) -> None:  # noqa: F821
    text = text_of(name)
    reader.run_cell(f"import jupyter_latents as jl\n{ABOVE.get(name, '')}").raise_error()
    if re.search(r"ComfyUI_\d+|lighthouse\.dgen", text):
        others(reader)
    for language, block in _BLOCK.findall(text):
        if language == "python" or block.startswith("%"):
            reader.run_cell(small(block)).raise_error()
    reader.run_cell(BELOW.get(name, "")).raise_error()


def test_all_pages_with_snippets_are_executed() -> None:
    showing = {
        page.stem
        for page in PAGES
        for language, block in _BLOCK.findall(page.read_text(encoding="utf-8"))
        if language == "python" or block.startswith("%")
    }
    assert showing == {*EXECUTED, *OWN_TESTS}


def test_every_published_name_stands_for_a_tiny_model() -> None:
    named = {
        line
        for text in map(text_of, EXECUTED)
        for line in re.findall(r"^([\w.-]+/[\w.-]+\d[\w.-]*)", text, re.MULTILINE)
    }
    assert {name for name in named if not name.startswith("demo/")} == set(STAND_INS)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_is_short_and_shows_something(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert len(_PROSE.sub("", text).split()) <= 900
    assert re.search(r"^!\[|^```|^\|", text, re.MULTILINE)


def test_the_tables_of_memory_are_counted() -> None:
    sizes, ways = memory.tables()
    assert sizes in text_of("memory")
    assert ways in text_of("memory")


@pytest.mark.parametrize("family", ["sdxl", "sd3", "flux", "wan21"])
def test_counting_gives_what_the_tiny_models_files_hold(family: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    from jupyter_latents.engine.models.files.weights import header

    hub = _once(tmp_path_factory, "site-hub", lambda part: hub_cache(part, STAND_INS))
    name = next(name for name, one in STAND_INS.items() if one == family).replace("/", "--")
    (index,) = hub.glob(f"models--{name}/snapshots/*/model_index.json")
    for config in index.parent.glob("*/config.json"):
        settings = json.loads(config.read_text())
        kind = settings.pop("_class_name", None) or settings["architectures"][0]
        counted = memory.values(kind, {key: one for key, one in settings.items() if not key.startswith("_")})
        (file,) = config.parent.glob("*.safetensors")
        assert counted == sum(math.prod(shape) for shape in header(file).values()), config.parent.name


def test_the_tree_of_errors_is_that_of_the_code() -> None:
    from jupyter_latents import errors

    (tree,) = re.findall(r"```\n(.*?)```", str(errors.__doc__), re.DOTALL)
    assert tree in text_of("errors")


def test_every_setting_is_listed() -> None:
    from jupyter_latents.config import JupyterLatents

    rows = [
        f"| `{name}` | `{trait.default()!r}` | {trait.help} |"
        for name, trait in JupyterLatents.class_own_traits(config=True).items()
    ]
    assert "\n".join(rows) in text_of("settings")


def test_every_public_name_has_its_place() -> None:
    import jupyter_latents

    shown = re.findall(r"^::: ([\w.]+)$", text_of("api"), re.MULTILINE)
    for path in shown:
        module, _, name = path.rpartition(".")
        assert hasattr(__import__(module, fromlist=[name]), name)
    names = {path.rpartition(".")[2] for path in shown}
    assert set(jupyter_latents.__all__) - names <= {
        "JupyterLatentsError", "load_ipython_extension", "unload_ipython_extension"
    }  # fmt: skip


def test_the_drawings_are_those_of_the_script() -> None:
    sys.path.insert(0, str(DOCS / "site"))
    try:
        import drawings
    finally:
        sys.path.remove(str(DOCS / "site"))
    for name, draw in drawings.DRAWINGS.items():
        assert (DOCS / "images" / f"{name}.svg").read_text(encoding="utf-8") == draw()


def test_a_notebooks_page_leads_back_to_the_site() -> None:
    pytest.importorskip("mkdocs")
    found = importlib.util.spec_from_file_location("hooks", DOCS / "site" / "hooks.py")
    assert found is not None
    assert found.loader is not None
    hooks = importlib.util.module_from_spec(found)
    found.loader.exec_module(hooks)
    page = hooks.with_way_back("<html><body class='x'>It runs.</body></html>")
    assert page.index("<body") < page.index("<nav") < page.index("It runs.")
    links = re.findall(r'href="\.\./([\w-]+)\.html', page)
    assert "start" in links
    assert all((DOCS / f"{name}.md").is_file() for name in links)


def test_the_moving_picture_moves_and_is_small() -> None:
    picture = DOCS / "images" / "two-models.webp"
    assert picture.stat().st_size < 100_000
    with Image.open(picture) as frames:
        assert frames.n_frames > 20


def test_links_lead_somewhere() -> None:
    """As the strict build has it, without MkDocs; headings too."""
    for page in [*PAGES, README]:
        text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
        for target, heading in re.findall(r"\]\((?!https?:)([^)#\s]*)#?([^)\s]*)\)", text):
            file = (page.parent / target).resolve() if target else page
            assert file.exists(), f"{page.name}: {target}"
            if heading:
                headings = re.findall(r"^#+ (.*)$", file.read_text(encoding="utf-8"), re.MULTILINE)
                slugs = {re.sub(r"[\s-]+", "-", re.sub(r"[^\w\s-]", "", line.lower()).strip()) for line in headings}
                assert heading in slugs, f"{page.name}: #{heading}"


def test_every_page_is_named_by_the_first() -> None:
    named = set(re.findall(r"\]\((?:\.\./)?([\w-]+)\.md", text_of("index")))
    assert {page.stem for page in PAGES} - named == {"index"}


def test_the_words_on_the_screen_are_those_of_the_code() -> None:
    package = DOCS.parent / "jupyter_latents"
    code = "\n".join(file.read_text("utf-8") for kind in ("*.py", "*.js") for file in package.rglob(kind))
    shown = text_of("glossary").partition("## On the screen")[2]
    for word in ("exact continuation", "Branch here", "model evaluations kept from before"):
        assert word in shown
        assert word in code
