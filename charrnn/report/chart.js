/** Charts, drawn as SVG. */

import { element, percent, saveButton, shape, spoken } from "./dom.js";

const [LEFT, RIGHT, TOP, BOTTOM, HEIGHT] = [44, 12, 10, 42, 300];
/** The width of a chart in print, where its letters have the size of the text. */
const PRINTED = 680;

/** About `count` round numbers from `low` to `high`. */
function roundNumbers(low, high, count) {
  const rough = (high - low) / count || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= 0.75 * rough);
  const first = Math.ceil(low / step);
  const steps = Math.max(0, Math.floor(high / step + 1e-9) - first);
  return Array.from({ length: steps + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}

/** A large number in few characters, such as 1.2M. */
function short(x) {
  const [size, unit] = [
    [1e6, "M"],
    [1e3, "k"],
    [1, ""],
  ].find(([least]) => x >= least) ?? [1, ""];
  return `${Number((x / size).toPrecision(3))}${unit}`;
}

/**
 * A chart of lines. To a keyboard and a screen reader it is a slider along x.
 *
 * `series`: {name, color, dash, points: [[x, y], ...]}, `dash` a class, if any; `levels`: horizontal
 * lines {name, y, right}, with the name on the left or on the right;
 * `range`: of y; `label`: says what it is; `x`: name of the axis; `ticks`: [[x, text], ...] on it,
 * in place of numbers; `file`: to save it as; `describe(x)`: a text for the values at a place; or
 * else `where(x)`: a text for the place, to which the names and values of all series are added.
 */
export function lineChart(chart) {
  const svg = shape("svg.chart", {
    ...{ tabindex: 0, role: "slider", "aria-roledescription": "chart", "aria-label": chart.label },
  });
  const readout = element("output.readout", { "aria-live": "off" });
  const names = chart.series.map((line) => element("li", { class: kindOf(line) }, line.name));
  const legend = names.length > 1 ? element("ul.legend", names) : "";
  const tools = element("div.tools", readout, saveButton(svg, chart.file));
  const figure = element("figure", legend, svg, tools);
  const xs = [...new Set(chart.series.flatMap(({ points }) => points.map(([x]) => x)))];
  xs.sort((a, b) => a - b);
  setSlider(svg, 0, xs.length);
  let at = null;
  let drawn = null;
  const draw = (width) => {
    drawn = drawLines(svg, chart, xs, width, at);
  };
  const redraw = () => draw(Math.max(260, figure.clientWidth));
  const point = (index) => {
    at = xs[Math.max(0, Math.min(xs.length - 1, index))];
    redraw();
    const here = chart.series.flatMap(({ name, points }) =>
      points.filter(([x]) => x === at).map(([, y]) => `${name} ${y.toFixed(3)}`),
    );
    readout.value = chart.describe
      ? chart.describe(at)
      : `${chart.where(short(at))}: ${here.join(", ")}`;
    setSlider(svg, xs.indexOf(at), xs.length, readout.value);
  };
  svg.addEventListener("pointermove", (event) => {
    const wanted = drawn.x(event.clientX - svg.getBoundingClientRect().left);
    const distances = xs.map((x) => Math.abs(x - wanted));
    point(distances.indexOf(Math.min(...distances)));
  });
  svg.addEventListener("keydown", (event) => {
    const move = MOVES[event.key];
    if (!move) return;
    event.preventDefault();
    point(xs.indexOf(at) + move);
  });
  new ResizeObserver(redraw).observe(figure);
  // With texts on its axis, a chart has as many of them as fit its width on the screen.
  if (!chart.ticks) {
    addEventListener("beforeprint", () => draw(PRINTED));
    addEventListener("afterprint", redraw);
  }
  return figure;
}

/** How far the keys move in a chart, and in a text. */
export const MOVES = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity };

/** Say where something with the role of a slider is: at which of its places, and what is there. */
export function setSlider(node, at, places, text = "use the arrow keys") {
  node.setAttribute("aria-valuemin", 0);
  node.setAttribute("aria-valuemax", Math.max(0, places - 1));
  node.setAttribute("aria-valuenow", at);
  node.setAttribute("aria-valuetext", text);
}

const kindOf = ({ color, dash = "" }) => `line${color % 6} ${dash}`;

