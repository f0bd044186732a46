// Colours of arrays: purple for below zero, orange for above (told apart with any colour vision), blue for probabilities.

const DIVERGING = {
  light: ["#3b1c78", "#6f58a8", "#aaa2cd", "#f6f4ef", "#f6be7c", "#dd7f1a", "#8f3d00"],
  dark: ["#c3b4ff", "#8f7bd1", "#4f4480", "#1b1e24", "#7a4a17", "#d07f22", "#ffc476"],
};
export const UNCOLOURED = 1e29; // masks are as large as this: no scale should follow them

const SEQUENTIAL = {
  light: ["#f6f4ef", "#bcd6ea", "#62a3d0", "#1f6aa6", "#0a2f5c"],
  dark: ["#1b1e24", "#17406a", "#1f74ab", "#64b5e0", "#dff3ff"],
};
export const STEPS = 255; // entries of a table for the diverging colours: −127 … 127

function hexOf(colour) {
  return [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
}

function tableOf(stops) {
  const colours = stops.map(hexOf);
  const table = new Uint8ClampedArray(3 * STEPS);
  for (let i = 0; i < STEPS; i++) {
    const at = (i / (STEPS - 1)) * (stops.length - 1);
    const low = Math.min(Math.floor(at), stops.length - 2);
    for (let c = 0; c < 3; c++) table[3 * i + c] = colours[low][c] + (at - low) * (colours[low + 1][c] - colours[low][c]);
  }
  return table;
}

const TABLES = {};

/** The table of colours of a theme, for numbers on both sides of zero or for probabilities. */
export function colourTable(theme, sequential) {
  const key = theme + sequential;
  return (TABLES[key] ??= tableOf((sequential ? SEQUENTIAL : DIVERGING)[theme]));
}

/** Where x lies in a table: linear up to ±largest, by square root for gradients, 0 … 1 for probabilities. */
export function placeInTable(x, scale) {
  if (scale.sequential) return Math.round(Math.min(1, Math.max(0, x)) * (STEPS - 1));
  let part = scale.largest > 0 ? x / scale.largest : 0;
  if (scale.root) part = Math.sign(part) * Math.sqrt(Math.abs(part));
  return Math.round((Math.min(1, Math.max(-1, part || 0)) + 1) * 0.5 * (STEPS - 1));
}

/** How an array is coloured: {largest, root, sequential}. Gradients by square root, or all but the largest would vanish. */
export function scaleOf(array, { gradient = false, probabilities = false } = {}) {
  let largest = 0;
  for (let i = 0; i < array.length; i++) {
    const size = Math.abs(array[i]);
    if (size > largest && size < UNCOLOURED) largest = size;
  }
  return { largest, root: gradient, sequential: probabilities };
}

/** Where the number of largest magnitude stands; those that masks put in place of −∞ tell nothing and do not count. */
export function largestIndex(array) {
  let best = 0;
  let most = -1;
  for (let i = 0; i < array.length; i++) {
    const size = Math.abs(array[i]);
    if (size > most && size < UNCOLOURED) [best, most] = [i, size];
  }
  return best;
}

/** Dark or light text for a cell whose colour is entry `place` of a table. */
export function inkOn(table, place) {
  const [r, g, b] = [0, 1, 2].map((c) => table[3 * place + c] / 255).map((v) => (v <= 0.04 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.2 ? "#16181c" : "#ffffff";
}

/** Ops by what they do, in the colours of the track (Okabe and Ito's, held apart with any colour vision). */
export const FAMILIES = [
  ["linear", ["linear", "matmul"]],
  ["norm", ["layer_norm"]],
  ["activation", ["activation", "tanh"]],
  ["attention", ["scores", "softmax", "context"]],
  ["embedding", ["embedding"]],
  ["loss", ["cross_entropy", "soft_cross_entropy", "binary_cross_entropy", "mean_squared_error"]],
];

/** The family of a kind of row; its backward belongs to the same one. */
export function familyOf(kind) {
  const op = kind.replace(/_backward$/, "");
  return FAMILIES.find(([, kinds]) => kinds.includes(op))?.[0] ?? "glue";
}
