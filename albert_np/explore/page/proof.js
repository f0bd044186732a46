// Proofs: a number is moved, the pass runs again, and the slope of the loss is compared with what backward says.
import { countOf, stridesOf } from "./arrays.js";
import { lossOf, replay } from "./engine.js";

/** What to prove for a value on screen: itself, or what it is the gradient of; null where nothing can be.
 *
 * {value}: a number of the forward pass; {param, row}: a parameter in one use, the row that read it. The place of a number
 * in the flat array is the same in both.
 */
export function targetOf(data, id) {
  for (const [param, { grad }] of data.params.entries()) {
    const use = (grad?.contributions ?? []).indexOf(id);
    if (use >= 0) return { param, row: grad.rows[use] };
  }
  const { param, grad } = data.values[id];
  if (param != null) return { param };
  if (grad != null) return { value: id };
  const primal = data.values.findIndex((value) => value.grad === id);
  if (primal >= 0) return { value: primal };
  const reshaped = data.rows.find((row) => row.in[0] === id && isReshape(data, row));
  return reshaped ? targetOf(data, reshaped.out[0]) : null;
}

/** Whether a row hands its numbers on in the same order, in another shape. */
function isReshape(data, { kind, in: [from], out: [to], attrs }) {
  if (kind !== "view" || attrs.offset !== 0) return false;
  const [before, { shape }] = [data.values[from].shape, data.values[to]];
  const own = stridesOf(shape);
  return countOf(before) === countOf(shape) && shape.every((length, axis) => length === 1 || attrs.strides[axis] === own[axis]);
}

/** Prove one number's gradient by central differences, extrapolated to a step of zero (Ridders).
 *
 * `target`: {value}, {param} in all its uses, or {param, row} in the use of one row, forward or backward; `index` in the
 * flat array. Returns the slope that `backward` says, the `slope` that differences give, `error` (how sure that one is),
 * `noise` (what rounding alone could make of it), the `digits` in which both agree, a `verdict` ("agree"; "zero": both are
 * below the noise; "differ"), the `step` that was best, `points` [{delta, loss}] of the curve, and a `note` or null.
 */
export function prove(data, values, target, index) {
  const { backward, override, array } = locate(data, values, target, index);
  const start = array[index];
  const points = new Map([[0, lossOf(data, values)]]);
  const lossAt = (delta) => {
    if (!points.has(delta)) {
      const overrides = [{ ...override, index, set: start + delta }];
      points.set(delta, lossOf(data, replay(data, { overrides, base: values, phase: "forward" })));
    }
    return points.get(delta);
  };
  const scale = stepScale(array, start);
  const found = extrapolate(differencesOf(lossAt, start), 2 * scale);
  for (const share of [-0.75, 0.75]) lossAt(share * found.widest); // so that the curve is round where it is wide
  const curve = [...points].map(([delta, loss]) => ({ delta, loss })).sort((one, other) => one.delta - other.delta);
  return { backward, ...found, ...judge(backward, found, (Number.EPSILON * Math.abs(points.get(0))) / scale), points: curve, start, note: noteOf(data, override) };
}

/** Where a number is read, and what the backward pass says of it. */
function locate(data, values, { value, param, row }, index) {
  if (param == null) {
    const { grad } = data.values[value];
    return { backward: grad == null ? null : values[grad][index], override: { value }, array: values[value] };
  }
  const { value: id, grad } = data.params[param];
  const shares = (grad?.contributions ?? []).map((share) => values[share][index]);
  if (row == null) {
    return { backward: shares.reduce((sum, share) => sum + share, 0), override: { value: id }, array: values[id] };
  }
  const use = grad.rows.findIndex((backwardRow) => backwardRow === row || data.rows[backwardRow].mirror === row);
  if (use < 0) throw new Error(`row ${row} does not use ${data.params[param].name}`);
  const forwardRow = data.rows[row].phase === "forward" ? row : data.rows[row].mirror;
  return { backward: shares[use], override: { row: forwardRow, slot: data.rows[forwardRow].in.indexOf(id) }, array: values[id] };
}

