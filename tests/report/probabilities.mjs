// Reads {folder, model, weights, ids} from stdin; prints the probabilities after each of the ids.
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const { folder, model, weights, ids } = JSON.parse(readFileSync(0, "utf-8"));
const { halves, Network } = await import(pathToFileURL(`${folder}/network.js`));
const { softmax } = await import(pathToFileURL(`${folder}/choice.js`));
const network = new Network(model, halves(weights));
console.log(JSON.stringify(ids.map((id) => Array.from(softmax(network.read(id))))));
