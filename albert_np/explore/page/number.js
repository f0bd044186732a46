// One number: what it is made of, term by term, and whether its gradient is true.

import { wiring } from "./data.js";
import { el, figures, mathOf, pieceText } from "./dom.js";
import { explain, explainParam } from "./explain.js";
import { t } from "./i18n.js";
import { proofOf } from "./curve.js";

const FEW = 5;

/** What explain.js says of a number: of a parameter its contributions, of anything made its terms, of what is given null. */
export function explanationOf(app, { id, index }) {
  const { data, values } = app;
  const made = wiring(data).producer[id];
  if (made) return explain(data, values, made.row, made.slot, index);
  const { param } = data.values[id];
  return param === undefined ? null : explainParam(data, values, param, index);
}

export class NumberPanel {
  constructor(app) {
    this.app = app;
    this.whole = false;
    this.element = el("section", { class: "number" });
  }

  /** Returns the factors of the open number, for the stage to outline. */
  show(open) {
    const { app } = this;
    if (!open) {
      this.element.replaceChildren(el("p", { class: "soft" }, t("number.none")));
      return [];
    }
    if (this.shown?.id !== open.id || this.shown.index !== open.index) this.whole = false;
    this.shown = open;
    const told = explanationOf(app, open);
    this.element.replaceChildren(...[this.heading(open, told), this.where(open), ...this.body(open, told), ...this.truth(open)].filter(Boolean));
    const terms = [...(told?.terms ?? []), ...(told?.sums ?? []).flatMap((sum) => sum.terms)];
    return terms.flatMap((term) => (term.factors?.length ? term.factors : [term])).filter((factor) => factor.id != null);
  }

  heading({ id, index }) {
    const { app } = this;
    const array = app.values[id];
    const phase = app.isGradient(id) ? "backward" : "forward";
    return el("h3", { class: "number-head" }, `${app.valueName(id)}[${app.indexText(id, index)}] = `, el("b", { class: phase }, figures(array[index], 7)), app.linkButton());
  }

  where({ id }) {
    const { app } = this;
    const { data } = app;
    const { param, grad } = data.values[id];
    if (param !== undefined) return el("p", { class: "soft" }, t("number.parameter", { name: pieceText(data.params[param].name, 80) }));
    const stop = app.stopOf(id);
    const parts = [];
    if (stop === null) parts.push(t("number.given"));
    else if (stop !== app.stop) parts.push(el("button", { type: "button", class: "link", onclick: () => app.go(stop, { open: app.opened }) }, t("number.made", { stop: app.stopTitle(stop) })));
    const primal = wiring(data).gradientOf[id];
    if (primal !== undefined) parts.push(app.numberLink(primal, app.opened.index, t("number.gradientOf", { name: app.valueName(primal) })));
    if (grad != null && app.values[grad]) {
      const value = app.values[grad][app.opened.index];
      parts.push(el("span", {}, `${t("number.gradient", { scalar: app.scalarName() })} = `, app.numberLink(grad, app.opened.index, figures(value, 5))));
    }
    return parts.length ? el("p", { class: "where" }, parts.flatMap((part, i) => (i ? [" · ", part] : [part]))) : null;
  }

  body(open, told) {
    if (!told) return [];
    const { steps = [], terms = [], sums = [] } = told;
    const parts = [];
    const here = this.app.data.stops[this.app.stop].rows.includes(wiring(this.app.data).producer[open.id]?.row);
    const formulas = [here ? null : told.formula, told.substituted].filter(Boolean);
    if (formulas.length) parts.push(el("div", { class: "formulas small" }, formulas.map((markup) => mathOf(markup))));
    if (steps.length) parts.push(this.steps(steps));
    if (terms.length && !steps.length) parts.push(this.terms(terms, told.total, true));
    else if (terms.length > 1) parts.push(el("details", { class: "inner-sum" }, el("summary", {}, t("number.asSum", { n: terms.length })), this.terms(terms, told.total, false)));
    for (const sum of sums) {
      parts.push(el("details", { class: "inner-sum" }, el("summary", {}, labelText(sum.label), ` = ${figures(sum.total, 5)}`), this.terms(sum.terms, sum.total, false)));
    }
    if (told.note) parts.push(el("p", { class: "soft" }, told.note));
    return parts;
  }

