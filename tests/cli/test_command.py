"""The command line: what it reads, prints, writes, and by which exit code it ends."""

from __future__ import annotations

import io
import os
import re
import signal
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import jupyter_latents as jl
from jupyter_latents.cli import command, main, signals, work
from jupyter_latents.cli.line import CommandLine, read_line
from jupyter_latents.cli.progress import Narrator, screen_of
from jupyter_latents.engine import ItemEvent, Phase, Span, StepEvent, WorkerRow
from jupyter_latents.errors import ScriptError
from jupyter_latents.latents.facts import Noise
from jupyter_latents.stage import ModelSource, Stage
from tests.tiny.fixtures import one_thread  # noqa: F401
from tests.warm import Command

SECONDS = 120
STEPS = 3
SCRIPT = f"demo/scenes\n--prompts cat --seeds 7 --inference-steps {STEPS}"
REPOSITORY = Path(__file__).parents[2]
Write = Callable[..., str]
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Writes a script to the working folder, which is a fresh one."""
    monkeypatch.chdir(tmp_path)

    def written(text: str, name: str = "cat.dgen") -> str:
        Path(name).write_text(text)
        return name

    return written


@pytest.fixture
def run(write: Write, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the command in this process: exit code, standard output, standard error."""

    def ran(*words: str) -> tuple[int, str, str]:
        code = main(words)
        told = capsys.readouterr()
        return code, told.out, told.err

    return ran


# The line


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["a.dgen"], CommandLine(("a.dgen",))),
        (["-n", "a.dgen", "-", "b.dgen"], CommandLine(("a.dgen", "-", "b.dgen"), dry_run=True)),
        (["a.dgen", "--store", "st", "-f", "-v"], CommandLine(("a.dgen",), store="st", force=True, verbose=True)),
        (["--store=st", "--", "-odd.dgen"], CommandLine(("-odd.dgen",), store="st")),
        (["--output-path", "out", "a.dgen"], CommandLine(("a.dgen",), ("--output-path", "out"))),
        (["a.dgen", "--seeds", "1", "2", "-n"], CommandLine(("a.dgen",), ("--seeds", "1", "2"), dry_run=True)),
        (["a.dgen", "--output-path=a b"], CommandLine(("a.dgen",), ("--output-path", "a b"))),
        (["a.dgen", "--vae-tiling", "b.dgen"], CommandLine(("a.dgen", "b.dgen"), ("--vae-tiling",))),
        (["--help"], CommandLine(help="")),
        (["--help", "seeds"], CommandLine(help="seeds")),
        (["--version"], CommandLine(version=True)),
    ],
)
def test_the_line_is_read(words: list[str], expected: CommandLine) -> None:
    assert read_line(words) == expected


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--drie-run"], "did you mean --dry-run?"),
        (["--outputpath", "out"], "did you mean --output-path?"),
        (["--background"], "is for notebooks"),
        (["--store"], "needs a value"),
        (["--output-path"], "needs a value"),
        (["-n", "--dry-run"], "given twice"),
        (["--zzz"], "--help lists"),
    ],
)
def test_a_wrong_line_is_told(words: list[str], said: str, run: Run) -> None:
    with pytest.raises(ScriptError, match=said):
        read_line(words)
    code, out, err = run(*words)
    assert (code, out) == (2, "")
    assert said in err


def test_help_and_version_load_no_torch() -> None:
    code = (
        "import sys; from jupyter_latents.cli import main\n"
        "lines = (['--help'], ['--version'], ['--seeds?'], ['--help', 'seeds'], ['-x'])\n"
        "codes = [main(line) for line in lines]\n"
        "print(codes, [name for name in ('torch', 'diffusers', 'IPython', 'numpy', 'tqdm') if name in sys.modules])"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=SECONDS)
    assert ended.stdout.endswith("[0, 0, 0, 0, 2] []\n")
    assert "EXIT CODES" in ended.stdout
    assert "jupyter-latents 0.1.0" in ended.stdout
    assert "0 to 2^64 - 1" in ended.stdout


def test_the_entry_point_is_the_command() -> None:
    scripts = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["scripts"]
    assert scripts == {"jupyter-latents": "jupyter_latents.cli:main"}


def test_jupyter_finds_the_command(tmp_path: Path) -> None:
    shim = tmp_path / "jupyter-latents"
    shim.write_text(f"#!{sys.executable}\nimport sys\nfrom jupyter_latents.cli import main\nsys.exit(main())\n")
    shim.chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    command_line = [sys.executable, "-m", "jupyter", "latents", "--version"]
    ended = subprocess.run(command_line, env=environment, capture_output=True, text=True, check=True, timeout=SECONDS)
    assert ended.stdout == "jupyter-latents 0.1.0\n"


# What is wrong


