/** Hidden units over the text: what a search found, or any unit that is asked for. */

import { lineChart } from "./chart.js";
import { choice, count, element, labelled, perModel, section } from "./dom.js";
import { bytesOf, networkOf } from "./network.js";
import { legend, TextView, warmth } from "./text.js";

const NAMES = {
  h: "hidden state h",
  c: "cell state c",
  i: "input gate i",
  f: "forget gate f",
  o: "output gate o",
  g: "candidate g",
  r: "reset gate r",
  z: "update gate z",
  n: "candidate n",
};

export function units({ models }) {
  const about =
    "A recurrent network remembers by the activity of its hidden units. Some of them come to follow " +
    "something that a reader would recognise; most do not. For each feature of the text, a search " +
    "chose the unit that goes with it best in the first half of the text. The correlation r was then " +
    "measured in the second half: 1 or -1 is a unit that does nothing else, 0 is no relation.";
  const shown = models.filter((model) => model.units);
  return shown.length ? section("units", "What its units respond to", about, perModel(shown, (model) => showUnits(model, models.indexOf(model)))) : null;
}

function showUnits(model, index) {
  const { findings, quantities } = model.units;
  const first = findings[0] ?? { layer: 0, unit: 0, quantity: "h" };
  const picked = { layer: first.layer, unit: first.unit, quantity: first.quantity };
  const activity = new Activity(model, index);
  const status = element("p", { class: "verdict", role: "status" });
  const chart = element("div", {});
  let values = [];
  const view = new TextView(model, "the text, coloured by the activity of the unit", (at) => {
    status.textContent = `${model.labels[model.text.ids[at]]}  ${values[at]?.toFixed(3) ?? ""}`;
  });
  for (const id of model.text.ids) view.append(id);

  async function update(change) {
    Object.assign(picked, change);
    const wanted = { ...picked };
    layer.value = wanted.layer;
    unit.value = wanted.unit;
    quantity.value = wanted.quantity;
    const name = `${NAMES[wanted.quantity]} of unit ${wanted.unit} in layer ${wanted.layer + 1}`;
    status.textContent = `reading the text for ${name} ...`;
    const found = await activity.of(wanted);
    if (Object.keys(wanted).some((key) => wanted[key] !== picked[key])) return;
    values = found;
    const largest = wanted.quantity === "c" ? values.reduce((top, value) => Math.max(top, Math.abs(value)), 1e-9) : 1;
    view.paint(Array.from(values, (value) => warmth(value / largest)));
    status.textContent = `${name}; point at a character for its value`;
    const gate = "ifozr".includes(wanted.quantity);
    chart.replaceChildren(
      lineChart({
        series: [{ name, color: 0, points: Array.from(values, (value, at) => [at, value]) }],
        range: gate ? [0, 1] : [-largest, largest],
        label: `${name} after each character of the text`,
        x: "character of the text",
        file: "unit.svg",
        describe: (at) => `${model.labels[model.text.ids[at]]}  ${values[at].toFixed(3)}`,
      }),
    );
  }

  const layers = Array.from({ length: model.num_layers }, (_, n) => [n, `${n + 1}`]);
  const layer = choice(layers, (event) => update({ layer: Number(event.target.value) }));
  const quantity = choice(quantities.map((name) => [name, NAMES[name]]), (event) => update({ quantity: event.target.value }));
  const unit = element("input", { type: "number", min: 0, max: model.hidden_size - 1, change: (event) => {
    update({ unit: Math.max(0, Math.min(model.hidden_size - 1, Math.floor(Number(event.target.value)) || 0)) });
  } });
  const any = activity.complete ? element("div", { class: "controls" }, labelled("layer", layer), labelled("unit", unit), labelled("show", quantity)) : element("div", { class: "controls" }, labelled("show", quantity));
  const colours = [-1, -0.75, -0.5, -0.25, 0, 0.25, 0.5, 0.75, 1].map((value) => [warmth(value), { "-1": "low", 0: "0", 1: "high" }[value] ?? " "]);
  if (findings.length || activity.complete) update({});
  return element("div", {}, findingsTable(model, update), any, element("div", { class: "key" }, legend(colours)), status, view.node, chart);
}

/** What the search found. */
function findingsTable({ units: { findings, absent, searched }, num_layers }, update) {
  if (!searched) return element("p", {}, "The text is too short to search for units that respond to it.");
  const rows = findings.map((one) => {
    const place = `${num_layers > 1 ? `layer ${one.layer + 1}, ` : ""}unit ${one.unit}${one.quantity === "c" ? " (cell)" : ""}`;
    const meter = element("meter", { min: 0, max: 1, value: Math.abs(one.r), "aria-hidden": "true" });
    const pick = element("button", { type: "button", click: () => update({ layer: one.layer, unit: one.unit, quantity: one.quantity }) }, place);
    const verdict = one.found ? "" : "nothing found";
    return element("tr", { class: one.found ? "" : "faint" }, element("th", { scope: "row" }, one.feature), element("td", {}, pick), element("td", { class: "number" }, one.r.toFixed(2)), element("td", {}, meter), element("td", { class: "number" }, one.chance.toFixed(2)), element("td", {}, verdict));
  });
  const head = ["feature", "unit", "r", "", "by chance", ""].map((name) => element("th", { scope: "col" }, name));
  const missing = absent.length ? ` Not in this text: ${absent.join("; ")}.` : "";
  const caption = `Correlations over ${count(searched)} characters. "By chance" is what unrelated places of the text reach in one of 100 cases.${missing}`;
  return element("div", {}, element("div", { class: "wide" }, element("table", { class: "findings" }, element("thead", {}, element("tr", {}, head)), element("tbody", {}, rows))), element("p", { class: "caption" }, caption));
}

/** The activity of units over the text: as it is on the page, or computed by the model on it. */
class Activity {
  constructor(model, index) {
    Object.assign(this, { model, index, all: null, complete: document.getElementById(`weights-${index}`) !== null });
  }

  async of({ layer, unit, quantity }) {
    const trace = this.model.units.traces.find((one) => one.layer === layer && one.unit === unit);
    if (trace) {
      const bytes = new Int8Array(bytesOf(trace.values[quantity]).buffer);
      return Float32Array.from(bytes, (value) => value * trace.scales[quantity]);
    }
    this.all ??= this.compute();
    const rows = await this.all;
    return Float32Array.from(rows, (row) => row[layer][quantity][unit]);
  }

  /** The states after each character, computed without blocking the page. */
  async compute() {
    const { model } = this;
    const network = networkOf(model, this.index);
    const rows = [];
    network.read(model.start);
    for (const [at, id] of model.text.ids.entries()) {
      network.read(id);
      rows.push(network.states.map((state) => Object.fromEntries(model.units.quantities.map((name) => [name, Float32Array.from(state[name])]))));
      if (at % 50 === 49) await new Promise((resume) => setTimeout(resume));
    }
    return rows;
  }
}
