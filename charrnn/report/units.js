/** Hidden units over the text: what a search found, or any unit that is asked for. */

import { lineChart, shortened } from "./chart.js";
import { button, choice, element, labelled, perModel, section, spoken, table } from "./dom.js";
import { bytesOf, networkOf } from "./network.js";
import { colourKey, nounOf, TextView, warmth } from "./text.js";

const QUANTITIES = {
  ...{ h: "hidden state h", c: "cell state c" },
  ...{ i: "input gate i", f: "forget gate f", o: "output gate o", g: "candidate g" },
  ...{ r: "reset gate r", z: "update gate z", n: "candidate n" },
};
const SIGMOIDS = "ifozr";

export function units({ models }) {
  const about =
    "A recurrent network stores what it has read in the activity of its hidden units. Some units " +
    "respond to features that a reader would recognise; most do not. For each feature, a search chose " +
    "the unit that correlates best with it in the first half of the text. The correlation r was then " +
    "measured in the second half: 1 or -1 is a unit that follows the feature exactly, 0 no relation.";
  const shown = models.filter((model) => model.units);
  const show = (model) => showUnits(model, models.indexOf(model));
  return shown.length
    ? section("units", "What its units respond to", about, perModel(shown, show))
    : null;
}

function showUnits(model, index) {
  const { labels, text } = model;
  const { findings, quantities } = model.units;
  const activity = new Activity(model, index);
  let picked = { layer: 0, unit: 0, quantity: "h", ...findings[0] };
  let shown = { name: "", values: [], range: [0, 1], from: 0, to: 0 };
  // Labels below the chart have as much room as nine of ten need.
  const lengths = text.ids.map((id) => labels[id].length).sort((a, b) => a - b);
  const tick = lengths[Math.floor(0.9 * lengths.length)];
  const status = element("span", { role: "status" });
  const value = element("span");
  const chart = element("div");
  const describe = (at) => `${spoken(labels[text.ids[at]])}  ${shown.values[at].toFixed(3)}`;
  const view = new TextView(model, "the text, coloured by the activity of the unit", (at) => {
    if (!shown.values.length) return "";
    value.textContent = `: ${describe(at)}`;
    if (at < shown.from || at >= shown.to) plot(at);
    return describe(at);
  });
  for (const id of text.ids) view.append(id);
  view.publish();

  /** The activity around a place, above as many characters as there is room for. */
  function plot(at) {
    const { name, values, range } = shown;
    const count = Math.floor((chart.clientWidth || 900) / (9.5 * tick));
    shown.from = Math.max(0, Math.min(at - Math.floor(count / 2), values.length - count));
    shown.to = Math.min(values.length, shown.from + count);
    const places = Array.from(values.keys()).slice(shown.from, shown.to);
    chart.replaceChildren(
      lineChart({
        series: [{ name, color: 0, points: places.map((place) => [place, values[place]]) }],
        range,
        label: `${name} after some ${nounOf(model)}s of the text`,
        ticks: places.map((place) => [place, shortened(labels[text.ids[place]], tick)]),
        file: "unit.svg",
        describe,
      }),
    );
  }
  async function pick(change) {
    const wanted = { ...picked, ...change };
    picked = wanted;
    Object.assign(layer, { value: wanted.layer });
    Object.assign(unit, { value: wanted.unit });
    Object.assign(quantity, { value: wanted.quantity });
    const name = `${QUANTITIES[wanted.quantity]} of unit ${wanted.unit} in layer ${wanted.layer + 1}`;
    status.textContent = `reading the text for ${name} ...`;
    value.textContent = "";
    let values = [];
    try {
      values = await activity.of(wanted);
    } catch (error) {
      status.textContent = `This browser cannot run the model: ${error.message}`;
      return;
    }
    if (picked !== wanted) return;
    // A cell state has no bounds, and a middle of its own.
    const cell = wanted.quantity === "c";
    const bottom = SIGMOIDS.includes(wanted.quantity) ? 0 : -1;
    const [low, high] = cell ? [Math.min(...values), Math.max(...values)] : [bottom, 1];
    const middle = cell ? (low + high) / 2 : 0;
    const half = high - middle || 1;
    shown = { name, values, range: [low, low + (high - low || 1)] };
    view.paint(values.map((value) => warmth((value - middle) / half)));
    status.textContent = name;
    value.textContent = `; point at a ${nounOf(model)} for its value`;
    plot(view.at ?? 0);
  }
  const last = model.hidden_size - 1;
  const within = (value) => Math.max(0, Math.min(last, Math.floor(Number(value)) || 0));
  const numbers = Array.from({ length: model.num_layers }, (_, n) => [n, `${n + 1}`]);
  const layer = choice(numbers, (value) => pick({ layer: Number(value) }));
  const unit = element("input", {
    type: "number",
    min: 0,
    max: last,
    change: () => pick({ unit: within(unit.value) }),
  });
  const quantity = choice(
    quantities.map((name) => [name, QUANTITIES[name]]),
    (value) => pick({ quantity: value }),
  );
  const any = activity.complete ? [labelled("layer", layer), labelled("unit", unit)] : [];
  const found = model.units.searched
    ? findingsTable(model, pick)
    : element("p", "The text is too short for a search.");
  if (!findings.length && !activity.complete) return found;
  pick({});
  const colours = Array.from({ length: 9 }, (_, n) => [
    warmth(n / 4 - 1),
    ["low", "", "high"][n / 4] ?? "",
  ]);
  return element(
    "div",
    found,
    element("div.controls", any, labelled("show", quantity)),
    colourKey("", colours),
    element("p.verdict", status, value),
    view.node,
    chart,
  );
}