def test_no_script_is_told(run: Run) -> None:
    code, _, err = run("--output-path", "out")
    assert code == 2
    assert "no script is given" in err


def test_a_file_that_is_not_there_or_no_text_is_told(run: Run) -> None:
    Path("odd.dgen").write_bytes(b"\xff\xfe\x00")
    for name in ("none.dgen", "odd.dgen"):
        code, _, err = run(name)
        assert code == 2
        assert err.startswith("NameNotFoundError: the script ")
        assert f"{name}" in err
        assert "cannot be read: " in err


NOTHING = "# a comment\n\n   # another"


@pytest.mark.parametrize("text", ["", NOTHING, f"%%dgen\n{NOTHING}", f"%%dgen --force\n{SCRIPT}"])
def test_a_script_of_nothing_is_wrong_here_and_in_python_alike(text: str, run: Run, write: Write) -> None:
    name = write(text)
    for line in ((name,), (name, "--dry-run")):
        code, out, err = run(*line)
        assert (code, out) == (2, "")
        with pytest.raises(ScriptError) as told:
            jl.run(Path(name))
        assert err == f"{name}: ScriptError: {told.value}\n"
    with pytest.raises(ScriptError, match=re.escape(str(told.value))):
        jl.run(text)


def test_a_file_may_be_a_whole_cell(run: Run, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    cell = f"\n%%dgen\n{SCRIPT}"
    code, out, _ = run("--dry-run", write(cell))
    assert code == 0
    assert "1 stage, 3 model evaluations" in out
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(f"{cell} --seads 8".encode())))
    code, _, err = run("-")
    assert code == 2
    assert err.startswith("<stdin>:4:45: ScriptError: '--seads'")


def test_an_error_stands_at_its_line_and_no_earlier_file_runs(run: Run, write: Write) -> None:
    first = write(SCRIPT + " --output-path out")
    second = write("demo/scenes\n--prompts cat\n--seads 7", "wrong.dgen")
    code, out, err = run(first, second)
    assert (code, out) == (2, "")
    assert err.split("\n")[0] == "wrong.dgen:3:1: ScriptError: '--seads' is no option; did you mean --seeds?"
    assert err.split("\n")[1:3] == ["    --seads 7", "    ^^^^^^^"]
    assert not Path("out").exists()


def test_text_of_others_is_escaped(run: Run, write: Write) -> None:
    name = write("demo/scenes\n--prompts \x1b[31mred --se\x1b]0;x\x07ds 7", "a\x1b[2Jb.dgen")
    code, out, err = run(name)
    assert code == 2
    assert "\x1b" not in out + err
    assert "\x07" not in out + err
    assert err.startswith("a\\x1b[2Jb.dgen:2:")


def test_a_store_that_cannot_be_written_is_a_wrong_option(run: Run, write: Write) -> None:
    Path("file").write_text("")
    code, _, err = run(write(SCRIPT), "--store", "file")
    assert code == 2
    assert "cannot be written to" in err


def test_a_failed_stage_keeps_what_was_made(run: Run, write: Write) -> None:
    name = write(f"{SCRIPT} --output-path out\n\ndemo/scenes\n--prompts cat --image-seeds none.png")
    code, out, err = run(name)
    assert code == 1
    assert "cat.dgen:5:" in err
    assert "NameNotFoundError: no file none.png" in err
    assert Path(out.strip()).is_file()


# Runs


def test_values_reach_templates_as_numbers_and_texts(run: Run, write: Write) -> None:
    script = (
        "\\print {{ seed + 1 }} {{ what.upper() }} {{ scale }}\ndemo/scenes --prompts {{ what }} --seeds {{ seed }}"
    )
    line = (write(script), "--dry-run", "--set", "seed=7", "--set=what=a=b", "--set", "scale=0.5")
    code, out, _ = run(*line)
    assert code == 0
    assert "8 A=B 0.5" in out
    assert "1 stage" in out
    for wrong in ("seed", "=7", "no name=7", "for=7"):
        code, _, err = run(write(script), "--set", wrong)
        assert code == 2
        assert "'--set' needs NAME=VALUE" in err


def test_scripts_run_in_order_and_share_their_names(run: Run, write: Write) -> None:
    first = write(f"\\print hello\n{SCRIPT} --denoising-end 0.5 --into base")
    second = write(f"demo/scenes\n--prompts cat --inference-steps {STEPS} --image-seeds 'latents: base'", "b.dgen")
    code, out, err = run(first, second, "--output-path", "out")
    assert code == 0
    lines = out.splitlines()
    assert lines[0] == "hello"
    files = [line for line in lines if line.startswith("out/")]
    assert len(files) == 2
    assert all(Path(file).is_file() for file in files)
    assert f"[1/1] demo/scenes → base, steps 0–1 of {STEPS}" in err
    assert f"  step {STEPS} of {STEPS}" in err


