"""Real diffusers schedulers: built by name, read for their noise levels; nothing here changes their tables or class."""

from __future__ import annotations

import copy
import hashlib
import json
import math
import weakref
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from importlib.util import find_spec
from typing import Any

import torch

from jupyter_latents.engine.libraries.signatures import parameters_of
from jupyter_latents.engine.schedule.limits import check_kinds, check_settings
from jupyter_latents.engine.schedule.table import BACKWARDS, FORMS, SCHEDULER_ERRORS, SIGMAS_AS_GIVEN, scheduler_names
from jupyter_latents.errors import HandoffError, ModelError, ScriptError, nearest
from jupyter_latents.latents.facts import CLEAN, Form, Noise
from jupyter_latents.latents.form_table import ROWS
from jupyter_latents.stage import Address, address_of
from jupyter_latents.wording import option

__all__ = [
    "backwards",
    "build",
    "custom_sigmas",
    "form_of",
    "has_levels",
    "level",
    "near",
    "schedule_digest",
    "sigma_of_timestep",
]

_ROUNDING = 1e-5  # of the largest value of a table
# What diffusers' own defaults get wrong for latents, where the settings of a model of another scheduler say nothing.
_FOR_LATENTS = {
    "clip_sample": False,
    "clip_denoised": False,
    "thresholding": False,
    "set_alpha_to_one": False,
    "skip_prk_steps": True,
}

_STEPPED = ("set_timesteps", "step", "order")
"""What a scheduler that steps through latents has; some classes of diffusers are made for tokens or proteins."""


def build(name: Address | str | None, own_class: str, own_config: Mapping[str, Any], *, seed: int | None = None) -> Any:
    """A fresh scheduler for one run.

    Args:
        name: A class name with optional arguments (``DDIMScheduler;eta=0.5``), or None for the model's own.
        own_class: Class name of the model's own scheduler.
        own_config: Configuration of the model's own scheduler.
        seed: Seed for schedulers that make their noise themselves.

    Raises:
        ScriptError: No such scheduler, or it takes no such argument.
        SettingError: Text that is no address.
        ModelError: The scheduler needs a library that is not installed, or its settings make none.
    """
    import diffusers

    address = address_of(name, "schedulers") or Address(own_class)
    wanted = address.name
    overrides = {key.replace("-", "_"): _typed(text) for key, text in address.settings.items()}
    scheduler_class = getattr(diffusers, wanted, None)
    if not wanted.endswith("Scheduler") or scheduler_class is None or not hasattr(scheduler_class, "from_config"):
        known = scheduler_names()
        raise ScriptError(
            f"no scheduler {wanted!r}{nearest(wanted, known)} Known: {', '.join(known)}.", option="schedulers"
        )
    lacking = [name for name in getattr(scheduler_class, "_backends", ()) if find_spec(name) is None]
    if lacking:
        raise ModelError(_needs(wanted, lacking), option="schedulers")
    config = dict(own_config)
    parameters = parameters_of(scheduler_class.__init__)
    accepted = set(parameters) - {"self", "kwargs"}
    if wanted != own_class:
        config = {key: value for key, value in config.items() if value is not None}
        config = {**{key: value for key, value in _FOR_LATENTS.items() if key in accepted}, **config}
    unknown = [key for key in overrides if key not in accepted]
    if unknown:
        allowed = ", ".join(sorted(accepted))
        raise ScriptError(
            f"{wanted} has no setting {unknown[0]!r}{nearest(unknown[0], accepted) or '.'} It takes: {allowed}.",
            option="schedulers",
        )
    if "noise_sampler_seed" in accepted and config.get("noise_sampler_seed") is None:
        config["noise_sampler_seed"] = seed
    # What it does not take itself stays in its configuration: pipelines read the shift of the model's schedule there.
    named = {**{key: value for key, value in config.items() if not key.startswith("_")}, "_class_name": own_class}
    for settings, source in ((overrides, option("schedulers")), (named, "scheduler_config.json of the model")):
        check_settings(settings, source)
        check_kinds(settings, parameters, source)
    try:
        made = _made(scheduler_class, named, overrides)
    except ImportError as error:
        raise ModelError(_needs(f"{wanted} with beta sigmas", ["scipy"]), option="schedulers") from error
    except SCHEDULER_ERRORS as error:
        raise ModelError(f"{wanted} cannot be made with these settings: {error}", option="schedulers") from error
    if not all(hasattr(made, name) for name in _STEPPED):
        raise ModelError(
            f"{wanted} is no scheduler of latents; use another {option('schedulers')}.", option="schedulers"
        )
    return made


