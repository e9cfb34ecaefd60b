"""Options, help and checks of ``charrnn eval``."""

from __future__ import annotations

from typing import Any

import click

from charrnn.cli.commands.shared import (
    MAIN,
    MODEL_FILE,
    OUTPUT,
    SCORING,
    TEXT,
    as_json,
    config,
    encoding,
    files,
    force,
    line_buffered,
    only_one_of,
    session,
)
from charrnn.cli.framework import Command, general_options, given, option, setting
from charrnn.cli.values import Level


@click.command(
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
@files
@option(
    MAIN,
    "-m",
    "--model",
    "models",
    help="model file; repeat it to compare models",
    **MODEL_FILE,
)
@config
@force
@encoding()
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
    help="write the coloured text as an HTML page (- for stdout), with the predictions for each "
    "character",
)
@option(
    SCORING,
    "--dynamic",
    is_flag=True,
    help="also score with a copy of the model that adapts to the text",
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
@as_json
@line_buffered("with --lines: score each line as soon as it arrives")
@general_options
def evaluate(files: tuple[str, ...], **options: Any) -> None:
    """Measure how well a model predicts text.

    FILE is a text file, or - for stdin. The output is a table: mean surprisal per character
    in nats and in bits, perplexity, and the number of characters. The first character is
    scored as if it followed a newline. With several models, each has rows of its own.

    --lines scores each line by itself and prints three columns, separated by tabs: bits per
    character, number of characters, and the line, unchanged. For an empty line, both numbers
    are 0 (in JSON, the bits are null). With a model of records, the newline that ends a line
    counts as one of its characters. If records have several lines, each record is scored and
    numbered as one line, and its newlines are printed as \\n. Lines are scored in large batches;
    --line-buffered is slower, but suits tail -f. -n and -H put the file name and line number
    before the line, as grep does: app.log:12:text. JSON always includes both, and the number of
    unknown characters.

    --above prints only lines above a threshold: a number of bits per character, or a
    percentile. p99.9 means more unusual than 99.9% of the held-out lines, a sample of which is
    scored at the end of training. --mark shows which part of a line is surprising: in colour
    on a terminal, otherwise between « and »; in JSON as two offsets, which count bytes with a
    byte model. A character is surprising if it needs more bits than 99% of the characters in
    held-out lines. The part may include ordinary characters between surprising ones.

    An unknown character, one that is not in the model's vocabulary, is an error in a text. With
    --unknown score, the default with --lines, it costs about 35 to 40 bits: the fewer characters
    occurred only once in the training corpus, the more. With --unknown skip, it is left out of
    all figures; a line of nothing else then has 0 bits. Either way, the rest is scored as if the
    character were not there. With --lines, a byte that cannot be decoded also counts as an
    unknown character, so that no unusual line is missed.

    --chars prints a row for each character: the character, its bits, and the three
    characters that were most likely in its place, with their probabilities.

    A model that mixes its network with n-grams has a row for the mixture, and one for each
    alone. --dynamic and --baselines add rows. The dynamic model keeps learning from
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
        only_one_of(f"--{name}" for name in [*modes, "json"])
    for name in ("dynamic", "baselines", "overlap"):
        if modes and options[name]:
            only_one_of([f"--{name}", f"--{modes[0]}"])
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

    if session().no_color:
        options["color"] = "never"
    options["mode"] = next(iter(modes), None)
    flags = given(options)
    evaluate(Request(files, flags=flags, **options))
