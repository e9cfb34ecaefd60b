"""Different programs for the same work: charrnn, PyTorch, JAX and the classic loop.

Each module has ``version()``, and ``make(task, threads)``, which returns a function that
does one unit of work and returns how many characters that was. The work of a "train" task:
forward, backward, clipping by norm at 5 and Adagrad, on random ids, in float32, with the
recurrent state carried from window to window.
:mod:`benchmarks.contenders.serve` runs a contender in a process of its own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

#: Bias of symbol 0 in a "names" task: of 65 symbols that are otherwise equally likely, it comes
#: about once in eight times, and ends a name.
NEWLINE = math.log(9.0)
#: Symbols that are many for a one-hot input.
MANY = 1000


@dataclass(frozen=True)
class Task:
    """What to do.

    Attributes:
        kind: "train", "sample", "names" (samples that end with symbol 0) or "eval".
        cell: "rnn", "lstm" or "gru". V: symbols. H: units of a layer. L: layers.
        N: streams, or names. T: steps of a window, or symbols of each stream that are sampled.
        characters: of the text to evaluate.
    """

    kind: str
    cell: str
    H: int
    L: int
    N: int = 1
    T: int = 1
    V: int = 65
    characters: int = 0

    @property
    def name(self) -> str:
        """Its row in the table."""
        network = f"{self.cell} {self.H}x{self.L}"
        if self.kind == "sample":
            return f"sample {self.N} stream{'s' * (self.N != 1)}, {network}"
        if self.kind == "eval":
            return f"eval {self.characters / 1e6:g} MB, {network}"
        if self.kind == "names":
            return f"sample {self.N:,} names, {network}"
        words = f", {self.V:,} words" if self.V >= MANY else ""
        return f"{network}{words}, {self.N}x{self.T}"
