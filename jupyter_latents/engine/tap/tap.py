"""The one seam to diffusers' pipelines.

A pipeline is given (1) a scheduler held by composition, whose visible timesteps start where the window starts, (2) its
starting latents after its own ``prepare_latents``, (3) a callback after each step that ends the window. Pipelines
without a row in the family table run through the same seam when they have ``prepare_latents``, a scheduler and
``callback_on_step_end`` (or the older ``callback``). Of those with a row that have no callback, and do nothing to their
latents after the scheduler's step, that step tells.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch

from jupyter_latents.engine.failures.extremes import Extreme
from jupyter_latents.engine.libraries.signatures import parameters_of
from jupyter_latents.engine.schedule import beginning, estimates, state
from jupyter_latents.engine.schedule.strength import cut_by_strength
from jupyter_latents.engine.schedule.trial import stepped_dtype
from jupyter_latents.engine.tap.finish import FINISHES, Finish
from jupyter_latents.engine.tap.partner import Partner
from jupyter_latents.engine.tap.pipeline import tapped
from jupyter_latents.engine.tap.scheduler import WindowedScheduler
from jupyter_latents.engine.tap.states import Entry, Generators, StepState
from jupyter_latents.errors import HandoffError
from jupyter_latents.latents.sound import KEY
from jupyter_latents.wording import option

__all__ = ["Tap"]


class _WindowEndError(Exception):
    """Leaves the pipeline's loop when the window is done."""


