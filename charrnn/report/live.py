"""The model itself as the page's script reads it: weights and tables of n-grams, in base64."""

from __future__ import annotations

import base64
import zlib

import numpy as np

from charrnn.messages import pluralize
from charrnn.model import CharRNN
from charrnn.ngram.stored import to_arrays
from charrnn.nn.params import Array
from charrnn.report.content import Tables

#: The largest number of float16, and the bits of its significand that are stored.
LARGEST, SIGNIFICAND = 65_504.0, 10
#: Bytes that the weights should take at most, for which fewer bits are kept if need be; and the
#: fewest bits, which still predict nearly as well: docs/design/performance.md.
ROOM, LEAST = 1_650_000, 3
#: N-grams on a page, at most: 0.7 MB of English. More would not fit beside the default network
#: into the 3 MB that a page may have.
MOST = 2**19


def weights_of(model: CharRNN, room: int = ROOM) -> str:
    """The parameters as float16, compressed: their low bytes, then their high bytes.

    Those of a large network are rounded further, so that they take at most ``room`` bytes.
    """
    for kept in range(SIGNIFICAND, LEAST - 1, -1):
        halves = rounded_halves(model.network.params.flat, kept)
        # The bytes hardly repeat each other, so that searching for matches is of no use.
        packer = zlib.compressobj(strategy=zlib.Z_HUFFMAN_ONLY)
        packed = packer.compress(halves.view(np.uint8).reshape(-1, 2).T.tobytes()) + packer.flush()
        if len(packed) <= room:
            break
    return base64_of(packed)


def rounded_halves(values: Array, kept: int) -> Array:
    """Numbers as little-endian float16, rounded to so many bits of their significand."""
    bits = np.clip(values, -LARGEST, LARGEST).astype("<f2").view("<u2")
    unit = np.uint16(1 << (SIGNIFICAND - kept))
    # Rounding may carry into the exponent, as it should; the largest numbers are cut off.
    up = np.where(bits & 0x7FFF < 0x7C00 - unit, unit >> 1, 0).astype(np.uint16)
    rounded: Array = ((bits + up) & ~(unit - np.uint16(1))).view("<f2")
    return rounded


def tables_of(model: CharRNN, most: int = MOST) -> tuple[Tables | None, str]:
    """The n-gram model that takes part in the predictions, if any, and its compressed arrays.

    Args:
        most: n-grams of two symbols and more that are kept, as in a model file.
    """
    if model.mixture is None or not model.mixture.weight:
        return None, ""
    ngram = model.mixture.ngram
    counts = ngram.counts.pruned(most)
    kept, whole = counts.size, ngram.counts.size
    note = ""
    if kept < whole:
        note = f"This page has {kept:,} of the model's {pluralize(whole, 'n-gram')}: those after "
        note += "the rarest histories are left out, the longest first."
    arrays = {name.removeprefix("ngram."): array for name, array in to_arrays(counts).items()}
    tables = Tables(
        order=counts.order,
        end=ngram.end,
        discounts=counts.discounts.tolist(),
        arrays=[(name, array.dtype.name, len(array)) for name, array in arrays.items()],
        note=note,
    )
    little = (array.astype(array.dtype.newbyteorder("<")) for array in arrays.values())
    packed = zlib.compress(b"".join(array.tobytes() for array in little), level=9)
    return tables, base64_of(packed)


def base64_of(data: bytes) -> str:
    """Bytes as text."""
    return base64.b64encode(data).decode("ascii")
