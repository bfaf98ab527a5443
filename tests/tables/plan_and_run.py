"""Compares plan, run and plain diffusers: ``python -m tests.tables.plan_and_run [--family X] [--full] [--record]``.

It prints what differs, row by row, then ``N rows, D differences``. Without ``--full`` the rows are those of the test;
with it all of them, each compared with plain diffusers anew. ``--record`` writes ``plan_and_run.json``, plain
diffusers' answers to the rows of the test.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from jupyter_latents.engine.local import LocalEngine
from jupyter_latents.session import Plan, Session, Task
from jupyter_latents.syntax import Script
from tests.engine.cases import mask, picture
from tests.tables.judgement import Ran, Told, judged, said, same_error
from tests.tables.odd_models import NO_PICTURES, Folders
from tests.tables.pipelines import CLASSES
from tests.tables.reference import FILE, Expected, PlainRun, Reference, evaluations, expected, plain_runs
from tests.tables.refusals import Refusal
from tests.tables.rows import Relay, Row, all_rows
from tests.tables.sample import every, family, sample
from tests.tables.setting import bench, versions

SECONDS = 300
DEMO = "demo/"


@dataclass
class Table:
    """What rows are compared on.

    Attributes:
        models: Model to its folder.
        scratch: Where files go.
        reference: Plain diffusers.
        engine: Runs stages; its models stay loaded from row to row.
    """

    models: Callable[[str], Path]
    scratch: Path
    reference: Reference
    engine: LocalEngine = field(default_factory=LocalEngine)

    def differences(self, row: Row | Relay | Refusal) -> list[str]:
        """In what plan, run and reference differ on a row."""
        kinds = {Row: self._row, Relay: self._relay, Refusal: self._refusal}
        found: list[str] = []
        try:
            found.extend(kinds[type(row)](row))
        except Exception as error:  # noqa: BLE001 - whatever a plan raises, it is to tell a refusal
            found.append(f"plan: raises {type(error).__name__}: {error}")
        return found

    def _row(self, row: Row) -> Iterator[str]:
        right = expected(row, self.reference)
        names = self.names()
        (planned,) = self.plan(row.script, names).stages
        ran = self.run(row.script, names)
        yield from judged(planned, ran, 0, right, factor(row.family))
        if not planned.refused and planned.mode != row.mode:
            yield f"plan: mode {planned.mode}, right: {row.mode}"

    def _relay(self, relay: Relay) -> Iterator[str]:
        first, second = expected(relay.first, self.reference), _second(relay, self.reference)
        names = self.names()
        if relay.carry == "cell":
            script = f"{relay.first.script}\n\n{relay.second}"
            plan, ran = self.plan(script, names), self.run(script, names)
            yield from judged(plan.stages[0], ran, 0, first, factor(relay.row.family))
            if not (first and first.refused) and len(plan.stages) > 1:
                yield from self._entered(relay, plan.stages[1], ran, 1, second)
            return
        ran = self.run(relay.first.script, names)
        if first is not None and first.refused != (ran.run.error is not None):
            yield f"first part: {said(ran)}"
        if ran.run.error is not None:
            return
        names = self._handed(relay, names)
        (planned,) = self.plan(relay.second, names).stages
        yield from self._entered(relay, planned, self.run(relay.second, names), 0, second)

    def _entered(self, relay: Relay, planned: Any, ran: Ran, number: int, right: Expected | None) -> Iterator[str]:
        before = ran.run.results[0].evaluations if number and ran.run.results else 0
        yield from judged(planned, ran, number, right, factor(relay.row.family), before)
        if planned.refused:
            return
        mode = "img2img" if relay.receiver == "sdxl-refiner" else relay.row.mode
        if planned.mode != mode:
            yield f"plan: mode {planned.mode}, right: {mode}"
        if relay.verdict not in planned.verdict:
            yield f"plan: verdict {planned.verdict!r}, right: {relay.verdict!r}"
        note = f"stage {number + 1}, {planned.stage.model.name}: {planned.verdict}"
        if ran.run.error is None and note not in ran.told.lines:
            yield f"run tells no {note!r} but {[line for line in ran.told.lines if line.startswith('stage')]}"

    def _refusal(self, row: Refusal) -> Iterator[str]:
        names = self.names()
        if row.before:
            ran = self.run(row.before, names)
            if ran.run.error is not None:
                yield f"first part: {said(ran)}"
        planned = self.plan(row.script, names).stages[-1]
        if planned.error is None:
            yield "plan: promises what must be refused"
            if row.heavy:
                return
        elif type(planned.error).__name__ not in row.error:
            yield f"plan: {type(planned.error).__name__}, right: {' or '.join(row.error)}: {planned.refused}"
        yield from (f"plan: no {word!r} in: {planned.refused}" for word in row.says
                    if planned.error is not None and word not in planned.refused)  # fmt: skip
        fresh = LocalEngine()
        ran = self.run(row.script, names, fresh)
        if ran.run.error is None:
            yield "run: goes through"
        elif planned.error is not None:
            yield from same_error(planned, ran)
        else:
            yield f"run: {said(ran)}"
        if fresh.cache.loads:
            yield f"run: loads {fresh.cache.loads} parts before it refuses"

    def _handed(self, relay: Relay, names: dict[str, Any]) -> dict[str, Any]:
        """The names that the second part sees."""
        base = names["base"]
        if relay.alter == "without history":
            return {**names, "base": base.replace(resume=None)}
        if relay.carry == "memory":
            return names
        file = self.scratch / f"base.{relay.carry}"
        base.save(file.with_suffix(file.suffix.lower())).rename(file)
        return self.names()

    def names(self) -> dict[str, Any]:
        """Pictures, masks and tensors that scripts name."""
        return dict(self._inputs)

    @cached_property
    def _inputs(self) -> dict[str, Any]:
        sizes = {(64, 64), *(row.picture for row in all_rows())}
        pictures = {f"photo_{w}_{h}": picture(64).resize((w, h)) for w, h in sizes}
        masks = {f"mask_{w}_{h}": mask(64).resize((w, h)) for w, h in sizes}
        for name, value in (pictures | masks).items():
            value.save(self.scratch / f"{name}.png")
        odd = {f"odd_{channels}": torch.randn(1, channels, 9, 9) for channels in (4, 16)}
        return {**pictures, **masks, **odd}

    def _text(self, text: str) -> str:
        for name in sorted({*CLASSES, "control", "modular", *NO_PICTURES}, key=len, reverse=True):
            if f"<{name}>" in text:
                text = text.replace(f"<{name}>", name if name.startswith(DEMO) else str(self.models(name)))
        return text.replace("./", f"{self.scratch}/")

    def plan(self, script: str, names: dict[str, Any]) -> Plan:
        """A plan of a session that has no model loaded and loads none."""
        session = Session(names, engine=LocalEngine())
        plan = session.plan(Task(Script(self._text(script), 1)))
        if session.engine.cache.loads or session.engine.cache.rows():
            raise AssertionError(f"the plan loads {session.engine.cache.rows()}: {script}")
        return plan

    def run(self, script: str, names: dict[str, Any], engine: LocalEngine | None = None) -> Ran:
        """A run of a script, which is over; on this table's engine unless another is given."""
        session, told = Session(names, engine=engine or self.engine), Told()
        with evaluations() as called:
            run = session.start(Task(Script(self._text(script), 1)), told)
            if not run.wait(SECONDS):
                raise AssertionError(f"not over after {SECONDS} s: {script}")
        return Ran(run, told, len(called))


