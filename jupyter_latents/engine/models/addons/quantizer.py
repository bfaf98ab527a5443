"""Quantizers: quantization as diffusers and transformers do it, through bitsandbytes where that is installed."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from typing import Any

from jupyter_latents.engine.models.addons.addon import Addon
from jupyter_latents.engine.models.addons.address import entry_of, fault
from jupyter_latents.engine.models.facts import ModelFacts
from jupyter_latents.engine.models.parts import PartSource
from jupyter_latents.errors import ModelError
from jupyter_latents.stage import Address, ModelSource
from jupyter_latents.wording import option

__all__ = ["Quantizer", "find_addon"]

_DTYPES = ("float32", "float16", "bfloat16")
_YES_OR_NO = ("true", "false")
_ALLOWED = {
    "bits": ("4", "8"),
    "bits4-compute-dtype": (*_DTYPES, "uint8"),
    "bits4-quant-type": ("fp4", "nf4"),
    "bits4-use-double-quant": _YES_OR_NO,
    "bits4-quant-storage": (*_DTYPES, "uint8"),
}


@dataclass(frozen=True)
class Quantizer(Addon):
    """A quantizer with its settings.

    Attributes:
        address: As the stage writes it, ``bnb;bits=4``.
    """

    address: Address

    mark = "quantized"

    @property
    def digest(self) -> str:
        """What the stage writes."""
        return str(self.address)

    def changes(self, facts: ModelFacts, /) -> tuple[str, ...]:
        """The denoiser and the text encoders, not the VAE and what has few matrices."""
        return tuple(part.name for part in facts.sources.values() if part.weights and _packs(part))

    def reading(self, part: PartSource, dtype: Any, /) -> dict[str, Any]:
        """The library's own configuration object; each library has a class of its own."""
        import diffusers
        import torch
        import transformers

        library: Any = transformers if part.library == "transformers" else diffusers
        config, address = library.BitsAndBytesConfig, self.address
        if (address.get("bits") or "8") == "8":
            return {"quantization_config": config(load_in_8bit=True)}
        compute, storage = address.get("bits4-compute-dtype"), address.get("bits4-quant-storage")
        four_bits = config(
            load_in_4bit=True,
            bnb_4bit_compute_dtype=getattr(torch, compute) if compute else dtype,
            bnb_4bit_quant_type=address.get("bits4-quant-type") or "fp4",
            bnb_4bit_use_double_quant=(address.get("bits4-use-double-quant") or "false").lower() == "true",
            bnb_4bit_quant_storage=getattr(torch, storage) if storage else None,
        )
        return {"quantization_config": four_bits}


def _packs(part: PartSource) -> bool:
    is_text = part.library == "transformers" and part.name.startswith("text_encoder")
    return part.name in ("unet", "transformer") or is_text


def find_addon(source: ModelSource, facts: ModelFacts) -> Quantizer:
    """The quantizer that a stage names.

    Raises:
        ModelError: Another quantizer, settings that are not allowed, a single file, or bitsandbytes is not installed.
    """
    address = source.quantizer or Address("")
    if address.name.lower() not in ("bnb", "bitsandbytes"):
        raise ModelError(
            f"{option('quantizer')} {address.name} is not known here; use bnb;bits=4 or bnb;bits=8, or leave it out.",
            option="quantizer",
        )
    address = entry_of("quantizer", address, _ALLOWED).address
    for key, values in _ALLOWED.items():
        given = address.get(key)
        if given is not None and (given.lower() if values == _YES_OR_NO else given) not in values:
            several = f"{', '.join(values[:-1])} or {values[-1]}"
            raise fault("quantizer", f"{key}={given} is not allowed; use {several}.")
    inside = [part.name for part in facts.sources.values() if _packs(part) and part.form != "folder"]
    if inside:
        raise ModelError(
            f"{option('quantizer')} does nothing to {' and '.join(inside)} of {source.name}, a single file: such files "
            "are read as they are. Give the model's diffusers folder, or leave it out.",
            option="quantizer",
        )
    if importlib.util.find_spec("bitsandbytes") is None:
        raise ModelError(
            f"{option('quantizer')} bnb needs bitsandbytes, which is not installed: pip install bitsandbytes, or leave "
            "it out.",
            option="quantizer",
        )
    return Quantizer(address)
