"""The same mathematics, written a second time and as plainly as possible.

Loops over time, streams and layers; one weight matrix for each gate, one-hot vectors
for symbols, the textbook sigmoid. It shares no code with ``charrnn.nn``, only the order of the
parameters in the flat vector.

There is no backward pass to get wrong. Gradients come from complex steps: for an analytic
function f, Im f(x + ih) / h is f'(x) with an error of h^2, and nearly equal numbers are never
subtracted, so h = 1e-30 gives all sixteen digits (Squire & Trapp, SIAM Review 40, 1998). For this
every function accepts complex values and any leading axes, one for each perturbed copy.
"""

import numpy as np

GATES = {"rnn": "h", "lstm": "ifog", "gru": "rzn"}


def times(x, W):
    """x W for one vector: the sum over inputs of ``x[k] * W[k]``."""
    return (x[..., :, None] * W).sum(axis=-2)


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def rnn(p, x, h, c):
    return np.tanh(times(x, p["W_h"]) + p["b_h"] + times(h, p["U_h"])), c


def lstm(p, x, h, c):
    i = sigmoid(times(x, p["W_i"]) + times(h, p["U_i"]) + p["b_i"])
    f = sigmoid(times(x, p["W_f"]) + times(h, p["U_f"]) + p["b_f"])
    o = sigmoid(times(x, p["W_o"]) + times(h, p["U_o"]) + p["b_o"])
    g = np.tanh(times(x, p["W_g"]) + times(h, p["U_g"]) + p["b_g"])
    c = f * c + i * g
    return o * np.tanh(c), c


def gru(p, x, h, c):
    r = sigmoid(times(x, p["W_r"]) + p["b_r"] + times(h, p["U_r"]))
    z = sigmoid(times(x, p["W_z"]) + p["b_z"] + times(h, p["U_z"]))
    n = np.tanh(times(x, p["W_n"]) + p["b_n"] + r * (times(h, p["U_n"]) + p["c_n"]))
    return (1 - z) * n + z * h, c


STEPS = {"rnn": rnn, "lstm": lstm, "gru": gru}


def gate_parameters(arch, theta):
    """The flat vector(s) (..., P) as one dict of per-gate arrays for each layer, then W and b."""
    H, V, place = arch.hidden_size, arch.vocab_size, 0

    def take(*shape):
        nonlocal place
        start, place = place, place + int(np.prod(shape))
        return theta[..., start:place].reshape(theta.shape[:-1] + shape)

    gates, layers = GATES[arch.cell], []
    for layer in range(arch.num_layers):
        p = {}
        for letter, shape in (("W", (H if layer else V,)), ("U", (H,)), ("b", ())):
            block = take(*shape, len(gates) * H)
            for k, gate in enumerate(gates):
                p[f"{letter}_{gate}"] = block[..., k * H : (k + 1) * H]
        if arch.cell == "gru":
            p["c_n"] = take(H)
        layers.append(p)
    W, b = take(H, V), take(V)
    assert place == theta.shape[-1]
    return layers, W, b


def forward(arch, theta, ids, state, masks=None):
    """Logits (..., T, N, V) and the end state (..., L, STATES, N, H); masks (L, T, N, H)."""
    (T, N), V = ids.shape, arch.vocab_size
    layers, W, b = gate_parameters(arch, theta)
    logits = np.zeros((*theta.shape[:-1], T, N, V), theta.dtype)
    end = np.zeros((*theta.shape[:-1], *state.shape), theta.dtype)
    for n in range(N):
        h = [state[layer, 0, n] for layer in range(arch.num_layers)]
        c = [state[layer, -1, n] for layer in range(arch.num_layers)]
        for t in range(T):
            x = np.eye(V)[ids[t, n]]
            for layer, p in enumerate(layers):
                h[layer], c[layer] = STEPS[arch.cell](p, x, h[layer], c[layer])
                x = h[layer] if masks is None else h[layer] * masks[layer][t, n]
            logits[..., t, n, :] = times(x, W) + b
        for layer in range(arch.num_layers):
            end[..., layer, -1, n, :] = c[layer]  # overwritten by h in cells without c
            end[..., layer, 0, n, :] = h[layer]
    return logits, end


def nats(logits, targets):
    """-log of the probability of each target."""
    top = logits.real.max(axis=-1, keepdims=True)
    log_sum = np.log(np.exp(logits - top).sum(axis=-1)) + top[..., 0]
    picked = sum(logits[..., v] * (targets == v) for v in range(logits.shape[-1]))
    return log_sum - picked


def loss_and_gradient(arch, theta, ids, targets, state, weight, masks=None):
    """``sum(weight * nats)``, its gradient (P,) and the end state."""

    def losses(vectors):
        logits, end = forward(arch, vectors, ids, state, masks)
        return (weight * nats(logits, targets)).sum(axis=(-2, -1)), end

    h, P = 1e-30, len(theta)
    loss, end = losses(theta)
    perturbed, _ = losses(theta + 1j * h * np.eye(P))
    return loss, perturbed.imag / h, end
