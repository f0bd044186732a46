// Any number of the pass opened: the terms that add up to it, or the steps that lead to it.
import { broadcastStrides, frontAxes, placesOf, reducedPlaces, stridesOf, unravel } from "./arrays.js";
import { ACTIVATIONS, binaryCrossEntropyOf, einsumPlan, geluTanh, matmulSizes, normalCdf, normalDensity, operandsOf, scatterPlan, sigmoid } from "./kernels.js";
import { elementwiseFormula, formulaSources, mathml, mathNumber, mathText, slotName } from "./formulas.js";
import { pieceText } from "./dom.js";
import { t } from "./i18n.js";
import { blockName } from "./track.js";

/** What stands at place `i` of an axis: a token, a piece, "head n", or the number itself. `at`: the whole index. */
export function axisLabel(data, id, axis, i, at = []) {
  const { axes = [] } = data.values[id];
  const name = axes[axis];
  const tokens = data.tokensNow ?? data.tokens;
  const places = data.places?.[name];
  if (places?.[i]) return tokensAlong(tokens, name, places)[i] ?? i;
  if (name === "T" || name === "S") {
    const sequence = tokens.length === 1 ? 0 : at[axes.indexOf("B")];
    return tokensAlong(tokens, sequence, (tokens[sequence] ?? []).map((_, place) => [sequence, place]))[i] ?? i;
  }
  if (name === "N") return t("axis.head", { n: i });
  if (name === "V") return data.vocabulary?.[i] ?? i;
  return i;
}

const LABELS = new WeakMap(); // the tokens of a pass → axis → its labels

/** The tokens at the places of an axis; one that stands there several times is numbered: the₁, the₂. */
function tokensAlong(tokens, axis, places) {
  if (!LABELS.has(tokens)) LABELS.set(tokens, new Map());
  const known = LABELS.get(tokens);
  if (known.has(axis)) return known.get(axis);
  const texts = places.map(([sequence, place]) => tokens[sequence]?.[place]);
  const subscript = (n) => [...String(n)].map((digit) => "₀₁₂₃₄₅₆₇₈₉"[digit]).join("");
  const seen = new Map();
  const labels = texts.map((text) => {
    if (text === undefined || texts.indexOf(text) === texts.lastIndexOf(text)) return text;
    seen.set(text, (seen.get(text) ?? 0) + 1);
    return text + subscript(seen.get(text));
  });
  known.set(axis, labels);
  return labels;
}

/** Where a number is, in words: the labels along its axes; axes of length one say nothing. */
export function placeText(data, id, flat) {
  const { shape } = data.values[id];
  const at = unravel(flat, shape);
  const labels = at.map((i, axis) => pieceText(String(axisLabel(data, id, axis, i, at))));
  const telling = labels.filter((_, axis) => shape[axis] > 1);
  return (telling.length ? telling : labels.slice(-1)).join(", ");
}

/** One number of a row's output, opened.
 *
 * Returns its `name` and `at`; the `formula` and what it is with the numbers in it (`substituted`), as MathML; `terms`
 * [{label, factors: [{name, index, value, id, flat, slot}], value}], which add up to `total`, in the order in which they
 * are summed; `steps` [{label, value, id, flat}] towards it where it is no plain sum; `sums` [{label, terms, total}] inside
 * those steps; a `note` or null. `id` and `flat` of a factor say where on the page it stands; null for a constant.
 */
export function explain(data, values, rowIndex, slot, flat) {
  const number = new OpenedNumber(data, values, rowIndex, slot, flat);
  const { terms = [], steps = [], sums = [], note = null, substituted } = EXPLAIN[number.row.kind](number);
  const total = values[number.row.out[slot]][flat];
  const name = slotName(data, rowIndex, "out", slot);
  const at = placeText(data, number.row.out[slot], flat);
  const left = at ? `${name}[${at.split(", ").map(mathText).join(",")}]` : name;
  const numbers = substituted ?? termsInFormula(terms);
  return {
    name,
    at,
    formula: mathml(formulaSources(data, rowIndex)[slot]),
    substituted: mathml(`${left} = ${numbers ? `${numbers} = ` : ""}${mathNumber(total, { first: true })}`),
    terms,
    steps,
    sums,
    total,
    note: number.row.differs?.[slot] != null ? t("note.differs") : note && t(note),
  };
}

