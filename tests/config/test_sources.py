"""Strict YAML in, a config out, and a ConfigError for everything else."""

import errno
import os
import re
import string
import sys

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from charrnn.config.autosize import resolve_auto
from charrnn.config.schema import BUDGETS, SECTIONS, SETTING_TYPES, Config
from charrnn.config.sources import build, dump, find, from_environment, override, parse, presets
from charrnn.errors import ConfigError

SOAK = int(os.environ.get("CHARRNN_SOAK", "100000"))


def read(text):
    return parse(text.encode() if isinstance(text, str) else text, "c.yaml")


def refusal(text):
    """The lines of the error that ``text`` raises."""
    with pytest.raises(ConfigError) as caught:
        read(text)
    return str(caught.value).split("\n")


def train(text):
    """The one setting in one line of the section train."""
    (value,) = read(f"train:\n  {text}\n").values()
    return value


# What a text means is decided by the key's declared type.


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("1E+2", 100.0),
        ("2", 2.0),
        (".5", 0.5),
        ("5.", 5.0),
        ("+0.25", 0.25),
        ("0010", 10.0),
    ],
)
def test_floats(text, value):
    found = train(f"learning_rate: {text}")
    assert found == value
    assert type(found) is float


@pytest.mark.parametrize(
    "text",
    [
        ".nan",
        ".inf",
        "-.inf",
        "nan",
        "inf",
        "Infinity",
        "1_0",
        "1,5",
        "0x1",
        "1e",
        "e1",
        "\u0661",
        "'1'",
    ],
)
def test_not_floats(text):
    (line,) = refusal(f"train:\n  learning_rate: {text}\n")
    assert line.startswith("c.yaml:2:18: train.learning_rate: must be null or a number, not ")


def test_a_float_too_large_is_not_finite():
    (line,) = refusal("train:\n  learning_rate: 1e999\n")
    assert line == "c.yaml:2:18: train.learning_rate: must be a finite number, not inf"


@pytest.mark.parametrize(("text", "value"), [("7", 7), ("+7", 7), ("0", 0)])
def test_integers(text, value):
    assert train(f"seed: {text}") == value


@pytest.mark.parametrize(
    "text",
    [
        "010",
        "1_000",
        "1e3",
        "1.0",
        "0x10",
        "0o7",
        "1:30",
        "true",
        "no",
        "",
        "null",
        "'7'",
        "\u0667",
    ],
)
def test_not_integers(text):
    (line,) = refusal(f"train:\n  seed: {text}\n")
    assert "train.seed: must be a whole number like 64, not " in line


def test_integers_of_any_length_get_a_short_message():
    (line,) = refusal(f"train:\n  seed: {'9' * 90}\n")
    assert "must be at most 9,223,372,036,854,775,807" in line
    (line,) = refusal(f"train:\n  seed: {'9' * 60_000}\n")
    assert "must be a whole number like 64, not '999" in line
    assert len(line) < 200


def test_booleans():
    assert train("random_offset: true") is True
    assert train("random_offset: false") is False
    for text in ("no", "yes", "on", "off", "True", "FALSE", "1", "0", "y", "'true'", "~"):
        (line,) = refusal(f"train:\n  random_offset: {text}\n")
        assert "must be true or false" in line


@pytest.mark.parametrize("text", ["null", "~", "none", ""])
def test_null(text):
    assert train(f"steps: {text}") is None


@pytest.mark.parametrize("text", ["'null'", "NULL", "nil", "false"])
def test_not_null(text):
    assert "must be null or a whole number like 64" in refusal(f"train:\n  steps: {text}\n")[0]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("010", "010"),
        ("1e-3", "1e-3"),
        ("null", "null"),
        ("~", "~"),
        ("2001-01-01", "2001-01-01"),
        ("'  two  '", "  two  "),
        ('"\\x1b\\u00e9\\n"', "\x1bé\n"),
        ("|\n    a\n    b\n", "a\nb\n"),
        ("", ""),
        ("<<", "<<"),
    ],
)
def test_a_string_is_its_text(text, value):
    assert read(f"sample:\n  prime: {text}\n") == {"sample.prime": value}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("[]", ()),
        ("[a, 'b c', 010]", ("a", "b c", "010")),
        ('"\\n"', ("\n",)),
        ("\n  - x\n  - y", ("x", "y")),
    ],
)
def test_lists_of_strings(text, value):
    assert read(f"sample:\n  stop: {text}\n") == {"sample.stop": value}


