/** What the models write at three temperatures. */

import { card, element, section } from "./dom.js";

export function samples({ models }) {
  const about =
    "What a model writes by itself, one character after the other. A low temperature makes it " +
    "choose what is likely: safe and repetitive. A high one makes it adventurous, with more " +
    "misspellings.";
  const rows = models
    .filter((model) => model.samples.length)
    .map((model) => {
      const cards = model.samples.map(({ temperature, text, bits }) =>
        card(
          `temperature ${temperature}`,
          `seed ${model.seed}, ${bits.toFixed(2)} bits per character`,
          text,
        ),
      );
      return [models.length > 1 ? element("h3", model.name) : "", element("div.cards", cards)];
    });
  return rows.length ? section("samples", "What it writes", about, rows.flat()) : null;
}
