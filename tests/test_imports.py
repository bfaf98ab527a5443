"""Imports point one way, as the rooms are drawn, and loading the extension loads no torch."""

import ast
import graphlib
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "jupyter_latents"
TOP = "jupyter_latents"
# From the top down: a room may import what stands below it. The package's own `__init__` is the top.
ROOMS = [
    *(TOP, "__main__", "cli", "magics", "ahead", "config", "completer", "plain", "display", "session", "cluster"),
    *(
        "machine",
        "engine",
        "latents",
        "syntax",
        "pictures",
        "processing",
        "prompts",
        "optimizations",
        "stage",
        "addresses",
        "points",
    ),
    *("demo", "settings"),
    *("formats", "samplers", "paths", "stopping", "errors", "wording", "above", "threads"),
]
# Where less than "all below" is allowed.
NARROWER = {
    "syntax": {
        *("paths", "processing", "prompts", "optimizations", "stage", "points", "formats", "samplers", "errors"),
        *("wording", "threads"),
    },
    "latents": {"paths", "pictures", "stage", "formats", "errors", "wording", "above"},
    "cluster": {*("engine", "latents", "optimizations", "stage", "settings", "paths", "stopping", "errors", "threads")},
    "engine": {
        *("paths", "latents", "prompts", "optimizations", "stage", "points", "stopping", "errors", "wording", "demo"),
        *("processing", "settings"),
    },
    "ahead": {"engine", "settings", "stopping", "threads", "errors"},
    "magics": {
        *(
            "ahead",
            "config",
            "completer",
            "display",
            "session",
            "syntax",
            "stage",
            "formats",
            "paths",
            "stopping",
            "errors",
        ),
        "latents",
    },
    "pictures": {"paths", "stage", "addresses", "points", "formats", "samplers", "errors", "wording"},
    "processing": {"addresses", "formats", "errors"},
    "prompts": {"addresses", "errors", "wording"},
    "optimizations": {"addresses", "errors", "wording"},
    "stage": {"addresses", "points", "above"},
    "addresses": {"errors"},
    "points": {"errors"},
    "demo": {"errors"},
    "stopping": {"errors"},
    "errors": {"wording"},
    "wording": set(),
    "above": set(),
    "samplers": set(),
    "formats": set(),
    "paths": set(),
    "threads": set(),
    "settings": set(),
    "config": {"prompts", "settings"},
}
NOTEBOOK = {"IPython", "ipywidgets", "anywidget", "ipykernel", "comm", "traitlets"}
HEAVY = {"torch", "diffusers", "transformers", "accelerate", "safetensors", "numpy", "scipy", "PIL", "ray"}
NOT_FOR = {
    "errors": NOTEBOOK | HEAVY,
    "stopping": NOTEBOOK | HEAVY,
    "wording": NOTEBOOK | HEAVY,
    "above": NOTEBOOK | HEAVY,
    "formats": NOTEBOOK | HEAVY,
    "samplers": NOTEBOOK | HEAVY,
    "paths": NOTEBOOK | HEAVY,
    "threads": NOTEBOOK | HEAVY,
    "optimizations": NOTEBOOK | HEAVY,
    "processing": NOTEBOOK | (HEAVY - {"PIL", "numpy", "scipy"}),
    "prompts": NOTEBOOK | HEAVY,
    "stage": NOTEBOOK | HEAVY,
    "addresses": NOTEBOOK | HEAVY,
    "points": NOTEBOOK | HEAVY,
    "settings": NOTEBOOK | HEAVY,
    "config": HEAVY,
    "syntax": NOTEBOOK | HEAVY,
    "pictures": NOTEBOOK | (HEAVY - {"PIL", "numpy"}),
    "latents": NOTEBOOK | {"diffusers", "transformers"},
    "engine": NOTEBOOK,
    "plain": NOTEBOOK | HEAVY,
    "cli": NOTEBOOK | HEAVY,
    "__main__": NOTEBOOK | HEAVY,
    "magics": HEAVY,
    "ahead": HEAVY,
}