/** What the search found; `pick` shows one. */
function findingsTable(model, pick) {
  const { findings, absent, searched } = model.units;
  const rows = findings.map(({ feature, layer, unit, quantity, r, chance, found }) => {
    const place = `${model.num_layers > 1 ? `layer ${layer + 1}, ` : ""}unit ${unit}${quantity === "c" ? ", cell" : ""}`;
    const bar = element("span");
    bar.style.width = `${100 * Math.abs(r)}%`;
    const show = button(place, () => pick({ layer, unit, quantity }));
    show.setAttribute("aria-label", `${place}: ${feature}`);
    return {
      name: found ? feature : [feature, element("small", "nothing found")],
      cells: [show, r.toFixed(2), element("div.meter", bar), chance.toFixed(2)],
      kind: found ? "" : "faint",
    };
  });
  const missing = absent.length ? ` Not in this text: ${absent.join("; ")}.` : "";
  const caption =
    `Correlations over ${searched.toLocaleString("en")} ${nounOf(model)}s. "By chance" is the correlation that ` +
    `unrelated places of the text exceed in 1 of 100 cases.${missing}`;
  return element(
    "div",
    table(["feature", "unit", "r", "size of r", "by chance"], rows, "findings"),
    element("p.caption", caption),
  );
}

/** The activity of units over the text: as it is on the page, or computed by the model on it. */
class Activity {
  constructor(model, index) {
    const complete = document.getElementById(`weights-${index}`) !== null;
    Object.assign(this, { model, index, rows: null, complete });
  }

  /** The values of one quantity of one unit, after each character. */
  async of({ layer, unit, quantity }) {
    const trace = this.model.units.traces.find((one) => one.layer === layer && one.unit === unit);
    if (!trace) {
      this.rows ??= this.compute();
      return (await this.rows).map((row) => row[layer][quantity][unit]);
    }
    const values = new Int8Array(bytesOf(trace.values[quantity]).buffer);
    return Array.from(values, (value) => value * trace.scales[quantity]);
  }

  /** The states after each character, computed without blocking the page. */
  async compute() {
    const { text, units, start } = this.model;
    const network = await networkOf(this.model, this.index);
    const copy = (state) =>
      Object.fromEntries(units.quantities.map((name) => [name, Float32Array.from(state[name])]));
    const rows = [];
    network.read(start);
    for (const [at, id] of text.ids.entries()) {
      network.read(id);
      rows.push(network.states.map(copy));
      if (at % 50 === 49) await new Promise((resume) => setTimeout(resume));
    }
    return rows;
  }
}
