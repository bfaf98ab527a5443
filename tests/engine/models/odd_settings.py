"""Models with one odd value in one of their configuration files, and what becomes of a stage of each."""

from __future__ import annotations

import copy
import json
import resource
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from jupyter_latents.engine import Inputs
from jupyter_latents.engine.local import LocalEngine
from jupyter_latents.engine.models.encodings import Encodings
from jupyter_latents.errors import JupyterLatentsError
from jupyter_latents.stage import ModelSource, Prompt, Size, Stage

__all__ = ["ODD", "Change", "answer_to", "changes", "stage_of"]

ODD = (0, -1, -4, 10**7, 1.5, None, "x", [], {}, True, 1e30, float("nan"))
"""Values that are put in the place of every one."""

FILES = ("config.json", "scheduler_config.json", "tokenizer_config.json", "model_index.json")
NAMES = ("_class_name", "_diffusers_version", "architectures", "model_type", "transformers_version", "tokenizer_class")
SECONDS, BYTES = 10, 3 << 30  # that a case may take


@dataclass(frozen=True)
class Change:
    """One odd value.

    Attributes:
        file: The configuration file, such as ``unet/config.json``.
        path: Keys and indices down to the value.
        value: What is put there.
    """

    file: str
    path: tuple[Any, ...]
    value: Any

    def __str__(self) -> str:
        shown = repr(self.value)
        return f"{self.file} {'.'.join(map(str, self.path))} = {shown if len(shown) < 60 else shown[:57] + '...'}"


def changes(model: Path) -> Iterator[Change]:
    """Every change of every configuration file of a model, in order."""
    for path in sorted(model.rglob("*.json")):
        if path.name not in FILES:
            continue
        file, content = path.relative_to(model).as_posix(), json.loads(path.read_text())
        for keys, value in _values(content):
            yield from (Change(file, keys, odd) for odd in ODD if odd is not value and repr(odd) != repr(value))
            if isinstance(value, list) and value:
                yield Change(file, keys, value * 60)


def _values(content: Any, keys: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Each number, list, truth value and null of a configuration, with where it stands."""
    inner = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for key, value in inner:
        if key in NAMES or len(keys) > 2:
            continue
        if value is None or isinstance(value, (int, float, list)):
            yield (*keys, key), value
        if isinstance(value, dict) or (isinstance(value, list) and len(value) < 5):
            yield from _values(value, (*keys, key))


@contextmanager
def changed(model: Path, change: Change) -> Iterator[Path]:
    """A folder like a model's with one value changed; weights are links."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "model"
        for path in model.rglob("*"):
            place = folder / path.relative_to(model)
            if path.is_file():
                place.parent.mkdir(parents=True, exist_ok=True)
                place.symlink_to(path)
        file = folder / change.file
        content = json.loads(file.read_text())
        inner = content
        for key in change.path[:-1]:
            inner = inner[key]
        inner[change.path[-1]] = copy.deepcopy(change.value)
        file.unlink()
        file.write_text(json.dumps(content))
        yield folder


class _TooLong(BaseException):
    """A case takes too long."""


@contextmanager
def bounded() -> Iterator[None]:
    """Ends what takes more than so many seconds or so much memory."""

    def ended(_signal: int, _frame: FrameType | None) -> None:
        raise _TooLong

    before, limits = signal.signal(signal.SIGPROF, ended), resource.getrlimit(resource.RLIMIT_AS)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)  # of this process's own work, whatever else the machine does
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + BYTES, limits[1]))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
        resource.setrlimit(resource.RLIMIT_AS, limits)


def stage_of(model: Path) -> Stage:
    """A small stage of a model."""
    size, prompt = Size(64, 64), Prompt("a cat")
    return Stage(
        model=ModelSource(str(model)), prompt=prompt, seed=1, num_inference_steps=2, guidance_scale=3, size=size
    )


def answer_to(engine: LocalEngine, model: Path, change: Change, given: Inputs) -> str:
    """``runs``, ``refused: ...`` or, where it is not as it should be, ``raw: ...``, ``too long`` or ``memory: ...``."""
    with changed(model, change) as folder:
        try:
            with bounded():
                engine.run(stage_of(folder), given)
                return "runs"
        except JupyterLatentsError as error:
            said = error.message
            taken = isinstance(error.__cause__, MemoryError) or "t allocate memory" in str(error.__cause__)
            return f"{'memory' if taken or 'does not fit into memory' in said else 'refused'}: {said}"
        except _TooLong:
            return "too long"
        except BaseException as error:  # noqa: BLE001 - what is looked for
            return f"raw: {type(error).__name__}: {error}"
        finally:
            engine.unload()
            engine.cache.encodings = Encodings()
