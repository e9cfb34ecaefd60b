/** Charts, drawn as SVG. */

import { element, percent, saveButton, shape } from "./dom.js";

const [LEFT, RIGHT, TOP, BOTTOM, HEIGHT] = [44, 12, 10, 42, 300];

/** About `count` round numbers from `low` to `high`. */
function ticks(low, high, count) {
  const rough = (high - low) / count || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= rough);
  const first = Math.ceil(low / step);
  const steps = Math.floor(high / step + 1e-9) - first;
  return Array.from({ length: steps + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}

const short = (x) =>
  x >= 1e6 ? `${Number((x / 1e6).toPrecision(3))}M` : x >= 1e3 ? `${Number((x / 1e3).toPrecision(3))}k` : `${x}`;

/**
 * A chart of lines.
 *
 * `series`: {name, color, dashed, points: [[x, y], ...]}; `levels`: horizontal lines {name, y};
 * `range`: of y; `label`: says what it is; `x`, `y`: names of the axes; `file`: to save it as;
 * `describe(x)`: a text for the values at a place, in place of the names and values of all series.
 */
export function lineChart(chart) {
  const svg = shape("svg", { class: "chart", role: "img", tabindex: "0", "aria-label": chart.label });
  const readout = element("output", { class: "readout" }, " ");
  const names = chart.series.map(({ name, color, dashed }) =>
    element("li", { class: `line${color}${dashed ? " dashed" : ""}` }, name),
  );
  const legend = names.length > 1 ? element("ul", { class: "legend" }, names) : "";
  const tools = element("div", { class: "tools" }, readout, saveButton(svg, chart.file));
  const figure = element("figure", {}, legend, svg, tools);
  const xs = [...new Set(chart.series.flatMap(({ points }) => points.map(([x]) => x)))].sort((a, b) => a - b);
  const state = { at: null };
  const redraw = () => drawLines(svg, chart, xs, Math.max(260, figure.clientWidth), state, readout);
  const point = (index) => {
    state.at = xs[Math.max(0, Math.min(xs.length - 1, index))] ?? null;
    redraw();
  };
  svg.addEventListener("pointermove", (event) => {
    const wanted = state.place(event.clientX - svg.getBoundingClientRect().left);
    let index = xs.findIndex((x) => x >= wanted);
    if (index < 0) index = xs.length - 1;
    else if (index && wanted - xs[index - 1] < xs[index] - wanted) index--;
    point(index);
  });
  svg.addEventListener("keydown", (event) => {
    const move = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!move) return;
    event.preventDefault();
    point(state.at === null ? 0 : xs.indexOf(state.at) + move);
  });
  new ResizeObserver(redraw).observe(figure);
  return figure;
}

function drawLines(svg, chart, xs, width, state, readout) {
  const [low, high] = chart.range;
  const [first, last] = [xs[0] ?? 0, xs[xs.length - 1] ?? 1];
  const [inner, tall] = [width - LEFT - RIGHT, HEIGHT - TOP - BOTTOM];
  const X = (x) => LEFT + (last > first ? (x - first) / (last - first) : 0.5) * inner;
  const Y = (y) => TOP + (1 - (Math.min(high, Math.max(low, y)) - low) / (high - low)) * tall;
  state.place = (pixels) => first + ((pixels - LEFT) / inner) * (last - first);
  const text = (x, y, anchor, content, kind = "") =>
    shape("text", { x, y, "text-anchor": anchor, class: kind }, content);
  const parts = [];
  for (const y of ticks(low, high, 5)) {
    parts.push(shape("line", { class: "grid", x1: LEFT, x2: LEFT + inner, y1: Y(y), y2: Y(y) }));
    parts.push(text(LEFT - 6, Y(y) + 4, "end", `${y}`));
  }
  for (const x of ticks(first, last, Math.max(2, Math.min(8, inner / 90)))) {
    parts.push(text(X(x), HEIGHT - BOTTOM + 16, "middle", short(x)));
  }
  parts.push(text(LEFT + inner / 2, HEIGHT - 6, "middle", chart.x, "axis"));
  for (const { name, y } of chart.levels ?? []) {
    parts.push(shape("line", { class: "level", x1: LEFT, x2: LEFT + inner, y1: Y(y), y2: Y(y) }));
    parts.push(text(LEFT + inner, Y(y) + (Y(y) < TOP + 14 ? 13 : -5), "end", name, "axis"));
  }
  for (const { color, dashed, points } of chart.series) {
    const path = points.map(([x, y]) => `${X(x).toFixed(1)},${Y(y).toFixed(1)}`).join(" ");
    parts.push(shape("polyline", { class: `line${color}${dashed ? " dashed" : ""}`, points: path }));
    if (points.length === 1) parts.push(shape("circle", { class: `dot${color}`, cx: X(points[0][0]), cy: Y(points[0][1]), r: 3 }));
  }
  if (state.at !== null) {
    parts.push(shape("line", { class: "cursor", x1: X(state.at), x2: X(state.at), y1: TOP, y2: TOP + tall }));
    const here = chart.series.map((one) => [one, one.points.find(([x]) => x === state.at)]).filter(([, found]) => found);
    for (const [{ color }, [x, y]] of here) parts.push(shape("circle", { class: `dot${color}`, cx: X(x), cy: Y(y), r: 4 }));
    const values = here.map(([{ name }, [, y]]) => `${name} ${y.toFixed(3)}`);
    readout.value = chart.describe ? chart.describe(state.at) : `${short(state.at)}: ${values.join(", ")}`;
  }
  svg.setAttribute("width", width);
  svg.setAttribute("height", HEIGHT);
  svg.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
  svg.replaceChildren(...parts);
}

const [ROW, NAME, FULL] = [24, 58, 320];

/** Bars of probabilities: `rows` are {label, p, before, marked}; `before` is drawn as an outline. */
export function drawBars(svg, rows) {
  const longest = Math.max(0.01, ...rows.flatMap(({ p, before = 0 }) => [p, before]));
  const size = (p) => (p / longest) * (FULL - NAME - 56);
  const parts = rows.flatMap(({ label, p, before, marked }, row) => {
    const y = row * ROW;
    return [
      shape("text", { x: NAME - 8, y: y + 16, "text-anchor": "end", class: "symbol" }, label),
      shape("rect", { class: marked ? "bar marked" : "bar", x: NAME, y: y + 3, width: size(p), height: ROW - 7, rx: 2 }),
      ...(before === undefined ? [] : [shape("rect", { class: "outline", x: NAME, y: y + 3, width: size(before), height: ROW - 7, rx: 2 })]),
      shape("text", { x: NAME + size(Math.max(p, before ?? 0)) + 6, y: y + 16 }, percent(p)),
    ];
  });
  svg.setAttribute("viewBox", `0 0 ${FULL} ${rows.length * ROW}`);
  svg.setAttribute("width", FULL);
  svg.setAttribute("height", rows.length * ROW);
  svg.setAttribute("aria-label", rows.map(({ label, p }) => `${label} ${percent(p)}`).join(", "));
  svg.replaceChildren(...parts);
  return svg;
}

export const barChart = () => shape("svg", { class: "bars", role: "img" });
