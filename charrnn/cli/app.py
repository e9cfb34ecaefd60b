"""What can be typed: commands, options and help. What they do is imported when they run."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

import click

from charrnn._version import __version__
from charrnn.cli.framework import (
    GENERAL,
    Command,
    Group,
    general_options,
    given,
    only_one,
    option,
    put,
    setting,
)
from charrnn.cli.streams import Session
from charrnn.cli.values import (
    ConfigName,
    EscapedText,
    Every,
    Labelled,
    Level,
    ModelPath,
    Override,
    SeveralNumbers,
    Value,
)
from charrnn.config.schema import Range, SettingType

# The headings under which options are listed, besides GENERAL.
MAIN = "Main options"
MODEL = "Model options"
TRAINING = "Training options"
TEXT = "Text options"
SELECTION = "Selection options"
SAMPLING = "Sampling options"
SCORING = "Scoring options"
OUTPUT = "Output options"

_config = option(
    MAIN,
    "-c",
    "--config",
    type=ConfigName(),
    metavar="FILE|PRESET",
    help="settings: a YAML file or the name of a preset",
)
_MODEL: dict[str, Any] = {
    "type": ModelPath(),
    "metavar": "FILE",
    "default": ("model.npz",),
    "multiple": True,
    "envvar": "CHARRNN_MODEL",
    "shown": "$CHARRNN_MODEL or model.npz",
}
_model = option(MAIN, "-m", "--model", help="model file", callback=only_one, **_MODEL)
_force = option(MAIN, "--force", is_flag=True, help="overwrite an existing output file")
_json = option(OUTPUT, "--json", "as_json", is_flag=True, help="print JSON")


def _session() -> Session:
    return click.get_current_context().ensure_object(Session)


def _version(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value:
        put(f"charrnn {__version__}\n")
        ctx.exit()


@click.group(
    cls=Group,
    subcommand_metavar="COMMAND ...",
    invoke_without_command=True,
    examples=(
        ("charrnn train corpus.txt", "train for five minutes, write model.npz"),
        ("charrnn sample --temp 0.8", "generate text"),
        ("charrnn eval other.txt", "measure how well the model predicts it"),
        ("charrnn info", "show what model.npz contains"),
        ("charrnn train --help", "explain a command"),
    ),
)
@option(
    GENERAL,
    "-V",
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_version,
    help="show the version and exit",
)
@general_options
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Train character-level language models; generate and score text with them."""
    if ctx.invoked_subcommand is None:
        put(ctx.get_help() + "\n")


