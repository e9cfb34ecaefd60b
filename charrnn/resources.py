"""Files that come with charrnn: the presets, and the text of the demo."""

from __future__ import annotations

from pathlib import Path


def folder(name: str) -> Path:
    """The folder ``configs`` or ``corpora``: in the installed package, or beside it in a checkout.

    They are at the top of the repository, where people look for them; setup.cfg installs them.
    """
    package = Path(__file__).parent
    installed = package / name
    return installed if installed.is_dir() else package.parent / name
