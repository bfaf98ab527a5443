"""Options of the magic's own line: ``%%dgen --dry-run``, ``%dgen --file script.dgen``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from jupyter_latents.syntax.text.located import Locator

from . import parsers

__all__ = ["MAGIC_NAMES", "MAGIC_OPTIONS", "MagicOption", "MagicOptions"]


@dataclass(frozen=True, slots=True)
class MagicOptions:
    """What the magic's line says.

    Attributes:
        dry_run: Show the plan and run nothing.
        background: Return at once and run in the background.
        preview_every: Show a preview each so many steps; 0 for none, None for the default.
        preview_vae: A tiny autoencoder that makes the previews; None for what the settings say.
        file: Run this file instead of the cell.
        origin: Put the cell that makes this picture after the present one.
        help: Show help; the text names an option, empty for all of it, None for no help.
        verbose: Let libraries say all they have to say.
        force: Run again, even where kept results would answer.
        panel: Show the control panel, filled from the cell.
        models: List the models that the session holds.
        unload: Let go of this model, empty for all, None for none.
        store: Folder to keep results in from now on; ``off`` for none.
        executor: Where stages run from now on; None where it does not say.
        arguments: Words put at the end of every invocation, such as ``--output-path out`` (``injected_args``).
    """

    dry_run: bool = False
    background: bool = False
    preview_every: int | None = None
    preview_vae: str | None = None
    file: str | None = None
    origin: str | None = None
    help: str | None = None
    verbose: bool = False
    force: bool = False
    panel: bool = False
    models: bool = False
    unload: str | None = None
    store: str | None = None
    executor: str | None = None
    arguments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MagicOption:
    """One row of the table.

    Attributes:
        names: The long name first.
        dest: Field of MagicOptions.
        metavar: Name of the value; empty for a switch.
        parse: How the value is read.
        help: What it does.
        optional: Whether the value may be left out.
        completion: What the value completes to.
        choices: Values to offer.
    """

    names: tuple[str, ...]
    dest: str
    metavar: str
    parse: parsers.Parser
    help: str
    optional: bool = False
    completion: str = ""
    choices: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The long name."""
        return self.names[0]


def _preview(value: str, locate: Locator) -> int:
    if value.lower() in {"off", "none"}:
        return 0
    steps: int = parsers.whole(1, "steps, or off")(value, locate)
    return steps


def _about(value: str, _locate: Locator) -> str:
    return value


MAGIC_OPTIONS: tuple[MagicOption, ...] = (
    MagicOption(("--dry-run", "-n"), "dry_run", "", _about, "Show the plan: stages, windows, memory. Nothing runs."),
    MagicOption(("--background", "-b"), "background", "", _about, "Return at once; the run goes on in the background."),
    MagicOption(
        ("--preview-every",), "preview_every", "N", _preview,
        "Show a preview every N steps, or off. Default: often enough to watch, seldom enough to cost nothing.",
        choices=("1", "5", "off"),
    ),
    MagicOption(
        ("--preview-vae",), "preview_vae", "NAME", parsers.text,
        "A tiny autoencoder that makes the previews: a folder, a decoder file of the TAESD family, a name in the hub's "
        "cache; auto for the published one of the latents' space where it is on this machine, off for none. "
        "Default: that of %config JupyterLatents.preview_vae, or auto.",
        completion="path", choices=("auto", "off"),
    ),
    MagicOption(("--file",), "file", "NAME", parsers.text, "Run a script file.", completion="path"),
    MagicOption(
        ("--from",), "origin", "PICTURE", parsers.text,
        "Put the cell that makes this picture after this one: pictures written here, and those of other programs.",
        completion="path",
    ),
    MagicOption(
        ("--help", "-h"), "help", "OPTION", _about,
        "Show this help, or the help of one option: --help denoising-end.", optional=True, completion="option",
    ),
    MagicOption(("--verbose", "-v"), "verbose", "", _about, "Let the libraries say all they have to say."),
    MagicOption(("--panel",), "panel", "", _about, "Show the control panel: the same with the mouse."),
    MagicOption(("--models",), "models", "", _about, "List what is loaded: parts, sizes, where, last use."),
    MagicOption(
        ("--unload",), "unload", "MODEL", _about, "Let go of one model, or of all.", optional=True, completion="model",
    ),
    MagicOption(
        ("--store",), "store", "DIR", parsers.text,
        "Keep results in this folder from now on, so that another kernel repeats none; off for none.",
        completion="path",
    ),
    MagicOption(
        ("--executor",), "executor", "WHERE", parsers.text,
        "Run stages there from now on: local, ray for several workers on this machine, or the HOST:PORT of a Ray "
        "cluster's head.",
        choices=("local", "ray"),
    ),
    MagicOption(("--force", "-f"), "force", "", _about, "Run again, even where kept results would answer."),
)  # fmt: skip
"""Every option of the magic's line, in the order of help."""

MAGIC_NAMES: Mapping[str, MagicOption] = {name: option for option in MAGIC_OPTIONS for name in option.names}