/** A parameter's gradient as the sum of what its uses contribute. */
export function explainParam(data, values, param, flat) {
  const { name, value, grad } = data.params[param];
  const uses = (grad?.contributions ?? []).map((id, k) => {
    const row = grad.rows[k];
    return { label: (data.rows[row]?.block ?? []).map(blockName).join(" · "), factors: [], value: values[id][flat], id, flat, row };
  });
  const total = uses.reduce((sum, use) => sum + use.value, 0);
  const at = placeText(data, value, flat);
  const left = `${mathText(`d ${name.split(".").at(-1)}`)}[${at.split(", ").map(mathText).join(",")}]`;
  const numbers = termsInFormula(uses);
  return {
    name, at, formula: mathml("dweight = Σ[k] dweight[k]"), terms: uses, steps: [], sums: [], total, note: null,
    substituted: mathml(`${left} = ${numbers ? `${numbers} = ` : ""}${mathNumber(total, { first: true })}`),
  };
}

const SHOWN = 2; // as many as stand in one line

/** The largest terms, multiplied out as far as they have factors, and dots for the rest. */
function termsInFormula(terms) {
  const largest = [...terms].sort((a, b) => Math.abs(b.value) - Math.abs(a.value)).slice(0, SHOWN);
  const text = largest.map(({ factors, value }, k) => {
    const numbers = factors?.length ? factors.map((each) => each.value) : [value];
    return numbers.map((x, i) => mathNumber(x, { first: k + i === 0 })).join(" · ");
  });
  return text.join(" + ") + (terms.length > SHOWN ? " + …" : "");
}

/** A number of an output, with what its row reads. */
class OpenedNumber {
  constructor(data, values, rowIndex, slot, flat) {
    Object.assign(this, { data, values, rowIndex, slot, flat });
    this.row = data.rows[rowIndex];
    this.attrs = this.row.attrs ?? {};
    this.inputs = this.row.in.map((id) => (id == null ? null : values[id]));
    this.shapes = this.row.in.map((id) => (id == null ? null : data.values[id].shape));
    this.outShape = data.values[this.row.out[slot]].shape;
    this.at = unravel(flat, this.outShape);
  }

  /** A number of input `slot` as a factor. */
  read(slot, flat, sign = 1) {
    const id = this.row.in[slot];
    const name = (sign < 0 ? "−" : "") + slotName(this.data, this.rowIndex, "in", slot);
    return { name, index: placeText(this.data, id, flat), value: sign * this.inputs[slot][flat], id, flat, slot };
  }

  /** A number of output `slot` as a factor: what the op has computed on its way. */
  made(slot, flat) {
    const id = this.row.out[slot];
    const name = slotName(this.data, this.rowIndex, "out", slot);
    return { name, index: placeText(this.data, id, flat), value: this.values[id][flat], id, flat, slot: null };
  }

  /** The number where the output's window begins, broadcast from input `slot`. */
  broadcast(slot) {
    return placeIn(this.at, broadcastStrides(this.shapes[slot], this.outShape));
  }

  /** The end of the leading axes: the place in the last axis, its length, and where it begins. */
  lastAxis(shape = this.outShape) {
    const width = shape.at(-1);
    return { width, place: this.flat % width, from: this.flat - (this.flat % width) };
  }
}

function placeIn(at, strides, offset = 0) {
  return at.reduce((place, i, axis) => place + i * strides[axis], offset);
}

function constantFactor(name, value) {
  return { name, index: "", value, id: null, flat: null, slot: null };
}

function termOf(...factors) {
  const label = factors.map(({ name, index }) => (index === "" ? name : `${name}[${index}]`)).join(" · ");
  return { label, factors, value: factors.reduce((product, factor) => product * factor.value, 1) };
}

function stepOf({ name, index, value, id, flat }) {
  return { label: index === "" ? name : `${name}[${index}]`, value, id, flat };
}

function step(label, value) {
  return { label, value, id: null, flat: null };
}

function range(n, f) {
  return Array.from({ length: n }, (_, i) => f(i));
}