@pytest.mark.parametrize("text", ["[[a]]", "{a: b}", "['']"])
def test_not_lists_of_strings(text):
    assert refusal(f"sample:\n  stop: {text}\n")[0].startswith("c.yaml:2:9: sample.stop: must ")


# What is not a config is rejected at its first sign.


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model: &a\n  cell: gru\n", "c.yaml:1:8: anchors are not allowed here"),
        ("model:\n  cell: *a\n", "c.yaml:2:9: aliases are not allowed here; write the value again"),
        ("model:\n  cell: !!str gru\n", "c.yaml:2:9: tags are not allowed here; "),
        ("model: !!python/object/apply:os.system [x]\n", "c.yaml:1:8: tags are not allowed here; "),
        ("model: ! {}\n", "c.yaml:1:8: tags are not allowed here; "),
        ("model:\n  <<: {cell: gru}\n", "c.yaml:2:3: merge keys are not allowed here"),
        ("model:\n---\nmodel:\n", "c.yaml:2:1: a second document; put all settings into one"),
        ("[" * 8 + "a" + "]" * 8, "c.yaml:1:1: must contain sections such as 'train:', not a list"),
        ("[" * 9 + "]" * 9, "c.yaml:1:9: nested more than 8 levels deep"),
        ("{a: " * 9 + "}" * 9, "c.yaml:1:33: nested more than 8 levels deep"),
        ("- " * 9, "c.yaml:1:17: nested more than 8 levels deep"),
        ("- x\n" * 2000, "c.yaml:2000:3: more than 2,000 values"),
        (b"model:\n  cell: \xff\n", "c.yaml:2:9: invalid UTF-8 at byte 15"),
        ("model:\n".encode("utf-16"), "c.yaml:1:1: invalid UTF-8 at byte 0"),
        (b"\xef\xbb\xbfmodel: \xc3", "c.yaml:1:8: invalid UTF-8 at byte 10"),
        ("\ufeffmodel: \x07", "c.yaml:1:8: character U+0007 is not allowed in YAML"),
        ("model: 'null'", "c.yaml:1:8: model: must hold settings, not 'null'"),
        ("''", "c.yaml:1:1: must contain sections such as 'train:', not ''"),
        ("# é\nmodel: \x07", "c.yaml:2:8: character U+0007 is not allowed in YAML"),
        ("model:\n\tcell: gru\n", "c.yaml:2:1: a tab; indent with spaces"),
        ("model: [1", "c.yaml:1:10: a list that is not closed with ']', or a missing ','"),
        ("model: {a", "c.yaml:1:10: a mapping that is not closed with '}', or a missing ','"),
        ("a:\n  b: 1\n c: 2\n", "c.yaml:3:2: this does not fit what is above it; check the"),
        ("a:\n  b: c: d\n", "c.yaml:2:7: an unexpected ':'; check the indentation, and quote"),
        ("a:\nb:5\nc: 3\n", "c.yaml:3:1: a ':' with a space after it is missing on the line above"),
        ('a: "x', "c.yaml:1:6: a quote that is not closed"),
        ("a: @x\n", "c.yaml:1:4: a value cannot begin like this; put it in quotes"),
        (r'a: "\q"', "c.yaml:1:6: an unknown escape; use single quotes where a backslash is meant"),
        ('model: "\\UFFFFFFFF"', "c.yaml:1:11: cannot be read as YAML"),
        (f"%YAML {'1' * 5000}.1\n--- a", "c.yaml:1:7: cannot be read as YAML"),
        ("a" * 65_537, "c.yaml: larger than 64 KiB; is this really a config file?"),
        ("[" * 100_000, "c.yaml: larger than 64 KiB; is this really a config file?"),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_rejected(text, message):
    (line,) = refusal(text)
    assert line.startswith(message)


