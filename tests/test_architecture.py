"""Imports run one way: the table of rooms, held by reading every import in the source."""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = "charrnn"
ROOT = Path(__file__).parents[1] / PACKAGE

# Each room may import from its own floor and from those above it in this list. A room is
# a module or a folder with all that is in it; "" is charrnn/__init__.py.
FLOORS = [
    ["_version", "errors", "threads", "nn.functional", "nn.params", "nn.optim"],
    ["nn.cells", "nn.layers", "vocab", "config"],
    ["nn.network", "corpus", "configfile", "world", "processes"],
    ["nn.reading", "sampling", "evaluation", "checkpoint", "baselines", "overlap", "scale"],
    ["scoring", "dynamic"],
    ["records"],
    ["model", "memory"],
    ["workers", "resume", "trainer"],
    ["cli", "", "__main__"],
]
ROOMS = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
ROOMS["nn"] = 0  # nn/__init__.py, which holds a docstring only
TERMINAL = {"click", "tqdm"}


def modules(root: Path) -> dict[str, Path]:
    """Name within the package ("nn.cells.gru", "" for the package itself) -> file."""
    found = {}
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def room_of(name: str) -> str | None:
    """The room that a module lies in: the longest of the names it begins with."""
    fitting = [r for r in ROOMS if name == r or (r not in ("", "nn") and name.startswith(f"{r}."))]
    return max(fitting, key=len, default=None)


def imports(name: str, path: Path, known: dict[str, Path]) -> Iterator[str]:
    """Full names of the modules imported anywhere in the file, inside functions too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                inside = [PACKAGE, *name.split(".")] if name else [PACKAGE]
                up = node.level - (path.name == "__init__.py")
                base = ".".join([*inside[: len(inside) - up], *([base] if base else [])])
            for alias in node.names:  # a name may be a module of the package or something in it
                full = f"{base}.{alias.name}"
                yield full if full.removeprefix(f"{PACKAGE}.") in known else base


def own(full: str) -> str | None:
    """The name within the package, or None for a module from elsewhere."""
    if full == PACKAGE:
        return ""
    return full.removeprefix(f"{PACKAGE}.") if full.startswith(f"{PACKAGE}.") else None


def complaints(root: Path) -> list[str]:
    """A line for each thing in the package at ``root`` that breaks the table."""
    known, found = modules(root), []
    graph: dict[str, list[str]] = {}
    for name, path in known.items():
        where, room = path.relative_to(root.parent).as_posix(), room_of(name)
        if room is None:
            found.append(f"{where} has no place: put it on a floor in {Path(__file__).name}")
            continue
        graph[name] = []
        for full in imports(name, path, known):
            target, top = own(full), full.partition(".")[0]
            if target is None:
                if top in TERMINAL and room != "cli":
                    found.append(f"{where} imports {top}: only cli/ knows a terminal")
                if f"{name}.".startswith("nn.") and top not in {"numpy", *sys.stdlib_module_names}:
                    found.append(f"{where} imports {top}: nn/ needs nothing but NumPy")
                continue
            graph[name].append(target)
            above = room_of(target)
            if above is not None and ROOMS[above] > ROOMS[room]:
                found.append(f"{where} imports {full}, which lies higher")
            if f"{name}.".startswith("nn.") and not f"{target}.".startswith("nn."):
                found.append(f"{where} imports {full}: nn/ knows nothing outside itself")
        if room != "cli":
            found += [f"{where}:{line} prints: only cli/ may" for line in prints(path)]
            found += [f"{where}:{line} names an option of the command line" for line in flags(path)]
    return found + [f"a circle: {' -> '.join(circle)}" for circle in circles(graph)]


def prints(path: Path) -> Iterator[int]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and getattr(node.func, "id", None) == "print":
            yield node.lineno


def flags(path: Path) -> Iterator[int]:
    """Lines of the strings in a file that name an option, such as --force."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        text = node.value if isinstance(node, ast.Constant) else None
        if isinstance(text, str) and re.search(r"(^|[\s`(])--[a-z]|with -[a-z]\b", text):
            yield node.lineno


