"""The docs page of the options: ``python -m jupyter_latents.syntax.options.options_page > docs/options.md``."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from jupyter_latents.samplers import SAMPLERS, sampler
from jupyter_latents.syntax.directives import DIRECTIVES
from jupyter_latents.syntax.seeds import SEED_KEYS

from .magic_options import MAGIC_OPTIONS
from .option import Option
from .rules.refused import HARMLESS, OTHERS, REFUSED, is_of_dgenerate
from .second_stage import BEFORE, SECOND
from .table import GROUPS, NESTING, OPTIONS

__all__ = ["page"]


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _option(option: Option) -> str:
    value = f" `{option.metavar}`" + (" …" if option.many else "") if option.metavar else ""
    names = ", ".join(f"`{name}`" for name in option.names)
    return f"| {names}{value} | {_cell(option.help)} |"


def _samplers() -> Iterator[str]:
    yield "\n## Samplers of other programs\n"
    yield (
        "`--scheduler` takes these names, and ComfyUI's for them (`dpmpp_2m`). `Karras`, `Exponential` or `Beta` may "
        "stand behind A1111's.\n\n| sampler | scheduler |\n|---|---|"
    )
    yield from (f"| `{row.name}` | `{sampler(row.name)}` |" for row in SAMPLERS if not row.near)
    yield "\ndiffusers does not have these; write the nearest in kind yourself:\n"
    yield "| sampler | nearest | the sampler |\n|---|---|---|"
    yield from (f"| `{row.name}` | `{sampler(row.name)}` | {row.near} |" for row in SAMPLERS if row.near)


def _rows() -> Iterator[str]:
    yield "# Options\n"
    yield "Written from the option table by `python -m jupyter_latents.syntax.options.options_page`.\n"
    yield "## The magic's own line\n\n| option | meaning |\n|---|---|"
    for magic in MAGIC_OPTIONS:
        names = ", ".join(f"`{name}`" for name in magic.names)
        yield f"| {names}{f' `{magic.metavar}`' if magic.metavar else ''} | {_cell(magic.help)} |"
    for group in GROUPS:
        yield f"\n## {group}\n\n| option | meaning |\n|---|---|"
        yield from (_option(option) for option in OPTIONS if option.group == group)
    yield "\n## How options multiply\n"
    yield "Each of these takes several values; every combination is one stage. The first changes slowest:\n"
    by_dest = {option.dest: option.name for option in OPTIONS}
    yield " → ".join(f"`{by_dest[dest]}`" for dest in NESTING)
    yield "\n`--seeds-to-images` pairs seeds with image seeds instead.\n"
    yield "## Parts of an image seed\n\n| part | meaning |\n|---|---|"
    yield from (f"| `{key}=` | {_cell(text)} |" for key, (_, _, text) in SEED_KEYS.items())
    yield "\n## Rewritten into two stages\n"
    yield (
        "`--sdxl-refiner NAME` makes two stages of one: the first ends at `--sdxl-high-noise-fractions` (0.8), its "
        f"latents are called `{BEFORE}`, and the refiner goes on from there. With `--sdxl-refiner-edit`, ControlNets, "
        "T2I-Adapters or a mask it changes the finished picture instead, at a strength of 1 less the fraction. Several "
        "fractions and values make a pair each.\n"
    )
    yield "| of the refiner | in its stage |\n|---|---|"
    yield from (f"| `{name}` | `{option}` |" for name, option in SECOND.items())
    yield from _samplers()
    yield "\n## Directives\n\n| directive | meaning |\n|---|---|"
    yield from (f"| `{d.usage}` | {_cell(d.help)} |" for d in DIRECTIVES.values() if d.run and not d.idle)
    yield "\n## What dgenerate has and changes nothing here\n\n| name | why |\n|---|---|"
    yield from (f"| `{name}` | {_cell(why)} |" for name, (why, _) in HARMLESS.items())
    yield from (f"| `{d.usage}` | {_cell(d.help)} |" for d in DIRECTIVES.values() if d.idle)
    yield "\n## What dgenerate has and this project does not run\n\n| name | reason |\n|---|---|"
    of_dgenerate = {name: reason for name, reason in REFUSED.items() if is_of_dgenerate(name)}
    yield from (f"| `{n}{'…' if n.endswith('-') else ''}` | {_cell(reason)} |" for n, reason in of_dgenerate.items())
    yield from (f"| `\\{n}` | {_cell(d.help)} |" for n, d in DIRECTIVES.items() if not d.run)
    yield "\n## What others have and this project does not run\n\n| names | reason |\n|---|---|"
    for reason in dict.fromkeys(OTHERS.values()):
        names = ", ".join(f"`{name}`" for name, why in OTHERS.items() if why == reason)
        yield f"| {names} | {_cell(reason)} |"


def page() -> str:
    """Returns the page as Markdown."""
    return "\n".join(_rows()) + "\n"


if __name__ == "__main__":
    sys.stdout.write(page())
