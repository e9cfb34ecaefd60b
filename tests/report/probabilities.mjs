// Reads {folder, model, weights, ngrams, ids, shares} from stdin; prints, for each share of the
// n-gram model, the probabilities after each of the ids.
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const { folder, model, weights, ngrams, ids, shares } = JSON.parse(readFileSync(0, "utf-8"));
const elements = { "weights-0": weights, "ngrams-0": ngrams };
globalThis.document = { getElementById: (id) => ({ textContent: elements[id] }) };
const { mixtureOf } = await import(pathToFileURL(`${folder}/mixture.js`));
const { softmax } = await import(pathToFileURL(`${folder}/choice.js`));
const mixture = await mixtureOf(model, 0);
const found = shares.map(() => []);
for (const id of ids) {
  mixture.read(id);
  for (const [i, share] of shares.entries()) {
    found[i].push(Array.from(softmax(mixture.logits(share))));
  }
}
console.log(JSON.stringify(found));
