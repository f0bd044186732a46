// The recorded pass, run again: forward and backward, in double precision, with numbers moved if asked.
import { arrayOf } from "./arrays.js";
import { KERNELS } from "./kernels.js";

/** The array of every value of the pass, by its number.
 *
 * `overrides` move single numbers: {value, index, set} or {value, index, add} where the value comes into being, for all
 * its readers; {row, slot, index, set | add} for one input of one row alone. `index` is the place in the flat array.
 * With `base`, the arrays of an earlier replay, only what the overrides reach is computed again, the rest is shared.
 * `phase: "forward"` leaves the backward rows out. Where a row has Python's arrays beside it ("differs"), they are taken.
 */
export function replay(data, { overrides = [], base, phase } = {}) {
  const pass = startPass(data, overrides, base);
  data.rows.forEach((row, i) => {
    if (phase === "forward" && row.phase === "backward") return;
    const moved = pass.atRows.get(i);
    const reached = !base || moved || row.in.some((id) => id != null && pass.dirty[id]);
    const outs = reached ? runRow(pass, row, moved ?? []) : row.out.map((id) => base[id]);
    row.out.forEach((id, slot) => settle(pass, id, outs[slot]));
  });
  return pass.values;
}

function startPass(data, overrides, base) {
  const group = (key) => {
    const groups = new Map();
    for (const each of overrides) if (each[key] !== undefined) groups.set(each[key], [...(groups.get(each[key]) ?? []), each]);
    return groups;
  };
  const pass = { data, base, values: [], dirty: new Uint8Array(data.values.length), atValues: group("value") };
  pass.atRows = group("row");
  data.values.forEach((value, id) => {
    const array = value.param == null ? value.const : data.params[value.param].array;
    if (array != null) settle(pass, id, arrayOf(data, array));
  });
  return pass;
}

/** Give a value its array, with the numbers moved that are to be moved in it. */
function settle(pass, id, array) {
  const moved = pass.atValues.get(id);
  pass.values[id] = moved ? moveNumbers(array, moved) : array;
  const before = pass.base?.[id];
  if (before && pass.values[id] !== before) pass.dirty[id] = moved || !sameNumbers(pass.values[id], before) ? 1 : 0;
}

function moveNumbers(array, moves) {
  const moved = array.slice();
  for (const { index, set, add = 0 } of moves) moved[index] = set ?? moved[index] + add;
  return moved;
}

function sameNumbers(a, b) {
  for (let i = 0; i < a.length; i++) if (!Object.is(a[i], b[i])) return false;
  return true;
}

function runRow({ data, values, base }, row, moves) {
  const read = (from) => row.in.map((id) => (id == null ? null : from[id]));
  const inputs = read(values);
  for (const move of moves) inputs[move.slot] = moveNumbers(inputs[move.slot], [move]);
  const outs = computeRow(data, row, inputs);
  if (!row.differs) return outs;
  // Python's array, and beside it, where a number was moved, as much as the reference moves by it
  const before = base && computeRow(data, row, read(base));
  return outs.map((out, slot) => {
    if (typeof row.differs[slot] !== "number") return out;
    const python = arrayOf(data, row.differs[slot]);
    return before ? python.map((x, i) => x + (out[i] - before[slot][i])) : python;
  });
}

function computeRow(data, row, inputs) {
  const kernel = KERNELS[row.kind];
  if (!kernel) throw new Error(`a row of an unknown kind: ${row.kind}`);
  const shapes = (ids) => ids.map((id) => (id == null ? null : data.values[id].shape));
  return kernel(inputs, shapes(row.in), row.attrs ?? {}, shapes(row.out));
}

/** The scalar that the pass differentiates: its loss, or Σ upstream · output where there is none. */
export function lossOf(data, values) {
  if (data.loss != null) return values[data.loss][0];
  let loss = 0;
  for (const { value, upstream } of data.probe ?? []) {
    const weights = arrayOf(data, upstream);
    for (let i = 0; i < weights.length; i++) loss += weights[i] * values[value][i];
  }
  return loss;
}

/** The gradient of every parameter: the sum of what its uses contribute, in the order of the backward pass. */
export function gradsOf(data, values) {
  return data.params.map(({ array, grad }) => {
    const total = new Float64Array(arrayOf(data, array).length);
    for (const id of grad?.contributions ?? []) for (let i = 0; i < total.length; i++) total[i] += values[id][i];
    return total;
  });
}

// Fingerprints: Σ x and Σ x cos(i + 1), which Python wrote beside each of its arrays. What a mask forbids counts as 0:
// beside −10³⁰ no other number would be seen.

let cosines = new Float64Array(0);
const MASKED = 1e29;

export function fingerprint(x) {
  if (cosines.length < x.length) cosines = Float64Array.from({ length: x.length }, (_, i) => Math.cos(i + 1));
  let [sum, dot, size] = [0, 0, 0];
  for (let i = 0; i < x.length; i++) {
    if (Math.abs(x[i]) >= MASKED) continue;
    sum += x[i];
    dot += x[i] * cosines[i];
    size += Math.abs(x[i]);
  }
  return { sum, dot, size };
}

/** How far an array is from Python's fingerprint: relative to Σ |x|, what rounding may do counting as 0, and as it is. */
function distance(x, [sum, dot]) {
  const own = fingerprint(x);
  const apart = (a, b) => (Object.is(a, b) ? 0 : Math.abs(a - b));
  const off = Math.max(apart(own.sum, sum), apart(own.dot, dot));
  return { difference: off <= ROUNDING ? 0 : Number.isNaN(off) ? Infinity : off / own.size, exact: off / (1 + own.size) };
}

const ROUNDING = 1e-12;
const EQUAL = 1e-9;

/** Compare a replay with what Python recorded: the rows that differ, in the order of the pass.
 *
 * So the first is the op that differs. Properties of the array: `details` [{row, slot, value, difference, right}], where
 * `right` is what the op should have put out, if the page has Python's array beside it; `params` [{param, difference}],
 * the gradients that differ; `count`, how many arrays were compared; `worst`, the largest difference among equal ones, of
 * 1 + Σ |x|. Differences are relative to Σ |x| of the array.
 */
export function verify(data, values) {
  const [details, params] = [[], []];
  let [count, worst] = [0, 0];
  const note = ({ difference, exact }, list, entry) => {
    count++;
    if (difference > EQUAL) list.push({ ...entry, difference });
    else worst = Math.max(worst, exact);
  };
  data.rows.forEach((row, i) => {
    const own = row.differs && computeRow(data, row, row.in.map((id) => (id == null ? null : values[id])));
    row.out.forEach((value, slot) => {
      const entry = { row: i, slot, value };
      const python = row.differs?.[slot];
      if (typeof python === "number") {
        note(gap(own[slot], arrayOf(data, python)), details, { ...entry, right: own[slot] });
      } else if (data.values[value].print) note(distance(values[value], data.values[value].print), details, entry);
    });
  });
  const grads = gradsOf(data, values);
  data.params.forEach(({ grad }, param) => {
    if (grad?.print) note(distance(grads[param], grad.print), params, { param });
  });
  const rows = [...new Set(details.map(({ row }) => row))];
  return Object.assign(rows, { details, params, count, worst });
}

/** max |a - b| / max |a|, at least what counts as differing: Python has said that the arrays differ. */
function gap(a, b) {
  let [off, size] = [0, 0];
  for (let i = 0; i < a.length; i++) {
    off = Math.max(off, Math.abs(a[i] - b[i]));
    size = Math.max(size, Math.abs(a[i]));
  }
  return { difference: Math.max(off / size || Infinity, 2 * EQUAL) };
}
