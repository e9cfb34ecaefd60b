# PyTorch is not installed where types are checked, so everything from it is Any.
# mypy: disable-error-code="misc,untyped-decorator,no-any-return"
"""PyTorch: its fused recurrent modules, whose input is one-hot.

With many symbols that would be most of the work, so these have an embedding of H numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn.functional import cross_entropy, one_hot

from benchmarks.contenders import MANY, NEWLINE, Task

MODULES: dict[str, Any] = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}
CELLS: dict[str, Any] = {"rnn": nn.RNNCell, "lstm": nn.LSTMCell, "gru": nn.GRUCell}
#: ``step(ids, state)``, (N,) and None at first, gives logits, (N, V), and the state after it.
Step = Callable[[Any, Any], Any]


def version() -> str:
    return f"PyTorch {torch.__version__}"


class Model(nn.Module):
    def __init__(self, task: Task) -> None:
        super().__init__()
        self.V = task.V
        self.embedding = nn.Embedding(task.V, task.H) if task.V >= MANY else None
        width = task.H if self.embedding else task.V
        self.cell = MODULES[task.cell](width, task.H, task.L)
        self.output = nn.Linear(task.H, task.V)

    def forward(self, ids: Any, state: Any) -> Any:
        x = self.embedding(ids) if self.embedding else one_hot(ids, self.V).float()
        h, state = self.cell(x, state)
        return self.output(h), state


def detach(state: Any) -> Any:
    return tuple(s.detach() for s in state) if isinstance(state, tuple) else state.detach()


def make(task: Task, threads: int, cells: bool = False) -> Callable[[], int]:
    """``cells``: sample with cells in place of the fused module, also names."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    model = Model(task)
    if task.kind == "train":
        return train(task, model)
    with torch.inference_mode():
        model.eval()
    if task.kind == "eval":
        return score(task, model)
    step = cell_step(task, model) if cells else module_step(model)
    return names(task, model, step) if task.kind == "names" else sample(task, step)


def train(task: Task, model: Model) -> Callable[[], int]:
    T, N, V = task.T, task.N, task.V
    x, y = torch.randint(V, (2, 20, T, N))
    # The fastest of PyTorch's three implementations of Adagrad on a CPU.
    optimizer = torch.optim.Adagrad(model.parameters(), lr=0.01, fused=True)
    state, k = None, 0

    def step() -> int:
        nonlocal state, k
        logits, after = model(x[k % 20], state)
        loss = cross_entropy(logits.view(-1, V), y[k % 20].view(-1))
        optimizer.zero_grad(set_to_none=False)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
        loss.item()
        state, k = detach(after), k + 1
        return T * N

    return step


def score(task: Task, model: Model) -> Callable[[], int]:
    """64 streams, the state carried from window to window; windows of 256 steps are fastest."""
    V, N, T = task.V, 64, 256
    length = task.characters // N
    text = torch.randint(V, (length + 1, N))

    @torch.inference_mode()
    def work() -> int:
        state, nats = None, 0.0
        for at in range(0, length, T):
            stop = min(at + T, length)
            logits, state = model(text[at:stop], state)
            targets = text[at + 1 : stop + 1].reshape(-1)
            nats += cross_entropy(logits.view(-1, V), targets, reduction="sum").item()
        return length * N

    return work


def module_step(model: Model) -> Step:
    """A step by the fused module."""

    def step(ids: Any, state: Any) -> Any:
        logits, state = model(ids.view(1, -1), state)
        return logits[0], state

    return step


def cell_step(task: Task, model: Model) -> Step:
    """A step by one cell for each layer."""
    cells = [CELLS[task.cell](task.H if layer else task.V, task.H) for layer in range(task.L)]

    def step(ids: Any, state: Any) -> Any:
        x, after = one_hot(ids, task.V).float(), []
        for layer, cell in enumerate(cells):
            after.append(cell(x, state[layer] if state else None))
            x = after[-1][0] if task.cell == "lstm" else after[-1]
        return model.output(x), after

    return step


def sample(task: Task, step: Step) -> Callable[[], int]:
    state, ids = None, torch.zeros(task.N, dtype=torch.long)

    @torch.inference_mode()
    def work() -> int:
        nonlocal state, ids
        for _ in range(task.T):
            logits, state = step(ids, state)
            probs = torch.softmax(logits / 0.8, -1)
            ids = torch.multinomial(probs, 1).view(task.N)
            ids.tolist()  # each character is available as soon as it is drawn
        return task.N * task.T

    return work


def names(task: Task, model: Model, step: Step) -> Callable[[], int]:
    """All at once; those that have ended are left out when they are half."""

    @torch.inference_mode()
    def work() -> int:
        model.output.bias[0] = NEWLINE
        characters = 0
        state, ids = None, torch.zeros(task.N, dtype=torch.long)
        running = torch.ones(task.N, dtype=torch.bool)
        texts = []
        while running.any():
            logits, state = step(ids, state)
            ids = torch.multinomial(torch.softmax(logits, -1), 1).view(-1)
            texts.append(ids)
            characters += int(running.sum())
            running &= ids != 0
            if running.sum() * 2 < len(running):
                state, ids, running = kept(state, running), ids[running], running[running]
        return characters

    return work


def kept(state: Any, running: Any) -> Any:
    """The streams that are running, of a tensor (..., N, H), or of each of several."""
    if isinstance(state, torch.Tensor):
        return state[..., running, :].contiguous()
    return type(state)(kept(part, running) for part in state)