class Tap:
    """One run of one pipeline: where it enters, what it steps through, where it ends.

    Args:
        scheduler: The real scheduler, made for this run; its tables always stay full.
        generator: The run's random generator, or one for each item of its batch.
        enter: Called once with the scheduler after ``set_timesteps`` and the timestep indices that the pipeline leaves
            out for an image's strength; says where the run enters.
        on_step: Called after each timestep; returns False to end the run there.
        encode: Called in place of the pipeline's ``encode_prompt``, with the class's own, the pipeline, and the
            arguments; None to leave that alone.
        extreme: Finds what came in that is to blame where a part makes NaN or infinity.
        finish: What the pipeline does to its latents in and after the loop.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - each is another's to decide
        self,
        scheduler: Any,
        generator: Generators,
        enter: Callable[[Any, int], Entry],
        on_step: Callable[[StepState], bool],
        encode: Callable[[Callable[..., Any], Any, tuple[Any, ...], dict[str, Any]], Any] | None = None,
        extreme: Callable[[], Extreme | None] = lambda: None,
        finish: Finish = FINISHES[""],
    ) -> None:
        self.scheduler = scheduler
        self.generator = generator
        self._enter = enter
        self._on_step = on_step
        self.encode, self._finish = encode, finish
        self._beside: tuple[Any, ...] = ()
        self._said: torch.dtype | None = None
        self.extreme = extreme
        self._by_strength: Callable[[], tuple[torch.Tensor, int]] | None = None
        self._entry: Entry | None = None
        self._prepared: torch.Tensor | None = None
        self._baseline = state.Baseline()
        self._indices: Sequence[int] = range(0)
        self._steps = 0
        self._entered: int | None = None
        self._stepped = self._told_by_scheduler = False
        self.partner = Partner()
        self._last: tuple[int, torch.Tensor, torch.Tensor] | None = None

    def run(
        self,
        pipeline_class: type,
        components: Mapping[str, Any],
        call: Mapping[str, Any],
        prepared: Callable[[Any], AbstractContextManager[Any]] = nullcontext,
    ) -> None:
        """Runs the pipeline through the window; states are told to `on_step`.

        Args:
            pipeline_class: A diffusers pipeline class.
            components: Its constructor's arguments without the scheduler.
            call: The arguments of its call without generator, callback and output type.
            prepared: Wraps the run of the pipeline, such as with offloading switched on.
        """
        pipeline = tapped(pipeline_class)(**components, scheduler=None)
        pipeline.scheduler = WindowedScheduler(self)  # only now: some change the settings of what they are made with
        if "strength" in call and hasattr(pipeline, "get_timesteps"):
            steps, strength = int(call["num_inference_steps"]), float(call["strength"])
            self._by_strength = lambda: cut_by_strength(pipeline.get_timesteps, self.scheduler, steps, strength)
        pipeline.jupyter_latents_tap = self
        denoiser = components.get("transformer") or components.get("unet")
        self._said = getattr(denoiser, "dtype", None)
        pipeline.set_progress_bar_config(disable=True)
        try:
            with prepared(pipeline):
                pipeline(**call, **self._callback(pipeline_class), generator=self.generator, output_type="latent")
        except _WindowEndError:
            return
        finally:
            self._by_strength = None  # it holds the pipeline, which holds this
            pipeline.maybe_free_model_hooks()

    def schedule_known(self) -> None:
        """The pipeline has set its timesteps: decide where to enter."""
        skipped = len(self.scheduler.timesteps) - len(self._by_strength()[0]) if self._by_strength else 0
        self._entry = entry = self._enter(self.scheduler, skipped)
        self._indices = range(entry.start_index, len(self.scheduler.timesteps))
        if entry.latents is not None and entry.scheduler_state is None and entry.start_index > 0:
            self._entered = entry.start_index
            self._indices = beginning.indices(self.scheduler, entry.start_index)
        if hasattr(self.scheduler, "set_begin_index"):  # else it looks its timestep up, which may stand there twice
            self.scheduler.set_begin_index(self._entry.start_index)
        self._baseline = state.baseline(self.scheduler)
        self.partner.deliver(entry.scheduler_state)
        self._deliver()

    def latents_prepared(self, latents: torch.Tensor, beside: tuple[Any, ...] = ()) -> torch.Tensor:
        """The pipeline has prepared its latents, and more beside them: what its loop is to start from.

        Ours, in the memory layout in which they were (kernels round by layout), where the schedule is known already;
        else a tensor that ours are copied into as soon as it is.
        """
        self._prepared, self._beside = latents.clone(), beside
        entry = self._entry
        if entry is not None and entry.latents is not None:
            self._check(entry.latents)
            dtype = self._loop_dtype(entry.latents.dtype, entry.start_index, latents.dtype)
            given = self._finish.begin(entry.latents.to(latents.device, dtype), latents, beside)
            self._prepared = torch.empty_like(given).copy_(given)
        if self._finish.draws_first:
            self._restore_generator()
        return self._prepared

    def _loop_dtype(self, given: torch.dtype, start: int, prepared: torch.dtype) -> torch.dtype:
        """The dtype to enter in: that which the loop's latents have after a step, where given ones lose nothing in it.

        Some schedulers give back the dtype of what the denoiser said, whatever they stepped: HunyuanVideo's loop begins
        in float32 and goes on in bfloat16, to which it rounds each timestep; Z-Image's from a picture the other way.
        """
        said = self._finish.said or self._said
        if start == 0 or said is None or said == prepared:
            return prepared
        stepped = stepped_dtype(self.scheduler, start - 1, prepared, said)
        keeps = stepped in (torch.promote_types(stepped, given), torch.promote_types(stepped, prepared))
        return stepped if keeps else prepared

    @property
    def timesteps(self) -> torch.Tensor:
        """What ``scheduler.timesteps`` shows to the pipeline.

        Where the pipeline cuts its timesteps for a strength it sees all of them; `cut` then puts the window in.
        """
        whole: torch.Tensor = self.scheduler.timesteps
        return whole if self._entry is None or self._by_strength is not None else self._own_timesteps()

    def _own_timesteps(self) -> torch.Tensor:
        whole: torch.Tensor = self.scheduler.timesteps
        run = self._indices
        return whole[run.start :] if isinstance(run, range) else whole[list(run)]

    def cut(self, timesteps: torch.Tensor) -> torch.Tensor:
        """What the pipeline's ``get_timesteps`` is to return in place of its own cut."""
        if self._entry is None or self._entry.latents is None:
            return timesteps
        if hasattr(self.scheduler, "set_begin_index"):
            self.scheduler.set_begin_index(self._entry.start_index)
        return self._own_timesteps()

    def _deliver(self) -> None:
        if self._entry is None or self._prepared is None or self._entry.latents is None:
            return
        self._check(self._entry.latents)
        self._prepared.copy_(self._entry.latents)

    def _check(self, given: torch.Tensor) -> None:
        if self._prepared is None or given.shape == self._prepared.shape:
            return
        raise HandoffError(
            f"latents of shape {tuple(given.shape)} cannot start this run, which holds {tuple(self._prepared.shape)} "
            f"(as its loop packs them). Leave out {option('output_size')} and {option('batch_size')}, or give those of "
            "the latents.",
            option="output_size",
        )

    def before_step(self) -> None:
        """Gives scheduler and generator their earlier state once, before anything of the first step."""
        if self._stepped or self._entry is None:
            return
        self._stepped = True
        if self._entry.scheduler_state is not None and self._prepared is not None:
            self._entered, own = beginning.without_entry(self._entry.scheduler_state)
            own = {name: value for name, value in own.items() if name != KEY}
            state.restore(self.scheduler, own, self._prepared.device)
        if not self._finish.draws_first:
            self._restore_generator()

    def _restore_generator(self) -> None:
        """Gives the generator its earlier state, once what is drawn before the loop is drawn."""
        state_before = self._entry.generator_state if self._entry is not None else None
        if state_before is not None and isinstance(self.generator, torch.Generator):
            self.generator.set_state(state_before)

    def scale_model_input(self, sample: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        """The scheduler's own, in the state that the first step begins with."""
        self.before_step()
        scaled: torch.Tensor = self.scheduler.scale_model_input(sample, *args, **kwargs)
        return scaled

    def set_begin_index(self, begin_index: int = 0) -> None:
        """The scheduler's own, counted from where the window starts."""
        if hasattr(self.scheduler, "set_begin_index"):
            self.scheduler.set_begin_index(self.offset() + begin_index)

    def offset(self) -> int:
        """Timesteps of the schedule that the pipeline does not see, since the window starts behind them."""
        return self._entry.start_index if self._entry is not None and self._by_strength is None else 0

    def stepping(self, model_output: torch.Tensor, sample: torch.Tensor) -> Mapping[str, Any]:
        """The scheduler is about to step; further arguments of its ``step``."""
        self.before_step()
        index = self._indices[self._steps]
        self._last = (index, model_output, sample)
        self._steps += 1
        return beginning.order(self.scheduler, index, self._entered)

    def stepped(self, made: Any) -> Any:
        """The scheduler has stepped; what its ``step`` returned, which goes on to the pipeline."""
        if self._told_by_scheduler:
            self._after_step(made[0] if isinstance(made, tuple) else made.prev_sample)
        return made

    def _reached(self, steps: int) -> int:
        """Timestep index of the latents after so many calls of the scheduler's ``step``."""
        ahead = self._indices[steps : steps + 1]
        return ahead[0] if ahead else len(self.scheduler.timesteps)

    def _callback(self, pipeline_class: type) -> dict[str, Any]:
        """The call's arguments that have the pipeline tell each step.

        Pipelines that have no such callback, or the older one alone, which leaves out PNDM's first call, are told of by
        their scheduler.
        """
        self._told_by_scheduler = "callback_on_step_end" not in parameters_of(pipeline_class.__call__)
        if self._told_by_scheduler:
            return {}
        return {
            "callback_on_step_end": lambda _pipeline, _step, _timestep, values: self._after_step(values["latents"]),
            "callback_on_step_end_tensor_inputs": ["latents"],
        }

    def _after_step(self, latents: torch.Tensor) -> dict[str, Any]:
        entry = self._entry
        index = self._reached(self._steps)
        if entry is None or (self._steps < len(self._indices) and self._reached(self._steps + 1) == index):
            return {}  # the first of two calls that make one step
        estimate = None
        if self._last is not None:
            at, model_output, sample = self._last
            estimate = estimates.denoised(self.scheduler, at, model_output, sample)
            estimate = None if estimate is None else self._finish.estimate(estimate, latents, self._beside)
        if index == len(self.scheduler.timesteps):
            latents = self._finish.latents(latents, self._beside)
        made = StepState(
            index,
            latents.detach().clone(),
            estimate,
            self.partner.beside(
                beginning.with_entry(self.scheduler, state.of(self.scheduler, self._baseline), self._entered)
            ),
            _state_of(self.generator),
        )
        goes_on = self._on_step(made)
        if not goes_on or index >= entry.end_index:
            raise _WindowEndError
        return {}


def _state_of(generator: Generators) -> torch.Tensor | tuple[torch.Tensor, ...]:
    if isinstance(generator, torch.Generator):
        return generator.get_state()
    return tuple(one.get_state() for one in generator)
