"""Advice on a run: the sizes chosen for it, and warnings about its text and its result."""

from __future__ import annotations

import logging
import math

import numpy as np

from charrnn.config.autosize import RATES
from charrnn.config.schema import Config, TrainConfig
from charrnn.data.batches import Batches, RecordBatches
from charrnn.data.corpus import Corpus
from charrnn.data.source import BLOCK
from charrnn.data.vocab import NOUNS, named_symbols
from charrnn.errors import TrainingError
from charrnn.messages import CONVERT_CRLF, SettingHint, decimal, pluralize
from charrnn.nn.params import Array

#: Characters to train on below which nothing but gibberish can be expected.
FEW_CHARACTERS, FEW_WORDS = 10_000, 10_000
#: Distinct characters from which the output layer is most of the work.
MANY_SYMBOLS = 2_000
#: Times that a character occurs in a text that is large enough for it to be learned.
MIN_COUNT = 20
#: Held-out symbols new to training that make the held-out part unlike the rest: at least so
#: many, and this share of it; of words, more are new in any text.
UNLIKE, UNLIKE_SHARE, UNLIKE_SHARE_OF_WORDS = 10, 0.01, 0.05
#: Times that a word must occur for it to be known, where the advice is to leave out rare ones.
RARE_WORD = 2
#: Held-out passages that are searched for in the training part, and their length.
PROBES, PROBE_LENGTH = 8, 200
#: Steps before which a run may be no better than a guess, and nats by which it may be worse
#: even on the text that it learns from.
EARLY, NEAR = 100, 0.5
#: Streams of a rank below which a larger batch pays on a text of LONG characters or more, and how
#: many to offer, up to a batch of MAX_BATCH: see docs/design/scaling.md.
FEW_STREAMS, GOOD_STREAMS, LONG, MAX_BATCH = 8, 16, 10_000_000, 256
#: The learning rate grows with this power of the batch.
RATE_EXPONENT = 1 / 2

log = logging.getLogger("charrnn")


def log_sizes(asked: Config, config: Config, corpus: Corpus) -> None:
    """Log the sizes that were chosen from the cell, the budget and the text."""
    sizes = ("hidden_size", "dropout", "weight_dropout", "ngram_order")
    chosen = {n: getattr(config.model, n) for n in sizes if getattr(asked.model, n) is None}
    if chosen.get("weight_dropout") == 0.0:  # as in most runs
        del chosen["weight_dropout"]
    if asked.train.batch_size is None:
        chosen["batch_size"] = config.train.batch_size
    if chosen:
        named = ", ".join(f"{name} {value:g}" for name, value in chosen.items())
        log.info("chosen for this budget and %s of training text: %s", _length(corpus), named)


def log_shrinking(train: TrainConfig, batches: Batches, corpus: Corpus) -> None:
    """Log where a small text makes batches smaller than asked for."""
    if isinstance(batches, RecordBatches):  # its seq_length is that of the records, as expected
        if batches.batch_size < train.resolved_batch_size:
            log.info(
                "the training part has %s: batch_size reduced from %d to %d",
                pluralize(batches.batch_size, "record"),
                train.batch_size,
                batches.batch_size,
            )
        return
    for name in ("batch_size", "seq_length"):
        wanted, got = getattr(train, name), getattr(batches, name)
        if got < wanted:
            log.info(
                "the training part has %s: %s reduced from %d to %d",
                _length(corpus),
                name,
                wanted,
                got,
            )


def offer_larger_batch(train: TrainConfig, streams: int, ranks: int, characters: int) -> None:
    """Log the batch and rate that suit many ranks, if each has only few of the ``streams``."""
    batch, rate = min(GOOD_STREAMS * ranks, MAX_BATCH), train.learning_rate or 0.0
    if streams >= FEW_STREAMS * ranks or streams >= batch or characters < LONG:
        return
    rate *= (batch / streams) ** RATE_EXPONENT
    log.info(
        "a batch of %s is small for %s: with a text of this length, %s %s would learn more in the "
        "same time",
        pluralize(streams, "stream"),
        pluralize(ranks, "rank"),
        SettingHint(f"train.batch_size={batch}"),
        SettingHint(f"train.learning_rate={rate:.2g}"),
    )


def doubt_corpus(corpus: Corpus, fine_tuning: bool) -> None:
    """Warn of problems of a text, one line each."""
    unit = corpus.vocab.unit
    few = FEW_WORDS if unit == "word" else FEW_CHARACTERS
    if len(corpus.train) < few and not fine_tuning:
        log.warning(
            "only %s to train on: expect gibberish; %s of text or more work better",
            _length(corpus),
            "500 KB" if unit == "word" else "50 KB",
        )
    if unit == "char":
        _doubt_symbols(corpus)
    if unit == "word":
        _log_unknown(corpus)
    _doubt_line_ends(corpus)
    _doubt_held_out(corpus)
    if not corpus.data.of_records and _repeats(corpus):
        log.warning(
            "the held-out part also occurs in the training part, so its score will be misleadingly "
            "good; was a text given twice?"
        )


def _log_unknown(corpus: Corpus) -> None:
    """Log how much of a text the vocabulary does not have."""
    if corpus.vocab.rare_id is None:
        return
    count = int(np.count_nonzero(corpus.ids == corpus.vocab.rare_id))
    if not count:  # the symbol is that of a model to start from
        return
    log.info(
        "%s of the text (%.1f%%) are not among the %s most frequent and become one unknown word, "
        "which is never sampled",
        pluralize(count, "word"),
        100.0 * count / len(corpus.ids),
        f"{len(corpus.points):,}",
    )