@cli.command(
    cls=Command,
    examples=(
        ("charrnn train corpus.txt", "five minutes, to model.npz"),
        ("charrnn train *.txt -o all.npz --minutes 30", "several files as one text"),
        ("charrnn train corpus.txt --resume --minutes 60", "extend the run"),
        ("charrnn train b.txt --init-from a.npz -o b.npz", "fine-tune a.npz on b.txt"),
        ("charrnn train corpus.txt -c min-char-rnn", "use a preset"),
        ("cat *.log | charrnn train - -o logs.npz", "read the text from stdin"),
    ),
)
@click.argument("corpora", metavar="CORPUS...", nargs=-1, type=click.Path())
@option(
    MAIN,
    "-o",
    "--output",
    type=click.Path(),
    metavar="FILE",
    default="model.npz",
    help="model file to write",
    shown="model.npz",
)
@_config
@option(
    MAIN,
    "--set",
    "overrides",
    type=Override(),
    metavar="SECTION.KEY=VALUE",
    multiple=True,
    help="change one setting, such as train.learning_rate=0.02; may be repeated",
)
@option(MAIN, "--resume", is_flag=True, help="continue the run saved in the output file")
@_force
@option(
    MODEL,
    "--init-from",
    type=click.Path(),
    metavar="FILE",
    help="fine-tune: start from the weights of this model, which is only read",
)
@setting(MODEL, "--unit", name="data.unit", metavar="")
@setting(MODEL, "--encoding", name="data.encoding", metavar="NAME")
@setting(TRAINING, "--minutes", name="train.minutes", metavar="NUMBER")
@setting(TRAINING, "--epochs", name="train.epochs", metavar="NUMBER")
@setting(TRAINING, "--steps", name="train.steps", metavar="N")
@setting(TRAINING, "--seed", name="train.seed", metavar="N")
@setting(TRAINING, "--workers", name="train.workers", metavar="N")
@option(
    OUTPUT,
    "--sample-every",
    type=Every(),
    metavar="EVERY",
    help="how often to print a sample to stderr: in steps (500), in time (10s, 2m) or as a share "
    "of the run (5%)",
)
@option(
    OUTPUT,
    "--log",
    type=click.Path(),
    metavar="FILE",
    help="append metrics as JSON lines to a file, or - for stdout, every 50 steps and at each "
    "validation",
)
@option(
    OUTPUT,
    "--report",
    type=click.Path(),
    metavar="FILE",
    help="write an HTML page that shows the training as it runs, and the model afterwards",
)
@option(OUTPUT, "--print-config", is_flag=True, help="print all settings as YAML and exit")
@option(OUTPUT, "-q", "--quiet", is_flag=True, help="print nothing unless something goes wrong")
@general_options
def train(corpora: tuple[str, ...], **options: Any) -> None:
    """Train a model on text.

    CORPUS is a text file, a folder or zip archive of text files, or - for stdin; several are
    read as one text. Text compressed by gzip, bzip2 or xz is unpacked. The last tenth of the
    text is held out, to measure how well the model predicts text it has not seen. The
    other commands use the weights that scored best on it.

    The model is saved about every minute and at the end. Ctrl-C finishes the current step,
    saves and stops; --resume continues from there. A second Ctrl-C stops without saving.
    Only --log - prints to stdout. Progress and samples go to stderr: a progress bar on a
    terminal, otherwise a line from time to time.

    --init-from fine-tunes a model. The new model has the architecture, unit and records
    setting of the old one; of these, only the dropout can be changed. All other settings are
    those of a new run, and the optimizer starts from scratch. Characters that are new in
    CORPUS are added to the vocabulary, and those that it lacks are kept; both are reported.
    If the new text is similar to the old one, use a lower learning rate:
    --set train.learning_rate=0.02.
    """
    resume, force = options["resume"], options["force"]
    if resume and force:
        raise click.UsageError("give only one of --resume and --force")
    if resume and options["init_from"] is not None:
        raise click.UsageError(
            "give only one of --resume and --init-from: the first continues a run, the second "
            "starts a new one"
        )
    if not corpora and not options["print_config"]:
        raise click.UsageError("give a text file to train on, or - for stdin")
    from charrnn.cli.train import Request, train

    flags = given(options)
    train(Request(corpora, flags=flags, **options), _session())


