"""Prints the benchmarks: ``python -m tests.benchmarks [SECTION ...]``, or ``kept``, or ``accelerator``."""

from __future__ import annotations

import sys


def main() -> None:
    """Runs what is asked for; imports nothing that this does not need."""
    given = sys.argv[1:]
    if given[:1] == ["accelerator"]:
        from tests.benchmarks.accelerator.command import main as on_the_accelerator

        sys.exit(on_the_accelerator(given[1:]))
    if given[:1] == ["kept"]:
        from tests.benchmarks.kept import main as kept

        sys.exit(kept(given[1:]))
    from tests.benchmarks.on_the_cpu import main as on_the_cpu

    on_the_cpu(given)


if __name__ == "__main__":
    main()