def _made(scheduler_class: Any, config: dict[str, Any], overrides: dict[str, Any]) -> Any:
    """A scheduler of a class: a copy of one that was built before from the same settings, where JSON can tell them.

    KDPM2's classes take 0.2 seconds to build, and a stage is planned and run with several.
    """
    try:
        told = json.dumps([config, overrides])
        exact = json.loads(told) == [config, overrides]
    except (TypeError, ValueError):
        exact = False
    if not exact:
        return scheduler_class.from_config(config, **overrides)
    pattern = _pattern(scheduler_class, told, torch.get_default_dtype(), torch.get_default_device())
    frozen = pattern.config  # nobody changes it, so that all copies share it
    return copy.deepcopy(pattern, {id(frozen): frozen})


@lru_cache(maxsize=64)
def _pattern(scheduler_class: Any, told: str, _dtype: torch.dtype, _device: torch.device) -> Any:
    """What `_made` copies; nobody steps it."""
    config, overrides = json.loads(told)
    return scheduler_class.from_config(config, **overrides)


def _needs(what: str, libraries: Sequence[str]) -> str:
    lacking = " and ".join(libraries)
    return f'{what} needs {lacking}, not installed here: pip install "jupyter-latents[samplers]", or take another.'


def _typed(text: str) -> Any:
    """A setting's value, read as JSON where it can be."""
    try:
        return json.loads(text.lower() if text.lower() in ("true", "false", "none") else text)
    except (ValueError, RecursionError):
        return text


def custom_sigmas(scheduler: Any, sigmas: Sequence[float]) -> Any:
    """Custom sigmas as an array, which some schedulers do arithmetic on, ending at 0.

    Most schedulers append the final 0 themselves; those of `SIGMAS_AS_GIVEN` step only between what they are given.

    Args:
        scheduler: The scheduler that is to take them.
        sigmas: Falling noise levels, one a step.
    """
    import numpy as np

    array = np.asarray(sigmas)
    if type(scheduler).__name__ in SIGMAS_AS_GIVEN and array[-1] > 0:
        array = np.append(array, 0.0)
    return array


def form_of(scheduler: Any) -> Form:
    """How a scheduler mixes signal and noise: its row in the table, or what its settings tell."""
    config, takes = scheduler.config, parameters_of(type(scheduler).__init__)  # what it does not take stays in it
    if "use_flow_sigmas" in takes and config.get("use_flow_sigmas"):
        return "flow"
    if "prediction_type" in takes and config.get("prediction_type") == "flow_prediction":
        return "flow"
    known = FORMS.get(type(scheduler).__name__)
    if known is not None:
        return known
    if type(scheduler).__name__.startswith("FlowMatch"):
        return "flow"
    return "vp" if math.isclose(float(scheduler.init_noise_sigma), 1.0) else "ve"


def backwards(scheduler: Any) -> bool:
    """Whether a scheduler goes from a picture to noise, as an inversion does; with flow sigmas diffusers' do not."""
    return type(scheduler).__name__ in BACKWARDS and form_of(scheduler) != "flow"


def level(scheduler: Any, index: int) -> Noise:
    """The noise level of latents that stand before timestep `index`; the length is the end, clean unless `backwards`.

    Args:
        scheduler: A scheduler after ``set_timesteps``, its tables full.
        index: Timestep index.
    """
    levels = _levels(scheduler)
    return levels[min(index, len(levels) - 1)]


_KNOWN: weakref.WeakKeyDictionary[Any, tuple[Any, Any, tuple[Noise, ...]]] = weakref.WeakKeyDictionary()


def has_levels(scheduler: Any) -> bool:
    """Whether the noise levels of a scheduler are known; those of no such class are refused by a trial of its steps."""
    tables = (getattr(scheduler, "sigmas", None), getattr(scheduler, "alphas_cumprod", None))
    return type(scheduler).__name__ == "IPNDMScheduler" or any(table is not None for table in tables)


