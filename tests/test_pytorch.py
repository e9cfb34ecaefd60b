"""PyTorch computes what charrnn computes, and docs/pytorch.md exchanges models.

Where PyTorch is installed; `make torch` installs it.
"""

import re
from pathlib import Path

import numpy as np
import pytest
from small import CELLS, network

import charrnn
from charrnn.nn.network import Network
from charrnn.nn.params import Params

torch = pytest.importorskip("torch")

ROOT = Path(__file__).parents[1]
BLOCKS = re.findall(
    r"```python\n(.*?)```", (ROOT / "docs/pytorch.md").read_text("utf-8"), re.DOTALL
)
STEPS, STREAMS = 9, 4


@pytest.fixture(scope="module")
def page():
    """What the page defines."""
    names: dict[str, object] = {}
    for block in BLOCKS:
        if re.search(r"^(class|def) ", block, re.MULTILINE):
            exec(compile(block, "docs/pytorch.md", "exec"), names)
    return names


def windows(V):
    """Ids and the ids that follow them, (STEPS, STREAMS) each."""
    ids = np.random.default_rng(1).integers(0, V, (STEPS + 1, STREAMS))
    return ids[:-1], ids[1:]


def torch_network(page, net):
    """The same network in PyTorch, with float64."""
    arch = net.arch
    theirs = page["Network"](arch.cell, arch.vocab_size, arch.hidden_size, arch.num_layers).double()
    theirs.load_state_dict(page["to_torch"](dict(net.params.items())))
    return theirs


@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("cell", CELLS)
def test_logits_loss_and_gradients_agree(cell, layers, page):
    net = network(cell, V=7, H=6, L=layers, spread=0.8)
    ids, targets = windows(7)
    ws = net.workspace(STEPS, STREAMS, training=True)
    logits = net.forward(ws, ids, net.arch.zero_state(STREAMS, np.float64)).copy()
    grads, state = net.params.like(), net.arch.zero_state(STREAMS, np.float64)
    loss = net.loss_and_gradients(ws, ids, targets, state, grads, 1 / targets.size)

    theirs = torch_network(page, net)
    output, final = theirs(torch.tensor(ids))
    nats = torch.nn.functional.cross_entropy(output.flatten(0, 1), torch.tensor(targets).flatten())
    nats.backward()
    assert 1.0 < loss < 5.0
    close(output.detach().numpy().reshape(logits.shape), logits)
    close(nats.item(), loss)
    for i, end in enumerate(final if cell == "lstm" else (final,)):
        close(end.detach().numpy(), state[:, i])

    expected = page["to_torch"](dict(grads.items()))
    for name, parameter in theirs.named_parameters():
        wanted = expected[name].numpy()
        if "bias_hh" in name:  # the same as that of bias_ih, except in the candidate of a GRU
            same = expected[name.replace("_hh", "_ih")].numpy().copy()
            if cell == "gru":
                same[-6:] = wanted[-6:]
            wanted = same
        assert np.abs(wanted).max() > 1e-4
        close(parameter.grad.numpy(), wanted)


def close(found, expected):
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("cell", CELLS)
def test_what_pytorch_initialises_computes_the_same_here(cell, layers, page):
    torch.manual_seed(5)
    theirs = page["Network"](cell, 7, 6, layers).double()
    net = network(cell, V=7, H=6, L=layers)
    found = page["from_torch"](theirs.state_dict())
    net = Network(net.arch, Params(net.params.shapes, np.float64))
    assert set(found) == set(net.params)
    for name, view in net.params.items():
        assert found[name].shape == view.shape
        view[...] = found[name]
    ids, _ = windows(7)
    logits = net.forward(net.workspace(STEPS, STREAMS), ids, net.arch.zero_state(4, np.float64))
    close(theirs(torch.tensor(ids))[0].detach().numpy().reshape(logits.shape), logits)


@pytest.mark.parametrize("cell", CELLS)
def test_there_and_back_is_the_same_model(cell, page):
    text = "the sun shone on the road.\n" * 20
    model = charrnn.train(text, cell=cell, hidden_size=6, num_layers=2, steps=2, ngram_order=0)
    state = page["to_torch"](model.parameters())
    back = charrnn.CharRNN.from_parameters(page["from_torch"](state), model.vocab.symbols)
    for name, array in model.parameters().items():
        np.testing.assert_array_equal(back.parameters()[name], array)
    assert back.vocab == model.vocab
    assert back.evaluate(text).nats == model.evaluate(text).nats


@pytest.mark.parametrize("cell", CELLS)
def test_an_embedding_folds_into_the_first_layer(cell, page):
    theirs = page["Network"](cell, 3, 6).double()  # reads vectors of 3
    embedding = torch.nn.Embedding(7, 3).double()
    theirs.output = torch.nn.Linear(6, 7).double()
    state = theirs.state_dict()
    folded = embedding.weight @ state["recurrent.weight_ih_l0"].T
    state["recurrent.weight_ih_l0"] = folded.detach().T
    found = page["from_torch"](state)
    net = network(cell, V=7, H=6)
    for name, view in net.params.items():
        view[...] = found[name]
    ids, _ = windows(7)
    logits = net.forward(net.workspace(STEPS, STREAMS), ids, net.arch.zero_state(4, np.float64))
    h, _ = theirs.recurrent(embedding(torch.tensor(ids)))
    close(theirs.output(h).detach().numpy().reshape(logits.shape), logits)


def test_the_page_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in BLOCKS:
        exec(compile(block, "docs/pytorch.md", "exec"), names)
    first, second = capsys.readouterr().out.splitlines()
    assert 3.5 < float(first) < 4.5  # bits: random weights, 16 symbols
    theirs, ours = map(float, second.split())
    assert 0.1 < theirs < 3.0
    assert theirs == pytest.approx(ours, rel=1e-5)
    model = charrnn.load("from-torch.npz")
    assert model.network.arch.num_layers == 2
    arrays = names["from_torch"](names["Network"]("gru", 16, 8).state_dict())
    np.savez("arrays.npz", **arrays)
    with np.load("arrays.npz") as file:
        loaded = charrnn.CharRNN.from_parameters(file, names["symbols"])
    np.testing.assert_array_equal(loaded.parameters()["layers.0.W_h"], arrays["layers.0.W_h"])
