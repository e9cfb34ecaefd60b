"""Worker processes: the same run as one process makes, the same to the bit, and none left over."""

import errno
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest
from notes import logged
from processes import children, shared

import charrnn.training.data_parallel
import charrnn.training.ranks.processes
import charrnn.training.trainer
from charrnn.checkpoint import Checkpoint
from charrnn.config.schema import Config, TrainConfig
from charrnn.config.sources import with_settings
from charrnn.data.batches import TextBatches
from charrnn.errors import TrainingError
from charrnn.nn.network import Architecture, Network
from charrnn.nn.optim import OPTIMIZERS, update_limits
from charrnn.training.data_parallel import DataParallel, choose_workers
from charrnn.training.ranks.communicator import Task
from charrnn.training.start import resume
from charrnn.training.trainer import Trainer

soak = pytest.mark.soak
V = 7
IDS = np.random.default_rng(3).integers(0, V, 400).astype(np.uint8)


def parallel(
    size, cell="lstm", batch_size=5, dropout=0.0, locked=False, weight_dropout=0.0, **settings
):
    arch = Architecture(cell, V, 6, 2, dropout, locked, weight_dropout)
    config = TrainConfig(batch_size=batch_size, seq_length=8, **settings)
    made = DataParallel(arch, TextBatches(IDS, batch_size, 8), config, size)
    np.copyto(made.network.params.flat, arch.initial(np.random.default_rng(1)).flat)
    return made


def train(ranks, steps=6, first=0):
    done = [ranks.step(0, k, 0.05, k) for k in range(first, first + steps)]
    ranks.stop()
    return done


def everything(ranks):
    vectors = {name: slot.flat.copy() for name, slot in ranks.slots.items()}
    vectors["params"] = ranks.network.params.flat.copy()
    return vectors | {"state": ranks.recurrent_state.copy()}


@pytest.fixture(autouse=True)
def nothing_is_left():
    yield
    assert set(children(os.getpid())) <= shared


@pytest.mark.parametrize(
    ("cell", "reduction"),
    [
        *[("rnn", "mean"), ("lstm", "sum"), ("lstm", "mean"), ("gru", "sum")],
        *[pytest.param(*more, marks=soak) for more in (("rnn", "sum"), ("gru", "mean"))],
    ],
)
def test_ranks_make_the_run_that_one_process_makes(cell, reduction):
    """But for float32 rounding; 5 streams do not divide evenly. All ranks drop the same weights."""
    settings = {"cell": cell, "reduction": reduction, "weight_dropout": 0.3}
    one, two = parallel(1, **settings), parallel(2, **settings)
    np.testing.assert_allclose(train(two), train(one), rtol=1e-4)
    for name, array in everything(one).items():
        np.testing.assert_allclose(everything(two)[name], array, rtol=2e-3, atol=2e-5, err_msg=name)


def test_the_gradient_is_the_sum_over_the_streams():
    """The update of three ranks is the optimiser's, on shards summed here in plain NumPy."""
    three = parallel(3, max_grad_norm=0.1)
    arch, params = three.network.arch, three.network.params.copy()
    ids, targets = np.empty((2, 8, 5), np.intp)
    TextBatches(IDS, 5, 8).window(0, 0, ids, targets)
    total = np.zeros(len(params.flat))
    network, grads = Network(arch, params), params.like()
    for n in range(5):
        one = np.s_[:, n : n + 1]
        network.loss_and_gradients(
            network.workspace(8, 1, training=True),
            ids[one].copy(),
            targets[one].copy(),
            arch.zero_state(1),
            grads,
            1 / 40,
        )
        total += grads.flat
    ((_, norm),) = train(three, steps=1)
    assert norm == pytest.approx(np.linalg.norm(total), rel=1e-5)
    g = (total * (0.1 / norm)).astype(np.float32)
    limits = update_limits(arch, 0.2, slice(None))  # 0.2 is the default of train.max_update
    OPTIMIZERS["adagrad"](params.flat, limits).update(params.flat, g, 0.05)
    # Adagrad's first step is the gradient's sign: elements near zero say nothing.
    clear = np.abs(total) > 1e-6
    np.testing.assert_allclose(three.network.params.flat[clear], params.flat[clear], atol=1e-4)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({}, marks=soak),
        {"dropout": 0.3},
        {"dropout": 0.3, "locked": True, "weight_dropout": 0.3},
    ],
)
def test_a_run_is_the_same_to_the_bit_for_a_given_size(changes):
    first, second = parallel(2, **changes), parallel(2, **changes)
    assert train(first) == train(second)
    for name, array in everything(first).items():
        assert np.array_equal(everything(second)[name], array), name


