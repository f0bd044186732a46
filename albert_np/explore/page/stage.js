// The stop one stands at: its name, its formula, and its arrays, what goes in and what comes out.

import { valuesOfStop } from "./data.js";
import { el, mathOf } from "./dom.js";
import { formulaOf, slotName } from "./formulas.js";
import { t } from "./i18n.js";
import { MatrixView } from "./matrix.js";

const PADDING = 16;
const TALL_ENOUGH = 165; // px in which eighteen rows have their names

export class Stage {
  constructor(app) {
    this.app = app;
    this.matrices = [];
    this.element = el("section", { class: "stage", tabindex: "0" });
  }

  show(s) {
    const { app } = this;
    const { data } = app;
    const stop = data.stops[s];
    this.element.setAttribute("aria-label", t("stop.label", { n: s + 1, all: data.stops.length }));
    const formulas = [...new Set(stop.rows.flatMap((row) => formulaOf(data, row)))];
    const mirror = stop.mirror == null ? null : el("button", { type: "button", class: "quiet", onclick: () => app.go(stop.mirror) }, `⇄ ${t(`phase.${data.stops[stop.mirror].phase}`)}`, el("kbd", {}, "M"));
    const head = el(
      "header", { class: "stage-head" },
      el("h2", {}, app.stopPlace(s), " · ", app.stopName(s), " ", el("span", { class: `badge ${stop.phase}` }, t(`phase.${stop.phase}`)), mirror),
      el("div", { class: "formulas" }, formulas.map((formula) => mathOf(formula))),
      app.differing.has(s) ? el("p", { class: "alarm" }, app.faultAt(s)) : null,
    );
    this.element.className = `stage is-${stop.phase}`;
    this.element.replaceChildren(head);
    this.fill(stop, head, false);
    const numbered = this.matrices.some((matrix) => matrix.numbers);
    if (numbered && app.scrolls() && this.element.scrollHeight > this.element.clientHeight) this.fill(stop, head, true);
    this.element.scrollTop = 0;
  }

  /** The arrays of a stop below its head; compact: with small numbers, where they would not fit otherwise. */
  fill(stop, head, compact) {
    const { ins, outs } = valuesOfStop(this.app.data, stop);
    this.matrices = [];
    this.compact = compact;
    this.room = this.roomFor(head, { ins, outs });
    const differing = this.differingArrays(stop);
    const parts = [this.group("ins", ins, stop), this.group("outs", outs, stop), differing.length && el("div", { class: "arrays wrong" }, differing)];
    this.element.replaceChildren(head, ...parts.filter(Boolean));
  }

  /** Room for an array: all of them, if they can be, above the fold, and as large as that allows. */
  roomFor(head, { ins, outs }) {
    const width = Math.max(240, this.element.clientWidth - 2 * PADDING);
    const height = this.app.scrolls() ? this.element.clientHeight - head.offsetHeight - 3 * PADDING : Infinity;
    const most = width < 420 ? 1 : width < 560 ? 2 : 3;
    for (let perLine = 1; ; perLine++) {
      const lines = [ins, outs].map((ids) => this.linesOf(ids, perLine));
      const budget = height / (lines[0].length + lines[1].length) - 2.4 * this.app.unit;
      if (budget >= TALL_ENOUGH || perLine >= most) return { width, budget: Math.max(90, Math.min(320, budget)), lines };
    }
  }

  /** Which arrays stand side by side: those of several panels alone, others up to so many in a line. */
  linesOf(ids, perLine) {
    const lines = [];
    for (const id of ids) {
      const wide = this.panelCount(id) > 1;
      const last = lines.at(-1);
      if (!last || wide || last.wide || last.ids.length >= perLine) lines.push({ wide, ids: [id] });
      else last.ids.push(id);
    }
    return lines;
  }

  panelCount(id) {
    return this.app.data.values[id].shape.slice(0, -2).reduce((product, length) => product * length, 1);
  }

  group(className, ids, stop) {
    const element = el("div", { class: `arrays ${className}` });
    for (const line of this.room.lines[className === "ins" ? 0 : 1]) {
      const gaps = (line.ids.length - 1) * PADDING;
      const shares = line.ids.map((id) => this.shareOf(id));
      const whole = shares.reduce((sum, share) => sum + share, 0);
      line.ids.forEach((id, i) => {
        const matrix = this.matrixOf(id, this.nameOf(id, stop), ((this.room.width - gaps) * shares[i]) / whole);
        this.matrices.push(matrix);
        element.append(matrix.element);
      });
    }
    return element;
  }

  /** Wide arrays get more of a line than narrow ones. */
  shareOf(id) {
    const { shape } = this.app.data.values[id];
    return Math.min(256, Math.max(96, (shape.at(-1) ?? 1) * 4));
  }

  nameOf(id, stop) {
    const { data } = this.app;
    for (const r of stop.rows) {
      const row = data.rows[r];
      if (row.out.includes(id)) return slotName(data, r, "out", row.out.indexOf(id));
      if (row.in.includes(id)) return slotName(data, r, "in", row.in.indexOf(id));
    }
    return data.values[id].name;
  }

  matrixOf(id, name, width, array = this.app.values[id]) {
    const { app } = this;
    return new MatrixView(app.data, {
      id, name, array, width, wholeWidth: this.room.width, height: this.room.budget, unit: this.compact ? 0.9 * app.unit : app.unit, compact: this.compact, theme: app.theme, ink: app.ink,
      used: app.rowsUsed(id), ...app.kindOfValue(id),
      onopen: (index) => app.open(id, index),
      onpoint: (matrix, index, byKeyboard) => app.pointAt(matrix, index, byKeyboard),
      onleave: () => this.element.focus(),
    });
  }

  /** Where Python's array is not the op's: both, side by side, so that the difference can be seen. */
  differingArrays(stop) {
    const { app } = this;
    return stop.rows.flatMap((r) =>
      app.rightArrays(r).map(({ id, slot, array }) => {
        const name = t("stop.right", { name: slotName(app.data, r, "out", slot) });
        return this.matrixOf(id, name, this.room.width / 2, array).element;
      }),
    );
  }

  /** Outline the open number and the numbers it is made of. */
  mark(open, factors) {
    for (const matrix of this.matrices) {
      const chosen = open?.id === matrix.id ? open.index : null;
      const marks = factors.filter((factor) => factor.id === matrix.id && factor.flat != null).map((factor) => factor.flat);
      matrix.mark(chosen, marks);
    }
  }
}