function totalOf(terms) {
  return terms.reduce((sum, term) => sum + term.value, 0);
}

/** A sum inside an op, with the factor that it is multiplied by: 1, or 1/H for a mean. */
function innerSum(label, terms, share = 1) {
  return { label, terms, total: totalOf(terms) * share };
}

// Sums of products.

function explainLinear(n) {
  const [outs, ins] = n.shapes[1];
  const [r, o] = [Math.floor(n.flat / outs), n.flat % outs];
  const terms = range(ins, (i) => termOf(n.read(0, r * ins + i), n.read(1, o * ins + i)));
  return { terms: n.inputs[2] ? [...terms, termOf(n.read(2, o))] : terms };
}

function explainLinearBackward(n) {
  const [outs, ins] = n.shapes[2];
  const rows = n.inputs[1].length / ins;
  if (n.slot === 2) return { terms: range(rows, (r) => termOf(n.read(0, r * outs + n.flat))) };
  const [row, i] = [Math.floor(n.flat / ins), n.flat % ins];
  if (n.slot === 0) return { terms: range(outs, (o) => termOf(n.read(0, row * outs + o), n.read(2, o * ins + i))) };
  return { terms: range(rows, (r) => termOf(n.read(0, r * outs + row), n.read(1, r * ins + i))) };
}

/** Which of attention's leading matrices a number is in, and its row and column in it. */
function inMatrix(n) {
  const [rows, columns] = n.outShape.slice(-2);
  const rest = n.flat % (rows * columns);
  return { matrix: Math.floor(n.flat / (rows * columns)), row: Math.floor(rest / columns), column: rest % columns, rows, columns };
}

function explainScores(n) {
  const { matrix, row: t0, column: s, rows: T, columns: S } = inMatrix(n);
  const D = n.shapes[0].at(-1);
  const scale = constantFactor("1/√D", D ** -0.5);
  const terms = range(D, (d) => termOf(n.read(0, (matrix * T + t0) * D + d), n.read(1, (matrix * S + s) * D + d), scale));
  return { terms: n.inputs[2] ? [...terms, termOf(n.read(2, n.broadcast(2)))] : terms };
}

function explainScoresBackward(n) {
  const { matrix, row, column: d, columns: D } = inMatrix(n);
  const [T, S] = n.shapes[0].slice(-2);
  const scale = constantFactor("1/√D", D ** -0.5);
  const at = (t0, s) => (matrix * T + t0) * S + s;
  if (n.slot === 0) return { terms: range(S, (s) => termOf(n.read(0, at(row, s)), n.read(2, (matrix * S + s) * D + d), scale)) };
  return { terms: range(T, (t0) => termOf(n.read(0, at(t0, row)), n.read(1, (matrix * T + t0) * D + d), scale)) };
}

function explainContext(n) {
  const { matrix, row: t0, column: d, rows: T, columns: D } = inMatrix(n);
  const S = n.shapes[0].at(-1);
  return { terms: range(S, (s) => termOf(n.read(0, (matrix * T + t0) * S + s), n.read(1, (matrix * S + s) * D + d))) };
}

function explainContextBackward(n) {
  const { matrix, row, column } = inMatrix(n);
  const [T, S] = n.shapes[1].slice(-2);
  const D = n.shapes[2].at(-1);
  if (n.slot === 0) {
    return { terms: range(D, (d) => termOf(n.read(0, (matrix * T + row) * D + d), n.read(2, (matrix * S + column) * D + d))) };
  }
  return { terms: range(T, (t0) => termOf(n.read(1, (matrix * T + t0) * S + row), n.read(0, (matrix * T + t0) * D + column))) };
}

// Look-ups.

function explainEmbedding(n) {
  const [rows, width] = n.shapes[1];
  const id = n.inputs[0][Math.floor(n.flat / width)];
  return { terms: [termOf(n.read(1, (id < 0 ? id + rows : id) * width + (n.flat % width)))] };
}

