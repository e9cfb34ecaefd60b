"""JAX: the whole step (forward, backward, clipping, Adagrad) compiled, with a scan over time.

The input projection comes before the scan, in layer 0 as an embedding, and the buffers of
parameters, accumulators and state are donated, so that XLA may update them in place.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.contenders import Task

GATES = {"rnn": 1, "lstm": 4, "gru": 3}


def version() -> str:
    return f"JAX {jax.__version__}"


def recur(cell: str, p: Any, a: Any, state: Any) -> Any:
    def rnn(h: Any, a: Any) -> Any:
        h = jnp.tanh(a + h @ p["W_h"])
        return h, h

    def lstm(carry: Any, a: Any) -> Any:
        h, c = carry
        i, f, o, g = jnp.split(a + h @ p["W_h"], 4, -1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        h = jax.nn.sigmoid(o) * jnp.tanh(c)
        return (h, c), h

    def gru(h: Any, a: Any) -> Any:
        ar, az, an = jnp.split(a, 3, -1)
        ur, uz, un = jnp.split(h @ p["W_h"], 3, -1)
        r, z = jax.nn.sigmoid(ar + ur), jax.nn.sigmoid(az + uz)
        n = jnp.tanh(an + r * (un + p["b_n"]))
        h = n + z * (h - n)
        return h, h

    return jax.lax.scan({"rnn": rnn, "lstm": lstm, "gru": gru}[cell], state, a)


def make(task: Task, threads: int) -> Callable[[], int]:
    cell, H, L, V, T, N = task.cell, task.H, task.L, task.V, task.T, task.N
    rng, G = np.random.default_rng(0), GATES[cell]

    def uniform(*shape: int) -> Any:
        return jnp.asarray(rng.uniform(-(H**-0.5), H**-0.5, shape), jnp.float32)

    layers = [
        {"W_x": uniform(H if n else V, G * H), "W_h": uniform(H, G * H), "b": jnp.zeros(G * H)}
        | ({"b_n": jnp.zeros(H)} if cell == "gru" else {})
        for n in range(L)
    ]
    params: Any = {"layers": layers, "W": uniform(H, V), "b": jnp.zeros(V)}
    zeros = [[jnp.zeros((N, H)) for _ in range(2)] for _ in range(L)]  # donated, so not shared
    state: Any = [tuple(pair) if cell == "lstm" else pair[0] for pair in zeros]

    def loss_of(params: Any, state: Any, x: Any, y: Any) -> Any:
        after = []
        for n, p in enumerate(params["layers"]):
            a = (x @ p["W_x"] if n else p["W_x"][x]) + p["b"]
            end, x = recur(cell, p, a, state[n])
            after.append(end)
        logp = jax.nn.log_softmax(x @ params["W"] + params["b"])
        return -jnp.mean(jnp.take_along_axis(logp, y[..., None], -1)), after

    def step(params: Any, slots: Any, state: Any, x: Any, y: Any) -> Any:
        (loss, state), g = jax.value_and_grad(loss_of, has_aux=True)(params, state, x, y)
        norm = jnp.sqrt(sum(jnp.vdot(v, v) for v in jax.tree.leaves(g)))
        g = jax.tree.map(lambda v: v * jnp.minimum(1.0, 5.0 / norm), g)
        slots = jax.tree.map(lambda s, v: s + v * v, slots, g)
        params = jax.tree.map(lambda p, v, s: p - 0.01 * v / jnp.sqrt(s + 1e-8), params, g, slots)
        return params, slots, state, loss

    jitted = jax.jit(step, donate_argnums=(0, 1, 2))
    slots = jax.tree.map(jnp.zeros_like, params)
    xs, ys = (list(jnp.asarray(rng.integers(0, V, (20, T, N)))) for _ in range(2))
    k = 0

    def work() -> int:
        nonlocal params, slots, state, k
        params, slots, state, loss = jitted(params, slots, state, xs[k % 20], ys[k % 20])
        float(loss)
        k += 1
        return T * N

    return work
