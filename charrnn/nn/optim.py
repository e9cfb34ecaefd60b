"""Clipping, limits and optimisers, a few lines each on flat vectors.

Notation: theta parameters and g gradient, (P,) of one dtype; eta learning rate.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np

from charrnn.nn.network import Architecture
from charrnn.nn.params import Array

#: How much further than the weights between units those of the output may move for each unit:
#: see docs/design/tuning.md.
OUTPUT = 8.0
#: The same for the embedding and the biases, to which a single input is connected.
SINGLE = 0.25
#: Parts of a vector, each with a limit.
Limits = Sequence[tuple[slice, float]]


def clip_global_norm(g: Array, norm: float, limit: float) -> None:
    """Scale ``g`` in place so that its global norm, which is ``norm``, becomes at most ``limit``.

    ``g`` may be a part of the gradient whose norm is given. Source: Pascanu, Mikolov, Bengio,
    arXiv:1211.5063.
    """
    if norm > limit:
        np.multiply(g, limit / norm, out=g)


def clip_elements(g: Array, limit: float) -> None:
    """Clip every element of ``g`` to [-limit, limit], in place."""
    g.clip(-limit, limit, out=g)  # np.clip takes microseconds longer, for each part of a vector


def update_limits(arch: Architecture, limit: float, owned: slice) -> Limits:
    """How far each parameter in ``owned`` may move in the first update.

    An optimiser that normalises the gradient at first moves all the weights into a unit by the
    same amount, many of them in the same direction, so the sum over H of them changes H times
    as much. Their limit is therefore ``limit / H``, as in muP (Yang et al., arXiv:2203.03466);
    and a network of L layers, whose changes add up, shares it among them. The bias of layer 0
    shifts the input of every symbol, so in deep networks its limit is lower. Powers of L:
    docs/design/tuning.md.

    Args:
        limit: for the weights between units, times H; in proportion for the others.
        owned: part of the flat vector (P,).

    Returns:
        Parts of ``owned``, counted from its start, each with its limit.
    """
    H, L = arch.hidden_size, arch.num_layers
    first, stop, _ = owned.indices(arch.size)
    limits, end = [], 0
    for name, shape in arch.shapes().items():
        start, end = end, end + math.prod(shape)
        low, high = max(start, first), min(end, stop)
        if name == "layers.0.b":
            share = SINGLE / L**3
        elif len(shape) == 1 or name == "layers.0.W_x":
            share = SINGLE / L
        elif name == "output.W":
            share = OUTPUT / (H * L)
        else:
            share = 1.0 / (H * L**1.25)
        if low < high:
            limits.append((slice(low - first, high - first), limit * share))
    return limits


class Optimizer:
    """Updates theta in place; a subclass defines the :meth:`direction`.

    Args:
        theta: (P,); the slots get its size and dtype.
        limits: of the first update, from :func:`update_limits`; none by default.

    Attributes:
        slots: one vector (P,) for each of :attr:`SLOTS`, zeros at first.
        count: updates made. With the slots, it is all that the next update depends on.
    """

    #: Names of the vectors that are kept from update to update.
    SLOTS: ClassVar[tuple[str, ...]] = ()
    #: Whether a parameter without gradient stays as it is, and so do its slots.
    KEEPS_UNUSED: ClassVar[bool] = False

    def __init__(self, theta: Array, limits: Limits = ()) -> None:
        self.slots: dict[str, Array] = {name: np.zeros_like(theta) for name in self.SLOTS}
        self.count = 0
        self._limits, self._work = limits, np.empty_like(theta)

    def update(self, theta: Array, g: Array, eta: float, weight_decay: float = 0.0) -> None:
        """``theta -= eta * direction(g)``, after the decay ``theta *= 1 - eta*weight_decay``.

        Update k moves no element further than sqrt(k) times its limit. Adagrad's updates shrink
        by that factor, so the limits soon have no effect. ``g`` is overwritten. Source of
        decoupled decay: Loshchilov & Hutter, arXiv:1711.05101.
        """
        self.count += 1
        if weight_decay:
            np.multiply(theta, 1.0 - eta * weight_decay, out=theta)
        self.update_part(theta, g, self.slots, eta)

    def update_part(
        self, theta: Array, g: Array, slots: Mapping[str, Array], eta: float, start: int = 0
    ) -> None:
        """Update some parameters, of any shape and with these slots, in the current update.

        Args:
            start: the first of the consecutive parameters whose limits these have.
        """
        self.direction(g, slots, self._work[: g.size].reshape(g.shape))
        np.multiply(g, eta, out=g)
        flat = g.reshape(-1)
        for part, limit in self._limits:
            low, high = max(0, part.start - start), max(0, part.stop - start)
            clip_elements(flat[low:high], limit * math.sqrt(self.count))
        np.subtract(theta, g, out=theta)

    def direction(self, g: Array, slots: Mapping[str, Array], work: Array) -> None:
        """Turn the gradient into the direction of the update, in place; ``work`` is a buffer."""

    @staticmethod
    def mean_square(slots: Mapping[str, Array], count: int) -> Array | None:
        """Mean square of each gradient, (P,), after ``count`` > 0 updates; None if not kept."""
        return None


class SGD(Optimizer):
    """``theta -= eta * g``."""

    KEEPS_UNUSED = True


class Adagrad(Optimizer):
    """``G += g^2;  theta -= eta * g / sqrt(G + eps)``.

    Source: Duchi, Hazan, Singer, JMLR 12 (2011). eps = 1e-8, inside the root, as in
    min-char-rnn: it only keeps the division defined for symbols not yet seen.
    """

    SLOTS = ("G",)
    KEEPS_UNUSED = True
    EPS = 1e-8

    def direction(self, g: Array, slots: Mapping[str, Array], work: Array) -> None:
        G = slots["G"]
        np.multiply(g, g, out=work)
        np.add(G, work, out=G)
        np.add(G, self.EPS, out=work)
        np.sqrt(work, out=work)
        np.divide(g, work, out=g)

    @staticmethod
    def mean_square(slots: Mapping[str, Array], count: int) -> Array | None:
        mean: Array = slots["G"] / np.float32(count)
        return mean


class RMSprop(Optimizer):
    """``G = rho*G + (1 - rho)*g^2;  theta -= eta * g / sqrt(G + eps)``.

    Source: Tieleman & Hinton, Coursera lecture 6.5 (2012). rho = 0.95 as in char-rnn.
    """

    SLOTS = ("G",)
    RHO = 0.95
    EPS = 1e-8

    def direction(self, g: Array, slots: Mapping[str, Array], work: Array) -> None:
        G = slots["G"]
        np.multiply(g, g, out=work)
        np.multiply(work, 1.0 - self.RHO, out=work)
        np.multiply(G, self.RHO, out=G)
        np.add(G, work, out=G)
        np.add(G, self.EPS, out=work)
        np.sqrt(work, out=work)
        np.divide(g, work, out=g)

    @staticmethod
    def mean_square(slots: Mapping[str, Array], count: int) -> Array | None:
        mean: Array = slots["G"].copy()  # the zero it started from no longer has any weight
        return mean


class Adam(Optimizer):
    """``m`` and ``v`` are running means of g and g^2, corrected for their start at zero:

        m = b1*m + (1 - b1)*g          v = b2*v + (1 - b2)*g^2
        theta -= eta * (m / (1 - b1^k)) / (sqrt(v / (1 - b2^k)) + eps)

    Source: Kingma & Ba, arXiv:1412.6980, with its constants.
    """

    SLOTS = ("m", "v")
    BETA1, BETA2, EPS = 0.9, 0.999, 1e-8

    def direction(self, g: Array, slots: Mapping[str, Array], work: Array) -> None:
        m, v = slots["m"], slots["v"]
        np.multiply(g, g, out=work)
        np.multiply(work, 1.0 - self.BETA2, out=work)
        np.multiply(v, self.BETA2, out=v)
        np.add(v, work, out=v)
        np.multiply(g, 1.0 - self.BETA1, out=g)
        np.multiply(m, self.BETA1, out=m)
        np.add(m, g, out=m)
        np.divide(v, 1.0 - self.BETA2**self.count, out=work)
        np.sqrt(work, out=work)
        np.add(work, self.EPS, out=work)
        np.divide(m, work, out=g)
        np.divide(g, 1.0 - self.BETA1**self.count, out=g)

    @staticmethod
    def mean_square(slots: Mapping[str, Array], count: int) -> Array | None:
        mean: Array = slots["v"] / np.float32(1.0 - Adam.BETA2**count)
        return mean


OPTIMIZERS: dict[str, type[Optimizer]] = {
    "sgd": SGD,
    "adagrad": Adagrad,
    "rmsprop": RMSprop,
    "adam": Adam,
}
