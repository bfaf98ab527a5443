"""Prints the benchmarks: ``python -m tests.benchmarks``. Ratios are taken side by side in one run."""

from __future__ import annotations

import argparse
import os

os.environ.setdefault("HF_HUB_OFFLINE", "1")

from tests.benchmarks.measure import interleaved, ratio
from tests.benchmarks.stages import STEPS, against_diffusers, cells
from tests.benchmarks.starting import programs


def main() -> None:
    """Runs all of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=7, help="rounds that count")
    parser.add_argument("--threads", type=int, default=1, help="threads of torch")
    arguments = parser.parse_args()

    started = interleaved(programs(), max(3, arguments.repeats // 2))
    print("Starting, each in a process of its own (median, least to most)")
    for name, measured in started.items():
        print(f"  {name:<28} {measured}")
    bare, loaded = started["bare IPython"], started["IPython with %load_ext"]
    print(f"  %load_ext against bare IPython: {ratio(loaded, bare)} times, {loaded.median - bare.median:+.3f} s")

    import torch

    torch.set_num_threads(arguments.threads)
    print(f"\nCells of one session on demo/scenes, {STEPS} steps (seconds, model evaluations)")
    rows = cells()
    for name, seconds, evaluations in rows:
        print(f"  {name:<40} {seconds:8.3f} s {evaluations:4d}")
    first, second, unchanged = (seconds for _, seconds, _ in rows[:3])
    print(f"  second against first: {second / first:.3f}; unchanged against second: {unchanged / second:.4f}")

    measured = interleaved(against_diffusers(), arguments.repeats)
    print(f"\nOne picture of demo/scenes, {STEPS} steps, guidance on, {arguments.threads} thread(s)")
    for name, seconds in measured.items():
        print(f"  {name:<28} {seconds}")
    print(f"  engine against diffusers:                {ratio(measured['engine'], measured['diffusers'])}")
    print(f"  with a preview on each step, against it: {ratio(measured['with previews'], measured['diffusers'])}")


if __name__ == "__main__":
    main()
