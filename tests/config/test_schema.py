"""The settings: types, ranges, and what may not stand together."""

import dataclasses
import math

import numpy as np
import pytest

from charrnn.config.schema import (
    SECTIONS,
    SETTING_TYPES,
    Config,
    DataConfig,
    EvalConfig,
    ModelConfig,
    SampleConfig,
    TrainConfig,
)
from charrnn.errors import ConfigError
from charrnn.messages import printable, quoted

NUMBERS = [name for name, kind in SETTING_TYPES.items() if kind.base in (int, float)]


def make(name, value):
    """The section of a setting's full name, with that setting at ``value``."""
    section, _, key = name.partition(".")
    given = {key: value}
    if name in ("train.epochs", "train.steps"):
        given["minutes"] = None
    return getattr(SECTIONS[section](**given), key)


def test_defaults_are_valid_and_every_setting_has_its_help():
    assert Config() == Config()
    assert len(SETTING_TYPES) == sum(len(values) for values in Config().to_dict().values())
    for name, kind in SETTING_TYPES.items():
        assert kind.metadata["help"], name
        assert "\n" not in kind.metadata["help"]


def test_a_config_is_a_value():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Config().model.hidden_size = 3
    assert hash(Config()) == hash(Config())


@pytest.mark.parametrize("name", NUMBERS)
def test_each_number_has_its_ends(name):
    kind = SETTING_TYPES[name]
    limits = kind.metadata["limits"]
    for end, other in (("low", "above"), ("high", "below")):
        assert (limits[end] is None) != (limits[other] is None), f"{name} is open at one end"
    beyond = {"low": -math.inf, "above": -math.inf, "high": math.inf, "below": math.inf}
    for end, direction in beyond.items():
        if (bound := limits[end]) is None:
            continue
        one_further = (
            bound + (1 if direction > 0 else -1)
            if kind.base is int
            else math.nextafter(bound, direction)
        )
        if end in ("low", "high"):
            assert make(name, kind.base(bound)) == bound
            refused = one_further
        else:
            inwards = math.nextafter(bound, -direction)
            assert make(name, inwards) == inwards
            refused = float(bound)
        with pytest.raises(ConfigError, match=rf"^{name}: must be .*, not "):
            make(name, refused)


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize(
    "value",
    [
        math.nan,
        math.inf,
        -math.inf,
        True,
        False,
        "3",
        b"3",
        [3],
        (),
        {},
        1 + 2j,
        10**400,
        -(10**9000),
    ],
    ids=quoted,
)
def test_what_is_no_number_is_refused(name, value):
    with pytest.raises(ConfigError, match=rf"^{name}: must be ") as caught:
        make(name, value)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("name", [n for n in NUMBERS if SETTING_TYPES[n].base is int])
def test_an_integer_is_no_float(name):
    with pytest.raises(ConfigError, match=f"^{name}: must be (null or )?a whole number like 64"):
        make(name, 1.0)


@pytest.mark.parametrize("name", list(SETTING_TYPES))
def test_none_is_only_for_what_may_be_none(name):
    if SETTING_TYPES[name].optional and name != "train.minutes":
        assert name in ("train.epochs", "train.steps") or make(name, None) is None
    elif not SETTING_TYPES[name].optional:
        with pytest.raises(ConfigError, match=f"^{name}: must be .*, not None$"):
            make(name, None)


@pytest.mark.parametrize("name", [n for n, kind in SETTING_TYPES.items() if kind.base is str])
@pytest.mark.parametrize("value", [3, True, b"utf-8", ["a"], "\udc80"], ids=quoted)
def test_what_is_no_text_is_refused(name, value):
    with pytest.raises(ConfigError, match=f"^{name}: must be "):
        make(name, value)


@pytest.mark.parametrize("value", [1, 0, "true", None, np.True_], ids=quoted)
def test_only_true_and_false_are_booleans(value):
    with pytest.raises(ConfigError, match=r"^train.random_offset: must be true or false, not "):
        TrainConfig(random_offset=value)


def test_a_choice_is_checked_and_its_neighbour_named():
    with pytest.raises(ConfigError) as caught:
        ModelConfig(cell="lsmt")
    assert str(caught.value) == (
        "model.cell: must be one of rnn, lstm, gru, not 'lsmt'; did you mean 'lstm'?"
    )
    with pytest.raises(ConfigError) as caught:
        EvalConfig(unknown="x" * 1000)
    assert str(caught.value).endswith("xxx...'")


def test_values_are_kept_in_their_plain_types():
    config = ModelConfig(dropout=0, init_scale=np.float64(0.25), cell=np.str_("gru"))
    assert [type(v) for v in (config.dropout, config.init_scale, config.cell)] == [
        float,
        float,
        str,
    ]
    assert repr(config.init_scale) == "0.25"


@pytest.mark.parametrize(
    ("given", "kept"),
    [("\n", ("\n",)), ("", ()), ([], ()), (["a", "b"], ("a", "b")), (("a",), ("a",))],
)
def test_stop_takes_one_string_or_several(given, kept):
    assert SampleConfig(stop=given).stop == kept


@pytest.mark.parametrize(
    "value", [None, 3, ["a", 3], ["a", ""], {"a"}, ["\ud800"], [["a"]]], ids=quoted
)
def test_stop_takes_nothing_else(value):
    with pytest.raises(ConfigError, match=r"^sample.stop: must "):
        SampleConfig(stop=value)


@pytest.mark.parametrize("name", ["utf-8", "UTF8", "latin-1", "utf-16", "cp1252", "koi8-r"])
def test_known_encodings(name):
    assert DataConfig(encoding=name).encoding == name


@pytest.mark.parametrize(
    "name", ["", "utf-9", "base64", "rot13", "undefined", "a\0b", "x" * 10_000]
)
def test_unknown_encodings(name):
    with pytest.raises(ConfigError, match=r"^data.encoding: .* such as utf-8 or latin-1, not '"):
        DataConfig(encoding=name)


def test_exactly_one_budget():
    assert TrainConfig(minutes=None, steps=3).steps == 3
    with pytest.raises(ConfigError, match=r"given: train.minutes and train.steps$"):
        TrainConfig(steps=3)
    with pytest.raises(ConfigError, match=r"given: none$"):
        TrainConfig(minutes=None)


def test_patience_needs_something_to_validate_on():
    patient = TrainConfig(patience=3)
    assert Config(train=patient).train.patience == 3
    with pytest.raises(ConfigError, match=r"^train.patience .* data.val_fraction"):
        Config(train=patient, data=DataConfig(val_fraction=0))


def test_a_section_is_a_section():
    with pytest.raises(ConfigError, match=r"^model: must be a ModelConfig, not \{'cell': 'gru'\}$"):
        Config(model={"cell": "gru"})


def test_messages_are_short_and_printable():
    assert printable("a\nb\x1b[0m\u2028é") == "a\\nb\\x1b[0m\\u2028é"
    assert printable("\ud800") == "\\ud800"
    assert len(printable("x" * 10**6)) < 200
    assert quoted("it's\n") == '"it\'s\\n"'
    assert quoted(np.zeros((3, 3))).isprintable()
    assert len(quoted(10**300)) < 70
    assert quoted(10**9000) == "a number of thousands of digits"
