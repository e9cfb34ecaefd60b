/** How the next symbol is chosen, as in charrnn/sampling.py. */

/** Probabilities from logits. */
export function softmax(logits) {
  const top = logits.reduce((a, b) => Math.max(a, b));
  const exps = logits.map((logit) => Math.exp(logit - top));
  const sum = exps.reduce((a, b) => a + b);
  return exps.map((value) => value / sum);
}

/** The distribution to draw from: 0 for what temperature, top-k or top-p leave out. */
export function distribution(logits, { temperature, topK, topP }) {
  const order = Array.from(logits.keys()).sort((i, j) => logits[j] - logits[i] || i - j);
  if (temperature === 0) return logits.map((_, id) => (id === order[0] ? 1 : 0));
  const probs = softmax(logits.map((logit) => (logit - logits[order[0]]) / temperature));
  if (topK) for (const id of order.slice(topK)) probs[id] = 0;
  if (topP < 1) {
    const limit = topP * probs.reduce((a, b) => a + b);
    let before = 0;
    for (const [rank, id] of order.entries()) {
      const p = probs[id];
      if (rank && before >= limit) probs[id] = 0;
      before += p;
    }
  }
  const sum = probs.reduce((a, b) => a + b);
  return probs.map((p) => p / sum);
}

/** An index drawn from a distribution by a random number in [0, 1); never one of probability 0. */
export function draw(probs, random) {
  const target = random * probs.reduce((a, b) => a + b);
  let sum = 0;
  let drawn = 0;
  for (const [id, p] of probs.entries()) {
    if (!p) continue;
    drawn = id;
    sum += p;
    if (sum > target) break;
  }
  return drawn;
}

/** A generator of random numbers in [0, 1), the same ones for the same seed (mulberry32). */
export function randomNumbers(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** The `k` most probable symbols, as pairs of an id and a probability; none of probability 0. */
export const likeliest = (probs, k) =>
  Array.from(probs.entries())
    .filter(([, p]) => p > 0)
    .sort(([i, p], [j, q]) => q - p || i - j)
    .slice(0, k);
