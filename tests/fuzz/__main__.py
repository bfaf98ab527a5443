"""Tries made inputs: ``python -m tests.fuzz scripts --seed 7 --count 100000``; without a name, all kinds."""

from __future__ import annotations

import argparse
import os
import sys
import time

os.environ.setdefault("HF_HUB_OFFLINE", "1")

from tests.fuzz.frame import Mutator, run
from tests.fuzz.mutators import mutators


def _tried(mutator: Mutator, seed: int, count: int, first: int) -> int:
    """Tries the inputs of a mutator, prints what came of it, and returns how many failed."""
    began, failures = time.perf_counter(), 0
    for failure in run(mutator, seed, count, first):
        failures += 1
        print(failure, flush=True)
    print(
        f"{mutator.name}: seed {seed}, {count} inputs, {time.perf_counter() - began:.1f} s, {failures} failures",
        flush=True,
    )
    return failures


def main() -> int:
    kinds = {mutator.name: mutator for mutator in mutators()}
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"kinds of input: {', '.join(kinds)}")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=1_000, help="inputs of each kind")
    parser.add_argument("--first", type=int, default=0, help="number of the first, to try one again")
    asked = parser.parse_args()
    if unknown := set(asked.names) - kinds.keys():
        parser.error(f"no kind of input: {', '.join(sorted(unknown))}; there are {', '.join(kinds)}")
    chosen = [kinds[name] for name in asked.names or kinds]
    return int(sum(_tried(mutator, asked.seed, asked.count, asked.first) for mutator in chosen) > 0)


if __name__ == "__main__":
    sys.exit(main())