def test_stopped_ranks_continue_where_they_were():
    whole, halves = (
        parallel(2, dropout=0.3, optimizer="adam"),
        parallel(2, dropout=0.3, optimizer="adam"),
    )
    train(whole)
    for k in range(6):
        halves.step(0, k, 0.05, k)
        if k == 2:
            halves.stop()
    halves.stop()
    for name, array in everything(whole).items():
        assert np.array_equal(everything(halves)[name], array), name


def test_resume_keeps_the_number_of_ranks_that_the_machine_has_cores_for(tmp_path, monkeypatch):
    monkeypatch.setattr(charrnn.training.trainer, "available_cores", lambda: 2)
    settings = {
        "workers": 2,
        "steps": 8,
        "batch_size": 4,
        "seq_length": 8,
        "hidden_size": 6,
        "dropout": 0.2,
        "minutes": None,
    }
    text = "the quick brown fox jumps over the lazy dog " * 20
    config = with_settings(Config(), settings)
    run = Trainer(config, text)
    for step in run:
        if step.step == 3:
            run.checkpoint().save(tmp_path / "three.npz")
    run.checkpoint().save(tmp_path / "whole.npz")
    assert run.state.workers == 2
    left_open = with_settings(config, {"workers": 0})
    for again in (config, left_open):
        checkpoint = Checkpoint.load(tmp_path / "three.npz", training=True)
        resumed = resume(checkpoint, text, again)
        list(resumed)
        assert resumed.state.workers == 2
        assert np.array_equal(resumed.network.params.flat, run.network.params.flat)
    monkeypatch.setattr(charrnn.training.trainer, "available_cores", lambda: 1)
    with logged() as notes:
        assert resume(checkpoint, text, left_open).state.workers == 1  # enough for so little work
    assert any(note.startswith("the run was started with worker count 2") for note in notes)


def test_a_diverging_step_updates_nothing():
    two = parallel(2)
    train(two, steps=2)
    two.network.params["output.W"][0, 0] = np.inf
    before = everything(two)
    loss, norm = train(two, steps=1, first=2)[0]
    assert not (np.isfinite(loss) and np.isfinite(norm))
    for name in ("params", "G"):
        assert np.array_equal(everything(two)[name], before[name])


def test_an_overflow_is_nothing_to_print(capfd):
    two = parallel(2, optimizer="sgd", max_update=0)
    for k in range(3):
        two.step(0, k, 1e60, k)
    two.stop()
    assert not np.isfinite(two.network.params.flat).all()
    assert capfd.readouterr() == ("", "")


@pytest.mark.posix
def test_a_worker_that_dies_ends_the_run_with_one_line():
    three = parallel(3)
    three.step(0, 0, 0.05, 0)
    first, second = three._communicator.workers
    first.kill()
    first.wait()
    with pytest.raises(
        TrainingError, match=r"worker process 1 ended .*signal 9\); if memory is short"
    ):
        three.step(0, 1, 0.05, 1)
    assert second.poll() is not None