def test_the_limit_itself_is_allowed():
    settings = "model:\n  cell: gru\n#"
    assert read(settings + "x" * (65_536 - len(settings))) == {"model.cell": "gru"}


def test_bombs_are_never_expanded():
    """Nested aliases and merge keys that would expand to billions of nodes."""
    aliases = "a: &a [x, x]\n" + "".join(
        f"{b}: &{b} [{','.join([f'*{a}'] * 9)}]\n"
        for a, b in zip(string.ascii_lowercase, string.ascii_lowercase[1:], strict=False)
    )
    merges = "a: {x: 1}\nb: {<<: [{<<: {y: 1}}, {<<: {z: 1}}]}\n"
    assert refusal(aliases) == ["c.yaml:1:4: anchors are not allowed here"]
    assert refusal(merges) == ["c.yaml:2:5: merge keys are not allowed here"]
    assert work(aliases) < 2000
    assert work(merges) < 2000


def work(text):
    """Function calls made while ``text`` is read: its cost, the same on any machine."""
    calls = 0

    def count(frame, event, arg):
        nonlocal calls
        calls += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        read(text)
    except ConfigError:
        pass
    finally:
        sys.setprofile(before)
    return calls


UNITS = [
    "[",
    "[\n",
    "{",
    "{a: ",
    "- ",
    "? ",
    "-\n",
    "a:\n",
    "[],",
    "a, ",
    "a\n",
    "'",
    '"\\n',
    "%A\n",
    " ",
    "\n",
    "#\n",
    "a: |\n",
]
OPENINGS = ["", "[", "model:\n  ", "sample:\n  stop: ["]