function explainEmbeddingBackward(n) {
  const width = n.outShape.at(-1);
  const [v, e] = [Math.floor(n.flat / width), n.flat % width];
  if (v === n.attrs.padding_idx) return { note: "note.padding" };
  const places = [...n.inputs[1].keys()].filter((i) => n.inputs[1][i] === v || n.inputs[1][i] + n.outShape[0] === v);
  return { terms: places.map((i) => termOf(n.read(0, i * width + e))), note: places.length ? null : "note.absent" };
}

// Normalisations.

function momentsOf(n, from, width) {
  const x = n.inputs[0].subarray(from, from + width);
  const mean = x.reduce((sum, value) => sum + value, 0) / width;
  const squares = range(width, (h) => termOf(constantFactor(`(x − mean)²[${h}]`, (x[h] - mean) ** 2)));
  return { mean, squares, variance: totalOf(squares) / width };
}

function explainLayerNorm(n) {
  const width = n.shapes[0].at(-1);
  const [r, h] = n.slot === 2 ? [n.flat, 0] : [Math.floor(n.flat / width), n.flat % width];
  const { mean, squares, variance } = momentsOf(n, r * width, width);
  const spread = [step("mean(x)", mean), step("mean((x − mean)²)", variance)];
  const sums = [innerSum("mean(x)", range(width, (i) => termOf(n.read(0, r * width + i))), 1 / width)];
  sums.push(innerSum("mean((x − mean)²)", squares, 1 / width));
  if (n.slot === 2) {
    const root = Math.sqrt(variance + n.attrs.eps);
    const steps = [...spread, step("√(variance + eps)", root), step("1/√(variance + eps)", 1 / root)];
    return { steps, sums, substituted: `{1}/{√{${mathNumber(variance + n.attrs.eps)}}}` };
  }
  const [x, rstd] = [n.read(0, n.flat), n.made(2, r)];
  const center = constantFactor("(x − mean)", x.value - mean);
  if (n.slot === 1) return { terms: [termOf(center, rstd)], steps: [stepOf(x), ...spread, stepOf(center), stepOf(rstd)], sums };
  const xHat = n.made(1, n.flat);
  const terms = [termOf(n.read(1, h), xHat), termOf(n.read(2, h))];
  return { terms, steps: [stepOf(x), ...spread, stepOf(center), stepOf(rstd), stepOf(xHat)], sums };
}

function explainLayerNormBackward(n) {
  const width = n.shapes[3][0];
  const rows = n.inputs[2].length;
  if (n.slot === 1) return { terms: range(rows, (r) => termOf(n.read(0, r * width + n.flat), n.read(1, r * width + n.flat))) };
  if (n.slot === 2) return { terms: range(rows, (r) => termOf(n.read(0, r * width + n.flat))) };
  const { place: h, from } = n.lastAxis();
  const mean = innerSum("mean(dx̂)", range(width, (j) => termOf(n.read(0, from + j), n.read(3, j))), 1 / width);
  const products = range(width, (j) => termOf(n.read(0, from + j), n.read(3, j), n.read(1, from + j)));
  const projection = innerSum("mean(dx̂ x̂)", products, 1 / width);
  const [dy, weight, xHat, rstd] = [n.read(0, n.flat), n.read(3, h), n.read(1, n.flat), n.read(2, from / width)];
  const dxHat = constantFactor("dx̂", dy.value * weight.value);
  const [less, lessProjection] = [constantFactor("−mean(dx̂)", -mean.total), constantFactor("−mean(dx̂ x̂)", -projection.total)];
  const inside = dxHat.value + less.value + xHat.value * lessProjection.value;
  const steps = [stepOf(dy), stepOf(weight), stepOf(dxHat), step("mean(dx̂)", mean.total), stepOf(xHat)];
  steps.push(step("mean(dx̂ x̂)", projection.total), step("dx̂ − mean(dx̂) − x̂ mean(dx̂ x̂)", inside), stepOf(rstd));
  const numbers = [dxHat.value, mean.total, xHat.value, projection.total].map((x, i) => mathNumber(x, { first: i === 0 }));
  return {
    terms: [termOf(rstd, dxHat), termOf(rstd, less), termOf(rstd, xHat, lessProjection)],
    steps,
    sums: [mean, projection],
    substituted: `${mathNumber(rstd.value, { first: true })} · (${numbers[0]} − ${numbers[1]} − ${numbers[2]} · ${numbers[3]})`,
  };
}

