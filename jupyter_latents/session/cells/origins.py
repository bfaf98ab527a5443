"""What this session knows of how latents came to be."""

from __future__ import annotations

import hashlib
import threading
import weakref
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from jupyter_latents.formats import endings
from jupyter_latents.paths import opened
from jupyter_latents.pictures.reading import is_image
from jupyter_latents.session.cells.operations import expression_of
from jupyter_latents.session.cells.shortened import public_name, public_reference, public_stage
from jupyter_latents.session.cells.sources import Brought, Derived, Elsewhere, FromStage, Going, Source, depth_of
from jupyter_latents.session.names.kinds import is_list
from jupyter_latents.stage import Reference, Stage, Window
from jupyter_latents.syntax.compose import done_fraction

if TYPE_CHECKING:
    from jupyter_latents.engine import StageResult
    from jupyter_latents.latents.facts import Provenance
    from jupyter_latents.latents.value import Latents

__all__ = ["Origins"]

_DEEPEST = 64
"""Stages and operations one upon the other that a cell holds; what was before is latents from elsewhere."""
_BLOCK, _MOST_FILES = 1 << 20, 1_000


@dataclass(frozen=True, slots=True)
class _Entry:
    """What made latents, and how its schedule counts.

    Attributes:
        source: What made them.
        reached: The step at which the stage ends.
        rule: See `StageResult`.
        train_timesteps: See `StageResult`.
    """

    source: FromStage
    reached: int
    rule: str
    train_timesteps: int


class Origins:
    """Knows of each result of this session, as long as somebody holds it, what made it.

    Args:
        found: The latents of a digest, as far as somebody holds them.
    """

    def __init__(self, found: Callable[[str], Latents | None]) -> None:
        self._found = found
        self._made: weakref.WeakKeyDictionary[Latents, _Entry] = weakref.WeakKeyDictionary()
        self._derived: dict[str, Source] = {}
        self._files: dict[str, FromStage] = {}
        self._lock = threading.RLock()  # the kernel asks while a background run keeps

    def keep(self, stage: Stage, given: Stage, result: StageResult, value: Callable[[Reference], Any]) -> None:
        """Remembers what a stage made, before the latents of its digests are taken for those.

        Args:
            stage: The stage as its script says it.
            given: The same with the environment's values.
            result: What it made.
            value: What a name of its image seed stands for.
        """
        origin = result.latents.provenance
        public, remarks = public_stage(stage, origin.revision)
        seed = stage.seed if stage.seed is not None or _own_seed(given, value) else origin.seed
        inputs = self._inputs(stage, given, value)
        source = FromStage(replace(public, seed=seed), remarks, origin.revision, MappingProxyType(inputs))
        entry = _Entry(source, result.span.end, result.rule, result.train_timesteps)
        with self._lock:
            for latents in result.latents.trajectory:
                before = latents.position is None or latents.position.step <= result.span.start
                known = self._made.get(self._found(latents.digest) or latents) if before else entry
                if known is not None:  # the steps before are of the stage that it went on from
                    self._made[latents] = known
            self._made[result.latents] = entry

    def wrote(self, files: Iterable[str], latents: Latents) -> None:
        """Remembers whose latents the files hold that were just written; pictures are inputs of their own.

        Args:
            files: The files.
            latents: What was written.
        """
        entry = self._made.get(latents)
        if entry is None:
            return
        for file in files:
            if file.lower().endswith(endings("latents")):
                self._files[_digest_of_file(Path(file))] = entry.source
        while len(self._files) > _MOST_FILES:
            del self._files[next(iter(self._files))]

    def of(self, latents: Latents) -> Source:
        """What made latents.

        Args:
            latents: Any.
        """
        with self._lock:
            return self._of(latents.digest, latents.provenance, latents, frozenset())

    def _of(self, digest: str, origin: Provenance, latents: Latents | None, above: frozenset[str]) -> Source:
        """What made latents, which may be gone.

        Args:
            digest: Tells them from others.
            origin: What they say of themselves.
            latents: The latents.
            above: Digests of what was made of them: an operation may leave values as they were.
        """
        known = latents if latents is not None and latents in self._made else self._found(digest)
        entry = self._made.get(known) if known is not None else None
        if known is not None and entry is not None:
            return self._at(known, entry)
        if digest not in self._derived:
            self._derived[digest] = self._operation(digest, origin, above | {digest})
            while len(self._derived) > _MOST_FILES:
                del self._derived[next(iter(self._derived))]
        return self._derived[digest]

    def _operation(self, digest: str, origin: Provenance, above: frozenset[str]) -> Source:
        """The operation that made latents, where all that it was made of is known."""
        from jupyter_latents.latents.operations.lineage import provenance_at

        if not origin.parents or origin.operation in ("denoise", "load") or len(above) > _DEEPEST:
            return Elsewhere(digest, _told(digest, origin))
        sources: list[Source] = []
        for parent in origin.parents:
            found = self._found(parent)
            before = found.provenance if found is not None else provenance_at(parent)
            if before is None or parent in above:
                return Elsewhere(digest, _told(digest, origin))
            sources.append(self._of(parent, before, found, above))
        expression = expression_of(origin.operation, origin.options)
        return _bounded(Derived(expression, origin.operation, tuple(sources)), digest, origin)

    def _at(self, latents: Latents, entry: _Entry) -> Source:
        """The source of a step on the way: its stage, ended there."""
        position = latents.position
        if position is None or position.step == entry.reached:
            return entry.source
        end: float | None = done_fraction(position)
        if entry.rule != "steps" and latents.noise is not None and latents.noise.timestep is not None:
            end = round(1 - (latents.noise.timestep + 1) / entry.train_timesteps, 6)
        stage = entry.source.stage
        source = replace(
            entry.source, stage=replace(stage.before_post, window=Window(stage.window.start, end), into=None)
        )
        self._made[latents] = replace(entry, source=source, reached=position.step)
        return source

    def _inputs(
        self, written: Stage, given: Stage, value: Callable[[Reference], Any]
    ) -> dict[Reference, tuple[Going, ...]]:
        pairs = zip(written.references, given.references, strict=True)
        return {name: tuple(self._going(name, value(real))) for name, real in pairs}

    def _going(self, name: Reference, value: Any) -> list[Going]:
        """What goes in under a name."""
        from jupyter_latents.latents.value import Latents

        if isinstance(value, Latents):
            return [_bounded(self.of(value), value.digest, value.provenance)]
        if isinstance(value, str):
            return self._file(Reference(value, "path"), opened(value))
        if isinstance(value, Path):
            return self._file(name, value)
        if is_list(value):
            several = enumerate(value) if len(value) > 1 else ((None, value[0]),)
            items = [(_item(name, index), item) for index, item in several]
            return [going for one, item in items for going in self._going(one, item)]
        return [Brought(name, *_variable(value))]

    def _file(self, name: Reference, path: Path) -> list[Going]:
        digest = _digest_of_file(path)
        if digest in self._files:
            return [self._files[digest]]
        public = public_reference(name)
        changed = "" if public == name else f"the file of that name; its SHA-256 begins with {digest}"
        return [Brought(public, digest, changed)]


