// The explorer: what is open, what the numbers are now, and the parts of the page that show it.

import { ravel, unravel } from "./arrays.js";
import { largestIndex } from "./colours.js";
import { parameterOfRow, readPass, stopOfValue, valuesOfStop, wiring, wordIds } from "./data.js";
import { el, figures, pieceText } from "./dom.js";
import { lossOf, replay, verify } from "./engine.js";
import { axisLabel, placeText } from "./explain.js";
import { slotName } from "./formulas.js";
import { setLanguage, t } from "./i18n.js";
import { Ladder } from "./ladder.js";
import { NumberPanel } from "./number.js";
import { SourcePane } from "./source.js";
import { Stage } from "./stage.js";
import { SumsPanel } from "./sums.js";
import { blockName, Track } from "./track.js";
import { WhatIfPanel } from "./whatif.js";

const PANELS = ["number", "sums", "whatif"];
const INKS = {
  light: { text: "#16181c", soft: "#5d6169", line: "#c9c6bd", paper: "#ffffff", mark: "#04764f", chosen: "#16181c" },
  dark: { text: "#f2f1ed", soft: "#a6abb5", line: "#434853", paper: "#000000", mark: "#2fd39a", chosen: "#ffffff" },
};
const LINEAR_NAMES = [
  [/query_key_value/, "query_key_value"], [/embedding_hidden_mapping_in/, "embedding_hidden_mapping_in"], [/attention\.query/, "query"], [/attention\.key/, "key"], [/attention\.value/, "value"],
  [/attention\.dense/, "attention"], [/ffn_output/, "ffn_output"], [/ffn\./, "ffn"], [/word_embeddings|decoder/, "decoder"],
  [/pooler/, "pooler"], [/classifier|qa_outputs/, "classifier"], [/dense/, "dense"],
];

/** Show a recorded pass in `root`. Options: links (the address follows the open number), focus (take the keyboard). */
export function mount(root, data, options = {}) {
  return new Explorer(root, data, options);
}

export class Explorer {
  constructor(root, data, { links = false, focus = false, language, theme } = {}) {
    Object.assign(this, { root, data, links, overrides: [] });
    this.language = language ?? (navigator.language?.startsWith("zh") ? "zh" : "en");
    this.theme = theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
    this.projector = false;
    this.panel = "number";
    this.opened = null;
    setLanguage(this.language);
    this.base = this.values = replay(data);
    this.words = wordIds(data);
    this.check();
    this.stop = 0;
    root.classList.add("explore");
    root.tabIndex = -1; // so that keys reach the explorer after a click anywhere in it
    root.addEventListener("keydown", (event) => this.press(event));
    this.build();
    const start = (links && this.readLink(location.hash)) || { stop: Math.min(data.defaults?.stop ?? 0, data.stops.length - 1) };
    this.go(start.stop, { open: start.open, silent: true });
    if (links) addEventListener("hashchange", () => this.followLink());
    new ResizeObserver(() => this.resized()).observe(root);
    if (focus) this.stage.element.focus({ preventScroll: true });
  }

  /** Compare the replay with Python's fingerprints; the stops at which it differs. */
  check() {
    this.verdict = verify(this.data, this.values);
    const { stopOfRow } = wiring(this.data);
    this.broken = (this.data.claims ?? []).filter((claim) => !claim.holds);
    const stops = [...this.verdict.map((row) => stopOfRow[row]), ...this.broken.map((claim) => this.stopOf(claim.backward))];
    this.differing = new Set(stops.filter((stop) => stop != null));
  }

  /** What is wrong at a stop, in words: a gradient that is none, or an array that is not what its op gives. */
  faultAt(stop) {
    const claim = this.broken.find(({ backward }) => this.stopOf(backward) === stop);
    return claim ? t("claim.wrong", claim) : t("stop.differs");
  }