/** A step at which the loss bends, but not beyond recognition: of the size of the numbers beside it. */
function stepScale(array, start) {
  const ordinary = (x) => x !== 0 && Math.abs(x) < 1e6; // a mask's −10³⁰ says nothing of the others
  const apart = Math.ceil(array.length / 4096);
  const sizes = array.filter((x, i) => i % apart === 0 && ordinary(x)).map(Math.abs).sort();
  const median = sizes.length ? sizes[sizes.length >> 1] : 1;
  return Math.max(median, ordinary(start) ? Math.abs(start) / 8 : 0);
}

const NOISE = 8 * Number.EPSILON; // of a loss, relative: what its many roundings add up to

/** step → the slope across it, and what rounding alone could make of that. */
function differencesOf(lossAt, start) {
  return (step) => {
    const [right, left] = [lossAt(step), lossAt(-step)];
    const moved = start + step - (start - step) || 2 * step;
    return { slope: (right - left) / moved, noise: (2 * NOISE * Math.max(Math.abs(right), Math.abs(left))) / moved };
  };
}

const [HALVINGS, WIDENINGS] = [22, 5];
const ENOUGH = 1e-10; // of a slope: ten digits convince anybody

/** Differences of steps halved again and again; of each, its powers of the step are eliminated one after the other. */
function extrapolate(differences, start) {
  const widest = widen(differences, start);
  const best = { slope: NaN, error: Infinity, noise: 0, step: widest, widest };
  let previous = [];
  for (let k = 0; k < HALVINGS; k++) {
    const step = widest * 2 ** -k;
    const { slope, noise } = differences(step);
    const tableau = [slope];
    for (let j = 1; j <= k; j++) tableau.push(tableau[j - 1] + (tableau[j - 1] - previous[j - 1]) / (4 ** j - 1));
    for (let j = 1; j <= k; j++) {
      const error = Math.max(Math.abs(tableau[j] - tableau[j - 1]), Math.abs(tableau[j] - previous[j - 1]), noise);
      if (error <= best.error) Object.assign(best, { slope: tableau[j], error, noise, step });
    }
    if (best.error < noise || best.error < ENOUGH * Math.abs(best.slope)) break; // smaller steps drown in rounding
    previous = tableau;
  }
  return best;
}

/** A step so wide that the loss bends across it: as long as rounding hides the bend, a wider one is surer. */
function widen(differences, step) {
  for (let k = 0; k < WIDENINGS; k++) {
    const [wide, narrow] = [differences(step), differences(step / 2)];
    const bend = Math.abs(wide.slope - narrow.slope);
    if (bend > 8 * narrow.noise || (wide.slope === 0 && narrow.slope === 0) || Number.isNaN(bend)) break;
    step *= 8;
  }
  return step;
}

/** `floor`: what backward's own rounding may leave of a gradient that is zero. */
function judge(backward, { slope, error, noise }, floor) {
  if (backward === null) return { digits: null, verdict: null };
  const off = Math.abs(backward - slope);
  const size = Math.max(Math.abs(backward), Math.abs(slope));
  const unsure = Math.max(error, noise, floor);
  if (size <= 4 * unsure) return { digits: 0, verdict: "zero", noise: unsure };
  const digits = off === 0 ? 15 : Math.max(0, Math.min(15, Math.floor(-Math.log10(off / size))));
  return { digits, verdict: digits >= 6 || off <= 3 * Math.max(error, noise) ? "agree" : "differ" };
}

/** A proof that runs through an op whose forward differs from the reference says so. */
function noteOf(data, { row, value }) {
  const first = row ?? data.rows.findIndex(({ in: inputs, out }) => inputs.includes(value) || out.includes(value));
  const differs = data.rows.some((each, i) => i >= first && each.phase === "forward" && each.differs);
  return differs ? "note.through_differing_op" : null;
}