@dataclass(frozen=True)
class Import:
    """An import statement.

    Attributes:
        importer: Full name of the module it stands in.
        imported: Full name of what is imported; for ``from a import b`` it is ``a.b`` where that is a module.
        source: What it is taken from; for ``from a import b`` it is ``a``, whatever ``b`` is.
        line: Line number.
        for_types: Whether it is for type checkers only and never runs.
    """

    importer: str
    imported: str
    source: str
    line: int
    for_types: bool

    @property
    def root(self) -> str:
        return self.imported.partition(".")[0]

    def __str__(self) -> str:
        return f"{self.importer}:{self.line} imports {self.imported}"


def module_files(package: Path) -> dict[str, Path]:
    """Full module name to file for all modules of a package."""
    files = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package.parent).with_suffix("").parts
        files[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return files


def room_of(module: str) -> str:
    """The room of one of the package's modules."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else TOP


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) in {"TYPE_CHECKING", "typing.TYPE_CHECKING"}


def walk(node: ast.AST, for_types: bool = False) -> Iterator[tuple[ast.Import | ast.ImportFrom, bool]]:
    """All import statements below a node, and whether each is for type checkers only."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child, for_types
        yield from walk(child, for_types or is_type_checking(child))


def absolute(node: ast.ImportFrom, package: str) -> str:
    """Full name of the module that a ``from`` statement in a package names."""
    if not node.level:
        return str(node.module)
    base = package.split(".")[: len(package.split(".")) - node.level + 1]
    return ".".join([*base, *([node.module] if node.module else [])])


def imports_of(package: Path) -> list[Import]:
    """All imports of a package, lazy ones and those for type checkers too: naming a thing is knowing it."""
    files = module_files(package)
    found = []
    for importer, path in files.items():
        for node, for_types in walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names = {alias.name: alias.name for alias in node.names}
            else:
                source = absolute(node, importer if path.stem == "__init__" else importer.rpartition(".")[0])
                full = [f"{source}.{alias.name}" for alias in node.names]
                names = {name if name in files else source: source for name in full}
            found += [Import(importer, name, taken, node.lineno, for_types) for name, taken in names.items()]
    return found


def allowed_rooms(room: str) -> set[str]:
    below = set(ROOMS[ROOMS.index(room) + 1 :])
    return NARROWER.get(room, below) | {room}


def wrong_directions(imports: list[Import]) -> list[str]:
    ours = [i for i in imports if i.root == TOP]
    return [str(i) for i in ours if room_of(i.imported) not in allowed_rooms(room_of(i.importer))]


def cycles(imports: list[Import]) -> list[str]:
    """The modules of one circle of imports, lazy ones counted; empty where there is none.

    A package is a module of this graph too: whoever takes a name or a module from it waits until its `__init__` is
    there. Two threads that begin one circle in two places end in an ImportError. `jupyter_latents` itself is there
    before a second thread is.
    """
    graph: dict[str, set[str]] = {}
    for i in imports:
        if i.root == TOP and not i.for_types and i.importer != i.imported:
            graph.setdefault(i.importer, set()).update({i.imported, i.source} - {i.importer, TOP})
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        return list(error.args[1])
    return []


@pytest.fixture(scope="module")
def imports() -> list[Import]:
    return imports_of(PACKAGE)


def test_every_module_has_a_room() -> None:
    strangers = {module for module in module_files(PACKAGE) if room_of(module) not in ROOMS}
    assert strangers == set(), "give each a place in ROOMS, and in the design"


def test_narrower_rules_still_point_downward() -> None:
    for room, allowed in NARROWER.items():
        assert allowed <= set(ROOMS[ROOMS.index(room) + 1 :]), room


def test_imports_point_downward(imports: list[Import]) -> None:
    assert wrong_directions(imports) == []


def test_the_engine_is_known_by_its_seam_alone(imports: list[Import]) -> None:
    outside = [i for i in imports if room_of(i.importer) not in {"engine", TOP}]
    assert [str(i) for i in outside if i.imported.startswith(f"{TOP}.engine.")] == []
    assert {"session", "display"} <= {room_of(i.importer) for i in outside if i.imported == f"{TOP}.engine"}


def test_no_cycles(imports: list[Import]) -> None:
    assert cycles(imports) == []


@pytest.mark.parametrize("room", sorted(NOT_FOR))
def test_room_knows_no_library_above_it(room: str, imports: list[Import]) -> None:
    found = [
        str(i)
        for i in imports
        if room_of(i.importer) == room and i.root in NOT_FOR[room] and i.importer.startswith(TOP)
    ]
    assert found == []


def test_a_class_name_is_there_once() -> None:
    names: dict[str, list[str]] = {}
    for module, path in module_files(PACKAGE).items():
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                names.setdefault(node.name, []).append(module)
    assert {name: modules for name, modules in names.items() if len(modules) > 1} == {}


# The reader itself, on packages made for it.


def package_of(folder: Path, **sources: str) -> Path:
    package = folder / TOP
    package.mkdir()
    for name, source in sources.items():
        (package / f"{name}.py").write_text(source)
    return package


def test_lazy_upward_import_is_found(tmp_path: Path) -> None:
    package = package_of(tmp_path, latents="def f():\n    import jupyter_latents.session\n", session="")
    assert wrong_directions(imports_of(package)) == ["jupyter_latents.latents:2 imports jupyter_latents.session"]


def test_upward_import_for_types_is_found(tmp_path: Path) -> None:
    source = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from jupyter_latents import magics\n"
    package = package_of(tmp_path, engine=source, magics="")
    assert wrong_directions(imports_of(package)) == ["jupyter_latents.engine:3 imports jupyter_latents.magics"]


def test_relative_upward_import_is_found(tmp_path: Path) -> None:
    package = package_of(tmp_path, stage="from . import magics\nfrom .session import run\n", magics="", session="")
    assert wrong_directions(imports_of(package)) == [
        "jupyter_latents.stage:1 imports jupyter_latents.magics",
        "jupyter_latents.stage:2 imports jupyter_latents.session",
    ]


@pytest.mark.parametrize("lazy", ["", "def f():\n    ", "class A:\n    def f(self):\n        "])
def test_cycle_is_found_and_a_lazy_one_too(tmp_path: Path, lazy: str) -> None:
    source = f"{lazy}import jupyter_latents.stage\n"
    package = package_of(tmp_path, stage="import jupyter_latents.errors", errors=source)
    assert len(cycles(imports_of(package))) == 3
    (package / "errors.py").write_text("if TYPE_CHECKING:\n" + textwrap.indent(source, "    "))
    assert cycles(imports_of(package)) == []


def test_cycle_through_the_names_of_a_package_is_found(tmp_path: Path) -> None:
    package = package_of(tmp_path, stage="")
    (package / "engine").mkdir()
    (package / "engine" / "__init__.py").write_text("from jupyter_latents.engine.tap import tap\n")
    (package / "engine" / "tap.py").write_text("from jupyter_latents import stage\n")
    assert cycles(imports_of(package)) == []
    (package / "engine" / "tap.py").write_text("def tap():\n    from jupyter_latents.engine import other\n")
    assert len(cycles(imports_of(package))) == 3
    (package / "engine" / "other.py").touch()  # a module of the package: its names are waited for all the same
    assert len(cycles(imports_of(package))) == 3


# What loading loads.

IMPORT = "import jupyter_latents"
SEAM = "import jupyter_latents.engine, jupyter_latents.session"
LOAD_EXT = """
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
result = shell.run_cell("%load_ext jupyter_latents")
result.raise_error()
assert "dgen" in shell.magics_manager.magics["cell"], "no %%dgen after %load_ext"
"""
REPORT = """
import sys
print(*[name for name in {names!r} if name in sys.modules])
"""


@pytest.mark.parametrize("code", [IMPORT, SEAM, LOAD_EXT], ids=["import", "seam", "load_ext"])
def test_loading_imports_no_torch(code: str, tmp_path: Path) -> None:
    report = REPORT.format(names=["torch", "diffusers", "transformers", "accelerate", "scipy"])
    command = [sys.executable, "-c", code + report]
    finished = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert finished.returncode == 0, finished.stderr + finished.stdout
    assert finished.stdout.strip() == ""


def test_import_needs_no_ipython(tmp_path: Path) -> None:
    report = REPORT.format(names=["IPython", "ipywidgets", "anywidget"])
    command = [sys.executable, "-c", IMPORT + report]
    finished = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert finished.stdout.strip() == "", finished.stderr