  /** The parts of the page, built anew when language, theme or size change. */
  build() {
    setLanguage(this.language);
    const { root } = this;
    root.dataset.theme = this.theme;
    root.classList.toggle("projector", this.projector);
    root.lang = this.language === "zh" ? "zh-Hans" : "en";
    if (this.links) document.documentElement.lang = root.lang;
    this.unit = parseFloat(getComputedStyle(root).fontSize) * 0.77;
    this.ink = INKS[this.theme];
    this.track = new Track(this);
    this.ladder = new Ladder(this);
    this.stage = new Stage(this);
    this.number = new NumberPanel(this);
    this.sums = new SumsPanel(this);
    this.whatif = new WhatIfPanel(this);
    this.source = new SourcePane(this);
    this.tip = el("div", { class: "tip", "aria-hidden": "true" });
    this.live = el("div", { class: "unseen", "aria-live": "polite" });
    this.panelBody = el("div", { class: "panel-body", tabindex: "0", "aria-label": t("panel.number"), role: "region" });
    this.panelButtons = PANELS.map((name, i) => el("button", { type: "button", onclick: () => this.choosePanel(name), title: String(i + 1) }, t(`panel.${name}`)));
    const aside = el("div", { class: "aside" }, el("div", { class: "panel" }, el("div", { class: "panel-buttons" }, this.panelButtons), this.panelBody), this.source.element);
    root.replaceChildren(this.header(), this.track.element, el("div", { class: "middle" }, this.ladder.element, this.stage.element, aside), this.footer(), this.tip, this.live, this.help());
    [this.width, this.height] = [root.clientWidth, root.clientHeight];
    this.track.fitNames();
    this.showStatus();
    this.showTokens();
  }

  header() {
    const tool = (key, text, pressed, act) => el("button", { type: "button", class: "tool", "aria-label": t(key), title: t(key), "aria-pressed": pressed === null ? null : String(pressed), onclick: act }, text);
    this.status = el("p", { class: "status", role: "status" });
    this.chips = el("div", { class: "tokens", role: "group", tabindex: "0", "aria-label": t("app.tokens") });
    const head = el(
      "header", { class: "top" },
      el("h1", {}, el("b", {}, "albert-np"), " explore ", el("span", { class: "model-name", title: this.data.model?.name ?? "" }, pieceText(this.data.model?.name ?? "", 28))),
      this.chips,
      this.status,
      el(
        "div", { class: "tools" },
        tool("app.languageLabel", t("app.language"), null, () => this.set({ language: this.language === "en" ? "zh" : "en" })),
        tool("app.theme", "◐", this.theme === "dark", () => this.set({ theme: this.theme === "dark" ? "light" : "dark" })),
        tool("app.projector", "⤢", this.projector, () => this.set({ projector: !this.projector })),
        tool("app.help", "?", null, () => this.dialog.showModal()),
      ),
    );
    return head;
  }

  footer() {
    const arrow = (key, text, by) => el("button", { type: "button", class: "tool", "aria-label": t(key), onclick: () => this.go(this.stop + by) }, text);
    this.counter = el("span", { class: "counter" });
    const hint = (keys, text) => el("span", {}, keys.map((key) => el("kbd", {}, key)), ` ${t(text)}`);
    const hints = [hint(["←", "→"], "hint.step"), hint(["Tab"], "hint.tab"), hint(["M"], "hint.mirror"), hint(["?"], "hint.help")];
    return el("footer", { class: "bottom" }, arrow("stop.previous", "◀", -1), this.counter, arrow("stop.next", "▶", 1), el("span", { class: "hints" }, hints));
  }

  help() {
    const keys = [["← →", "help.step"], ["Home End", "help.ends"], ["M", "help.mirror"], ["Tab", "help.tab"], ["1 2 3", "help.panels"], ["P", "help.proof"], ["D  B  L", "help.look"]];
    const lines = keys.flatMap(([key, text]) => [el("dt", {}, key.split(/ +/).map((k) => el("kbd", {}, k))), el("dd", {}, t(text))]);
    this.dialog = el("dialog", { class: "help", "aria-label": t("help.title") });
    this.dialog.append(el("h2", {}, t("help.title")), el("dl", {}, lines), el("p", {}, t("help.colours")), el("p", {}, t("source.notebooks")), el("button", { type: "button", onclick: () => this.dialog.close() }, t("help.close")));
    return this.dialog;
  }

