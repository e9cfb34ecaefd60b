/** The model itself: it continues what the reader types. */

import { barChart, drawBars } from "./chart.js";
import { distribution, draw, likeliest, randomNumbers, softmax } from "./choice.js";
import { button, choice, element, labelled, perModel, saveButton, section, spoken } from "./dom.js";
import { mixtureOf } from "./mixture.js";
import { heat, TextView, textOf } from "./text.js";

/** Characters of a beginning that are read, and of a text that are written without a pause. */
const [LONGEST, PAUSE_AFTER] = [2000, 4000];

export function play({ models }) {
  const about =
    "The model runs in this page. Type a beginning and watch what it expects next: the bars are the " +
    "probabilities that it draws from, the outlines those before temperature, top-k and top-p.";
  if (document.getElementById("weights-0") === null) return null;
  return section("play", "Play with it", about, perModel(models, showPlay));
}

/** Words as charrnn/data/tokens.py defines them. */
const LETTERS = "[\\p{L}\\p{M}\\p{N}]{1,64}";
const WORDS = new RegExp(
  ` ?${LETTERS}(?:['\u2019]${LETTERS}){0,3}| ?[^\\s\ufffd]| {2,64}|.`,
  "gsu",
);

/** How a text becomes symbols, as they are in a model's `points`. */
const SYMBOLS = {
  char: (text) => [...text].map((char) => char.codePointAt(0)),
  byte: (text) => [...new TextEncoder().encode(text)],
  word: (text) => text.match(WORDS) ?? [],
};

/** The ids of a text, and the characters of it that the model does not know. */
function encode({ unit, points, rare }, text) {
  const typed = SYMBOLS[unit](text);
  const idOf = new Map(points.map((point, id) => [point, id]));
  const ids = typed.map((point) => idOf.get(point) ?? rare).filter((id) => id !== null);
  const unknown = rare === null ? new Set(typed.filter((point) => !idOf.has(point))) : [];
  return { ids, unknown: [...unknown].map((point) => JSON.stringify(textOf(point))) };
}

/** A slider with its value; `off` is the value that is called so. */
function slider(name, [min, max, step], value, off, changed) {
  const output = element("output", { "aria-live": "off" });
  const show = () => {
    output.value = Number(input.value) === off ? "off" : input.value;
    input.setAttribute("aria-valuetext", output.value);
  };
  const input = element("input", {
    type: "range",
    min,
    max,
    step,
    value,
    input: () => {
      show();
      changed();
    },
  });
  show();
  return { node: labelled(name, input, output), input };
}

