"""What `lint-imports` cannot see: below the command line nothing names its options."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import charrnn

ROOT = Path(charrnn.__file__).parent


def options_named(source: str) -> Iterator[str]:
    """The strings of a module, docstrings included, that name an option such as --force."""
    for node in ast.walk(ast.parse(source)):
        text = node.value if isinstance(node, ast.Constant) else None
        if isinstance(text, str) and re.search(r"(^|[\s`(])--[a-z]|with -[a-z]\b", text):
            yield text


def test_options_are_named_by_the_command_line_alone():
    modules = [path for path in ROOT.rglob("*.py") if "cli" not in path.parts]
    assert len(modules) > 30
    found = {path.name: list(options_named(path.read_text("utf-8"))) for path in modules}
    assert not {name: texts for name, texts in found.items() if texts}


def test_an_option_is_seen():
    assert list(options_named("f'{x}; use --force'")) == ["; use --force"]
    assert list(options_named("'choose another with -o'")) == ["choose another with -o"]
    assert list(options_named("'a - b -- c, x-y'")) == []