  /** Another language, theme or size: all is built anew, in the same place. */
  set(change) {
    const focused = [...this.root.querySelectorAll(".tool")].indexOf(document.activeElement);
    Object.assign(this, change);
    this.build();
    this.go(this.stop, { open: this.opened, silent: true });
    (this.root.querySelectorAll(".tool")[focused] ?? this.stage.element).focus({ preventScroll: true });
  }

  resized() {
    const { clientWidth, clientHeight } = this.root;
    const taller = this.scrolls() && Math.abs(clientHeight - this.height) >= 2;
    if (clientWidth === this.width && !taller) return;
    [this.width, this.height] = [clientWidth, clientHeight];
    this.track.fitNames();
    this.go(this.stop, { open: this.opened, silent: true });
  }

  /** Whether the parts scroll each by itself; on a narrow screen the whole page does, and is as tall as it is. */
  scrolls() {
    return getComputedStyle(this.root).overflowY === "hidden";
  }

  // Walking

  /** Go to a stop, and open a number there: `open`, or the largest of what the stop makes.
   *
   * Of a step the reader sees the stage and the number first, what stands beside them once these are painted. `silent`
   * is no step: the address stays, and all is drawn at once.
   */
  go(stop, { open = null, panel, silent = false } = {}) {
    setLanguage(this.language);
    this.stop = Math.max(0, Math.min(this.data.stops.length - 1, stop));
    this.opened = open ?? this.largestOf(this.stop);
    if (panel) this.panel = panel;
    this.holdFocus(this.stage.element, () => {
      this.pointAt(null, null);
      this.stage.show(this.stop);
      this.track.show(this.stop);
      this.drawPanel();
      this.showCounter();
    });
    this.settle();
    if (silent) return this.showBeside();
    this.writeLink();
    cancelAnimationFrame(this.following);
    this.following = requestAnimationFrame(() => setTimeout(() => this.showBeside()));
  }

  /** What depends on how large things came out, last and at once: each look at the layout makes the browser lay out. */
  settle() {
    const fit = this.fitFormulas();
    this.stage.element.scrollTop = 0;
    fit();
  }

  /** The ladder and the source, at the place of the stop. */
  showBeside() {
    setLanguage(this.language);
    this.holdFocus(this.stage.element, () => {
      this.ladder.show(this.stop);
      this.source.show(this.stop);
    });
    const follow = [this.ladder.followHere(), this.source.followLine()];
    follow.forEach((act) => act());
  }

  /** What has the keyboard may go as the page is drawn anew; then `heir` takes it, so that it is never lost. */
  holdFocus(heir, draw) {
    const held = this.root.contains(document.activeElement);
    draw();
    if (held && !this.root.contains(document.activeElement)) heir.focus({ preventScroll: true });
  }

  /** The number of largest magnitude that a stop makes; a gradient of a weight tells most, where there is one. */
  largestOf(stop) {
    const { outs } = valuesOfStop(this.data, this.data.stops[stop]);
    const { contribution } = wiring(this.data);
    const id = outs.find((out) => contribution[out] && this.data.values[out].shape.length > 1) ?? outs[0];
    return this.largestIn(id);
  }

  largestIn(id) {
    const array = this.values[id];
    if (!array?.length) return null;
    return { id, index: largestIndex(array) };
  }

  /** Open one number where one stands; where its array is not on the stage, go to the stop that makes it. */
  open(id, index, { keepPanel = false } = {}) {
    setLanguage(this.language);
    const { ins, outs } = valuesOfStop(this.data, this.data.stops[this.stop]);
    if (!keepPanel && this.panel === "sums") this.panel = "number";
    const stop = this.stopOf(id);
    if (![...ins, ...outs].includes(id) && stop !== null && stop !== this.stop) return this.go(stop, { open: { id, index } });
    this.opened = { id, index };
    this.showPanel();
    this.writeLink();
    this.live.textContent = `${this.valueName(id)}[${this.indexText(id, index)}] = ${figures(this.values[id][index], 7)}`;
  }

