"""What a script can see while it runs: its names, the kernel's variables, the machine, what ran before."""

from __future__ import annotations

import os
import random
import re
from collections import ChainMap
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import GeneratorType, ModuleType
from typing import Any

from jupyter_latents.errors import JupyterLatentsError, Place, ScriptError
from jupyter_latents.syntax.options.rules.module_sets import ModuleSets
from jupyter_latents.syntax.text.lines import nothing
from jupyter_latents.syntax.text.quoting import quote
from jupyter_latents.wording import ended

from .functions import FUNCTIONS
from .kinds import ITERATORS
from .libraries import Library, files, paths
from .limits import LIMIT, check_whole
from .marks import bare_marks, drawn_later, veil, veiled_names
from .promises import AtRun, Drawn, Promise, Waits, real
from .sight import Seen, admit
from .sizes import of_pictures
from .texts import for_people, for_scripts, has_text
from .values import Values
from .variables import RESERVED, Fixed, Variables
from .veiled import Veiled

__all__ = ["CAPTURED", "RESERVED", "Environment"]

_WORD = re.compile(r"""[^\s"'\\{}$%#-][^\s"'\\{}$%]*""")
_LAST_WORD = re.compile(r"(?:^|(?<=\s))(?:(--?[A-Za-z][\w-]*)|(?<=[^\\]\n)[^\s-])|\A\s*\\")
_SEEDS = {"--image-seeds", "-is"}
CAPTURED = "__latents_"
"""Start of the names given to objects that a template hands to an image seed."""


def _no_picture(file: str) -> tuple[int, int]:
    raise ScriptError(f"pictures cannot be read here, and {file!r} is to be measured.")


def _no_pictures(asked: Any) -> list[str]:
    raise ScriptError("pictures cannot be processed here.", place=asked.place)


def _cpu() -> str:
    return "cpu"


def _no(*_: object, **__: object) -> bool:
    return False


def _no_memory(*_: object, **__: object) -> float:
    return 0.0