def circles(graph: dict[str, list[str]]) -> Iterator[list[str]]:
    """Each way back to a module that is still being followed."""
    done: set[str] = set()

    def follow(name: str, trail: list[str]) -> Iterator[list[str]]:
        if name in trail:
            yield [*trail[trail.index(name) :], name]
        elif name not in done:
            for target in graph.get(name, ()):
                yield from follow(target, [*trail, name])
            done.add(name)

    for name in graph:
        yield from follow(name, [])


def test_the_package_keeps_to_the_table():
    found = complaints(ROOT)
    assert not found, "\n" + "\n".join(found)


def test_the_package_is_found():
    assert {"", "nn.network", "nn.cells.lstm"} <= set(modules(ROOT))


@pytest.mark.parametrize(
    ("files", "complaint"),
    [
        ({"vocab.py": "import charrnn.trainer", "trainer.py": ""}, "charrnn/vocab.py imports"),
        ({"vocab.py": "from charrnn import model", "model.py": ""}, "which lies higher"),
        ({"vocab.py": "from . import model", "model.py": ""}, "which lies higher"),
        ({"vocab.py": "from charrnn import load"}, "charrnn/vocab.py imports charrnn, which"),
        ({"nn/cells/gru.py": "from ..network import x", "nn/network.py": ""}, "lies higher"),
        ({"model.py": "def f():\n    from charrnn.cli import x", "cli/a.py": ""}, "lies higher"),
        ({"nn/layers.py": "import charrnn.errors", "errors.py": ""}, "nn/ knows nothing outside"),
        ({"nn/layers.py": "import scipy.special"}, "imports scipy: nn/ needs nothing but NumPy"),
        ({"trainer.py": "import tqdm.auto"}, "charrnn/trainer.py imports tqdm: only cli/"),
        ({"__init__.py": "from click import echo"}, "charrnn/__init__.py imports click"),
        ({"model.py": "x = 1\nprint(x)"}, "charrnn/model.py:2 prints"),
        ({"model.py": "x = 1\nf'{x}; use --force'"}, "charrnn/model.py:2 names an option"),
        ({"model.py": "'choose another with -o'"}, "charrnn/model.py:1 names an option"),
        ({"attic.py": ""}, "charrnn/attic.py has no place: put it on a floor in test_architec"),
        ({"nn/attic.py": ""}, "charrnn/nn/attic.py has no place"),
        (
            {"workers.py": "import charrnn.trainer", "trainer.py": "from charrnn.workers import x"},
            "a circle: trainer -> workers -> trainer",
        ),
    ],
)
def test_what_breaks_the_table_is_named(tmp_path, files, complaint):
    for name, source in files.items():
        path = tmp_path / PACKAGE / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
    (found,) = complaints(tmp_path / PACKAGE)
    assert complaint in found


def test_what_the_table_allows_passes(tmp_path):
    allowed = {
        "__init__.py": "from charrnn.model import x",
        "cli/__init__.py": "import click, tqdm\nprint(1)",
        "cli/train.py": "import charrnn\nfrom charrnn.cli import show",
        "cli/show.py": "from charrnn.trainer import x",
        "trainer.py": "from charrnn import workers",
        "workers.py": "from charrnn.nn import network\nfrom .model import x",
        "model.py": "import json, numpy",
        "nn/__init__.py": "",
        "nn/network.py": "import math\nimport numpy.linalg\nfrom charrnn.nn.cells import CELLS",
        "nn/cells/__init__.py": "from .gru import GRU",
        "nn/cells/gru.py": "from ..params import Array",
        "nn/params.py": "",
    }
    for name, source in allowed.items():
        path = tmp_path / PACKAGE / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
    assert complaints(tmp_path / PACKAGE) == []
