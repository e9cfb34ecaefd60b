"""What is on a page -> HTML in one file.

Nothing in names or texts can become markup or code. They are on the page as JSON, without any
``<``, in an element that a browser does not run; the script shows them by ``textContent`` alone;
and the content security policy lets only the one script run that is in the page, and lets nothing
be loaded from anywhere.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import asdict
from html import escape
from pathlib import Path
from string import Template

from charrnn.report.content import Content

#: The files of the script, each after those that it imports from.
SCRIPTS = (
    "dom.js",
    "network.js",
    "choice.js",
    "ngram.js",
    "mixture.js",
    "chart.js",
    "text.js",
    "learning.js",
    "samples.js",
    "surprise.js",
    "units.js",
    "play.js",
    "main.js",
)
#: Seconds after which a browser reloads the page of a run that is still training.
RELOAD = 3

_FOLDER = Path(__file__).parent


def html(content: Content) -> str:
    """The page; equal content gives an equal page."""
    document = asdict(content)
    data = {name: document.pop(name) for name in ("weights", "ngrams")}
    script, style = joined_script(), _file("style.css")
    policy = (
        f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(style)}; "
        "base-uri 'none'; form-action 'none'"
    )
    training = content.progress is not None
    return Template(_file("template.html")).substitute(
        policy=escape(policy),
        reload=f'<meta http-equiv="refresh" content="{RELOAD}">' if training else "",
        title=escape(content.title),
        style=style,
        content=json.dumps(document, separators=(",", ":"), allow_nan=False).replace(
            "<", r"\u003c"
        ),
        data="\n".join(
            f'<script type="text/plain" id="{name}-{n}">{one}</script>'
            for name, each in data.items()
            for n, one in enumerate(each)
            if one
        ),
        script=script,
    )


def joined_script() -> str:
    """The files of the script as one module, without their imports and exports."""
    whole = "\n".join(map(_file, SCRIPTS))
    whole = re.sub(r"^import [^;]*;\n", "", whole, flags=re.MULTILINE)
    return re.sub(r"^export ", "", whole, flags=re.MULTILINE)


def _file(name: str) -> str:
    return (_FOLDER / name).read_text("utf-8")


def _hash(text: str) -> str:
    """The source of a content security policy that lets exactly this text run or apply."""
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"