def _doubt_symbols(corpus: Corpus) -> None:
    if len(corpus.rare):
        log.info(
            "%s occur fewer than %s and are replaced by one symbol",
            pluralize(len(corpus.rare), "character"),
            pluralize(corpus.data.min_count, "time"),
        )
    count = len(corpus.vocab)
    if count < MANY_SYMBOLS:
        return
    left = int(np.count_nonzero(corpus.counts >= MIN_COUNT))
    log.warning(
        "%s distinct characters make the model large and slow; use bytes (%s), or keep the %s "
        "characters that occur %d times or more (%s)",
        f"{count:,}",
        SettingHint("data.unit=byte"),
        f"{left:,}",
        MIN_COUNT,
        SettingHint(f"data.min_count={MIN_COUNT}"),
    )


def _doubt_held_out(corpus: Corpus) -> None:
    """Warn of held-out text unlike the rest, such as the end of a sorted list."""
    held_out, new = corpus.validation_counts, corpus.train_counts == 0
    count, total = int(held_out[new].sum()), len(corpus.validation)
    share = UNLIKE_SHARE_OF_WORDS if corpus.data.unit == "word" else UNLIKE_SHARE
    if corpus.data.scattered or count < max(UNLIKE, share * total):
        return
    unit = corpus.vocab.unit
    what = (
        f"{count:,}",
        pluralize(total, NOUNS[unit]),
        named_symbols(unit, corpus.vocab.points[new & (held_out > 0)]),
    )
    if unit == "word" and corpus.vocab.rare_id is None:
        log.warning(
            "%s of the %s held out never occur in the training part (%s), as in any short text, "
            "and the model has no symbol for unknown words; %s makes one of all rare words",
            *what,
            SettingHint(f"data.min_count={RARE_WORD}"),
        )
        return
    log.warning(
        "%s of the %s held out never occur in the training part (%s), so the held-out part is "
        "unlike the rest and its score says little; shuffle the text, or hold out scattered "
        "records with %s",
        *what,
        SettingHint("data.records=line"),
    )


def _doubt_line_ends(corpus: Corpus) -> None:
    """Warn of the line ends of Windows and of old Macs, which a model learns as they are."""
    ends = "\r\n" if corpus.data.unit == "word" else b"\r\n"
    cr, lf = (int(corpus.counts[corpus.points == end].sum()) for end in ends)
    if cr and not lf:
        log.warning(
            "the lines end with CR, as on an old Mac, and count as one line; convert them with "
            "tr '\\r' '\\n'"
        )
    elif cr > lf / 2:
        log.warning(
            "the lines end with CR LF, as on Windows, and so will those of the model; to avoid "
            "that, %s",
            CONVERT_CRLF,
        )


def _repeats(corpus: Corpus) -> bool:
    """Whether passages from all over the held-out part occur in the training part."""
    held_out = corpus.validation
    if len(held_out) < PROBES * PROBE_LENGTH:
        return False
    places = np.linspace(0, len(held_out) - PROBE_LENGTH, PROBES).astype(int).tolist()
    return all(_occurs(held_out[at : at + PROBE_LENGTH], corpus.train) for at in places)


def _occurs(passage: Array, ids: Array) -> bool:
    """Whether ``passage`` occurs in ``ids``; searched in blocks to save memory."""
    wanted, size = passage.tobytes(), ids.itemsize
    for start in range(0, len(ids), BLOCK):
        block = ids[start : start + BLOCK + len(passage)].tobytes()
        at = block.find(wanted)
        while at >= 0 and at % size:  # not at the start of an id
            at = block.find(wanted, at + 1)
        if at >= 0:
            return True
    return False


def failure(
    best: float | None, recent: float, steps: int, symbols: int, train: TrainConfig
) -> TrainingError | None:
    """The error of a run that predicts no better than a uniform guess; None if it does.

    Args:
        best: of its validations, in nats per character; None if there were none.
        recent: mean training loss of its last steps; NaN if it made none.
        steps: made so far. symbols: of the vocabulary.
    """
    guess = math.log(symbols)
    reached = recent if best is None else best
    if not reached >= guess:
        return None
    if steps < EARLY and (reached < guess + NEAR or recent < guess):  # too early to tell
        return None
    settings: tuple[str, ...] = ()
    if recent < guess:  # it did learn
        hint = "the held-out part is unlike the rest: shuffle the text, or find more of it"
    elif reached < guess + NEAR:
        rate, usual = train.learning_rate or 0.0, RATES[train.optimizer]
        higher = usual if rate < usual else 10 * rate
        hint, settings = "train longer, or with {setting}", (f"train.learning_rate={higher:g}",)
    else:
        hint, settings = "try {setting}", tamer(train)
    return TrainingError(
        f"the run never predicted better than a uniform guess: {decimal(reached, 4)} nats, against "
        f"{guess:.4f} for a guess",
        hint,
        settings,
    )


def tamer(train: TrainConfig) -> tuple[str, ...]:
    """Assignments that may keep a run from diverging."""
    rate, usual = train.learning_rate or 0.0, RATES[train.optimizer]
    limited = train.max_grad_norm or train.clip_value
    lower = f"train.learning_rate={usual if rate > usual else rate / 10:g}"
    return (lower,) if limited else (lower, "train.max_grad_norm=0.1")


def _length(corpus: Corpus) -> str:
    return pluralize(len(corpus.train), NOUNS[corpus.vocab.unit])
