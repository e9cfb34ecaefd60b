"""Networks, texts and settings that are small enough to be used hundreds of times."""

import numpy as np

from charrnn.config.schema import BUDGETS, Config
from charrnn.config.sources import with_settings
from charrnn.data.corpus import Corpus
from charrnn.data.vocab import Vocab
from charrnn.model import CharRNN
from charrnn.nn.functional import cross_entropy
from charrnn.nn.network import Architecture, Network
from charrnn.nn.params import Params
from charrnn.training.trainer import Trainer

PARAGRAPH = (
    "When the parish hung a brass bell on the lead goat, the ox could talk of nothing\n"
    "else. He had hauled their turnips for twelve years, he said, and nobody had hung\n"
    "so much as a spoon on him. The goat lent him the bell for a day. By noon he knew\n"
    "what it was to be heard by every dog, child and creditor in the valley, and by\n"
    "evening he brought it back. It is a fine thing, said the ox, to be looked for;\n"
    "it is a finer one to be left in peace beside a gate, and to have had supper.\n"
)
CELLS = ("rnn", "lstm", "gru")


def settings(**changes) -> Config:
    """Settings of a run of about 2.5 epochs on :data:`PARAGRAPH`, with all randomness on."""
    chosen = {"hidden_size": 5, "num_layers": 2, "dropout": 0.3, "weight_dropout": 0.0}
    chosen |= {"batch_size": 6, "seq_length": 8, "eval_every": 5, "seed": 3, "learning_rate": 0.05}
    chosen |= {"max_grad_norm": 5.0, "warmup": 0.02, "ngram_order": 3}
    if not changes.keys() & set(BUDGETS):
        chosen["steps"] = 24
    return with_settings(Config(), chosen | changes)


def trained(text=PARAGRAPH, **changes) -> Trainer:
    """A trainer whose run is finished."""
    trainer = Trainer(settings(**changes), text)
    for _ in trainer:
        pass
    return trainer


def network(cell="gru", V=7, H=6, L=1, spread=1.5, seed=0, dtype=np.float64) -> Network:
    """A network of random weights and biases, large enough for probabilities to differ."""
    arch = Architecture(cell, V, H, L)
    params = Params(arch.shapes(), dtype)
    params.flat[:] = np.random.default_rng(seed).normal(0.0, spread, params.flat.shape)
    return Network(arch, params)


def model(text="abcdef\n", seed=0, **changes) -> CharRNN:
    """An untrained model of the symbols in ``text``, with random weights."""
    config = with_settings(Config(), {"hidden_size": 8, "dropout": 0.0, "cell": "gru"} | changes)
    unit = config.data.unit
    vocab = Vocab(unit, map(ord, text) if unit == "char" else ())
    shape = config.model
    net = network(
        shape.cell, len(vocab), shape.hidden_size, shape.num_layers, spread=0.7, seed=seed
    )
    return CharRNN(config, vocab, Params(net.params.shapes, flat=net.params.flat.astype("f4")))


def target_nats(net: Network, ws, ids, targets, state):
    """The surprisal of targets, (steps, N); ``ids`` are the symbols before them."""
    logits = net.forward(ws, ids, state)
    return cross_entropy(logits, targets.reshape(-1)).reshape(targets.shape)


def surprisals(net: Network, ids, start: int):
    """The surprisal of each symbol in nats, (T,): by the forward pass of training, in float64."""
    params = Params(net.params.shapes, np.float64, net.params.flat.astype(np.float64))
    net, size = Network(net.arch, params), 64
    ws, state, nats = net.workspace(size, 1), net.arch.zero_state(1, np.float64), []
    ids = np.asarray(ids, np.intp)
    inputs = np.append(start, ids)
    for at in range(0, len(ids), size):
        targets = ids[at : at + size]
        logits = net.forward(ws, inputs[at : at + len(targets), None], state)
        top = logits.max(axis=1)
        sums = np.exp(logits - top[:, None]).sum(axis=1)
        nats.append(np.log(sums) + top - logits[np.arange(len(targets)), targets])
    return np.concatenate(nats)


def corpus(text=PARAGRAPH, **data) -> Corpus:
    """A corpus of ``text``, with the data settings of :func:`settings`."""
    return Corpus.of_text(text, settings(**data).data)


def naive_stop(text, stops):
    """The text before the stop string that is complete first, and whether there was one.

    Of several that are complete at the same character, the longest counts.
    """
    for end in range(len(text) + 1):
        if found := [s for s in stops if s and text[:end].endswith(s)]:
            return text[: end - max(map(len, found))], True
    return text, False
