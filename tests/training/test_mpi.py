"""Ranks that MPI connects: the run of one process, the same to the bit when it is repeated.

To start a job takes a second, so one job of each size computes what several tests look at.
"""

import functools
import os
import pickle
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from jobs import ENVIRONMENT, MPIEXEC, needs_mpi
from small import PARAGRAPH, settings
from test_data_parallel import V, everything, parallel, train

from charrnn import ngram
from charrnn.config.schema import TrainConfig
from charrnn.data.batches import TextBatches
from charrnn.errors import ConfigError, TrainingError
from charrnn.evaluation.streams import StreamScorer
from charrnn.mixing import Mixture
from charrnn.nn.network import Architecture
from charrnn.training.data_parallel import DataParallel
from charrnn.training.held_out import HeldOutScorer
from charrnn.training.ranks.communicator import Task
from charrnn.training.ranks.mpi import MPIRanks, world
from charrnn.training.start import resume
from charrnn.training.trainer import Trainer

pytestmark = [needs_mpi, pytest.mark.posix]

#: Records of symbols 1 to 6, each ended by 0.
TEXT = np.random.default_rng(8).choice(7, 10_000, p=[0.1, *[0.15] * 6]).astype(np.uint8)
#: What is trained in a job, by name: arguments of parallel().
RUNS = {
    "rnn": {"cell": "rnn"},
    "gru, sum": {"cell": "gru", "reduction": "sum"},
    "lstm, locked dropout": {
        "dropout": 0.3,
        "locked": True,
        "weight_dropout": 0.3,
        "max_grad_norm": 0.1,
    },
    "adam, dropout": {"dropout": 0.3, "optimizer": "adam"},
}
#: Which of them in a job of how many ranks; local workers, which they are compared with, take as
#: long to start.
CASES = [*((2, name) for name in RUNS), (3, "adam, dropout")]


# --- what rank 0 does in a job --------------------------------------------------------------------


def trained_alike(size):
    """The runs of RUNS: twice, and a third time with a break after half of it."""
    results = {}
    for name in (name for ranks, name in CASES if ranks == size):
        runs = []
        for steps in ([6], [6], [3, 3]):
            ranks, done = parallel("mpi", **RUNS[name]), []
            for count in steps:
                done += train(ranks, count, len(done))
            runs.append((done, everything(ranks)))
        results[name] = runs
    return results


def in_turns(size):
    """Two runs whose steps alternate."""
    first, second = parallel("mpi"), parallel("mpi", cell="gru")
    done = [(first.step(0, k, 0.05, k), second.step(0, k, 0.05, k)) for k in range(3)]
    first.stop()
    second.stop()
    return done, everything(first), everything(second)


def mixture_of(ids):
    """Bigrams, whose weight is fitted to each held-out text."""
    return Mixture.of(ngram.count(ids, V, 2), 0.5, 0, of_records=True)


def held_out_scores(ranks):
    """Scores of texts of many streams and of one, in two blocks, and of records; one after a step.

    There are fewer streams, and fewer records, than ranks, too.
    """
    train(ranks, 1)
    stream = StreamScorer(ranks.network, 3, ranks=ranks)
    nats = [stream.score(TEXT[at : at + 4096]) for at in (0, 4096)]
    nats += [StreamScorer(ranks.network, 3, ranks=ranks).score(TEXT[:500])]
    ranks.step(0, 1, 0.05, 1)
    scores = []
    for ids in (TEXT[:5000], TEXT[:3]):
        for of_records in (False, True):
            mixture = mixture_of(TEXT[5000:]) if len(ids) > 3 else None
            score = HeldOutScorer(0, of_records, mixture, None, ranks).score(ranks.network, ids)
            scores += [score.evaluation.nats, score.evaluation.characters, score.weight or 0.0]
    loss = ranks.step(0, 2, 0.05, 2)
    ranks.stop()
    return nats, scores, loss


def shared_validations(size):
    """What the test computes in one process; twice."""
    return [held_out_scores(parallel("mpi")) for _ in range(2)]


def resumed(size):
    """The end of a run in one session, and in two; what they held out was scored by all ranks."""
    ends = []
    for breaks in ([24], [11, 24]):
        run = None
        for steps in breaks:
            config = settings(workers="mpi", reset=0.1, steps=24)
            run = resume(run.checkpoint(), PARAGRAPH, config) if run else Trainer(config, PARAGRAPH)
            for step in run:
                if step.step == steps:
                    break
        end = run.checkpoint()
        ends.append((end.params.flat, end.training.last.flat, end.training.state.history))
    return ends


