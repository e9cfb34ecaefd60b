"""Texts from a model: streams and batches are one text; primes, stop strings and seeds."""

import dataclasses

import numpy as np
import pytest
from small import CELLS, model, naive_stop, network

from charrnn.config.schema import SampleConfig
from charrnn.data.vocab import Vocab
from charrnn.errors import ConfigError, VocabError
from charrnn.generation import Generator

SETTINGS = SampleConfig(length=300, temperature=1.0, seed=4, count=5)


def change(**changes):
    return SampleConfig(**{**SETTINGS.__dict__, **changes})


@pytest.mark.parametrize("stop", [(), ("a",), ("ab", "b\nc"), ("fff", "dab", "ea"), ("zz",)])
def test_streams_and_batches_are_one_text(stop):
    m = model("abcdefz\n")
    plain = m.samples(SETTINGS)
    batch = m.samples(change(stop=stop))
    for before, after in zip(plain, batch, strict=True):
        text, stopped = naive_stop(before.text, stop)
        assert (after.text, after.ended) == (text, "stop" if stopped else "length")
        assert after.nats <= before.nats + 1e-9
    streamed = "".join(m.stream(change(stop=stop, count=1)))
    assert streamed == batch[0].text
    assert m.sample(300, temperature=1.0, seed=4, stop=stop) == batch[0].text
    if len(stop) == 1:  # a string may be given in place of a tuple of one
        assert m.sample(300, temperature=1.0, seed=4, stop=stop[0]) == batch[0].text


# 3.0 makes a chaotic network: no error dies out.
@pytest.mark.parametrize(("num_layers", "spread"), [(1, 0.3), (2, 3.0)])
@pytest.mark.parametrize("cell", CELLS)
def test_a_sample_is_the_same_whatever_the_count(cell, num_layers, spread):
    letters = "abcdefghijklmnopqrstuvwxyz\n"
    net = network(cell, V=27, H=33, L=num_layers, spread=spread, dtype=np.float32)
    settings = SampleConfig(length=20, temperature=1.3, seed=3, stop=("a", "bc"))
    generator = Generator(net, Vocab("char", map(ord, letters)), settings)
    many = generator.batch(1000)
    assert {one.ended for one in many} == {"stop", "length"}
    for count in (1, 3, 7, 64):
        assert generator.batch(count) == many[:count]
    assert generator.batch(30, 101) == many[101:131]
    assert generator.batch(2, 3) == many[3:5]
    assert list(generator.samples(100, 7)) == many[:100]
    assert "".join(generator.stream()) == many[0].text
    for workers in (1, 3):
        assert generator.batch(90, 1, workers) == many[1:91]


def test_a_stream_without_end():
    m = model()
    pieces = m.stream(change(length=None, count=1))
    text = "".join(next(pieces) for _ in range(300))
    assert text == m.samples(SETTINGS)[0].text
    with pytest.raises(ConfigError, match=r"sample\.length"):
        m.samples(change(length=None))


def test_no_length_gives_no_text():
    m = model()
    assert m.sample(0) == ""
    assert list(m.stream(change(length=0))) == []


def test_a_byte_model_stops_at_the_bytes_of_a_string():
    m = model(unit="byte")
    m.network.params["output.b"][np.frombuffer("é".encode(), np.uint8)] = 9.0
    text = m.sample(400, temperature=1.0, seed=1, stop=("é",))
    whole = m.sample(400, temperature=1.0, seed=1)
    assert "é".encode() in whole
    assert text == whole.split("é".encode())[0]


def test_primes():
    m = model()
    assert m.sample(40, prime="abc", seed=2) != m.sample(40, prime="cba", seed=2)
    assert m.sample(40, prime="\n", seed=1) == m.sample(40, seed=1)  # a text starts after one
    with pytest.raises(VocabError, match="'x'"):
        m.sample(40, prime="axb")
    skipped = m.samples(change(unknown="skip", count=1), prime="axb")[0]
    assert skipped.text == m.samples(change(count=1), prime="ab")[0].text
    assert m.samples(change(unknown="skip", count=1), prime="xyz")[0].text  # nothing is left
    assert m.sample(300, temperature=1.0, prime="axb", seed=4, unknown="skip") == skipped.text


