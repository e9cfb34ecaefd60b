"""What must be quick, and completion in real shells."""

import os
import shutil
import statistics
import subprocess
import sys

import pytest
from shell import BIN, environment, run, shell

HEAVY = {"numpy", "yaml", "tqdm", "hypothesis"}


@pytest.mark.parametrize(
    "args", [["--help"], ["--version"], ["train", "--help"], ["completion", "zsh"]]
)
def test_nothing_heavy_is_imported(tmp_path, args):
    script = (
        "import sys, charrnn.cli\n"
        f"sys.argv = ['charrnn', *{args!r}]\n"
        "try: charrnn.cli.main()\n"
        "finally: print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, env=environment(), check=True
    )
    assert not HEAVY & set(done.stderr.decode().split())


def test_help_starts_at_once(tmp_path):
    def seconds(command):
        """Of processor time: the tests share the machine, and its clock says little."""
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment())
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0
        return usage.ru_utime + usage.ru_stime

    bare, ours = [], []
    for _ in range(20):  # in turns
        bare.append(seconds([sys.executable, "-c", "pass"]))
        ours.append(seconds([BIN / "charrnn", "--help"]))
    assert statistics.median(ours) - statistics.median(bare) < 0.1


def completed(folder, *words):
    """What bash is offered for the last of the words."""
    line = " ".join(words)
    script = (
        'eval "$(charrnn completion bash)"\n'
        f"COMP_WORDS=({line}{' ' + repr('') if words[-1] == '' else ''})\n"
        "COMP_CWORD=$((${#COMP_WORDS[@]} - 1))\n"
        "compopt() { :; }\n"
        "_charrnn_completion charrnn\n"
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )
    result = shell(script, folder)
    assert result.err == "", result
    return result.out.decode().split()


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (("charrnn", "sa"), ["sample"]),
        (("charrnn", "train", "--min"), ["--minutes"]),
        (("charrnn", "train", "-c", "min"), ["min-char-rnn"]),
        (("charrnn", "train", "--unit", "by"), ["byte"]),
        (("charrnn", "sample", "--unknown", "s"), ["skip"]),
        (("charrnn", "train", "--set", "train.learn"), ["train.learning_rate="]),
    ],
)
def test_bash_completes(tmp_path, words, offered):
    assert completed(tmp_path, *words) == offered


@pytest.mark.skipif(not shutil.which("fish"), reason="fish is not installed")
def test_fish_completes(tmp_path):
    script = 'charrnn completion fish | source; complete -C "charrnn train -c min"'
    done = subprocess.run(
        ["fish", "-c", script],
        cwd=tmp_path,
        env=environment(HOME=str(tmp_path)),
        capture_output=True,
        check=True,
    )
    assert done.stdout.decode().split() == ["min-char-rnn"]


@pytest.mark.skipif(not shutil.which("zsh"), reason="zsh is not installed")
def test_zsh_takes_the_script(tmp_path):
    script = (
        "autoload -Uz compinit; compinit -u -D\n"
        'eval "$(charrnn completion zsh)"\n'
        "print ${_comps[charrnn]}"
    )
    done = subprocess.run(
        ["zsh", "-f", "-c", script],
        cwd=tmp_path,
        env=environment(HOME=str(tmp_path)),
        capture_output=True,
        check=True,
    )
    assert (done.stdout.decode().strip(), done.stderr) == ("_charrnn_completion", b"")


def test_python_m_is_the_same_program(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "charrnn", "--version"], capture_output=True, check=True
    )
    assert done.stdout == run("--version", cwd=tmp_path).out