  choosePanel(name, focus = false) {
    setLanguage(this.language);
    this.panel = name;
    this.showPanel();
    if (focus) this.panelButtons[PANELS.indexOf(name)].focus();
  }

  showPanel() {
    this.holdFocus(this.panelBody, () => this.drawPanel());
    this.fitFormulas()();
  }

  drawPanel() {
    this.panelButtons.forEach((button, i) => button.setAttribute("aria-pressed", String(PANELS[i] === this.panel)));
    const part = this[this.panel];
    const factors = this.number.show(this.opened);
    if (this.panel === "sums") this.sums.show(this.stop, this.opened);
    if (this.panel === "whatif") this.whatif.show();
    this.panelBody.setAttribute("aria-label", t(`panel.${this.panel}`));
    this.root.querySelector(".aside").classList.toggle("alone", this.panel !== "number");
    if (this.panelBody.firstChild !== part.element) {
      this.panelBody.replaceChildren(part.element);
      this.panelBody.scrollTop = 0;
    }
    this.stage.mark(this.opened, factors);
  }

  /** A formula cannot be broken into lines: where it is too long for its place, it gets smaller. Returns how to. */
  fitFormulas() {
    const holders = [...this.root.querySelectorAll(".math")];
    for (const holder of holders) if (holder.style.fontSize) holder.style.fontSize = "";
    const rooms = holders.map((holder) => (holder.parentElement.clientWidth - 4) / (holder.firstElementChild?.getBoundingClientRect().width || 1));
    return () => holders.forEach((holder, i) => rooms[i] < 1 && (holder.style.fontSize = `${Math.max(0.6, rooms[i])}em`));
  }

  /** The open number anew, for what unfolds in it. */
  showNumber() {
    this.stage.mark(this.opened, this.number.show(this.opened));
    this.fitFormulas()();
  }

  showCounter() {
    const { data, stop } = this;
    const all = data.stops.length;
    const loss = lossOf(data, this.values);
    this.counter.replaceChildren(el("b", {}, t("stop.count", { n: stop + 1, all })), ` · ${t(`phase.${data.stops[stop].phase}`)} · ${t(data.loss == null ? "probe" : "loss", { loss: figures(loss, 5) })}`);
  }

  showStatus() {
    const { verdict, data } = this;
    const parts = [];
    if (this.overrides.length) {
      this.status.className = "status changed";
      parts.push(`${t("status.whatif")}: ${this.overrides.map((override) => this.overrideText(override)).join("; ")} `, el("button", { type: "button", class: "link", onclick: () => this.override([]) }, t("status.reset")));
    } else if (verdict.length) {
      this.status.className = "status alarm";
      const row = verdict[0];
      const stop = wiring(data).stopOfRow[row];
      const op = stop === undefined ? data.rows[row].kind : this.stopTitle(stop);
      const text = t(verdict.length > 1 ? "status.badMore" : "status.bad", { op, n: verdict.length });
      parts.push("✗ ", stop === undefined ? text : el("button", { type: "button", class: "link", onclick: () => this.go(stop) }, text));
    } else if (this.broken.length) {
      this.status.className = "status alarm";
      const [claim] = this.broken; // the first in the order of the backward pass: what it spoils comes after it
      const open = () => this.go(this.stopOf(claim.backward) ?? 0, { open: this.largestIn(claim.backward) });
      parts.push("✗ ", el("button", { type: "button", class: "link", onclick: open }, t("claim.wrong", claim)));
    } else if (verdict.params?.length) {
      this.status.className = "status alarm";
      parts.push(`✗ ${t("status.params", { name: pieceText(data.params[verdict.params[0].param].name, 60) })}`);
    } else {
      this.status.className = "status good";
      parts.push(`✓ ${t("status.good", { n: verdict.count, worst: (verdict.worst || 2 ** -52).toExponential(0).replace("-", "−") })}`);
      if (data.claims?.length) parts.push(` · ${t("claim.good", { n: data.claims.length })}`);
    }
    this.status.replaceChildren(...parts);
  }