/** Softmax of the row of input 0 in which place `flat` lies. */
function softmaxSteps(n, width) {
  const [from, x] = [n.flat - (n.flat % width), n.read(0, n.flat)];
  const row = n.inputs[0].subarray(from, from + width);
  const largest = row.reduce((a, b) => Math.max(a, b), -Infinity);
  const name = slotName(n.data, n.rowIndex, "in", 0);
  const exps = range(width, (c) => {
    const { index, id, flat, slot } = n.read(0, from + c);
    return termOf({ name: `exp(${name} − max)`, index, value: Math.exp(row[c] - largest), id, flat, slot });
  });
  const total = innerSum(`Σ exp(${name} − max)`, exps);
  const own = Math.exp(x.value - largest);
  return {
    terms: [termOf(constantFactor(`exp(${name} − max)`, own), constantFactor("1/Σ", 1 / total.total))],
    steps: [stepOf(x), step("max", largest), step(`${name} − max`, x.value - largest), step(`exp(${name} − max)`, own), step("Σ", total.total)],
    sums: [total],
    substituted: `{${mathNumber(own)}}/{${mathNumber(total.total)}}`,
  };
}

function explainSoftmaxBackward(n) {
  const { width, from } = n.lastAxis();
  const sum = innerSum("Σ dprobs probs", range(width, (j) => termOf(n.read(0, from + j), n.read(1, from + j))));
  const [dprobs, probs] = [n.read(0, n.flat), n.read(1, n.flat)];
  const difference = dprobs.value - sum.total;
  return {
    terms: [termOf(probs, dprobs), termOf(probs, constantFactor("−Σ dprobs probs", -sum.total))],
    steps: [stepOf(dprobs), step("Σ dprobs probs", sum.total), step("dprobs − Σ", difference), stepOf(probs)],
    sums: [sum],
    substituted: `${mathNumber(probs.value)} · (${mathNumber(dprobs.value, { first: true })} − ${mathNumber(sum.total)})`,
  };
}

// Number by number.

const ACTIVATION_STEPS = {
  gelu: (x) => [step("Φ(x)", normalCdf(x)), step("φ(x)", normalDensity(x))],
  gelu_new: (x) => [step("t = tanh(√(2/π) (x + 0.044715 x³))", geluTanh(x))],
  silu: (x) => [step("σ(x)", sigmoid(x))],
  quick_gelu: (x) => [step("σ(1.702 x)", sigmoid(1.702 * x))],
};
const SAME_STEPS = { gelu_python: "gelu", gelu_pytorch_tanh: "gelu_new", gelu_fast: "gelu_new", swish: "silu" };

function activationSteps(name, x) {
  return (ACTIVATION_STEPS[SAME_STEPS[name] ?? name] ?? (() => []))(x);
}

function explainActivation(n) {
  const x = n.read(0, n.flat);
  const steps = [stepOf(x), ...activationSteps(n.attrs.name, x.value).filter(({ label }) => label !== "φ(x)")];
  return { steps, substituted: `${mathText(n.attrs.name)}(${mathNumber(x.value, { first: true })})` };
}

function explainActivationBackward(n) {
  const [dy, x] = [n.read(0, n.flat), n.read(1, n.flat)];
  const slope = constantFactor(`${n.attrs.name}′(x)`, ACTIVATIONS[n.attrs.name].slope(x.value));
  return { terms: [termOf(dy, slope)], steps: [stepOf(x), ...activationSteps(n.attrs.name, x.value), stepOf(slope), stepOf(dy)] };
}

function explainTanhBackward(n) {
  const [dy, y] = [n.read(0, n.flat), n.read(1, n.flat)];
  const slope = constantFactor("(1 − y²)", 1 - y.value ** 2);
  return { terms: [termOf(dy, slope)], steps: [stepOf(dy), stepOf(y), stepOf(slope)] };
}

function explainDropout(n) {
  const note = n.inputs[1][n.flat] ? null : "note.dropped";
  return { terms: [termOf(n.read(0, n.flat), n.read(1, n.flat), constantFactor("scale", n.attrs.scale))], note };
}

// Losses.

