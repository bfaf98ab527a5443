"""The numbers that a part's configuration may hold: checked against its weight file before anything is built of them.

No layer is there without a tensor of its own, and no width without a tensor that is as wide. So a configuration that
asks for more than its file holds is found by its header, whatever class reads it.
"""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from jupyter_latents.engine.libraries.signatures import parameters_of
from jupyter_latents.engine.models.parts import PartSource, class_of
from jupyter_latents.errors import ModelError

__all__ = ["check_numbers"]


@dataclass(frozen=True, slots=True)
class _Row:
    """What some settings may be.

    Attributes:
        names: Which settings.
        least: The least that each number of it may be.
        most: The most; ``layers`` for the tensors of the weight file, ``widths`` for the longest axis of one.
        needed: Whether it must be said where the class has a usual value.
        listed: Whether it is a list of numbers, and never one alone.
        whole: Whether each is a whole number.
    """

    names: re.Pattern[str]
    least: int
    most: int | str
    needed: bool = False
    listed: bool = False
    whole: bool = True


_ROWS = (
    _Row(re.compile(r"(decoder_|encoder_)?block_out_channels"), 1, "widths", needed=True, listed=True),
    _Row(re.compile(r"num_hidden_layers|num_layers|layers_per_block|n_layers"), 1, "layers", needed=True),
    _Row(re.compile(r"(?!max_)\w+_layers(_per_block)?|\w+_blocks|depth"), 0, "layers"),
    _Row(re.compile(r"dim_mult"), 1, "widths", needed=True, listed=True),
    _Row(re.compile(r"mlp_ratio|ffn_dim_multiplier"), 0, "widths", whole=False),
    _Row(re.compile(r"latent_channels|z_dim|base_dim"), 1, "widths", needed=True),
    _Row(re.compile(r"in_channels|out_channels|patch_size|hidden_size|all_(f_)?patch_size"), 1, "widths"),
    _Row(
        re.compile(
            r"(\w+_)?(channels|dim|heads|groups|kernel)|intermediate_size|\w*vocab_size|\w+_hidden_size|\w+_group_num|d_model|d_ff|d_kv"
        ),
        1,
        "widths",
    ),
    _Row(re.compile(r"pos_embed_max_size"), 1, "widths"),
    _Row(re.compile(r"max_position_embeddings"), 1, 1 << 24),
    _Row(re.compile(r"sample_size"), 1, 8_192),
    _Row(re.compile(r"\w*padding"), 0, 64),
    _Row(re.compile(r"axes_lens|axes_dims?(_rope)?"), 1, 1 << 20),
)
_UNKNOWN = {"layers": 10_000, "widths": 1 << 20}
"""What is allowed where the weight file does not say its shapes."""

_POSITIONS = re.compile(r"CLIP|Bert|T5")  # encoders with a tensor for each position; others compute them
_IN_A_ROW = "AuraFlow"  # whose positions are counted in a row; others count them along a side
_DEPTH = 4  # of configurations within configurations


def check_numbers(part: PartSource, model: str) -> None:
    """Sees that a part with weights has numbers that something can be built of, and no more than its weights hold.

    Args:
        part: The part.
        model: Whose it is, for the message.

    Raises:
        ModelError: A number of another kind, below 1, or that asks for more than the weight file holds.
    """
    if not part.weights:
        return
    usual, layers = _usual(part, model), len(_shapes(part)) or _UNKNOWN["layers"]
    for name, value in _settings(part.config):
        row = next((row for row in _ROWS if row.names.fullmatch(name)), None)
        if row is None or value in usual.get(name, ()) or (value is None and not (row.needed and name in usual)):
            continue
        if objection := _objection(value, row, _most(part, name, row), layers):
            said = f"the config.json of {part.name} in {model} says {name} {_shown(value)}"
            raise ModelError(f"{said}; {objection} Fetch the files again.")


def _shapes(part: PartSource) -> Mapping[str, tuple[int, ...]]:
    """Shapes of weights that are here; those of the hub are judged when they are."""
    return part.shapes if part.hub is None else {}


def _most(part: PartSource, name: str, row: _Row) -> tuple[int, str]:
    """The most that each number of a setting may be, and why."""
    if row.most == "layers":
        tensors = len(_shapes(part))
        return tensors or _UNKNOWN["layers"], f"its weight file holds {tensors} tensors" if tensors else ""
    padded = name == "max_position_embeddings" and _POSITIONS.match(part.class_name)
    if row.most != "widths" and not padded:
        return int(row.most), ""
    longest = max((side for shape in _shapes(part).values() for side in shape), default=0)
    if not longest:
        return _UNKNOWN["widths"], ""
    why = f"no tensor of its weight file is longer than {longest:,}"
    if name == "pos_embed_max_size" and not part.class_name.startswith(_IN_A_ROW):
        return math.isqrt(longest), f"{why}, and it needs the square of it"
    return longest, why


def _objection(value: Any, row: _Row, most: tuple[int, str], layers: int) -> str:
    """Why a setting cannot be, as the end of a sentence; empty where it can."""
    is_list = isinstance(value, (list, tuple))
    numbers = list(value) if is_list else [value]
    if not row.needed:  # layers of the layers of a level
        numbers = [one for inner in numbers for one in (inner if isinstance(inner, (list, tuple)) else [inner])]
    whole, kinds = ("whole ", int) if row.whole else ("", (int, float))
    kind = f"it holds {whole}numbers" if is_list or row.listed else f"it is a {whole}number"
    if (row.listed and not is_list) or not numbers:
        return f"{kind} of {row.least} or more."
    if len(numbers) > layers:
        return f"these are {len(numbers)}, and its weight file holds {layers} tensors: they do not belong together."
    if any(isinstance(one, bool) or not isinstance(one, kinds) or one < row.least for one in numbers):
        return f"{kind} of {row.least} or more."
    if max(numbers, default=0) > most[0]:
        return f"{most[1]}: it asks for more than is there." if most[1] else f"{most[0]:,} is the most."
    return ""


def _settings(config: Mapping[str, Any], depth: int = 0) -> Iterator[tuple[str, Any]]:
    """Each setting of a configuration and of those within it."""
    for name, value in config.items():
        yield str(name), value
        if isinstance(value, Mapping) and depth < _DEPTH:
            yield from _settings(value, depth + 1)


def _usual(part: PartSource, model: str) -> dict[str, list[Any]]:
    """The values that settings have where nobody writes them; files hold these too where they mean nothing."""
    found = class_of(part.library, part.class_name, f"{part.name} of {model}")
    own = getattr(found, "config_class", None)  # of transformers, whose settings are a class of their own
    if own is not None:
        rows = list(_settings(own().to_dict()))
    else:
        parameters = parameters_of(found.__init__).items()
        rows = [(name, row.default) for name, row in parameters if row.default is not inspect.Parameter.empty]
    usual: dict[str, list[Any]] = {}
    for name, value in rows:
        usual.setdefault(name, []).append(list(value) if isinstance(value, tuple) else value)
    return usual


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 40 else f"{text[:39]}…"