def _levels(scheduler: Any) -> tuple[Noise, ...]:
    """The level before each timestep and at the end, read once: reading a number of an accelerator waits for it all."""
    timesteps, sigmas = scheduler.timesteps, getattr(scheduler, "sigmas", None)
    known = _KNOWN.get(scheduler)
    if known is None or known[0] is not timesteps or known[1] is not sigmas:
        known = _KNOWN[scheduler] = timesteps, sigmas, tuple(_levels_of(scheduler, timesteps, sigmas))
    return known[2]


def _levels_of(scheduler: Any, timesteps: Any, sigmas: Any) -> Iterator[Noise]:
    form, steps, rises = form_of(scheduler), timesteps.tolist(), backwards(scheduler)
    if sigmas is not None and len(sigmas) >= len(steps):
        for timestep, sigma in zip(steps, sigmas.tolist(), strict=False):
            yield Noise(ROWS[form].sigma(sigma), form, float(timestep))
        yield Noise(float(sigmas[len(steps)]), form) if rises else CLEAN
        return
    alphas = None if type(scheduler).__name__ == "IPNDMScheduler" else scheduler.alphas_cumprod.tolist()
    if rises:  # DDIMInverse steps to the timestep at which it asks the model
        yield Noise(_sigma_of(float(scheduler.initial_alpha_cumprod)), form)
    for timestep in map(float, steps):
        alpha_bar = math.cos(timestep * math.pi / 2) ** 2 if alphas is None else alphas[int(timestep)]
        yield Noise(_sigma_of(alpha_bar), form, timestep)
    if not rises:
        yield CLEAN


def _sigma_of(alpha_bar: float) -> float:
    return math.sqrt((1.0 - alpha_bar) / alpha_bar) if alpha_bar > 0 else math.inf


def sigma_of_timestep(scheduler: Any, timestep: float) -> float:
    """The noise level of a training timestep, in variance-exploding terms.

    Args:
        scheduler: A scheduler of the model, its timesteps set or not.
        timestep: 0 to the length of the training schedule.

    Raises:
        HandoffError: It has no table of them.
    """
    if form_of(scheduler) == "flow":
        return ROWS["flow"].sigma(timestep / float(scheduler.config.get("num_train_timesteps", 1000)))
    table = getattr(scheduler, "alphas_cumprod", None)
    if table is None:
        raise HandoffError(
            f"{type(scheduler).__name__} has no noise level for a timestep. Give sigma= in the place of timestep=, or "
            f"use another {option('schedulers')}."
        )
    return _sigma_of(float(table[int(min(timestep, len(table) - 1))]))


def schedule_digest(scheduler: Any) -> str:
    """A digest of all that fixes a schedule: class, settings, timesteps and sigmas (32 hexadecimal digits)."""
    settings = [type(scheduler).__name__, _settings(scheduler)]
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode())
    for table in _tables(scheduler):
        if table is not None:
            digest.update(table.numpy().tobytes())
    return digest.hexdigest()[:32]


def near(scheduler: Any, other: Any) -> bool:
    """Whether two schedulers have one schedule but for rounding.

    Some compute their timesteps on the device (EDM's, KDPM2's), whose logarithm is not the CPU's to the last bit.

    Args:
        scheduler: A scheduler after ``set_timesteps``.
        other: Another, set on another device perhaps.
    """
    if type(scheduler) is not type(other) or _settings(scheduler) != _settings(other):
        return False
    return all(map(_differ_by_rounding, _tables(scheduler), _tables(other)))


def _settings(scheduler: Any) -> dict[str, Any]:
    own = set(parameters_of(type(scheduler).__init__)) - {"noise_sampler_seed"}
    return {key: value for key, value in scheduler.config.items() if key in own}


def _tables(scheduler: Any) -> tuple[torch.Tensor | None, ...]:
    tables = (scheduler.timesteps, getattr(scheduler, "sigmas", None))
    return tuple(None if table is None else torch.as_tensor(table).detach().cpu().double() for table in tables)


def _differ_by_rounding(table: torch.Tensor | None, other: torch.Tensor | None) -> bool:
    if table is None or other is None or table.shape != other.shape:
        return table is other
    return not table.numel() or bool((table - other).abs().max() <= _ROUNDING * other.abs().max())
