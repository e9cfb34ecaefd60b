"""The cost of starting the program, and completion in real shells."""

import shlex
import shutil
import subprocess
import sys

import pytest
from shell import PIPES, Terminal, environment, limited, run_process, shell, warm, with_program

#: Modules that take long to import, and that no help needs.
HEAVY = {"numpy", "yaml", "tqdm", "hypothesis", "difflib", "subprocess", "multiprocessing"}
HEAVY |= {"asyncio", "concurrent.futures", "ctypes", "email", "tempfile", "unittest"}
if sys.version_info < (3, 11):
    HEAVY -= {"subprocess"}  # click imports uuid, and that imports it there
#: Prints what a start costs: the number of function calls, and the modules that are imported.
MEASURED_START = """
import sys
before, calls = {*sys.modules}, 0
def count(frame, event, arg):
    global calls
    calls += event in ("call", "c_call")
sys.argv = ["charrnn", *ARGS]
sys.setprofile(count)
try:
    import charrnn.cli
    charrnn.cli.main()
finally:
    sys.setprofile(None)
    print(calls, *({*sys.modules} - before), file=sys.stderr)
"""


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
def test_help_starts_at_once(tmp_path, args, env):
    """Python's own start takes some 20 ms, this 70, and importing NumPy would add 150."""
    script = MEASURED_START.replace("ARGS", repr(args))
    with limited([sys.executable, "-c", script], env=environment(**env), **PIPES) as process:
        out, err = process.communicate()
    calls, *modules = err.decode().split()
    assert process.returncode == 0
    assert out
    assert not HEAVY & set(modules)
    assert len(modules) < 100  # at present some 70
    assert int(calls) < 130_000  # at present some 85,000, of which most import modules


def test_ctrl_c_is_handled_before_anything_slow_is_imported():
    script = (
        "import sys; before = {*sys.modules}; import charrnn.cli; print(*{*sys.modules} - before)"
    )
    with limited([sys.executable, "-c", script], **PIPES) as process:
        loaded = set(process.communicate()[0].decode().split())
    assert {"charrnn", "charrnn.cli", "charrnn.cli.signals"} <= loaded
    assert not loaded & {"click", "dataclasses", "charrnn.config", "charrnn.cli.main"}


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
def test_tab_completes_in_the_real_shell(tmp_path, name):
    if not shutil.which(name):
        pytest.skip(f"{name} is not installed")
    (tmp_path / "my text.txt").touch()
    (tmp_path / "my.yaml").touch()
    command, setup = SHELLS[name]
    home = {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path)}
    home["PATH"] = with_program(warm(), {})["PATH"]
    with Terminal(*command[1:], cwd=tmp_path, program=command[0], **home) as terminal:
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
    with limited([sys.executable, "-m", "charrnn", "--version"], **PIPES) as process:
        out, err = process.communicate()
    assert (process.returncode, err) == (0, b"")
    assert out == run_process("--version", cwd=tmp_path).out


@pytest.mark.skipif(sys.platform != "linux", reason="/proc as on Linux")
def test_blas_starts_no_threads_whatever_the_environment_says():
    """Where a limit refuses them, OpenBLAS raises SIGINT, and the program would end by it."""
    code = (
        "import os, sys\nfrom charrnn.cli import main\nsys.argv = ['charrnn', '--version']\n"
        "try:\n    main()\nexcept SystemExit:\n    import numpy\n"
        "    print(len(os.listdir('/proc/self/task')))"
    )
    env = environment(OPENBLAS_NUM_THREADS="2", OMP_NUM_THREADS="2")
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1:] == ["1"]
