"""The same model by four optimisers, then three cells of one size: equal time for each.

    make compare                                  # corpora/fables.txt, two minutes
    make compare CORPUS=tinyshakespeare.txt MINUTES=2
    python benchmarks/compare.py --tune           # what RATES in charrnn/scale.py is from

The runs follow one another, so that each has the machine to itself. All settings are the
defaults but for the rate, the dropout and the cell with its size. The table is written when
the last run is over; where matplotlib is there, so is a picture.
"""

from __future__ import annotations

import argparse
import importlib.util
import math
import shlex
import statistics
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks import inside  # noqa: E402
from charrnn import CharRNNError, Config, ConfigError, Corpus, Trainer, TrainingError  # noqa: E402
from charrnn.checkpoint import check_writable  # noqa: E402
from charrnn.config.autosize import RATES, RNN_RATE  # noqa: E402
from charrnn.config.sources import with_settings  # noqa: E402
from charrnn.data.source import Source  # noqa: E402
from charrnn.nn.network import Architecture  # noqa: E402


@dataclass(frozen=True)
class Contestant:
    """An optimiser and a cell, and the learning rate that suits the two."""

    optimizer: str
    cell: str
    learning_rate: float


#: The rates are the defaults, where the figures stand that ``--tune`` gave.
CONTESTANTS = (
    *(Contestant(name, "lstm", rate) for name, rate in RATES.items()),
    Contestant("adagrad", "rnn", RATES["adagrad"] * RNN_RATE),
    Contestant("adagrad", "gru", RATES["adagrad"]),
)
#: Units of the LSTM: few enough that a minute of it shows what each can do.
UNITS = 256
#: What ``--tune`` multiplies each rate by, and for how many steps it tries the product.
FACTORS, TUNING_STEPS = (0.5, 1.0, 2.0), 400
#: For corpora/fables.txt: 400 steps of the default, at dropout 0.5, still gain at their end,
#: and the last of 1,200 are past the best. Larger texts want more.
MINUTES = 0.25
#: Below so many characters, minutes are dozens of passes, and without dropout all would be
#: learning by heart.
SMALL, DROPOUT = 500_000, 0.5


@dataclass(frozen=True)
class Validation:
    """One point of a run's curve."""

    minutes: float
    nats: float

    @property
    def bits(self) -> float:
        return self.nats / math.log(2.0)


@dataclass(frozen=True)
class Run:
    """What became of one training run; ``curve`` has its validations in order."""

    contestant: Contestant
    hidden_size: int
    parameters: int
    steps: int
    curve: tuple[Validation, ...]
    diverged: bool = False

    @property
    def best(self) -> Validation:
        """The lowest validation; infinite if the run diverged before its first."""
        return min(self.curve, key=lambda v: v.nats, default=Validation(0.0, math.inf))


def equal_size(cell: str, vocab_size: int, wanted: int) -> int:
    """The units of ``cell`` with which one layer is nearest to ``wanted`` parameters."""
    largest = 1 + math.isqrt(wanted)  # W_h alone, of one gate, would be more than wanted

    def distance(hidden_size: int) -> int:
        return abs(Architecture(cell, vocab_size, hidden_size).size - wanted)

    return min(range(1, largest + 1), key=distance)


def settings(base: Config, contestant: Contestant, vocab_size: int) -> Config:
    """``base`` for one contestant, with as many parameters as ``base`` has itself."""
    wanted = Architecture(base.model.cell, vocab_size, base.model.hidden_size).size
    return with_settings(
        base,
        {
            "cell": contestant.cell,
            "hidden_size": equal_size(contestant.cell, vocab_size, wanted),
            "optimizer": contestant.optimizer,
            "learning_rate": contestant.learning_rate,
        },
    )


