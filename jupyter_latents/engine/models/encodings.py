"""What encoders have made of a text or a picture is kept, so that the same prompt and picture are encoded once."""

from __future__ import annotations

import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

from jupyter_latents.engine.libraries.versions import numerics

__all__ = ["Encodings"]

_BYTES = 1 << 28
_PLAIN = (type(None), bool, int, float, str)


class Encodings:
    """Outputs of encoders of texts and images and of VAEs by encoder and input.

    The least recently used leave first, and all with their encoder.

    Torch's switches are a part of the input: with another number of threads the last bits differ.

    Args:
        limit: Bytes that they may take, all encoders together.

    Attributes:
        made: How often an encoder ran.
    """

    def __init__(self, limit: int = _BYTES) -> None:
        self.limit, self.made = limit, 0
        self._numbers: weakref.WeakKeyDictionary[Any, int] = weakref.WeakKeyDictionary()
        self._kept: OrderedDict[tuple[int, str], tuple[Any, int]] = OrderedDict()
        self._next = 0
        self._lock = threading.Lock()

    def remembering(self, components: Mapping[str, Any]) -> dict[str, Any]:
        """A pipeline's components with encoders of texts and images and a VAE that encodes, each once for an input.

        Args:
            components: The pipeline's components.
        """
        made = {
            name: _Remembering(part, self)
            if name.startswith(("text_encoder", "image_encoder")) and callable(part)
            else part
            for name, part in components.items()
        }
        vae = made.get("vae")
        return {**made, "vae": _RememberingVae(vae, self)} if hasattr(vae, "encode") else made

    def run(
        self, encoder: Any, args: tuple[Any, ...], kwargs: dict[str, Any], make: Callable[..., Any] | None = None
    ) -> Any:
        """The output of an encoder, kept from before or made now.

        Args:
            encoder: The encoder.
            args: What it is given.
            kwargs: The same, by name.
            make: What of it is called; None for itself.
        """
        make, given = make or encoder, _digest((args, kwargs))
        if given is None:
            self.made += 1
            return make(*args, **kwargs)
        given += repr((numerics(_device(encoder)), _adapters(encoder)))
        with self._lock:
            key = (self._number(encoder), given)
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key][0]
        output = make(*args, **kwargs)
        with self._lock:
            self.made += 1
            self._kept[key] = (output, _size(output))
            while self._kept and sum(size for _, size in self._kept.values()) > self.limit:
                self._kept.popitem(last=False)
        return output

    def _number(self, encoder: Any) -> int:
        """A number that no other encoder has or had; where the encoder is gone, so is what it made."""
        number = self._numbers.get(encoder)
        if number is None:
            number = self._numbers[encoder] = self._next
            self._next += 1
            held = set(self._numbers.values())
            for key in [key for key in self._kept if key[0] not in held]:
                del self._kept[key]
        return number


class _Remembering:
    """An encoder seen by a pipeline: calls go through `Encodings`, all else to the encoder."""

    def __init__(self, encoder: Any, encodings: Encodings) -> None:
        self._encoder, self._encodings = encoder, encodings

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._encodings.run(self._encoder, args, kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._encoder, name)


class _RememberingVae(_Remembering):
    """A VAE seen by a pipeline: what it encodes goes through `Encodings`, all else to the VAE."""

    def __init__(self, vae: Any, encodings: Encodings) -> None:
        super().__init__(vae, encodings)
        self.encode = lambda *args, **kwargs: encodings.run(vae, args, kwargs, vae.encode)


def _adapters(encoder: Any) -> tuple[object, ...]:
    """Which LoRAs upon an encoder work, and how strongly, layer by layer."""
    if not getattr(encoder, "peft_config", None):
        return ()
    return tuple(
        (module.disable_adapters, tuple(module.active_adapters), tuple(module.scaling.items()))
        for module in encoder.modules()
        if hasattr(module, "active_adapters") and hasattr(module, "scaling")
    )


def _device(encoder: Any) -> Any:
    import torch

    return getattr(encoder, "device", torch.device("cpu"))


def _digest(value: Any) -> str | None:
    """What tells inputs apart; None where something is neither tensor, plain value nor a container of these."""
    import torch

    from jupyter_latents.latents.tensors import tensor_digest

    if isinstance(value, torch.Tensor):
        return f"{tensor_digest(value)} {value.device}"
    if isinstance(value, _PLAIN):
        return repr(value)
    if isinstance(value, Mapping):
        value = [part for name in sorted(value) for part in (name, value[name])]
    if not isinstance(value, (list, tuple)):
        return None
    parts = [_digest(item) for item in value]
    return None if None in parts else f"({', '.join(part for part in parts if part is not None)})"


def _size(output: Any) -> int:
    """Bytes of the tensors in an output."""
    import torch

    if isinstance(output, torch.Tensor):
        return output.numel() * output.element_size()
    if isinstance(output, Mapping):
        return sum(_size(value) for value in output.values())
    if isinstance(output, (list, tuple)):
        return sum(_size(value) for value in output)
    inside = getattr(output, "__dict__", {})  # a distribution of latents holds its tensors
    return sum(_size(value) for value in inside.values() if isinstance(value, torch.Tensor))
