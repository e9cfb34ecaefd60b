"""A held-out part unlike the rest is said; what an old model has seen stays what it is."""

import numpy as np
from notes import logged
from small import PARAGRAPH, corpus, settings, trained

from charrnn.checkpoint import Checkpoint
from charrnn.data.corpus import Corpus
from charrnn.model import CharRNN
from charrnn.training.advice import doubt_corpus
from charrnn.training.held_out import validated_on
from charrnn.training.start import resume

#: Twenty texts of a language, then two of another.
FOREIGN = PARAGRAPH * 20 + "Ça et là, l'âne élève très tôt sa tête.\n" * 25


def said(text, **data):
    corpus = Corpus.of_text(text, settings(**data).data)
    with logged() as notes:
        doubt_corpus(corpus, fine_tuning=False)
    return [note for note in notes if "unlike" in note]


def test_a_held_out_part_unlike_the_rest_is_said():
    (note,) = said(FOREIGN)
    assert note == (
        "225 of the 1,056 characters held out never occur in the training part ('Çàâèéêô), so "
        "the held-out part is unlike the rest and its score says little; shuffle the text, or "
        "hold out scattered records with data.records=line"
    )
    assert said(FOREIGN, records="line") == []
    assert len(said(FOREIGN, records="line", val_split="end", val_fraction=0.2)) == 1
    assert said(PARAGRAPH * 20) == []


def test_a_run_keeps_its_held_out_records(tmp_path):
    names = "".join(f"name {n}\n" for n in range(40))
    for split in ("end", "scattered", None):
        run = trained(names, records="line", val_split=split, steps=4, val_fraction=0.2)
        path = tmp_path / "m.npz"
        run.checkpoint(norms=True).save(path)
        checkpoint = Checkpoint.load(path, training=True)
        again = resume(checkpoint, names, settings(records="line", steps=8, val_fraction=0.2))
        assert np.array_equal(again.corpus.validation, run.corpus.validation)
        held_out = CharRNN.from_checkpoint(checkpoint).reference(names).held_out
        assert np.array_equal(held_out, run.corpus.validation)
    tail = trained(names, records="line", val_split="end", steps=2, val_fraction=0.2)
    assert tail.vocab.decode(tail.corpus.validation).startswith("name 32\n")


def test_a_run_validates_on_pieces_of_a_long_text():
    text = "".join(f"{n}\n" for n in range(60_000))
    long = corpus(text, val_fraction=0.5)
    with logged() as notes:
        chosen = validated_on(long)
    assert notes == ["validating on 131,072 of the 174,445 characters held out, to save time"]
    assert len(chosen) == 131_072
    assert np.array_equal(chosen[:8192], long.validation[:8192])
    assert np.array_equal(chosen[-8192:], long.validation[-8192:])
    # The second of sixteen places that are evenly spread.
    at = (174_445 - 8192) // 15
    assert np.array_equal(chosen[8192:16384], long.validation[at : at + 8192])


def test_a_run_validates_on_every_third_record_of_many():
    names = "".join(f"name {n:06}\n" for n in range(60_000))
    many = corpus(names, records="line", val_fraction=0.5, val_split="end")
    assert len(many.validation) == 30_000 * 12
    chosen = many.vocab.decode(validated_on(many))
    assert chosen == "".join(f"name {n:06}\n" for n in range(30_000, 60_000, 3))


def test_a_run_validates_on_all_of_a_short_text():
    short = corpus(PARAGRAPH * 20)
    with logged() as notes:
        assert np.array_equal(validated_on(short), short.validation)
    assert notes == []
