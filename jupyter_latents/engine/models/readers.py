"""Reads parts into memory with diffusers' and transformers' own loaders; what they raise becomes one clear error."""

from __future__ import annotations

import inspect
import pickle
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

from jupyter_latents.engine.libraries.signatures import parameters_of
from jupyter_latents.engine.models.facts import ModelFacts
from jupyter_latents.engine.models.files.gguf_files import unet_tensors
from jupyter_latents.engine.models.files.index_rows import SKIPPED
from jupyter_latents.engine.models.files.single_files import is_gguf
from jupyter_latents.engine.models.files.unused import keep_uncounted, keep_unused, unused_in_logs
from jupyter_latents.engine.models.memory import is_out_of_memory
from jupyter_latents.engine.models.parts import PartSource, class_of
from jupyter_latents.errors import ModelError
from jupyter_latents.wording import option, readable

__all__ = ["assemble", "place", "read_checkpoint", "read_part", "scheduler_of", "translation_of_errors"]


@contextmanager
def translation_of_errors(what: str, size: int = 0, dest: str | None = None) -> Iterator[None]:
    """Turns what loaders raise into a `ModelError`.

    Args:
        what: What is being read, for the message.
        size: Bytes it needs.
        dest: The option that named it, which is to blame; None for the model itself.
    """
    from diffusers.loaders.single_file_utils import SingleFileComponentError
    from huggingface_hub.errors import StrictDataclassError
    from safetensors import SafetensorError

    try:
        yield
    except (SafetensorError, pickle.UnpicklingError, EOFError) as error:
        raise ModelError(
            f"{what}: a weight file is damaged or holds more than tensors ({_line(error)}); fetch it again.",
            option=dest,
        ) from error
    except SingleFileComponentError as error:
        text = f"{what}: {_line(error)} Use a file that holds it, or the model's folder."
        raise ModelError(text, option=dest) from error
    except ImportError as error:
        text = f"{what} needs a library that is not installed: {_line(error)}"
        raise ModelError(text, option=dest) from error
    except (
        OSError,
        ValueError,
        RuntimeError,
        MemoryError,
        LookupError,
        ArithmeticError,
        AssertionError,
        TypeError,
        AttributeError,
        StrictDataclassError,
    ) as error:
        if is_out_of_memory(error):
            raise ModelError(
                f"{what} needs about {readable(size)} and does not fit into memory, though all models not in use "
                f"were let go of. Use {option('dtype')} float16 or bfloat16, {option('model_cpu_offload')} or a "
                "smaller model.",
                option=dest,
            ) from error
        reason = _line(error)
        if "meta tensor" in reason:
            reason = "the file lacks tensors that the config.json of one of these parts asks for; fetch the model again"
        raise ModelError(f"{what} cannot be loaded: {reason}", option=dest) from error


def _line(error: BaseException) -> str:
    """The first line of a message that says something; loaders write pages."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = (lines[0] if lines else type(error).__name__).partition(" Check out ")[0]
    return text if len(text) < 300 else f"{text[:300]} …"


def read_part(part: PartSource, dtype: Any, model: str, further: Mapping[str, Any] = MappingProxyType({})) -> Any:
    """A part from its own files: a module in ``eval()``, a tokenizer or a processor.

    Args:
        part: Where it is.
        dtype: torch dtype of its weights.
        model: Whose it is, for messages.
        further: Further arguments of its ``from_pretrained``.

    Raises:
        ModelError: It cannot be read, or its weights are not those of its class and configuration.
    """
    found = class_of(part.library, part.class_name, f"{part.name} of {model}")
    what = f"{part.name} of {model}"
    with translation_of_errors(what, part.values * dtype.itemsize):
        if part.form == "file":
            settings = {"config": str(part.folder.parent), "subfolder": part.folder.name, **_unpacking(part, dtype)}
            with unused_in_logs() as left:
                module = found.from_single_file(_single(part, dtype), **settings, dtype=dtype, local_files_only=True)
            _check_whole(module, part, what)
            keep_unused(part, left.get(part.class_name, ()))
            return _ready(module)
        if not part.weights:
            return found.from_pretrained(part.folder, local_files_only=True)
        module, info = found.from_pretrained(
            part.folder, dtype=dtype, variant=part.variant, local_files_only=True, output_loading_info=True, **further
        )
    _refuse_missing(sorted(info.get("missing_keys", ())), part, what)
    keep_unused(part, info.get("unexpected_keys", ()))
    return _ready(module)


def _single(part: PartSource, dtype: Any) -> str | dict[str, Any]:
    """The file of a part as diffusers takes it; of a U-Net's GGUF file the tensors, in the shapes that it knows."""
    file = part.weights[0]
    return unet_tensors(file, dtype) if part.name == "unet" and is_gguf(file) else str(file)


