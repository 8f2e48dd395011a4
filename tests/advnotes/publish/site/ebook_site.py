"""A site of three pages as Sphinx writes them, small enough to read."""

from __future__ import annotations

import base64
from pathlib import Path

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
DATA = "data:image/png;base64," + base64.b64encode(PIXEL).decode()
TOC = """format: jb-book
root: book/intro
parts:
  - caption: Attacks & more
    chapters:
      - file: book/attacks/one
      - file: book/attacks/two
"""
CONFIG = """title: A book
author: Its author
repository: {branch: v1.2.3}
html: {baseurl: "https://example.org/book/", extra_footer: "CC BY."}
sphinx: {config: {html_theme_options: {pygments_light_style: a11y-high-contrast-light}}}
"""
INTRO = """<section id="intro"><h1>A book<a class="headerlink" href="#intro">#</a></h1>
<!-- downloads: begin --><!-- downloads: end -->
<p><a href="attacks/one.html#claims">Claims</a> <a href="../_modules/x.html#f">listing</a> <a href="#intro">top</a></p>
</section>"""
CELL = """<div class="cell tag_{tag}"><details class="admonition hide above-input"><summary>
<p class="collapsed admonition-title">Show {words}</p><p class="expanded admonition-title">Hide {words}</p></summary>
<div class="cell_input"><pre><span class="n">{code}</span></pre></div></details>{output}</div>"""
FIGURE = """<div class="cell_output"><figure id="id1"><a class="reference internal image-reference"
href="../../_images/a.png"><img alt="A figure" src="../../_images/a.png" style="width: 792px; height: 322px;"/></a>
<figcaption>What it shows</figcaption></figure></div>"""
ONE = f"""<section id="one"><h1>One</h1>
<div class="advnotes-lab" data-form="small"><p>A lab stands here.</p></div>
<p>The loss <span class="math notranslate nohighlight">\\(\\ell(x)\\)</span>
and <a href="two.html#the-end">the end</a>.</p>
{CELL.format(tag="hide-input", words="how it is drawn", code="plots_show", output=FIGURE)}
<div class="advnotes-slider"><style>img {{}}</style>
<div class="frames"><img alt="λ 1: left" src="data:image/png;base64,AAAA">
<img class="still" alt="λ 2: in the middle" src="{DATA}"></div>
<div class="controls"><label>λ <input></label></div></div>
{CELL.format(tag="hide-input", words="the code", code="helper", output="")}
{CELL.format(tag="tell", words="where these numbers come from", code="tell_numbers", output="<p>It is 3.</p>")}
<details class="sd-dropdown" lang="zh"><summary>An aside</summary><p>More of it.</p></details>
<section id="claims"><h2>Claims</h2></section>
<section id="exercises"><h2>Exercises</h2>
<div class="advnotes-predict"><p><strong>1. Predict.</strong> Which?</p><ul><li>A.</li></ul>
<details class="sd-dropdown"><summary>Show the solution</summary><p>A, since so.</p></details></div>
{CELL.format(tag="solution", words="the solution", code="done", output="")}
<p><strong>2.</strong> Twice.</p><details class="sd-dropdown"><summary>Show the solution</summary><p>Twice is so.</p>
<div class="cell tag_solution"><pre>done_first</pre></div></details>
{CELL.format(tag="solution", words="the solution", code="done_second", output="")}
</section><p>On to <a href="two.html">two</a>.</p></section>"""
TWO = """<section id="two"><h1>Two</h1><p id="x">First</p><p id="x">Second</p>
<dl class="py"><dt class="sig">f(<dl><dd>x,</dd></dl>)</dt><dd>It does.</dd></dl>
<svg viewBox="0 0 1 1" aria-labelledby="t"><title id="t">A picture</title></svg>
<p><a href="one.html#gone">gone</a> <a href="https://example.com/">elsewhere</a></p></section>"""


def write_site(root: Path, profile: str = "laptop") -> Path:
    """The sources that matter, and the site as if it had been bound."""
    site = root / "_build/html" if profile == "laptop" else root / "_build" / profile / "html"
    (root / "_toc.yml").write_text(TOC)
    (root / "_config.yml").write_text(CONFIG)
    for name, article in (("intro", INTRO), ("attacks/one", ONE), ("attacks/two", TWO)):
        (root / f"book/{name}.md").parent.mkdir(parents=True, exist_ok=True)
        (root / f"book/{name}.md").write_text("# A page\n\nIt says something.\n")
        page = site / f"book/{name}.html"
        page.parent.mkdir(parents=True, exist_ok=True)
        said = '<div class="bd-header-announcement__content">A <b>trial</b>.</div>' if name == "intro" else ""
        page.write_text(
            f'<body>{said}<article class="bd-article">{article}</article><footer>No</footer></body>'
        )
    for folder in ("_images", "_static"):
        (site / folder).mkdir()
    (site / "_images/a.png").write_bytes(PIXEL)
    (site / "_static/advnotes.js").write_text(
        'const WIDGETS = {\n  "advnotes-lab": {\n    folder: "lab",\n  },\n  "advnotes-predict": { folder: "p" },\n};\n'
    )
    (site / "index.html").write_text("<html></html>")
    return site
