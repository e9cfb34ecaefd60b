"""Classes by Bayes' rule, and reports on how well that works."""

import math

import numpy as np
import pytest
from small import model, trained

from charrnn.classification import BATCH, Classifier, Report
from charrnn.errors import ConfigError

TEXTS = ["abc\n"[:n] * 2 for n in (1, 2, 3)] + ["abcabc", "", "cab", "aΩ"]


@pytest.fixture(scope="module")
def models():
    return {name: model("abc\n", seed=n) for n, name in enumerate(("x", "y", "z"))}


def test_the_label_is_that_of_bayes_rule(models) -> None:
    priors = {"x": 1.0, "y": 4.0, "z": 0.5}
    found = list(Classifier(models, priors).classify(TEXTS))
    assert len(found) == len(TEXTS)
    for text, c in zip(TEXTS, found, strict=True):
        scores = {name: next(m.score_lines([text], "score")).nats for name, m in models.items()}
        joint = {name: priors[name] * math.exp(-nats) for name, nats in scores.items()}
        ranked = sorted(joint, key=joint.__getitem__, reverse=True)
        assert (c.label, c.runner_up) == (ranked[0], ranked[1])
        total = sum(joint.values())
        assert c.probabilities == pytest.approx({k: p / total for k, p in joint.items()}, rel=1e-4)
        assert c.log_odds == pytest.approx(math.log(joint[c.label] / joint[c.runner_up]), abs=1e-4)
        length = len(text)
        bits = c.log_odds / math.log(2) / length if length else 0.0
        assert c.bits_per_char == pytest.approx(bits)
        assert c.confidence == max(c.probabilities.values())


def test_priors_are_equal_unless_they_are_given(models) -> None:
    assert [c.label for c in Classifier(models).classify([""])] == ["x"]  # the first of equals
    assert [c.label for c in Classifier(models, {"z": 2}).classify([""])] == ["z"]
    (found,) = Classifier(models, {"z": 2}).classify([""])
    assert found.probabilities == pytest.approx({"x": 0.25, "y": 0.25, "z": 0.5})


def test_many_texts_keep_their_order(models) -> None:
    texts = ["abc"[n % 3] * (n % 5) for n in range(BATCH + 10)]
    classifier = Classifier(models)
    found = [c.label for c in classifier.classify(iter(texts))]
    assert found[-10:] == [c.label for c in classifier.classify(texts[-10:])]
    assert len(found) == len(texts)


def test_models_of_different_languages_tell_them_apart() -> None:
    changes = {"steps": 150, "learning_rate": 0.1, "eval_every": 50}
    x = trained("the fox and the dog\n" * 30, **changes).model
    y = trained("le renard et le chien\n" * 30, **changes).model
    classifier = Classifier({"en": x, "fr": y})
    labelled = [("en", "the dog"), ("fr", "le chien"), ("en", "and the fox"), ("fr", "the dog")]
    report = classifier.report(labelled)
    assert report.confusion.tolist() == [[2, 0], [1, 1]]
    assert (report.count, report.accuracy) == (4, 0.75)
    assert report.nats > -math.log(0.5)  # it was sure of what is wrong


def test_only_priors_classify_a_record_of_which_nothing_is_known() -> None:
    classes = {"a": model("ab\n", records="line"), "b": model("ab\n", seed=1, records="line")}
    shares = {"a": pytest.approx(0.75), "b": pytest.approx(0.25)}
    for text, characters in (("", 0), ("ΩΩ", 2)):
        (found,) = Classifier(classes, priors={"a": 3}).classify([text])
        assert found.scores["a"].characters == characters
        assert found.probabilities == shares


def test_a_report_compares_confidence_and_accuracy() -> None:
    confidences = np.array([0.55, 0.59, 0.95, 1.0, 1.0])
    right = np.array([True, False, True, True, False])
    report = Report(["a", "b"], np.zeros((2, 2), np.int64), confidences, right, 0.0)
    low, high = report.calibration
    assert (low.low, low.high, low.count, low.accuracy) == (0.5, 0.6, 2, 0.5)
    assert (high.low, high.high, high.count) == (0.9, 1.0, 3)
    assert high.accuracy == pytest.approx(2 / 3)
    assert low.confidence == pytest.approx(0.57)
    wanted = (2 * 0.07 + 3 * (2.95 / 3 - 2 / 3)) / 5
    assert report.calibration_error == pytest.approx(wanted)
    empty = Classifier({"a": model("ab"), "b": model("ab")}).report([])
    assert (empty.count, empty.accuracy, empty.calibration_error) == (0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("classes", "priors", "message"),
    [
        ({"a": model("ab\n")}, {}, "there must be at least two"),
        ({"a": model("ab\n"), "b": model(unit="byte")}, {}, "differ in data.unit or data.records"),
        ({"a": model("ab\n"), "b": model("ab\n", records="line")}, {}, "differ in data.unit or"),
        ({"a": model("ab\n"), "b": model("ab\n")}, {"c": 1.0}, "there is no class 'c'; give a or"),
        ({"a": model("ab\n"), "b": model("ab\n")}, {"b": 0.0}, "must be a number above 0, not 0.0"),
        ({"a": model("ab\n"), "b": model("ab\n")}, {"b": math.nan}, "above 0, not nan"),
    ],
)
def test_what_cannot_be_compared_is_refused(classes, priors, message) -> None:
    with pytest.raises(ConfigError) as caught:
        Classifier(classes, priors)
    assert message in str(caught.value)