def repeated(opening, unit, size):
    return opening + unit * ((size - len(opening)) // len(unit))


#: Each unit after nothing and after one of the other openings; `make soak` has all.
WORST = [
    pytest.param(unit, opening, marks=[] if place in (0, 1 + number % 3) else [pytest.mark.soak])
    for number, unit in enumerate(UNITS)
    for place, opening in enumerate(OPENINGS)
]


@pytest.mark.parametrize(("unit", "opening"), WORST, ids=repr)
def test_the_worst_of_files_get_an_answer(unit, opening):
    try:
        read(repeated(opening, unit, 65_000))
    except ConfigError as error:
        assert_presentable(error)


@pytest.mark.parametrize("unit", UNITS, ids=repr)
@pytest.mark.parametrize("opening", OPENINGS[:2], ids=repr)
def test_the_work_for_a_file_grows_no_faster_than_its_size(unit, opening):
    half, whole = (work(repeated(opening, unit, size)) for size in (300, 600))
    assert whole < 2.1 * half + 100


def test_the_work_for_unknown_keys_grows_no_faster_than_their_number():
    few, many = (
        "train:\n" + "".join(f"  lerning_rate_{i}: x\n" for i in range(100, 100 + n))
        for n in (30, 60)
    )
    assert len(refusal(many)) == 60
    assert work(many) < 2.1 * work(few)
    every = "train:\n" + "".join(f"  lerning_rate_{i}: x\n" for i in range(990))
    assert len(refusal(every)) == 990


# In a config, all mistakes are reported, each in its place.


def test_all_mistakes_are_reported_together_each_in_its_place():
    assert refusal(
        """\
model:
  hiden_size: 3
  cell: lsmt
  cell: gru
  dropout: 1
  num_layers: {a: b}
trian:
  steps: 3
train:
  learning_rate: .nan
  steps: 010
  seq_length: '3'
  hidden_size: 3
  [a]: b
  zzz: 3
sample: [prime]
"""
    ) == [
        "c.yaml:2:3: model.hiden_size: unknown key; did you mean 'hidden_size'?",
        "c.yaml:3:9: model.cell: must be one of rnn, lstm, gru, not 'lsmt'; did you mean 'lstm'?",
        "c.yaml:4:3: model.cell: given twice, first on line 3",
        "c.yaml:5:12: model.dropout: must be less than 1, not 1",
        "c.yaml:6:15: model.num_layers: must be a whole number like 64, not a mapping",
        "c.yaml:7:1: trian: unknown section; did you mean 'train'?",
        "c.yaml:10:18: train.learning_rate: must be null or a number, not '.nan'",
        "c.yaml:11:10: train.steps: must be null or a whole number like 64, not '010'",
        "c.yaml:12:15: train.seq_length: must be a whole number like 64, not the quoted '3'",
        "c.yaml:13:3: train.hidden_size: unknown key; did you mean 'model.hidden_size'?",
        "c.yaml:14:3: a name must be a word, not a list",
        "c.yaml:15:3: train.zzz: unknown key",
        "c.yaml:16:9: sample: must hold settings, not a list",
    ]


def test_positions_count_characters_after_a_byte_order_mark():
    assert refusal("\ufeffmodél: {}") == [
        "c.yaml:1:1: modél: unknown section; did you mean 'model'?"
    ]
    assert refusal("model: {init: é, cell: x}")[1].startswith("c.yaml:1:24: model.cell")


def test_a_section_given_twice():
    assert refusal("model:\ntrain:\nmodel:\n") == [
        "c.yaml:3:1: model: given twice, first on line 1"
    ]


def test_a_key_without_its_section():
    (line,) = refusal("hiden_size: 3\n")
    assert line == "c.yaml:1:1: hiden_size: unknown section; did you mean 'model.hidden_size'?"


def test_two_budgets_in_one_file():
    assert refusal("train:\n  steps: 3\n  epochs: null\n  minutes: 2\n  seed: 1\n") == [
        "c.yaml:4:3: give only one of train.minutes and train.steps"
    ]


def test_quoted_text_is_escaped_and_cut():
    lines = refusal(
        '"\\e[2Jmodel\\n": {}\nmodel: {"a\\nb": 1, cell: "\\u2028\\0\\e", init: '
        + "y" * 5000
        + "}\n"
    )
    assert len(lines) == 4
    assert all(line.isprintable() and len(line) < 300 for line in lines)
    assert lines[2].endswith(r"not '\u2028\x00\x1b'")
    with pytest.raises(ConfigError, match=r"^a\\nb.yaml:1:1: must contain sections"):
        parse(b"3", "a\nb.yaml")


def test_text_that_cannot_be_encoded_is_rejected():
    assert "UTF-8" in refusal('sample: {prime: "\\ud800"}')[0]


@pytest.mark.parametrize(
    "text", ["", "\n", "# nothing\n", "---\n", "~", "model:\n", "model: null\n", "{}"]
)
def test_an_empty_file_is_a_config(text):
    assert read(text) == {}


# Options and the environment.


def test_override():
    assert override("train.learning_rate=1e-3") == ("train.learning_rate", 0.001)
    assert override("sample.prime=a=b\n") == ("sample.prime", "a=b\n")
    assert override("sample.prime=") == ("sample.prime", "")
    assert override("train.minutes=null") == ("train.minutes", None)
    assert override("sample.stop=. ") == ("sample.stop", (". ",))
    assert override("sample.stop=") == ("sample.stop", ())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("train.steps", "train.steps: give it as SECTION.KEY=VALUE"),
        ("", ": give it as SECTION.KEY=VALUE"),
        ("=3", ": give it as SECTION.KEY=VALUE"),
        ("train=3", "train: give it as SECTION.KEY=VALUE"),
        ("train.stepz=3", "train.stepz: unknown key; did you mean 'steps'?"),
        ("lerning_rate=3", "lerning_rate: unknown key; did you mean 'train.learning_rate'?"),
        ("trian.steps=3", "trian.steps: unknown key; did you mean 'train.steps'?"),
        ("train.steps=1e3", "train.steps: must be null or a whole number like 64, not '1e3'"),
        ("train.steps=0", "train.steps: must be at least 1, not 0"),
        ("a\nb=3", "a\\nb: unknown key"),
    ],
)
def test_override_rejected(text, message):
    with pytest.raises(ConfigError) as caught:
        override(text)
    assert str(caught.value) == message


def test_environment():
    assert from_environment(
        {
            "CHARRNN_TRAIN_LEARNING_RATE": "0.05",
            "CHARRNN_SAMPLE_SEED": "",
            "CHARRNN_MODEL": "my.npz",
            "CHARRNN_DEBUG": "1",
            "TRAIN_STEPS": "x",
        }
    ) == {"train.learning_rate": 0.05, "sample.seed": None}


