"""States and gates inside a network, against the plain equations in ``reference.py``."""

import numpy as np
import pytest
import reference
from problems import CELLS
from small import model

from charrnn.errors import VocabError
from charrnn.nn.activations import STEPS, activations
from charrnn.nn.functional import softmax

TEXT = "abc\nfed\n\nabcde"


def plain(net, ids):
    """States and gates of one text, name -> (T, L, H), by the equations, gate by gate."""
    layers, _, _ = reference.gate_parameters(net.arch, net.params.flat.astype(np.float64))
    L, H, V = net.arch.num_layers, net.arch.hidden_size, net.arch.vocab_size
    h, c = np.zeros((L, H)), np.zeros((L, H))
    found = {}
    for t, symbol in enumerate(ids):
        x = np.eye(V)[symbol]
        for layer, p in enumerate(layers):
            before = h[layer].copy()
            h[layer], c[layer] = reference.STEPS[net.arch.cell](p, x, h[layer], c[layer])
            named = {"h": h[layer]} | ({"c": c[layer]} if net.arch.cell == "lstm" else {})
            for gate in reference.GATES[net.arch.cell].replace("h", ""):
                a = reference.times(x, p[f"W_{gate}"]) + p[f"b_{gate}"]
                u = reference.times(before, p[f"U_{gate}"])
                if gate == "n":
                    u = named["r"] * (u + p["c_n"])
                squash = np.tanh if gate in "gn" else reference.sigmoid
                named[gate] = squash(a + u)
            for name, values in named.items():
                found.setdefault(name, np.zeros((len(ids), L, H)))[t, layer] = values
            x = h[layer]
    return found


@pytest.mark.parametrize("num_layers", [1, 2])
@pytest.mark.parametrize("cell", CELLS)
def test_states_and_gates_agree_with_the_equations(cell, num_layers):
    small = model(cell=cell, num_layers=num_layers)
    found = small.hidden(TEXT).named()
    expected = plain(small.network, [small.vocab.start, *small.vocab.encode(TEXT)])
    assert list(found) == {"rnn": ["h"], "lstm": list("hcifog"), "gru": list("hrzn")}[cell]
    for name, values in found.items():
        assert values.shape == (len(TEXT), num_layers, 8)
        np.testing.assert_allclose(values, expected[name][1:], rtol=1e-6, atol=1e-6, err_msg=name)


def test_a_long_text_is_read_in_passes():
    small = model(cell="lstm")
    text = "fade\n" * (STEPS // 4)
    found = small.hidden(text)
    expected = plain(small.network, [small.vocab.start, *small.vocab.encode(text)])
    np.testing.assert_allclose(found.c[STEPS:], expected["c"][STEPS + 1 :], rtol=1e-6, atol=1e-6)


def test_texts_are_read_one_after_the_other_each_from_the_zero_state():
    net = model(cell="gru").network
    both = activations(net, [np.array([1, 2, 3]), np.array([4, 5])])
    np.testing.assert_array_equal(both.h[:3], activations(net, [np.array([1, 2, 3])]).h)
    np.testing.assert_array_equal(both.h[3:], activations(net, [np.array([4, 5])]).h)


def test_each_line_of_a_model_of_records_starts_from_zero():
    small = model(records="line")
    h = small.hidden("abc\nfed\nab").h
    np.testing.assert_array_equal(h[4:7], small.hidden("fed").h)
    np.testing.assert_array_equal(h[3], h[7])  # after each newline
    np.testing.assert_array_equal(h[8:], h[:2])
    assert small.next("abc\nfe") == small.next("fe")


def test_an_empty_text_has_no_states():
    found = model(cell="lstm").hidden("")
    assert found.h.shape == found.c.shape == found.gates["o"].shape == (0, 1, 8)


@pytest.mark.parametrize("cell", CELLS)
def test_the_next_character_has_the_probability_that_it_is_scored_with(cell):
    small = model(cell=cell, num_layers=2)
    nats = [-np.log(small.next(TEXT[:t])[char]) for t, char in enumerate(TEXT)]
    assert sum(nats) == pytest.approx(small.evaluate(TEXT).nats, rel=1e-5)


def test_next_gives_the_whole_distribution_likeliest_first():
    small = model()
    found = small.next("ab")
    assert sorted(found) == sorted("abcdef\n")
    assert list(found.values()) == sorted(found.values(), reverse=True)
    assert sum(found.values()) == pytest.approx(1.0)
    logits, _ = reference.forward(
        small.network.arch,
        small.network.params.flat.astype(np.float64),
        np.append(small.vocab.start, small.vocab.encode("ab"))[:, None],
        small.network.arch.zero_state(1, np.float64),
    )
    probs = softmax(logits[-1, 0])
    expected = dict(zip("\nabcdef", probs, strict=True))
    assert found == pytest.approx(expected, rel=1e-9)


def test_a_byte_model_gives_bytes():
    found = model(unit="byte").next(b"\xff\x00")
    assert len(found) == 256
    assert set(found) == {bytes([value]) for value in range(256)}


def test_unknown_characters_are_an_error_or_left_out():
    small = model()
    with pytest.raises(VocabError, match="unknown character 'z'"):
        small.hidden("az")
    with pytest.raises(VocabError, match="unknown character 'z'"):
        small.next("az")
    assert small.next("azb", unknown="skip") == small.next("ab")
    np.testing.assert_array_equal(small.hidden("azb", unknown="skip").h, small.hidden("ab").h)
