"""The tables that ``docs/accelerator.md`` holds between two marks, from the JSON file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

__all__ = ["BEGIN", "END", "NONE", "between", "page_of", "printed"]

BEGIN, END = "<!-- accelerator: begin -->", "<!-- accelerator: end -->"
NONE = "Not measured yet: no accelerator was at hand."

_UNEQUAL = ("memory", "file", "difference", "twice", "deterministic")

_CONTROLS = {
    "plain": "engine equals plain",
    "plain, encoders optimized": "with encoders that the script compiler has optimized",
    "plain, with the engine's texts": "with the engine's own texts",
}

Row: TypeAlias = Mapping[str, Any]
_Column: TypeAlias = tuple[str, Callable[[Row], object]]


def page_of(page: str, documents: Sequence[Mapping[str, Any]]) -> str:
    """A page with what stands between its marks printed anew.

    Args:
        page: Its text.
        documents: The content of JSON files, each a run.
    """
    head, tail = page.split(BEGIN, maxsplit=1)[0], page.split(END)[1]
    tables = "\n".join(map(printed, documents)) or NONE + "\n"
    return f"{head}{BEGIN}\n{tables}{END}{tail}"


def between(page: str) -> str:
    """What stands between a page's marks."""
    return page.split(BEGIN)[1].split(END, maxsplit=1)[0].lstrip("\n")


def printed(document: Mapping[str, Any]) -> str:
    """All tables of a JSON file, as Markdown."""
    parts = [_head(document)]
    for section in document.get("sections", ()):
        table = _TABLES.get(section["name"])
        if table is not None:
            parts.append(_section(section, *table))
    return "\n\n".join(parts) + "\n"


def _head(document: Mapping[str, Any]) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in document.get("versions", {}).items())
    switches = ", ".join(f"{name} {value!s}" for name, value in document.get("switches", {}).items() if value != "")
    toys = " Toys stand in for all models: the figures say nothing." if document.get("tiny") else ""
    note = f" {document['note']}" if "note" in document else ""
    return (
        f"Measured on {document.get('date', '?')} at commit {document.get('commit') or '?'} by "
        f"`python -m tests.benchmarks accelerator` in {document.get('seconds', '?')} s on "
        f"{document.get('machine', '?')}; Python {document.get('python', '?')}, {versions}. Torch's switches: "
        f"{switches}. Models have random weights, made on the device.{toys}{note}"
    )


def _families(section: Mapping[str, Any]) -> tuple[list[Row], list[str]]:
    """Of the law a row a family, and a line for each row that is not equal."""
    found: dict[str, dict[str, Any]] = {}
    lines = []
    for row in section["rows"]:
        counts = {"tried": 0, "equal": 0, "unequal": 0, "refused": 0}
        one = found.setdefault(row["family"], {"family": row["family"], "dtype": row["dtype"], **counts})
        one["tried"] += 1
        one.update({key: row[key] for key in ("plain twice", *_CONTROLS) if key in row})
        if "refused" in row:
            one["refused"] += 1
        elif row.get("memory") is True and row.get("file") is True:
            one["equal"] += 1
        elif not {"error", "cut"} & row.keys():
            one["unequal"] += 1
            said = ", ".join(f"{key} {_text(row[key])}" for key in _UNEQUAL if key in row)
            lines.append(f"Not equal: {row['family']} {row['dtype']} {row['scheduler']}: {said}.")
    return list(found.values()), lines


def _with_fastest(rows: Sequence[Row]) -> list[Row]:
    """Rows of speed with the fastest round against that of plain diffusers: noise only makes rounds slower."""
    plain = {row["model"]: row["most"] for row in rows if row.get("case") == "plain diffusers" and "most" in row}
    return [{**row, "fastest": row["most"] / plain[row["model"]]}
            if "most" in row and row["model"] in plain else row for row in rows]  # fmt: skip


