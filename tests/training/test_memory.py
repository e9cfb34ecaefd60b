"""The estimate of memory is near the truth, and what the machine cannot hold is refused."""

import math
import tracemalloc

import pytest
from small import CELLS, PARAGRAPH, corpus, settings

from charrnn.config.autosize import architecture
from charrnn.config.schema import Config
from charrnn.data.batches import TextBatches
from charrnn.data.corpus import Corpus
from charrnn.errors import ConfigError
from charrnn.limits import installed_memory
from charrnn.training import memory
from charrnn.training.memory import check_memory, memory_needed
from charrnn.training.trainer import Trainer


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"hidden_size": 65536, "num_layers": 64},
            r"lower model\.hidden_size \(now 65536\) or model\.num_layers \(now 64\)$",
        ),
        (
            {"hidden_size": 4096, "batch_size": 65536, "seq_length": 65536},
            r"lower train\.batch_size \(now 65\d\) or train\.seq_length \(now 65536\)$",
        ),
    ],
)
def test_what_the_machine_cannot_hold_is_refused_before_it_is_asked_for(
    changes, words, monkeypatch
):
    monkeypatch.setattr(memory, "installed_memory", lambda: 2e9)
    text = b"ab" * 24_000_000 if "batch_size" in changes else b"ab" * 5000
    tracemalloc.start()
    try:
        with pytest.raises(ConfigError, match=r"needs about [\d,.]+ GB.* has 2\.0 GB; " + words):
            Trainer(settings(unit="byte", **changes), text)
        assert tracemalloc.get_traced_memory()[1] < 150e6  # the text twice
    finally:
        tracemalloc.stop()


def test_the_memory_that_counting_takes_is_part_of_it(monkeypatch):
    monkeypatch.setattr(memory, "installed_memory", lambda: 1e9)
    text = b"ab" * 5_000_000  # 2^23 symbols are counted, with 140 bytes each
    with pytest.raises(ConfigError, match=r"about 1\.2 GB.*; use model\.ngram_order=0 for no"):
        Trainer(settings(unit="byte"), text)
    assert Trainer(settings(unit="byte", ngram_order=0), text).step == 0


DROPOUTS = [(0.0, False, 0.0), (0.5, False, 0.0), (0.5, True, 0.5)]
#: The optimisers in turns: each with each cell and with each dropout; `make soak` has all.
TRAINED = [
    pytest.param(
        cell,
        optimizer,
        dropout,
        marks=[pytest.mark.soak] if (n + m) % 2 == (optimizer == "sgd") else [],
    )
    for n, cell in enumerate(CELLS)
    for m, dropout in enumerate(DROPOUTS)
    for optimizer in ("sgd", "adam")
]


@pytest.mark.parametrize(("cell", "optimizer", "dropout"), TRAINED)
@pytest.mark.parametrize("sizes", [(300, 2, 4), (32, 500, 25)])
def test_the_estimate_is_near_what_training_takes(cell, optimizer, dropout, sizes):
    hidden, batch, window = sizes
    chosen = {"hidden_size": hidden, "batch_size": batch, "seq_length": window, "steps": 2}
    chosen |= {"workers": 1, "dropout": dropout[0], "locked_dropout": dropout[1]}
    chosen |= {"weight_dropout": dropout[2]}
    config = settings(cell=cell, optimizer=optimizer, val_fraction=0.0, eval_every=None, **chosen)
    text = Corpus.of_text(PARAGRAPH * 60, config.data)
    arch = architecture(config, len(text.vocab))
    estimate = sum(memory_needed(config, arch, TextBatches(text.train, batch, window)))
    tracemalloc.start()
    try:
        trainer = Trainer(config, text)
        for _ in trainer:
            pass
        # What the ranks share is mapped memory, which tracemalloc does not see.
        shared = trainer._parallel._communicator
        mapped = shared.gradient.nbytes + sum(array.nbytes for array in shared.arrays.values())
        peak = tracemalloc.get_traced_memory()[1] + mapped
    finally:
        tracemalloc.stop()
    assert 0.6 < estimate / peak < 1.6


def test_memory_the_system_does_not_tell_of_is_no_limit(monkeypatch):
    monkeypatch.delattr("os.sysconf")
    assert installed_memory() == math.inf
    monkeypatch.setattr(memory, "allowed_memory", lambda: math.inf)
    huge = settings(hidden_size=65536, num_layers=64)
    check_memory(huge, architecture(huge, len(corpus().vocab)), TextBatches(corpus().train, 1, 1))


def test_the_limit_of_a_container_counts_like_the_memory_of_a_machine(monkeypatch):
    monkeypatch.setattr(memory, "allowed_memory", lambda: 2e6)
    with pytest.raises(ConfigError, match=r"but this process may use only 0\.0 GB \(ulimit -v, or"):
        Trainer(settings(hidden_size=200), PARAGRAPH)


def test_this_machine_tells_its_memory():
    assert 1e8 < installed_memory() < 1e15


def test_defaults_fit():
    Trainer(Config(), PARAGRAPH)