def test_every_setting_has_a_variable_of_its_own():
    names = {name.upper().replace(".", "_") for name in SETTING_TYPES}
    assert len(names) == len(SETTING_TYPES)


def test_environment_rejected():
    with pytest.raises(ConfigError) as caught:
        from_environment(
            {
                "CHARRNN_TRAIN_STEPS": "many",
                "CHARRNN_TRAIN_LERNING_RATE": "1",
                "CHARRNN_MODEL_HIDEN": "1",
                "CHARRNN_MODLE": "x.npz",
                "CHARRNN_SAMPEL_LENGTH": "1",
                "CHARRNN_DATA_ENTIRELY_ELSE": "1",
                "CHARRNN_SOAK": "1",
                "CHARRNN_EVAL_\x1b\udc80": "1",
            }
        )
    assert str(caught.value).split("\n") == [
        "CHARRNN_DATA_ENTIRELY_ELSE: unknown setting",
        r"CHARRNN_EVAL_\x1b\udc80: unknown setting",
        "CHARRNN_MODEL_HIDEN: unknown setting; did you mean 'CHARRNN_MODEL_HIDDEN_SIZE'?",
        "CHARRNN_MODLE: unknown setting; did you mean 'CHARRNN_MODEL'?",
        "CHARRNN_SAMPEL_LENGTH: unknown setting; did you mean 'CHARRNN_SAMPLE_LENGTH'?",
        "CHARRNN_TRAIN_LERNING_RATE: unknown setting; did you mean 'CHARRNN_TRAIN_LEARNING_RATE'?",
        "CHARRNN_TRAIN_STEPS: must be null or a whole number like 64, not 'many'",
    ]


# Layers.


def test_later_layers_win():
    low, high = {"model.cell": "gru", "model.num_layers": 2}, {"model.cell": "rnn"}
    assert build() == Config()
    assert build(low).model.cell == "gru"
    config = build(low, high)
    assert (config.model.cell, config.model.num_layers) == ("rnn", 2)
    assert low == {"model.cell": "gru", "model.num_layers": 2}


@pytest.mark.parametrize("low", BUDGETS)
@pytest.mark.parametrize("high", BUDGETS)
def test_a_budget_takes_back_those_below_it(low, high):
    train = build({f"train.{low}": 7}, {f"train.{high}": 9}).train
    assert {unit: getattr(train, unit) for unit in BUDGETS} == {
        unit: 9 if unit == high else None for unit in BUDGETS
    }


def test_budgets_of_null():
    assert build({"train.minutes": None, "train.steps": 3}).train.steps == 3
    assert build({"train.steps": None}).train.minutes == 5
    assert build({"train.steps": 3}, {"train.epochs": None}).train.steps == 3
    with pytest.raises(ConfigError, match=r"^give one of train.minutes, train.epochs"):
        build({"train.minutes": None})


def test_two_budgets_in_one_layer():
    with pytest.raises(ConfigError, match=r"^give only one of train.minutes and train.epochs$"):
        build({"train.epochs": 1, "train.minutes": 1})


def test_build_checks_names_and_values():
    with pytest.raises(
        ConfigError, match=r"^model.hiden: unknown key; did you mean 'hidden_size'\?$"
    ):
        build({"model.hiden": 3})
    with pytest.raises(ConfigError, match=r"^hidden_size: .* did you mean 'model.hidden_size'\?$"):
        build({"hidden_size": 3})
    with pytest.raises(ConfigError, match=r"^model.hidden_size: must be null or a whole number"):
        build({"model.hidden_size": "3"})


# Writing.


def valid(name):
    """Values of one setting."""
    kind = SETTING_TYPES[name]
    if name == "data.encoding":
        return st.sampled_from(["utf-8", "latin-1", "UTF-16"])
    if kind.choices:
        return st.sampled_from(kind.choices)
    if kind.base is bool:
        return st.booleans()
    text = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
    if kind.base is str:
        return text.filter(lambda value: not (kind.validate and kind.validate(value)))
    if kind.base is tuple:
        return st.lists(text.filter(bool), max_size=5).map(tuple)
    limits = kind.range
    if kind.base is int:
        return st.integers(limits.low, limits.high)
    return st.floats(
        limits.above if limits.low is None else limits.low,
        limits.below if limits.high is None else limits.high,
        exclude_min=limits.low is None,
        exclude_max=limits.high is None,
    )


