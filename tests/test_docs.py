"""The pages for users: their commands and their Python run, and their links lead somewhere."""

import logging
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from warm import commands

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
#: A model that takes a second to train.
SMALL = {
    "CHARRNN_MODEL_HIDDEN_SIZE": "24",
    "CHARRNN_TRAIN_BATCH_SIZE": "8",
    "CHARRNN_TRAIN_SEQ_LENGTH": "16",
    "CHARRNN_TRAIN_WORKERS": "1",
    "CHARRNN_TRAIN_STEPS": "30",
}
#: What git needs to commit on a machine where nobody has told it who they are.
GIT = {
    f"GIT_{who}_{what}": "a@b.c" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
}


def blocks(page: str, language: str) -> list[str]:
    """The code blocks of a page in one language."""
    found = blocks_of((ROOT / page).read_text("utf-8"), language)
    assert found
    return found


def blocks_of(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def sections(page: str) -> list[object]:
    """The parts of a page that have code, each from its heading on, and named after it."""
    parts = re.split(r"^## ", (ROOT / page).read_text("utf-8"), flags=re.MULTILINE)
    named = [(part.partition("\n")[0], part) for part in parts if "```sh\n" in part]
    return [pytest.param(part, id=name.replace(" ", "-")) for name, part in named]


def environment(**more: str) -> dict[str, str]:
    """The caller's, without what would change the program's settings or its help."""
    drop = ("CHARRNN", "_CHARRNN", "NO_COLOR", "COLUMNS", "LINES", "GIT_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(drop)}
    path = f"{BIN}{os.pathsep}{kept.get('PATH', '')}"
    return kept | {"PATH": path, "OPENBLAS_NUM_THREADS": "1"} | more


def bash(
    script: str, folder: Path, settings: dict[str, str] = SMALL
) -> subprocess.CompletedProcess[str]:
    """Run a script in which ``charrnn`` starts at once."""
    env = environment(**settings, **GIT)
    return subprocess.run(
        ["bash", "-c", script],
        cwd=folder,
        env=env | {"PATH": f"{commands()}{os.pathsep}{env['PATH']}"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=300,
        check=False,
    )


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A git repository with the files that the pages speak of, and models of two of them."""
    tmp_path = tmp_path_factory.mktemp("pages")
    fables = (ROOT / "corpora" / "fables.txt").read_text("utf-8")[:20_000]
    names = (ROOT / "corpora" / "names.txt").read_text("utf-8").splitlines()[:200]
    (tmp_path / "corpora").mkdir()
    (tmp_path / "corpora" / "fables.txt").write_text(fables, "utf-8")
    (tmp_path / "corpus.txt").write_text(fables[:10_000], "utf-8")
    (tmp_path / "names.txt").write_text("\n".join(names) + "\n", "utf-8")
    rows = [f"09:{i % 60:02} worker {i % 7} served /page/{i} in {i % 90} ms" for i in range(300)]
    (tmp_path / "yesterday.log").write_text("\n".join(rows) + "\n", "utf-8")
    (tmp_path / "today.log").write_text("\n".join([*rows[:50], "PANIC: out of Ω!"]) + "\n", "utf-8")
    _write_classes(tmp_path, names)
    (tmp_path / "photo.bin").write_bytes(bytes(range(256)) * 20)
    commits = "git init -q .\nfor i in $(seq 40); do\n"
    commits += 'git commit -q --allow-empty -m "fix part $i of the parser" || exit\ndone'
    models = "charrnn train corpus.txt\ncp model.npz all.npz\n"
    models += "charrnn train names.txt -o names.npz --set data.records=line"
    done = bash(f"{commits}\n{models}", tmp_path)
    assert done.returncode == 0, done.stderr
    return tmp_path


@pytest.fixture
def folder(prepared, tmp_path):
    """The test's own copy of the repository."""
    shutil.copytree(prepared, tmp_path, dirs_exist_ok=True)
    return tmp_path


def _write_classes(folder, names):
    """Texts of several kinds: jobs of a CI, languages, reviews, letters, verses."""
    for n in range(2):
        rows = [f"step {i}: compiled part_{i % 9}.c in {i % 30} ms" for i in range(150 + n)]
        (folder / f"passed-{n}.log").write_text("\n".join(rows) + "\n", "utf-8")
    rows.insert(70, "error: undefined symbol Ωmega in part_7.c")
    (folder / "failed.log").write_text("\n".join(rows) + "\n", "utf-8")
    languages = {
        "de": "der Fuchs und der Hund\n",
        "en": "the fox and the dog\n",
        "fr": "le renard et le chien\n",
    }
    for language, text in languages.items():
        (folder / f"{language}.txt").write_text(text * 20, "utf-8")
    (folder / "mixed.txt").write_text("the dog\nder Hund\nle chien\n", "utf-8")
    words = {"positive": "a fine, warm and funny film", "negative": "a dull, long and sad mess"}
    kinds = ["positive", "negative"] * 60
    rows = [f"{kind}\t{words[kind]} by {name}" for kind, name in zip(kinds, names, strict=False)]
    (folder / "reviews.tsv").write_text("\n".join(rows) + "\n", "utf-8")
    for author, text in {"ada": "My dear friend,\nall is well", "bob": "Sir!\nPay at once"}.items():
        letters = [f"{text}, {name}." for name in names[:60]]
        (folder / f"{author}.txt").write_text("\n\n".join(letters) + "\n", "utf-8")
        with (folder / "letters.txt").open("a", encoding="utf-8") as file:
            file.write(f"{text}, Zoe.\n\n")
    verses = [f"roses are red, {name}\nviolets are blue" for name in names[:80]]
    (folder / "verses.txt").write_text("\n\n".join(verses) + "\n", "utf-8")
    (folder / "other.txt").write_text("The fox and the crow met a goat.\n", "utf-8")


def few_steps(minutes: re.Match[str]) -> str:
    """More for more minutes, so that a run can be made longer."""
    return f"--steps {min(20, 1 + 4 * round(float(minutes[1])))}"


def few_samples(option: re.Match[str]) -> str:
    """One for each 25."""
    return f"--{option[1]} {-(-int(option[2]) // 25)}"


def check_commands(scripts: list[str], folder: Path) -> None:
    """Run blocks of commands one after the other, with shorter runs and fewer samples.

    Each block is to succeed, and to print something if it asks for text, scores or details.
    """
    parts = []
    for number, script in enumerate(scripts):
        short = re.sub(r"--minutes ([\d.]+)", few_steps, script)
        short = re.sub(r"--(lines|count) (\d+)", few_samples, short).replace("-n 2000", "-n 200")
        # Into a pipe go whole blocks, of 8,192 characters.
        short = short.replace("sample --forever", "sample --forever --line-buffered")
        # 141: `head` has seen enough, and what writes to it is told so.
        parts.append(
            f"(set -eu -o pipefail\n{short}\n) > {number}.out\ncode=$?\n"
            f'if [ $code != 0 ] && [ $code != 141 ]; then echo "block {number}: exit $code" >&2; '
            "exit 1; fi"
        )
    done = bash("\n".join(parts), folder)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    for number, script in enumerate(scripts):
        if (
            re.search(r"charrnn (--no-color )?(sample|eval|info|classify)", script)
            and "awk" not in script
        ):
            assert (folder / f"{number}.out").stat().st_size, script


@pytest.mark.posix
@pytest.mark.skipif(not shutil.which("git"), reason="git is not installed")
def test_the_commands_of_the_readme_run(folder):
    for path in folder.glob("*.npz"):
        path.unlink()
    check_commands(blocks("README.md", "sh"), folder)


@pytest.mark.posix
@pytest.mark.skipif(not shutil.which("git"), reason="git is not installed")
@pytest.mark.parametrize("section", sections("docs/recipes.md"))
def test_the_recipes_run(section, folder):
    for name in re.findall(r"-o ([a-z]+\.npz)", section):
        (folder / name).unlink(missing_ok=True)
    check_commands(blocks_of(section, "sh"), folder)


@pytest.mark.posix
def test_scoring_in_parallel_keeps_the_order(folder):
    (section,) = (part.values[0] for part in sections("docs/recipes.md") if "xargs -P" in str(part))
    done = bash("charrnn eval --lines today.log", folder)
    expected = [line.split("\t") for line in done.stdout.splitlines()]
    assert len(expected) == 51
    (script,) = blocks_of(section, "sh")
    done = bash(script.replace("| sort -rn | head -n 20", ""), folder)
    found = [line.split("\t") for line in done.stdout.splitlines()]
    assert [row[1:] for row in found] == [row[1:] for row in expected], done.stderr
    bits = [[float(row[0]) for row in rows] for rows in (found, expected)]
    assert bits[0] == pytest.approx(bits[1], rel=1e-3)


def test_no_recipe_is_missed():
    found = [
        block
        for section in sections("docs/recipes.md")
        for block in blocks_of(section.values[0], "sh")
    ]
    assert found == blocks("docs/recipes.md", "sh")
    assert len(found) >= 41


@pytest.mark.posix
@pytest.mark.parametrize("page", ["docs/inside.md", "docs/lesson.md", "docs/words.md"])
def test_the_commands_of_a_page_run(page, folder):
    check_commands(blocks(page, "sh"), folder)


@pytest.mark.posix
def test_the_wave_is_continued_in_phase(tmp_path):
    (script,) = blocks("docs/wave.md", "sh")
    fewer = script.replace("-c wave", "-c wave --steps 100")
    assert fewer != script
    done = bash(fewer, tmp_path, settings={})
    assert done.returncode == 0, done.stderr
    error = re.fullmatch(r"RMS error: ([\d.]+)\n", done.stdout)
    assert error, done.stdout
    # Rounding alone makes 0.022, a flat line 0.71. With any seed, 100 steps reach 0.05.
    assert 0.02 < float(error[1]) < 0.15
    assert len((tmp_path / "continued.txt").read_text()) == 300


@pytest.fixture
def root_logger():
    """Restores what a page's ``logging.basicConfig`` changes."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.mark.usefixtures("root_logger")
@pytest.mark.parametrize(
    ("page", "file"),
    [
        ("README.md", "fables.npz"),
        ("docs/python.md", "fables.npz"),
        ("docs/inside.md", "fables.html"),
    ],
)
def test_the_python_of_a_page_runs(page, file, tmp_path, monkeypatch, capsys):
    (tmp_path / "corpora").mkdir()
    fables = (ROOT / "corpora" / "fables.txt").read_text("utf-8")[:20_000]
    (tmp_path / "corpora" / "fables.txt").write_text(fables, "utf-8")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in blocks(page, "python"):
        code = compile(quicker(block), page, "exec")
        if "matplotlib" not in block:  # which is no dependency
            exec(code, names)
    out = capsys.readouterr().out
    assert out
    if page == "docs/inside.md":  # ends with a gradient check
        assert 0.0 < float(out.splitlines()[-1]) < 1e-7
    assert file in {path.name for path in tmp_path.iterdir()}


def quicker(code: str) -> str:
    """Python of a page with smaller models and less training."""
    code = re.sub(r"minutes=[\d.]+", "steps=10", code)
    code = code.replace("dynamic_evaluate(text)", "dynamic_evaluate(text[:2000])")
    code = re.sub(r"hidden_size(\"?[=:] ?)\d\d+", r"hidden_size\g<1>16", code)
    return re.sub(r'"steps": (\d+)', lambda match: f'"steps": {int(match[1]) // 10}', code)


PAGES = sorted(
    str(path.relative_to(ROOT))
    for folder in (".", "docs", "docs/design", "benchmarks", "corpora")
    for path in (ROOT / folder).glob("*.md")
)


@pytest.mark.parametrize("page", PAGES)
def test_internal_links_lead_somewhere(page):
    text = (ROOT / page).read_text("utf-8")
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        path = (ROOT / page).parent / name if name else ROOT / page
        assert path.exists(), target
        if anchor:
            assert anchor in anchors(path.read_text("utf-8")), target


def anchors(text: str) -> set[str]:
    """The anchors that GitHub gives the headings of a page."""
    titles = re.findall(r"^#+ (.*)$", re.sub(r"```.*?```", "", text, flags=re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_a_link_to_nowhere_is_found():
    assert anchors("# One\n## Two, three `four`\n```\n# no\n```\n") == {"one", "two-three-four"}
    assert {"README.md", "docs/recipes.md", "corpora/README.md"} <= set(PAGES)
