"""The NumPy loop of teaching code of 2015: float64, one character at a time.

Written after the description of min-char-rnn: at every time step a product each for the
input, the recurrence and the output; gradients accumulated inside the loop; Adagrad.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from benchmarks.contenders import Task


def version() -> str:
    return f"classic loop, NumPy {np.__version__}"


def make(task: Task, threads: int) -> Callable[[], int]:
    H, V, T = task.H, task.V, task.T
    rng = np.random.default_rng(0)
    Wxh, Whh, Why = (rng.standard_normal(s) * 0.01 for s in ((H, V), (H, H), (V, H)))
    bh, by = np.zeros((H, 1)), np.zeros((V, 1))
    params = [Wxh, Whh, Why, bh, by]
    squares = [np.zeros_like(p) for p in params]
    text = rng.integers(0, V, 20 * T + 1).tolist()
    carried, k = np.zeros((H, 1)), 0

    def work() -> int:
        nonlocal carried, k
        inputs, targets = (text[k * T + shift : k * T + shift + T] for shift in (0, 1))
        xs, hs, ps, loss = {}, {-1: carried}, {}, 0.0
        for t in range(T):
            xs[t] = np.zeros((V, 1))
            xs[t][inputs[t]] = 1
            hs[t] = np.tanh(np.dot(Wxh, xs[t]) + np.dot(Whh, hs[t - 1]) + bh)
            y = np.dot(Why, hs[t]) + by
            ps[t] = np.exp(y) / np.sum(np.exp(y))
            loss += -np.log(ps[t][targets[t], 0])
        grads = [np.zeros_like(p) for p in params]
        dWxh, dWhh, dWhy, dbh, dby = grads
        dhnext = np.zeros_like(carried)
        for t in reversed(range(T)):
            dy = np.copy(ps[t])
            dy[targets[t]] -= 1
            dWhy += np.dot(dy, hs[t].T)
            dby += dy
            da = (1 - hs[t] * hs[t]) * (np.dot(Why.T, dy) + dhnext)
            dbh += da
            dWxh += np.dot(da, xs[t].T)
            dWhh += np.dot(da, hs[t - 1].T)
            dhnext = np.dot(Whh.T, da)
        for p, g, s in zip(params, grads, squares, strict=True):
            np.clip(g, -5, 5, out=g)
            s += g * g
            p -= 0.1 * g / np.sqrt(s + 1e-8)
        carried, k = hs[T - 1], (k + 1) % 20
        return T

    return work
