// What if: another token, or one number moved. Everything runs again; first order says beforehand what will come.

import { curveOf } from "./curve.js";
import { el, figures, pieceText } from "./dom.js";
import { gradsOf, lossOf } from "./engine.js";
import { t } from "./i18n.js";

const TOP = 5;
const SUGGESTIONS = 60;
const NOTCHES = 40; // of the slider, each way
let lists = 0; // datalists need names of their own on the whole page

export class WhatIfPanel {
  constructor(app) {
    this.app = app;
    this.place = app.data.asked?.length ? this.flatPlace(app.data.asked[0]) : 0;
    this.visited = [];
    this.element = el("section", { class: "whatif" });
  }

  flatPlace({ sequence, position }) {
    const { tokens } = this.app.data;
    return tokens.slice(0, sequence).reduce((sum, row) => sum + row.length, 0) + position;
  }

  show() {
    this.outcome = el("div", { class: "outcome", "aria-live": "polite" });
    this.element.replaceChildren(this.tokenForm(), this.numberForm(), this.outcome);
    this.showOutcome();
  }

  /** Another token in one place: the ids change, and all that follows. */
  tokenForm() {
    const { app } = this;
    const { data } = app;
    const title = el("h3", {}, t("whatif.token"));
    if (app.words === null || !data.vocabulary) return el("div", {}, title, el("p", { class: "soft" }, t("whatif.noTokens")));
    const places = data.tokens.flat().map((token, i) => el("option", { value: String(i) }, `${i} ${pieceText(token)}`));
    const select = el("select", { "aria-label": t("whatif.place"), onchange: () => (this.place = Number(select.value)) }, places);
    select.value = String(this.place);
    const list = el("datalist", { id: `explore-pieces-${++lists}` });
    const input = el("input", { type: "text", list: list.id, "aria-label": t("whatif.by"), autocomplete: "off", spellcheck: "false", placeholder: t("whatif.by") });
    const said = el("span", { class: "alarm", role: "status" });
    input.addEventListener("input", () => this.suggest(list, input.value));
    const form = el("form", { class: "swap" }, select, el("span", { "aria-hidden": "true" }, "→"), input, list, el("button", { type: "submit" }, t("whatif.swap")), said);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const id = this.pieceId(input.value);
      said.textContent = id < 0 ? t("whatif.unknown") : "";
      if (id >= 0) this.swap(id);
    });
    this.suggest(list, "");
    return el("div", {}, title, form);
  }

  /** The id of what was typed: a piece with its dot, a word that begins one, or a piece as it is. */
  pieceId(text) {
    const { vocabulary } = this.app.data;
    const typed = text.trim();
    const tries = [typed.replaceAll("·", "▁"), `▁${typed}`].reverse().concat(typed);
    return tries.map((piece) => vocabulary.indexOf(piece)).find((id) => id >= 0) ?? -1;
  }

  suggest(list, typed) {
    const wanted = typed.trim().replaceAll("·", "▁").toLowerCase();
    const found = [];
    for (const piece of this.app.data.vocabulary) {
      if (piece.toLowerCase().replace("▁", "").startsWith(wanted.replace("▁", ""))) found.push(piece);
      if (found.length === SUGGESTIONS) break;
    }
    list.replaceChildren(...found.map((piece) => el("option", { value: pieceText(piece, 60) })));
  }

  swap(id) {
    const others = this.app.overrides.filter((override) => !(override.value === this.app.words && override.index === this.place));
    this.app.override([...others, { value: this.app.words, index: this.place, set: id }]);
  }

  /** The open number on a slider. */
  numberForm() {
    const { app } = this;
    const title = el("h3", {}, t("whatif.move"));
    if (!app.opened) return el("div", {}, title, el("p", { class: "soft" }, t("whatif.pick")));
    const { id, index } = app.opened;
    if (this.slopeAt(id, index) === null) return el("div", {}, title, el("p", { class: "soft" }, t(app.isGradient(id) ? "whatif.cannot" : "whatif.noGradient")));
    const array = app.base[id];
    const spread = Math.sqrt(array.reduce((sum, x) => sum + x * x, 0) / array.length);
    const reach = 3 * Math.max(spread, Math.abs(array[index])) || 1;
    const held = app.overrides.find((override) => override.value === id && override.index === index);
    const name = `${app.valueName(id)}[${app.indexText(id, index)}]`;
    const slider = el("input", { type: "range", min: String(-NOTCHES), max: String(NOTCHES), step: "1", "aria-label": name });
    slider.value = String(held ? Math.round(((held.set - array[index]) / reach) * NOTCHES) : 0);
    slider.addEventListener("input", () => this.move(id, index, array[index] + (Number(slider.value) / NOTCHES) * reach));
    if (this.sliding !== `${id}/${index}`) this.visited = [{ delta: 0, loss: lossOf(app.data, app.base) }];
    this.sliding = `${id}/${index}`;
    this.readout = el("span", { class: "readout" });
    return el("div", {}, title, el("p", { class: "slider-line" }, el("code", {}, name), this.readout), slider);
  }

  /** d loss / d number in the recorded pass; null where the loss does not depend on it. */
  slopeAt(id, index) {
    const { data, base } = this.app;
    const { param, grad } = data.values[id];
    if (param !== undefined) return gradsOf(data, base)[param][index];
    return grad == null ? null : base[grad][index];
  }

  move(id, index, set) {
    const others = this.app.overrides.filter((override) => !(override.value === id && override.index === index));
    const unmoved = set === this.app.base[id][index];
    this.app.override(unmoved ? others : [...others, { value: id, index, set }], { sliding: true });
  }

  /** What became of it: the loss, first order beside the truth, and what the model now says. */
  showOutcome() {
    const { app } = this;
    if (!this.outcome) return;
    const [was, now] = [lossOf(app.data, app.base), lossOf(app.data, app.values)];
    const parts = [];
    const moved = app.opened && app.overrides.find((override) => override.value === app.opened.id && override.index === app.opened.index);
    const slope = app.opened && this.slopeAt(app.opened.id, app.opened.index);
    const lines = [[t("whatif.was"), was], [t("whatif.now"), now]];
    if (app.opened && slope !== null && this.readout) {
      const { id, index } = app.opened;
      const delta = (moved?.set ?? app.base[id][index]) - app.base[id][index];
      this.readout.textContent = ` ${figures(app.base[id][index], 5)} → ${figures(app.base[id][index] + delta, 5)}`;
      if (moved && app.overrides.length === 1) {
        lines.push([t("whatif.firstOrder"), was + slope * delta]);
        if (!this.visited.some((point) => point.delta === delta)) this.visited.push({ delta, loss: now });
        this.visited.sort((a, b) => a.delta - b.delta);
        parts.push(curveOf(this.visited, slope, t("whatif.curve")));
      }
    }
    const table = el("table", {}, el("caption", {}, app.scalarName()), el("tbody", {}, lines.map(([name, x]) => el("tr", {}, el("th", { scope: "row" }, name), el("td", {}, figures(x, 7))))));
    const reset = app.overrides.length ? el("button", { type: "button", onclick: () => app.override([]) }, t("whatif.reset")) : null;
    this.outcome.replaceChildren(...[el("div", { class: "proof-result" }, table, ...parts), ...this.predictions(), reset].filter(Boolean));
  }

  /** The likeliest pieces at each asked place, before and now. */
  predictions() {
    const { app } = this;
    const { data } = app;
    const id = data.outputs?.prediction;
    if (id == null || !data.vocabulary || !data.asked?.length) return [];
    const size = data.values[id].shape.at(-1);
    const rows = Math.min(data.asked.length, app.values[id].length / size, 3);
    return Array.from({ length: rows }, (_, row) => {
      const [before, after] = [app.base, app.values].map((values) => softmaxOf(values[id].subarray(row * size, (row + 1) * size)));
      const best = [...after.keys()].sort((a, b) => after[b] - after[a]).slice(0, TOP);
      const label = data.asked[row].id;
      if (label != null && !best.includes(label)) best.push(label);
      const line = (piece) => el("tr", { class: piece === label ? "label" : null }, el("th", { scope: "row" }, pieceText(data.vocabulary[piece] ?? String(piece))), el("td", {}, percent(before[piece])), el("td", {}, percent(after[piece])), shareCell(after[piece]));
      const asked = data.asked[row];
      const token = `${data.tokens[asked.sequence]?.[asked.position] ?? ""} ${asked.position}`;
      return el("table", { class: "predictions" }, el("caption", {}, t("whatif.predictions", { token: pieceText(token) })), el("thead", {}, el("tr", {}, el("td", {}), el("th", { scope: "col" }, t("whatif.was")), el("th", { scope: "col" }, t("whatif.now")), el("td", {}))), el("tbody", {}, best.map(line)));
    });
  }
}

function softmaxOf(logits) {
  const largest = logits.reduce((most, x) => Math.max(most, x), -Infinity);
  const powers = logits.map((x) => Math.exp(x - largest));
  const sum = powers.reduce((total, x) => total + x, 0);
  return powers.map((x) => x / sum);
}

function percent(x) {
  return `${(100 * x).toFixed(x < 0.1 ? 2 : 1)} %`;
}

function shareCell(x) {
  const bar = el("i", { class: "share" });
  bar.style.width = `${100 * x}%`;
  return el("td", { class: "bar", "aria-hidden": "true" }, bar);
}
