"""One table: a row for each form in which schedulers mix signal and noise.

Every form is one coefficient times the variance-exploding one, ``(x0 + sigma * noise) / divisor(sigma)``:

| form | divisor | the scheduler's own way to write it |
|---|---|---|
| ``ve`` | 1 | x0 + sigma * noise (EDM: Karras et al., arXiv:2206.00364, table 1) |
| ``vp`` | sqrt(1 + sigma^2) | sqrt(abar) x0 + sqrt(1 - abar) noise, sigma^2 = 1/abar - 1 (arXiv:2006.11239 eq. 4) |
| ``flow`` | 1 + sigma | (1 - s) x0 + s * noise, sigma = s / (1 - s) (Esser et al., arXiv:2403.03206, eq. 13) |

``sigma`` is in variance-exploding terms, 0 to infinity, everywhere but in what a row calls a scheduler's own number.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, TypeAlias, get_args

__all__ = ["FORMS", "NOISY_FORMS", "ROWS", "Form", "FormRow"]

Form: TypeAlias = Literal["clean", "ve", "vp", "flow"]
FORMS: tuple[str, ...] = get_args(Form)


def _same(level: float) -> float:
    return level


@dataclass(frozen=True, slots=True)
class FormRow:
    """A row.

    Attributes:
        shown: How people read it.
        divisor: What x0 + sigma * noise is divided by, of a finite sigma.
        own: The number that its schedulers write for a sigma.
        sigma: The sigma of such a number.
        holds_pure_noise: Whether there are values at sigma = infinity, which are the noise.
    """

    shown: str
    divisor: Callable[[float], float]
    own: Callable[[float], float] = _same
    sigma: Callable[[float], float] = _same
    holds_pure_noise: bool = True


def _flow_own(sigma: float) -> float:
    return 1.0 if math.isinf(sigma) else sigma / (1.0 + sigma)


def _flow_sigma(share: float) -> float:
    return share / (1.0 - share) if share < 1.0 else math.inf


ROWS: Mapping[str, FormRow] = MappingProxyType(
    {
        "clean": FormRow("clean", lambda _: 1.0, holds_pure_noise=False),
        "ve": FormRow("VE", lambda _: 1.0, holds_pure_noise=False),
        "vp": FormRow("VP", lambda sigma: math.hypot(1.0, sigma)),
        "flow": FormRow("flow", lambda sigma: 1.0 + sigma, _flow_own, _flow_sigma),
    }
)
"""Form to its row."""

NOISY_FORMS = tuple(form for form in FORMS if form != "clean")
"""The forms that noisy latents can have."""
