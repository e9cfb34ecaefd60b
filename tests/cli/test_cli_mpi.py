"""``mpiexec charrnn train``: one run, one voice, one file, however it ends."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import time

import pytest
from jobs import ENVIRONMENT, MPIEXEC, needs_mpi, ranks_of
from shell import BIN, PIPES, SMALL, TEXT, environment, limited, run, wait_until

from charrnn.checkpoint import Checkpoint
from charrnn.cli.launcher import launched
from charrnn.cli.signals import Signals

linux = pytest.mark.skipif(sys.platform != "linux", reason="/proc as on Linux")
SIZES = SMALL[:-2]
TRAIN = ["train", "corpus.txt", *SIZES]
WILD = """\
train: {optimizer: sgd, learning_rate: 1000, schedule: constant, warmup: 0, weight_decay: 0.9}
"""
ENDLESS = ["--steps", "100000000", "--set", "train.checkpoint_every=3"]


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "corpus.txt").write_text(TEXT[:20_000], encoding="utf-8")
    (tmp_path / "wild.yaml").write_text(WILD)
    return tmp_path


@contextlib.contextmanager
def job(size, *args, cwd, program=(BIN / "charrnn",)):
    command = [MPIEXEC, "-n", str(size), *program, *args]
    with limited(command, cwd=cwd, env=environment(**ENVIRONMENT), **PIPES) as process:
        yield process


def finished(process):
    """The exit code of a job, and what is on stderr; a launcher may add to that."""
    _, err = process.communicate()  # on stdout, MPICH reports what it takes for a crash
    return process.returncode, err.decode()


def step_of(path):
    return Checkpoint.load(path, training=True).training.state.step


# --- jobs ---------------------------------------------------------------------------------------


@needs_mpi
@pytest.mark.posix
def test_rank_0_alone_reads_writes_and_speaks(folder):
    """The other rank works in a folder without the corpus, as on a node without shared storage."""
    (folder / "elsewhere").mkdir()
    args = [*TRAIN, "--steps", "6", "-o", "model.npz"]
    other = [":", "-n", "1", "-wdir", folder / "elsewhere", BIN / "charrnn", *args]
    with job(1, *args, *other, cwd=folder) as process:
        out, err = process.communicate()
    assert (process.returncode, out) == (0, b"")
    lines = err.decode().splitlines()
    assert len([line for line in lines if line.endswith("; for 6 steps on 2 ranks")]) == 1
    assert len([line for line in lines if line.startswith("charrnn: model.npz: best ")]) == 1
    assert os.listdir(folder / "elsewhere") == []
    again = run(*TRAIN, "--resume", "--steps", "9", "--workers", "1", cwd=folder)
    assert again.code == 0
    assert "the run was started with worker count 2 and continues with 1: " in again.err
    assert step_of(folder / "model.npz") == 9


@needs_mpi
@linux
@pytest.mark.parametrize(("victim", "number"), [(0, signal.SIGINT), (1, signal.SIGTERM)])
def test_a_signal_to_any_rank_saves_and_ends_the_job(folder, victim, number):
    model = folder / "model.npz"
    with job(2, *TRAIN, *ENDLESS, "-o", model, cwd=folder) as process:
        wait_until(model.exists)
        os.kill(ranks_of(str(model))[victim], number)
        code, err = finished(process)
    assert code == 128 + number
    assert f"saved in {model}; to continue: charrnn train corpus.txt -o {model} --resume" in err
    assert f"stopped at step {step_of(model):,}; " in err
    assert ranks_of(str(model)) == {}


@needs_mpi
@linux
def test_a_rank_that_is_killed_ends_the_job_and_leaves_the_checkpoint(folder):
    model = folder / "model.npz"
    with job(3, *TRAIN, *ENDLESS, "-o", model, cwd=folder) as process:
        wait_until(model.exists)
        os.kill(ranks_of(str(model))[2], signal.SIGKILL)
        code, _ = finished(process)
    assert code != 0
    assert step_of(model) % 3 == 0
    wait_until(lambda: ranks_of(str(model)) == {})


FULL = """
import errno, os, sys
from charrnn.cli import main
from charrnn.cli.launcher import launched
def full(descriptor):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
if launched().rank == 0:
    os.fsync = full
main()
"""
EACH_STEP = ["--set", "train.eval_every=1", "--set", "data.val_split=end"]
ENDS = {
    "full disk": (["-c", FULL], [], 1, "model.npz: cannot be written ("),
    "diverged": (
        ["-m", "charrnn"],
        ["-c", "wild.yaml"],
        1,
        "the loss is no longer finite at step ",
    ),
    "early stop": (
        ["-m", "charrnn"],
        [*EACH_STEP, "--set", "train.patience=1", "--set", "train.learning_rate=10"],
        0,
        "stopped early: ",
    ),
}


@needs_mpi
@pytest.mark.posix
@pytest.mark.parametrize(
    "end", ["full disk", pytest.param("diverged", marks=pytest.mark.soak), "early stop"]
)
def test_whatever_ends_rank_0_ends_all(folder, end):
    program, settings, expected, words = ENDS[end]
    args = [*TRAIN, "--steps", "400", *settings]
    with job(2, *args, cwd=folder, program=(sys.executable, *program)) as process:
        code, err = finished(process)
    assert code == expected
    assert err.count(words) == 1


SLOW = """
import os, time
from charrnn.cli import main
from charrnn.cli.launcher import launched
from charrnn.evaluation.streams import Streams
score = Streams.score
def waits(self, *args):
    if launched().rank == 1:
        open("scoring", "w").close()
        while not os.path.exists("go"):
            time.sleep(0.01)
        if os.path.exists("full"):
            raise MemoryError
    return score(self, *args)
