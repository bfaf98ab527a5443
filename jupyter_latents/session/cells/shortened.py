"""A stage as it may leave this machine: paths of its own as names, no token, and what is then to be filled in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import PurePosixPath, PureWindowsPath
from types import MappingProxyType
from urllib.parse import urlsplit, urlunsplit

from jupyter_latents.pictures.metadata.recipe import fill_in
from jupyter_latents.session.plans.veils import rewrite
from jupyter_latents.stage import Address, LatentsProcessor, ModelSource, Output, Reference, Stage
from jupyter_latents.syntax import Environment
from jupyter_latents.syntax.compose import plain_dollars
from jupyter_latents.syntax.templates.marks import mark, named, unveil, veil, veiled_names

__all__ = ["as_script", "is_absolute", "public_name", "public_reference", "public_stage"]

_NAME = mark("name")


def as_script(stage: Stage, environment: Environment) -> Stage:
    r"""A stage whose texts stand as in a script: ``$NAME`` for values of the environment, ``\$NAME`` for that text.

    Args:
        stage: The stage, its values veiled or real.
        environment: Of its script.
    """
    written: Stage = rewrite(stage, partial(_as_script, environment))
    return written


def _as_script(environment: Environment, text: str) -> str:
    veiled = environment.values.veiled_again(text)
    known = bool(veiled_names(veiled))
    pieces = unveil(veiled, lambda name, _part: f"{_NAME}{name}{_NAME}").split(_NAME)
    plain = [plain_dollars(piece, named=known) for piece in pieces[::2]]
    return named(plain[0] + "".join(veil(name) + rest for name, rest in zip(pieces[1::2], plain[1:], strict=True)))


def is_absolute(path: str) -> bool:
    """Whether a path of any system begins at its root."""
    return PurePosixPath(path).is_absolute() or PureWindowsPath(path).is_absolute() or path.startswith("\\\\")


def public_name(path: str) -> str:
    """The name alone of a file or folder whose path is absolute; anything else as it is."""
    if not is_absolute(path):
        return path
    return (PurePosixPath(path).name if path.startswith("/") else PureWindowsPath(path).name) or "folder"


def public_reference(reference: Reference) -> Reference:
    """What an image seed names without absolute paths, and addresses without their passwords and queries."""
    if reference.kind == "url":
        parts = urlsplit(reference.text)
        host = parts.netloc.rpartition("@")[2]
        return replace(reference, text=urlunsplit((parts.scheme, host, parts.path, "", "")))
    return replace(reference, text=public_name(reference.text)) if reference.kind == "path" else reference


def public_stage(stage: Stage, weights: str) -> tuple[Stage, tuple[str, ...]]:
    """A stage without absolute paths, token and force, and what is to be filled in of it.

    Args:
        stage: The stage; what its image seed names stays.
        weights: Digest of its model's weights.
    """
    model, remarks = _model(stage.model, weights)
    output = stage.output
    if output.path is not None and is_absolute(output.path):
        output = replace(output, path=None)
    output = output if output.path is not None or output.format is not None else Output()
    made: Stage = replace(stage.relinked(partial(_link, remarks)), model=model, output=output, force=False)
    return made, tuple(remarks)


def _link(remarks: list[str], link: LatentsProcessor) -> LatentsProcessor:
    """A latents processor whose network is named without an absolute path."""
    file = link.arguments.get("model", "")
    name = public_name(file)
    if name == file:
        return link
    remarks.append(fill_in(name, "the file or folder of that name"))
    return replace(link, arguments=MappingProxyType({**link.arguments, "model": name}))


def _model(model: ModelSource, weights: str) -> tuple[ModelSource, list[str]]:
    remarks: list[str] = []

    def short(path: str, why: str) -> str:
        name = public_name(path)
        if name != path:
            remarks.append(fill_in(name, why))
        return name

    name = short(model.name, f"the model's file or folder; digest of its weights {weights}")
    made = model.readdressed(partial(_address, short=partial(short, why="the file or folder of that name")))
    return replace(made, name=name, auth_token=None), remarks


def _address(address: Address, short: Callable[[str], str]) -> Address:
    settings = {key: short(value) for key, value in address.settings.items()}
    return Address(short(address.name), MappingProxyType(settings))