def whole_run(size):
    """A run with random offsets and resets, over epochs and validations, and its checkpoint."""
    run = Trainer(settings(workers="mpi", reset=0.1), PARAGRAPH)
    for step in run:
        if step.step == 7:
            middle = run.checkpoint().training.recurrent_state.copy()
    end = run.checkpoint()
    return middle, end.params.flat, end.training.recurrent_state, end.config.train.workers


def with_many_symbols(workers):
    """A run in which a window uses a few rows of the embedding, whose gradient has no others."""
    arch, ids = Architecture("lstm", 3000, 6, 1), np.random.default_rng(4).integers(0, 3000, 400)
    ranks = DataParallel(arch, TextBatches(ids, 4, 8), TrainConfig(batch_size=4), workers)
    np.copyto(ranks.network.params.flat, arch.initial(np.random.default_rng(1)).flat)
    assert ranks._rank._work.sparse
    return train(ranks), everything(ranks)


def many_symbols(size):
    """The run that the test makes with local workers."""
    return with_many_symbols("mpi")


def diverging(size):
    """A step whose gradient is not finite, and the parameters before and after it."""
    ranks = parallel("mpi")
    train(ranks, 2)
    ranks.network.params["output.W"][0, 0] = np.inf
    before = everything(ranks)
    return train(ranks, 1, 2)[0], before, everything(ranks)


def too_many(size):
    """What is said if there are more ranks than streams."""
    with pytest.raises(ConfigError) as caught:
        parallel("mpi", batch_size=size - 1)
    return str(caught.value)


def strays(communicator):
    """A rank step after which rank 1 has other parameters than rank 0."""

    def step():
        communicator.gradient.fill(1.0)
        communicator.reduce(0.0)
        communicator.arrays["params"] += communicator.rank

    return SimpleNamespace(step=step)


def different(size):
    """What is said if parameters differ."""
    ranks = MPIRanks(Task(4, {"params": (np.float32, (4,))}, {}, {}, strays))
    ranks.run_together(strays(ranks).step)
    with pytest.raises(TrainingError) as caught:
        ranks.stop()
    return str(caught.value)


def starves(communicator):
    def step():
        if communicator.rank:
            raise MemoryError
        communicator.reduce(0.0)

    return SimpleNamespace(step=step)


def starving():
    """Rank 1 fails in a step, in which rank 0 waits for it."""
    ranks = MPIRanks(Task(4, {}, {}, {}, starves))
    ranks.run_together(starves(ranks).step)


QUESTIONS = (
    trained_alike,
    in_turns,
    shared_validations,
    resumed,
    whole_run,
    many_symbols,
    diverging,
    too_many,
    different,
)


def main(folder):
    """A rank of a job: rank 0 writes what the others help it to find out."""
    job = world()
    if job.rank:
        try:
            job.serve()
        except TrainingError as error:
            sys.exit(str(error))
    elif folder == "starving":
        starving()
    else:
        answers = {question.__name__: question(job.size) for question in QUESTIONS}
        Path(folder, "answers").write_bytes(pickle.dumps(answers))


# --- the tests ------------------------------------------------------------------------------------


def job(size, argument):
    """Run a job of this file; its exit code, stdout and stderr."""
    path = os.pathsep.join(str(Path(__file__).parents[n]) for n in (0, 1, 2))
    command = [MPIEXEC, "-n", str(size), sys.executable, __file__, str(argument)]
    environment = os.environ | ENVIRONMENT | {"PYTHONPATH": path}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=100)
    return done.returncode, done.stdout, done.stderr


@functools.cache
def answers(size):
    """The answers of a job to QUESTIONS."""
    with tempfile.TemporaryDirectory() as folder:
        code, out, err = job(size, folder)
        assert (code, out) == (0, "")
        assert (
            err.count("\n") == err.count("expect gibberish") == 3
        )  # rank 0 says this of each new run
        return pickle.loads(Path(folder, "answers").read_bytes())


sizes = pytest.mark.parametrize("size", [2, 3])


@pytest.mark.parametrize(("size", "name"), CASES)
def test_ranks_make_the_run_of_as_many_local_workers(size, name):
    """But for float32 rounding: the order of sums is MPI's."""
    local = parallel(size, **RUNS[name])
    expected, (found, arrays) = train(local), answers(size)["trained_alike"][name][0]
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    for part, array in everything(local).items():
        np.testing.assert_allclose(arrays[part], array, rtol=2e-3, atol=2e-5, err_msg=part)


