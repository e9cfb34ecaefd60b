/** A text whose characters can be coloured, pointed at, and walked through with arrow keys. */

import { MOVES, setSlider } from "./chart.js";
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

/**
 * The coloured text is a slider to a keyboard and a screen reader, so that the arrow keys come here.
 * As its characters are elements of their own, it is followed by an unseen copy that can be read.
 */
export class TextView {
  /** `select(index)` is called when a character is pointed at; it returns what is said of it. */
  constructor(model, label, select) {
    Object.assign(this, { model, select, spans: [], at: null, unread: "" });
    const point = (event) => {
      const index = this.spans.indexOf(event.target);
      if (index >= 0) this.point(index);
    };
    const walk = (event) => {
      const move = MOVES[event.key];
      const line = { ArrowUp: -1, ArrowDown: 1 }[event.key];
      if (!(move || line) || !this.spans.length) return;
      event.preventDefault();
      let wanted = 0;
      if (this.at !== null) wanted = line ? this.besideLine(line) : this.at + move;
      this.point(Math.max(0, Math.min(this.spans.length - 1, wanted)));
      this.spans[this.at].scrollIntoView({ block: "nearest" });
    };
    const events = { pointerover: point, click: point, keydown: walk };
    this.body = element("div", { "aria-hidden": "true" });
    this.box = element(
      "div.text",
      {
        tabindex: 0,
        role: "slider",
        "aria-roledescription": "text",
        "aria-label": label,
        ...events,
      },
      this.body,
    );
    this.copy = element("div.unseen");
    this.node = element("div", this.box, this.copy);
    setSlider(this.box, 0, 0);
  }

  /** The place on the line before (-1) or after (1) that is nearest to this one. */
  besideLine(direction) {
    const corner = (at) => this.spans[at].getClientRects()[0];
    const { top, left } = corner(this.at);
    let [found, line, nearest] = [this.at, null, Number.POSITIVE_INFINITY];
    for (let at = this.at + direction; at in this.spans; at += direction) {
      const there = corner(at);
      if (there.top === top) continue;
      line ??= there.top;
      if (there.top !== line) break;
      const distance = Math.abs(there.left - left);
      if (distance < nearest) [found, nearest] = [at, distance];
    }
    return found;
  }

  clear() {
    Object.assign(this, { spans: [], at: null, unread: "" });
    this.body.replaceChildren();
    this.copy.replaceChildren();
  }

  append(id, kind = "") {
    const shown = glyph(this.model, id);
    const span = element(`span.${kind}`, shown);
    this.spans.push(span);
    this.body.append(span);
    this.unread += shown.replace("\u21b5\n", "\n");
  }

  /** Let a screen reader have what was appended. */
  publish() {
    this.copy.append(this.unread);
    this.unread = "";
    setSlider(this.box, 0, this.spans.length);
  }

  paint(kinds) {
    for (const [i, span] of this.spans.entries()) span.className = kinds[i];
    this.spans[this.at]?.classList.add("selected");
  }

  point(index) {
    this.spans[this.at]?.classList.remove("selected");
    this.at = index;
    this.spans[index].classList.add("selected");
    setSlider(this.box, index, this.spans.length, this.select(index));
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
