"""A held-out part unlike the rest is said; what an old model has seen stays what it is."""

import numpy as np
from notes import logged
from small import PARAGRAPH, settings, trained

from charrnn.checkpoint import Checkpoint
from charrnn.data.corpus import Corpus
from charrnn.model import CharRNN
from charrnn.training.advice import doubt_corpus
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