def _item(name: Reference, index: int | None) -> Reference:
    return name if index is None else replace(name, text=f"{name.text}[{index}]")


def _own_seed(stage: Stage, value: Callable[[Reference], Any]) -> bool:
    """Whether the latents that go in bring a seed, by which the stage goes on."""
    seeds = stage.image_seed.latents if stage.image_seed is not None else ()
    values = [value(reference) for reference in seeds]
    own = {getattr(getattr(one, "provenance", None), "seed", None) for one in values}
    return len(own) == 1 and own != {None}


def _bounded(source: Source, digest: str, origin: Provenance) -> Source:
    return source if depth_of(source) <= _DEEPEST else Elsewhere(digest, _told(digest, origin))


def _told(digest: str, origin: Provenance) -> str:
    model = f" of {public_name(origin.model)}" if origin.model else ""
    seed = f", seed {origin.seed}" if origin.seed is not None else ""
    return f"latents{model}{seed}, digest {digest}"


def _digest_of_file(path: Path) -> str:
    """The first 32 hexadecimal digits of a file's SHA-256; empty where it cannot be read any more."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
    except OSError:
        return ""
    return digest.hexdigest()[:32]


def _variable(value: Any) -> tuple[str, str]:
    """The digest of a variable's value, and what it is in words."""
    if is_image(value):
        content, what = value.tobytes(), f"a picture of {value.width}x{value.height} pixels"
    elif isinstance(value, bytes):
        content, what = value, "the bytes of a picture"
    elif hasattr(value, "__array__"):
        from jupyter_latents.latents.tensors import as_tensor, tensor_bytes

        tensor = as_tensor(value)
        content, what = tensor_bytes(tensor).tobytes(), f"an array of shape {tuple(tensor.shape)}"
    else:
        return "", "a variable of the notebook that made it"
    digest = hashlib.sha256(content).hexdigest()[:32]
    return digest, f"{what}, a variable of the notebook that made it; the SHA-256 of its bytes begins with {digest}"
