"""What can be typed: commands, options and help. What they do is imported when they run."""

from __future__ import annotations

from typing import Any

import click

from charrnn._version import __version__
from charrnn.cli.framework import (
    Command,
    ConfigName,
    Decorator,
    Group,
    Override,
    for_all,
    given,
    put,
    setting,
)
from charrnn.cli.streams import Session

_config = click.option(
    "-c",
    "--config",
    type=ConfigName(),
    metavar="FILE|PRESET",
    help="settings, as YAML, or a preset's name  [default: none]",
)
_model = click.option(
    "-m",
    "--model",
    type=click.Path(),
    metavar="FILE",
    default="model.npz",
    envvar="CHARRNN_MODEL",
    help="the model  [default: $CHARRNN_MODEL, else model.npz]",
)
_json = click.option("--json", "as_json", is_flag=True, help="print JSON instead")


def _corpus(name: str, help: str) -> Decorator:
    """An option that takes a text to compare with; one of several files is given file by file."""
    return click.option(
        name,
        type=click.Path(),
        metavar="CORPUS",
        multiple=True,
        help=f"{help}  [default: none]",
    )


def _version(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value:
        put(f"charrnn {__version__}\n")
        ctx.exit()


@click.group(
    cls=Group,
    subcommand_metavar="COMMAND ...",
    invoke_without_command=True,
    examples=(
        ("charrnn train corpus.txt", "writes model.npz"),
        ("charrnn sample --temp 0.8", "prints text in its manner"),
        ("charrnn eval other.txt", "how well it foretells another text"),
        ("charrnn info", "what is in model.npz"),
    ),
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_version,
    help="print the version",
)
@for_all
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Learn, score and generate text, one character at a time."""
    if ctx.invoked_subcommand is None:
        put(ctx.get_help() + "\n")


@cli.command(
    cls=Command,
    examples=(
        ("charrnn train corpus.txt", "five minutes, to model.npz"),
        ("charrnn train *.txt -o all.npz --minutes 30", "several files, as one text"),
        ("charrnn train corpus.txt --resume --minutes 60", "the same run, made longer"),
        ("charrnn train b.txt --init-from a.npz -o b.npz", "what a.npz knows, and more"),
        ("charrnn train corpus.txt -c min-char-rnn", "with the settings of a preset"),
        ("zcat logs.gz | charrnn train - -o logs.npz", "from stdin"),
    ),
)
@click.argument("corpora", metavar="CORPUS...", nargs=-1, type=click.Path())
@_config
@click.option(
    "-o",
    "--output",
    type=click.Path(),
    metavar="FILE",
    default="model.npz",
    help="where the model goes  [default: model.npz]",
)
@click.option(
    "--set",
    "overrides",
    type=Override(),
    metavar="SECTION.KEY=VALUE",
    multiple=True,
    help="one setting, such as train.learning_rate=0.02; may be repeated  [default: none]",
)
@setting("--minutes", name="train.minutes", metavar="NUMBER")
@setting("--epochs", name="train.epochs", metavar="NUMBER")
@setting("--steps", name="train.steps", metavar="N")
@click.option("--resume", is_flag=True, help="go on with the run that the output holds")
@click.option("--force", is_flag=True, help="replace an output that exists")
@click.option(
    "--init-from",
    type=click.Path(),
    metavar="FILE",
    help="start a new run from the parameters of the model in FILE, which is only read  "
    "[default: none]",
)
@setting("--seed", name="train.seed", metavar="N")
@setting("--workers", name="train.workers", metavar="N")
@setting("--unit", name="data.unit", metavar="")
@setting("--encoding", name="data.encoding", metavar="NAME")
@click.option(
    "--sample-every",
    type=click.IntRange(min=1),
    metavar="STEPS",
    help="show a sample on stderr every so many steps  [default: none]",
)
@click.option(
    "--log",
    type=click.Path(),
    metavar="FILE",
    help="append figures to FILE: a JSON object for each validation and every 50 steps  "
    "[default: none]",
)
@click.option("--print-config", is_flag=True, help="print the settings as YAML and stop")
@click.option("-q", "--quiet", is_flag=True, help="silent unless something goes wrong")
@for_all
def train(corpora: tuple[str, ...], **options: Any) -> None:
    """Train a model on text.

    CORPUS is a text file, or - for stdin; several are read as one text. The last tenth of
    it is held out to tell how well the model does; the best model of the run is kept.

    The model is saved about every minute and at the end. On Ctrl-C the step is finished
    and the run saved, to be gone on with by --resume; a second one ends it at once. stdout
    stays empty: progress and samples go to stderr, as a bar if that is a terminal, else as
    a line now and then.

    With --init-from the model goes on from what another one has learned: with its model
    section, its unit and its records, of which only its dropout may be changed; all else
    is a new run's, and the optimiser starts anew. Characters that are new to it are added,
    and those that CORPUS never uses are kept; a line says which. For a text much like the
    old one, a lower rate is better: --set train.learning_rate=0.02.
    """
    resume, force = options["resume"], options["force"]
    if resume and force:
        raise click.UsageError("give only one of --resume and --force")
    if resume and options["init_from"] is not None:
        raise click.UsageError(
            "give only one of --resume and --init-from: the first goes on with a run, the second "
            "starts one"
        )
    if not corpora and not options["print_config"]:
        raise click.UsageError("give a text file to learn from, or - for stdin")
    from charrnn.cli.train import Job, train

    flags = given(options)
    session = click.get_current_context().find_object(Session) or Session()
    train(Job(corpora, flags=flags, **options), session)


@cli.command(
    cls=Command,
    examples=(
        ("charrnn sample", "from model.npz, 500 characters"),
        ("charrnn sample -n 2000 --temp 0.6 --seed 7", "longer, tamer, repeatable"),
        ("charrnn sample --prime 'Once upon' --stop .", "goes on to the first full stop"),
        ("charrnn sample --count 20 --stop $'\\n' | sort", "twenty lines"),
        ("charrnn sample --forever | head -c 1000", "without end, in constant memory"),
        ("charrnn sample -m names.npz --count 20 --novel", "twenty new names"),
        ("charrnn sample --report corpus.txt", "does it copy?"),
    ),
)
@_model
@_config
@setting("-n", "--length", name="sample.length", metavar="N")
@click.option("--forever", is_flag=True, help="never stop; for a reader that does")
@setting("--temp", "--temperature", name="sample.temperature", metavar="NUMBER")
@setting("--top-k", name="sample.top_k", metavar="K")
@setting("--top-p", name="sample.top_p", metavar="P")
@setting("--min-p", name="sample.min_p", metavar="P")
@setting(
    "--encoding",
    name="data.encoding",
    metavar="NAME",
    note="here of the prime file",
    default="the model's",
)
@setting("--prime", name="sample.prime", metavar="TEXT", note="printed before what follows it")
@click.option(
    "--prime-file",
    type=click.Path(),
    metavar="FILE|-",
    help="the prime from a file or stdin, all of it, to its last newline  [default: none]",
)
@setting(
    "--stop",
    name="sample.stop",
    metavar="TEXT",
    note="not printed; taken as typed ($'\\n' is a newline); may be repeated",
)
@setting("--count", name="sample.count", metavar="N")
@click.option(
    "--novel",
    is_flag=True,
    help="leave out items of the training corpus, for a model of records",
)
@setting("--seed", name="sample.seed", metavar="N")
@setting("--unknown", name="sample.unknown", metavar="")
@click.option("--raw", is_flag=True, help="let control characters through to a terminal")
@click.option("--line-buffered", is_flag=True, help="write each line to a pipe when it is complete")
@_corpus("--report", "tell on stderr how much was copied from the text that was trained on")
@_json
@for_all
def sample(**options: Any) -> None:
    """Print text that a model makes up.

    stdout gets the prime, then exactly the characters asked for, as UTF-8; a byte model's
    bytes as they are. No newline is added, but on a terminal where the text ends without
    one. With --count each sample is followed by one newline; sample 3 of a seed is the
    same whatever the count. A character is a Unicode code point.

    A model of records (data.records: line) ends a sample with its item; --forever then
    prints item after item, a line each. --novel draws until COUNT items are found that do
    not stand in the training corpus, nor in that of a model which training started from, up
    to 20 times COUNT, and says on stderr how many it left out.

    --report finds the longest passage that stands word for word in CORPUS, the text that
    the model was trained on, given again, and how many windows of 30 characters do. The
    prime does not count, nor does the part of CORPUS that training held out.

    With --json: one object a sample, with prime and text apart, its nats, the seed, and
    why it ended; with --report, what of it was copied, too.
    """
    if options["prime_file"] is not None and options["sample_prime"] is not None:
        raise click.UsageError("give only one of --prime and --prime-file")
    if options["forever"]:
        others = [
            name
            for key, name in (
                ("sample_length", "--length"),
                ("as_json", "--json"),
                ("sample_count", "--count"),
                ("report", "--report"),
            )
            if options[key]
        ]
        if others:
            raise click.UsageError(f"--forever does not go together with {others[0]}")
    from charrnn.cli.sample import Request, sample

    flags = given(options)
    if options.pop("forever"):
        flags["sample.length"] = None
    sample(Request(flags=flags, **options))


@cli.command(
    name="eval",
    cls=Command,
    examples=(
        ("charrnn eval corpus.txt", "nats and bits per character, perplexity"),
        ("charrnn eval *.txt", "each file, and all of them"),
        ("git log --format=%s | charrnn eval -", "from stdin, in bounded memory"),
        ("charrnn eval --lines log.txt | sort -rn | head", "the strangest lines"),
        ("charrnn eval --held-out --dynamic corpus.txt", "on what it was not trained on"),
        ("charrnn eval new.txt --baselines corpus.txt", "is the network worth anything?"),
        ("charrnn eval poem.txt --overlap corpus.txt", "is it a copy?"),
        ("charrnn eval --json a.txt | jq .bits_per_char", "for scripts"),
    ),
)
@click.argument("files", metavar="FILE...", nargs=-1, type=click.Path())
@_model
@_config
@setting("--unknown", name="eval.unknown", metavar="")
@setting("--encoding", name="data.encoding", metavar="NAME", default="the model's")
@click.option("--lines", is_flag=True, help="score each line by itself")
@click.option(
    "--line-buffered", is_flag=True, help="with --lines: score each line as soon as it comes"
)
@click.option("--chars", is_flag=True, help="a row for each character")
@click.option("--heat", is_flag=True, help="the text, coloured by surprisal; on a terminal")
@click.option(
    "--held-out",
    is_flag=True,
    help="score only the part of FILE, the corpus, that training held out",
)
@click.option(
    "--dynamic",
    is_flag=True,
    help="score a copy of the network as well, which adapts to the text",
)
@_corpus("--baselines", "score by n-gram models of the corpus, and by gzip and xz, as well")
@_corpus("--overlap", "tell how much of FILE is copied from the corpus")
@_json
@for_all
def evaluate(files: tuple[str, ...], **options: Any) -> None:
    """Score text: how well does a model foretell it?

    FILE is a text file, or - for stdin. Prints a table: the mean surprisal of a character
    in nats and in bits, the perplexity, the number of characters. The first character is
    scored as if it followed a newline.

    With --lines each line is a text of its own, and printed, unchanged, after its bits per
    character and its number of characters, with tabs between. A line with nothing to score,
    being empty or all skipped, has 0 for both, and null as its bits in JSON: sort -n puts it
    first, and awk -F '\\t' '$2' leaves it out. At a line that cannot be scored eval ends,
    with those before it printed. Many lines are scored at once; --line-buffered gives up
    some speed to follow a log. With --chars there is a row for each character: it, its bits,
    and the three likeliest in its place, each with its probability.

    With --dynamic and --baselines there is a row for each score. The dynamic one is that
    of a copy of the network that goes on learning from FILE, each character scored before
    it is learned from. The baselines learn from CORPUS, and gzip and xz compress FILE after
    it. --overlap finds the longest passage of FILE that stands word for word in CORPUS, and
    how many of its windows of 30 characters do.

    CORPUS is the text that the model was trained on, given again, or - for stdin; where it
    was several files, repeat the option. What training held out is no part of it then. With
    --held-out FILE is that corpus, and just the held-out part is scored:

    charrnn eval --held-out corpus.txt --baselines corpus.txt --overlap corpus.txt
    """
    if not files:
        raise click.UsageError("give a text file to score, or - for stdin")
    modes = [mode for mode in ("lines", "chars", "heat") if options.pop(mode)]
    if len(modes) > 1 or ("heat" in modes and options["as_json"]):
        others = [*modes, "json"][:2]
        raise click.UsageError(f"give only one of --{others[0]} and --{others[1]}")
    for name in ("dynamic", "baselines", "overlap"):
        if modes and options[name]:
            raise click.UsageError(f"--{name} does not go together with --{modes[0]}")
    if options["line_buffered"] and modes != ["lines"]:
        raise click.UsageError("--line-buffered goes with --lines only")
    from charrnn.cli.eval import Request, evaluate

    session = click.get_current_context().find_object(Session)
    options |= {"no_color": bool(session and session.no_color), "mode": next(iter(modes), None)}
    flags = given(options)
    evaluate(Request(files, flags=flags, **options))


@cli.command(
    cls=Command,
    examples=(
        ("charrnn info", "of model.npz"),
        ("charrnn info -m poems.npz --json", "for scripts"),
    ),
)
@_model
@_json
@for_all
def info(**options: Any) -> None:
    """Tell what is in a model file.

    Sizes, vocabulary, corpus and versions, and the validations of its training as a chart.
    The date is that of the file: equal runs write equal files, so that none is in it.
    """
    from charrnn.cli.info import info

    info(**options)


@cli.command(
    cls=Command,
    examples=(
        ("charrnn demo", "half a minute; the model goes to demo.npz"),
        ("charrnn demo -o fables.npz --seed 1", "another file, another run"),
    ),
)
@click.option(
    "-o",
    "--output",
    type=click.Path(),
    metavar="FILE",
    default="demo.npz",
    help="where the model goes  [default: demo.npz]",
)
@click.option("--force", is_flag=True, help="replace an output that exists")
@setting("--seed", name="train.seed", metavar="N")
@for_all
def demo(**options: Any) -> None:
    """Train a small model on fables and show how it learns.

    The text, 86 KB of fables, comes with charrnn, and training takes half a minute, with
    the preset "tiny". Samples from before, during and after training go to stdout, the
    progress to stderr. On Ctrl-C nothing is saved.
    """
    from charrnn.cli.demo import Request, demo

    flags = given(options)
    session = click.get_current_context().find_object(Session) or Session()
    demo(Request(flags=flags, **options), session)


@cli.command(
    cls=Command,
    examples=(
        ('eval "$(charrnn completion bash)"', "in ~/.bashrc"),
        ('eval "$(charrnn completion zsh)"', "in ~/.zshrc, after compinit"),
        ("charrnn completion fish | source", "in ~/.config/fish/config.fish"),
    ),
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@for_all
def completion(shell: str) -> None:
    """Print a script that teaches a shell to complete.

    Commands, options, presets, settings and file names are completed.
    """
    from charrnn.cli.completion import script

    put(script(shell))
