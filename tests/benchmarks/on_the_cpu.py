"""What `python -m tests.benchmarks [SECTION ...]` prints. Ratios are taken side by side in one run."""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")

from tests.benchmarks.first_cell import TYPING, completions, first_step
from tests.benchmarks.measure import interleaved, ratio
from tests.benchmarks.memory import peaks
from tests.benchmarks.models import save_model
from tests.benchmarks.notebook import notebook_cells
from tests.benchmarks.planning import LONG, SHORT, planning_seconds
from tests.benchmarks.reading import long_scripts
from tests.benchmarks.stages import STEPS, against_diffusers, cells, nine_splits
from tests.benchmarks.starting import programs, scripts
from tests.benchmarks.stopping import cases as cases_of_stops
from tests.benchmarks.stopping import heard_after, in_the_queue
from tests.benchmarks.workers import at_scale, overhead, started, sweeps


def starting(repeats: int) -> None:
    """Loading the extension; a two-stage script from cold."""
    print("Starting, each in a process of its own (median, least to most)")
    started = interleaved(programs(), repeats)
    for name, measured in started.items():
        print(f"  {name:<32} {measured}")
    bare, loaded = started["bare IPython"], started["IPython with %load_ext"]
    print(f"  %load_ext above bare IPython: {loaded.median - bare.median:+.3f} s")
    cold = interleaved(scripts(), repeats)
    for name, measured in cold.items():
        print(f"  {name:<32} {measured}")
    for name in list(cold)[1:]:
        print(f"  {name}, against the bare one: {ratio(cold[name], cold['bare diffusers script'])}")


def sessions(repeats: int) -> None:
    """Cells of one session; a sweep against all runs anew."""
    print(f"Cells of one session on the demo models, {STEPS} steps (seconds, model evaluations)")
    rows = cells()
    for name, seconds, evaluations in rows:
        print(f"  {name:<40} {seconds:8.3f} s {evaluations:4d}")
    first, second, unchanged = (seconds for _, seconds, _ in rows[:3])
    print(f"  second against first: {second / first:.3f}; unchanged: {unchanged * 1000:.0f} ms")
    print("Nine splits, 0.1 to 0.9, each with its second stage (seconds, model evaluations)")
    splits = nine_splits()
    for name, (seconds, evaluations) in splits.items():
        print(f"  {name:<40} {seconds:8.3f} s {evaluations:4d}")
    (shared, few), (naive, many) = splits.values()
    print(f"  shared against anew: {shared / naive:.3f} of the time, {few / many:.3f} of the evaluations")


def first_cell(repeats: int) -> None:
    """A kernel's first cell, with its imports made while it is typed and without; completions meanwhile."""
    print(f"From Run to the first step of a kernel's first cell, typed in {TYPING:g} s (demo/scenes)")
    cases = {"imports ahead": lambda: first_step(ahead=True), "without": lambda: first_step(ahead=False)}
    rounds = [{name: case() for name, case in cases.items()} for _ in range(repeats)]
    for name in cases:
        print(f"  {name:<32} {', '.join(f'{taken[name]:.2f}' for taken in rounds)} s")
    worst = max(taken["imports ahead"] / taken["without"] for taken in rounds)
    print(f"  with against without, the worst round: {worst:.3f}")
    taken = completions()
    quick = sum(seconds < 0.1 for seconds in taken)
    print(f"  completions meanwhile: {quick} of {len(taken)} under 100 ms, the longest {max(taken) * 1000:.0f} ms")


def notebook(repeats: int) -> None:
    """Cells in a kernel, their outputs included."""
    with notebook_cells() as cases:
        print(f"Cells in a kernel with the live view and the output that stays, demo/scenes, {STEPS} steps")
        for name, seconds in interleaved(cases, repeats).items():
            print(f"  {name:<32} {seconds}")