def train(base: Config, contestant: Contestant, corpus: Corpus) -> Run:
    """One run to the end of its budget, or to where its loss is no longer finite."""
    trainer = Trainer(settings(base, contestant, len(corpus.vocab)), corpus)
    curve, diverged = [], False
    try:
        for step in trainer:
            if step.validation:
                curve.append(Validation(step.seconds / 60.0, step.validation.nats_per_char))
    except TrainingError:
        diverged = True
    hidden_size, size = trainer.config.model.hidden_size, trainer.network.params.flat.size
    return Run(contestant, hidden_size, size, trainer.step, tuple(curve), diverged)


def races(
    base: Config, contestants: Sequence[Contestant], corpus: Corpus, seeds: int
) -> Iterator[Run]:
    """Each contestant once for each seed; all of one seed before the next."""
    for seed in range(1, seeds + 1):
        for contestant in contestants:
            say(f"{contestant.optimizer}, {contestant.cell}, rate {contestant.learning_rate:g} ...")
            run = train(with_settings(base, {"seed": seed}), contestant, corpus)
            end = ", where its loss was no longer finite" if run.diverged else ""
            say(f"  {run.best.bits:.4f} bits per character, {run.steps:,} steps{end}")
            yield run


def groups(runs: Sequence[Run]) -> dict[str, dict[str, list[Run]]]:
    """What is compared -> its name -> its runs, one for each seed."""
    base = Config()
    found: dict[str, dict[str, list[Run]]] = {"optimiser": {}, "cell": {}}
    for run in runs:
        if run.contestant.cell == base.model.cell:
            found["optimiser"].setdefault(run.contestant.optimizer, []).append(run)
        if run.contestant.optimizer == base.train.optimizer:
            found["cell"].setdefault(run.contestant.cell, []).append(run)
    return found


def table(title: str, rows: dict[str, list[Run]]) -> str:
    """A row for each name; of several seeds means, and half the spread of the nats."""
    lines = [
        f"| {title} | hidden size | parameters | learning rate | steps "
        "| best nats | best bits per character | reached after, minutes |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, runs in rows.items():
        first, nats = runs[0], [run.best.nats for run in runs]
        steps = f"{statistics.mean(run.steps for run in runs):,.0f}"
        diverged = ", diverged" if any(run.diverged for run in runs) else ""
        spread = f" ± {(max(nats) - min(nats)) / 2:.4f}" if len(runs) > 1 else ""
        bits = statistics.mean(run.best.bits for run in runs)
        reached = statistics.mean(run.best.minutes for run in runs)
        lines.append(
            f"| {name} | {first.hidden_size} | {first.parameters:,} "
            f"| {first.contestant.learning_rate:g} | {steps}{diverged} "
            f"| {statistics.mean(nats):.4f}{spread} | {bits:.4f} | {reached:.2f} |"
        )
    return "\n".join(lines) + "\n"


def introduction(base: Config, corpus: Corpus, seeds: int) -> str:
    """What the figures depend on: machine, corpus, settings and command."""
    train = base.train
    budget = f"{train.steps:,} steps" if train.steps else f"{train.minutes:g} minutes"
    return (
        f"{inside.machine()}.\n"
        f"{Path(corpus.name).name}: {corpus.characters:,} characters, SHA-256 "
        f"{corpus.sha256[:16]}..., the last tenth held out.\n"
        f"{budget} for each run, {seeds} of each; dropout {base.model.dropout:g}.\n\n"
        f"    {shlex.join(['python', *sys.argv])}\n"
    )


def draw(runs: Sequence[Run], path: Path) -> None:
    """Validation against time, a panel for the optimisers and one for the cells."""
    import matplotlib
    from matplotlib.figure import Figure

    # Text as text, and ids that are the same in each run: a small file, and small changes.
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "charrnn"}):
        figure = Figure(figsize=(9.0, 3.6), layout="constrained")
        panels = figure.subplots(1, 2, sharey=True)
        for axes, (title, rows) in zip(panels, groups(runs).items(), strict=True):
            for color, (name, own) in enumerate(rows.items()):
                for run in own:
                    minutes, bits = [v.minutes for v in run.curve], [v.bits for v in run.curve]
                    label = name if run is own[0] else None
                    axes.plot(minutes, bits, color=f"C{color}", linewidth=1.2, label=label)
            axes.legend(title=title)
            axes.set_xlabel("minutes")
            axes.grid(alpha=0.3)
        panels[0].set_ylabel("validation, bits per character")
        figure.savefig(path, metadata={"Date": None})


