"""Train the same model with each optimiser, then each cell at one size, for equal time.

    make compare                                  # corpora/fables.txt, two minutes
    make compare CORPUS=tinyshakespeare.txt MINUTES=2
    python benchmarks/compare.py --tune           # to choose the default learning rates

The runs follow one another, so that each has the machine to itself. All settings are the
defaults except for the learning rate, the dropout, the cell and the hidden size, and no n-grams are
mixed in, which would hide differences. The table is written when the last run has ended, and a plot
beside it if matplotlib is installed.
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

from benchmarks import machine  # noqa: E402
from charrnn import CharRNNError, Config, ConfigError, Corpus, Trainer, TrainingError  # noqa: E402
from charrnn.checkpoint import check_writable  # noqa: E402
from charrnn.config.autosize import RATES  # noqa: E402
from charrnn.config.sources import with_settings  # noqa: E402
from charrnn.data.source import Source  # noqa: E402
from charrnn.messages import pluralize  # noqa: E402
from charrnn.nn.network import Architecture  # noqa: E402


@dataclass(frozen=True)
class Variant:
    """An optimiser, a cell, and the learning rate that suits the two."""

    optimizer: str
    cell: str
    learning_rate: float


#: With the default learning rates, which were chosen with ``--tune``; an RNN as wide as this has a
#: lower one by default.
VARIANTS = (
    *(Variant(optimizer, "lstm", rate) for optimizer, rate in RATES.items()),
    Variant("adagrad", "rnn", RATES["adagrad"]),
    Variant("adagrad", "gru", RATES["adagrad"]),
)
#: Units of the LSTM: few enough for a minute to show what each variant can do.
HIDDEN_SIZE = 256
#: ``--tune`` tries each default learning rate times each of these, for so many steps.
FACTORS, TUNING_STEPS = (0.5, 1.0, 2.0), 400
#: Enough for corpora/fables.txt, as README.md explains; larger texts need more.
MINUTES = 0.25
#: A smaller text is read dozens of times within minutes, and without dropout the comparison
#: would be of which variant overfits first.
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
    """The result of one training run; ``curve`` has its validations in order."""

    variant: Variant
    hidden_size: int
    parameters: int
    steps: int
    curve: tuple[Validation, ...]
    diverged: bool = False

    @property
    def best(self) -> Validation:
        """The lowest validation; infinite if the run diverged before its first."""
        return min(self.curve, key=lambda v: v.nats, default=Validation(0.0, math.inf))


def equal_hidden_size(cell: str, vocab_size: int, parameters: int) -> int:
    """The units with which one layer of ``cell`` is nearest to a number of parameters."""
    largest = 1 + math.isqrt(parameters)  # W_h alone, of one gate, would be larger

    def distance(hidden_size: int) -> int:
        return abs(Architecture(cell, vocab_size, hidden_size).size - parameters)

    return min(range(1, largest + 1), key=distance)


def settings(base: Config, variant: Variant, vocab_size: int) -> Config:
    """``base`` for one variant, with as many parameters as ``base`` itself has."""
    hidden_size = base.model.hidden_size or HIDDEN_SIZE
    parameters = Architecture(base.model.cell, vocab_size, hidden_size).size
    return with_settings(
        base,
        {
            "cell": variant.cell,
            "hidden_size": equal_hidden_size(variant.cell, vocab_size, parameters),
            "optimizer": variant.optimizer,
            "learning_rate": variant.learning_rate,
        },
    )


def train(base: Config, variant: Variant, corpus: Corpus) -> Run:
    """One run to the end of its budget, or until its loss is no longer finite."""
    vocab_size = len(corpus.vocab)
    config = settings(base, variant, vocab_size)
    hidden_size = config.model.hidden_size or HIDDEN_SIZE
    parameters = Architecture(variant.cell, vocab_size, hidden_size).size
    curve, steps, diverged = [], 0, False
    try:
        for step in Trainer(config, corpus):
            steps = step.step
            if step.validation:
                curve.append(Validation(step.seconds / 60.0, step.validation.nats_per_char))
    except TrainingError:
        diverged = True
    return Run(variant, hidden_size, parameters, steps, tuple(curve), diverged)


def train_all(
    base: Config, variants: Sequence[Variant], corpus: Corpus, seeds: int
) -> Iterator[Run]:
    """Each variant once for each seed; all of one seed before the next."""
    for seed in range(1, seeds + 1):
        for variant in variants:
            report(f"{variant.optimizer}, {variant.cell}, rate {variant.learning_rate:g} ...")
            run = train(with_settings(base, {"seed": seed}), variant, corpus)
            end = ", when its loss was no longer finite" if run.diverged else ""
            report(f"  {run.best.bits:.4f} bits per character, {pluralize(run.steps, 'step')}{end}")
            yield run


def groups(runs: Sequence[Run]) -> dict[str, dict[str, list[Run]]]:
    """Runs, one for each seed, by the optimiser and by the cell that they compare."""
    base = Config()
    found: dict[str, dict[str, list[Run]]] = {"optimiser": {}, "cell": {}}
    for run in runs:
        if run.variant.cell == base.model.cell:
            found["optimiser"].setdefault(run.variant.optimizer, []).append(run)
        if run.variant.optimizer == base.train.optimizer:
            found["cell"].setdefault(run.variant.cell, []).append(run)
    return found


def table(title: str, rows: dict[str, list[Run]]) -> str:
    """A row for each name; with several seeds, the means and half the spread of the nats."""
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
            f"| {first.variant.learning_rate:g} | {steps}{diverged} "
            f"| {statistics.mean(nats):.4f}{spread} | {bits:.4f} | {reached:.2f} |"
        )
    return "\n".join(lines) + "\n"


def introduction(base: Config, corpus: Corpus, seeds: int) -> str:
    """What the figures depend on: machine, corpus, settings and command."""
    train = base.train
    budget = pluralize(train.steps or train.minutes or 0, "step" if train.steps else "minute")
    return (
        f"{machine.describe()}.\n"
        f"{Path(corpus.name).name}: {corpus.characters:,} characters, SHA-256 "
        f"{corpus.sha256[:16]}..., the last tenth held out.\n"
        f"{budget} for each run, {seeds} of each; dropout {base.model.dropout:g}.\n\n"
        f"    {shlex.join(['python', *sys.argv])}\n"
    )


def plot(runs: Sequence[Run], path: Path) -> None:
    """Plot validation against time, one panel for the optimisers and one for the cells."""
    import matplotlib
    from matplotlib.figure import Figure

    # Text as text, and ids that are the same in each run: a small file, and small changes.
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "charrnn"}):
        figure = Figure(figsize=(9.0, 3.6), layout="constrained")
        panels = figure.subplots(1, 2, sharey=True)
        for axes, (title, rows) in zip(panels, groups(runs).items(), strict=True):
            for color, (name, seeds) in enumerate(rows.items()):
                for run in seeds:
                    minutes, bits = [v.minutes for v in run.curve], [v.bits for v in run.curve]
                    label = name if run is seeds[0] else None
                    axes.plot(minutes, bits, color=f"C{color}", linewidth=1.2, label=label)
            axes.legend(title=title)
            axes.set_xlabel("minutes")
            axes.grid(alpha=0.3)
        panels[0].set_ylabel("validation, bits per character")
        figure.savefig(path, metadata={"Date": None})


def tune(base: Config, corpus: Corpus) -> None:
    """Print a line for each variant: the best validation at each of its learning rates.

    Uses only the training part, of which the last tenth is held out: rates chosen by the
    part that the table reports on would make it look better than it is.
    """
    training_part = Corpus.of_text(corpus.vocab.decode(corpus.train), base.data)
    for variant in VARIANTS:
        rates = [variant.learning_rate * factor for factor in FACTORS]
        tried = [replace(variant, learning_rate=rate) for rate in rates]
        figures = [
            f"{run.variant.learning_rate:g} {run.best.nats:.3f}"
            for run in train_all(base, tried, training_part, 1)
        ]
        print(f"{variant.optimizer}, {variant.cell}: {', '.join(figures)}", flush=True)


def report(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def plotting_available() -> bool:
    """Whether matplotlib is installed; if not, say how to install it."""
    if importlib.util.find_spec("matplotlib") is not None:
        return True
    install = [sys.executable, "-m", "pip", "install", "--editable", f"{ROOT}[plot]"]
    report(f"there will be no plot: matplotlib is not installed; {shlex.join(install)}")
    return False


def compare(arguments: argparse.Namespace) -> None:
    """Do what the command line asks for.

    Raises:
        CharRNNError: the corpus, a setting or the output cannot be used.
    """
    corpus = Corpus([Source.open(arguments.corpus)], Config().data)
    dropout = arguments.dropout
    if dropout is None:
        dropout = DROPOUT if corpus.characters < SMALL else 0.0
    # Every variant trains to the end of its budget, even one that overfits.
    chosen = {"hidden_size": HIDDEN_SIZE, "dropout": dropout, "ngram_order": 0, "patience": 0}
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
    plotting = plotting_available()
    parts = ["# Optimisers and cells\n", introduction(base, corpus, arguments.seeds)]
    runs = list(train_all(base, VARIANTS, corpus, arguments.seeds))
    parts += [table(title, rows) for title, rows in groups(runs).items()]
    if plotting:
        image = page.with_suffix(".svg")
        plot(runs, image)
        parts.append(f"![validation, bits per character, against minutes]({image.name})\n")
    page.write_text("\n".join(parts), "utf-8")
    report(f"written: {page}")


def main() -> int:
    parser = argparse.ArgumentParser(description="Compare optimisers and cells for equal time.")
    parser.add_argument(
        "corpus", nargs="?", default=ROOT / "corpora" / "fables.txt", help="a text (%(default)s)"
    )
    parser.add_argument("--minutes", type=float, default=MINUTES, help="of each run (%(default)s)")
    parser.add_argument("--steps", type=int, help="of each run, instead of minutes")
    parser.add_argument("--seeds", type=int, default=1, help="runs of each variant (%(default)s)")
    parser.add_argument(
        "--dropout", type=float, help=f"default: {DROPOUT} below {SMALL:,} characters, else 0"
    )
    parser.add_argument("--workers", type=int, default=0, help="processes; 0 for automatic")
    parser.add_argument("--tune", action="store_true", help="try other learning rates instead")
    parser.add_argument(
        "-o", "--output", type=Path, default=ROOT / "benchmarks" / "compare.md", help="%(default)s"
    )
    arguments = parser.parse_args()
    if arguments.seeds < 1:
        parser.error("--seeds: must be 1 or more")
    try:
        compare(arguments)
    except CharRNNError as error:
        report(f"compare: {error}")
        return 2 if isinstance(error, ConfigError) else 1
    except KeyboardInterrupt:
        report("interrupted; nothing was written")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