def speed(repeats: int) -> None:
    """The engine against plain diffusers: the demo model, and a block of SD's width at 512 pixels."""
    with tempfile.TemporaryDirectory(prefix="jupyter-latents-benchmark-") as folder:
        block = save_model(Path(folder) / "block", (320, 640), side=64)
        for what, model, steps, rounds in (
            ("demo/scenes", "demo/scenes", STEPS, repeats),
            ("demo/scenes", "demo/scenes", 10 * STEPS, max(3, repeats // 2)),
            ("a U-Net of SD's width, 512 pixels, random weights", str(block), 6, max(3, repeats // 2)),
        ):
            measured = interleaved(against_diffusers(model, steps), rounds)
            print(f"One picture of {what}, {steps} steps, guidance on")
            for name, seconds in measured.items():
                print(f"  {name:<32} {seconds}")
            for name in list(measured)[1:]:
                print(f"  {name + ' against diffusers:':<40} {ratio(measured[name], measured['diffusers'])}")


def memory(repeats: int) -> None:
    """Peak memory with a budget of one model."""
    print("Peak of the resident set above imported libraries")
    measured = peaks()
    for name, peak in measured.items():
        print(f"  {name:<32} {peak.above / 1e6:6.0f} MB; {peak.held / 1e6:6.0f} MB of models held at the end")
    alone, both, free = measured.values()
    print(f"  both with a budget of one, against the larger alone: {both.above / alone.above:.3f}")
    print(f"  both without a budget, against the larger alone:     {free.above / alone.above:.3f}")


def reading(_repeats: int) -> None:
    """Checking and reading long scripts."""
    print("Checking and reading a script (seconds, best of three)")
    for what, seconds in long_scripts().items():
        print(f"  {what:<32} {seconds:8.3f} s")


def planning(_repeats: int) -> None:
    """Planning scripts of many stages: at most 12 times the seconds for 10 times the stages."""
    print(f"Planning {SHORT} and {LONG} stages on the demo models (processor seconds, ms a stage; best of three)")
    for what, (short, long) in planning_seconds().items():
        print(
            f"  {what:<32} {short:8.3f} s {short / SHORT * 1000:6.2f} ms"
            f" {long:8.3f} s {long / LONG * 1000:6.2f} ms   {long / short:.1f} times"
        )


def stopping(_repeats: int) -> None:
    """How long a run goes on after it is stopped."""
    print("Seconds from a stop to the end of the run (goal: a step, or 0.5 s)")
    print(f"  {'waiting in the queue':<40} {in_the_queue():8.3f} s")
    with tempfile.TemporaryDirectory(prefix="jupyter-latents-benchmark-") as folder:
        for what, case in cases_of_stops(Path(folder)).items():
            seconds, state = heard_after(case)
            print(f"  {what:<40} {seconds:8.3f} s   {state}")


def workers(repeats: int) -> None:
    """Stages on workers of Ray on this machine, and their schedule at scale."""
    from jupyter_latents.cluster.starting import Connection

    print("Several workers of Ray on this machine, demo/scenes")
    engine, took = started(2)
    item, step = overhead(engine, repeats)
    Connection.end()
    print(f"  {'two workers start, models loaded':<40} {took:8.3f} s")
    print(f"  {'an item above the same here':<40} {item * 1000:8.1f} ms, and {step * 1000:.1f} ms a step")
    measured = sweeps(repeats)
    best = {name: min(seconds) for name, seconds in measured.items()}
    for name, seconds in measured.items():
        print(f"  {'24 items of 30 steps, ' + name:<40} {best[name]:8.3f} s (of {len(seconds)})")
    print(f"  two workers against one: {best['one worker'] / best['two workers']:.2f} times as fast")
    found = at_scale(1000, 100_000)
    print("1,000 workers, 100,000 items in pairs, 8 models, 5 to 15 s an item, 5 s to load; on a virtual clock")
    print(f"  makespan {found['makespan']:.0f} s against a bound of {found['bound']:.0f} s without loading")
    print(f"  ratio {found['makespan'] / found['bound']:.3f}; {found['loads']:.0f} loads")
    print(f"  the schedule took {found['seconds']:.2f} s, {found['seconds'] / 100_000 * 1e6:.0f} µs an item")
    print(
        f"  twice the items: {found['growth']:.2f} times the seconds; memory of the head {found['memory'] / 1e6:.0f} MB"
    )


SECTIONS = {
    "reading": reading,
    "planning": planning,
    "starting": starting,
    "sessions": sessions,
    "first-cell": first_cell,
    "notebook": notebook,
    "speed": speed,
    "memory": memory,
    "stopping": stopping,
    "workers": workers,
}


def main(given: list[str]) -> None:
    """Runs the sections asked for, or all."""
    import diffusers
    import torch

    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument(
        "sections", nargs="*", help=f"{', '.join(SECTIONS)}; all when none is named; or accelerator, see its --help"
    )
    parser.add_argument("--repeats", type=int, default=7, help="rounds that count")
    parser.add_argument("--threads", type=int, default=1, help="threads of torch")
    arguments = parser.parse_args(given)
    unknown = [name for name in arguments.sections if name not in SECTIONS]
    if unknown:
        parser.error(f"no section {unknown[0]!r}; there are {', '.join(SECTIONS)}")
    torch.set_num_threads(arguments.threads)
    print(
        f"torch {torch.__version__}, diffusers {diffusers.__version__}, Python {platform.python_version()}, "
        f"{platform.machine()}, {os.cpu_count()} cores, {arguments.threads} thread(s)\n"
    )
    for name in arguments.sections or SECTIONS:
        SECTIONS[name](arguments.repeats)
        print()
