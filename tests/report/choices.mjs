// Reads {folder, cases, draws} from stdin; prints the distribution of each case, and the draws.
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const { folder, cases, draws } = JSON.parse(readFileSync(0, "utf-8"));
const { distribution, draw, randomNumbers } = await import(pathToFileURL(`${folder}/choice.js`));
const found = cases.map(([logits, settings]) => Array.from(distribution(Float64Array.from(logits), settings)));
const drawn = draws.map(([probs, seed, count]) => {
  const random = randomNumbers(seed);
  return Array.from({ length: count }, () => draw(Float64Array.from(probs), random()));
});
console.log(JSON.stringify({ found, drawn }));