def factor(family: str) -> int:
    """Pixels of a picture for one latent pixel of a model."""
    return 16 if family.startswith("flux2") else 8


def _second(relay: Relay, reference: Reference) -> Expected | None:
    """What the second part must do: what the whole run does, without the first part; None where nothing tells it."""
    if not relay.own:
        return None
    right = expected(relay.row, reference, start=relay.cut)
    if right is None or right.refused:
        return right
    doubled = 2 if relay.alter == "joined" else 1
    begin, _, steps = right.span
    repeat = _has_pndm(relay.row) and "exact" not in relay.verdict and 0 < begin < steps - 1
    # The latents say the size. PNDM without its history runs the timestep after its entry twice.
    seed = None if relay.carry == "pt" else right.seed  # bare tensors do not say it
    return replace(right, note="", batch=right.batch * doubled, evaluations=right.evaluations + repeat, seed=seed)


def _has_pndm(row: Row) -> bool:
    return row.scheduler == "PNDMScheduler" or (row.scheduler is None and row.family in ("sd15", "sd-inpaint"))


@contextmanager
def table(*, anew: bool = False) -> Iterator[Table]:
    """A table outside pytest.

    Args:
        anew: Whether plain diffusers is asked, not the file.
    """
    with bench() as made:
        folders = Folders(made.folder, made.scratch / "odd")
        folders.root.mkdir()
        (made.scratch / "files").mkdir()
        yield Table(folders, made.scratch / "files", Reference(folders, anew=anew))


def record(reference: Reference) -> None:
    """Writes plain diffusers' answers to the rows of the test."""
    runs = {str(run): reference(run) for row in sample() for run in calls(row)}
    about = [
        "What plain diffusers does for the rows of tests/session/plans/test_plan_and_run.py, on models of tests/tiny.",
        "A call: family, mode, steps, strength, size, the picture's size, scheduler, denoising_end, sigmas.",
        "Made by `python -m tests.tables.plan_and_run --record`; do not edit.",
        versions(),
    ]
    lines = ",\n".join(f"{json.dumps(key)}: {json.dumps(runs[key])}" for key in sorted(runs))
    FILE.write_text(f'{{"about": {json.dumps(about, indent=1)},\n"runs": {{\n{lines}\n}}}}\n', "utf-8")


def calls(row: Row | Relay | Refusal) -> Iterator[PlainRun]:
    """The calls of plain pipelines that a row is compared with."""
    if isinstance(row, Relay):
        yield from (run for part in (row.first, row.row) for run in plain_runs(part))
    elif isinstance(row, Row):
        yield from plain_runs(row)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--family", help="rows of this model only")
    parser.add_argument("--full", action="store_true", help="all rows, compared with plain diffusers anew")
    parser.add_argument("--record", action="store_true", help="write what plain diffusers does for the test's rows")
    given = parser.parse_args()
    with table(anew=given.full or given.record) as made:
        if given.record:
            record(made.reference)
            return
        rows = [row for row in (every() if given.full else sample()) if given.family in (None, family(row))]
        wrong = sum(_shown(row, made.differences(row)) for row in rows)
        print(f"{len(rows)} rows, {wrong} differences")
        sys.exit(bool(wrong))


def _shown(row: Row | Relay | Refusal, found: list[str]) -> bool:
    if found:
        print("\n  ".join([str(row), *found]), flush=True)
    return bool(found)


if __name__ == "__main__":
    main()
