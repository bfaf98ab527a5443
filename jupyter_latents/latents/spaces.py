"""The latent spaces that have a name, for files and people that give only that.

The engine reads the numbers from a VAE's own config; this table stands in where there is no VAE.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from jupyter_latents.errors import SettingError, nearest
from jupyter_latents.latents.arguments import shown
from jupyter_latents.latents.facts import Space

__all__ = ["FLOW_SPACES", "SPACES", "find_space", "likely_spaces"]

# AutoencoderKLWan's config (latents_mean, latents_std), which Qwen-Image's VAE shares.
_WAN_MEAN = (
    -0.7571, -0.7089, -0.9113, 0.1075, -0.1745, 0.9653, -0.1517, 1.5508,
    0.4134, -0.0715, 0.5517, -0.3632, -0.1922, -0.9497, 0.2503, -0.2921,
)  # fmt: skip
_WAN_STD = (
    2.8184, 1.4541, 2.3275, 2.6558, 1.2196, 1.7708, 2.6052, 2.0743,
    3.2687, 2.1526, 2.8652, 1.5579, 1.6382, 1.1253, 2.8251, 1.9160,
)  # fmt: skip

SPACES: Mapping[str, Space] = MappingProxyType(
    {
        "sd": Space("SD", 4, 8, 0.18215),
        "sdxl": Space("SDXL", 4, 8, 0.13025),
        "sd3": Space("SD3", 16, 8, 1.5305, 0.0609),
        "flux": Space("Flux", 16, 8, 0.3611, 0.1159),
        # Patchified: normalised by the VAE's batch norm over 4 * 32 channels, half as wide and high.
        "flux2": Space("Flux2", 128, 16),
        "wan": Space("Wan2.1", 16, 8, channel_mean=_WAN_MEAN, channel_std=_WAN_STD),
    }
)
_ALSO = {
    "sd1": "sd",
    "sd15": "sd",
    "sd1.5": "sd",
    "sd2": "sd",
    "sd3.5": "sd3",
    "flux1": "flux",
    "wan2.1": "wan",
    "qwen": "wan",
}

# The spaces whose models are flow-matching, so that their noisy latents have the flow form.
FLOW_SPACES = frozenset({"SD3", "Flux", "Flux2", "Wan2.1"})


def find_space(space: str | Space) -> Space:
    """The space of that name, in any case; a `Space` is returned as it is.

    Raises:
        SettingError: No space has that name.
    """
    if isinstance(space, Space):
        return space
    if not isinstance(space, str):
        raise SettingError(f"space is {shown(space)}; give a name ({', '.join(SPACES)}) or a Space.")
    name = space.lower().replace("-", "").replace("_", "").replace(" ", "")
    name = _ALSO.get(name, name)
    if name not in SPACES:
        raise SettingError(
            f"no latent space is called {space!r}{nearest(name, SPACES) or '.'} "
            f"Known are {', '.join(SPACES)}; or give a Space."
        )
    return SPACES[name]


def likely_spaces(channels: int) -> str:
    """Whose latents have so many channels, as the rest of a sentence; empty when nobody's are known."""
    names = [known.name for known in SPACES.values() if known.channels == channels]
    listed = ", ".join(names[:-1]) + " and " + names[-1] if len(names) > 1 else "".join(names)
    return f", as {listed} latents have" if names else ""