  overrideText({ value, index, set }) {
    const { data } = this;
    if (value === this.words && data.vocabulary) return `${pieceText(data.tokens.flat()[index], 12)} → ${pieceText(data.vocabulary[set] ?? String(set), 12)}`;
    return `${this.valueName(value)}[${this.indexText(value, index)}] = ${figures(set, 4)}`;
  }

  showTokens() {
    const { data } = this;
    const asked = new Map((data.asked ?? []).map((place) => [`${place.sequence}/${place.position}`, place.label]));
    const swapped = new Map(this.overrides.filter((override) => override.value === this.words).map((override) => [override.index, override.set]));
    let flat = -1;
    const rows = data.tokens.map((sequence, s) => {
      let second = false;
      const chips = sequence.map((token, position) => {
        flat += 1;
        const place = flat;
        const label = asked.get(`${s}/${position}`);
        const now = swapped.has(place) ? data.vocabulary?.[swapped.get(place)] : token;
        const text = `${pieceText(now ?? "")}${label == null ? "" : ` ← ${pieceText(label)}`}`;
        const chip = el("button", { type: "button", class: `token${label == null ? "" : " asked"}${second ? " second" : ""}${swapped.has(place) ? " swapped" : ""}`, tabindex: "-1", onclick: () => this.swapToken(place) }, text);
        if (token === "[SEP]") second = true;
        return chip;
      });
      return el("div", {}, chips);
    });
    this.chips.replaceChildren(...rows);
  }

  swapToken(place) {
    this.whatif.place = place;
    this.choosePanel("whatif");
    this.panelBody.querySelector("input")?.focus();
  }

  // What if

  /** Run the pass again with numbers moved; an empty list goes back to the recorded pass. */
  override(overrides, { sliding = false } = {}) {
    setLanguage(this.language);
    this.overrides = overrides;
    const swapped = new Map(overrides.filter((each) => each.value === this.words).map((each) => [each.index, each.set]));
    let place = -1;
    const now = (token) => ((place += 1), swapped.has(place) ? (this.data.vocabulary?.[swapped.get(place)] ?? token) : token);
    this.data.tokensNow = this.data.tokens.map((sequence) => sequence.map(now)); // what rows are labelled with
    this.values = overrides.length ? replay(this.data, { overrides, base: this.base }) : this.base;
    this.showStatus();
    this.showTokens();
    if (sliding) {
      cancelAnimationFrame(this.frame);
      this.frame = requestAnimationFrame(() => this.redraw());
      this.whatif.showOutcome();
    } else this.go(this.stop, { open: this.opened });
    if (!sliding) this.ladder.redraw();
  }

  redraw() {
    setLanguage(this.language);
    this.stage.show(this.stop);
    this.stage.mark(this.opened, this.number.show(this.opened));
    this.ladder.redraw();
    this.showCounter();
    this.settle();
  }

  // Names

  stopOf(id) {
    return stopOfValue(this.data, id);
  }

  stopPlace(stop) {
    const { block } = this.data.stops[stop];
    return block.slice(0, 2).map(blockName).filter((name, i, all) => name !== all[i - 1]).join(" · ");
  }

  /** What an op is called: by the weight it uses where that says more than its kind. */
  stopName(stop) {
    const { label, rows } = this.data.stops[stop];
    const row = this.data.rows[rows[0]];
    const [kind, part = ""] = label.replace("_backward", "").split(":");
    if (kind === "linear") {
      const param = parameterOfRow(this.data, rows[0]);
      const name = `${param === null ? "" : this.data.params[param].name} ${part}`;
      const found = LINEAR_NAMES.find(([pattern]) => pattern.test(name));
      return t(found ? `op.linear.${found[1]}` : "op.linear");
    }
    if (kind === "embedding") {
      const table = ["word", "token_type", "position"].find((prefix) => part.startsWith(prefix));
      return t(table ? `op.embedding.${table}` : "op.embedding");
    }
    if (kind === "activation") return pieceText(String(row.attrs?.name ?? t("op.activation")));
    return t(`op.${kind}`, { n: row.kind === "copy" ? row.out.length : row.in.length, f: row.attrs?.f ?? "" });
  }

