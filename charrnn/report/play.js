/** The model itself: it continues what the reader types. */

import { barChart, drawBars } from "./chart.js";
import { distribution, draw, likeliest, randomNumbers, softmax } from "./choice.js";
import { element, labelled, perModel, saveButton, section } from "./dom.js";
import { networkOf } from "./network.js";
import { heat, TextView } from "./text.js";

/** Characters of a beginning that are read, and of a text that are written without a pause. */
const [LONGEST, PAUSE_AFTER] = [2000, 4000];

export function play({ models }) {
  const about =
    "The model runs in this page. Type a beginning and watch what it expects next: the bars are the " +
    "probabilities that it draws from, the outlines those before temperature, top-k and top-p.";
  const shown = models.filter((_, index) => document.getElementById(`weights-${index}`));
  return shown.length ? section("play", "Play with it", about, perModel(models, showPlay)) : null;
}

/** The ids of a text, and the characters of it that the model does not know. */
export function encode(model, text) {
  const points = model.unit === "byte" ? [...new TextEncoder().encode(text)] : [...text].map((char) => char.codePointAt(0));
  const idOf = new Map(model.points.map((point, id) => [point, id]));
  const unknown = [...new Set(points.filter((point) => !idOf.has(point)))].map((point) => String.fromCodePoint(point));
  return { ids: points.filter((point) => idOf.has(point)).map((point) => idOf.get(point)), unknown };
}

function slider(name, attributes, shown, change) {
  const value = element("output", {});
  const input = element("input", { type: "range", ...attributes, input: () => {
    value.value = shown(Number(input.value));
    change();
  } });
  value.value = shown(Number(input.value));
  return { node: labelled(name, input, value), get value() { return Number(input.value); } };
}

function showPlay(model, index) {
  let network = null;
  let random = null;
  let timer = null;
  let written = [];
  const bars = barChart();
  const status = element("p", { class: "verdict", role: "status" });
  const off = (value) => (value === 0 || value === 1 ? "off" : `${value}`);
  const temperature = slider("temperature", { min: 0, max: 2, step: 0.05, value: 0.8 }, (value) => value.toFixed(2), () => expect());
  const topK = slider("top-k", { min: 0, max: Math.min(40, model.points.length), step: 1, value: 0 }, (value) => (value ? `${value}` : "off"), () => expect());
  const topP = slider("top-p", { min: 0.05, max: 1, step: 0.05, value: 1 }, off, () => expect());
  const speed = slider("characters per second", { min: 1, max: 60, step: 1, value: 12 }, (value) => `${value}`, () => {});
  const seed = element("input", { type: "number", min: 0, value: 0, change: () => restart() });
  const beginning = element("textarea", { rows: 2, spellcheck: "false", input: () => restart() });
  beginning.value = opening(model);
  const view = new TextView(model, "the text so far; characters are coloured by how unlikely they were", (at) => {
    const place = written[at];
    if (!place) return;
    pause();
    status.textContent = `in place of ${model.labels[place.id]}, it expected:`;
    drawBars(bars, place.rows);
  });

  const settings = () => ({ temperature: temperature.value, topK: topK.value, topP: topP.value });
  const expected = (marked) => {
    const [own, probs] = [softmax(network.logits), distribution(network.logits, settings())];
    const rows = likeliest(own, 10).map(([id, before]) => ({ label: model.labels[id], p: probs[id], before, marked: id === marked }));
    return { own, probs, rows };
  };
  function expect() {
    if (!network) return;
    status.textContent = "expected next:";
    drawBars(bars, expected().rows);
  }
  function restart() {
    pause();
    network ??= networkOf(model, index);
    network.reset();
    network.read(model.start);
    random = randomNumbers(Number(seed.value));
    written = [];
    view.clear();
    const { ids, unknown } = encode(model, beginning.value);
    for (const id of ids.slice(-LONGEST)) {
      network.read(id);
      written.push(null);
      view.append(id, "given");
    }
    expect();
    if (unknown.length) status.textContent = `left out, because the model does not know them: ${unknown.map((char) => JSON.stringify(char)).join(" ")}`;
  }
  function step() {
    if (!network) restart();
    const { own, probs } = expected();
    const id = draw(probs, random());
    written.push({ id, rows: expected(id).rows });
    view.append(id, heat(-Math.log2(own[id])));
    view.node.scrollTop = view.node.scrollHeight;
    network.read(id);
    expect();
  }
  function run() {
    step();
    if (written.length % PAUSE_AFTER === 0) return pause();
    timer = setTimeout(run, 1000 / speed.value);
  }
  function pause() {
    clearTimeout(timer);
    timer = null;
    start.textContent = "Play";
  }
  const start = element("button", { type: "button", class: "primary", click: () => {
    if (timer !== null) return pause();
    start.textContent = "Pause";
    run();
  } }, "Play");
  const one = element("button", { type: "button", click: () => { pause(); step(); } }, "Step");
  const again = element("button", { type: "button", click: () => restart() }, "Start again");

  // The weights are decoded when this comes into view, so that the page opens at once.
  const body = element("div", { class: "play" });
  new IntersectionObserver((entries, observer) => {
    if (!entries.some((entry) => entry.isIntersecting)) return;
    observer.disconnect();
    restart();
  }).observe(body);
  const controls = element("div", { class: "controls" }, temperature.node, topK.node, topP.node, speed.node, labelled("seed", seed));
  const panel = element("div", { class: "panel" }, status, bars, saveButton(bars, "next.svg"));
  body.append(labelled("beginning", beginning), controls, element("div", { class: "buttons" }, start, one, again), element("div", { class: "beside" }, view.node, panel));
  return body;
}

/** The first words of the text on the page, to begin with. */
function opening({ text, points, unit }) {
  if (!text || unit === "byte") return "";
  const words = text.ids.slice(0, 60).map((id) => String.fromCodePoint(points[id])).join("").trimStart();
  return words.split("\n")[0].split(" ").slice(0, 3).join(" ");
}
