"""What must be quick, and completion in real shells."""

import os
import shlex
import shutil
import statistics
import subprocess
import sys

import pytest
from shell import BIN, Terminal, environment, run, shell

HEAVY = {"numpy", "yaml", "tqdm", "hypothesis"}


@pytest.mark.parametrize(
    ("args", "env"),
    [
        (["--help"], {}),
        (["--version"], {}),
        (["train", "--help"], {}),
        (["completion", "zsh"], {}),
        ([], {"_CHARRNN_COMPLETE": "charrnn train --un"}),
    ],
)
def test_nothing_heavy_is_imported(tmp_path, args, env):
    script = (
        "import sys, charrnn.cli\n"
        f"sys.argv = ['charrnn', *{args!r}]\n"
        "try: charrnn.cli.main()\n"
        "finally: print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, env=environment(**env), check=True
    )
    assert done.stdout
    assert not HEAVY & set(done.stderr.decode().split())


def test_ctrl_c_is_seen_to_before_anything_is_imported_that_takes_time():
    script = (
        "import sys; before = {*sys.modules}; import charrnn.cli; print({*sys.modules} - before)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    loaded = eval(done.stdout)
    assert {"charrnn", "charrnn.cli", "charrnn.cli.signals"} <= loaded
    assert not loaded & {"click", "dataclasses", "charrnn.config", "charrnn.cli.main"}


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


SHELLS = {
    "bash": (["bash", "--norc", "--noprofile", "-i"], 'eval "$(charrnn completion bash)"'),
    "zsh": (
        ["zsh", "-f", "-i"],
        'autoload -Uz compinit; compinit -u -D; eval "$(charrnn completion zsh)"',
    ),
    "fish": (["fish", "--no-config", "-i"], "charrnn completion fish | source"),
}
# What is typed, and the words that the shell then has.
TYPED = [
    ("charrnn sa\t", "charrnn sample"),
    ("charrnn train --min\t5", "charrnn train --minutes 5"),
    ("charrnn train -c min\t", "charrnn train -c min-char-rnn"),
    ("charrnn train --unit by\t", "charrnn train --unit byte"),
    ("charrnn train --unit=by\t", "charrnn train --unit=byte"),
    ("charrnn train --set train.learn\t0.3", "charrnn train --set train.learning_rate=0.3"),
    ("charrnn train --set train.optimizer=rm\t", "charrnn train --set train.optimizer=rmsprop"),
    ("charrnn train --set=train.optimizer=rm\t", "charrnn train --set=train.optimizer=rmsprop"),
    ("charrnn sample --unk\tsk\t", "charrnn sample --unknown skip"),
    ("charrnn train my\\ t\t", "charrnn train my\\ text.txt"),
    ("charrnn train -c my.y\t", "charrnn train -c my.yaml"),
    ("charrnn train --output=my.y\t", "charrnn train --output=my.yaml"),
    ("charrnn eval nothing-like-that\t", "charrnn eval nothing-like-that"),
    ("charrnn nope --un\t", "charrnn nope --un"),
]


def test_bash_may_have_other_word_breaks(tmp_path):
    ask = 'eval "$(charrnn completion bash)"; COMP_LINE="charrnn train --unit=by"; COMP_POINT=23\n'
    for breaks, offered in (("=", "byte"), (" ", "--unit=byte")):
        asked = f"{ask}COMP_WORDBREAKS='{breaks}'; _charrnn_completion; echo ${{COMPREPLY[@]}}"
        assert shell(asked, tmp_path).out.decode() == f"{offered}\n"


@pytest.mark.parametrize("name", SHELLS)
def test_a_tab_in_the_real_shell_completes(tmp_path, name):
    if not shutil.which(name):
        pytest.skip(f"{name} is not installed")
    (tmp_path / "my text.txt").touch()
    (tmp_path / "my.yaml").touch()
    command, setup = SHELLS[name]
    home = {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path)}
    terminal = Terminal(*command[1:], cwd=tmp_path, program=command[0], **home)
    terminal.type(f"{setup}; echo RE''ADY\r".encode())
    terminal.wait_for(b"READY")
    for i, (keys, _) in enumerate(TYPED):
        # Ctrl-A and Ctrl-E: the completed line becomes words for printf, and is not run.
        terminal.type(f"{keys}\x01printf '<%s>' \x05; echo E''ND{i}.\r".encode())
        terminal.wait_for(f"END{i}.".encode())
    terminal.type(b"exit\r")
    shown = terminal.finish()[1].decode()
    for i, (_, line) in enumerate(TYPED):
        words = "".join(f"<{word}>" for word in shlex.split(line))
        assert f"{words}END{i}." in shown


def test_python_m_is_the_same_program(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "charrnn", "--version"], capture_output=True, check=True
    )
    assert done.stdout == run("--version", cwd=tmp_path).out
