/** What the models write at three temperatures. */

import { card, element, section } from "./dom.js";
import { nounOf } from "./text.js";

export function samples({ models }) {
  const about =
    `What a model writes by itself, one ${nounOf(models[0])} after the other. A low temperature makes ` +
    "it choose what is likely: safe and repetitive. A high one makes it adventurous, with more " +
    "mistakes.";
  const rows = models
    .filter((model) => model.samples.length)
    .map((model) => {
      const level = models.length > 1 ? "h4" : "h3";
      const cards = model.samples.map(({ temperature, text, bits }) =>
        card(
          level,
          `temperature ${temperature}`,
          `seed ${model.seed}, ${bits.toFixed(2)} bits per ${nounOf(model)}`,
          text,
        ),
      );
      return [models.length > 1 ? element("h3", model.name) : "", element("div.cards", cards)];
    });
  return rows.length ? section("samples", "What it writes", about, rows.flat()) : null;
}