def tune(base: Config, corpus: Corpus) -> None:
    """Print a line of figures for each contestant: its rate times each of FACTORS.

    Only the training part is used, its own last tenth held out: rates that had been chosen
    by the part that the table reports on would flatter it.
    """
    inner = Corpus.of_text(corpus.vocab.decode(corpus.train), base.data)
    for contestant in CONTESTANTS:
        rates = [contestant.learning_rate * factor for factor in FACTORS]
        tried = [replace(contestant, learning_rate=rate) for rate in rates]
        figures = [
            f"{run.contestant.learning_rate:g} {run.best.nats:.3f}"
            for run in races(base, tried, inner, 1)
        ]
        print(f"{contestant.optimizer}, {contestant.cell}: {', '.join(figures)}", flush=True)


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def compare(arguments: argparse.Namespace) -> None:
    """Do what the command line asks for.

    Raises:
        CharRNNError: the corpus, a setting or the output is not usable.
    """
    corpus = Corpus([Source.open(arguments.corpus)], Config().data)
    dropout = arguments.dropout
    if dropout is None:
        dropout = DROPOUT if corpus.characters < SMALL else 0.0
    # All are to have their time, the one that learns by heart too.
    chosen = {"hidden_size": UNITS, "dropout": dropout, "patience": 0}
    chosen["workers"] = arguments.workers
    if arguments.tune or arguments.steps:
        chosen["steps"] = arguments.steps or TUNING_STEPS
    else:
        chosen["minutes"] = arguments.minutes
    base = with_settings(Config(), chosen)
    if arguments.tune:
        return tune(base, corpus)
    page: Path = arguments.output
    check_writable(page)
    drawing = importlib.util.find_spec("matplotlib") is not None
    if not drawing:
        say("there will be no picture: matplotlib is not installed (pip install '.[plot]')")
    parts = ["# Optimisers and cells\n", introduction(base, corpus, arguments.seeds)]
    runs = list(races(base, CONTESTANTS, corpus, arguments.seeds))
    parts += [table(title, rows) for title, rows in groups(runs).items()]
    if drawing:
        image = page.with_suffix(".svg")
        draw(runs, image)
        parts.append(f"![validation, bits per character, against minutes]({image.name})\n")
    page.write_text("\n".join(parts), "utf-8")
    say(f"written: {page}")


def main() -> int:
    parser = argparse.ArgumentParser(description="Compare optimisers and cells, for equal time.")
    parser.add_argument(
        "corpus", nargs="?", default=ROOT / "corpora" / "fables.txt", help="a text (%(default)s)"
    )
    parser.add_argument("--minutes", type=float, default=MINUTES, help="of each (%(default)s)")
    parser.add_argument("--steps", type=int, help="of each, instead of minutes")
    parser.add_argument("--seeds", type=int, default=1, help="runs of each (%(default)s)")
    parser.add_argument(
        "--dropout", type=float, help=f"default: {DROPOUT} below {SMALL:,} characters, else 0"
    )
    parser.add_argument("--workers", type=int, default=0, help="processes; 0: as many as help")
    parser.add_argument("--tune", action="store_true", help="try rates, and print what they give")
    parser.add_argument(
        "-o", "--output", type=Path, default=ROOT / "benchmarks" / "compare.md", help="%(default)s"
    )
    arguments = parser.parse_args()
    if arguments.seeds < 1:
        parser.error("--seeds: give 1 or more")
    try:
        compare(arguments)
    except CharRNNError as error:
        say(f"compare: {error}")
        return 2 if isinstance(error, ConfigError) else 1
    except KeyboardInterrupt:
        say("interrupted; nothing was written")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
