"""The public names, the example that introduces them, and what an import costs."""

import inspect
import subprocess
import sys
from pathlib import Path

import pytest
from small import PARAGRAPH, settings

import charrnn
from charrnn import errors

ROOT = Path(charrnn.__file__).parents[1]


def python(code, folder):
    """Run code in a process of its own, as a user's script; its output."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], cwd=folder, text=True,
        capture_output=True, env={"PYTHONPATH": str(ROOT), "PYTHONUTF8": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_example_works_as_written(tmp_path):
    _, code = inspect.cleandoc(charrnn.__doc__).split("\n", 1)
    assert "minutes=2" in code
    # Two minutes are too long here, and so is a hidden size to use them. Short scripts leave
    # it to Python to close their files.
    code = code.replace("minutes=2", "minutes=0.01").replace("hidden_size=256", "hidden_size=32")
    code = "import warnings; warnings.simplefilter('ignore', ResourceWarning)\n" + code
    (tmp_path / "corpora").mkdir()
    (tmp_path / "corpora/fables.txt").write_text(PARAGRAPH * 8 + "The fox\n")
    lines = python(code, tmp_path).rsplit("\n", 2)
    assert len(lines[0]) == 400
    assert 0 < float(lines[1]) < 6
    model = charrnn.load(tmp_path / "fables.npz")
    assert model.sample(400, prime="The fox", temperature=0.8, seed=1) == lines[0]
    assert model.evaluate(PARAGRAPH * 8 + "The fox\n").bits_per_char == pytest.approx(
        float(lines[1])
    )


def test_importing_is_light(tmp_path):
    heavy = "{'numpy', 'click', 'tqdm', 'yaml', 'charrnn.cli'} & set(sys.modules)"
    assert python(f"import sys, charrnn; print(charrnn.__version__, {heavy})", tmp_path) == (
        f"{charrnn.__version__} set()\n"
    )
    assert python(f"import sys; from charrnn import CharRNNError; print({heavy})", tmp_path) == (
        "set()\n"
    )


def test_no_terminal_comes_with_the_library(tmp_path):
    code = "import sys; from charrnn import *; print({'click', 'tqdm'} & set(sys.modules))"
    assert python(code, tmp_path) == "set()\n"


def test_public_names():
    assert charrnn.__all__ == sorted(charrnn.__all__)
    assert set(charrnn._MODULES) | {"__version__"} == set(charrnn.__all__)
    assert set(charrnn.__all__) <= set(dir(charrnn))
    for name in charrnn.__all__:
        assert getattr(charrnn, name).__doc__ or name == "__version__"
    assert {"train", "load", "CharRNN", "Config", "Trainer"} <= set(charrnn.__all__)
    with pytest.raises(AttributeError, match="'charrnn' has no attribute 'tarin'"):
        charrnn.tarin  # noqa: B018


def test_every_error_is_public_and_has_one_base():
    found = {
        name: kind
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and issubclass(kind, Exception)
    }
    assert set(found) <= set(charrnn.__all__)
    for kind in found.values():
        assert issubclass(kind, charrnn.CharRNNError)


@pytest.mark.parametrize(
    ("do", "kind", "words"),
    [
        (lambda: charrnn.train("", steps=1), "CorpusError", "empty"),
        (lambda: charrnn.train("abc", hiden_size=3), "ConfigError", "hidden_size"),
        (lambda: charrnn.train("abc", hidden_size=0), "ConfigError", "at least 1"),
        (lambda: charrnn.train("abc", steps=2, epochs=1), "ConfigError", "only one"),
        (lambda: charrnn.load("missing.npz"), "CheckpointError", "missing.npz"),
        (lambda: charrnn.train(b"abc", steps=1), "ConfigError", "data.unit is char, but the text"),
        (lambda: charrnn.train("abc" * 9, steps=1).sample(3, prime="x"), "VocabError", "'x'"),
        (lambda: charrnn.train("abc" * 9, steps=1).sample(-3), "ConfigError", "sample.length"),
        (lambda: charrnn.train("ab" * 9, steps=1).sample(3, top_p=0), "ConfigError", "top_p"),
    ],
)
def test_errors_are_one_line_for_the_user(do, kind, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(charrnn.CharRNNError) as caught:
        do()
    assert type(caught.value) is getattr(charrnn, kind)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("do", "words"),
    [
        (lambda: charrnn.train(None), "the text must be str, bytes or a charrnn.Corpus, not None"),
        (lambda: charrnn.train(Path("a.txt")), "the text must be .*, not PosixPath"),
        (lambda: charrnn.train("abc", {}), "config must be a charrnn.Config, not {}"),
        (lambda: charrnn.Trainer({"cell": "gru"}, "abc"), "config must be .*, not {'cell': 'gru'}"),
        (lambda: charrnn.train("ab", init_from=["a"]), r"init_from must be .*, not \['a'\]"),
        (
            lambda: charrnn.train("ab", init_from=3),
            "init_from must be a charrnn.CharRNN or its file, not 3",
        ),
        (lambda: charrnn.Trainer(settings(), ["abc"]), r"the text must be .*, not \['abc'\]"),
    ],
)
def test_wrong_arguments_are_named_in_one_line(do, words):
    with pytest.raises(TypeError, match=f"^{words}[^\n]*$"):
        do()


def test_bytes_are_for_byte_models():
    assert charrnn.train(b"abc" * 9, unit="byte", steps=1).vocab.unit == "byte"
    assert charrnn.train("abc" * 9, unit="byte", steps=1).vocab.unit == "byte"


def test_power_users_iterate():
    run = charrnn.Trainer(settings(steps=5), PARAGRAPH)
    assert [step.step for step in run] == [1, 2, 3, 4, 5]
    assert run.model.sample(10, seed=0)


def test_settings_by_name_and_a_config_make_one_run():
    by_name = charrnn.train(PARAGRAPH, settings(), cell="gru", steps=6)
    by_config = charrnn.train(PARAGRAPH, settings(cell="gru", steps=6))
    assert by_name.config == by_config.config
    assert by_name.sample(40, seed=1) == by_config.sample(40, seed=1)