@st.composite
def configs(draw):
    drawn = {}
    for name, kind in SETTING_TYPES.items():
        if not name.endswith(BUDGETS):
            values = st.none() | valid(name) if kind.optional else valid(name)
            drawn[name] = draw(values)
    budget = f"train.{draw(st.sampled_from(BUDGETS))}"
    drawn[budget] = draw(valid(budget))
    if not drawn["data.val_fraction"]:
        drawn["train.patience"] = 0
    return build(drawn)


#: libyaml, if PyYAML was built with it.
OTHER_READER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
TRICKY = "\x00\t\n\r\x1b\"'\\#: \x7f\x85\xa0\u2028\ufeff\ufffe\U0001f600\U0010ffff - "


@settings(database=None, deadline=None, max_examples=20)
@given(configs())
@example(build({"sample.prime": TRICKY, "sample.stop": [*TRICKY]}))
@example(build({"sample.prime": "two words\n " * 100}))
def test_dump_round_trip(config):
    assert_dumped_and_read_back(config)


@pytest.mark.soak
@settings(database=None, deadline=None, max_examples=2000)
@given(configs())
def test_dump_round_trip_campaign(config):
    assert_dumped_and_read_back(config)


def assert_dumped_and_read_back(config):
    text = dump(config)
    assert build(parse(text.encode(), "dump")) == config
    lines = [line for line in text.split("\n") if not re.fullmatch(r" *(#.*)?", line)]
    assert len(lines) == len(SETTING_TYPES) + len(SECTIONS), "one line a setting"
    for section, values in yaml.load(text, OTHER_READER).items():
        assert list(values) == list(config.to_dict()[section]), "other readers see the same keys"


def test_dump_explains_every_setting():
    text = dump(Config())
    assert set(read(text)) == set(SETTING_TYPES)
    words = " ".join(re.sub(r"\n *#", "", text).split())
    for kind in SETTING_TYPES.values():
        assert f"# {kind.help}" in words
        assert kind.why in words


def test_dump_is_laid_out_in_two_columns():
    lines = dump(build({"sample.prime": "x" * 100, "train.eval_every": 12345678901})).split("\n")
    at = lines.index("  eval_every: 12345678901")  # too long for a comment beside it
    assert lines[at + 1 : at + 3] == [
        "                          # steps between validations; null: about twenty over the run",
        "                          # Twenty take about 3% of the training time on 1 MB of text.",
    ]
    assert "  seed: 0                 # random seed" in lines
    assert max(len(line) for line in lines if "xxx" not in line) <= 100


# Presets and files.


def test_presets_load():
    assert presets() == [
        "char-rnn",
        "default",
        "gru",
        "half-hour",
        "min-char-rnn",
        "ten-minutes",
        "tiny",
        "wave",
        "wildml",
        "words",
    ]
    made = {name: build(parse(*find(name))) for name in presets()}
    assert len(set(made.values())) == len(made)
    assert made["min-char-rnn"].model.cell == "rnn"
    assert made["min-char-rnn"].train.steps == 100_000
    assert made["char-rnn"].train.epochs == 50
    assert made["tiny"].train.minutes < 1
    for name in ("words", "wildml"):
        assert (made[name].data.unit, made[name].data.vocab_size) == ("word", 8000)


@pytest.mark.parametrize("preset", ["char-rnn", "min-char-rnn"])
def test_presets_of_other_programs_leave_nothing_open(preset):
    config = build(parse(*find(preset)))
    assert resolve_auto(config, 1_000) == config == resolve_auto(config, 10**9)
    assert config.model.dropout == 0.0


def test_every_line_of_a_preset_with_a_number_gives_its_reason():
    for name in presets():
        data, _ = find(name)
        for line in data.decode().splitlines():
            if any(c in string.digits for c in line.partition("#")[0]):
                assert "#" in line, f"{name}: {line}"


