"""A sweep on a cluster of two hosts, each a network namespace with a name of its own.

The first host is this process, which has to have a namespace of its own: ``unshare --net --uts python -m
tests.cluster.two_hosts FOLDER``. It prints what it found as JSON.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

HEAD, OTHER, PORT = "10.77.0.1", "10.77.0.2", 6379
AGENTS = ("metrics-export", "dashboard-agent-grpc", "dashboard-agent-listen", "runtime-env-agent")
"""Whose ports are given: for others that agents choose Ray waits for a few seconds only."""
SECONDS = 240
SCRIPT = """\
demo/scenes --prompts cat --seeds 1 2 3 4 --inference-steps 6 --output-size 64 --denoising-end 0.5 --into base

demo/paper --prompts 'a boat' --inference-steps 6 --output-size 64 --image-seeds 'latents: base' --into final"""


def call(*command: str) -> None:
    subprocess.run(command, check=True)


@contextmanager
def process(*command: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process of its own group, ended with all that it started."""
    began = subprocess.Popen(command, stdout=sys.stderr, start_new_session=True)
    try:
        yield began
    finally:
        with suppress(ProcessLookupError):
            os.killpg(began.pid, 15)
        with suppress(subprocess.TimeoutExpired):
            began.wait(20)
        with suppress(ProcessLookupError):
            os.killpg(began.pid, 9)


@contextmanager
def second_host() -> Iterator[list[str]]:
    """The words before a command that is to run on the second host."""
    waits = "hostname second; echo; exec sleep 1000"
    with subprocess.Popen(["unshare", "--net", "--uts", "sh", "-c", waits], stdout=subprocess.PIPE) as other:
        try:
            assert other.stdout is not None
            other.stdout.readline()
            there = ["nsenter", "--net", "--uts", "-t", str(other.pid)]
            call("hostname", "first")
            call("ip", "link", "add", "here", "type", "veth", "peer", "name", "there", "netns", str(other.pid))
            for words, device, address in (([], "here", HEAD), (there, "there", OTHER)):
                call(*words, "ip", "address", "add", f"{address}/24", "dev", device)
                call(*words, "ip", "link", "set", device, "up")
                call(*words, "ip", "link", "set", "lo", "up")
            yield there
        finally:
            other.kill()


def main(folder: str) -> None:
    """Starts both hosts, runs the sweep on them and in this process, and prints what is equal."""
    ray = [str(Path(sys.executable).parent / "ray"), "start", "--block", "--num-cpus=1", "--disable-usage-stats"]
    ray += [f"--{name}-port={number}" for number, name in enumerate(AGENTS, 6401)]
    head = [f"--node-ip-address={HEAD}", f"--port={PORT}", "--head", f"--temp-dir={folder}"]
    retry = ["sh", "-c", 'until "$@"; do sleep 1; done', "sh"]  # a busy machine starts none within 30 seconds
    member = [f"--node-ip-address={OTHER}", f"--address={HEAD}:{PORT}"]
    os.environ["RAY_AUTH_MODE"] = "disabled"
    head += ["--include-dashboard=false"]
    with second_host() as there, process(*retry, *ray, *head) as one, process(*retry, *there, *ray, *member) as other:
        print(json.dumps(_found([one, other])))


def _found(hosts: list[subprocess.Popen[bytes]]) -> dict[str, object]:
    import torch

    from jupyter_latents.cluster import ray_engine
    from jupyter_latents.cluster.starting import Connection
    from jupyter_latents.engine import Silent, local_engine
    from jupyter_latents.errors import SettingError
    from jupyter_latents.session import Session, Task
    from jupyter_latents.settings import Settings
    from jupyter_latents.syntax import Script

    torch.set_num_threads(1)
    deadline = time.monotonic() + SECONDS
    while True:
        if ended := [host.args for host in hosts if host.poll() is not None]:
            raise RuntimeError(f"Ray has ended: {ended}")
        try:
            engine = ray_engine(f"{HEAD}:{PORT}", Settings())
        except SettingError:
            if time.monotonic() > deadline:
                raise
            continue
        if len(engine.workers()) == 2:
            break
        engine.end()
    made = []
    try:
        for one in (engine, local_engine(Settings())):
            session = Session({}, engine=one)
            run = session.start(Task(Script(SCRIPT)), Silent())
            assert run.wait(SECONDS), "it goes on"
            if run.error is not None:
                raise run.error
            made.append(([latents.tensor for latents in session.names["final"]], run.model_evaluations))
        rows = [(row.host, row.evaluations) for row in engine.workers()]
    finally:
        Connection.end()
    (far, counted), (near, expected) = made
    equal = [torch.equal(*pair) for pair in zip(far, near, strict=True)]
    return {"equal": equal, "rows": rows, "evaluations": [counted, expected]}


if __name__ == "__main__":
    main(sys.argv[1])