  stopTitle(stop) {
    return t("stop.title", { block: this.stopPlace(stop), op: this.stopName(stop), phase: t(`phase.${this.data.stops[stop].phase}`) });
  }

  /** A value's name where one stands, else that of the op that makes it, else its own. */
  valueName(id) {
    const { data } = this;
    for (const r of data.stops[this.stop].rows) {
      for (const side of ["out", "in"]) {
        const slot = data.rows[r][side].indexOf(id);
        if (slot >= 0) return slotName(data, r, side, slot);
      }
    }
    const made = wiring(data).producer[id];
    return data.values[id].name || (made ? slotName(data, made.row, "out", made.slot) : String(id));
  }

  labelOf(id, axis, i) {
    return String(axisLabel(this.data, id, axis, i));
  }

  indexText(id, index) {
    return placeText(this.data, id, index);
  }

  /** How a value is coloured: gradients by square root, probabilities from 0 to 1, ids and labels not at all. */
  kindOfValue(id) {
    const { data } = this;
    const made = wiring(data).producer[id];
    const row = made && data.rows[made.row];
    const probabilities = row?.kind === "softmax" || (/^(soft_)?cross_entropy$/.test(row?.kind) && made.slot === 1) || (row?.kind === "dropout" && this.kindOfValue(row.in[0]).probabilities && row.attrs.scale === 1);
    const constant = data.values[id].const;
    return { gradient: this.isGradient(id), probabilities, plain: constant !== undefined && ["i32", "u8"].includes(data.arrays[constant].dtype) };
  }

  /** What is differentiated: the loss, or the outputs along upstream gradients. */
  scalarName() {
    return t(this.data.loss == null ? "scalar.probe" : "scalar.loss");
  }

  isGradient(id) {
    const made = wiring(this.data).producer[id];
    return made !== undefined && this.data.rows[made.row].phase === "backward";
  }

  /** Of a table of the vocabulary that is looked up, the rows that are; else null. */
  rowsUsed(id) {
    for (const r of this.data.stops[this.stop].rows) {
      const row = this.data.rows[r];
      if (row.kind === "embedding" && row.in[1] === id) return new Set(this.values[row.in[0]]);
    }
    return null;
  }

  /** Of a row at which Python differs, what its op gives from the inputs that Python had: [{id, slot, array}]. */
  rightArrays(r) {
    const row = this.data.rows[r];
    if (!row.differs) return [];
    return (this.verdict.details ?? []).filter((detail) => detail.row === r && detail.right).map(({ slot, value, right }) => ({ id: value, slot, array: right }));
  }

  // Pointing

  /** Show the number under the pointer or the keyboard's cursor; null hides it. */
  pointAt(matrix, index, byKeyboard = false) {
    if (!matrix || index === null || index === undefined) {
      this.tip.hidden = true;
      return;
    }
    setLanguage(this.language);
    const text = `${matrix.name}[${matrix.indexText(index)}]`;
    const number = figures(matrix.array[index], 6);
    this.tip.replaceChildren(text, " ", el("b", {}, number));
    this.tip.hidden = false;
    const [x, y, , height] = matrix.rectangleOf(index);
    const [box, frame] = [matrix.canvas.getBoundingClientRect(), this.root.getBoundingClientRect()];
    const left = Math.min(box.left - frame.left + x, frame.width - this.tip.offsetWidth - 8);
    this.tip.style.left = `${Math.max(4, left)}px`;
    this.tip.style.top = `${box.top - frame.top + y + height + 8}px`;
    if (byKeyboard) this.live.textContent = `${text} ${number}`;
  }

  numberLink(id, index, text, title) {
    return el("button", { type: "button", class: "number-link", title, "aria-label": title ? `${title} ${text}` : null, onclick: () => this.open(id, index) }, text);
  }

  linkButton() {
    if (!this.links) return null;
    return el("a", { class: "permalink", href: this.linkText(), title: t("number.copy"), "aria-label": t("number.copy") }, "#");
  }

  // Links