def test_find_prefers_a_file_to_a_preset(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data, name = find("tiny")
    assert (b"hidden_size: 128" in data, name) == (True, "tiny.yaml")
    (tmp_path / "tiny").write_bytes(b"model:\n")
    assert find("tiny") == (b"model:\n", "tiny")
    (tmp_path / "gru").mkdir()
    assert find("gru")[1] == "gru.yaml"


@pytest.mark.posix
def test_find_says_what_is_wrong(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "gru").symlink_to("gru")
    known = "no such file or preset; presets: char-rnn, default, gru, half-hour, min-char-rnn, "
    known += "ten-minutes, tiny, wave, wildml, words"
    remedy = "give a YAML file or the name of a preset"
    for name, message in {
        "tny": "tny: no such file or preset; did you mean 'tiny'?",
        "": f"'': {known}",
        "tiny.yaml": f"tiny.yaml: no such file or folder; {remedy}",
        "./tiny": f"./tiny: no such file or folder; {remedy}",
        "folder": f"folder: is a folder; {remedy}",
        "gru": f"gru: {os.strerror(errno.ELOOP).lower()}; {remedy}",
        "a\0b": f"a\\x00b: embedded null byte; {remedy}",
        "a\nb/c": f"a\\nb/c: no such file or folder; {remedy}",
    }.items():
        with pytest.raises(ConfigError) as caught:
            find(name)
        assert str(caught.value) == message


@pytest.mark.posix
def test_find_reads_little_more_than_a_config_may_have():
    data, name = find("/dev/zero")
    with pytest.raises(ConfigError, match=r"^/dev/zero: larger than 64 KiB"):
        parse(data, name)


# Whatever the bytes: settings or a ConfigError.


def assert_presentable(error):
    lines = str(error).split("\n")
    for line in lines:
        assert line.isprintable()
        assert len(line) < 1000
        assert line.startswith("c.yaml:")


def answer(data):
    try:
        found = read(data)
    except ConfigError as error:
        assert_presentable(error)
    else:
        for name, value in found.items():
            assert SETTING_TYPES[name].check(value) == value


PIECES = [
    *(name.partition(".")[2] for name in SETTING_TYPES),
    *("model", "data", "train", "sample", "eval"),
    *(
        "&a ",
        "*a",
        "!!int ",
        "! ",
        "<<",
        "---\n",
        "...\n",
        "%YAML 1.1\n",
        "? ",
        "- ",
        ": ",
        "|",
        ">-\n",
    ),
    *(
        "[",
        "]",
        "{",
        "}",
        ",",
        "'",
        '"',
        "#",
        "\n",
        "\n  ",
        "\t",
        "\r",
        "\\",
        '"\\x',
        '"\\U',
        "~",
        "null",
    ),
    *("true", "no", "010", "1e-3", ".nan", "1e999", "9" * 5000, "\0", "\x85", "\u2028", "\ufeff"),
]

documents = st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=40).map(
    lambda pieces: "".join(pieces).encode("utf-8", "surrogatepass")
)


@st.composite
def mutants(draw):
    """A real config with a few slices replaced by pieces, bytes or other slices of it."""
    data = find(draw(st.sampled_from(["default", "char-rnn", "tiny"])))[0]
    for _ in range(draw(st.integers(1, 6))):
        start = draw(st.integers(0, len(data)))
        end = min(len(data), start + draw(st.integers(0, 60)))
        source = draw(st.integers(0, len(data)))
        insert = draw(
            st.sampled_from(PIECES).map(str.encode)
            | st.binary(max_size=4)
            | st.just(data[source : source + 80])
        )
        data = data[:start] + insert + data[end:]
    return data


SOURCES = {"bytes": st.binary(max_size=200), "documents": documents, "mutants": mutants()}
FUZZ = settings(database=None, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.mark.parametrize("source", SOURCES)
def test_fuzz(source):
    fuzz(source, 50)


def fuzz(source, count):
    settings(FUZZ, max_examples=count)(given(SOURCES[source])(answer))()


@pytest.mark.soak
@pytest.mark.parametrize("source", SOURCES)
def test_soak(source):
    fuzz(source, SOAK // len(SOURCES))
