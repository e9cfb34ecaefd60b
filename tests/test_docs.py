"""The pages in docs/: every recipe is run."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
DOCS = ROOT / "docs"
RECIPES = re.findall(r"```sh\n(.*?)```", (DOCS / "recipes.md").read_text("utf-8"), re.DOTALL)
#: A model that takes a second to train.
SMALL = {
    "CHARRNN_MODEL_HIDDEN_SIZE": "24",
    "CHARRNN_TRAIN_BATCH_SIZE": "8",
    "CHARRNN_TRAIN_SEQ_LENGTH": "16",
    "CHARRNN_TRAIN_WORKERS": "1",
    "CHARRNN_TRAIN_STEPS": "60",
}
#: What git needs to commit on a machine where nobody has told it who they are.
GIT = {
    f"GIT_{who}_{what}": "a@b.c" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
}


def environment(**more: str) -> dict[str, str]:
    """The caller's, without what would change the program's settings or its help."""
    drop = ("CHARRNN", "_CHARRNN", "NO_COLOR", "COLUMNS", "LINES", "GIT_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(drop)}
    path = f"{BIN}{os.pathsep}{kept.get('PATH', '')}"
    return kept | {"PATH": path, "OPENBLAS_NUM_THREADS": "1"} | more


def bash(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", f"set -eu -o pipefail\n{script}"],
        cwd=folder,
        env=environment(**SMALL, **GIT),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=120,
        check=False,
    )


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A git repository with the files that the recipes speak of, and a trained model.npz."""
    folder = tmp_path_factory.mktemp("recipes")
    fables = (ROOT / "corpora" / "fables.txt").read_text("utf-8")[:20_000]
    names = (ROOT / "corpora" / "names.txt").read_text("utf-8").splitlines()[:400]
    (folder / "corpus.txt").write_text(fables, "utf-8")
    (folder / "names.txt").write_text("\n".join(names) + "\n", "utf-8")
    rows = [f"09:{i % 60:02} worker {i % 7} served /page/{i} in {i % 90} ms" for i in range(300)]
    (folder / "yesterday.log").write_text("\n".join(rows) + "\n", "utf-8")
    (folder / "today.log").write_text("\n".join([*rows[:50], "PANIC: out of Ω!"]) + "\n", "utf-8")
    (folder / "photo.bin").write_bytes(bytes(range(256)) * 20)
    commits = "git init -q .\nfor i in $(seq 40); do\n"
    commits += 'git commit -q --allow-empty -m "mend part $i of the parser"\ndone'
    done = bash(f"{commits}\ncharrnn train corpus.txt", folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.skipif(not shutil.which("git"), reason="git is not installed")
@pytest.mark.parametrize("recipe", RECIPES, ids=[r.strip().splitlines()[-1][:50] for r in RECIPES])
def test_recipe(prepared, tmp_path, recipe):
    folder = tmp_path / "here"
    shutil.copytree(prepared, folder)
    # A second of training instead of minutes; the rest is run as it is written.
    done = bash(re.sub(r"--minutes [\d.]+", "--minutes 0.02", recipe), folder)
    # 141: `head` has seen enough, and what writes to it is told so.
    assert done.returncode in (0, 141), done.stderr
    assert "Traceback" not in done.stderr
    if re.search(r"charrnn (sample|eval|info)", recipe) and "awk" not in recipe:
        assert done.stdout


def test_there_are_recipes():
    assert len(RECIPES) >= 12
