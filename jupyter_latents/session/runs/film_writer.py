"""Films of the pictures that the stages of an invocation made, one a frame."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from jupyter_latents.engine import Phase
from jupyter_latents.errors import JupyterLatentsError
from jupyter_latents.session.animations import FPS, films_written, groups
from jupyter_latents.session.blame import blame
from jupyter_latents.session.runs.afterwards import with_pictures
from jupyter_latents.session.runs.job import Job
from jupyter_latents.stage import Stage
from jupyter_latents.syntax import BEFORE

if TYPE_CHECKING:
    from jupyter_latents.engine import Engine, Observer
    from jupyter_latents.session.runs.run import Run
    from jupyter_latents.session.session import Session

__all__ = ["FilmWriter"]


@dataclass(frozen=True, slots=True)
class FilmWriter:
    """Writes the films of a script.

    Attributes:
        session: Says how pictures were made.
        engine: Decodes them.
        run: Has their results, and is told of files.
        observer: Is told what happens.
        speeds: Frames a second of the films whose frames are bound to names.
    """

    session: Session
    engine: Engine
    run: Run
    observer: Observer
    speeds: dict[str, float] = field(default_factory=dict)

    def fps(self, stages: Sequence[Stage]) -> float:
        """Frames a second of the film whose frames an invocation goes on with; 0 where it goes on with none.

        Args:
            stages: Its stages.
        """
        seed = stages[0].image_seed
        given = () if seed is None else (*seed.latents, *seed.images)
        return next((fps for one in given if (fps := self.speeds.get(one.text.partition("[")[0]))), 0.0)

    def write(self, job: Job, placed: Callable[[Stage], Stage]) -> None:
        """Writes the films that the stages of an invocation are frames of, but of those that a refiner goes on with.

        Args:
            job: The invocation, all of whose stages have run.
            placed: Gives a stage with the folder that it writes to.

        Raises:
            JupyterLatentsError: A film cannot be written.
        """
        into, ending = job.stages[0].into, job.invocation.first("animation_format")
        if into is not None and job.fps:
            self.speeds[into] = job.fps
        if into == BEFORE or ending in (None, "frames"):
            return
        for group in groups(job.told):
            stage = placed(job.stages[group[0]])
            results = [with_pictures(stage, job.made[number], self.engine) for number in group]
            texts = self.session.texts_of_sheet([result.latents for result in results])
            self.observer.phase(Phase("saving"))
            try:
                film = (ending, job.fps or FPS)
                files = films_written(stage, results, film, texts, self.observer.note, self.run.files)
            except JupyterLatentsError as error:
                raise blame(job.invocation, error, job.numbers[group[0]]) from error.__cause__
            self.run.files.extend(files)
