"""Networks learn: ten losses to the digit, and real text for every cell and optimiser."""

import math
from collections import Counter

import numpy as np
import pytest
import reference
from problems import CELLS

from charrnn.nn.network import Architecture, Network
from charrnn.nn.optim import OPTIMIZERS, clip_elements, clip_global_norm

# --- ten losses ---------------------------------------------------------------------------------

STEPS, STREAMS, HIDDEN, VOCAB = 6, 2, 4, 5
RATE, LIMIT, SHARE = 0.3, 0.1, 1.0 / (STEPS * STREAMS)

#: Two layers, Adagrad, elementwise clipping, state carried from window to window. Computed in
#: float64 by the equations of reference.py; the second test below recomputes them.
GOLDEN = {
    "rnn": [
        1.69841753343,
        1.32218187078,
        1.77725007741,
        1.57316251632,
        1.88046222047,
        1.36644646935,
        1.5777159067,
        1.51876366377,
        1.34050129076,
        1.44396318764,
    ],
    "lstm": [
        1.6106184824,
        1.70448979561,
        1.62872508497,
        1.58857542112,
        1.53804143231,
        1.45773580527,
        1.45593846692,
        1.50474952378,
        1.3567862085,
        1.53183318273,
    ],
    "gru": [
        1.65230695039,
        1.47011381626,
        2.55791676475,
        1.38216839254,
        2.1284470974,
        1.39458756086,
        1.46862021516,
        1.56851728924,
        1.33825578542,
        1.5652578453,
    ],
}


def golden_start(cell):
    """Parameters without a random generator, whose stream may change between NumPy versions."""
    arch = Architecture(cell, VOCAB, HIDDEN, 2)
    size = sum(math.prod(shape) for shape in arch.shapes().values())
    return arch, 0.6 * np.sin(1.7 * np.arange(size) ** 1.3)


def golden_windows():
    """Ten windows of a sequence whose period differs from the window's."""
    streams = [[(k * k + 3 * k * n + n) % 11 % VOCAB for k in range(61)] for n in range(STREAMS)]
    ids = np.array(streams).T
    for k in range(0, 60, STEPS):
        yield ids[k : k + STEPS], ids[k + 1 : k + STEPS + 1]


@pytest.mark.parametrize("cell", CELLS)
def test_ten_losses(cell):
    arch, theta = golden_start(cell)
    network = Network(arch, arch.initial(np.random.default_rng(0)))
    params, grads = network.params, network.params.like()
    params.flat[:] = theta
    ws, state = network.workspace(STEPS, STREAMS, training=True), arch.zero_state(STREAMS)
    adagrad, losses = OPTIMIZERS["adagrad"](params.flat), []
    for ids, targets in golden_windows():
        losses.append(network.loss_and_gradients(ws, ids, targets, state, grads, SHARE))
        clip_elements(grads.flat, LIMIT)
        adagrad.update(params.flat, grads.flat, RATE)
    # float32 against float64, and Adagrad's first step is a sign: 1e-4 allows for any BLAS.
    np.testing.assert_allclose(losses, GOLDEN[cell], rtol=1e-4)


@pytest.mark.parametrize("cell", CELLS)
def test_the_ten_losses_are_those_of_the_reference(cell):
    arch, theta = golden_start(cell)
    state, total, losses = arch.zero_state(STREAMS, np.float64), np.zeros_like(theta), []
    for ids, targets in golden_windows():
        loss, g, state = reference.loss_and_gradient(arch, theta, ids, targets, state, SHARE)
        losses.append(loss)
        g = np.clip(g, -LIMIT, LIMIT)
        total += g**2
        theta -= RATE * g / np.sqrt(total + 1e-8)
    np.testing.assert_allclose(losses, GOLDEN[cell], rtol=1e-9)


# --- real text ----------------------------------------------------------------------------------

PROSE = """\
The harbour master kept two clocks on his wall. One told the time of the town, and the other,
which hung a hand lower, told the time of the tide. When strangers asked him the hour he would
look at the lower clock first, frown, and say that it was nearly too late or much too early; and
only when they laughed did he look up and tell them that it was half past nine. "The town can
wait," he said. "The town has always waited. But nobody has yet asked the water to stay a little
longer and been heard." In the winter that the lower clock stopped, he did not have it mended. He
walked down to the steps each morning instead, and put his hand into the sea, and knew.
"""


@pytest.mark.parametrize(
    ("optimizer", "rate", "epochs"),
    [("sgd", 2.0, 40), ("adagrad", 0.1, 24), ("rmsprop", 0.01, 24), ("adam", 0.02, 24)],
)
@pytest.mark.parametrize("cell", CELLS)
def test_prose_is_learned(cell, optimizer, rate, epochs):
    symbols = sorted(set(PROSE))
    ids = np.array([symbols.index(symbol) for symbol in PROSE])
    steps, streams = 16, 8
    arch = Architecture(cell, len(symbols), 24)
    network = Network(arch, arch.initial(np.random.default_rng(0)))
    params, grads = network.params, network.params.like()
    ws = network.workspace(steps, streams, training=True)
    updater = OPTIMIZERS[optimizer](params.flat)
    length = (len(ids) - 1) // streams
    x, y = (a[: length * streams].reshape(streams, length).T for a in (ids, ids[1:]))
    losses = []
    for _ in range(epochs):
        state = arch.zero_state(streams)
        for t in range(0, length - steps + 1, steps):
            window = slice(t, t + steps)
            losses.append(
                network.loss_and_gradients(
                    ws, x[window], y[window], state, grads, 1.0 / (steps * streams)
                )
            )
            clip_global_norm(grads.flat, float(np.linalg.norm(grads.flat)), 1.0)
            updater.update(params.flat, grads.flat, rate)
    assert np.all(np.isfinite(losses))
    assert losses[0] == pytest.approx(math.log(len(symbols)), abs=0.25)
    shares = [count / len(PROSE) for count in Counter(PROSE).values()]
    entropy = -sum(share * math.log(share) for share in shares)
    # Below what the frequencies of single characters can give: the context is used.
    assert np.mean(losses[-4:]) < entropy - 0.5