def test_an_interpreter_that_cannot_be_started_is_named(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/nonexistent/python")
    with pytest.raises(
        TrainingError, match=r"cannot start a worker process: .*try train.workers=1"
    ):
        parallel(2).step(0, 0, 0.05, 0)


def test_a_worker_that_cannot_import_us_is_an_error(monkeypatch, capfd):
    monkeypatch.setattr(charrnn.training.ranks.processes, "_BOOT", "raise SystemExit(3)")
    with pytest.raises(TrainingError, match=r"worker process 1 ended .*exit status 3"):
        parallel(2).step(0, 0, 0.05, 0)


def test_workers_run_no_code_from_the_current_folder(monkeypatch, tmp_path):
    """Beside a corpus from somewhere may lie a pickle.py; Python would look there first."""
    trap = "import pathlib; pathlib.Path({0!r}).with_name('sprung').touch(); raise SystemExit(4)"
    for name in {*sys.stdlib_module_names, "numpy", "charrnn", "usercustomize"}:
        path = tmp_path / f"{name}.py"
        path.write_text(trap.format(str(path)))
    monkeypatch.chdir(tmp_path)
    two = parallel(2)
    two.step(0, 0, 0.05, 0)
    two.stop()
    assert not (tmp_path / "sprung").exists()


def starves(communicator):
    raise MemoryError


def stumbles(communicator):
    raise ValueError("no such thing")


@pytest.mark.parametrize(
    ("work", "words"),
    [
        (starves, "worker process 1 ran out of memory; if memory is short, train.workers=1"),
        (stumbles, "worker process 1 failed: ValueError: no such thing; "),
    ],
)
def test_a_worker_says_why_it_failed_in_one_line(work, words, capfd):
    ranks = charrnn.training.ranks.processes.MultiProcess(Task(4, {}, {}, {}, work), 2)
    with pytest.raises(TrainingError, match=words):
        ranks.start()
    assert ranks.workers == []
    assert capfd.readouterr() == ("", "")


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="signals")
def test_a_worker_that_was_stopped_is_continued(monkeypatch):
    monkeypatch.setattr(charrnn.training.ranks.processes, "_PATIENCE", 20)
    two = parallel(2)
    two.step(0, 0, 0.05, 0)
    two._communicator.workers[0].send_signal(signal.SIGSTOP)
    two.step(0, 1, 0.05, 1)
    two.stop()


@pytest.mark.parametrize("code", [errno.ENOSYS, errno.EPERM, None])
def test_where_memory_has_no_descriptor_a_deleted_file_does(code, monkeypatch, tmp_path):
    def refuse(name):
        raise OSError(code, os.strerror(code))

    if code:  # an old kernel, or a sandbox
        monkeypatch.setattr(os, "memfd_create", refuse, raising=False)
    else:
        monkeypatch.delattr(os, "memfd_create", raising=False)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    two = parallel(2)
    loss, _ = two.step(0, 0, 0.05, 0)
    two.stop()
    assert np.isfinite(loss)
    assert os.listdir(tmp_path) == []


def automatic(usual):
    """As many ranks as the system allows, up to ``usual``; and what is logged about it."""
    arch = Architecture("lstm", V, 6, 2)
    with logged() as notes:
        ranks = DataParallel(
            arch, TextBatches(IDS, 6, 8), TrainConfig(batch_size=6, seq_length=8), usual=usual
        )
    loss, _ = ranks.step(0, 0, 0.05, 0)
    ranks.stop()
    assert np.isfinite(loss)
    return ranks.size, notes


def test_where_a_limit_allows_fewer_workers_fewer_are_started(monkeypatch):
    start, running = subprocess.Popen, 0

    def limited(*args, **options):
        nonlocal running
        running += 1
        if running in (3, 4):  # the second worker, then the only one
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        return start(*args, **options)

    monkeypatch.setattr(subprocess, "Popen", limited)
    assert automatic(2) == (2, [])
    why = "cannot start a worker process: Resource temporarily unavailable"
    assert automatic(3) == (1, [f"{why}; training with 1 worker"])
    monkeypatch.undo()
    assert automatic(3) == (3, [])


