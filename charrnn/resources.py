"""Files that come with charrnn: the presets, and the text of the demo."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).parent


def folder(name: str, package: Path = _PACKAGE) -> Path:
    """The folder ``configs`` or ``corpora``: inside the installed package, else beside it.

    Both are at the top of the repository, where people look for them; installing copies
    them into the package.
    """
    installed = package / name
    return installed if installed.is_dir() else package.parent / name
