"""Pages of small models, taken apart."""

import base64
import html
import json
import re
import zlib
from dataclasses import dataclass

import numpy as np
from small import PARAGRAPH, model, trained

from charrnn.data.vocab import Vocab
from charrnn.mixing import Mixture
from charrnn.model import CharRNN
from charrnn.ngram import NGram, count
from charrnn.nn.params import Params

#: What a name or a text could contain to become markup or code.
HOSTILE = (
    "</script><script>document.title='bad'</script><!--<img src=x onerror=alert(1)>"
    "\"'`${1}\\u003c&lt;\u202e\u2066\u2028\x00\x1b[31m\x7f]]>{{7*7}}%s\ud800"
)


@dataclass
class Page:
    """The parts of a page."""

    policy: str
    title: str
    style: str
    script: str
    content: dict
    weights: list[str]
    ngrams: dict[int, str]

    @property
    def model(self) -> dict:
        return self.content["models"][0]


def parts(page: str) -> Page:
    """Take a page apart, as a browser would."""
    scripts = re.findall(r"<script type=\"([\w/]+)\"[^>]*>(.*?)</script>", page, re.DOTALL)
    assert page.count("<script") == page.count("</script>") == len(scripts)
    (content,) = (body for kind, body in scripts if kind == "application/json")
    (script,) = (body for kind, body in scripts if kind == "module")
    (style,) = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    (title,) = re.findall(r"<title>(.*?)</title>", page, re.DOTALL)
    (policy,) = re.findall(r'Content-Security-Policy" content="(.*?)"', page)
    data = re.findall(r"<script type=\"text/plain\" id=\"(\w+)-(\d+)\">(.*?)</script>", page)
    assert len(data) == sum(kind == "text/plain" for kind, _ in scripts)
    weights = [body for name, _, body in data if name == "weights"]
    ngrams = {int(number): body for name, number, body in data if name == "ngrams"}
    return Page(
        html.unescape(policy),
        html.unescape(title),
        style,
        script,
        json.loads(content),
        weights,
        ngrams,
    )


def unpacked(weights: str) -> np.ndarray:
    """The numbers of weights on a page."""
    data = np.frombuffer(zlib.decompress(base64.b64decode(weights)), np.uint8)
    return data.reshape(2, -1).T.copy().view("<f2").ravel().astype(np.float32)


def rounded(small: CharRNN) -> CharRNN:
    """The same model with the weights that the page has: those of float16."""
    params = small.network.params
    flat = params.flat.astype(np.float16).astype(np.float32)
    return CharRNN(
        small.config, small.vocab, Params(params.shapes, flat=flat), mixture=small.mixture
    )


def mixed(small: CharRNN, weight: float, order: int = 5, text: str = PARAGRAPH) -> CharRNN:
    """The same model, mixed with the n-grams of a text."""
    start = small.vocab.start
    ids = small.vocab.encode(text)
    counts = count(ids, len(small.vocab), order, start, of_records=small.of_records)
    ngram = NGram(counts, start if small.of_records else None)
    small.mixture = Mixture(ngram, weight, start)
    return small


def learned(**changes) -> CharRNN:
    """A trained model of a paragraph that knows its history."""
    return trained(**changes).model


def hostile_model() -> CharRNN:
    """A model whose name and symbols are hostile."""
    hostile = model(text="".join(sorted(set(HOSTILE + "\nab "))))
    hostile.name = HOSTILE
    return hostile


__all__ = [
    "HOSTILE",
    "PARAGRAPH",
    "Page",
    "Vocab",
    "hostile_model",
    "learned",
    "mixed",
    "model",
    "parts",
    "rounded",
    "unpacked",
]