function explainCrossEntropy(n) {
  const width = n.shapes[0][1];
  if (n.slot === 1) return softmaxSteps(n, width);
  const labels = n.inputs[1];
  const counted = [...labels.keys()].filter((r) => labels[r] !== n.attrs.ignore_index);
  const terms = counted.map((r) => {
    const probs = n.made(1, r * width + labels[r]);
    return termOf({ ...probs, name: "−log probs", value: -logProbability(n, probs.flat, width) }, constantFactor("1/n", 1 / n.attrs.denominator));
  });
  return { terms, note: counted.length < labels.length ? "note.ignored_rows" : null };
}

/** log softmax of the number at place `flat` of the logits: exact also where the probability itself rounds to 0. */
function logProbability(n, flat, width) {
  const from = flat - (flat % width);
  const row = n.inputs[0].subarray(from, from + width);
  const largest = row.reduce((a, b) => Math.max(a, b), -Infinity);
  return row[flat - from] - largest - Math.log(row.reduce((sum, x) => sum + Math.exp(x - largest), 0));
}

function explainCrossEntropyBackward(n) {
  const { width, place: c } = n.lastAxis();
  const label = n.inputs[1][Math.floor(n.flat / width)];
  if (label === n.attrs.ignore_index) return { note: "note.ignored" };
  const scale = constantFactor("dloss/n", n.attrs.dloss / n.attrs.denominator);
  const terms = [termOf(n.read(0, n.flat), scale)];
  return { terms: c === label ? [...terms, termOf(constantFactor("−1", -1), scale)] : terms };
}

function explainSoftCrossEntropy(n) {
  const width = n.shapes[0][1];
  if (n.slot === 1) return softmaxSteps(n, width);
  const scale = constantFactor("1/n", 1 / n.attrs.denominator);
  const places = [...n.inputs[1].keys()].filter((place) => n.inputs[1][place] !== 0);
  const terms = places.map((place) => termOf(n.read(1, place), { ...n.made(1, place), name: "−log probs", value: -logProbability(n, place, width) }, scale));
  return { terms, note: places.length ? null : "note.ignored_rows" };
}

function explainSoftCrossEntropyBackward(n) {
  const { width, from } = n.lastAxis();
  const total = totalOf(range(width, (c) => termOf(n.read(1, from + c))));
  const scale = constantFactor("dloss/n", n.attrs.dloss / n.attrs.denominator);
  return { terms: [termOf(n.read(0, n.flat), constantFactor("Σ targets", total), scale), termOf(n.read(1, n.flat, -1), scale)] };
}

function explainLossOfNumbers(name, lossOfOne) {
  return (n) => {
    const scale = constantFactor("1/n", 1 / n.attrs.denominator);
    return {
      terms: range(n.inputs[0].length, (i) => {
        const x = n.read(0, i);
        return termOf({ ...x, name, value: lossOfOne(x.value, n.inputs[1][i]) }, scale);
      }),
    };
  };
}

function explainLossBackward(name, guess, factor) {
  return (n) => {
    const [x, label] = [n.read(0, n.flat), n.read(1, n.flat)];
    const difference = constantFactor(`(${name} − labels)`, guess(x.value) - label.value);
    const scale = constantFactor(factor === 1 ? "dloss/n" : `${factor} dloss/n`, (factor * n.attrs.dloss) / n.attrs.denominator);
    const steps = [stepOf(x), ...(name === "x" ? [] : [step(name, guess(x.value))]), stepOf(label), stepOf(difference), stepOf(scale)];
    return { terms: [termOf(difference, scale)], steps };
  };
}

// Between ops.

function explainOne(slot, flat) {
  return (n) => ({ terms: [termOf(n.read(slot, flat(n)))] });
}

function explainAdd(n) {
  return { terms: n.inputs.map((_, slot) => termOf(n.read(slot, n.broadcast(slot)))) };
}

/** The number of the part that was put where this number is, or the base's, or zero. */
function explainPlaced(n, found, partPlace) {
  if (found >= 0) return { terms: [termOf(n.read(1, partPlace(found)))] };
  return n.inputs[0] ? { terms: [termOf(n.read(0, n.flat))] } : { note: "note.nothing_put" };
}

