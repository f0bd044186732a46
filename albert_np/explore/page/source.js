// The lines of code behind an op: its own, and those of who called it.

import { el } from "./dom.js";
import { t } from "./i18n.js";

const WORDS = /\b(?:def|return|if|else|elif|for|in|is|not|and|or|None|True|False|lambda|with|raise|class|import|from|as|while|yield)\b/;
const TOKENS = /(#.*$)|("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|([A-Za-z_]\w*)/g;

/** A line of Python with keywords, strings and comments told apart. */
function tinted(line, inText) {
  if (inText) return [el("span", { class: "code-text" }, line)];
  const parts = [];
  let at = 0;
  for (const match of line.matchAll(TOKENS)) {
    const kind = match[1] ? "code-text" : match[2] ? "code-string" : WORDS.test(match[3]) ? "code-word" : null;
    if (!kind) continue;
    parts.push(line.slice(at, match.index), el("span", { class: kind }, match[0]));
    at = match.index + match[0].length;
  }
  return [...parts, line.slice(at)];
}

/** Which lines are inside a docstring: [true, …]. */
function docstringLines(lines) {
  let inside = false;
  return lines.map((line) => {
    const quotes = line.split('"""').length - 1;
    const text = inside || quotes > 0;
    if (quotes % 2) inside = !inside;
    return text;
  });
}

/** Lines `from` to `to` of a source as a list, line `marked` in colour; a long docstring is folded to its first line. */
function listing(source, from, to, marked, folded) {
  const texts = docstringLines(source.lines);
  const items = [];
  for (let number = from; number <= to; number++) {
    const at = number - source.first;
    const line = source.lines[at];
    if (line === undefined) continue;
    if (folded && texts[at] && at > 0 && texts[at - 1]) {
      if (!texts[at + 1]) items.at(-1)?.append(el("span", { class: "code-text" }, " …"));
      continue;
    }
    items.push(el("li", { class: number === marked ? "here" : null }, el("span", { class: "line-number" }, String(number)), el("code", {}, tinted(line, texts[at]))));
  }
  return el("ol", { class: "code" }, items);
}

/** The equation's number and its notebook: a link in a notebook of the course, which lies beside that one; a page alone
 * says how to get at it. */
function equationOf(data, equation) {
  if (!equation) return null;
  const file = data.notebooks?.[equation.notebook] ?? "";
  const text = t("source.equation", { number: equation.number, notebook: file.replace(/\.ipynb$/, "") || equation.notebook });
  if (data.amongNotebooks && /^\w+\.ipynb$/.test(file)) return el("a", { class: "equation", href: file, target: "_top" }, text);
  return el("span", { class: "equation", title: t("source.notebooks") }, text);
}

export class SourcePane {
  constructor(app) {
    this.app = app;
    this.unfolded = false;
    this.element = el("section", { class: "source", tabindex: "0" });
  }

  show(stop) {
    const { data } = this.app;
    this.element.setAttribute("aria-label", t("source.label"));
    const rows = data.stops[stop].rows.map((r) => data.rows[r]).filter((row) => row.code != null);
    const row = rows[0];
    if (!row) {
      this.element.replaceChildren(el("p", { class: "soft" }, t("source.none")));
      return;
    }
    const source = data.sources[row.code];
    const parts = [this.heading(source, row.equation), this.own(source, row.line)];
    const caller = row.caller && data.sources[row.caller.source];
    if (caller) {
      const { line } = row.caller;
      parts.push(el("h3", {}, el("span", { class: "soft" }, `${t("source.caller")} `), caller.function, el("span", { class: "soft" }, ` ${caller.file}`)));
      parts.push(listing(caller, line - 2, line + 2, line, false));
    }
    this.element.replaceChildren(...parts);
  }

  /** How to bring the op's own line into sight. */
  followLine() {
    const here = this.element.querySelector(".code")?.querySelector(".here");
    const low = here ? here.offsetTop + 3 * here.offsetHeight - this.element.clientHeight : 0;
    return () => (this.element.scrollTop = Math.max(0, low));
  }

  heading(source, equation) {
    const fold = el("button", { type: "button", class: "quiet", "aria-pressed": String(this.unfolded), onclick: () => this.toggle() }, t("source.whole"));
    const folds = docstringLines(source.lines).filter(Boolean).length > 1;
    return el("h3", {}, source.function, el("span", { class: "soft" }, ` ${source.file}`), equationOf(this.app.data, equation), folds && fold);
  }

  own(source, line) {
    const last = source.first + source.lines.length - 1;
    return listing(source, source.first, last, line, !this.unfolded);
  }

  toggle() {
    this.unfolded = !this.unfolded;
    this.show(this.app.stop);
    this.element.querySelector("button")?.focus();
  }
}
