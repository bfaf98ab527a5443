"""What a section is given: the device, a folder, its clock, and where its rows go."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.benchmarks.accelerator.budget import Clock
from tests.benchmarks.accelerator.document import Result, problem

if TYPE_CHECKING:
    from tests.benchmarks.accelerator.models import Subject

__all__ = ["Place"]


@dataclass(slots=True)
class Place:
    """Where a section works.

    Attributes:
        device: ``cuda`` or ``cpu``.
        tiny: Whether toys stand in for models of real size.
        scratch: A folder on local disk.
        clock: The section's.
        result: Where its rows go.
        trace: Where Chrome traces go; None for nowhere.
        subjects: Models of real size, made once and used by several sections.
        save: Writes the file with what there is by now.
    """

    device: str
    tiny: bool
    scratch: Path
    clock: Clock
    result: Result
    trace: Path | None = None
    subjects: dict[str, Subject] = field(default_factory=dict)
    save: Callable[[], object] = lambda: None

    @property
    def on_cuda(self) -> bool:
        """Whether there is an accelerator."""
        return self.device.startswith("cuda")

    def has_time(self, seconds: float, what: str) -> bool:
        """Whether so many seconds are left; where not, the file says what was left out.

        Args:
            seconds: As many as the next row is thought to take.
            what: The row.
        """
        if self.clock.left >= (0 if self.tiny else seconds):
            return True
        self.result.cut.append(what)
        return False

    @contextmanager
    def row(self, **facts: Any) -> Iterator[dict[str, Any]]:
        """A row of the section's: what fails in it stands in the row, and the section goes on.

        Args:
            **facts: What the row is about.
        """
        from tests.benchmarks.accelerator.budget import OutOfTimeError

        row: dict[str, Any] = dict(facts)
        self.result.rows.append(row)
        begun = time.monotonic()
        try:
            yield row
        except OutOfTimeError:
            row["error"] = {"type": "OutOfTimeError", "message": "cut: its section's time was over", "traceback": ""}
            raise
        except Exception as error:
            row["error"] = problem(error)
            if "cut after" in str(error):  # the alarm, as the engine tells it
                raise OutOfTimeError(str(error)) from error
        finally:
            row["took"] = round(time.monotonic() - begun, 2)
            self.save()

    def free(self) -> None:
        """Gives memory back that nobody holds."""
        import torch

        gc.collect()
        if self.on_cuda:
            torch.cuda.empty_cache()

    def synchronize(self) -> None:
        """Waits for the device."""
        import torch

        if self.on_cuda:
            torch.cuda.synchronize()
