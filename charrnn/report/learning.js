/** How training went: the curves, the scores, and what was written on the way. */

import { lineChart } from "./chart.js";
import { card, element, section, table } from "./dom.js";
import { nounOf } from "./text.js";

export function learning({ models, progress }) {
  const nothing = models.every(({ history, samples }) => !history.length && !samples.length);
  if (nothing && progress === null) return null;
  const unit = nounOf(models[0]);
  const mixed = models.some(({ mixture }) => mixture !== null);
  const lines = mixed
    ? "The solid line is for text that was held out of training, the dotted one for the same text " +
      "without the help of n-grams, the dashed one for the text that the network was learning from; " +
      "where these two diverge, the network begins to memorise."
    : "The solid line is for text that was held out of training, the dashed one for the text it was " +
      "learning from; where they diverge, the model begins to memorise.";
  const held = progress !== null || models.some(({ validation }) => validation !== null);
  const shown = held
    ? lines
    : "The dashed line is a running mean for the text it was learning from.";
  const about = `Bits per ${unit}: how surprised a model is by a text, on average. Lower is better. ${shown}`;
  const trained = models.filter(({ history }) => history.length);
  const running = progress === null ? "" : runningBar(progress);
  const chart = trained.length
    ? curves(models, trained, unit)
    : element("p", "There is no record of validations.");
  return section(
    "learning",
    "How it learned",
    about,
    running,
    chart,
    scores(models, unit),
    milestones(models[0]),
  );
}

function runningBar(progress) {
  const bar = element("progress", { max: 1, value: progress, "aria-label": "training" });
  return element("p.running", bar, ` training: ${Math.floor(100 * progress)} % done`);
}

function curves(models, trained, unit) {
  const line = (model, what, dash, shown = what) => ({
    name: models.length > 1 ? `${model.name}: ${shown}` : shown,
    color: models.indexOf(model),
    dash,
    points: model.history.filter((at) => at[what] !== null).map((at) => [at.characters, at[what]]),
  });
  const lines = trained.flatMap((model) => [
    line(model, "validation", ""),
    line(model, "network", "dotted", "network alone"),
    line(model, "training", "dashed"),
  ]);
  const series = lines.filter(({ points }) => points.length);
  const uniform = Math.max(...models.map((model) => model.uniform));
  const levels = [{ name: `uniform guess ${uniform.toFixed(2)}`, y: uniform }];
  const ngram = models.find((model) => model.ngram !== null)?.ngram;
  if (ngram) levels.push({ name: `6-gram model ${ngram.toFixed(2)}`, y: ngram });
  const alone = models.map(({ mixture }) => mixture?.ngram).find(Boolean);
  if (alone) levels.push({ name: `n-grams alone ${alone.toFixed(2)}`, y: alone, right: true });
  const lowest = Math.min(
    ...levels.map(({ y }) => y),
    ...series.flatMap(({ points }) => points.map(([, y]) => y)),
  );
  return lineChart({
    series,
    levels,
    range: [Math.max(0, Math.floor(2 * lowest - 0.5) / 2), uniform],
    label: `Training and validation loss in bits per ${unit}. ${series.map(ends).join("; ")}`,
    x: `${unit}s read in training`,
    file: "learning.svg",
    where: (x) => `after ${x} ${unit}s`,
  });
}

/** A line in words. */
const ends = ({ name, points }) => {
  const [first, last] = [points[0], points.at(-1)].map(([, y]) => y.toFixed(2));
  return `${name}: from ${first} to ${last}`;
};

function scores(models, unit) {
  const figures = {
    "best validation": ({ validation }) => validation,
    "network alone": ({ mixture }) => mixture?.network,
    "n-grams alone": ({ mixture }) => mixture?.ngram,
    "this page's text": ({ text }) => text?.bits_per_char,
    "uniform guess": ({ uniform }) => uniform,
    "6-gram model": ({ ngram }) => ngram,
  };
  const rows = Object.entries(figures)
    .filter(([, of]) => models.some((model) => of(model)))
    .map(([name, of]) => ({ name, cells: models.map((model) => of(model)?.toFixed(3) ?? "") }));
  return table([`bits per ${unit}`, ...models.map(({ name }) => name)], rows);
}

function milestones({ milestones: texts }) {
  if (!texts.length) return "";
  const cards = texts.map(({ progress, step, text }) =>
    card("h4", `${Math.round(100 * progress)} %`, `step ${step}`, text),
  );
  return element("div", element("h3", "What it wrote while training"), element("div.cards", cards));
}
