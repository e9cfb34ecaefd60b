"""``charrnn`` for scripts, from a process in which it is loaded already.

The commands of the pages are many, and each would take 0.3 s of CPU time to import NumPy and the
rest. Here a server has done that and forks for each command, with the descriptors, folder and
environment of the one who types it. The start itself is tested in tests/cli/test_cli_startup.py.
"""

import ast
import contextlib
import importlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from charrnn.cli.main import execute

#: What is called ``charrnn``: it hands its descriptors over, and waits for the exit code.
CLIENT = """#!{python} -IS
import _socket, array, os, sys
server = _socket.socket(_socket.AF_UNIX)
server.connect({address!r})
streams = array.array("i", [0, 1, 2])
server.sendmsg([b"."], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, streams)])
server.sendall(ascii((os.getcwd(), sys.argv[1:], dict(os.environ))).encode() + b"\\n")
for stream in streams:
    os.close(stream)
code = server.recv(10)
os._exit(int(code) if code else 141)
"""


@contextlib.contextmanager
def program(folder: Path) -> Iterator[Path]:
    """A folder for PATH in which ``charrnn`` is."""
    address = folder / "address"
    client = folder / "charrnn"
    client.write_text(CLIENT.format(python=sys.executable, address=str(address)))
    client.chmod(0o755)
    with subprocess.Popen([sys.executable, __file__, str(address)]) as server:
        try:
            while not address.exists():
                assert server.poll() is None
                time.sleep(0.01)
            yield folder
        finally:
            server.terminate()


def serve(address: str) -> None:
    """Fork for each command, until this process is killed."""
    for command in ("train", "sample", "eval", "classify", "info", "report"):
        importlib.import_module(f"charrnn.cli.{command}")
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody asks how a child ended
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(f"{address}.new")
    listener.listen(64)
    os.rename(f"{address}.new", address)
    while True:
        connection, _ = listener.accept()
        if os.fork() == 0:
            _run(connection)
        connection.close()


def _run(connection: socket.socket) -> None:
    """Run a command with what its client sent, and send its exit code."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _, descriptors, _, _ = socket.recv_fds(connection, 1, 3)
    for stream, descriptor in enumerate(descriptors):
        os.dup2(descriptor, stream)
        os.close(descriptor)
    folder, words, environment = ast.literal_eval(connection.makefile().readline())
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    with contextlib.suppress(BrokenPipeError):  # without a code, the client exits with 141
        code = execute(words)
        sys.stdout.flush()
        sys.stderr.flush()
        connection.send(str(code).encode())
    os._exit(0)


if __name__ == "__main__":
    serve(sys.argv[1])