function explainPut(n) {
  const { offset, strides, shape } = n.attrs;
  const found = placesOf(shape, strides, offset).lastIndexOf(n.flat);
  return explainPlaced(n, found, (i) => placeIn(unravel(i, shape), broadcastStrides(n.shapes[1], shape)));
}

/** Which parts of those that are put somewhere go where the number is, and where each is read. */
function partsPlaced(n) {
  const { shape, width, strides } = scatterPlan(n.attrs, n.shapes[1], n.outShape);
  const place = Math.floor(n.flat / width);
  const found = [...n.attrs.index.keys()].filter((i) => n.attrs.index[i] === place);
  return { found, partPlace: (i) => placeIn(unravel(i * width + (n.flat % width), shape), strides) };
}

function explainScatter(n) {
  const { found, partPlace } = partsPlaced(n);
  return explainPlaced(n, found.at(-1) ?? -1, partPlace);
}

function explainScatterAdd(n) {
  const { found, partPlace } = partsPlaced(n);
  const terms = found.map((i) => termOf(n.read(1, partPlace(i))));
  if (n.inputs[0]) terms.unshift(termOf(n.read(0, n.flat)));
  return { terms, note: terms.length ? null : "note.nothing_put" };
}

function explainGather(n) {
  const width = n.shapes[0].slice(1).reduce((a, b) => a * b, 1);
  return { terms: [termOf(n.read(0, n.attrs.index[Math.floor(n.flat / width)] * width + (n.flat % width)))] };
}

function explainConcat(n) {
  const [axis] = frontAxes(n.attrs.axis ?? 0, n.outShape.length);
  const at = [...n.at];
  let slot = 0;
  while (at[axis] >= n.shapes[slot][axis]) at[axis] -= n.shapes[slot++][axis];
  return { terms: [termOf(n.read(slot, placeIn(at, stridesOf(n.shapes[slot]))))] };
}

function explainStack(n) {
  const [axis] = frontAxes(n.attrs.axis ?? 0, n.outShape.length);
  const slot = n.at[axis];
  return { terms: [termOf(n.read(slot, placeIn(n.at.filter((_, i) => i !== axis), stridesOf(n.shapes[slot]))))] };
}

function explainReduce(n) {
  const places = reducedPlaces(n.shapes[0], n.attrs.axes, n.flat);
  const f = n.attrs.f ?? "sum";
  const numbers = places.map((place) => n.read(0, place));
  if (f === "sum") return { terms: numbers.map((factor) => termOf(factor)) };
  const share = constantFactor("1/n", 1 / places.length);
  if (f === "mean") return { terms: numbers.map((factor) => termOf(factor, share)) };
  if (f === "prod") return { terms: [termOf(...numbers)] };
  if (f === "max" || f === "min") {
    const total = n.values[n.row.out[0]][n.flat];
    return { terms: [termOf(numbers.find(({ value }) => value === total) ?? numbers[0])], note: "note.extreme" };
  }
  const mean = numbers.reduce((sum, { value }) => sum + value, 0) / numbers.length;
  const squares = numbers.map((x) => termOf({ ...x, name: `(${x.name} − mean)²`, value: (x.value - mean) ** 2 }, share));
  if (f === "var") return { terms: squares, steps: [step("mean", mean)] };
  return { steps: [step("mean", mean), step("variance", totalOf(squares))], sums: [innerSum("variance", squares)] };
}

function explainMatmul(n) {
  const { rows, inner, columns, aStarts, bStarts } = matmulSizes(n.shapes);
  const [product, place] = [Math.floor(n.flat / (rows * columns)), n.flat % (rows * columns)];
  const [row, column] = [Math.floor(place / columns), place % columns];
  const [a, b] = [aStarts[product] + row * inner, bStarts[product] + column];
  return { terms: range(inner, (k) => termOf(n.read(0, a + k), n.read(1, b + k * columns))) };
}

function explainEinsum(n) {
  const plan = einsumPlan(n.attrs.subscripts, n.shapes);
  const starts = plan.outStrides.map((strides) => placeIn(n.at, strides));
  const steps = plan.summedStrides.map((strides) => placesOf(plan.summedSizes, strides));
  return { terms: range(steps[0].length, (k) => termOf(...starts.map((start, slot) => n.read(slot, start + steps[slot][k])))) };
}