def _unpacking(part: PartSource, dtype: Any) -> dict[str, Any]:
    """How a part whose weights stay quantized in its file computes: each layer unpacks its own as it runs."""
    if not is_gguf(part.weights[0]):
        return {}
    from diffusers import GGUFQuantizationConfig

    return {"quantization_config": GGUFQuantizationConfig(compute_dtype=dtype)}


def _check_whole(module: Any, part: PartSource, what: str) -> None:
    """Refuses a part of a single file that lacks tensors: they stay empty shells."""
    _refuse_missing(sorted(name for name, tensor in module.named_parameters() if tensor.is_meta), part, what)


def _refuse_missing(missing: list[str], part: PartSource, what: str) -> None:
    if missing:
        raise ModelError(
            f"{what}: its weight files do not belong to its config.json ({part.class_name}): {len(missing)} tensors "
            f"are missing, such as {missing[0]}. Fetch the model again, or give the {option('variant')} that is whole."
        )


def read_checkpoint(facts: ModelFacts, names: list[str], held: Mapping[str, Any], dtype: Any) -> dict[str, Any]:
    """Parts from a whole model's single file.

    Args:
        facts: The model.
        names: The parts to read.
        held: Its other parts, or None for those that are not at hand.
        dtype: torch dtype of the weights.

    Raises:
        ModelError: diffusers reads no single files of this pipeline, or this one does not fit.
    """
    import diffusers

    pipeline_class: Any = getattr(diffusers, facts.pipeline_class, None)
    if not hasattr(pipeline_class, "from_single_file"):
        raise ModelError(
            f"diffusers {diffusers.__version__} reads no single files of {facts.pipeline_class}; give its folder."
        )
    accepted = parameters_of(pipeline_class.__init__)
    others = {name: part for name, part in held.items() if name in accepted and name not in names}
    absent = {name: None for name in SKIPPED if name in accepted}
    size = sum(facts.sources[name].values for name in names) * dtype.itemsize
    with translation_of_errors(f"{facts.name} ({', '.join(names)})", size), unused_in_logs() as left:
        pipeline = pipeline_class.from_single_file(
            str(facts.checkpoint), config=str(facts.folder), dtype=dtype, local_files_only=True, **others, **absent
        )
    for name in names:
        part, module = facts.sources[name], pipeline.components[name]
        if hasattr(module, "named_parameters"):
            _check_whole(module, part, f"{name} of {facts.name}")
            keep_unused(part, left.get(part.class_name, ()))
            keep_uncounted(part, module)
    return {name: _ready(pipeline.components[name]) for name in names}


def _ready(part: Any) -> Any:
    """A module as stages use it: T5 of a single file comes in training mode, dropout on.

    Its ``requires_grad`` stays as diffusers leaves it: ``torch.matmul`` looks at it, without gradients too, when it
    chooses between two products whose last bits differ on some processors.
    """
    return part.eval() if hasattr(part, "eval") else part


def place(part: Any, device: Any, what: str) -> Any:
    """A part on its device; what a quantizer has put there stays."""
    if not hasattr(part, "parameters") or part.device.type == device.type:
        return part
    with translation_of_errors(what, sum(tensor.numel() * tensor.element_size() for tensor in part.parameters())):
        return part.to(device)


def scheduler_of(facts: ModelFacts) -> Any:
    """The model's own scheduler, made new."""
    name, config = facts.scheduler
    return class_of(facts.sources["scheduler"].library, name, f"scheduler of {facts.name}").from_config(config)


def assemble(pipeline_class: Any, facts: ModelFacts, parts: Mapping[str, Any]) -> Any:
    """A pipeline of parts at hand, with the model's own scheduler; what it wants beyond them is None."""
    parameters = parameters_of(pipeline_class.__init__)
    components: dict[str, Any] = {name: part for name, part in parts.items() if name in parameters}
    for name, parameter in parameters.items():
        if name != "self" and name not in components and parameter.default is inspect.Parameter.empty:
            components[name] = None
    if "requires_safety_checker" in parameters:
        components["requires_safety_checker"] = False
    return pipeline_class(**{**components, "scheduler": scheduler_of(facts)})