  linkText() {
    if (!this.opened) return `#${this.stop + 1}`;
    const { id, index } = this.opened;
    return `#${this.stop + 1}/${id}/${unravel(index, this.data.values[id].shape).join(",")}`;
  }

  /** Let the address follow, a moment later: a browser bears only so many changes a second. */
  writeLink() {
    if (!this.links) return;
    this.written = this.linkText();
    clearTimeout(this.writing);
    this.writing = setTimeout(() => {
      try {
        history.replaceState(null, "", this.written);
      } catch {
        this.links = false; // a sandboxed frame has no address of its own
      }
    }, 200);
  }

  /** `#163/412/0,5,11`: stop, value, index. Or `#softmax_backward`: the first stop of that function or kind. */
  readLink(hash) {
    const { data } = this;
    const [place, value, at] = hash.slice(1).split("/");
    const named = (stop) => stop.rows.some((r) => data.rows[r].kind === place || this.functionOf(data.rows[r]) === place);
    const stop = /^\d+$/.test(place) ? Number(place) - 1 : data.stops.findIndex(named);
    if (!(stop >= 0 && stop < data.stops.length)) return null;
    const shape = data.values[value]?.shape;
    const index = at === undefined || at === "" ? [] : at.split(",").map(Number);
    const fits = shape && index.length === shape.length && index.every((i, axis) => Number.isInteger(i) && i >= 0 && i < shape[axis]);
    return { stop, open: fits && this.values[value] ? { id: Number(value), index: ravel(index, shape) } : null };
  }

  functionOf(row) {
    return this.data.sources[row.code]?.function;
  }

  followLink() {
    clearTimeout(this.writing);
    if (location.hash === this.written) return;
    const place = this.readLink(location.hash);
    if (place) this.go(place.stop, { open: place.open, silent: true });
  }

  // Keys

  press(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || this.dialog.open) return;
    const at = event.target;
    if (at.matches("input:not([type=range]), select, textarea")) return;
    if (at.closest(".tokens")) {
      if (this.pressInTokens(event)) return;
    }
    if (at.matches("input[type=range]") && /^(Arrow|Home|End|Page)/.test(event.key)) return;
    const mirror = this.data.stops[this.stop].mirror;
    const last = this.data.stops.length - 1;
    const acts = {
      ArrowLeft: () => this.go(this.stop - 1), ArrowRight: () => this.go(this.stop + 1), Home: () => this.go(0), End: () => this.go(last),
      m: () => mirror != null && this.go(mirror), "?": () => this.dialog.showModal(), p: () => this.proveOpen(),
      1: () => this.choosePanel("number"), 2: () => this.choosePanel("sums"), 3: () => this.choosePanel("whatif"),
      d: () => this.set({ theme: this.theme === "dark" ? "light" : "dark" }), b: () => this.set({ projector: !this.projector }), l: () => this.set({ language: this.language === "en" ? "zh" : "en" }),
      Escape: () => this.stage.element.focus(),
    };
    const act = acts[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!act) return;
    event.preventDefault();
    act();
  }

  /** Arrows walk through the tokens, Enter opens one. */
  pressInTokens(event) {
    const chips = [...this.chips.querySelectorAll("button")];
    const here = chips.indexOf(document.activeElement);
    const by = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!by) return event.key === "Enter" || event.key === " ";
    chips[Math.max(0, Math.min(chips.length - 1, here + by))]?.focus();
    event.preventDefault();
    return true;
  }

  proveOpen() {
    if (this.panel !== "number") this.choosePanel("number");
    this.number.proof?.ask();
  }
}

/** Read the page's data and show them. What the page showed without scripts stays where that fails, with the reason. */
export async function boot(page) {
  const root = page.getElementById("explore-root");
  try {
    const [text, arrays] = ["explore-data", "explore-arrays"].map((id) => page.getElementById(id).textContent);
    const data = await readPass(text, arrays);
    return mount(root, data, { links: true, focus: window.parent === window });
  } catch (error) {
    root.prepend(el("p", { class: "alarm", role: "alert" }, `${t("app.old")} ${error.message}`));
    throw error;
  }
}
