"""An exact denoiser in the place of a U-Net: Gaussian data, whose clean estimate is known in closed form.

Every value of the clean data is N(mu, tau^2). With y = x0 + sigma * noise the best estimate is
E[x0 | y] = mu + tau^2 / (tau^2 + sigma^2) * (y - mu), so a whole sampling run is known too: `Moments`.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import torch

from jupyter_latents.engine.local import LocalEngine
from jupyter_latents.engine.models.cache import LoadedModel, ModelCache
from jupyter_latents.engine.observer import Observer, Phase, Silent
from jupyter_latents.engine.result import StageResult
from jupyter_latents.engine.rules.calls import Inputs
from jupyter_latents.stage import ModelSource, Stage
from jupyter_latents.stopping import StopFlag, heeding

MU, TAU = 0.4, 0.7


class ExactUNet(torch.nn.Module):
    """Stands where a pipeline has its U-Net; predicts noise (``epsilon``) or velocity (``flow_prediction``) exactly.

    Args:
        config: Configuration of the U-Net it stands for.
        prediction_type: What it predicts; it takes VP latents for ``epsilon``, flow latents for ``flow_prediction``.
        alphas_cumprod: The training schedule.
        data: Mean and standard deviation of the clean data.
    """

    def __init__(
        self, config: Any, prediction_type: str, alphas_cumprod: torch.Tensor, data: tuple[float, float] = (MU, TAU)
    ) -> None:
        super().__init__()
        self.mu, self.tau = data
        self.config, self.prediction_type = config, prediction_type
        self.log_sigmas = (((1 - alphas_cumprod) / alphas_cumprod) ** 0.5).log().double()
        self.dtype, self.device = torch.float32, torch.device("cpu")  # what pipelines ask a model for

    def forward(self, sample: torch.Tensor, timestep: Any, *args: Any, **kwargs: Any) -> tuple[torch.Tensor]:
        time = float(timestep)
        if self.prediction_type == "flow_prediction":
            sigma = time / 1000 / (1 - time / 1000) if time < 1000 else math.inf
            coefficient = 1 - time / 1000
        else:
            low = min(int(time), len(self.log_sigmas) - 2)
            weight = time - low
            sigma = float((self.log_sigmas[low] * (1 - weight) + self.log_sigmas[low + 1] * weight).exp())
            coefficient = 1 / math.hypot(1, sigma)
        latents = sample.double()
        if math.isinf(sigma):
            return ((latents - self.mu).float(),)
        plain = latents / coefficient
        clean = self.mu + self.tau**2 / (self.tau**2 + sigma**2) * (plain - self.mu)
        noise = (plain - clean) / sigma
        return ((noise - clean if self.prediction_type == "flow_prediction" else noise).float(),)


class ExactCache(ModelCache):
    """Loads models as ever and puts the exact denoiser in the place of their U-Net."""

    def __init__(self, prediction_type: str, data: tuple[float, float] = (MU, TAU)) -> None:
        super().__init__()
        self.prediction_type, self.data = prediction_type, data

    def load(self, source: ModelSource, *args: Any, **kwargs: Any) -> LoadedModel:
        from diffusers import DDPMScheduler

        model = super().load(source, *args, **kwargs)
        training = DDPMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
        exact = ExactUNet(model.parts["unet"].config, self.prediction_type, training.alphas_cumprod, self.data)
        return dataclasses.replace(model, parts={**model.parts, "unet": exact})


def exact_engine(form: str, data: tuple[float, float] = (MU, TAU)) -> LocalEngine:
    """An engine whose models denoise data of a mean and deviation exactly, for schedulers of a form."""
    return LocalEngine(ExactCache("flow_prediction" if form == "flow" else "epsilon", data))


@dataclasses.dataclass
class _Undecoded(Silent):
    """Stops a run whose steps are done; hands on what is noted."""

    flag: StopFlag
    then: Observer

    def phase(self, phase: Phase) -> None:
        if phase.name == "decoding":
            self.flag.stop()

    def note(self, text: str, *, warning: bool = False) -> None:
        self.then.note(text, warning=warning)


def run_undecoded(engine: LocalEngine, stage: Stage, given: Inputs, notes: Observer | None = None) -> StageResult:
    """Runs a stage to its last step and makes no pictures, where latents alone are looked at: decoding takes longest.

    Args:
        engine: The engine.
        stage: The stage.
        given: What goes into it.
        notes: Is told what is noted.
    """
    flag = StopFlag()
    with heeding(flag):
        result = engine.run(stage, given, _Undecoded(flag, notes or Silent()))
    assert result.images == ()
    return result


@dataclasses.dataclass(frozen=True)
class Moments:
    """Mean and variance, in variance-exploding terms, of what an exact sampler holds at a noise level."""

    mean: float
    variance: float
    sigma: float

    @staticmethod
    def of_noise(sigma: float) -> Moments:
        """Pure noise taken as latents of level `sigma`, as samplers start."""
        return Moments(0.0, sigma**2, sigma)

    def denoised_to(self, sigma: float) -> Moments:
        """After the probability-flow ODE down to `sigma`: distances from mu shrink with the marginal deviation."""
        ratio = math.sqrt((TAU**2 + sigma**2) / (TAU**2 + self.sigma**2))
        return Moments(MU + ratio * (self.mean - MU), ratio**2 * self.variance, sigma)

    def noised_to(self, sigma: float) -> Moments:
        """After noise is added to reach `sigma`."""
        return Moments(self.mean, self.variance + sigma**2 - self.sigma**2, sigma)
