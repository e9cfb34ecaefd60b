"""Work spread over threads: all of it is done, whatever the limits, errors included."""

import threading
import time

import numpy as np
import pytest

import charrnn.threads
from charrnn.threads import available_cores, parallel_map


@pytest.mark.parametrize("most", [1, 2, 7, None])
@pytest.mark.parametrize("count", [0, 1, 5])
def test_every_part_is_done_once(count: int, most: int | None) -> None:
    done: list[int] = []
    parallel_map(done.append, range(count), most)
    assert sorted(done) == list(range(count))


@pytest.mark.parametrize("allowed", [0, 1])
def test_where_no_more_threads_are_allowed_fewer_do_it(
    allowed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    start, begun = threading.Thread.start, 0

    def limited(self: threading.Thread) -> None:
        nonlocal begun
        if begun == allowed:
            raise RuntimeError("can't start new thread")
        begun += 1
        start(self)

    monkeypatch.setattr(threading.Thread, "start", limited)
    done: list[int] = []

    def work(part: int) -> None:
        time.sleep(0.01)  # so that a second helper is asked for before the first is idle
        done.append(part)

    parallel_map(work, range(5), 3)
    assert begun == allowed
    assert sorted(done) == list(range(5))


def test_where_no_more_threads_could_multiply_fewer_do_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(charrnn.threads, "BLAS_BUFFER", 1 << 60)
    done: list[tuple[int, int]] = []
    parallel_map(lambda part: done.append((part, threading.get_ident())), range(5), 3)
    assert done == [(part, threading.get_ident()) for part in range(5)]


def test_parts_are_done_at_once() -> None:
    meeting = threading.Barrier(3, timeout=30)
    parallel_map(lambda _: meeting.wait(), range(3), 3)
    assert available_cores() >= 1


@pytest.mark.parametrize("most", [1, 3])
def test_an_error_of_any_part_is_raised(most: int) -> None:
    def work(part: int) -> None:
        if part == 2:
            raise ValueError("part 2")

    with pytest.raises(ValueError, match="part 2"):
        parallel_map(work, range(4), most)


@pytest.mark.parametrize("most", [1, 2])
def test_no_part_reports_a_floating_point_flag(most: int) -> None:
    large, meeting = np.full(3, 1e300), threading.Barrier(most, timeout=30)

    def work(_: int) -> None:
        meeting.wait()  # so that with two threads each takes a part
        np.multiply(large, large)

    with np.errstate(over="raise"):
        parallel_map(work, range(2), most)
        with pytest.raises(FloatingPointError):  # and then it is as the caller wants it
            np.multiply(large, large)
