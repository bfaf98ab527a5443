"""What workers say of themselves, as plain data."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["WorkerCard"]


@dataclass(frozen=True, slots=True)
class WorkerCard:
    """A worker.

    Attributes:
        host: Name of its machine.
        process: Number of its process there.
        device: What its models run on where a stage does not say.
        threads: torch's threads.
        numerics: What in its process decides the bits of results; workers of one run agree in it.
    """

    host: str
    process: int
    device: str
    threads: int
    numerics: str

    def __str__(self) -> str:
        return f"{self.host} ({self.device}, process {self.process})"
