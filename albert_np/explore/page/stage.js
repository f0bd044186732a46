// The stop one stands at: its name, its formula, and its arrays, what goes in and what comes out.

import { valuesOfStop } from "./data.js";
import { el, mathOf } from "./dom.js";
import { formulaOf, slotName } from "./formulas.js";
import { t } from "./i18n.js";
import { MatrixView } from "./matrix.js";

const PADDING = 16;
const CAPTION = 0.82 / 0.77; // of the unit: the size of a caption's text
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
    this.room = this.roomFor(head, valuesOfStop(data, stop));
    const groups = this.fitted(stop);
    this.matrices = groups.flat();
    const part = (className, matrices) => matrices.length && el("div", { class: `arrays ${className}` }, matrices.map((matrix) => matrix.build()));
    this.element.append(...[part("ins", groups[0]), part("outs", groups[1]), part("wrong", this.differingArrays(stop))].filter(Boolean));
  }

  /** Room for an array: all of them, if they can be, above the fold, and as large as that allows. */
  roomFor(head, { ins, outs }) {
    const width = Math.max(240, this.element.clientWidth - 2 * PADDING);
    const height = this.app.scrolls() ? this.element.clientHeight - head.offsetHeight - 3 * PADDING : Infinity;
    const most = width < 420 ? 1 : width < 560 ? 2 : 3;
    for (let perLine = 1; ; perLine++) {
      const lines = [ins, outs].map((ids) => this.linesOf(ids, perLine));
      const budget = height / (lines[0].length + lines[1].length) - 3 * this.app.unit;
      if (budget >= TALL_ENOUGH || perLine >= most) return { width, height, budget: Math.max(60, Math.min(320, budget)), lines };
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

  /** What goes in and what comes out, as pictures: with all the numbers, with small ones, or, where the stop would not
   * fit on the screen, with as many as do. */
  fitted(stop) {
    const groups = (options) => this.room.lines.map((lines) => this.group(lines, stop, options));
    const fits = (both) => this.heightOf(both) <= this.room.height;
    let numbered = groups({});
    if (fits(numbered)) return numbered;
    numbered = groups({ compact: true });
    if (fits(numbered)) return numbered;
    const bare = [this.room.budget, Math.min(this.room.budget, 10 * this.app.unit)].map((height) => groups({ compact: true, bare: true, height }));
    const all = numbered.flat().filter((matrix) => matrix.numbers).map((matrix) => matrix.id);
    const choices = Array.from({ length: 2 ** all.length }, (_, bits) => new Set(all.filter((_id, i) => bits & (1 << i))));
    const shown = (kept) => numbered.flat().reduce((sum, { id, array }) => sum + (kept.has(id) ? array.length : 0), 0);
    choices.sort((a, b) => shown(b) - shown(a));
    for (const kept of choices) {
      for (const others of bare) {
        const mixed = numbered.map((group, g) => group.map((matrix, i) => (kept.has(matrix.id) ? matrix : others[g][i])));
        if (fits(mixed)) return mixed;
      }
    }
    return bare[1];
  }

  /** How tall the arrays come out: in lines as full as they get. */
  heightOf(groups) {
    const em = this.app.unit / 0.77;
    return groups.reduce((sum, matrices, side) => {
      const lines = [];
      for (const { outerWidth, outerHeight } of matrices) {
        const last = lines.at(-1);
        if (last && last.width + PADDING + outerWidth <= this.room.width) Object.assign(last, { width: last.width + PADDING + outerWidth, height: Math.max(last.height, outerHeight) });
        else lines.push({ width: outerWidth, height: outerHeight });
      }
      const gaps = 0.5 * em * Math.max(0, lines.length - 1) + (side && lines.length ? 1.1 * em + 1 : 0);
      return sum + gaps + lines.reduce((total, { height }) => total + height, 0);
    }, 0);
  }

  group(lines, stop, options) {
    return lines.flatMap(({ ids }) => {
      const gaps = (ids.length - 1) * PADDING;
      const shares = ids.map((id) => this.shareOf(id));
      const whole = shares.reduce((sum, share) => sum + share, 0);
      return ids.map((id, i) => this.matrixOf(id, this.nameOf(id, stop), ((this.room.width - gaps) * shares[i]) / whole, options));
    });
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

  matrixOf(id, name, width, { array = this.app.values[id], compact = false, bare = false, height = this.room.budget } = {}) {
    const { app } = this;
    return new MatrixView(app.data, {
      id, name, array, width, height, compact, bare, wholeWidth: this.room.width, unit: compact ? 0.9 * app.unit : app.unit, captionSize: CAPTION * app.unit, theme: app.theme, ink: app.ink,
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
      app.rightArrays(r).map(({ id, slot, array }) => this.matrixOf(id, t("stop.right", { name: slotName(app.data, r, "out", slot) }), this.room.width / 2, { array })),
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