@pytest.mark.parametrize(("size", "name"), CASES)
def test_a_run_is_the_same_to_the_bit_when_it_is_repeated(size, name):
    (done, arrays), *others = answers(size)["trained_alike"][name]
    for again, repeated in others:
        assert again == done
        for part, array in arrays.items():
            assert np.array_equal(repeated[part], array), part


def test_runs_may_take_turns():
    done, *arrays = answers(2)["in_turns"]
    for n, cell in enumerate(("lstm", "gru")):
        alone = parallel(2, cell=cell)
        np.testing.assert_allclose([both[n] for both in done], train(alone, 3), rtol=1e-5)
        for part, array in everything(alone).items():
            np.testing.assert_allclose(arrays[n][part], array, rtol=2e-3, atol=2e-5, err_msg=part)


def test_a_gradient_of_few_rows_is_summed_like_any_other():
    (found, arrays), (expected, local) = answers(2)["many_symbols"], with_many_symbols(2)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    for part, array in local.items():
        np.testing.assert_allclose(arrays[part], array, rtol=2e-3, atol=2e-5, err_msg=part)


@sizes
def test_a_checkpoint_holds_the_state_of_all_streams(size):
    middle, params, state, workers = answers(size)["whole_run"]
    local = Trainer(settings(workers=size, reset=0.1), PARAGRAPH)
    for step in local:
        if step.step == 7:
            expected = local.checkpoint().training.recurrent_state.copy()
    assert np.abs(expected).max(axis=(0, 1, 3)).all()  # of every stream
    np.testing.assert_allclose(middle, expected, rtol=2e-3, atol=2e-5)
    end = local.checkpoint()
    np.testing.assert_allclose(params, end.params.flat, rtol=2e-3, atol=2e-5)
    np.testing.assert_allclose(state, end.training.recurrent_state, rtol=2e-3, atol=2e-5)
    assert workers == 0  # a later session may be started in another way


@sizes
def test_ranks_share_a_validation(size):
    """Scored as by one process but for rounding, and the same to the bit when it is repeated."""
    first, second = answers(size)["shared_validations"]
    for once, again in zip(first[0], second[0], strict=True):
        assert np.array_equal(once, again)
    assert first[1:] == second[1:]
    nats, scores, loss = held_out_scores(parallel(1))
    for found, expected in zip(first[0], nats, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(first[1], scores, rtol=1e-4)
    np.testing.assert_allclose(first[2], loss, rtol=1e-4)


@sizes
def test_a_resumed_run_validates_like_a_whole_one(size):
    (params, last, history), again = answers(size)["resumed"]
    assert np.array_equal(again[0], params)
    assert np.array_equal(again[1], last)
    assert again[2] == history
    assert [point.step for point in history] == [5, 10, 15, 20, 24]


def test_a_diverging_step_updates_nothing():
    (loss, norm), before, after = answers(2)["diverging"]
    assert not (np.isfinite(loss) and np.isfinite(norm))
    for part in ("params", "G"):
        assert np.array_equal(after[part], before[part])


@sizes
def test_more_ranks_than_streams_are_refused(size):
    assert answers(size)["too_many"] == (
        f"{size} ranks cannot share a batch of {size - 1} stream{'s' * (size > 2)}; "
        f"start fewer, or raise train.batch_size={size}"
    )


@sizes
def test_parameters_that_differ_between_ranks_end_the_run(size):
    assert answers(size)["different"].startswith(
        "the parameters of rank 1 differ from those of rank 0: the sums of "
    )


def test_a_rank_that_fails_says_why_and_ends_the_job():
    code, out, err = job(2, "starving")
    assert code != 0
    assert out == ""
    assert err.count("rank 1 ran out of memory") == 1


def test_one_rank_alone_trains_as_one_process():
    """Without mpiexec, MPI knows of one process."""
    code = (
        "import sys; from test_data_parallel import *; one, mpi = parallel(1), parallel('mpi')\n"
        "same = train(one) == train(mpi) and all(np.array_equal(a, b) for a, b in "
        "zip(everything(one).values(), everything(mpi).values()))\n"
        "sys.exit(0 if same else 3)"
    )
    path = os.pathsep.join(str(Path(__file__).parents[n]) for n in (0, 1, 2))
    environment = os.environ | ENVIRONMENT | {"PYTHONPATH": path}
    assert subprocess.run([sys.executable, "-c", code], env=environment, timeout=60).returncode == 0


if __name__ == "__main__":
    main(sys.argv[1])
