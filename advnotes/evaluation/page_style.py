"""The style sheet of the report's page: light and dark, phone to desktop, screen and paper."""

__all__ = ["STYLE"]

STYLE = """
:root {
  color-scheme: light dark;
  --paper: #ffffff; --ink: #1d2126; --soft: #59616b; --line: #d5dae0; --box: #f4f6f8;
  --clean: #1f6fae; --robust: #7d47a3; --adversarial: #b34f06; --band: 0.16;
  --masking: #b3261e; --warning: #8a5a00; --note: #3c5a78; --good: #1d6b43;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #14181d; --ink: #e6e9ec; --soft: #a9b1ba; --line: #39414a; --box: #1d232a;
    --clean: #5fa8e0; --robust: #bf8be0; --adversarial: #ee8a41; --band: 0.24;
    --masking: #ff8a80; --warning: #f0b849; --note: #9cc0e4; --good: #6fcf97;
  }
}
@media print {
  :root {
    --paper: #ffffff; --ink: #000000; --soft: #444444; --line: #bbbbbb; --box: #ffffff;
    --clean: #1f6fae; --robust: #7d47a3; --adversarial: #b34f06; --band: 0.16;
    --masking: #b3261e; --warning: #8a5a00; --note: #3c5a78; --good: #1d6b43;
  }
  section, figure, .finding, tr { break-inside: avoid; }
  .scroll { overflow: visible !important; }
  body { font-size: 10pt !important; }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; padding: 1.5rem 1.1rem 4rem; max-width: 60rem; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
  overflow-wrap: break-word;
}
h1 { font-size: 1.65rem; line-height: 1.2; margin: 0 0 0.3rem; }
h2 { font-size: 1.2rem; margin: 2.6rem 0 0.6rem; border-top: 1px solid var(--line); padding-top: 1.2rem; }
h3 { font-size: 1rem; margin: 0; }
p, ul, ol { margin: 0.5rem 0; max-width: 44rem; }
ul, ol { padding-left: 1.3rem; }
.soft, figcaption, caption { color: var(--soft); font-size: 0.9rem; }
code { font: 0.86em/1.45 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; overflow-wrap: anywhere; }
pre { margin: 0.5rem 0; padding: 0.7rem 0.9rem; background: var(--box); border: 1px solid var(--line);
  border-radius: 6px; white-space: pre-wrap; }
.verdict
{ margin: 1.4rem 0; padding: 1.1rem 1.2rem; border: 1px solid var(--line); border-left: 6px solid var(--robust);
  border-radius: 6px; background: var(--box); }
.verdict.doubt { border-left-color: var(--masking); }
.numbers { display: flex; flex-wrap: wrap; gap: 0.6rem 2.6rem; align-items: flex-end; margin: 0 0 0.6rem; }
.number { margin: 0; display: flex; flex-direction: column-reverse; }
.number dt { color: var(--soft); font-size: 0.9rem; }
.number dd { margin: 0; font-size: 1.5rem; line-height: 1.2; font-variant-numeric: tabular-nums; }
.number.main dd { font-size: 2.5rem; font-weight: 650; }
.number small { font-size: 0.95rem; font-weight: 400; color: var(--soft); white-space: nowrap; }
.alarm { color: var(--masking); font-weight: 650; }
.finding { margin: 0.9rem 0; padding: 0.8rem 1rem; border: 1px solid var(--line); border-left: 6px solid var(--note);
  border-radius: 6px; }
.finding.masking { border-left-color: var(--masking); }
.finding.warning { border-left-color: var(--warning); }
.finding dl { margin: 0.5rem 0 0; display: grid; grid-template-columns: 6.5rem 1fr; gap: 0.25rem 0.8rem; }
.finding dt { color: var(--soft); }
.finding dd { margin: 0; }
.badge { font-size: 0.8rem; font-weight: 650; text-transform: uppercase; letter-spacing: 0.04em; color: var(--note); }
.masking > .badge { color: var(--masking); }
.warning > .badge { color: var(--warning); }
figure { margin: 0.8rem 0; }
svg.chart { display: block; width: 100%; max-width: 35rem; height: auto; font-size: 12px; fill: var(--ink); }
.scroll { overflow-x: auto; margin: 0.6rem 0; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 0.92rem; }
caption { text-align: left; padding-bottom: 0.3rem; }
th, td
{ text-align: right; padding: 0.25rem 0.8rem 0.25rem 0; border-bottom: 1px solid var(--line); white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
thead th { color: var(--soft); font-weight: 600; }
.choices dt { margin-top: 0.6rem; }
.choices dd { margin: 0; color: var(--soft); }
.examples { display: grid; grid-template-columns: repeat(auto-fill, minmax(19rem, 1fr)); gap: 1.2rem; }
@media (max-width: 24rem) { .examples { grid-template-columns: 1fr; } }
.examples figure { margin: 0; }
.triple { display: grid; grid-template-columns: repeat(3, 1fr); gap: 0.4rem; }
.triple img
{ width: 100%; height: auto; image-rendering: pixelated; border: 1px solid var(--line); background: #808080; }
.triple span { font-size: 0.82rem; color: var(--soft); }
.facts { display: grid; grid-template-columns: max-content 1fr; gap: 0.25rem 1rem; margin: 0.6rem 0; }
.facts dt { color: var(--soft); }
.facts dd { margin: 0; min-width: 0; }
@media (max-width: 36rem) {
  .finding dl, .facts { grid-template-columns: 1fr; gap: 0; }
  .finding dd, .facts dd { margin-bottom: 0.45rem; }
}
"""