@dataclass
class Environment:
    r"""What a script can see while it runs.

    Attributes:
        names: What ``\set`` and its like have set.
        last_images: Files (or kept results) that the invocation before made; change it through :meth:`finished`.
        last_prompts: Prompts of the invocation before.
        last: What else scripts read of it, by name; a script may set these names itself.
        injected_args: Words put at the end of every invocation; scripts read and change the list.
        environ: Environment variables.
        kernel: Kernel variables, readable in templates.
        have_cuda: Whether a CUDA device is there.
        have_mps: Whether Apple's accelerator is there.
        have_xpu: Whether Intel's is.
        default_device: The device that stages run on where nobody says.
        have_feature: Whether a named feature, such as ``bitsandbytes``, is installed.
        picture_size: (width, height) of a picture's file.
        image_process: Does what ``\image_process`` says, and names the files that it has written.
        total_memory: Memory of a device, called with ``unit="gib"`` and the like.
        print: Where ``\print`` and ``\echo`` write.
        warn: Is told what is read otherwise than it seems; None for `print`.
        random_seed: Makes one seed of ``--gen-seeds``.
        captured: Objects that templates handed to image seeds, by the name that stands for them.
        exited: Whether the script ran ``\exit``.
        ending: The name that ``\setp`` set last, where no invocation came after it.
        promised: What invocations are yet to bind to kernel variables.
        foreseeing: Whether the script is evaluated before its run: then whoever looks into the environment's values
            waits.
        veils: Whether ``$NAME`` stays a mark until a value is wanted, so that texts to show or keep never hold it.
        defaults: Values of a stage's fields where an invocation gives none, by path.
        modules: Libraries that a script may import, by name.
        check: Called for each line, turn of a loop, call and stage; it raises to stop.
    """

    names: dict[str, object] = field(default_factory=dict)
    last_images: list[str] = field(default_factory=list)
    last_prompts: list[Any] = field(default_factory=list)
    last: Mapping[str, Any] = field(default_factory=dict)
    injected_args: list[str] = field(default_factory=list)
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    kernel: Mapping[str, object] = field(default_factory=dict)
    have_cuda: Callable[..., bool] = _no
    have_mps: Callable[..., bool] = _no
    have_xpu: Callable[..., bool] = _no
    default_device: Callable[..., str] = _cpu
    have_feature: Callable[..., bool] = _no
    picture_size: Callable[[str], tuple[int, int]] = _no_picture
    image_process: Callable[[Any], list[str]] = _no_pictures
    total_memory: Callable[..., float] = _no_memory
    print: Callable[[str], None] = print
    warn: Callable[[str], None] | None = None
    random_seed: Callable[[], int] = field(default=lambda: random.SystemRandom().randrange(2**32))
    captured: dict[str, object] = field(default_factory=dict)
    promised: dict[str, object] = field(default_factory=dict)
    exited: bool = False
    ending: str = ""
    foreseeing: bool = False
    veils: bool = False
    defaults: Mapping[str, Any] = field(default_factory=dict)
    modules: Mapping[str, Library] = field(default_factory=dict)
    check: Callable[[], None] = nothing

    def __post_init__(self) -> None:
        self.changes: dict[str, str] = {}  # what `\env` set
        self.values = Values(self.environ)
        self._noted: set[str] = set()
        self._unset: dict[int | None, str] = {}  # by the line that writes it
        self.mentioned: frozenset[str] = frozenset()  # names that a line of the script sets, reached or not
        self.waits: Waits | None = None  # who waits for promises: an evaluation
        self.whole: Promise | None = None  # of last_images, where even their count is not known
        self.written: Promise | None = None  # of the latest invocation that writes files
        self.telling = False  # whether what is evaluated is for people to read
        self.in_words = False  # whether the template that is evaluated writes words of an invocation
        self.place: Place | None = None  # the line that is evaluated
        self.sets = ModuleSets()  # what `\save_modules` keeps
        self.preceding = ""  # what stands before the template that is evaluated

    def note(self, text: str, place: Place | None = None) -> None:
        """Warns of something that is no error, once for each place.

        Args:
            text: A clause.
            place: Where it stands in the script.
        """
        where = f"line {place.line}: " if place is not None else ""
        if where + text not in self._noted:
            self._noted.add(where + text)
            (self.warn or self.print)(where + text)

    def note_unset(self, name: str, place: Place | None) -> None:
        """Warns where a variable of the environment that is not set is written into the words of a line."""
        if not self.telling and name not in self.changes and name not in self.environ:
            said = f"the environment has no variable {name}, and nothing stands in its place"
            self._unset.setdefault(place.line if place is not None else None, said)
            self.note(said, place)

    def explain(self, error: JupyterLatentsError) -> JupyterLatentsError:
        """Adds to an error that its line writes a variable of the environment that is not set; most come of that."""
        said = self._unset.get(error.place.line) if error.place is not None else None
        return error.with_more(f"{said[0].upper()}{said[1:]}.") if said else error

    @property
    def in_seed(self) -> bool:
        """Whether the template that is evaluated stands in an image seed."""
        found = [match[1] for match in _LAST_WORD.finditer(self.preceding)]
        return bool(found) and found[-1] in _SEEDS

    def finished(self, images: Iterable[str], prompts: Iterable[object] = ()) -> None:
        """Tells what the latest invocation made, for ``last_images`` and ``last_prompts``."""
        self.last_images[:] = images
        self.last_prompts[:] = prompts

    @cached_property
    def functions(self) -> dict[str, Callable[..., Any]]:
        r"""What templates and ``\setp`` can call."""
        own: dict[str, Callable[..., Any]] = {
            "have_cuda": self.have_cuda,
            "have_mps": self.have_mps,
            "have_xpu": self.have_xpu,
            "default_device": self.default_device,
            "have_feature": self.have_feature,
            "total_memory": self.total_memory,
            **of_pictures(self.picture_size),
            "quote": self.quote,
            "unquote": self.unquote,
            "gen_seeds": self.gen_seeds,
        }
        libraries = (*self.libraries.values(), *self.modules.values())
        return {**FUNCTIONS, **own, **{name: member for one in libraries for name, member in one.functions()}}

    @cached_property
    def libraries(self) -> Mapping[str, Library]:
        """Libraries that scripts call without a word before."""
        return {"glob": files(self._written, self.check), "os": paths(self._written)}

    @property
    def _kept_free(self) -> dict[str, Library]:
        """The libraries whose names are modules in the kernel, which templates do not see."""
        return {name: one for name, one in self.libraries.items() if isinstance(self.kernel.get(name), ModuleType)}

    def _written(self) -> object:
        return real(self.written)

    def unquote(self, value: Any, expand: bool = False) -> list[str]:
        """The template function ``unquote``: the words of a text, with the files in place of patterns."""
        words: list[str] = FUNCTIONS["unquote"](value)
        if not expand:
            return words
        found = self.libraries["glob"].look("glob")
        return [name for word in words for name in (found(word) if "*" in word or "?" in word else [word])]

    def gen_seeds(self, count: int) -> list[Any]:
        """The template function ``gen_seeds``."""
        if int(count) > LIMIT:
            raise ScriptError(f"gen_seeds makes {LIMIT} seeds at most, not {count}.")
        seeds = [self.random_seed() for _ in range(int(count))]
        return [self.veiled(str(seed)) for seed in seeds]

    @property
    def env(self) -> Mapping[str, Any]:
        r"""Environment variables, with what ``\env`` changed."""
        return Variables(self)

    def variable(self, name: str) -> str:
        """The text of an environment variable, empty when it is not set; veiled where the environment veils."""
        if name in self.changes:
            return self.changes[name] if self.veils else self.unveiled(self.changes[name])
        value = self.values.value(name)
        return veil(name) if value and self.veils else value

    @property
    def opened(self) -> set[str]:
        """Names of the environment whose values the script, or a stage of it, had."""
        return self.values.opened

    def unveiled(self, text: str) -> str:
        """A text with the environment's values in it."""
        return self.values.unveiled(text)

    def shown(self, text: str) -> str:
        """A text for people: ``$NAME`` in place of the environment's values, as far as it is veiled."""
        return self.values.shown(text)

    def hidden(self, text: str, *, keys: bool = False) -> str:
        """A text for people that may hold values which the script had; see `Values.hidden`."""
        return self.values.hidden(text, keys=keys)

    def veiled(self, text: str) -> object:
        """A text as templates see it, which cannot look into the environment's values, nor into seeds to be drawn."""
        if not veiled_names(text):
            return Drawn(text, self.waits) if drawn_later(text) else text
        return Veiled(text, self._open, self.values.within) if self.veils else self.unveiled(text)

    def seen(self, value: object) -> Any:
        """A value as templates see it: `veiled` where it is a text.

        Raises:
            ScriptError: It holds too much.
        """
        try:
            check_whole(value)
        except ValueError as error:
            raise ScriptError(ended(f"This is too large for a template: {error}")) from error
        return self.veiled(value) if isinstance(value, str) else value

    def _open(self, value: Veiled) -> str:
        if self.waits is not None:
            self.waits.wait(value)
        if self.foreseeing:
            raise ScriptError(f"'{value.name}' is read at the run alone.")
        return self.unveiled(value.text)

    def at_run(self, what: str, place: Place | None) -> None:
        """Waits for the run, where a line does what only that may do.

        Raises:
            ScriptError: The script is evaluated before its run, and nobody waits.
        """
        line = place.line if place is not None else 0
        if self.waits is not None:
            self.waits.wait(AtRun(what, line, self.waits))
        if self.foreseeing:
            raise ScriptError(f"{what} is done at the run alone.", place=place)

    def open(self, text: str) -> str:
        """A text with the environment's values, and the seeds that a run draws; waits for the run."""
        value = self.veiled(text)
        return value.read() if isinstance(value, Veiled) else str(real(value))

    def settle(self, text: str) -> str:
        """A text as words of a script; waits for the run where a value that stands without quotes is several words."""

        def in_words(name: str, part: int | None) -> str:
            if part is not None or _WORD.fullmatch(self.values.value(name)):
                return veil(name, part)
            self.open(veil(name))
            return self.values.words(name)

        return bare_marks(text, in_words)

    @property
    def visible(self) -> Seen:
        """Every name that a template can read; the script's own names come first."""
        return self._seen(self.names, ChainMap(self.promised, self._kept_free, self.kernel, self.libraries))  # type: ignore[arg-type]

    def snapshot(self) -> Seen:
        """The names of this moment; a template block keeps them while its lines change them."""
        return self._seen(dict(self.names), {**self.libraries, **self.kernel, **self._kept_free, **self.promised})

    def _seen(self, names: dict[str, object], kernel: Mapping[str, object]) -> Seen:
        own: list[Mapping[str, object]] = [Fixed(self), names, self.functions, self.captured, self.last]
        return Seen(ChainMap(*own), kernel, self.veiled)  # type: ignore[arg-type]

    def set(self, name: str, value: object, place: Place | None) -> None:
        """Sets a name for the rest of the script.

        Raises:
            ScriptError: The name is no identifier, or the language keeps it for itself.
        """
        if not name.isidentifier():
            raise ScriptError(f"'{name}' cannot be a name; use letters, digits and _, no digit first.", place=place)
        if name in RESERVED or name in self.functions or name in self.libraries:
            raise ScriptError(f"'{name}' is kept by the language and cannot be set; choose another name.", place=place)
        self.names[name] = value

    @property
    def changed(self) -> str:
        r"""What ``\env`` set, as it is written; empty for nothing."""
        return " ".join(f"{name}={self.shown(value)}" for name, value in self.changes.items())

    def change_environ(self, name: str, value: str) -> None:
        """Sets an environment variable for the rest of the script; the process keeps its own."""
        self.changes[name] = value

    def quote(self, value: object) -> str:
        """The template function ``quote``: shell words, objects by the name that stands for them."""
        if isinstance(value, (list, tuple)):
            return quote([self.show(item) for item in value])
        return quote(self.show(value))

    def show(self, value: object) -> object:
        """Returns what a template writes for `value`; an object that has no text of its own gets a name."""
        if isinstance(value, (Veiled, Drawn)):
            return value.text
        if isinstance(value, Promise):
            made = value.look() if self.telling else value.value
            return self.show(made) if value.made else str(value)
        if isinstance(value, (list, tuple)) and any(isinstance(item, Promise) for item in value):
            value = [real(item) for item in value]
        elif isinstance(value, Iterable) and type(value) in (GeneratorType, *ITERATORS):
            value = list(value)
        if callable(value) and any(value is function for function in self.functions.values()):
            raise ValueError("a function stands here without its call; write () after its name")
        admit(self.seen(value), "this value")
        if self.telling:
            return for_people(value, self.captured)
        return for_scripts(value) if has_text(value) else self.capture(value)

    def capture(self, value: object) -> str:
        """Keeps `value` under a made name, and returns the name."""
        for name, known in self.captured.items():
            if known is value:
                return name
        name = f"{CAPTURED}{len(self.captured) + 1}"
        self.captured[name] = value
        return name