  steps(steps) {
    const line = ({ label, value, id, flat }) =>
      el("tr", {}, el("th", { scope: "row" }, labelText(label)), el("td", {}, id == null ? figures(value, 7) : this.app.numberLink(id, flat, figures(value, 7))));
    return el("table", { class: "steps" }, el("tbody", {}, steps.map(line)));
  }

  /** Terms by size, each with a bar; beyond the first few folded into one line that still adds up. */
  terms(terms, total, foldable) {
    const sorted = [...terms].sort((a, b) => Math.abs(b.value) - Math.abs(a.value));
    const shown = foldable && !this.whole && sorted.length > FEW + 1 ? sorted.slice(0, FEW) : sorted.slice(0, 2000);
    const rest = sorted.slice(shown.length);
    const largest = Math.abs(sorted[0]?.value ?? 0) || 1;
    const left = rest.reduce((sum, term) => sum + term.value, 0);
    const body = el("tbody", {}, shown.map((term) => this.term(term, largest)));
    const long = foldable && sorted.length > FEW + 1;
    const fold = (text) => el("button", { type: "button", class: "link fold", onclick: () => this.unfold() }, text);
    if (rest.length) body.append(el("tr", { class: "rest" }, el("th", { scope: "row", colspan: "2" }, long ? fold(t("number.rest", { n: rest.length })) : t("number.rest", { n: rest.length })), el("td", {}, figures(left, 4)), barCell(left, largest)));
    else if (long) body.append(el("tr", {}, el("th", { scope: "row", colspan: "4" }, fold(t("number.fewer")))));
    body.append(el("tr", { class: "sum" }, el("th", { scope: "row", colspan: "2" }, t("number.sum")), el("td", {}, figures(total, 7)), el("td", {})));
    return el("table", { class: "terms" }, body);
  }

  unfold() {
    this.whole = !this.whole;
    this.app.showNumber();
    this.element.querySelector(".fold")?.focus();
  }

  term(term, largest) {
    const factors = (term.factors ?? []).flatMap((factor, i) => [i ? " × " : null, this.factor(factor)]);
    const label = term.id != null ? this.app.numberLink(term.id, term.flat, labelText(term.label)) : labelText(term.label ?? "");
    const many = factors.length > 4;
    return el("tr", { class: many ? "many" : null }, el("th", { scope: "row", title: labelText(term.label ?? "") }, label), el("td", { class: "factors" }, factors), el("td", {}, figures(term.value, 4)), barCell(term.value, largest));
  }

  factor(factor) {
    const text = figures(factor.value, 4);
    const title = `${factor.name}[${factor.index ?? ""}]`;
    return factor.id == null ? el("span", { title: factor.name }, text) : this.app.numberLink(factor.id, factor.flat, text, title);
  }

  /** A number's proof, and where it is one share of a shared gradient the way to the sum. */
  truth({ id, index }) {
    const { app } = this;
    const share = wiring(app.data).contribution[id];
    const parts = [];
    if (share) {
      const { contributions } = app.data.params[share.param].grad;
      const total = contributions.reduce((sum, part) => sum + app.values[part][index], 0);
      if (contributions.length > 1) {
        parts.push(el("p", { class: "share" }, t("number.share", { n: contributions.length }), " ", el("b", { class: "backward" }, figures(total, 5)), " ", el("button", { type: "button", class: "link", onclick: () => app.choosePanel("sums", true) }, t("number.toSums"))));
      }
    }
    this.proof = proofOf(app, id, index);
    if (this.proof) parts.push(this.proof.element);
    return parts;
  }
}

/** A label as readers see it: plain text, with pieces of the vocabulary as everywhere. */
function labelText(label) {
  return pieceText(String(label), 60);
}

/** A bar from the middle: orange to the right for what adds, purple to the left for what takes away. */
function barCell(value, largest) {
  const bar = el("i", { class: value < 0 ? "less" : "more" });
  bar.style.width = `${Math.min(50, (50 * Math.abs(value)) / largest)}%`;
  return el("td", { class: "bar", "aria-hidden": "true" }, bar);
}
