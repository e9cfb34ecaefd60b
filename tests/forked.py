"""Checks of charrnn/forks.py, in a process that has one thread: python tests/forked.py NAME."""

import contextlib
import os
import pickle
import signal
import sys
import threading
import time

from charrnn import forks
from charrnn.forks import forked_map

PARENT = os.getpid()


def who(part):
    time.sleep(0.01)
    return part, os.getpid()


def every_part_is_done_once_in_order():
    for count in (0, 1, 5):
        for most in (1, 2, 3, 7):
            done = forked_map(who, range(count), most)
            assert [part for part, _ in done] == list(range(count))
            assert len({process for _, process in done}) == min(most, count)


def a_process_with_another_thread_is_not_forked():
    other = threading.Event()
    thread = threading.Thread(target=other.wait)
    thread.start()
    assert {process for _, process in forked_map(who, range(5), 3)} == {PARENT}
    other.set()
    thread.join()


def without_proc_nothing_is_forked():
    listdir = os.listdir

    def missing(path):
        raise FileNotFoundError(path)

    os.listdir = missing
    assert {process for _, process in forked_map(who, range(5), 3)} == {PARENT}
    os.listdir = listdir


def what_a_killed_process_should_have_done_is_done():
    def work(part):
        if os.getpid() != PARENT and part > 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return "x" * 100_000, os.getpid()

    assert [text for text, _ in forked_map(work, range(5), 3)] == ["x" * 100_000] * 5


def a_limit_on_processes_leaves_the_work_to_this_one():
    before = os.listdir("/proc/self/fd")
    for name in ("fork", "pipe"):
        original = getattr(os, name)

        def refused():
            raise OSError("too many")

        setattr(os, name, refused)
        assert {process for _, process in forked_map(who, range(5), 3)} == {PARENT}
        setattr(os, name, original)
    assert os.listdir("/proc/self/fd") == before


def an_error_is_raised_wherever_it_happens():
    def work(part):
        if part == 1:  # the other process does it first
            raise ValueError("part 1")

    with contextlib.suppress(ValueError):
        forked_map(work, range(4), 2)
        raise AssertionError("no error")
    assert nobody_is_left()


def ctrl_c_ends_all():
    def work(part):
        if os.getpid() == PARENT:
            os.kill(0, signal.SIGINT)  # to both, as a terminal does
        time.sleep(60)

    with contextlib.suppress(KeyboardInterrupt):
        forked_map(work, range(2), 2)
        raise AssertionError("not interrupted")
    assert nobody_is_left()


def nobody_is_left():
    try:
        os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return True
    return False


def a_caller_that_ignores_its_children():
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    assert len({process for _, process in forked_map(who, range(2), 2)}) == 2


def an_answer_that_is_cut_short_is_done_again():
    before = os.listdir("/proc/self/fd")
    dump = pickle.dump

    def half(answer, end):
        data = pickle.dumps(answer)
        end.write(data[: len(data) // 2])

    pickle.dump = half
    assert {process for _, process in forked_map(who, range(4), 2)} == {PARENT}
    pickle.dump = dump
    while not forks.may_fork():  # threads that did the rest stay listed for a moment after join()
        time.sleep(0.001)
    assert len({process for _, process in forked_map(who, range(4), 2)}) == 2
    assert os.listdir("/proc/self/fd") == before


def a_parent_that_ends_at_once_leaves_nobody():
    """It ends after the fork, and before the child has asked for a signal at its end."""
    reading, writing = os.pipe()
    middle = os.fork()
    if middle == 0:
        fork = os.fork

        def slow():
            process = fork()
            if process == 0:
                time.sleep(0.1)
            else:
                os._exit(0)
            return process

        os.fork = slow
        forked_map(lambda _: time.sleep(60), range(2), 2)
    os.close(writing)
    os.waitpid(middle, 0)
    began = time.monotonic()
    assert os.read(reading, 1) == b""  # nobody has the pipe any more
    assert time.monotonic() - began < 30


def no_handler_runs_in_a_child():
    ran = []
    signal.signal(signal.SIGUSR1, lambda *_: ran.append(os.getpid()))

    def work(part):
        os.kill(os.getpid(), signal.SIGUSR1)
        return list(ran)

    assert forked_map(work, range(2), 2) == [[PARENT], []]


def sleep_in_another_process():
    """For a test that kills the first process."""

    def work(part):
        os.write(1, b"%d\n" % os.getpid())
        while True:
            time.sleep(60)

    forked_map(work, range(2), 2)


if __name__ == "__main__":
    assert forks.may_fork()
    globals()[sys.argv[1]]()