def test_standard_input_is_a_script(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"demo/scenes\n--prompts cat --seeds x")))
    code, _, err = run("-")
    assert code == 2
    assert err.startswith("<stdin>:2:23: ScriptError: --seeds: 'x' is not allowed")


def test_a_dry_run_prints_the_plan_and_fails_where_a_stage_would(run: Run, write: Write) -> None:
    code, out, err = run("--dry-run", write(SCRIPT))
    assert (code, err) == (0, "")
    assert "1 stage, 3 model evaluations" in out
    code, out, _ = run("--dry-run", write("none/at-all\n--prompts cat --offline-mode"), write(SCRIPT, "b.dgen"))
    assert code == 1
    assert "refused" in out
    assert "b.dgen:\n" in out


def test_a_run_without_any_output_says_so(run: Run, write: Write) -> None:
    code, _, err = run(write(SCRIPT))
    assert code == 0
    assert "no file was written: --output-path" in err


def test_a_question_in_a_script_is_answered(run: Run, write: Write) -> None:
    code, out, _ = run(write("--seeds?"))
    assert code == 0
    assert "Seeds of the noise" in out


def test_the_environment_stays_as_it_is_in_cells(run: Run, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHERE", "secret-place")
    code, out, err = run(write(f"{SCRIPT} --output-path $WHERE"))
    assert code == 0
    assert list(Path("secret-place").iterdir())
    assert "\\" not in out + err


# Stops

HELD = """
import sys
from jupyter_latents.cli import progress, main

step = progress.Narrator.step
def held(self, event, look):
    step(self, event, look)
    if event.step == 2:
        print("ready", flush=True)
        self._run.flag._stop.wait(60)  # the test's signal opens this gate
progress.Narrator.step = held
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_a_signal_stops_at_a_whole_step_and_the_store_goes_on(
    number: int, run: Run, write: Write, warm: Command
) -> None:
    name = write(SCRIPT)
    with subprocess.Popen(
        warm("-c", HELD, name, "--store", "kept"),
        env={**os.environ, "OMP_NUM_THREADS": "1"},  # as here: other threads, other bits
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdout is not None
        assert any(line == "ready\n" for line in child.stdout)
        child.send_signal(number)
        _, err = child.communicate(timeout=SECONDS)
    assert child.returncode == 130
    assert err.endswith(
        f"cat.dgen: stopped at step 2 of {STEPS} of demo/scenes; kept in kept: the same command goes on from there.\n"
    )
    code, out, err = run(name, "--store", "kept")
    assert code == 0
    assert "2 of 3 model evaluations kept from before" in out


class _Followed:
    def __init__(self) -> None:
        self.stopped = 0

    def stop(self) -> None:
        self.stopped += 1


def test_a_signal_before_the_run_is_an_interrupt_and_the_second_ends_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[int] = []
    monkeypatch.setattr(signals.os, "_exit", ended.append)
    before = signal.getsignal(signal.SIGTERM)
    with signals.Signals() as heard:
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
        run: Any = _Followed()
        heard.follow(run)
        assert run.stopped == 1
        signal.raise_signal(signal.SIGINT)
    assert ended == [130]
    assert signal.getsignal(signal.SIGTERM) is before


def test_an_interrupt_while_reading_says_that_nothing_was_made(
    run: Run, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(line: CommandLine) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(work, "work", interrupted)
    assert run(write(SCRIPT)) == (130, "", "stopped; nothing was made.\n")
    assert command.main is main


# A terminal


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_has_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = _Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    progress = Narrator(screen_of(terminal))
    stage = Stage(model=ModelSource("a\x1b[31mb"), into="base")
    progress.plan([stage, stage])
    progress.stage(0, stage, "base")
    span = Span(0, 2, 4, 1, 4)
    progress.phase(Phase("denoising", span=span, noise=Noise(3.0, "ve")))
    progress.step(StepEvent(1, 1, span, Noise(2.0, "ve")), None)  # type: ignore[arg-type]
    progress.note("a warning", warning=True)
    progress.screen.end()
    shown = terminal.getvalue()
    assert "[1/2] a\\x1b[31mb → base" in shown
    assert "1/2" in shown
    assert "a warning\n" in shown


def test_stages_that_run_at_the_same_time_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    narrator = Narrator(screen_of(sys.stderr))
    row = WorkerRow("lab-3", 1, "cpu", "busy")
    for index in range(3):
        narrator.item(ItemEvent(index, "seed", "waiting"), [row, row])
    for step in range(3):
        narrator.item(ItemEvent(1, "seed", "running", "denoising", step, 8), [row, row])
    narrator.item(ItemEvent(1, "seed", "done"), [row, row])
    assert capsys.readouterr().err == "1 of 3 stages done, 0 at work on 2 workers\n"