@pytest.mark.parametrize(
    ("code", "why"),
    [
        (errno.EFBIG, "cannot share memory with worker processes: File too large"),
        (errno.ENOMEM, "out of memory"),
        (errno.ENOSPC, "cannot share memory with worker processes: No space left on device"),
    ],
)
def test_where_no_memory_can_be_shared_one_process_trains(code, why, monkeypatch):
    def refuse(*_):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr("charrnn.files.allocate", refuse)
    assert automatic(2) == (1, [f"{why}; training with 1 worker"])
    with pytest.raises(MemoryError if code == errno.ENOMEM else TrainingError) as caught:
        parallel(2)
    if code != errno.ENOMEM:
        assert str(caught.value) == f"{why}; try train.workers=1"


def test_descriptors_are_left_for_saving(monkeypatch):
    """A run whose workers took the last descriptors could not write its model."""
    resource = pytest.importorskip("resource")
    used = len(os.listdir("/dev/fd"))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (used + 9, hard))
    try:
        size, notes = automatic(3)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert size == 1
    assert notes == ["cannot start a worker process: Too many open files; training with 1 worker"]


def test_an_interrupted_step_stops_the_workers(monkeypatch):
    two = parallel(2)
    two.step(0, 0, 0.05, 0)
    workers = list(two._communicator.workers)

    def interrupt():
        raise KeyboardInterrupt

    monkeypatch.setattr(two._communicator, "barrier", interrupt)
    with pytest.raises(KeyboardInterrupt):
        two.step(0, 1, 0.05, 1)
    assert all(worker.returncode is not None for worker in workers)


PARENT = """
    import os, signal, sys, time
    sys.path[:0] = {path!r}
    from test_data_parallel import parallel
    two = parallel(2)
    two.step(0, 0, 0.05, 0)
    print(*[worker.pid for worker in two._communicator.workers], flush=True)
    {then}
"""


def parent(then: str) -> subprocess.Popen:
    path = [str(Path(__file__).parent), str(Path(__file__).parents[1])]
    code = textwrap.dedent(PARENT).format(path=path, then=then)
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    status = Path(f"/proc/{pid}/stat")  # an orphan that nobody reaps is gone too
    return status.exists() and status.read_text().rpartition(")")[2].split()[0] == "Z"


def wait_until(true, seconds=10.0) -> bool:
    end = time.monotonic() + seconds
    while not true() and time.monotonic() < end:
        time.sleep(0.02)
    return true()


@pytest.mark.posix
@pytest.mark.parametrize(
    "then", ["time.sleep(60)", "[two.step(0, 0, 0.05, 0) for _ in iter(int, 1)]"]
)
def test_a_killed_parent_leaves_nothing(then):
    before = shared_memory()
    with parent(then) as process:
        worker = int(process.stdout.readline())
        assert not gone(worker)
        process.kill()
    assert wait_until(lambda: gone(worker))
    assert shared_memory() <= before


def shared_memory():
    """Names in /dev/shm, but for those of the MPI jobs that other tests run meanwhile."""
    names = os.listdir("/dev/shm") if os.path.isdir("/dev/shm") else []
    return {name for name in names if not name.startswith(("mpich_shm_", "sm_segment."))}


@pytest.mark.posix
def test_a_script_that_just_ends_leaves_nothing():
    with parent("") as process:
        worker = int(process.stdout.readline())
        assert process.wait(20) == 0
    assert wait_until(lambda: gone(worker))


@pytest.mark.posix
def test_ctrl_c_is_kept_from_the_workers():
    two = parallel(2)
    two.step(0, 0, 0.05, 0)
    assert os.getsid(two._communicator.workers[0].pid) != os.getsid(0)
    two.stop()


def test_ranks_that_are_dropped_end_their_workers():
    two = parallel(2)
    two.step(0, 0, 0.05, 0)
    worker = two._communicator.workers[0]
    del two
    assert worker.returncode == 0


def test_small_work_stays_in_one_process(monkeypatch):
    monkeypatch.setattr(charrnn.training.data_parallel, "available_cores", lambda: 4)
    assert choose_workers(Architecture("rnn", 65, 100), 25, 1) == 1
    assert choose_workers(Architecture("lstm", 65, 32), 32, 32) == 1
    assert choose_workers(Architecture("lstm", 65, 256), 64, 32) == 4
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    assert choose_workers(Architecture("lstm", 65, 256), 64, 32) == 1
