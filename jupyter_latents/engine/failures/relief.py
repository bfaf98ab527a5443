"""Out of memory: what is tried before a run gives up, the mildest first, going on from the last whole step."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from jupyter_latents.engine.models.cache import ModelCache
from jupyter_latents.engine.models.memory import device_of, is_out_of_memory
from jupyter_latents.engine.observer import Observer
from jupyter_latents.engine.rest import run_rest
from jupyter_latents.engine.result import StageResult
from jupyter_latents.errors import JupyterLatentsError, ModelError, RunError
from jupyter_latents.optimizations import keeps_law
from jupyter_latents.stage import Stage
from jupyter_latents.wording import option, readable

if TYPE_CHECKING:
    from jupyter_latents.engine.given.inputs import Inputs

__all__ = ["Relief", "is_memory_error", "let_go"]


def is_memory_error(error: JupyterLatentsError) -> bool:
    """Whether an error of ours says that memory ran out."""
    return error.__cause__ is not None and is_out_of_memory(error.__cause__)


@dataclass(frozen=True, slots=True)
class Relief:
    """Runs a stage again that ran out of memory.

    Attributes:
        cache: The models.
        observer: Is told what is tried.
        go: Runs a stage.
        finish: Decodes a result whose steps are all done, by a stage's model.
    """

    cache: ModelCache
    observer: Observer
    go: Callable[[Stage, Inputs], StageResult]
    finish: Callable[[StageResult, Stage], StageResult]

    def run(self, stage: Stage, inputs: Inputs, error: RunError | ModelError) -> StageResult:
        """The stage's result.

        Args:
            stage: What ran out of memory.
            inputs: Its resolved inputs.
            error: What it ended with.

        Raises:
            RunError: Nothing helped; says what was tried, and holds the steps done.
        """
        device = device_of(stage.model.device)
        known, tried = _partial(error), list[str]()
        for what, eased in self._ways(stage, device):
            tried.append(what)
            self.observer.note(f"out of memory on {device}: {what}; it goes on", warning=True)
            try:
                return self._again(known, eased, inputs)
            except (RunError, ModelError) as again:
                if not is_memory_error(again):
                    raise
                error, known = again, _partial(again) or known
                let_go(again)
        raise RunError(
            f"{stage.model.name} ran out of memory on {device}, though {', '.join(tried)}. Use a smaller "
            f"{option('output_size')} or {option('batch_size')}, {option('dtype')} float16 or bfloat16, or "
            f"{option('model_sequential_offload')}. The steps done are kept.",
            partial=known,
            option="output_size",
        ) from error.__cause__

    def _ways(self, stage: Stage, device: Any) -> Iterator[tuple[str, Stage]]:
        """What can be done, in words, and the stage as it then runs; each keeps what was done before it."""
        freed = self.cache.let_idle_go(device, but=stage.model)
        yield f"models not in use were let go of ({readable(freed)})", stage
        model = stage.model
        if device.type != "cpu" and model.offload is None:
            model = replace(model, offload="model")
            self.cache.let_idle_go(device)
            yield "parts of the model wait in RAM between uses (model CPU offload)", replace(stage, model=model)
        if not model.vae_tiling:
            model = replace(model, vae_tiling=True)
            yield "the VAE works in tiles (VAE tiling)", replace(stage, model=model)

    def _again(self, known: StageResult | None, stage: Stage, inputs: Inputs) -> StageResult:
        if known is not None and known.latents.is_clean:
            return self.finish(known, stage)
        if known is None or known.latents.resume is None or not keeps_law(stage.model.optimize):
            return self.go(stage, inputs)
        return run_rest(known, stage, inputs, self.go)


def _partial(error: JupyterLatentsError) -> StageResult | None:
    """The steps done before an error; what its frames hold of the run's memory is let go of."""
    let_go(error)
    held = getattr(error, "partial", None)
    return held if isinstance(held, StageResult) else None


def let_go(error: BaseException) -> None:
    """Frees what the frames of an error hold: a failed step's tensors would fill the memory that the next try needs."""
    told: BaseException | None = error
    seen: set[int] = set()
    while told is not None and id(told) not in seen:  # an error that is raised twice can be in its own chain
        seen.add(id(told))
        traceback.clear_frames(told.__traceback__)
        told = told.__cause__ or told.__context__