/** Draw a chart of lines in a width, with a cursor at x = `at`; returns how to find x. */
function drawLines(
  svg,
  { series, levels = [], range: [low, high], ticks, x: axis = "" },
  xs,
  width,
  at,
) {
  const [first, last] = [xs[0], xs[xs.length - 1]];
  const [inner, tall] = [width - LEFT - RIGHT, HEIGHT - TOP - BOTTOM];
  const X = (x) => LEFT + (last > first ? (x - first) / (last - first) : 0.5) * inner;
  const Y = (y) => TOP + (1 - (Math.min(high, Math.max(low, y)) - low) / (high - low)) * tall;
  // Places along the lines, x as a share of the width, so that names do not cover them.
  const drawn = series.flatMap(({ points }) =>
    Array.from({ length: 101 }, (_, n) => [
      n / 100,
      Y(valueAt(points, first + (n / 100) * (last - first))),
    ]),
  );
  const text = (x, y, anchor, shown, kind = "") =>
    shape(`text.${kind}`, { x, y, "text-anchor": anchor }, shown);
  const across = (kind, y) =>
    shape(`line.${kind}`, { x1: LEFT, x2: LEFT + inner, y1: Y(y), y2: Y(y) });
  const numbers = () =>
    roundNumbers(first, last, Math.max(2, Math.min(8, inner / 90))).map((x) => [x, short(x)]);
  const dots = series.flatMap(({ color, points }) =>
    points
      .filter(([x]) => x === at || points.length === 1)
      .map(([x, y]) => shape(`circle.dot${color % 6}`, { cx: X(x), cy: Y(y), r: 4 })),
  );
  const parts = [
    ...roundNumbers(low, high, 5).flatMap((y) => [
      across("grid", y),
      text(LEFT - 6, Y(y) + 4, "end", `${y}`),
    ]),
    ...(ticks ?? numbers()).map(([x, shown]) =>
      text(X(x), HEIGHT - BOTTOM + 16, "middle", shown, ticks ? "symbol" : ""),
    ),
    text(LEFT + inner / 2, HEIGHT - 6, "middle", axis),
    ...levels.map(({ y }) => across("level", y)),
    ...series.map((line) =>
      shape("polyline", {
        class: kindOf(line),
        points: line.points.map(([x, y]) => `${X(x).toFixed(1)},${Y(y).toFixed(1)}`).join(" "),
      }),
    ),
    ...(at === null
      ? []
      : [shape("line.cursor", { x1: X(at), x2: X(at), y1: TOP, y2: TOP + tall })]),
    ...levels.map(({ name, y, right }) => {
      const [x, anchor, from] = right ? [LEFT + inner - 6, "end", 0.7] : [LEFT + 6, "start", 0];
      const near = drawn.filter(([px]) => px >= from && px <= from + 0.3).map(([, py]) => py);
      const covers = (top) => near.filter((py) => py > top && py < top + 16).length;
      const below =
        Y(y) + 16 < TOP + tall && (Y(y) < TOP + 16 || covers(Y(y)) <= covers(Y(y) - 20));
      return text(x, Y(y) + (below ? 14 : -6), anchor, name, "level-name");
    }),
    ...dots,
  ];
  resize(svg, width, HEIGHT, parts);
  return { x: (pixels) => first + ((pixels - LEFT) / inner) * (last - first) };
}

/** The value of a line, of points with ascending x, at a place. */
function valueAt(points, x) {
  const right = points.findIndex(([px]) => px >= x);
  if (right <= 0) return points.at(right)[1];
  const [[x0, y0], [x1, y1]] = [points[right - 1], points[right]];
  return y0 + ((y1 - y0) * (x - x0)) / (x1 - x0);
}

function resize(svg, width, height, parts) {
  svg.setAttribute("width", width);
  svg.setAttribute("height", height);
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  // What the parts show is said by the label, or by the value of a slider.
  svg.replaceChildren(shape("g", { "aria-hidden": "true" }, parts));
}

export const barChart = () => shape("svg.bars", { role: "img" });

const [ROW, NAME, FULL, LETTER, LONGEST_NAME] = [24, 58, 320, 7.3, 16];

/** A label of at most `length` characters. */
export const shortened = (label, length) =>
  label.length > length + 1 ? `${label.slice(0, length)}\u2026` : label;

/** Bars of probabilities: `rows` are {label, p, before, marked}; `before` is drawn as an outline. */
export function drawBars(svg, rows) {
  const longest = Math.max(0.01, ...rows.flatMap(({ p, before = 0 }) => [p, before]));
  const names = rows.map(({ label }) => shortened(label, LONGEST_NAME));
  const left = Math.max(NAME, ...names.map((name) => name.length * LETTER + 12));
  const size = (p) => (p / longest) * (FULL - left - 56);
  const parts = rows.flatMap(({ p, before, marked }, row) => {
    const y = row * ROW;
    const bar = (kind, value) =>
      shape(`rect.${kind}`, { x: left, y: y + 3, width: size(value), height: ROW - 7, rx: 2 });
    return [
      shape("text.symbol", { x: left - 8, y: y + 16, "text-anchor": "end" }, names[row]),
      bar(marked ? "marked" : "bar", p),
      ...(before === undefined ? [] : [bar("outline", before)]),
      shape("text", { x: left + size(Math.max(p, before ?? 0)) + 6, y: y + 16 }, percent(p)),
    ];
  });
  const named = rows.map(({ label, p }) => `${spoken(label)} ${percent(p)}`).join(", ");
  svg.setAttribute("aria-label", `likeliest: ${named}`);
  resize(svg, FULL, rows.length * ROW, parts);
}
