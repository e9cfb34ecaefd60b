"""Dynamic evaluation: a copy of the weights adapts to the text while it is scored.

Source: Krause, Kahembwe, Murray, Renals, "Dynamic evaluation of neural sequence models",
arXiv:1709.07432, section 4. The text is scored segment by segment, each before the
weights see it; then with the gradient g of its loss and the trained weights theta_0,

    theta += -rate * g / (rms + eps) + decay * rms' * (theta_0 - theta)

where rms is the root mean square of each weight's gradient over the training text, and
rms' is rms divided by its mean, at most 1/decay. So the weights that matter to the training
text, those with large gradients, move in steps of equal size, and return sooner.
Here eps is a share of rms's mean, so that the overall scale of gradients does not matter.

An n-gram model that is mixed in counts what was read, too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from charrnn.data.batches import TextBatches
from charrnn.mixing import Mixture
from charrnn.ngram import AdaptiveNGram
from charrnn.nn.network import Network
from charrnn.nn.params import Array
from charrnn.threads import blas_settings

#: Windows of STEPS steps and STREAMS streams over which squared gradients are averaged.
WINDOWS, STEPS, STREAMS = 100, 64, 16
#: Steps in a segment. It and the rates were chosen in docs/design/tuning.md.
SEGMENT = 32


@dataclass(frozen=True)
class Adaptation:
    """How far the weights move.

    Attributes:
        rate: of each step along the gradient.
        decay: of each step back to the trained weights.
        epsilon: share of the mean rms that is added to each, for weights hardly used in training.
    """

    rate: float = 1.5e-4
    decay: float = 1e-3
    epsilon: float = 0.1


def mean_squared_gradients(network: Network, ids: Array) -> Array:
    """Mean square of each weight's gradient over :data:`WINDOWS` spread evenly through a text.

    Args:
        ids: (characters,) of the training text, at least 2.

    Returns:
        (P,) of the parameters' dtype and layout.
    """
    batches = TextBatches(ids, STREAMS, STEPS)
    T, N = batches.seq_length, batches.batch_size
    ws, grads = network.workspace(T, N, training=True), network.params.like()
    state, mean = network.arch.zero_state(N, ws.logits.dtype), np.zeros_like(network.params.flat)
    x, y = np.empty((T, N), np.intp), np.empty((T, N), np.intp)
    chosen = np.unique(np.linspace(0, batches.windows(0) - 1, WINDOWS).astype(int)).tolist()
    with blas_settings(1):
        for k in chosen:
            batches.window(0, k, x, y)
            network.loss_and_gradients(ws, x, y, state, grads, 1.0 / x.size)
            np.multiply(grads.flat, grads.flat, out=grads.flat)
            np.add(mean, grads.flat, out=mean)
    return np.divide(mean, len(chosen), out=mean)


class DynamicScorer:
    """A :class:`~charrnn.evaluation.score.Scorer`: a network's score while a copy of it adapts.

    Args:
        network: not changed.
        start: the id that the text is taken to follow.
        squares: (P,): the mean square of each weight's gradient in training, from the optimiser
            (:meth:`Checkpoint.squares`) or from :func:`mean_squared_gradients`.
        adaptation: how far the weights move.
        segment: steps between two changes of the weights. A segment also ends where a
            block ends, so the length of all blocks but the last should be a multiple of it.
        unknown_id: the symbol that stands for unknown ones.
        mixture: what the network is mixed with, if anything.
    """

    def __init__(
        self,
        network: Network,
        start: int,
        squares: Array,
        adaptation: Adaptation | None = None,
        segment: int = SEGMENT,
        unknown_id: int | None = None,
        mixture: Mixture | None = None,
    ) -> None:
        self._mixture = mixture
        self._ngram = AdaptiveNGram(mixture.ngram, start) if mixture else None
        how, self._segment = adaptation or Adaptation(), segment
        self._trained, self._params = network.params.flat, network.params.copy()
        self._network, self._grads = Network(network.arch, self._params), self._params.like()
        dtype = self._trained.dtype
        rms = np.sqrt(squares)
        mean = float(rms.mean()) or 1.0
        self._step = (how.rate / (rms + how.epsilon * mean)).astype(dtype)
        self._back = np.minimum(how.decay * rms / mean, 1.0).astype(dtype)
        self._work = np.empty_like(self._trained)
        self._ws = self._network.workspace(segment, 1, training=True)
        self._state = network.arch.zero_state(1, dtype)
        self._last, self._nats = start, 0.0
        self._unknown_id, self.unknown_nats = unknown_id, 0.0

    def read(self, ids: Array) -> None:
        with blas_settings(1):
            for at in range(0, len(ids), self._segment):
                self._read_segment(ids[at : at + self._segment].astype(np.intp)[:, None])

    def _read_segment(self, targets: Array) -> None:
        inputs = np.concatenate([[[self._last]], targets[:-1]])
        self._last = int(targets[-1, 0])
        loss = self._network.loss_and_gradients(
            self._ws, inputs, targets, self._state, self._grads, 1.0 / len(targets)
        )
        nats = self._ws.nats[: len(targets)]
        if self._mixture and self._ngram:
            nats = self._mixture.surprisal(nats, self._ngram.read(targets[:, 0]))
            self._nats += float(np.sum(nats))
        else:
            self._nats += loss * len(targets)
        unknown = nats[targets[:, 0] == self._unknown_id]
        self.unknown_nats += float(np.sum(unknown, dtype=np.float64))
        self._adapt()

    def _adapt(self) -> None:
        theta, g, work = self._params.flat, self._grads.flat, self._work
        np.subtract(self._trained, theta, out=work)
        np.multiply(work, self._back, out=work)
        np.multiply(g, self._step, out=g)
        np.subtract(work, g, out=work)
        np.add(theta, work, out=theta)

    def total(self) -> float:
        return self._nats
