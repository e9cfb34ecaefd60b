"""N-gram models of a text: a baseline for networks, and what they are mixed with.

The model is interpolated modified Kneser-Ney (Chen & Goodman 1999, equations 26 to 28 of
"An empirical study of smoothing techniques for language modeling"). For order n, history h
and the history h' that is one symbol shorter,

    p_n(w | h) = max(c(hw) - D(c(hw)), 0) / c(h) + gamma(h) p_{n-1}(w | h')

where c counts n-grams in the highest order and, in all others, the different symbols seen
before an n-gram; D is one of three values, for c of 1, 2 and more; gamma makes the sum over w
equal 1; and p_0 is uniform over the V symbols.

The n-grams are a trie, stored breadth first in three arrays. Node 0 is the empty n-gram, nodes 1
to V' are the single symbols, and so on; the children of a node, in the order of their symbols, are
the n-grams that extend it by a symbol. Nodes are in the order of their parents, so the pairs
(parent, symbol) ascend, and a node is found by binary search.

counts.py    the trie: counting, adding a text, pruning
model.py     probabilities: of a whole text, or of all symbols after each of many contexts
adaptive.py  a model that learns from what it reads
stored.py    counts as a checkpoint holds them
"""

from charrnn.ngram.adaptive import AdaptiveNGram
from charrnn.ngram.counts import LIMIT, Counts, count, counted_part
from charrnn.ngram.model import NGram, ngrams

__all__ = ["LIMIT", "AdaptiveNGram", "Counts", "NGram", "count", "counted_part", "ngrams"]