@pytest.mark.parametrize("name", ["stream", "samples", "iter_samples"])
def test_settings_come_as_one_value_or_by_name(name):
    settings = SampleConfig(length=50, temperature=1.0, prime="abc", seed=5)
    m = model()
    m.config = dataclasses.replace(m.config, sample=settings)
    draw = getattr(m, name)
    whole = list(draw(settings))
    assert list(draw()) == whole
    assert list(draw(settings, prime="abc")) == whole
    assert list(draw(temperature=1.0)) == whole
    assert list(draw(SampleConfig(), prime="abc", length=50, temperature=1.0, seed=5)) == whole
    assert list(draw(settings, prime="cba")) != whole
    with pytest.raises(ConfigError, match=r"sample\.temperature"):
        draw(temperature=-1.0)
    with pytest.raises(TypeError, match="temprature"):
        draw(temprature=1.0)


def test_each_prime_is_continued_by_a_sample_of_its_own():
    m, primes = model(), ["abc", "", "cba", "abc"]
    found = list(m.continuations(primes, SETTINGS))
    for number, (prime, one) in enumerate(zip(primes, found, strict=True)):
        assert one.index == number
        assert [one] == m.samples(change(count=1), prime, number)
        assert one.text == "".join(m.stream(SETTINGS, prime, number))
    assert found[0].text != found[3].text
    endless = iter(lambda: "a", None)  # primes are read one by one
    assert next(m.continuations(endless, SETTINGS)).text
    with pytest.raises(VocabError, match=r"^prime 2: unknown character 'x'"):
        list(m.continuations(["a", "axb", "b"], SETTINGS))


@pytest.mark.parametrize("name", ["stream", "samples", "iter_samples", "sample"])
def test_unknown_characters_are_found_at_once(name):
    draw = getattr(model(), name)
    with pytest.raises(VocabError, match=r"^prime: unknown character 'x' .* at character 2; "):
        draw(prime="axb")
    with pytest.raises(VocabError, match=r"^stop: unknown character 'y' .* at character 1; leave"):
        draw(stop=("a", "y"), unknown="skip")


def test_samples_one_by_one_are_those_of_a_batch():
    m = model()
    batch = m.samples(length=20, seed=4, count=600)
    assert list(m.iter_samples(length=20, seed=4, count=600)) == batch
    assert [one.index for one in batch] == list(range(600))
    assert m.samples(length=20, seed=4, count=7, first=50) == batch[50:57]
    endless = m.iter_samples(length=20, seed=4, count=2, endless=True)
    assert [next(endless) for _ in range(100)] == batch[:100]
    with pytest.raises(ConfigError, match=r"need a length; try sample\.length=500$"):
        list(m.iter_samples(length=None))


@pytest.mark.parametrize(("limit", "sizes"), [(5, [5]), (8, [8]), (19, [8, 8, 3]), (None, [8, 8])])
def test_no_more_are_drawn_than_wanted(limit, sizes):
    drawn = []

    class Watched(Generator):
        def batch(self, count, first=0, workers=None):
            drawn.append(count)
            return super().batch(count, first, workers)

    m = model()
    samples = Watched(m.network, m.vocab, SampleConfig(length=5, seed=1)).samples(limit, 8)
    found = [next(samples) for _ in range(16)] if limit is None else list(samples)
    assert drawn == sizes
    assert [one.index for one in found] == list(range(sum(sizes)))


def test_seeds():
    m = model()
    assert m.sample(60, seed=1) == m.sample(60, seed=1) != m.sample(60, seed=2)
    assert m.sample(60) != m.sample(60)


def test_a_worker_gets_enough_work(monkeypatch):
    monkeypatch.setattr("charrnn.generation.available_cores", lambda: 2)
    parts = []

    def one_by_one(work, given, _most):
        parts.extend(given)
        return list(map(work, given))

    monkeypatch.setattr("charrnn.generation.forked_map", one_by_one)
    settings = SampleConfig(length=2, seed=1)
    for units, count, workers, forks, wanted in (
        (128, 16, None, True, 1),
        (128, 64, None, True, 2),
        (128, 64, None, False, 1),
        (128, 64, 2, False, 2),
        (384, 64, None, False, 2),
    ):
        monkeypatch.setattr("charrnn.generation.may_fork", lambda forks=forks: forks)
        net = network("lstm", V=7, H=units, L=2, dtype=np.float32)
        parts.clear()
        Generator(net, model().vocab, settings).batch(count, workers=workers)
        assert len(parts) == wanted