Streams.score = waits
main()
"""
#: Streams for two ranks; the model is saved at step 3, and the first validation is at step 5.
VALIDATING = ["--set", "data.val_fraction=0.25", "--set", "train.eval_every=5"]


@contextlib.contextmanager
def job_in_a_validation(folder):
    """A job of two ranks, of which rank 1 scores its share once there is a file ``go``."""
    args = [*TRAIN, *ENDLESS, *VALIDATING, "-o", folder / "model.npz"]
    with job(2, *args, cwd=folder, program=(sys.executable, "-c", SLOW)) as process:
        wait_until((folder / "scoring").exists)
        yield process, ranks_of(str(folder / "model.npz"))


@needs_mpi
@linux
@pytest.mark.parametrize(
    ("victim", "number"),
    [pytest.param(0, signal.SIGINT, marks=pytest.mark.soak), (1, signal.SIGTERM)],
)
def test_a_signal_in_a_validation_is_heeded_after_it(folder, victim, number):
    with job_in_a_validation(folder) as (process, ranks):
        os.kill(ranks[victim], number)
        (folder / "go").touch()
        code, _ = finished(process)
    assert code == 128 + number
    state = Checkpoint.load(folder / "model.npz", training=True).training.state
    assert (state.step, [point.step for point in state.history]) == (5, [5])
    wait_until(lambda: ranks_of(str(folder / "model.npz")) == {})


@needs_mpi
@linux
@pytest.mark.parametrize("victim", [0, 1])
def test_a_rank_killed_in_a_validation_ends_the_job(folder, victim):
    with job_in_a_validation(folder) as (process, ranks):
        os.kill(ranks[victim], signal.SIGKILL)
        code, _ = finished(process)
    assert code != 0
    assert step_of(folder / "model.npz") == 3
    wait_until(lambda: ranks_of(str(folder / "model.npz")) == {})


@needs_mpi
@linux
def test_a_rank_without_memory_for_its_share_says_so(folder):
    with job_in_a_validation(folder) as (process, _):
        (folder / "full").touch()
        (folder / "go").touch()
        code, err = finished(process)
    assert code != 0
    assert err.count("rank 1 ran out of memory") == 1
    assert step_of(folder / "model.npz") == 3


@needs_mpi
@linux
@pytest.mark.soak
def test_a_job_killed_at_random_instants_loses_nothing(folder):
    """A rank of four, or mpiexec, gets SIGTERM or SIGKILL; the next session continues the run."""
    count = int(os.environ.get("CHARRNN_SOAK_JOBS", "50"))
    rng, before = random.Random(int(os.environ.get("CHARRNN_SOAK_SEED", "5"))), 0
    model, log, ends = folder / "model.npz", folder / "log", []
    for n in range(count):
        resume = ["--resume"] if model.exists() else []
        log.unlink(missing_ok=True)
        args = [*TRAIN, *ENDLESS, "-q", "-o", model, "--log", log, *resume]
        with job(4, *args, cwd=folder) as process:
            if n % 2:  # from the first steps on, so that a slow start does not take all instants
                wait_until(lambda: log.exists() and log.stat().st_size > 0)
            time.sleep(rng.uniform(0.0, 1.0))
            ranks = ranks_of(str(model))
            victim = rng.choice([process.pid, *ranks.values()])
            number = rng.choice([signal.SIGTERM, signal.SIGKILL])
            with contextlib.suppress(ProcessLookupError):
                os.kill(victim, number)
            code, _ = finished(process)
        assert code != 0
        wait_until(lambda: ranks_of(str(model)) == {})
        if model.exists():
            step = step_of(model)
            assert step >= before
            before = step
        ends.append((victim == process.pid, number.name, code, before))
    done = run(*TRAIN, "--resume", "--steps", "1", "-o", str(model), cwd=folder)
    assert "this run is complete" in done.err
    assert not list(folder.glob(".model.npz.*"))  # the next session tidies up after a kill
    print(f"{count} jobs killed, {before} steps made:", *ends, sep="\n")


# --- what needs no job --------------------------------------------------------------------------

FIRST, SECOND = ({"PMI_RANK": str(rank), "PMI_SIZE": "2"} for rank in (0, 1))


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, None),
        ({"PMI_RANK": "1", "PMI_SIZE": "4"}, (1, 4)),
        ({"OMPI_COMM_WORLD_RANK": "3", "OMPI_COMM_WORLD_SIZE": "4"}, (3, 4)),
        ({"SLURM_PROCID": "2", "SLURM_STEP_NUM_TASKS": "8"}, (2, 8)),
        ({"SLURM_PROCID": "0", "SLURM_NTASKS": "8"}, None),  # a batch script, not a task
        ({"PMI_RANK": "0", "PMI_SIZE": "1"}, None),
        ({"PMI_RANK": "0", "PMI_SIZE": "many"}, None),
    ],
)
def test_launchers_are_known_by_their_variables(monkeypatch, variables, expected):
    for name in ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "SLURM_STEP_NUM_TASKS"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    found = launched()
    assert (found and (found.rank, found.size)) == expected


def test_without_mpi4py_one_process_says_what_to_install(monkeypatch, folder):
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    monkeypatch.setattr("charrnn.cli.job.world", uncached_world)
    first, second = (run(*TRAIN, cwd=folder, env=env) for env in (FIRST, SECOND))
    assert (first.code, second.code) == (1, 1)
    assert first.err == (
        "charrnn: training over MPI needs mpi4py, which is not installed; "
        "pip install 'charrnn[mpi]'\n"
    )
    assert second.err == ""
    assert sorted(os.listdir(folder)) == ["corpus.txt", "wild.yaml"]
    asked = run(*TRAIN, "--workers", "mpi", cwd=folder)
    assert (asked.code, asked.err) == (1, first.err)


def uncached_world():
    from charrnn.training.ranks.mpi import world

    return world.__wrapped__()


class OneProcess:
    rank, size, library = 0, 1, "Open MPI v5.0.11"


def test_the_mpiexec_of_another_mpi_is_recognised(monkeypatch, folder):
    monkeypatch.setattr("charrnn.cli.job.world", OneProcess)
    first, second = (run(*TRAIN, cwd=folder, env=env) for env in (FIRST, SECOND))
    assert (first.code, second.code) == (1, 1)
    assert first.err == (
        "charrnn: 2 processes were started together, but the MPI of mpi4py (Open MPI v5.0.11) "
        "sees 1; start them with the mpiexec of that MPI\n"
    )
    assert second.err == ""


@pytest.mark.parametrize("workers", [["--workers", "1"], ["--set", "train.workers=1"]])
def test_a_number_of_workers_makes_each_process_a_run(folder, workers):
    args = [*TRAIN, "--steps", "2", *workers]
    first = run(*args, "-o", "a.npz", cwd=folder, env=FIRST)
    second = run(*args, "-o", "b.npz", cwd=folder, env=SECOND)
    assert (first.code, second.code) == (0, 0)
    note = "charrnn: --workers 1: each of the 2 processes is a run by itself\n"
    assert first.err.startswith(note)
    assert note not in second.err
    assert (folder / "a.npz").read_bytes() == (folder / "b.npz").read_bytes()


def test_other_commands_run_in_each_process_and_one_says_so(trained_folder):
    first, second = (run("info", cwd=trained_folder, env=env) for env in (FIRST, SECOND))
    assert first.out == second.out != b""
    assert first.err == (
        "charrnn: each of the 2 processes runs all of 'charrnn info': "
        "only train divides its work among them\n"
    )
    assert second.err == ""


def test_a_wrong_command_line_is_reported_once(tmp_path):
    first, second = (run("train", "--no-such", cwd=tmp_path, env=env) for env in (FIRST, SECOND))
    assert (first.code, second.code) == (2, 2)
    assert first.err.startswith("charrnn: unknown option '--no-such'")
    assert second.err == ""


def test_workers_are_a_number_or_mpi(tmp_path):
    result = run("train", "corpus.txt", "--workers", "many", cwd=tmp_path)
    assert result.code == 2
    assert "--workers: must be a whole number like 64 or mpi, not 'many'" in result.err


def test_a_signal_elsewhere_counts():
    other = OneProcess()
    other.signal = 0
    with Signals("", other) as signals:
        assert signals.received is None
        other.signal = signal.SIGTERM
        assert signals.received == signal.SIGTERM


def test_the_library_without_mpi4py_says_what_to_install(monkeypatch):
    code = "import sys; sys.modules['mpi4py'] = None; import charrnn; charrnn.train('ab' * 999, {})"
    code = code.replace("{}", "workers='mpi'")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stderr.splitlines()[-1] == (
        "charrnn.errors.TrainingError: training over MPI needs mpi4py, which is not installed; "
        "pip install 'charrnn[mpi]'"
    )


def test_only_rank_0_may_train(monkeypatch):
    from charrnn.errors import TrainingError
    from charrnn.training.start import train

    class Helper(OneProcess):
        rank, size, comm = 1, 2, None

    monkeypatch.setattr("charrnn.training.ranks.mpi.world", Helper)
    with pytest.raises(TrainingError, match=r"only rank 0 of an MPI job trains; call charrnn\."):
        train(TEXT[:3000], workers="mpi")
