"""A process in Python's place, whose work is done by a fork of the warm server; imports next to nothing."""

import json
import os
import signal
import socket
import sys

SERVER_GONE = 70
PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)


def main() -> None:
    """Has the server do it; does it itself where there is none, or none for this environment."""
    try:
        server = socket.socket(socket.AF_UNIX)
        server.connect(os.environ["WARM_SERVER"])
    except (KeyError, OSError):
        cold()
    signal.pthread_sigmask(signal.SIG_BLOCK, PASSED_ON)
    asked = {"argv": sys.argv[1:], "env": dict(os.environ), "cwd": os.getcwd()}  # noqa: PTH109 - pathlib takes longer to import
    content = json.dumps(asked).encode()
    socket.send_fds(server, [len(content).to_bytes(8, "big")], [0, 1, 2])
    server.sendall(content)
    child = int.from_bytes(server.recv(8), "big")
    if not child:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, PASSED_ON)
        cold()
    for number in PASSED_ON:
        signal.signal(number, lambda number, _: os.kill(child, number))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, PASSED_ON)
    told = server.recv(8)
    status = os.waitstatus_to_exitcode(int.from_bytes(told, "big")) if told else SERVER_GONE
    if status < 0:
        if -status in PASSED_ON:
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    os._exit(status)


def cold() -> None:
    """Becomes the process that was meant."""
    os.execv(sys.executable, [sys.executable, *sys.argv[1:]])  # noqa: S606


main()
