"""``--quantizer``: quantization as diffusers and transformers do it, through bitsandbytes where that is installed."""

from __future__ import annotations

import importlib.util
from typing import Any

from jupyter_latents.engine.models.addresses import Address, parse_address
from jupyter_latents.errors import ModelError
from jupyter_latents.wording import option

__all__ = ["check_quantizer", "is_quantized", "quantization_config"]

_DTYPES = ("float32", "float16", "bfloat16")
_KEYS = ("bits", "bits4-compute-dtype", "bits4-quant-type", "bits4-use-double-quant", "bits4-quant-storage")


def check_quantizer(text: str) -> Address:
    """Reads ``bnb;bits=4`` and sees that what it needs is there.

    Raises:
        ModelError: Another quantizer, settings that are not allowed, or bitsandbytes is not installed.
    """
    address = parse_address("--quantizer", text, _KEYS)
    if address.name.lower() not in ("bnb", "bitsandbytes"):
        raise _refusal(f" {address.name} is not known here; use bnb;bits=4 or bnb;bits=8, or leave it out.")
    if (address.get("bits") or "8") not in ("4", "8"):
        raise _refusal(f": bits={address.get('bits')} is not allowed; use 4 or 8.")
    for key in ("bits4-compute-dtype", "bits4-quant-storage"):
        if (address.get(key) or "float32") not in (*_DTYPES, "uint8"):
            raise _refusal(f": {key}={address.get(key)} is not allowed; use {', '.join(_DTYPES)}.")
    if importlib.util.find_spec("bitsandbytes") is None:
        raise _refusal(" bnb needs bitsandbytes, which is not installed: pip install bitsandbytes, or leave it out.")
    return address


def _refusal(reason: str) -> ModelError:
    return ModelError(f"{option('quantizer')}{reason}", option="quantizer")


def is_quantized(part_name: str, library: str) -> bool:
    """Which parts are quantized: the denoiser and the text encoders, not the VAE and what has few matrices."""
    return part_name in ("unet", "transformer") or (library == "transformers" and part_name.startswith("text_encoder"))


def quantization_config(text: str, library: str, dtype: Any) -> Any:
    """The library's own configuration object for a quantizer.

    Args:
        text: ``bnb;bits=4``.
        library: ``diffusers`` or ``transformers``; each has a class of its own.
        dtype: torch dtype to compute in where the text names none.
    """
    import diffusers
    import torch
    import transformers

    address = check_quantizer(text)
    made = transformers.BitsAndBytesConfig if library == "transformers" else diffusers.BitsAndBytesConfig
    if (address.get("bits") or "8") == "8":
        return made(load_in_8bit=True)
    compute, storage = address.get("bits4-compute-dtype"), address.get("bits4-quant-storage")
    return made(
        load_in_4bit=True,
        bnb_4bit_compute_dtype=getattr(torch, compute) if compute else dtype,
        bnb_4bit_quant_type=address.get("bits4-quant-type") or "fp4",
        bnb_4bit_use_double_quant=(address.get("bits4-use-double-quant") or "false").lower() == "true",
        bnb_4bit_quant_storage=getattr(torch, storage) if storage else None,
    )
