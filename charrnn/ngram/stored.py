"""N-gram counts as the document and the arrays of a checkpoint, which are read distrustfully.

ngram.symbols   (nodes,) uint8, or int32 for more than 256 symbols
ngram.counts    (nodes,) uint8; 255 for those that are in ngram.large
ngram.large     (large,) int32: counts of 255 and more, in the order of the nodes
ngram.children  (histories,) uint8, or int32 for 256 symbols and more
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from charrnn.ngram.counts import Counts
from charrnn.nn.params import Array

#: The smallest count that is stored among the large ones, and the largest that is stored.
LARGE, LARGEST = 255, 2**31 - 1
#: The longest n-grams.
LONGEST = 32


def to_arrays(counts: Counts) -> dict[str, Array]:
    """The arrays by name."""
    numbers = counts.counts
    types = {name: np.dtype(kind) for name, (kind, _) in _shapes(counts.V, 0, 0, 0).items()}
    arrays = {
        "ngram.symbols": counts.symbols,
        "ngram.counts": np.minimum(numbers, LARGE),
        "ngram.large": np.minimum(numbers[numbers >= LARGE], LARGEST),
        "ngram.children": counts.children,
    }
    return {name: array.astype(types[name]) for name, array in arrays.items()}


def to_document(counts: Counts) -> dict[str, Any]:
    """What JSON holds of them."""
    return {
        "order": counts.order,
        "nodes": len(counts.symbols),
        "histories": len(counts.children),
        "large": int(np.count_nonzero(counts.counts >= LARGE)),
        "discounts": counts.discounts.tolist(),
    }


def shapes(document: Mapping[str, Any], V: int) -> dict[str, tuple[str, tuple[int, ...]]]:
    """The type and shape of each array, from the document and the size of the alphabet.

    Raises:
        ValueError, TypeError, KeyError: the document is not as :func:`to_document` makes it.
    """
    sizes = [document[name] for name in ("order", "nodes", "histories", "large")]
    if not all(type(n) is int and n >= 0 for n in sizes) or not 1 <= sizes[0] <= LONGEST:
        raise ValueError("the sizes of the n-gram tables are not counts")
    _discounts(document)
    return _shapes(V, *sizes[1:])


def from_arrays(document: Mapping[str, Any], arrays: Mapping[str, Array], V: int) -> Counts:
    """The counts in arrays of these :func:`shapes`.

    Raises:
        ValueError: they contradict themselves, or the alphabet.
    """
    symbols = arrays["ngram.symbols"].astype(np.int64)
    counts = arrays["ngram.counts"].astype(np.int64)
    children = arrays["ngram.children"].astype(np.int64)
    large, many = arrays["ngram.large"], counts == LARGE
    if np.count_nonzero(many) != len(large) or (len(large) and large.min() < LARGE):
        raise ValueError("the counts of its n-grams contradict each other")
    counts[many] = large
    if not len(symbols) or symbols[0] or counts[0]:
        raise ValueError("its n-grams do not begin with the empty one")
    if symbols.min() < 0 or symbols.max() >= V:
        raise ValueError("its n-grams have symbols that are not in its vocabulary")
    if len(children) and (children.min() < 0 or children.sum() != len(symbols) - 1):
        raise ValueError("its n-grams are not a tree")
    trie = Counts(V, document["order"], symbols, counts, children, _discounts(document))
    try:
        whole = trie.bounds[-2:] == [len(children), len(symbols)]
    except IndexError:
        whole = False
    if not whole:
        raise ValueError("its n-grams are not a tree of their order")
    if np.any(np.diff(trie.parents * V + symbols[1:]) <= 0):
        raise ValueError("its n-grams are not in order")
    return trie


def _shapes(
    V: int, nodes: int, histories: int, large: int
) -> dict[str, tuple[str, tuple[int, ...]]]:
    return {
        "ngram.symbols": ("uint8" if V <= 256 else "int32", (nodes,)),
        "ngram.counts": ("uint8", (nodes,)),
        "ngram.large": ("int32", (large,)),
        "ngram.children": ("uint8" if V < 256 else "int32", (histories,)),
    }


def _discounts(document: Mapping[str, Any]) -> Array:
    discounts = np.array(document["discounts"])
    if discounts.shape != (document["order"], 4) or discounts.dtype != np.float64:
        raise ValueError("the discounts of its n-grams do not fit their order")
    within = (discounts[:, 1:] >= 0.1) & (discounts[:, 1:] <= [1.0, 2.0, 3.0])
    if discounts[:, 0].any() or not within.all():
        raise ValueError("the discounts of its n-grams are out of range")
    return discounts