def _section(
    section: Mapping[str, Any], title: str, about: str, columns: Sequence[_Column], shown: Sequence[str]
) -> str:
    rows = [row for row in section["rows"] if any(key in row for key in (*shown, "error", "refused", "why", "cut"))]
    lines = [f"### {title}", "", _filled(about, section.get("facts", {})), ""]
    failed = [row for row in section["rows"] if "error" in row]
    further: list[str] = []
    if section["name"] == "law":
        rows, further = _families(section)
    if section["name"] == "speed":
        rows = _with_fastest(rows)
    if rows:
        lines += [*_table(rows, columns), *further]
    lines += [f"Failed: {row.get('model', row.get('family', ''))} {_what(row)}: {row['error']['type']}: "
              f"{_one_line(row['error']['message'])}" for row in failed]  # fmt: skip
    if section.get("error"):
        lines.append(f"The section failed: {section['error']['type']}: {_one_line(section['error']['message'])}")
    if section.get("cut"):
        lines.append(f"Left out for want of time: {'; '.join(section['cut'])}.")
    return "\n".join(_spaced(lines))


def _spaced(lines: Iterable[str]) -> list[str]:
    """Lines with an empty one between a table and the text after it, so that it is no row."""
    spaced: list[str] = []
    for line in lines:
        if spaced and spaced[-1] and line and not (spaced[-1].startswith("|") and line.startswith("|")):
            spaced.append("")
        spaced.append(line)
    return spaced


def _filled(about: str, facts: Mapping[str, Any]) -> str:
    counted = ", ".join(f"{key} {value}" for key, value in facts.items() if isinstance(value, int | float))
    how = f" Counted {facts['counted']}." if "counted" in facts else ""
    return f"{about}{how}{f' In all: {counted}.' if counted else ''}"


def _table(rows: Sequence[Row], columns: Sequence[_Column]) -> list[str]:
    """A table without the columns that no row fills."""
    texts = [[name, *(_text(read(row)) for row in rows)] for name, read in columns]
    head, *cells = zip(*(column for column in texts if any(column[1:])), strict=True)
    return [f"| {' | '.join(line)} |" for line in (head, ["---"] * len(head), *cells)]


def _what(row: Row) -> str:
    return next(
        (str(row[key]) for key in ("case", "scheduler", "way", "optimize", "offload") if row.get(key)),
        str(row.get("what")),
    )


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4g}" if isinstance(value, float) else _one_line(str(value))


def _one_line(text: str) -> str:
    return " ".join(text.split()).replace("|", "/")[:160]


def _of(name: str) -> Callable[[Row], object]:
    return lambda row: row.get(name)


def _case(row: Row) -> object:
    why = f": {row['why']}" if "why" in row else ""
    end = " (failed)" if "error" in row else " (cut)" if "cut" in row else ""
    return f"{row.get('case', '')}{why}{end}"


def _range(row: Row) -> object:
    ratios = row.get("ratios")
    return f"{row['of plain']:.3f} ({ratios[0]:.3f} to {ratios[-1]:.3f})" if ratios else None


def _step(name: str) -> Callable[[Row], object]:
    return lambda row: row.get("a step", {}).get(name)


def _in_all(name: str) -> Callable[[Row], object]:
    return lambda row: row.get("whole run", {}).get(name)


def _bytes(name: str) -> Callable[[Row], object]:
    return lambda row: None if row.get(name) is None else f"{row[name] / 1e9:.2f} GB"


def _choice(row: Row) -> object:
    refused = f" (refused: {row['refused']})" if "refused" in row else ""
    return f"{row.get('optimize')}{refused}{' (cut)' if 'cut' in row else ''}"


_GAINS: Sequence[_Column] = (
    ("model", _of("model")), ("`--optimize`", _choice), ("steps/s", _of("steps/s")), ("against without", _range),
    ("first run, s", _of("first run, seconds")), ("relative difference", _of("relative difference")),
)  # fmt: skip

