"""Options, help and checks of ``charrnn sample``."""

from __future__ import annotations

from typing import Any

import click

from charrnn.cli.commands.shared import (
    OUTPUT,
    SAMPLING,
    SELECTION,
    TEXT,
    as_json,
    config,
    encoding,
    line_buffered,
    model,
    only_one_of,
)
from charrnn.cli.framework import Command, general_options, given, option, setting
from charrnn.cli.values import EscapedText, SeveralNumbers, Value
from charrnn.config.schema import Range, SettingType


@click.command(
    cls=Command,
    examples=(
        ("charrnn sample", "500 characters"),
        ("charrnn sample -n 2000 --temp 0.6 --seed 7", "longer, tamer, repeatable"),
        ("charrnn sample --prime 'Once upon' --stop .", "up to the first full stop"),
        ("charrnn sample --lines 20", "twenty lines"),
        ("charrnn sample --lines 9 --words known", "only words of the corpus"),
        ("charrnn sample -m names.npz --lines 20 --novel", "twenty new names"),
        ("charrnn sample --temp 0.2,0.7,1.2", "compare temperatures"),
        ("charrnn sample -i", "continue what you type"),
        ("charrnn sample --forever | head -c 1000", "an endless stream"),
        ("charrnn sample --report corpus.txt", "see how much is copied"),
    ),
)
@model
@config
@setting(TEXT, "-n", "--length", name="sample.length", metavar="N")
@option(
    TEXT,
    "--lines",
    type=Value(SettingType(int, range=Range(low=1, high=10**6))),
    metavar="N",
    help="draw N lines, none of them empty",
)
@setting(TEXT, "--count", name="sample.count", metavar="COUNT")
@option(
    TEXT, "--forever", is_flag=True, help="generate until interrupted, or until the pipe is closed"
)
@setting(
    TEXT,
    "--stop",
    name="sample.stop",
    metavar="TEXT",
    help=r"end a sample before this string, such as '\n'; may be repeated",
)
@setting(
    TEXT,
    "--prime",
    name="sample.prime",
    metavar="TEXT",
    kind=EscapedText,
    help=r"text to start from, printed before its continuation; \n, \t and \\ are escapes",
)
@option(
    TEXT,
    "--prime-file",
    type=click.Path(),
    metavar="FILE|-",
    help="read the prime from a file or stdin, including its last newline",
)
@option(
    TEXT,
    "--primes",
    type=click.Path(),
    metavar="FILE|-",
    help="continue each line of a file or of stdin to the end of the line",
)
@option(TEXT, "-i", "--interactive", is_flag=True, help="continue each line that you type")
@encoding("encoding of the files to read")
@setting(TEXT, "--unknown", name="sample.unknown", metavar="")
@option(
    SELECTION,
    "--words",
    type=click.Path(),
    metavar="FILE|known",
    help="use only the words in this file, or those of the training corpus (known)",
)
@option(
    SELECTION,
    "--novel",
    is_flag=True,
    help="leave out lines of the training corpus, and near copies",
)
@option(SELECTION, "--unique", is_flag=True, help="leave out repeated samples")
@setting(
    SAMPLING,
    "--temp",
    "--temperature",
    name="sample.temperature",
    metavar="NUMBER",
    kind=SeveralNumbers,
    help="randomness: below 1 is safer, above 1 wilder, 0 always takes the likeliest; several "
    "with commas are compared",
)
@setting(SAMPLING, "--top-k", name="sample.top_k", metavar="K")
@setting(SAMPLING, "--top-p", name="sample.top_p", metavar="P")
@setting(SAMPLING, "--min-p", name="sample.min_p", metavar="P")
@setting(SAMPLING, "--seed", name="sample.seed", metavar="N")
@as_json
@option(OUTPUT, "--raw", is_flag=True, help="do not escape control characters on a terminal")
@line_buffered("write each line to a pipe as soon as it is complete")
@option(
    OUTPUT,
    "--report",
    type=click.Path(),
    metavar="CORPUS",
    multiple=True,
    help="report on stderr how much was copied from the training corpus",
)
@general_options
def sample(**options: Any) -> None:
    r"""Generate text.

    The output is the prime, then exactly the requested number of characters (Unicode code
    points) as UTF-8; byte models write bytes as they are. No newline is added, except on a
    terminal if the text does not end with one. With --count or --lines, each sample is
    followed by one newline. The same seed gives the same samples: the third, say, is the same
    for any COUNT. On a terminal, a randomly chosen seed is shown on stderr.

    --lines N draws N lines: samples that end before a newline, or after --length characters.
    A model of records (trained with data.records=line) ends each sample at the end of a
    record; with --forever it generates record after record, one per line.

    --novel leaves out lines (or records) of the training corpus, and near copies, which
    differ only in case, spaces and punctuation. For a fine-tuned model, this includes the
    corpus of the original model. --unique leaves out repeats. Both give up after drawing 20
    times as many samples as are wanted, and report on stderr what they left out.

    --words restricts samples to a list of words: all words in FILE, or with "known" those of
    the training corpus (for a file of that name, write ./known). A word is a run of letters,
    marks and digits, with single apostrophes inside. It may also be capitalised or in
    capitals. The text between words is not restricted, nor is the prime. No sample is cut
    within a word. If no listed word can continue a sample, the sample ends; in JSON, "ended"
    is then "words".

    --primes and -i load the model once and complete each line that they read: the output is
    the line and its continuation. On a terminal, -i continues what you type when you press
    Enter; Tab draws another continuation, the up and down arrows change the temperature, Ctrl-D
    ends.

    --report takes the corpus that the model was trained on; repeat the option if there were
    several files. It reports the longest passage of the samples that also occurs in CORPUS,
    and the share of their 30-character windows that do. The prime and the held-out part of
    CORPUS are ignored.

    In --stop and --prime, \n is a newline, \t a tab and \\ a backslash.

    Several temperatures (--temp 0.2,0.7,1.2) are shown side by side on a terminal, and one
    after another elsewhere.

    With --json, each sample is a JSON object on one line: the prime, the text, its nats, the
    temperature, the seed and why the sample ended; with --report, also what was copied.
    """
    primes = {
        "--prime": options["sample_prime"] is not None,
        "--prime-file": options["prime_file"] is not None,
        "--primes": options["primes"] is not None,
        "--interactive": options["interactive"],
    }
    only_one_of(name for name, typed in primes.items() if typed)
    names = {
        "sample_count": "--count",
        "lines": "--lines",
        "report": "--report",
        "novel": "--novel",
        "unique": "--unique",
    }
    typed = [name for key, name in names.items() if options[key]]
    if options["interactive"] or options["primes"] is not None:
        only_one_of(["--primes" if options["primes"] is not None else "--interactive", *typed])
    if options["forever"]:
        typed = [name for name in typed if name not in ("--novel", "--unique")]
        typed += ["--length"] * (options["sample_length"] is not None)
        typed += ["--json"] * options["as_json"]
        only_one_of(["--forever", *typed])
    only_one_of(name for name in typed if name in ("--count", "--lines"))
    flags = given(options)
    temperatures = flags.get("sample.temperature", ())
    if isinstance(temperatures, tuple) and temperatures:
        flags["sample.temperature"] = temperatures[0]
        for key in ("primes", "interactive", "report", "forever"):
            if options[key]:
                raise click.UsageError(f"give only one temperature with --{key}")
    else:
        temperatures = ()
    from charrnn.cli.sample import Request, sample

    if options.pop("forever"):
        flags["sample.length"] = None
    sample(Request(flags=flags, temperatures=temperatures, **options))
