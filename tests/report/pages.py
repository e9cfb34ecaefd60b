"""Pages of small models, taken apart."""

import html
import json
import re
from dataclasses import dataclass

import numpy as np
from small import PARAGRAPH, model, trained

from charrnn.data.vocab import Vocab
from charrnn.model import CharRNN
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
    weights = [body for kind, body in scripts if kind == "text/plain"]
    return Page(
        html.unescape(policy), html.unescape(title), style, script, json.loads(content), weights
    )


def rounded(small: CharRNN) -> CharRNN:
    """The same model with the weights that the page has: those of float16."""
    params = small.network.params
    flat = params.flat.astype(np.float16).astype(np.float32)
    return CharRNN(small.config, small.vocab, Params(params.shapes, flat=flat))


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
    "model",
    "parts",
    "rounded",
]
