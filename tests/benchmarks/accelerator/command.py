"""``python -m tests.benchmarks accelerator``: the whole programme, or what is printed of it."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tests.benchmarks.accelerator import wheels
from tests.benchmarks.accelerator.budget import Clock, OutOfTimeError, alarm, last_resort
from tests.benchmarks.accelerator.document import Document, Result, problem

if TYPE_CHECKING:
    from tests.benchmarks.accelerator.models import Subject
    from tests.benchmarks.accelerator.sections import Section

__all__ = ["main"]

_BUDGET = 500.0
_LATE = 15.0  # seconds past the budget after which the process ends itself


def main(given: Sequence[str]) -> int:
    """Runs the command; gives its exit code: 0, or 1 where a section or a row failed."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TQDM_DISABLE", "1")
    arguments = _parser().parse_args(given)
    if arguments.print is not None:
        from tests.benchmarks.accelerator.printing import printed

        print(printed(json.loads(arguments.print.read_text(encoding="utf-8"))), end="")
        return 0
    if arguments.download:
        print(f"{wheels.download(arguments.wheels):,} bytes of wheels, at most {wheels.LIMIT:,}")
        return 0
    with tempfile.TemporaryDirectory(prefix="jupyter-latents-accelerator-") as scratch:
        return _run(arguments, Path(scratch), Clock(arguments.budget))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks accelerator", description=__doc__)
    parser.add_argument("--wheels", type=Path, help="folder of wheels that this machine lacks; none where it has all")
    parser.add_argument("--download", action="store_true", help="fetch them into that folder, for Python 3.12, x86-64")
    parser.add_argument("--tiny", action="store_true", help="toys in the place of models of real size")
    parser.add_argument("--device", choices=("cuda", "cpu"), help="cuda where there is one, else cpu with --tiny")
    parser.add_argument("--out", type=Path, help="JSON file, written anew after every section")
    parser.add_argument("--budget", type=float, default=_BUDGET, help="seconds for all (default %(default).0f)")
    parser.add_argument("--only", nargs="+", metavar="SECTION", help="run these sections only")
    parser.add_argument("--trace", type=Path, help="folder for Chrome traces of the trace section")
    parser.add_argument("--print", type=Path, metavar="FILE", help="print the tables of a JSON file, and run nothing")
    return parser


def _run(arguments: argparse.Namespace, scratch: Path, clock: Clock) -> int:
    document = Document(arguments.out)
    timer = last_resort(arguments.budget + _LATE, document.write)
    try:
        size = wheels.put_on_path(arguments.wheels, scratch / "libraries") if arguments.wheels else 0
        device = arguments.device or _device()
        if device == "cpu" and not arguments.tiny:
            raise SystemExit("no accelerator is here; give --tiny to try the programme on toys.")
        from tests.benchmarks.accelerator.machine import head, import_all
        from tests.benchmarks.accelerator.sections import SECTIONS

        document.head = {**head(device, tiny=arguments.tiny), "budget": arguments.budget, "bytes of wheels": size}
        document.head["seconds of imports"] = import_all()
        unknown = [name for name in arguments.only or () if name not in SECTIONS]
        if unknown:
            raise SystemExit(f"no section {unknown[0]!r}; there are {', '.join(SECTIONS)}.")
        wanted = {name: section for name, section in SECTIONS.items() if not arguments.only or name in arguments.only}
        _sections(arguments, scratch, clock, document, wanted, device)
    finally:
        timer.cancel()
    document.head["seconds"] = round(arguments.budget - clock.left, 1)
    document.write()
    return _verdict(document)


def _device() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def _sections(
    arguments: argparse.Namespace,
    scratch: Path,
    clock: Clock,
    document: Document,
    wanted: dict[str, Section],
    device: str,
) -> None:
    from tests.benchmarks.accelerator.place import Place

    subjects: dict[str, Subject] = {}
    for number, (name, section) in enumerate(wanted.items()):
        shares = sum(later.share for later in list(wanted.values())[number:])
        share = max(0.0, clock.left * section.share / shares)
        result = Result(name, round(share, 1))
        document.results.append(result)
        document.write()
        _tell(f"{name}: {share:.0f} s")
        place = Place(device, arguments.tiny, scratch, Clock(share), result, arguments.trace, subjects, document.write)
        begun = time.monotonic()
        try:
            with alarm(share):
                section.go(place)
        except OutOfTimeError as error:
            result.cut.append(str(error))
        except Exception as error:  # noqa: BLE001 - what a section fails with stands in the file, and the next begins
            result.error = problem(error)
        result.seconds = round(time.monotonic() - begun, 1)
        document.write()
        _tell(f"{name}: {len(result.rows)} rows in {result.seconds:.0f} s{_failures(result)}")
        place.free()


def _failures(result: Result) -> str:
    failed = [row["error"] for row in result.rows if "error" in row] + ([result.error] if result.error else [])
    cut = f"; cut: {'; '.join(result.cut)}" if result.cut else ""
    texts = "".join(f"\n    {error['type']}: {error['message'][:300]}" for error in failed[:5])
    return f"{cut}{f'; {len(failed)} failed' if failed else ''}{texts}"


def _verdict(document: Document) -> int:
    from tests.benchmarks.accelerator.printing import printed

    print(printed(document.plain()), flush=True)
    failed = [result.name for result in document.results if result.error or any("error" in row for row in result.rows)]
    _tell(f"failed: {', '.join(failed) or 'nothing'}")
    return 1 if failed else 0


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
