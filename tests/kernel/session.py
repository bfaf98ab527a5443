"""A real kernel in a process of its own, spoken to as a front end does, without a browser."""

import os
import queue
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jupyter_client.blocking import BlockingKernelClient
from jupyter_client.manager import KernelManager
from nbformat.v4 import output_from_msg

OUTPUT_TYPES = {"stream", "display_data", "execute_result", "error"}
START_SECONDS = 60


@dataclass
class Execution:
    """One executed cell, as a notebook would show it.

    Attributes:
        reply: Content of the kernel's ``execute_reply``.
        outputs: Outputs in notebook format; updated displays are updated, cleared outputs are gone.
        updates: How many ``update_display_data`` messages came.
    """

    reply: dict[str, Any] = field(default_factory=dict)
    outputs: list[dict[str, Any]] = field(default_factory=list)
    updates: int = 0

    @property
    def ok(self) -> bool:
        return self.reply.get("status") == "ok"

    @property
    def error(self) -> str:
        """Traceback of the error output as IPython rendered it, or an empty string."""
        return "\n".join("\n".join(o["traceback"]) for o in self.outputs if o["output_type"] == "error")

    def text(self, name: str = "stdout") -> str:
        """All that was written to a stream."""
        return "".join(o["text"] for o in self.outputs if o["output_type"] == "stream" and o["name"] == name)

    def data(self, mime: str = "text/plain") -> list[Any]:
        """What the displays and the result hold of one MIME type."""
        return [o["data"][mime] for o in self.outputs if mime in o.get("data", {})]


class KernelSession:
    """A running kernel.

    Args:
        folder: Working directory of the kernel.
        packages: A folder of packages that come before the installed ones.
        name: Its kernelspec; see `tests.warm`.
    """

    def __init__(self, folder: Path, packages: Path | None = None, name: str = "python3") -> None:
        self.manager = KernelManager(kernel_name=name)
        found = os.environ.get("PYTHONPATH", "").split(os.pathsep)
        path = os.pathsep.join(part for part in (str(packages or ""), *found) if part)
        self.manager.start_kernel(cwd=str(folder), env={**os.environ, **({"PYTHONPATH": path} if path else {})})
        self.client: BlockingKernelClient = self.manager.blocking_client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=START_SECONDS)

    def start(self, code: str, *, console: bool = False) -> str:
        """Sends a cell and returns at once with its message id, for `finish`.

        Args:
            code: The cell.
            console: Ask as ``jupyter console`` does; else as a notebook, which names the cell.
        """
        if console:
            return self.client.execute(code, store_history=True)
        content = {"code": code, "silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": True}
        content["stop_on_error"] = True
        message = self.client.session.msg("execute_request", content, metadata={"cellId": "one"})
        self.client.shell_channel.send(message)
        return message["header"]["msg_id"]

    def finish(self, message_id: str, timeout: float = 60) -> Execution:
        """Waits until a started cell has ended and gathers its outputs.

        Raises:
            TimeoutError: It runs on after `timeout` seconds.
        """
        execution, displays, clear = Execution(), {}, False
        deadline = time.monotonic() + timeout
        while True:
            message = self._message(self.client.get_iopub_msg, deadline)
            if message["parent_header"].get("msg_id") != message_id:
                continue
            kind, content = message["msg_type"], message["content"]
            if kind == "status" and content["execution_state"] == "idle":
                break
            if kind == "clear_output":
                clear = content["wait"]
                if not clear:
                    execution.outputs.clear()
            elif kind == "update_display_data":
                execution.updates += 1
                for output in displays.get(content["transient"]["display_id"], []):
                    output.update(data=content["data"], metadata=content["metadata"])
            elif kind in OUTPUT_TYPES:
                if clear:
                    execution.outputs.clear()
                    clear = False
                output = output_from_msg(message)
                execution.outputs.append(output)
                displays.setdefault(content.get("transient", {}).get("display_id"), []).append(output)
        execution.reply = self._reply(message_id, deadline)
        return execution

    def execute(self, code: str, timeout: float = 60) -> Execution:
        """Runs a cell to its end."""
        return self.finish(self.start(code), timeout)

    def wait_for_text(self, text: str, timeout: float = 60) -> None:
        """Waits until a running cell has written `text`; what was read on the way is not kept for `finish`."""
        deadline, seen = time.monotonic() + timeout, ""
        while text not in seen:
            message = self._message(self.client.get_iopub_msg, deadline)
            seen += str(message["content"].get("text", ""))

    def wait_for_message(self, fits: Callable[[dict[str, Any]], bool], timeout: float = 60) -> dict[str, Any]:
        """The first message of a running cell that fits; what was read on the way is not kept for `finish`."""
        deadline = time.monotonic() + timeout
        while True:
            message = self._message(self.client.get_iopub_msg, deadline)
            if fits(message):
                return message

    def subshell(self) -> str:
        """Asks for a subshell, as JupyterLab does for widgets' messages; returns its id."""
        message = self.client.session.msg("create_subshell_request", {})
        self.client.control_channel.send(message)
        while True:
            reply = self._message(self.client.get_control_msg, time.monotonic() + 20)
            if reply["parent_header"].get("msg_id") == message["header"]["msg_id"]:
                return reply["content"]["subshell_id"]

    def send_custom(self, comm_id: str, content: dict[str, Any], subshell: str) -> None:
        """What a widget's ``model.send`` sends."""
        data = {"method": "custom", "content": content}
        message = self.client.session.msg("comm_msg", {"comm_id": comm_id, "data": data})
        message["header"]["subshell_id"] = subshell
        self.client.shell_channel.send(message)

    def interrupt(self) -> None:
        """What the ■ button does."""
        self.manager.interrupt_kernel()

    def close(self) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)

    def _reply(self, message_id: str, deadline: float) -> dict[str, Any]:
        while True:
            message = self._message(self.client.get_shell_msg, deadline)
            if message["parent_header"].get("msg_id") == message_id:
                return message["content"]

    def _message(self, get: Any, deadline: float) -> dict[str, Any]:
        left = deadline - time.monotonic()
        try:
            return get(timeout=max(left, 0.01))
        except queue.Empty:
            raise TimeoutError("the cell still runs") from None