_TABLES: Mapping[str, tuple[str, str, Sequence[_Column], str]] = {
    "speed": (
        "Engine against plain diffusers",
        ("Steps a second between the ends of the first and the last step, rounds side by side in one run; in brackets "
        "the ratios' range. The second row of plain diffusers shows how much two equal cases differ. *Fastest rounds* "
        "compares the fastest round of each with that of plain diffusers: noise only makes rounds slower."),
        (
            ("model", _of("model")), ("case", _case), ("steps/s", _of("steps/s")), ("against plain", _range),
            ("fastest rounds", _of("fastest")),
            ("whole run, s", _of("seconds")), ("previews", _of("previews")), ("plain twice equal", _of("plain twice")),
            ("engine equals plain", _of("engine as plain")),
        ),
        ("steps/s", "plain twice"),
    ),
    "trace": (
        "What the processor waits for",
        "Counts of torch's profiler.",
        (
            ("model", _of("model")), ("case", _case),
            ("stream synchronised", _step("cudaStreamSynchronize")),
            ("device synchronised", _step("cudaDeviceSynchronize")),
            ("event synchronised", _step("cudaEventSynchronize")),
            ("numbers read (`_local_scalar_dense`)", _step("aten::_local_scalar_dense")),
            ("copies to the CPU", _step("Memcpy DtoH")), ("kernels", _step("cudaLaunchKernel")),
            ("whole run: stream synchronised", _in_all("cudaStreamSynchronize")),
            ("whole run: copies to the CPU", _in_all("Memcpy DtoH")),
        ),
        ("a step",),
    ),
    "law": (
        "The split law on the device",
        "Whether two halves end where the whole run ends, `torch.equal`, through memory and through a file.",
        (
            ("family", _of("family")), ("dtype", _of("dtype")), ("schedulers tried", _of("tried")),
            ("equal", _of("equal")), ("unequal", _of("unequal")), ("refused", _of("refused")),
            ("plain twice equal", _of("plain twice")), *((title, _of(key)) for key, title in _CONTROLS.items()),
        ),
        ("family",),
    ),
    "steering": (
        "Scheduled is explicit on the device",
        ("A stage that changes on its way, and the two stages by hand with the latents through a file: whether they "
        "end with equal latents, bit for bit, after as many model evaluations."),
        (
            ("way", _of("way")), ("family", _of("family")), ("equal", _of("explicit")), ("differs by", _of("differs")),
            ("refused", _of("refused")),
        ),
        ("way",),
    ),
    "chip": (
        "How far from the chip's matrix rate",
        "Operations by torch's counter, one call of the denoiser as a step makes it.",
        (
            ("what", lambda row: row.get("model") or row.get("what")), ("TFLOP a call", _of("TFLOP")),
            ("ms a call", _of("milliseconds")), ("TFLOP/s", _of("TFLOP/s")),
            ("of the matrix rate", _of("of the product's rate")), ("share of a step", _of("of a step")),
        ),
        ("TFLOP/s",),
    ),
    "loading": (
        "Loading and the first step",
        "From a safetensors folder on local disk; cold means that the system was asked to drop its files.",
        (
            ("model", _of("model")), ("case", _case), ("loaded, s", _of("seconds to load")),
            ("first step done, s", _of("seconds to the first step")),
        ),
        ("seconds to load",),
    ),
    "offload": (
        "Memory with offload",
        "Peak of the device's allocated memory, one picture.",
        (
            ("offload", _of("offload")), ("peak", _bytes("peak bytes")), ("steps/s", _of("steps/s")),
            ("with loading, s", _of("seconds with loading")), ("equal to none", _of("equal to none")),
        ),
        ("offload",),
    ),
    "gains": ("`--optimize`", "Against the engine without it, rounds side by side.", _GAINS, ("optimize",)),
    "compiling": ("`--optimize compile`", "Its first run compiles.", _GAINS, ("optimize",)),
}  # fmt: skip
"""Section to its title, what its table shows, its columns, and the keys of the rows that it shows."""


def files_of_the_repository() -> list[Path]:
    """The committed JSON files in the order of their runs: ``measured.json``, then ``measured_2.json``."""
    return sorted(Path(__file__).parent.glob("measured*.json"))
