/** A text whose characters can be coloured, pointed at, and walked through with arrow keys. */

import { element } from "./dom.js";

/** What a symbol is called. */
export const nounOf = ({ unit }) => (unit === "char" ? "character" : unit);

/** The text of a symbol: a word, or what is stored as a code point. */
export const textOf = (point) => (typeof point === "string" ? point : String.fromCodePoint(point));

/** What is shown for a symbol in a running text: a space is a space, a newline also ends the line. */
function glyph(model, id) {
  const [text, label] = [textOf(model.points[id]), model.labels[id]];
  if (text === "\n" || (model.records && id === model.start)) return `${label}\n`;
  return text.startsWith(" ") ? label.replaceAll("\u2423", " ") : label;
}

export class TextView {
  /** `select(index)` is called when a character is pointed at. */
  constructor(model, label, select) {
    Object.assign(this, { model, select, spans: [], at: null });
    const point = (event) => {
      const index = this.spans.indexOf(event.target);
      if (index >= 0) this.point(index);
    };
    const walk = (event) => {
      const move = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -20, ArrowDown: 20 }[event.key];
      if (!move || !this.spans.length) return;
      event.preventDefault();
      this.point(Math.max(0, Math.min(this.spans.length - 1, (this.at ?? -move) + move)));
      this.spans[this.at].scrollIntoView({ block: "nearest" });
    };
    const events = { pointerover: point, click: point, keydown: walk };
    this.node = element("div.text", { tabindex: 0, role: "group", "aria-label": label, ...events });
  }

  clear() {
    Object.assign(this, { spans: [], at: null });
    this.node.replaceChildren();
  }

  append(id, kind = "") {
    const span = element(`span.${kind}`, glyph(this.model, id));
    this.spans.push(span);
    this.node.append(span);
  }

  paint(kinds) {
    for (const [i, span] of this.spans.entries()) span.className = kinds[i];
    this.spans[this.at]?.classList.add("selected");
  }

  point(index) {
    this.spans[this.at]?.classList.remove("selected");
    this.at = index;
    this.spans[index].classList.add("selected");
    this.select(index);
  }
}

const HOTTEST = 8;

/** Bits between two colours; a word takes about as many as four characters. */
const bitsPerColour = ({ unit }) => (unit === "word" ? 2 : 1);

/** The class of a surprisal in bits. */
export const heat = (model, bits) =>
  `heat${Math.min(HOTTEST, Math.floor(bits / bitsPerColour(model)))}`;

/** What the colours of surprisal mean. */
export const heatKey = (model) =>
  colourKey(
    "bits",
    Array.from({ length: HOTTEST + 1 }, (_, n) => [
      `heat${n}`,
      `${n * bitsPerColour(model)}${n === HOTTEST ? "+" : ""}`,
    ]),
  );

/** The class of a value from -1 to 1. */
export function warmth(value) {
  const level = Math.round(4 * Math.max(-1, Math.min(1, value)));
  return `${level < 0 ? "cold" : "warm"}${Math.abs(level)}`;
}

/** What the colours mean: pairs of a class and what to write on it. */
export const colourKey = (name, colours) =>
  element(
    "div.key",
    { "aria-hidden": "true" },
    name,
    element(
      "ul.scale",
      colours.map(([kind, shown]) => element(`li.${kind}`, shown)),
    ),
  );
