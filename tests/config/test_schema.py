"""The settings: types, ranges, texts, and values that contradict each other."""

import dataclasses
import math
import pickle

import numpy as np
import pytest

from charrnn.config.schema import (
    BUDGETS,
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
    """The value of a setting, by its full name, in a section that was given ``value`` for it."""
    section, _, key = name.partition(".")
    given = {key: value}
    if name in ("train.epochs", "train.steps"):
        given["minutes"] = None
    return getattr(SECTIONS[section](**given), key)


def refusal(**sections):
    """The one line of the error that ``Config(**sections)`` raises."""
    with pytest.raises(ConfigError) as caught:
        Config(**sections)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_defaults_are_valid():
    assert Config() == Config()
    assert len(SETTING_TYPES) == sum(len(values) for values in Config().to_dict().values())
    for name, kind in SETTING_TYPES.items():
        section, _, key = name.partition(".")
        assert kind.default == getattr(getattr(Config(), section), key), name


@pytest.mark.parametrize("name", list(SETTING_TYPES))
def test_every_setting_says_what_it_is_and_why_its_default_is_what_it_is(name):
    kind = SETTING_TYPES[name]
    for text in (kind.help, kind.why, kind.null):
        assert text.isprintable()
        assert text == text.strip()
    assert kind.help
    assert not kind.help.endswith(".")
    assert kind.why[0].isupper() or kind.why[0].isdecimal()
    assert kind.why.endswith(".")
    assert all(choice in kind.help for choice in kind.choices)
    # What null stands for is said exactly if a setting may be null; a budget's null needs no word.
    assert bool(kind.null) == (kind.optional and not name.endswith(BUDGETS))


def test_a_config_is_a_value():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Config().model.hidden_size = 3
    with pytest.raises(dataclasses.FrozenInstanceError):
        Config().model = ModelConfig()
    assert hash(Config()) == hash(Config())
    assert pickle.loads(pickle.dumps(Config(train={"steps": 3}))) == Config(train={"steps": 3})


@pytest.mark.parametrize("name", NUMBERS)
def test_each_number_has_its_ends(name):
    kind = SETTING_TYPES[name]
    for end, other in (("low", "above"), ("high", "below")):
        bounds = getattr(kind.range, end), getattr(kind.range, other)
        assert bounds.count(None) == 1, f"{name} is unbounded at one end"
    beyond = {"low": -math.inf, "above": -math.inf, "high": math.inf, "below": math.inf}
    for end, direction in beyond.items():
        if (bound := getattr(kind.range, end)) is None:
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


NOT_NUMBERS = [
    *(math.nan, math.inf, -math.inf, True, False, "3", b"3", [3], (), {}, 1 + 2j),
    *(10**400, -(10**9000)),
]


@pytest.mark.parametrize("name", NUMBERS)
def test_what_is_not_a_number_is_rejected(name):
    for value in NOT_NUMBERS:
        with pytest.raises(ConfigError, match=rf"^{name}: must be ") as caught:
            make(name, value)
        assert str(caught.value).isprintable()
        assert len(str(caught.value)) < 200


@pytest.mark.parametrize("name", [n for n in NUMBERS if SETTING_TYPES[n].base is int])
def test_a_float_is_not_an_integer(name):
    with pytest.raises(ConfigError, match=f"^{name}: must be (null or )?a whole number like 64"):
        make(name, 1.0)


@pytest.mark.parametrize("name", list(SETTING_TYPES))
def test_only_optional_settings_may_be_none(name):
    if SETTING_TYPES[name].optional and name != "train.minutes":
        assert name in ("train.epochs", "train.steps") or make(name, None) is None
    elif not SETTING_TYPES[name].optional:
        with pytest.raises(ConfigError, match=f"^{name}: must be .*, not None$"):
            make(name, None)


@pytest.mark.parametrize("name", [n for n, kind in SETTING_TYPES.items() if kind.base is str])
@pytest.mark.parametrize("value", [3, True, b"utf-8", ["a"], "\udc80"], ids=quoted)
def test_what_is_not_text_is_rejected(name, value):
    with pytest.raises(ConfigError, match=f"^{name}: must be "):
        make(name, value)


@pytest.mark.parametrize("value", [1, 0, "true", None, np.True_], ids=quoted)
def test_only_true_and_false_are_booleans(value):
    with pytest.raises(ConfigError, match=r"^train.random_offset: must be true or false, not "):
        TrainConfig(random_offset=value)


def test_an_unknown_choice_gets_a_suggestion():
    with pytest.raises(ConfigError) as caught:
        ModelConfig(cell="lsmt")
    assert caught.value.message == "model.cell: must be one of rnn, lstm, gru, not 'lsmt'"
    assert caught.value.hint == "did you mean 'lstm'?"
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
    with pytest.raises(ConfigError, match=r"^give only one of train.minutes and train.steps$"):
        TrainConfig(steps=3)
    with pytest.raises(ConfigError, match=r"^give one of train.minutes, train.epochs, train.steps"):
        TrainConfig(minutes=None)


def test_patience_needs_something_to_validate_on():
    patient = TrainConfig(patience=3)
    assert Config(train=patient).train.patience == 3
    with pytest.raises(ConfigError) as caught:
        Config(train=patient, data=DataConfig(val_fraction=0))
    assert caught.value.settings == ("train.patience=0",)
    assert str(caught.value) == (
        "train.patience needs held-out text; "
        "raise data.val_fraction above 0 or use train.patience=0"
    )


def test_a_config_takes_sections_by_their_settings():
    config = Config(train={"steps": 200, "seed": 7}, model={"hidden_size": 64, "cell": "gru"})
    assert config == Config(
        train=TrainConfig(minutes=None, steps=200, seed=7),
        model=ModelConfig(hidden_size=64, cell="gru"),
    )
    assert Config(data={}, sample=SampleConfig(count=2)).sample.count == 2
    assert Config({"num_layers": 2}) == Config(model=ModelConfig(num_layers=2))
    assert dataclasses.replace(config, train={"minutes": 1}).model == config.model


@pytest.mark.parametrize("unit", BUDGETS)
def test_one_budget_by_name_replaces_the_default(unit):
    train = Config(train={unit: 2}).train
    assert {u: getattr(train, u) for u in BUDGETS} == dict.fromkeys(BUDGETS) | {unit: 2}
    assert Config(train={unit: 2, "seed": 1}).train.seed == 1
    default = Config(train=dict.fromkeys({*BUDGETS} - {"minutes"}))
    assert default == Config()


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"trian": {}}, "trian: unknown section; did you mean 'train'?"),
        ({"steps": 3}, "steps: unknown section; did you mean 'train.steps'?"),
        ({"self": {}}, "self: unknown section"),
        ({"a\nb": {}}, "a\\nb: unknown section"),
        ({"train": {"stepz": 3}}, "train.stepz: unknown key; did you mean 'steps'?"),
        (
            {"train": {"hidden_size": 3}},
            "train.hidden_size: unknown key; did you mean 'model.hidden_size'?",
        ),
        ({"train": {3: 4}}, "train.3: unknown key"),
        ({"train": {"steps": "3"}}, "train.steps: must be null or a whole number like 64, not '3'"),
        ({"train": {"steps": 3, "epochs": 2}}, "give only one of train.epochs and train.steps"),
        (
            {"train": {"minutes": None}},
            "give one of train.minutes, train.epochs, train.steps",
        ),
        ({"model": 3}, "model: must be ModelConfig or a mapping of settings, not 3"),
        (
            {"model": DataConfig},
            "model: must be ModelConfig or a mapping of settings, "
            "not <class 'charrnn.config.schema.DataConfig'>",
        ),
        ({"eval": None}, "eval: must be EvalConfig or a mapping of settings, not None"),
    ],
    ids=str,
)
def test_mistakes_in_a_config_are_one_line(sections, message):
    assert refusal(**sections) == message


def test_messages_are_short_and_printable():
    assert printable("a\nb\x1b[0m\u2028é") == "a\\nb\\x1b[0m\\u2028é"
    assert printable("\ud800") == "\\ud800"
    assert len(printable("x" * 10**6)) < 200
    assert quoted("it's\n") == '"it\'s\\n"'
    assert quoted(np.zeros((3, 3))).isprintable()
    assert len(quoted(10**300)) < 70
    assert quoted(10**9000) == "a number of thousands of digits"
