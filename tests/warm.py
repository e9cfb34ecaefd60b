"""``charrnn`` for scripts, from a process in which it is loaded already.

The scripts in the documentation and the tests have many commands, and each would take 0.3 s of CPU
time to import NumPy and the rest. Here a server has done that and forks for each command, with the
descriptors, folder and environment of the caller. The start itself is tested in
tests/cli/test_cli_startup.py.
"""

import ast
import atexit
import functools
import gc
import importlib
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

#: What is called ``charrnn``: it hands over its folder and those of its standard descriptors that
#: are open, and waits for the exit code; without one, the program has died by SIGPIPE.
CLIENT = """#!{python} -IS
import _socket, array, os, sys
server = _socket.socket(_socket.AF_UNIX)
server.connect({address!r})
streams = [n for n, s in enumerate((sys.stdin, sys.stdout, sys.stderr)) if s is not None]
handed = array.array("i", [*streams, os.open(".", os.O_RDONLY)])
server.sendmsg([b"."], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, handed)])
typed = (streams, sys.argv, dict(os.environ))
server.sendall(ascii(typed).encode() + b"\\n")
for stream in streams:
    os.close(stream)
code = server.recv(10)
os._exit(int(code) if code else 141)
"""


@functools.cache
def commands() -> Path:
    """A folder for PATH in which ``charrnn`` is, as long as this process lives."""
    folder = Path(tempfile.mkdtemp(prefix="charrnn-"))
    atexit.register(shutil.rmtree, folder)
    address = folder / "address"
    client = folder / "charrnn"
    client.write_text(CLIENT.format(python=sys.executable, address=str(address)))
    client.chmod(0o755)
    # The server is nobody's child, so that no test takes it for a process that it left behind.
    # It ends when the other end of its stdin is closed: when this process ends.
    stdin, ours = os.pipe()
    subprocess.run([sys.executable, __file__, str(address)], stdin=stdin, check=True)
    os.close(stdin)
    atexit.register(os.close, ours)
    return folder


def program() -> list[str]:
    """The words that start it: Windows has no fork."""
    if os.name == "nt":
        return [sys.executable, "-m", "charrnn"]
    return [str(commands() / "charrnn")]


#: What commands import, and what that imports when it is first used.
COMMANDS = ("train", "sample", "eval", "classify", "info", "report")
LATER = (
    "charrnn.cli.app",
    "click.shell_completion",
    "difflib",
    "numpy.fft",
    "numpy.ma",
    "numpy.random",
    "uuid",
)


def serve(address: str) -> None:
    """Fork for each command, in the background, until stdin ends."""
    for command in COMMANDS:
        importlib.import_module(f"charrnn.cli.{command}")
        importlib.import_module(f"charrnn.cli.commands.{command}")
    for module in LATER:
        importlib.import_module(module)
    gc.freeze()  # or else each child would copy what its collections look at
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody asks how a child ended
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(address)
    listener.listen(64)
    if os.fork():
        os._exit(0)
    os.setsid()
    while listener in select.select([listener, 0], [], [])[0]:
        connection, _ = listener.accept()
        if os.fork() == 0:
            _run(connection)
        connection.close()


def _run(connection: socket.socket) -> None:
    """Run a command with what its client sent, and send its exit code."""
    import fcntl  # which Windows does not have

    from charrnn.cli.main import run
    from charrnn.cli.signals import end_at_ctrl_c

    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _, descriptors, _, _ = socket.recv_fds(connection, 1, 4)
    streams, sys.argv, environment = ast.literal_eval(connection.makefile().readline())
    os.fchdir(descriptors[-1])
    os.environ.clear()
    os.environ.update(environment)
    for stream, name in enumerate(("stdin", "stdout", "stderr")):
        if stream in streams:
            os.dup2(descriptors[streams.index(stream)], stream)
        else:  # as Python does it at its start
            os.close(stream)
            setattr(sys, name, None)
    if sys.stdout:
        sys.stdout.reconfigure(line_buffering=os.isatty(1))
    for descriptor in descriptors:
        os.close(descriptor)
    # If the client is killed, this process is ended by SIGIO.
    fcntl.fcntl(connection, fcntl.F_SETOWN, os.getpid())
    flags = fcntl.fcntl(connection, fcntl.F_GETFL)
    fcntl.fcntl(connection, fcntl.F_SETFL, flags | os.O_ASYNC)
    end_at_ctrl_c()
    try:
        run()
    except SystemExit as end:
        fcntl.fcntl(connection, fcntl.F_SETFL, flags)
        connection.send(str(end.code).encode())
    os._exit(0)


if __name__ == "__main__":
    serve(sys.argv[1])