function explainWhere(n) {
  const [slot, number] = n.inputs[1][n.broadcast(1)] ? [0, n.attrs.value] : [2, n.attrs.fill];
  if (n.inputs[slot]) return { terms: [termOf(n.read(slot, n.broadcast(slot)))], note: slot ? "note.other" : null };
  return { terms: [termOf(constantFactor(slot ? "fill" : "value", number))], note: slot ? "note.filled" : "note.chosen" };
}

const PRODUCT_LIKE = new Set(["add", "subtract", "multiply", "divide", "negative"]);

function explainElementwise(n) {
  const { f } = n.attrs;
  let slot = 0;
  const operands = operandsOf(n.inputs, n.shapes, n.attrs).map(([x, shape]) => {
    if (typeof n.attrs.scalar === "number" && shape.length === 0 && !n.inputs.includes(x)) return constantFactor("", x[0]);
    slot += 1;
    return n.read(slot - 1, n.broadcast(slot - 1));
  });
  const named = operands.map((each) => (each.name ? each : { ...each, name: String(each.value) }));
  const substituted = elementwiseFormula(f, ...named.map(({ value }, i) => mathNumber(value, { first: i === 0 && f !== "power" })));
  const [a, b] = named;
  if (!PRODUCT_LIKE.has(f)) return { steps: named.map(stepOf), substituted };
  if (f === "add") return { terms: [termOf(a), termOf(b)], substituted };
  if (f === "multiply") return { terms: [termOf(a, b)], substituted };
  if (f === "negative") return { terms: [termOf(negated(a))], substituted };
  if (f === "subtract") return { terms: [termOf(a), termOf(negated(b))], substituted };
  return { terms: [termOf(a, { ...b, name: `1/${b.name}`, value: 1 / b.value })], substituted };
}

function negated(factor) {
  return { ...factor, name: `−${factor.name}`, value: -factor.value };
}

const EXPLAIN = {
  linear: explainLinear,
  linear_backward: explainLinearBackward,
  layer_norm: explainLayerNorm,
  layer_norm_backward: explainLayerNormBackward,
  embedding: explainEmbedding,
  embedding_backward: explainEmbeddingBackward,
  activation: explainActivation,
  activation_backward: explainActivationBackward,
  tanh: (n) => ({ steps: [stepOf(n.read(0, n.flat))], substituted: `tanh(${mathNumber(n.inputs[0][n.flat], { first: true })})` }),
  tanh_backward: explainTanhBackward,
  softmax: (n) => softmaxSteps(n, n.outShape.at(-1)),
  softmax_backward: explainSoftmaxBackward,
  dropout: explainDropout,
  dropout_backward: explainDropout,
  scores: explainScores,
  scores_backward: explainScoresBackward,
  context: explainContext,
  context_backward: explainContextBackward,
  cross_entropy: explainCrossEntropy,
  cross_entropy_backward: explainCrossEntropyBackward,
  soft_cross_entropy: explainSoftCrossEntropy,
  soft_cross_entropy_backward: explainSoftCrossEntropyBackward,
  binary_cross_entropy: explainLossOfNumbers("−log σ", binaryCrossEntropyOf),
  binary_cross_entropy_backward: explainLossBackward("σ(x)", sigmoid, 1),
  mean_squared_error: explainLossOfNumbers("(x − labels)²", (x, label) => (x - label) ** 2),
  mean_squared_error_backward: explainLossBackward("x", (x) => x, 2),
  copy: explainOne(0, (n) => n.flat),
  add: explainAdd,
  view: explainOne(0, (n) => placeIn(n.at, n.attrs.strides, n.attrs.offset)),
  gather: explainGather,
  take: explainOne(0, (n) => n.attrs.index[n.flat]),
  scatter: explainScatter,
  scatter_add: explainScatterAdd,
  put: explainPut,
  concat: explainConcat,
  stack: explainStack,
  sum: explainReduce,
  matmul: explainMatmul,
  einsum: explainEinsum,
  where: explainWhere,
  elementwise: explainElementwise,
  reduce: explainReduce,
};
