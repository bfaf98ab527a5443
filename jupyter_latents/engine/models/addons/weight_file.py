"""The one weight file that an addon's address leads to, on this machine or on the hub."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from jupyter_latents.engine.models.addons.address import Location, OptionAddress, fault, locate
from jupyter_latents.engine.models.files.digests import FileMark, file_digest, marks_of
from jupyter_latents.engine.models.files.weights import header
from jupyter_latents.engine.models.places.hub import HubFiles
from jupyter_latents.stage import ModelSource

__all__ = ["WeightFile", "weight_file"]

_ENDINGS = (".safetensors", ".bin")
"""Of files that may be the one where none is named; the second where there are none of the first."""
_APART = ("scheduler", "optimizer", "checkpoint")
"""What is in the names of other files of a training, which diffusers passes over."""


@dataclass(frozen=True, slots=True)
class WeightFile:
    """A file of weights.

    Attributes:
        path: Where it is; of one that is on the hub alone, its name there.
        digest: Digest of its content; there, of what the hub calls it.
        hub: The file, where it is on the hub alone.
        root: The folder of the whole repository; that of the file where it was named itself.
        marks: Of the file here, as it was before its digest was taken.
    """

    path: Path
    digest: str
    hub: HubFiles | None = None
    root: Path = Path()
    marks: frozenset[FileMark] = frozenset()

    @property
    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        """Tensor name to shape; empty where only its content tells."""
        if self.hub is not None:
            return self.hub.shapes()
        return header(self.path) if self.path.suffix.lower() == ".safetensors" else {}


def weight_file(entry: OptionAddress, source: ModelSource, usual: tuple[str, ...]) -> WeightFile:
    """The file that an address leads to, with its ``weight-name``.

    Args:
        entry: The address.
        source: The stage's model, whose token and network are asked with.
        usual: What such files are called where nobody says.

    Raises:
        ModelError: It is nowhere, or its folder holds several files and none is named.
    """
    wanted = entry.get("weight-name")
    place = locate(entry, entry.name, source, (wanted,) if wanted else (*usual, *(f"*{one}" for one in _ENDINGS)))
    found = _file(entry, place, wanted, usual)
    if isinstance(found, HubFiles):
        return WeightFile(Path(found.names[0]), str(found), found, place.root)
    root = place.root if place.root.is_dir() else found.parent
    marks = marks_of([found])
    return WeightFile(found, file_digest(found), None, root, marks)


def _file(entry: OptionAddress, place: Location, wanted: str | None, usual: tuple[str, ...]) -> Path | HubFiles:
    """The file that an address leads to, here or on the hub."""
    folder = place.folder
    if folder is None:
        if wanted and Path(entry.name).name != wanted:
            raise fault(entry.dest, f"{entry.name} is a file, and weight-name={wanted} names another; take it away.")
        return place.path
    if wanted and (folder / wanted).is_file():
        return folder / wanted
    names = [path.name for path in folder.iterdir() if path.is_file()] if folder.is_dir() else []
    if not _fitting(names, wanted, usual):
        names = place.beside(folder)
    fitting = _fitting(names, wanted, usual)
    if len(fitting) == 1:
        here = folder / fitting[0]
        return here if here.is_file() else place.on_hub(folder, fitting)
    if wanted:
        raise fault(entry.dest, f"{entry.name} has no file {wanted}.")
    held = ", ".join(fitting) or "no .safetensors file"
    raise fault(entry.dest, f"{entry.name} holds {held}; name one with ;weight-name=FILE.")


def _fitting(names: Iterable[str], wanted: str | None, usual: tuple[str, ...]) -> list[str]:
    """Those of the names in a folder that can be the one: the one that is wanted, or all that it may have.

    As diffusers guesses (`diffusers.loaders.lora_base._best_guess_weight_name`), which takes the first of several.
    """
    found = sorted(names)
    if wanted:
        return [name for name in found if name == wanted]
    for ending in _ENDINGS:
        every = [name for name in found if name.endswith(ending) and "/" not in name]
        own = [name for name in every if not any(word in name for word in _APART)] or every
        if own:
            return [name for name in usual if name in own][:1] or [one for one in own if one.endswith(usual)] or own
    return []
