"""What parts cost, counted and not timed, against the last values: ``python -m tests.benchmarks kept``.

Python's own instructions are counted, in all threads: the same on every machine, loaded or not. Where valgrind is,
``--native`` counts the processor's for what needs no torch. ``--record`` makes today's values the last ones.
"""

from __future__ import annotations

import argparse
import json
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from types import FrameType
from typing import Any

__all__ = ["GROWTH", "RECORD", "grown", "instructions", "main", "measured"]

RECORD = Path(__file__).with_name("kept.json")
GROWTH = 0.05
ROUNDS = 3
SHORT, LONG = 4, 8
STAGES = 60  # of the script that is parsed
SCRIPT = "\n\n".join(
    f'demo/scenes\n--prompts "hill {number}; blurry"\n--seeds 1 2 3 --inference-steps 30 --into a{number}'
    for number in range(20)
)
PAIR = """demo/scenes
--prompts hill --seeds 7 --inference-steps 4 --denoising-end 0.5 --into base

demo/paper
--prompts clouds --image-seeds "latents: base" --inference-steps 4 --into final
"""
NATIVE = "from tests.benchmarks.kept import parse\nfor _ in range({count}): parse()"


def instructions(work: Callable[[], object]) -> int:
    """Instructions of Python that some work takes, in this thread and in those that it starts."""
    counts: dict[int, int] = {}

    def count(frame: FrameType, event: str, _: object) -> Any:
        if event == "call":
            frame.f_trace_opcodes, frame.f_trace_lines = True, False
        elif event == "opcode":
            here = threading.get_ident()
            counts[here] = counts.get(here, 0) + 1
        return count

    threading.settrace(count)
    sys.settrace(count)
    try:
        work()
    finally:
        sys.settrace(None)
        threading.settrace(None)  # type: ignore[arg-type]
    return sum(counts.values())


def parse() -> None:
    """Reads the script, to its stages."""
    from jupyter_latents.syntax import Environment, Script

    for invocation in Script(SCRIPT).invocations(Environment(environ={}, print=lambda _: None)):
        invocation.stages()


def least(work: Callable[[], object]) -> int:
    """The least of several counts, after one that is not counted: clocks and other threads only ever add."""
    work()
    return min(instructions(work) for _ in range(ROUNDS))


def measured() -> dict[str, float]:
    """What each part costs, in instructions of Python."""
    from jupyter_latents.session import Session, Task
    from jupyter_latents.syntax import Script
    from tests.benchmarks.stages import against_diffusers, run_script

    found: dict[str, float] = {"parsing, a stage": least(parse) / STAGES}
    session = Session()
    found["planning a cell of two stages"] = least(lambda: session.plan(Task(Script(PAIR))))
    run_script(session, PAIR)
    found["an unchanged cell of two stages"] = least(lambda: run_script(session, PAIR))
    with tempfile.TemporaryDirectory() as folder:
        session.keep_in(folder)
        run_script(session, PAIR.replace("seeds 7", "seeds 8"))
        found["the same from a store"] = least(lambda: run_script(_beside(folder), PAIR.replace("seeds 7", "seeds 8")))
    short, long = (against_diffusers("demo/scenes", steps) for steps in (SHORT, LONG))
    steps = {name: (least(long[name]) - least(short[name])) / (LONG - SHORT) for name in short if "watched" not in name}
    plain, engine, shown = steps["diffusers"], steps["engine"], steps["engine, every preview"]
    found["a step's overhead above plain diffusers"] = engine - plain
    found["a step of the engine, plain diffusers being 1000"] = 1000 * engine / plain
    found["a frame of the view"] = shown - engine
    return {name: round(value) for name, value in found.items()}


def _beside(folder: str) -> Any:
    """A session that has nothing but the store."""
    from jupyter_latents.session import Session

    session = Session()
    session.keep_in(folder)
    return session


def native() -> dict[str, float]:
    """The processor's instructions of what needs no torch, by callgrind; empty where there is none."""
    if shutil.which("valgrind") is None:
        return {}
    few, many = (_callgrind(NATIVE.format(count=count)) for count in (1, 3))
    return {"parsing, a stage, by the processor": round((many - few) / 2 / STAGES)}


def _callgrind(code: str) -> int:
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2])
    found = re.search(r"refs:\s+([\d,]+)", done.stderr)
    if found is None:
        raise RuntimeError(done.stderr)
    return int(found[1].replace(",", ""))


def made_with() -> dict[str, str]:
    """What else decides the counts."""
    names = ("torch", "diffusers", "transformers")
    return {"python": ".".join(platform.python_version_tuple()[:2]), **{name: version(name) for name in names}}


def grown(last: Mapping[str, float], now: Mapping[str, float]) -> list[str]:
    """What costs more than it did by over `GROWTH`."""
    return [name for name, value in now.items() if name in last and value > last[name] * (1 + GROWTH)]


def main(given: list[str]) -> int:
    """Prints each part with its last value, and what has grown; ends with 1 where something has."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks kept", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--record", action="store_true", help="make today's values the last ones")
    parser.add_argument("--native", action="store_true", help="the processor's instructions, too, by valgrind")
    arguments = parser.parse_args(given)
    kept = json.loads(RECORD.read_text()) if RECORD.exists() else {"made with": made_with(), "values": {}}
    last, now = kept["values"], measured() | (native() if arguments.native else {})
    for name, value in now.items():
        before = last.get(name)
        change = f"{value / before - 1:+.1%}" if before else "new"
        print(f"  {name:<52} {value:>14,.0f} {f'{before:,.0f}' if before else '':>14} {change:>8}")
    if kept["made with"] != made_with():
        print(f"The last values were made with {kept['made with']}, these with {made_with()}: compare with care.")
    worse = grown(last, now)
    print(f"Grown by more than {GROWTH:.0%}: {', '.join(worse) or 'nothing'}.")
    if arguments.record:
        RECORD.write_text(json.dumps({"made with": made_with(), "values": {**last, **now}}, indent=2) + "\n")
    return 1 if worse and not arguments.record else 0
