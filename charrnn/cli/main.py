"""Runs a command line: every way in which the program can end, and its message in each case.

Nothing slow is imported here, so that ``charrnn --help`` does not wait for NumPy.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn

from charrnn.cli.launcher import launched
from charrnn.cli.streams import (
    COMPLETE_VARIABLE,
    Session,
    Signalled,
    flush_stdout,
    say,
    say_plain,
    wait_for_streams,
)
from charrnn.errors import CharRNNError, CheckpointError, ConfigError, CorpusError, lacks_memory
from charrnn.limits import ONE_THREAD
from charrnn.messages import did_you_mean, path_name, system_reason

if TYPE_CHECKING:
    from click import ClickException, NoSuchOption


def run() -> NoReturn:
    """Run the program on the arguments of this process, and end the process."""
    _open_standard_descriptors()
    wait_for_streams()
    # Read when NumPy is imported. This replaces what a batch script may have set: the threads that
    # its BLAS would start are never used (see charrnn/threads.py), take memory and, where they are
    # not allowed, end the program as Ctrl-C would.
    os.environ.update(ONE_THREAD)
    try:
        code = execute(sys.argv[1:])
    except KeyboardInterrupt:
        die_by(signal.SIGINT)
    except Signalled as end:
        die_by(end.signum)
    except BrokenPipeError:
        # The reader has all it wants, and expects the writer to die by SIGPIPE.
        die_by(getattr(signal, "SIGPIPE", None))
    _drop_unwritable_output()
    sys.exit(code)


def execute(argv: Sequence[str]) -> int:
    """Run one command line in this process and return its exit code.

    Errors are reported on stderr. Whatever should end the process by a signal is raised.

    Args:
        argv: the arguments, without the name of the program.

    Raises:
        KeyboardInterrupt: Ctrl-C, if SIGINT raises it.
        Signalled: a signal stopped a training run, which has been saved.
        BrokenPipeError: nobody reads stdout any more.
    """
    session = Session()
    try:
        code = _dispatch(argv, session)
        flush_stdout()
        return code
    except BrokenPipeError:
        raise
    except Exception as error:
        return _report(error, argv, session)


def _dispatch(argv: Sequence[str], session: Session) -> int:
    """Complete a command line for a shell, or run the command that ``argv`` names."""
    from click.exceptions import Exit

    from charrnn.cli.app import cli

    if line := os.environ.get(COMPLETE_VARIABLE):
        from charrnn.cli.completion import offers
        from charrnn.cli.framework import put

        put(offers(cli, line, session))
        return 0
    try:
        with cli.make_context("charrnn", list(argv), obj=session) as context:
            cli.invoke(context)
    except Exit as end:
        return int(end.exit_code)
    return 0


def _report(error: Exception, argv: Sequence[str], session: Session) -> int:
    """Say what went wrong; return the exit code."""
    from click import ClickException

    if session.debug:
        import traceback

        say_plain("".join(traceback.format_exception(error)), end="")
    if isinstance(error, (OSError, CorpusError, CheckpointError)) and _folder_is_gone():
        say("the working folder has been deleted; change to another one")
        return 1
    if isinstance(error, CharRNNError):
        say(error.text(session.option_for))
        return 2 if isinstance(error, ConfigError) else 1
    if isinstance(error, ClickException):
        launch = launched()
        if launch is None or launch.rank == 0:  # all say the same
            say(_usage(error, argv))
        return error.exit_code
    if lacks_memory(error):
        say(
            "out of memory; try a smaller model.hidden_size, train.batch_size "
            "or train.seq_length, or fewer samples at once"
        )
    elif isinstance(error, OSError):
        where = path_name(os.fsdecode(error.filename)) if error.filename else "cannot read or write"
        say(f"{where}: {system_reason(error)}")
    elif isinstance(error, ImportError):
        say(f"cannot load a library: {_root_cause(error)}")
    else:
        say(
            f"internal error: {type(error).__name__}: {error}; "
            "run the command with --debug for a traceback"
        )
    return 1


def _folder_is_gone() -> bool:
    try:
        os.getcwd()
    except FileNotFoundError:
        return True
    return False


def _root_cause(error: BaseException) -> str:
    """What a chain of exceptions began with, on one line; NumPy wraps it into pages of advice."""
    while error.__cause__:
        error = error.__cause__
    return " ".join(str(error).split())


def _usage(error: ClickException, argv: Sequence[str]) -> str:
    """click's message in our form, and where to find help."""
    from click import BadParameter, MissingParameter, NoSuchOption

    from charrnn.cli.app import cli

    if isinstance(error, NoSuchOption):
        hint = _meant_option(error, argv)
        message = f"unknown option {error.option_name!r}" + (f"; {hint}" if hint else "")
    elif isinstance(error, BadParameter) and not isinstance(error, MissingParameter):
        name = error.param.opts[0] if error.param else "value"
        message = f"{name}: {error.message.rstrip('.')}"
    else:
        message = " ".join(error.format_message().split()).rstrip(".")
        message = message[:1].lower() + message[1:]
    # Not every error from click knows which command it belongs to.
    first = next((word for word in argv if not word.startswith("-")), "")
    command = f"charrnn {first}" if first in cli.commands else "charrnn"
    return f"{message}\ntry '{command} --help'"


def _meant_option(error: NoSuchOption, argv: Sequence[str]) -> str | None:
    """Which option was perhaps meant by an unknown one."""
    from charrnn.cli.framework import Command

    command = error.ctx.command if error.ctx else None
    if not isinstance(command, Command):
        return did_you_mean(error.option_name, error.possibilities or ())
    for word, after in zip(argv, (*argv[1:], ""), strict=True):
        name, equals, value = word.partition("=")
        if name == error.option_name:
            return command.suggestion(name, value if equals else after)
    return command.suggestion(error.option_name, "")


def _open_standard_descriptors() -> None:
    """Open the null device in place of standard streams that are closed.

    Otherwise the next file to be opened, perhaps a model, would become stdout. Where there is no
    null device, as in some containers, a pipe that nobody uses does as well.
    """
    for fd in (0, 1, 2):
        try:
            os.fstat(fd)
        except OSError:
            try:
                os.open(os.devnull, os.O_RDWR)
            except OSError:
                os.pipe()


def _drop_unwritable_output() -> None:
    """Drop what cannot be written: Python would try again at its exit, and exit with 120."""
    for fd, stream in ((1, sys.stdout), (2, sys.stderr)):
        try:
            if stream is not None:
                stream.flush()
        except OSError:
            _redirect_to_null(fd)


def _redirect_to_null(fd: int) -> None:
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), fd)


def die_by(signum: int | None) -> NoReturn:
    """Die by a signal as a program without a handler does, so that shells see it.

    A launcher such as mpiexec would take that for a crash; it passes the exit code on.
    """
    _redirect_to_null(1)  # what has not been written by now is no longer wanted
    if signum is not None and os.name != "nt" and not launched():
        signal.signal(signum, signal.SIG_DFL)
        os.kill(os.getpid(), signum)
    sys.exit(128 + (signum or 13))
