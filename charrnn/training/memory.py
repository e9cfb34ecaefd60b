"""How much memory a run will need, so that too large a one is refused before it begins."""

from __future__ import annotations

from charrnn.config.schema import Config
from charrnn.data.batches import Batches
from charrnn.errors import ConfigError
from charrnn.limits import allowed_memory, installed_memory
from charrnn.nn.cells import CELLS
from charrnn.nn.network import BLOCK, Architecture
from charrnn.nn.optim import OPTIMIZERS


def check_memory(config: Config, arch: Architecture, batches: Batches, counting: int = 0) -> None:
    """Raise :class:`ConfigError` if training would need more memory than there is.

    Args:
        counting: bytes that the n-grams take before the first window.
    """
    model, windows = memory_needed(config, arch, batches)
    needed = model + max(windows, counting)
    installed, allowed = installed_memory(), allowed_memory()
    if needed <= min(installed, allowed):
        return
    limit = f"this machine has {installed / 1e9:,.1f} GB"
    if allowed < installed:
        limit = f"this process may use only {allowed / 1e9:,.1f} GB (ulimit -v, or its container)"
    problem = f"training needs about {needed / 1e9:,.1f} GB of memory, but {limit}"
    if counting > max(model, windows):
        raise ConfigError(problem, "use {setting} for no n-grams", "model.ngram_order=0")
    sizes = {"model.hidden_size": arch.hidden_size, "model.num_layers": arch.num_layers}
    if windows > model:
        sizes = {"train.batch_size": batches.batch_size, "train.seq_length": batches.seq_length}
    settings = " or ".join(f"{name} (now {value})" for name, value in sizes.items())
    raise ConfigError(problem, f"lower {settings}")


def memory_needed(config: Config, arch: Architecture, batches: Batches) -> tuple[int, int]:
    """Bytes that training takes, roughly: for vectors of the model's size, and for windows."""
    # The parameters, the best ones, the gradient, the optimiser's buffer, and the working
    # copy with its factors (Workspace); then the slots, and the mean with its buffer.
    vectors = 6 + len(OPTIMIZERS[config.train.optimizer].SLOTS)
    vectors += 2 if config.train.average else 0
    # Masks of W_h, and one W_h without what is dropped.
    masks = arch.num_layers + 1 if arch.weight_dropout else 0
    recurrent = masks * CELLS[arch.cell].GATES * arch.hidden_size**2
    rows = batches.seq_length * batches.batch_size
    # A layer keeps its gates and up to four vectors; dropout adds a product and its mask, which
    # is small if it is locked.
    dropout = (1 if arch.locked_dropout else 2) if arch.dropout else 0
    columns = CELLS[arch.cell].GATES + 4 + dropout
    table = arch.vocab_size * CELLS[arch.cell].GATES * arch.hidden_size
    # Of the logits, a block, with the gradient of the output layer for it if there are several.
    block = min(rows, max(1, BLOCK // arch.vocab_size))
    logits = (block + (arch.hidden_size if block < rows else 0)) * arch.vocab_size
    activations = rows * arch.num_layers * arch.hidden_size * columns + logits
    return 4 * (arch.size * vectors + recurrent), 4 * (activations + table)
