// A proof on the spot: the loss as one number moves, the tangent that backward gives, and how many digits agree.

import { targetOf, prove } from "./proof.js";
import { el, figures, svg } from "./dom.js";
import { t } from "./i18n.js";

const [WIDTH, HEIGHT, EDGE] = [230, 118, 8];

/** A curve through points {delta, loss} and a line of a slope through its middle. */
export function curveOf(points, slope, label) {
  const deltas = points.map((point) => point.delta);
  const reach = Math.max(...deltas.map(Math.abs)) || 1;
  const middle = points.find((point) => point.delta === 0)?.loss ?? points[Math.floor(points.length / 2)].loss;
  const losses = [...points.map((point) => point.loss), middle + slope * reach, middle - slope * reach].filter(Number.isFinite);
  const [low, high] = [Math.min(...losses), Math.max(...losses)];
  const x = (delta) => EDGE + ((delta + reach) / (2 * reach)) * (WIDTH - 2 * EDGE);
  const y = (loss) => (high > low ? EDGE + ((high - loss) / (high - low)) * (HEIGHT - 2 * EDGE - 12) : HEIGHT / 2);
  const path = points.map((point, i) => `${i ? "L" : "M"}${x(point.delta).toFixed(1)} ${y(point.loss).toFixed(1)}`).join("");
  return svg(
    "svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "curve", role: "img", "aria-label": label },
    svg("line", { x1: x(0), x2: x(0), y1: EDGE, y2: HEIGHT - 14, class: "axis" }),
    svg("line", { x1: x(-reach), x2: x(reach), y1: y(middle - slope * reach), y2: y(middle + slope * reach), class: "tangent" }),
    svg("path", { d: path, class: "truth" }),
    ...points.map((point) => svg("circle", { cx: x(point.delta), cy: y(point.loss), r: 2.2, class: "truth" })),
    svg("text", { x: x(-reach), y: HEIGHT - 2 }, `−${figures(reach, 2)}`),
    svg("text", { x: x(0), y: HEIGHT - 2, "text-anchor": "middle" }, "δ"),
    svg("text", { x: x(reach), y: HEIGHT - 2, "text-anchor": "end" }, `+${figures(reach, 2)}`),
  );
}

/** A button that proves the gradient of a number, and what comes of it. `target` as targetOf gives it. */
export class ProofPanel {
  constructor(app, target, index, question) {
    this.app = app;
    this.target = target;
    this.index = index;
    this.button = el("button", { type: "button", class: "ask", onclick: () => this.ask() }, question);
    this.result = el("div", { class: "proof-result", "aria-live": "polite" });
    this.element = el("div", { class: "proof" }, this.button, this.result);
  }

  /** Let the page say that it runs, then run. */
  ask() {
    this.result.replaceChildren(el("span", { class: "soft" }, t("proof.running")));
    setTimeout(() => this.run());
  }

  run() {
    const started = performance.now();
    const found = prove(this.app.data, this.app.values, this.target, this.index);
    const ms = Math.round(performance.now() - started);
    const verdict = found.verdict ?? "agree";
    const sentence = verdict === "agree" ? `✓ ${t("proof.agree", { n: found.digits })}` : verdict === "zero" ? `✓ ${t("proof.zero", { noise: figures(found.noise, 1) })}` : `✗ ${t("proof.differ")}`;
    const line = (name, x) => [el("dt", {}, name), el("dd", {}, figures(x, 10))];
    this.result.replaceChildren(
      curveOf(found.points, found.backward, t("proof.curve", { scalar: this.app.scalarName() })),
      el(
        "div", { class: "proof-words" },
        el("dl", {}, line(t("proof.slope"), found.slope), line(t("proof.backward"), found.backward)),
        el("p", { class: verdict === "differ" ? "alarm" : "good" }, sentence, el("span", { class: "soft" }, ` · ${t("proof.time", { ms })}`)),
        found.note ? el("p", { class: "soft" }, t(found.note)) : null,
      ),
    );
    this.element.scrollIntoView({ block: "nearest" });
  }
}

/** The proof of the value on screen, or null where the loss does not depend on it. */
export function proofOf(app, id, index) {
  const target = targetOf(app.data, id);
  if (!target) return null;
  const question = target.param === undefined ? t("proof.ask") : target.row === undefined ? t("proof.askAll") : t("proof.askUse");
  return new ProofPanel(app, target, index, question);
}