function showPlay(model, index) {
  let mixture = null;
  let random = null;
  let timer = null;
  let written = []; // of each character: its id and what was expected; null for the beginning
  const { labels, tables } = model;
  let weight = tables === null ? 0 : model.mixture.weight;
  const bars = barChart();
  const problem = element("p.caption", { role: "status" });
  const verdict = element("p.verdict");
  const temperature = slider("temperature", [0, 2, 0.05], 0.8, null, expect);
  const topK = slider("top-k", [0, Math.min(40, labels.length), 1], 0, 0, expect);
  const topP = slider("top-p", [0.05, 1, 0.05], 1, 1, expect);
  const speed = slider("speed", [1, 60, 1], 12, null, () => {});
  const seed = element("input", { type: "number", min: 0, value: 0, change: restart });
  const beginning = element(
    "textarea",
    { rows: 2, spellcheck: "false", input: restart },
    opening(model),
  );
  const view = new TextView(model, "the text so far, coloured by surprisal", (at) => {
    if (!written[at]) return "";
    pause();
    const said = `in place of ${spoken(labels[written[at].id])}, it expected:`;
    verdict.textContent = said;
    drawBars(bars, written[at].rows);
    return `${said} ${bars.getAttribute("aria-label")}`;
  });
  // A screen reader says what is written when it pauses, not each character as it comes.
  view.copy.setAttribute("role", "log");
  const start = button("Play", () => (timer === null ? run() : pause()), "primary");
  const stepButton = button("Step", () => {
    pause();
    step();
    view.publish();
  });

  /** The distribution of the next character; `marked` is the one that was drawn. */
  function expected(marked) {
    const settings = {
      temperature: Number(temperature.input.value),
      topK: Number(topK.input.value),
      topP: Number(topP.input.value),
    };
    const logits = mixture.logits(weight);
    const [own, probs] = [softmax(logits), distribution(logits, settings)];
    const rows = likeliest(own, 10).map(([id, before]) => ({
      label: labels[id],
      p: probs[id],
      before,
      marked: id === marked,
    }));
    return { own, probs, rows };
  }
  function expect() {
    if (mixture === null) return;
    verdict.textContent = "expected next:";
    drawBars(bars, expected().rows);
  }
  function restart() {
    pause();
    if (mixture === null) return;
    mixture.reset();
    mixture.read(model.start);
    random = randomNumbers(Number(seed.value));
    written = [];
    view.clear();
    const { ids, unknown } = encode(model, beginning.value);
    for (const id of ids.slice(-LONGEST)) {
      mixture.read(id);
      written.push(null);
      view.append(id, "given");
    }
    expect();
    const found = unknown.length ? `left out, unknown to the model: ${unknown.join(" ")}` : "";
    if (problem.textContent !== found) problem.textContent = found;
  }
  function step() {
    const { own, probs } = expected();
    const id = draw(probs, random());
    written.push({ id, rows: expected(id).rows });
    view.append(id, heat(model, -Math.log2(own[id])));
    view.box.scrollTop = view.box.scrollHeight;
    mixture.read(id);
    expect();
  }
  /** A list of what predicts, if there is a choice. */
  function predictors() {
    if (tables === null) return "";
    const choices = [
      [weight, "both"],
      [0, "the network"],
      [1, "the n-grams"],
    ];
    const chosen = (value) => {
      weight = Number(value);
      expect();
    };
    return labelled("predicted by", choice(choices, chosen));
  }
  function run() {
    start.textContent = "Pause";
    timer = setTimeout(run, 1000 / Number(speed.input.value));
    step();
    if (written.length % PAUSE_AFTER === 0) pause();
  }
  function pause() {
    if (timer === null) return;
    view.publish();
    clearTimeout(timer);
    timer = null;
    start.textContent = "Play";
  }
  const controls = [temperature, topK, topP, speed].map(({ node }) => node);
  const buttons = [start, stepButton, button("Start again", restart)];
  const panel = element("div.panel", verdict, bars, saveButton(bars, "next.svg"));
  const body = element(
    "div.play",
    tables?.note ? element("p.caption", tables.note) : "",
    labelled("beginning", beginning),
    problem,
    element("div.controls", predictors(), controls, labelled("seed", seed)),
    element("div.buttons", buttons),
    element("div.beside", view.node, panel),
  );
  const enable = (enabled) => {
    for (const one of buttons) one.disabled = !enabled;
  };
  // The model is decoded when this comes into view, so that the page opens at once.
  const observer = new IntersectionObserver(async (entries) => {
    if (!entries.some((entry) => entry.isIntersecting)) return;
    observer.disconnect();
    try {
      mixture = await mixtureOf(model, index);
    } catch (error) {
      problem.textContent = `This browser cannot run the model: ${error.message}`;
      return;
    }
    enable(true);
    restart();
  });
  enable(false);
  observer.observe(body);
  return body;
}

/** The first words of the text on the page, to begin with. */
function opening(model) {
  if (!model.text || model.unit === "byte") return "";
  const words = model.text.ids
    .slice(0, 60)
    .map((id) => textOf(model.points[id]))
    .join("")
    .trimStart();
  return words.split("\n")[0].split(" ").slice(0, 3).join(" ");
}
