"""One evaluation of a script that serves foresight and run: it stops where something is yet to be made, and goes on."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any

from jupyter_latents.errors import ScriptError
from jupyter_latents.wording import visible

from .invocation import Invocation
from .script import Script
from .templates.environment import Environment
from .templates.promises import real
from .worker import Foreseen, Said, Waiting, Worker, count

__all__ = ["Evaluation", "Foreseen", "Waiting"]


class Evaluation:
    r"""A script that is evaluated once: first as far as can be foreseen, then, with what its invocations made, on.

    ```python
    evaluation = Evaluation(script, environment, schedulers)
    foreseen = evaluation.ahead()      # nothing has run; `$NAME` stands for values of the environment
    why = evaluation.waiting           # None: all was foreseen
    for invocation in evaluation:      # those foreseen first, with the environment's values in them
        evaluation.finished(run(invocation))
    ```

    What an invocation is yet to make is a `Promise`. A template may hand it to ``--image-seeds``: then a made name
    stands in the seed, and ``environment.captured[name]`` is the promise (`promises.real` gives its value). A line that
    looks into one otherwise waits. What scripts print is printed when its turn comes in the run. `ahead` gives texts in
    which the environment's values are veiled: show them through ``environment.shown``; plan with ``invocation.real()``.
    What it prints, and what its errors say, has ``$NAME`` in their place; `current` is the veiled form of what runs.

    An evaluation whose rest nobody wants is ended by `close`, or when it is forgotten.

    Args:
        script: The script.
        environment: What it sees; this evaluation fills ``promised`` and ``last_images``.
        schedulers: Known scheduler names; where none are given, any name will do.
        count: Says how many results an invocation will make, None when only the run can tell. By default one a stage,
            and unknown where ``--batch-size`` is above 1.
    """

    def __init__(
        self,
        script: Script,
        environment: Environment,
        schedulers: Collection[str] = (),
        count: Callable[[Invocation], int | None] = count,
    ) -> None:
        self.environment = environment
        self._worker = Worker(script, environment, schedulers)
        self._worker.count = count
        self._print, self._warn = environment.print, environment.warn or environment.print
        self._current: Foreseen | None = None
        environment.print, environment.warn = self._worker.say, self._worker.warn
        environment.waits = self._worker
        environment.veils = True

    @property
    def waiting(self) -> Waiting | None:
        """Why `ahead` stopped before the script's end; None where it did not."""
        return self._worker.waiting

    @property
    def current(self) -> Invocation | None:
        """The invocation that was handed out last, as the script says it: the environment's values are veiled."""
        return self._current.invocation if self._current is not None else None

    @property
    def ending(self) -> tuple[str, object]:
        r"""The name that ``\setp`` set behind the last invocation, and its value; of a whole evaluation."""
        name = self.environment.ending
        return name, real(self.environment.names.get(name))

    @property
    def foreseen(self) -> list[Foreseen]:
        """The invocations of `ahead` that are still to run, with what they promise."""
        return [step for step in self._worker.steps if isinstance(step, Foreseen)]

    @property
    def printed(self) -> list[str]:
        """What the script printed ahead and nobody has seen yet, for display."""
        return [visible(self.environment.shown(step.text)) for step in self._worker.steps if isinstance(step, Said)]

    def ahead(self) -> list[Invocation]:
        """Evaluates as far as can be told before anything runs.

        Returns:
            The invocations that are still to run, so far as they are known.

        Raises:
            ScriptError: Something is wrong, and where.
        """
        worker = self._worker
        if not worker.ended and worker.waiting is None:
            self.environment.foreseeing, worker.ahead = True, True
            worker.turn()
        if worker.error is not None:
            raise worker.error
        return [step.invocation for step in self.foreseen]

    def __iter__(self) -> Iterator[Invocation]:
        return self

    def __next__(self) -> Invocation:
        worker = self._worker
        while True:
            while worker.steps:
                step = worker.steps.popleft()
                if isinstance(step, Foreseen):
                    self._current = step
                    return step.invocation.real()
                show = self._warn if step.warning else self._print
                show(visible(self.environment.hidden(step.text)))
            if worker.error is not None:
                raise worker.error
            if worker.ended or worker.closed:
                raise StopIteration
            self.environment.foreseeing = worker.ahead = False
            stuck = worker.waiting
            worker.turn()
            if worker.waiting is not None and worker.waiting == stuck and not worker.steps:
                raise ScriptError(f"The script cannot go on: {stuck.message}.", place=stuck.place)

    def finished(self, images: Iterable[object]) -> None:
        """Tells what the invocation handed out last has made; every reader of its promises sees it from now on.

        Args:
            images: Names of files, or names that stand for objects (`Environment.capture`), or the latents themselves.
        """
        step = self._current
        if step is None:
            return
        made = [self._veiled_again(image, step.invocation) for image in images]
        share = len(made) // len(step.images) if step.images else 0
        even = share > 0 and share * len(step.images) == len(made)
        for index, promise in enumerate(step.images):
            part = made[index * share : (index + 1) * share] if even else made
            promise.fulfil(part[0] if len(part) == 1 and promise is not self.environment.whole else part)
        latest: list[Any] = self.environment.last_images
        if len(latest) == len(step.images) and all(a is b for a, b in zip(latest, step.images, strict=True)):
            latest[:] = [item if isinstance(item, str) else self.environment.capture(item) for item in made]
            self.environment.whole = None
        if step.into is not None and self.environment.promised.get(step.into.name) is step.into:
            del self.environment.promised[step.into.name]
        if step.into is not None:
            step.into.fulfil(self.environment.kernel.get(step.into.name, made[0] if len(made) == 1 else made))

    def _veiled_again(self, made: object, invocation: Invocation) -> Any:
        """The name of a file as scripts see it: its folder and prefix may hold values of the environment."""
        if not isinstance(made, str) or not self.environment.opened:
            return made
        given = (invocation.first("output_path"), invocation.first("output_prefix"))
        source = " ".join(str(text) for text in given if text)
        return self.environment.values.veiled_again(made, self.environment.values.within(source))

    def close(self) -> None:
        """Ends the evaluation; its rest is not evaluated."""
        self._worker.close()

    def __del__(self) -> None:
        self._worker.close()
