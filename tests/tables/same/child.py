"""Runs the rows of `tests.tables.same_results` in one checkout and writes what came out.

Run by path, with the checkout as working directory and as ``PYTHONPATH``: ``python child.py ROWS.json FOLDER``. It
imports nothing of ``tests``, so the checkout need not hold this file, and of the package only what users import.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

import jupyter_latents
from jupyter_latents import Latents
from jupyter_latents.latents import LatentsSequence, batch
from jupyter_latents.session import Session, Task, current
from jupyter_latents.syntax import Script

__all__ = ["Outcome", "digest", "main", "run_row"]

SECONDS = 300
MAGIC = "%%dgen"
FORCE = " --force"


@dataclass
class Outcome:
    """What came out of one row.

    Attributes:
        error: Class of what ended it, and the number of its cell; empty when all cells ran.
        said: The first line of the error, to be read, not compared.
        digests: Digest of every tensor, by where it stands.
        facts: All else that is compared, by where it stands.
        seconds: How long it took.
    """

    error: str = ""
    said: str = ""
    digests: dict[str, str] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0


class Deaf:
    """An observer that takes any call, whatever the protocol of a checkout is."""

    def __getattr__(self, name: str) -> Any:
        return lambda *args, **kwargs: None


def digest(tensor: torch.Tensor) -> str:
    """SHA-256 of dtype, shape and bytes."""
    raw = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
    return hashlib.sha256(f"{tensor.dtype}{tuple(tensor.shape)}".encode() + raw).hexdigest()


def given() -> dict[str, Any]:
    """The variables that every row finds: pictures, a mask, and what Python cells use."""
    values = np.random.default_rng(0).integers(0, 255, (8, 8, 3), dtype=np.uint8)
    small = Image.fromarray(values)
    half = Image.fromarray(((np.indices((64, 64))[0] >= 32) * 255).astype(np.uint8))
    return {
        "picture": small.resize((64, 64), Image.Resampling.BICUBIC),
        "edges": small.resize((64, 64), Image.Resampling.NEAREST),
        "wide": small.resize((96, 64), Image.Resampling.BICUBIC),
        "mask": half,
        "Latents": Latents,
        "batch": batch,
        "np": np,
        "torch": torch,
    }


def run_row(cells: Sequence[str], session: Session, tensors: dict[str, torch.Tensor]) -> Outcome:
    """Runs the cells of a row one after the other.

    Args:
        cells: Scripts, whose first line is ``%%dgen`` or ``%%dgen --force``, and Python.
        session: Its variables are emptied first.
        tensors: Takes every tensor that came out.

    Returns:
        What came out, as far as it came.
    """
    outcome, began, names = Outcome(), time.monotonic(), session.names
    names.clear()
    known = given()
    names.update(known)
    for number, text in enumerate(cells, 1):
        found: dict[str, Any] = {}
        try:
            if text.startswith(MAGIC):
                _run_script(text, number, session, found)
            else:
                exec(compile(text, f"cell {number}", "exec"), names)
        except Exception as error:  # noqa: BLE001 - its class is what is compared
            outcome.error = f"{type(error).__name__} in cell {number}"
            outcome.said = str(getattr(error, "message", error)).partition("\n")[0]
        for place, value in found.items():
            _record(place, value, outcome, tensors)
        if outcome.error:
            break
    for name in sorted(set(names) - set(known)):
        if not name.startswith("_"):
            _record(name, names[name], outcome, tensors)
    outcome.seconds = round(time.monotonic() - began, 3)
    return outcome


def _run_script(text: str, number: int, session: Session, found: dict[str, Any]) -> None:
    """Runs a script; what its stages made goes to `found`, bound to a variable or not.

    Raises:
        JupyterLatentsError: What the run ended with.
        TimeoutError: It did not end.
    """
    magic, _, body = text.partition("\n")
    script = Script(body, 2)
    session.check(script)
    run = session.start(Task(script, force=magic.removeprefix(MAGIC) == FORCE), Deaf())
    if not run.wait(SECONDS):
        raise TimeoutError(f"cell {number} took over {SECONDS} seconds")
    for index, result in enumerate(run.results):
        place = f"cell {number} stage {index}"
        found[f"{place} latents"] = result.latents
        found[f"{place} pictures"] = list(result.images)
        found[f"{place} evaluations"] = result.evaluations
    if run.error is not None:
        raise run.error


def _record(place: str, value: Any, outcome: Outcome, tensors: dict[str, torch.Tensor]) -> None:
    for where, item in _flat(place, value):
        if isinstance(item, torch.Tensor):
            outcome.digests[where] = digest(item)
            tensors[where] = item.detach().cpu().contiguous().clone()
        else:
            outcome.facts[where] = item


def _flat(place: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Tensors and plain facts inside a value, with where they stand."""
    if isinstance(value, Latents):
        yield from _of_latents(place, value)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _flat(f"{place}[{key}]", item)
    elif isinstance(value, LatentsSequence | list | tuple):
        yield f"{place} count", len(value)
        for index, item in enumerate(value):
            yield from _flat(f"{place}[{index}]", item)
    elif isinstance(value, Image.Image | np.ndarray):
        yield place, torch.from_numpy(np.array(value))
    elif isinstance(value, torch.Tensor) or value is None or type(value) in (bool, int, float, str):
        yield place, value


def _of_latents(place: str, latents: Latents, *, steps: bool = True) -> Iterator[tuple[str, Any]]:
    noise, position, origin = latents.noise, latents.position, latents.provenance
    yield place, latents.tensor
    yield f"{place} denoised", latents.denoised
    yield f"{place} noise", None if noise is None else f"{noise.sigma!r} {noise.form} {noise.timestep!r}"
    yield f"{place} position", None if position is None else [position.step, position.of, position.scheduler]
    yield f"{place} schedule", None if position is None else [position.schedule, position.model]
    yield f"{place} space", None if latents.space is None else latents.space.name
    yield f"{place} history", latents.resume is not None
    yield f"{place} origin", [origin.prompt, origin.negative_prompt, origin.seed, origin.operation]
    if steps:
        yield f"{place} steps", len(latents.trajectory)
        for index, step in enumerate(latents.trajectory):
            yield from _of_latents(f"{place} step {index}", step, steps=False)


def main(listed: str, folder: str) -> None:
    """Runs all rows of a list and writes ``outcomes.json`` and ``tensors.safetensors``.

    Raises:
        SystemExit: The package was imported from somewhere else than the working directory.
    """
    from safetensors.torch import save_file

    if Path(jupyter_latents.__file__).resolve().parent.parent != Path.cwd().resolve():
        raise SystemExit(f"jupyter_latents came from {jupyter_latents.__file__}, not from {Path.cwd()}.")
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    rows: Mapping[str, Sequence[str]] = json.loads(Path(listed).read_text("utf-8"))
    session, outcomes, tensors = current(), {}, {}  # the one that Latents.decode asks
    for number, (name, cells) in enumerate(rows.items()):
        found: dict[str, torch.Tensor] = {}
        scratch = str(Path(folder) / f"files {number}")
        outcome = run_row([cell.replace("<scratch>", scratch) for cell in cells], session, found)
        outcomes[name] = asdict(outcome)
        tensors |= {f"{name}: {where}": tensor for where, tensor in found.items()}
    Path(folder, "outcomes.json").write_text(json.dumps(outcomes, indent=1), "utf-8")
    save_file(tensors, str(Path(folder, "tensors.safetensors")))


if __name__ == "__main__":
    main(*sys.argv[1:])
