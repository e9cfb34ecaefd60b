"""A small trained model for the tests of the command line."""

import shutil
from pathlib import Path

import pytest
from shell import SMALL, TEXT, run


@pytest.fixture(scope="session")
def trained_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with corpus.txt and the model.npz that ``charrnn train`` made from it.

    Only for reading: all tests share it.
    """
    folder = tmp_path_factory.mktemp("trained")
    (folder / "corpus.txt").write_text(TEXT[:20_000], encoding="utf-8")
    result = run("train", "corpus.txt", "--steps", "150", *SMALL, cwd=folder)
    assert result.code == 0, result
    assert result.out == b""
    (folder / "train.err").write_text(result.err)
    return folder


@pytest.fixture
def folder(trained_folder: Path, tmp_path: Path) -> Path:
    """The test's own copy of the trained folder."""
    shutil.copytree(trained_folder, tmp_path, dirs_exist_ok=True)
    return tmp_path
