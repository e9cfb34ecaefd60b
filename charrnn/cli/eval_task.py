"""What ``charrnn eval`` was asked for, and whether its models can do it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from charrnn.checkpoint import Checkpoint
from charrnn.cli.corpora import Files
from charrnn.cli.inputs import TextReader
from charrnn.cli.model import load_checkpoint
from charrnn.cli.settings import combine, reading
from charrnn.cli.threshold import Threshold
from charrnn.config.schema import Config, DataConfig, Errors, ScoredUnknown
from charrnn.config.sources import Settings
from charrnn.data.source import Source
from charrnn.data.vocab import NOUNS
from charrnn.errors import CheckpointError, ConfigError
from charrnn.messages import path_name
from charrnn.model import CharRNN


@dataclass(frozen=True)
class Request:
    """What was asked for: the command's options."""

    files: Files
    models: Files
    config: str | None
    flags: Settings
    as_json: bool
    line_buffered: bool
    color: str
    mode: str | None = None  # lines, chars, heat or html
    html: str | None = None
    force: bool = False
    held_out: bool = False
    dynamic: bool = False
    baselines: Files = ()
    overlap: Files = ()
    line_number: bool = False
    with_filename: bool = False
    count_unknown: bool = False
    above: Threshold | None = None
    mark: bool = False


@dataclass(frozen=True)
class Task:
    """A model, and how it is to read the texts that it scores.

    Attributes:
        data: how bytes become text. unknown, errors: what to do with characters that the model
            does not know, and with bytes that cannot be decoded.
    """

    model: CharRNN
    data: DataConfig
    unknown: ScoredUnknown
    errors: Errors

    @classmethod
    def of(cls, request: Request, path: str) -> Task:
        """The task for the model in a file.

        Raises:
            CharRNNError: the model or a setting is not usable.
        """
        checkpoint = load_checkpoint(path, training=request.dynamic)
        model = CharRNN.from_checkpoint(checkpoint, path_name(path))
        if request.dynamic:
            _check_dynamic(model, checkpoint)
        sections = ("eval", "data")
        config = combine(request.flags, request.config, base=_base(model), sections=sections)
        lines = request.mode == "lines"
        errors = config.eval.errors or ("replace" if lines else "strict")
        rare = lines or errors == "replace"
        unknown = config.eval.unknown or ("score" if rare else "error")
        how = model.treatment(unknown)
        return cls(model, reading(model.config, config), how.unknown, errors)

    def reader(self, source: Source) -> TextReader:
        """A text of these settings."""
        strict = self.unknown == "error"
        return TextReader.of(self.model.vocab, source, self.data, strict, self.errors)


def _base(model: CharRNN) -> Config:
    """The model's settings, without the defaults that version 0.1 stored in every model."""
    config = model.config
    old = config.eval.unknown == "error"
    return replace(config, eval=replace(config.eval, unknown=None)) if old else config


def check_comparison(request: Request, models: list[CharRNN]) -> None:
    """Refuse to compare what cannot be compared."""
    units = {model.vocab.unit for model in models}
    if len(units) > 1:
        nouns = [noun for unit, noun in NOUNS.items() if unit in units]
        raise ConfigError(
            f"models of {' and of '.join(f'{noun}s' for noun in nouns)} cannot be compared, "
            f"because their figures are {' or '.join(f'per {noun}' for noun in nouns)}",
            "give models of one unit",
        )
    held_out = request.files if request.held_out else ()
    if len(models) > 1 and "-" in (*request.baselines, *request.overlap, *held_out):
        raise ConfigError("each model reads the corpus, so it cannot be stdin", "give a file")


def _check_dynamic(model: CharRNN, checkpoint: Checkpoint) -> None:
    """Find out, before any text is read, why a model cannot adapt."""
    if model.squares is None and not model.of_records:
        what, hint = (
            "was saved without its training state",
            "give the file that charrnn train wrote",
        )
        if checkpoint.training:
            optimizer = checkpoint.config.train.optimizer
            what = f"was trained with {optimizer}, which keeps none"
            hint = "train with adagrad, rmsprop or adam"
            if not checkpoint.training.state.step:
                what, hint = "is not trained yet", "continue with: charrnn train --resume"
        raise CheckpointError(
            f"{model.name}: --dynamic needs mean squared gradients, but this model {what}", hint
        )
    model.dynamic_scorer()
