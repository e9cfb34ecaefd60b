"""Sizes, dropout and learning rates that the settings leave open."""

import pytest
from notes import logged
from small import PARAGRAPH, trained

from charrnn.config.autosize import WEIGHTS_PER_CHARACTER, resolve_auto
from charrnn.config.schema import Config
from charrnn.config.sources import with_settings
from charrnn.errors import ConfigError
from charrnn.training.start import resume
from charrnn.training.trainer import Trainer


def chosen(characters, **settings):
    model = resolve_auto(with_settings(Config(), settings), characters).model
    return model.hidden_size, model.dropout


def test_a_longer_budget_gives_a_wider_layer():
    sizes = [chosen(1_000_000, minutes=m)[0] for m in (0.2, 0.5, 2, 10, 1000)]
    assert sizes == [128, 256, 384, 512, 768]


def test_text_that_is_read_often_gets_dropout():
    drops = [chosen(n, steps=1000, batch_size=32)[1] for n in (10**8, 10**6, 10**5, 10**4, 100)]
    assert drops == sorted(drops)
    assert drops[0] == 0.0
    assert 0.3 < drops[2] < drops[3] <= drops[4] == 0.7
    assert chosen(10**6, epochs=50)[1] > chosen(10**6, epochs=10)[1] > 0


def test_text_that_is_read_very_often_gets_weight_dropout():
    def rates(characters, **settings):
        config = with_settings(Config(), {"steps": 1000, "batch_size": 32} | settings)
        model = resolve_auto(config, characters).model
        return model.dropout, model.weight_dropout

    weights = [rates(n)[1] for n in (10**8, 10**6, 10**5, 10**4, 100)]
    assert weights == sorted(weights)
    assert weights[1] == 0.0 < weights[2] < weights[3] == 0.3
    assert rates(100) == (0.7, 0.3)
    assert rates(100, weight_dropout=0.0) == (0.7, 0.0)
    assert rates(100, weight_dropout=0.15) == (0.7, 0.15)
    assert rates(10**8, weight_dropout=0.3) == (0.0, 0.3)
    assert rates(100, dropout=0.5) == (0.5, 0.0)
    assert rates(100, unit="byte") == rates(100, cell="gru") == (0.7, 0.3)
    assert rates(100, cell="rnn") == (0.0, 0.0)
    assert rates(100, cell="rnn", weight_dropout=0.15) == (0.0, 0.15)
    assert rates(100, unit="word") == rates(100, records="line") == (0.7, 0.0)


@pytest.mark.parametrize("characters", [1, 50, 5_000, 50_000])
def test_a_short_text_gets_a_model_that_it_can_fill(characters):
    size, _ = chosen(characters, minutes=30)
    assert size == 128 or 4 * size**2 <= WEIGHTS_PER_CHARACTER * characters


def test_given_values_stay_and_lstms_and_grus_get_the_same_number_of_weights():
    assert chosen(10**6, hidden_size=7, dropout=0.25) == (7, 0.25)
    assert chosen(10**6, steps=9)[0] == 256
    assert chosen(10**6, steps=9, cell="gru")[0] == 296


def test_an_rnn_is_narrow_and_has_no_dropout():
    budgets = {"minutes": 0.2}, {"minutes": 100}, {"minutes": 30, "unit": "word"}, {"steps": 9999}
    assert [chosen(10**5, cell="rnn", **each) for each in budgets] == [(256, 0.0)] * 4
    assert chosen(10**5, cell="rnn", steps=9999, hidden_size=512, dropout=0.2) == (512, 0.2)


def test_a_short_text_gets_small_batches():
    def streams(characters, **settings):
        config = with_settings(Config(), {"steps": 9} | settings)
        return resolve_auto(config, characters).train.batch_size

    assert [streams(n) for n in (100, 86_000, 299_999, 300_000, 10**8)] == [16, 16, 16, 32, 32]
    assert streams(100, batch_size=9) == 9
    assert streams(100, records="line") == streams(100, unit="word") == 32
    assert streams(100, unit="byte") == 16


def test_learning_rates_depend_on_optimizer_cell_and_size():
    def rate(**settings):
        return resolve_auto(
            with_settings(Config(), {"steps": 9} | settings), 10**6
        ).train.learning_rate

    assert rate() == 0.2
    assert rate(learning_rate=0.7) == 0.7
    assert rate(optimizer="adam") == rate(optimizer="rmsprop") < rate() < rate(optimizer="sgd")
    assert rate(cell="rnn", hidden_size=192) == rate(cell="gru") == rate()
    assert rate(cell="rnn") == rate(cell="rnn", hidden_size=256) == 0.129904
    assert rate(cell="rnn", hidden_size=1024) == 0.016238
    assert rate(cell="rnn", optimizer="adam") == 0.020785
    assert rate(hidden_size=384) == 0.3


def test_a_run_says_what_it_chose_and_keeps_it():
    text = PARAGRAPH * 3
    config = with_settings(Config(), {"steps": 3, "seq_length": 8, "workers": 1})
    with logged() as notes:
        trainer = Trainer(config, text)
    model = trainer.config.model
    assert model == resolve_auto(config, len(trainer.corpus.train)).model
    note = f"hidden_size {model.hidden_size}, dropout {model.dropout:g}, ngram_order 7"
    note += ", batch_size 16"
    assert any(line.endswith(note) for line in notes)
    for _ in trainer:
        pass
    longer = with_settings(config, {"steps": 5})  # sizes left open again: those of the run
    with logged() as notes:
        again = resume(trainer.checkpoint(), text, longer)
    assert again.config.model == model
    assert again.config.train.batch_size == 16
    assert not any("hidden_size" in line or "batch_size" in line for line in notes)


def test_an_architecture_needs_its_sizes():
    model = trained(steps=1).model
    with pytest.raises(ConfigError, match=r"model.hidden_size"):
        type(model)(Config(), model.vocab, model.network.params)


def test_words_get_a_narrow_layer_and_dropout_for_the_weights_of_the_output():
    sizes = [chosen(200_000, unit="word", minutes=m)[0] for m in (0.2, 2, 8, 30)]
    assert sizes == [128, 128, 128, 256]
    assert chosen(200_000, unit="word", steps=100)[0] == 128
    few = chosen(200_000, unit="word", minutes=2, vocab_size=100)[1]
    many = chosen(200_000, unit="word", minutes=2, vocab_size=8000)[1]
    assert few != many
    assert chosen(10**9, unit="word", minutes=2)[1] == 0.0