@cli.command(
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
@_model
@_config
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
@setting(
    TEXT,
    "--encoding",
    name="data.encoding",
    metavar="NAME",
    help="encoding of the files to read",
    shown="the model's",
)
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
@_json
@option(OUTPUT, "--raw", is_flag=True, help="do not escape control characters on a terminal")
@option(
    OUTPUT,
    "--line-buffered",
    is_flag=True,
    help="write each line to a pipe as soon as it is complete",
)
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
    _only_one_of(name for name, typed in primes.items() if typed)
    names = {
        "sample_count": "--count",
        "lines": "--lines",
        "report": "--report",
        "novel": "--novel",
        "unique": "--unique",
    }
    typed = [name for key, name in names.items() if options[key]]
    if options["interactive"] or options["primes"] is not None:
        _only_one_of(["--primes" if options["primes"] is not None else "--interactive", *typed])
    if options["forever"]:
        typed = [name for name in typed if name not in ("--novel", "--unique")]
        typed += ["--length"] * (options["sample_length"] is not None)
        typed += ["--json"] * options["as_json"]
        _only_one_of(["--forever", *typed])
    _only_one_of(name for name in typed if name in ("--count", "--lines"))
    flags = given(options)
    temperatures = flags.get("sample.temperature", ())
    if isinstance(temperatures, tuple) and temperatures:
        flags["sample.temperature"] = temperatures[0]
        others = {"--primes": "primes", "--interactive": "interactive", "--report": "report"}
        others |= {"--forever": "forever"}
        for name, key in others.items():
            if options[key]:
                raise click.UsageError(f"give only one temperature with {name}")
    else:
        temperatures = ()
    from charrnn.cli.sample import Request, sample

    if options.pop("forever"):
        flags["sample.length"] = None
    sample(Request(flags=flags, temperatures=temperatures, **options))


def _only_one_of(names: Iterable[str]) -> None:
    """Raise UsageError if there are several of the options called ``names``."""
    first, *others = [*names] or [""]
    if others:
        raise click.UsageError(f"give only one of {first} and {others[0]}")


@cli.command(
    name="eval",
    cls=Command,
    examples=(
        ("charrnn eval corpus.txt", "bits per character"),
        ("charrnn eval *.txt", "each file, and the total"),
        ("git log --format=%s | charrnn eval -", "read stdin"),
        ("charrnn eval --lines log.txt | sort -rn | head", "most unusual lines"),
        ("charrnn eval --lines --above p99.9 --mark log.txt", "mark what is odd"),
        ("charrnn eval -m a.npz -m b.npz text.txt", "compare models"),
        ("charrnn eval --held-out --dynamic corpus.txt", "the held-out part"),
        ("charrnn eval new.txt --baselines corpus.txt", "compare with n-grams"),
        ("charrnn eval poem.txt --overlap corpus.txt", "see how much is copied"),
        ("charrnn eval --json a.txt | jq .bits_per_char", "for scripts"),
    ),
)
@click.argument("files", metavar="FILE...", nargs=-1, type=click.Path())
@option(
    MAIN,
    "-m",
    "--model",
    "models",
    help="model file; repeat it to compare models",
    **_MODEL,
)
@_config
@_force
@setting(
    TEXT,
    "--encoding",
    name="data.encoding",
    metavar="NAME",
    help="encoding of the files",
    shown="the model's",
)
@setting(TEXT, "--unknown", name="eval.unknown", metavar="")
@setting(TEXT, "--errors", name="eval.errors", metavar="")
@option(
    TEXT,
    "--held-out",
    is_flag=True,
    help="score only the part of FILE, the training corpus, that was held out",
)
@option(SCORING, "--lines", is_flag=True, help="score each line by itself")
@option(
    SCORING,
    "--above",
    type=Level(),
    metavar="BITS|pNN",
    help="with --lines: print only lines with more bits per character than this, or than a "
    "percentile of held-out lines, such as p99.9",
)
@option(SCORING, "--chars", is_flag=True, help="score each character")
@option(SCORING, "--heat", is_flag=True, help="show the text coloured by surprisal")
@option(
    SCORING,
    "--html",
    type=click.Path(),
    metavar="PAGE",
    help="write the coloured text as an HTML page, with the predictions for each character",
)
@option(
    SCORING,
    "--dynamic",
    is_flag=True,
    help="also score with a copy of the network that adapts to the text",
)
@option(
    SCORING,
    "--baselines",
    type=click.Path(),
    metavar="CORPUS",
    multiple=True,
    help="also score with gzip, xz and n-gram models, trained on a corpus",
)
@option(
    SCORING,
    "--overlap",
    type=click.Path(),
    metavar="CORPUS",
    multiple=True,
    help="report how much of FILE is copied from a corpus",
)
@option(
    OUTPUT,
    "--color",
    type=click.Choice(["auto", "always", "never"]),
    metavar="auto|always|never",
    default="auto",
    help="use colours, as for: charrnn eval --heat --color always FILE | less -R",
    shown="auto",
)
@option(OUTPUT, "-n", "--line-number", is_flag=True, help="with --lines: print line numbers")
@option(OUTPUT, "-H", "--with-filename", is_flag=True, help="with --lines: print file names")
@option(
    OUTPUT,
    "--mark",
    is_flag=True,
    help="with --lines: mark the most surprising part of each line",
)
@option(
    OUTPUT,
    "--count-unknown",
    is_flag=True,
    help="with --lines: print how many characters are unknown, as a third column",
)
@_json
@option(
    OUTPUT,
    "--line-buffered",
    is_flag=True,
    help="with --lines: score each line as soon as it arrives",
)
@general_options
def evaluate(files: tuple[str, ...], **options: Any) -> None:
    """Measure how well a model predicts text.

    FILE is a text file, or - for stdin. The output is a table: mean surprisal per character
    in nats and in bits, perplexity, and the number of characters. The first character is
    scored as if it followed a newline. With several models, each has rows of its own.

    --lines scores each line by itself and prints three columns, separated by tabs: bits per
    character, number of characters, and the line, unchanged. For an empty line, both numbers
    are 0 (in JSON, the bits are null). A model of records of several lines scores each record,
    and its newlines are printed as \\n. Lines are scored in large batches; --line-buffered is
    slower, but suits tail -f. -n and -H put the file name and line number before the line, as
    grep does: app.log:12:text. JSON always includes both, and the number of unknown characters.

    --above prints only lines above a threshold: a number of bits per character, or a
    percentile. p99.9 means more unusual than 99.9% of the held-out lines, a sample of which is
    scored at the end of training. --mark shows which part of a line is surprising: in colour
    on a terminal, otherwise between « and »; in JSON as two offsets. A character is surprising
    if it needs more bits than 99% of the characters in held-out lines. The part may include
    ordinary characters between surprising ones.

    An unknown character, one that is not in the model's vocabulary, is an error in a text. With
    --unknown score, the default with --lines, it costs about 35 to 40 bits: the fewer characters
    occurred only once in the training corpus, the more. With --unknown skip, it is left out of
    all figures; a line of nothing else then has 0 bits. Either way, the rest is scored as if the
    character were not there. With --lines, a byte that cannot be decoded also counts as an
    unknown character, so that no unusual line is missed.

    --chars prints a row for each character: the character, its bits, and the three
    characters that were most likely in its place, with their probabilities.

    --dynamic and --baselines add rows to the table. The dynamic network keeps learning from
    FILE; it scores each character before it learns from it. The n-gram models are trained on
    CORPUS; gzip and xz compress FILE after CORPUS. --overlap reports the longest passage of
    FILE that also occurs in CORPUS, and the share of FILE's 30-character windows that do.

    CORPUS is the corpus that the model was trained on, or - for stdin; repeat the option if
    there were several files. The part that training held out is not used. With --held-out,
    FILE is that corpus, and only the held-out part is scored:

    charrnn eval --held-out corpus.txt --baselines corpus.txt --overlap corpus.txt
    """
    if not files:
        raise click.UsageError("give a text file to score, or - for stdin")
    modes = [mode for mode in ("lines", "chars", "heat") if options.pop(mode)]
    modes += ["html"] if options["html"] is not None else []
    if len(modes) > 1 or (modes in (["heat"], ["html"]) and options["as_json"]):
        first, second = [*modes, "json"][:2]
        raise click.UsageError(f"give only one of --{first} and --{second}")
    for name in ("dynamic", "baselines", "overlap"):
        if modes and options[name]:
            raise click.UsageError(f"give only one of --{name} and --{modes[0]}")
    for name in ("above", "line_number", "with_filename", "mark", "count_unknown", "line_buffered"):
        if options[name] and modes != ["lines"]:
            raise click.UsageError(f"--{name.replace('_', '-')} needs --lines")
    for name in ("line_number", "with_filename", "count_unknown"):
        if options[name] and options["as_json"]:
            raise click.UsageError(
                f"give only one of --{name.replace('_', '-')} and --json, which includes it"
            )
    if options["html"] is not None and len(files) > 1:
        raise click.UsageError("--html takes one text")
    if modes and len(options["models"]) > 1:
        raise click.UsageError(
            f"--{modes[0]} takes one model; charrnn classify compares models line by line"
        )
    from charrnn.cli.eval import evaluate
    from charrnn.cli.eval_task import Request

    if _session().no_color:
        options["color"] = "never"
    options["mode"] = next(iter(modes), None)
    flags = given(options)
    evaluate(Request(files, flags=flags, **options))


@cli.command(
    cls=Command,
    examples=(
        ("charrnn classify -m ham=ham.npz -m spam=spam.npz mail.txt", "label each line"),
        ("charrnn classify -m a=a.npz -m b=b.npz --prior a=9 x.txt", "a is 9 times as common"),
        ("charrnn classify -m a=a.npz -m b=b.npz --labelled test.tsv", "how well it works"),
    ),
)
@click.argument("files", metavar="FILE...", nargs=-1, type=click.Path())
@option(
    MAIN,
    "-m",
    "--model",
    "models",
    type=Labelled("model file"),
    metavar="LABEL=MODEL",
    multiple=True,
    help="a label, and the model of its texts; give at least two",
)
@option(
    MAIN,
    "--prior",
    "priors",
    type=Labelled("number above 0", number=True),
    metavar="LABEL=NUMBER",
    multiple=True,
    help="how common texts with this label are, compared with the others  [default: 1]",
)
@setting(
    TEXT,
    "--encoding",
    name="data.encoding",
    metavar="NAME",
    help="encoding of the files",
    shown="the first model's",
)
@option(
    SCORING,
    "--labelled",
    is_flag=True,
    help="read lines of a label, a tab and a text, and report how well they are classified",
)
@_json
@option(
    OUTPUT,
    "--line-buffered",
    is_flag=True,
    help="classify each line as soon as it arrives",
)
@general_options
def classify(files: tuple[str, ...], **options: Any) -> None:
    """Classify lines, with one model for each class.

    Train one model on the texts of each class, such as a language, an author or a sentiment.
    FILE, or - for stdin, is the text to classify. For each line, classify prints three columns,
    separated by tabs: the most probable label, its log odds against the second most probable
    one in bits per character (the lower, the less certain), and the line.

    The most probable label has the highest product of its prior and the probability that its
    model gives to the line. Unknown characters, and bytes that cannot be decoded, count as very
    rare characters. All models must have the same data.unit and data.records.

    --labelled compares the labels in FILE with the predicted ones. It prints the accuracy; the
    confusion matrix, with a row for each label in FILE and a column for each predicted label;
    and the accuracy by confidence. The confidence tends to be too high. The calibration error
    is the mean difference between confidence and accuracy.

    With --json, each line is an object with the probability of each label; with --labelled,
    the report is one object.
    """
    if not files:
        raise click.UsageError("give a text file to classify, or - for stdin")
    for kind in ("models", "priors"):
        labels = [label for label, _ in options[kind]]
        if twice := next((label for label in labels if labels.count(label) > 1), None):
            name = "-m" if kind == "models" else "--prior"
            raise click.UsageError(f"{name}: the label {twice!r} is given twice")
    if len(options["models"]) < 2:
        raise click.UsageError("give a model for each of at least two labels: -m LABEL=MODEL")
    if options["labelled"] and options["line_buffered"]:
        raise click.UsageError("give only one of --labelled and --line-buffered")
    from charrnn.cli.classify import Request, classify

    flags = given(options)
    classify(Request(files, flags=flags, **options))


@cli.command(
    cls=Command,
    examples=(
        ("charrnn info", "about model.npz"),
        ("charrnn info -m poems.npz --json", "for scripts"),
    ),
)
@_model
@_json
@general_options
def info(**options: Any) -> None:
    """Show what a model file contains.

    This includes its size, vocabulary, corpus and versions, and a chart of the validation
    loss. The date is that of the file: models store no date, so that identical runs write
    identical files.
    """
    from charrnn.cli.info import info

    info(**options)


@cli.command(
    cls=Command,
    examples=(
        ("charrnn report", "model.npz and its samples"),
        ("charrnn report --corpus corpus.txt", "with its held-out part"),
        ("charrnn report poem.txt -o poem.html", "with a text of your own"),
        ("charrnn report -m a.npz -m b.npz", "compare models"),
    ),
)
@click.argument("text", metavar="[FILE]", required=False, type=click.Path())
@option(
    MAIN,
    "-m",
    "--model",
    "models",
    type=click.Path(),
    metavar="FILE",
    multiple=True,
    help="model file; may be repeated",
    shown="$CHARRNN_MODEL or model.npz",
)
@option(
    MAIN,
    "-o",
    "--output",
    type=click.Path(),
    metavar="FILE",
    default="report.html",
    help="page to write, or - for stdout",
    shown="report.html",
)
@_force
@setting(
    TEXT,
    "--encoding",
    name="data.encoding",
    metavar="NAME",
    help="encoding of the files",
    shown="the model's",
)
@setting(
    TEXT,
    "--unknown",
    name="sample.unknown",
    metavar="",
    help="characters that a model does not know: error, or skip to leave them out",
)
@option(
    TEXT,
    "--corpus",
    type=click.Path(),
    metavar="CORPUS",
    multiple=True,
    help="the training corpus: show its held-out part, and a 6-gram model's score",
)
@setting(TEXT, "--seed", name="sample.seed", metavar="N", help="seed of the samples", shown="0")
@option(
    OUTPUT,
    "--no-play",
    is_flag=True,
    help="leave the model itself out of the page, which makes it smaller",
)
@general_options
def report(**options: Any) -> None:
    """Write a page that shows what a model learned.

    The page is one HTML file. It needs no network, and opens in any browser, on a phone too.
    It shows the training curves, samples at three temperatures, a text coloured by surprisal
    with the model's predictions, the activity of hidden units over that text, and the model
    itself, which continues what you type.

    FILE is the text to colour, or - for stdin; only its beginning is used. Without FILE, the
    page shows the beginning of the held-out part of CORPUS, or a sample from the model.

    With several models, their curves, scores and samples are shown side by side.
    """
    from charrnn.cli.report import Request, write_report

    flags = given(options)
    models = options.pop("models") or (os.environ.get("CHARRNN_MODEL") or "model.npz",)
    play = not options.pop("no_play")
    write_report(Request(models, flags=flags, play=play, **options))


@cli.command(
    cls=Command,
    examples=(
        ("charrnn demo", "write the model to demo.npz"),
        ("charrnn demo -o fables.npz --seed 1", "another file, another run"),
    ),
)
@option(
    MAIN,
    "-o",
    "--output",
    type=click.Path(),
    metavar="FILE",
    default="demo.npz",
    help="model file to write",
    shown="demo.npz",
)
@_force
@setting(TRAINING, "--seed", name="train.seed", metavar="N")
@general_options
def demo(**options: Any) -> None:
    """Train a small model on fables and show how it learns.

    The text, 86 KB of fables, comes with charrnn. Training uses the preset "tiny" and takes
    half a minute. Samples from before, during and after training go to stdout, progress to
    stderr. Ctrl-C stops without saving.
    """
    from charrnn.cli.demo import Request, demo

    flags = given(options)
    demo(Request(flags=flags, **options), _session())


@cli.command(
    cls=Command,
    examples=(
        ('eval "$(charrnn completion bash)"', "in ~/.bashrc"),
        ('eval "$(charrnn completion zsh)"', "in ~/.zshrc, after compinit"),
        ("charrnn completion fish | source", "in ~/.config/fish/config.fish"),
    ),
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@general_options
def completion(shell: str) -> None:
    """Print a completion script for a shell.

    It completes commands, options, presets, settings and file names.
    """
    from charrnn.cli.completion import script

    put(script(shell))
