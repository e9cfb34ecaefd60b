/** How training went: the curves, the scores, and what was written on the way. */

import { lineChart } from "./chart.js";
import { count, element, section } from "./dom.js";

export function learning({ models, progress }) {
  const unit = models[0].unit === "byte" ? "byte" : "character";
  const about =
    `Bits per ${unit}: how surprised a model is by a text, on average. Lower is better. ` +
    "The solid line is for text that was held out of training, the dashed one for the text it was " +
    "learning from; where they part, the model begins to memorise.";
  const trained = models.filter(({ history }) => history.length);
  const parts = trained.length ? [curves(models, trained, unit)] : [element("p", {}, "The validations of this training are not in the file.")];
  if (progress !== null) parts.unshift(running(progress));
  parts.push(scores(models), milestones(models[0]));
  return section("learning", "How it learned", about, ...parts);
}

function running(progress) {
  const bar = element("progress", { max: 1, value: progress, "aria-label": "share of the training that is done" });
  return element("p", { class: "running" }, bar, ` training: ${Math.floor(100 * progress)} % done`);
}

function curves(models, trained, unit) {
  const name = (model, what) => (models.length > 1 ? `${model.name}: ${what}` : what);
  const line = (model, what, dashed) => ({
    name: name(model, what),
    color: models.indexOf(model),
    dashed,
    points: model.history.filter((point) => point[what] !== null).map((point) => [point.characters, point[what]]),
  });
  const series = trained.flatMap((model) => [line(model, "validation", false), line(model, "training", true)]);
  const uniform = Math.max(...models.map((model) => model.uniform));
  const levels = [{ name: `uniform guess ${uniform.toFixed(2)}`, y: uniform }];
  const ngram = models.find((model) => model.ngram !== null);
  if (ngram) levels.push({ name: `6-gram model ${ngram.ngram.toFixed(2)}`, y: ngram.ngram });
  const lowest = Math.min(...series.flatMap(({ points }) => points.map(([, y]) => y)), ...levels.map(({ y }) => y));
  return lineChart({
    series: series.filter(({ points }) => points.length),
    levels,
    range: [Math.max(0, Math.floor(2 * lowest - 0.2) / 2), uniform],
    label: `Training and validation loss in bits per ${unit}`,
    x: `${unit}s read in training`,
    file: "learning.svg",
  });
}

function scores(models) {
  const number = (value) => element("td", {}, value === null || value === undefined ? "" : value.toFixed(3));
  const heads = ["bits per character", "best validation", "this page's text", "uniform guess", "6-gram model"];
  const rows = models.map((model) =>
    element("tr", {}, element("th", { scope: "row" }, model.name), number(model.validation), number(model.text?.bits_per_char), number(model.uniform), number(model.ngram)),
  );
  const head = element("tr", {}, heads.map((name) => element("th", { scope: "col" }, name)));
  return element("div", { class: "wide" }, element("table", {}, element("thead", {}, head), element("tbody", {}, rows)));
}

function milestones({ milestones: texts }) {
  if (!texts.length) return "";
  const cards = texts.map(({ progress, step, text }) =>
    element("article", {}, element("h4", {}, `${Math.round(100 * progress)} %`, element("small", {}, ` ${step === 1 ? "1 step" : `${count(step)} steps`}`)), element("pre", {}, text)),
  );
  return element("div", {}, element("h3", {}, "What it wrote on the way"), element("div", { class: "cards" }, cards));
}
