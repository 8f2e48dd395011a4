"""Pages in fewer bytes: what is shown, linked and named stays."""

from __future__ import annotations

import pytest
from bs4 import BeautifulSoup

from advnotes.publish.site.lean.marks import lean_page, plain_classes, without_inner_lists

STYLE = """html[data-theme="light"] .highlight pre { line-height: 125%; }
html[data-theme="light"] .highlight { background: #fefefe; color: #080808 }
html[data-theme="light"] .highlight .n { color: #080808 } /* Name */
html[data-theme="light"] .highlight .p { color: #080808 } /* Punctuation */
html[data-theme="light"] .highlight .gs { color: #080808; font-weight: bold } /* Generic.Strong */
html[data-theme="light"] .highlight .k { color: #6730C5 } /* Keyword */
html[data-theme="light"] .highlight .w { color: #080808 } /* Text.Whitespace */
html[data-theme="dark"] .highlight { background: #0d1117; color: #C9D1D9 }
html[data-theme="dark"] .highlight .n { color: #D2A8FF } /* Name */
html[data-theme="dark"] .highlight .p { color: #C9D1D9 } /* Punctuation */
html[data-theme="dark"] .highlight .gs { color: #C9D1D9; font-weight: bold } /* Generic.Strong */
html[data-theme="dark"] .highlight .k { color: #EC8E2C } /* Keyword */
html[data-theme="dark"] .highlight .w { color: #C9D1D9; } /* Text.Whitespace */
"""
PLAIN = frozenset({"p", "w"})
CODE = (
    '<div class="highlight"><pre><span class="k">def</span><span class="w"> </span><span class="n">f</span>'
    '<span class="p">(</span><span class="n">x</span><span class="p">):</span>\n'
    '<span></span>    <span class="k">return</span>\n</pre></div>'
)
SIGNATURE = (
    '<dl><dt class="sig sig-object py" id="x">\n<em class="sig-param"><span class="n"><span class="pre">x</span></span>'
    '<span class="p"><span class="pre">:</span></span><span class="w"> </span>'
    '<span class="n"><a href="#A"><span class="pre">A</span></a></span>'
    '<span class="o"><span class="pre">=</span></span>'
    '<span class="default_value"><span class="pre">1</span></span></em></dt>\n'
    '<dd><span class="n">not a signature</span></dd></dl>'
)
PAGE = f"""<body>

  <nav id="side"><a href="#x"><code><span class="pre">x()</span></code></a></nav>
  <div id="jb-print-docs-body" class="onlyprint">
    <div id="print-main-content">
      <div id="jb-print-toc">
        <div><h2> On this page </h2></div>
        <nav><ul class="visible nav"><li><a href="#a">A</a><ul class="nav"><li><a href="#b">B</a></li></ul></li>
        <li><a href="#c">C</a></li></ul></nav>
      </div>
    </div>
  </div>
  <article>
    <p>Some <b>bold</b>
    <i>words</i> and <code class="literal"><span class="pre">a.b</span> <span class="pre">--no-c</span></code>.</p>
    <span class="p">outside of code</span>
    {CODE}
    {SIGNATURE}
    <textarea>one

      two</textarea>
  </article>

  <script>let a = `
    kept`;</script>
</body>"""


def test_a_class_is_plain_where_it_looks_like_the_text_in_both_themes() -> None:
    assert plain_classes(STYLE) == PLAIN


def test_without_a_style_sheet_that_is_understood_every_colour_stays() -> None:
    assert plain_classes(".highlight .p { color: red }") == frozenset()
    assert '<span class="p">(</span>' in lean_page(PAGE, frozenset())


def test_the_sites_own_style_has_plain_classes() -> None:
    from sphinx.highlighting import PygmentsBridge

    sheets = {
        theme: PygmentsBridge("html", style).get_stylesheet()
        for theme, style in (("light", "a11y-high-contrast-light"), ("dark", "github-dark-colorblind"))
    }
    style = "\n".join(
        f'html[data-theme="{theme}"] {line}' for theme, sheet in sheets.items() for line in sheet.splitlines()
    )
    assert {"p", "w"} <= plain_classes(style)
    assert not {"k", "s", "c", "n"} & plain_classes(style)


def test_all_text_stays_and_so_does_its_order() -> None:
    before, after = (BeautifulSoup(page, "html.parser") for page in (PAGE, lean_page(PAGE, PLAIN)))
    assert after.article is not None
    assert before.article is not None
    for selector in ("pre", "textarea", "script", "code"):
        assert [e.get_text() for e in after.select(selector)] == [
            e.get_text() for e in before.select(selector)
        ]
    assert after.article.get_text(" ").split() != []
    assert "".join(after.article.get_text().split()) == "".join(before.article.get_text().split())
    words = after.article.p.get_text() if after.article.p else ""
    assert words.split() == ["Some", "bold", "words", "and", "a.b", "--no-c."]


def test_colours_that_differ_from_the_text_stay_and_only_those() -> None:
    after = BeautifulSoup(lean_page(PAGE, PLAIN), "html.parser")
    assert [e["class"] for e in after.select("pre span[class]")] == [["k"], ["n"], ["n"], ["k"]]
    assert [e["class"] for e in after.select("dt span")] == [["n"], ["o"], ["default_value"]]
    assert after.select_one("dt a")
    assert len(after.select("dd span.n")) == 1
    assert len(after.select("article > span.p")) == 1
    assert [e.get_text() for e in after.select("article .pre")] == ["--no-c"]  # a line must not break in it
    assert len(after.select("#side .pre")) == 1  # there the theme keeps a name on one line


def test_the_contents_on_paper_keep_the_level_that_is_printed() -> None:
    after = BeautifulSoup(lean_page(PAGE, PLAIN), "html.parser")
    assert [a["href"] for a in after.select("#jb-print-toc a")] == ["#a", "#c"]
    assert after.select_one("#jb-print-toc h2")
    assert after.select_one("#side a")
    assert after.article


@pytest.mark.parametrize(
    ("lists", "outer"),
    [
        (
            "<ul><li>a<ul><li>b<ul><li>c</li></ul></li></ul></li><li>d</li></ul>",
            "<ul><li>a</li><li>d</li></ul>",
        ),
        ("<ul><li>a</li></ul><p>b</p><ul><li>c</li></ul>", "<ul><li>a</li></ul><p>b</p><ul><li>c</li></ul>"),
        ("<p>none</p>", "<p>none</p>"),
    ],
)
def test_inner_lists_go_with_all_that_is_in_them(lists: str, outer: str) -> None:
    assert without_inner_lists(lists) == outer


def test_a_page_that_is_lean_stays_as_it_is() -> None:
    once = lean_page(PAGE, PLAIN)
    assert lean_page(once, PLAIN) == once
    assert len(once) < len(PAGE)


def test_the_list_beside_a_page_names_classes_and_not_their_fields() -> None:
    def entry(level: int, place: str, inner: str = "") -> str:
        link = f'<a class="reference internal nav-link" href="#{place}"><code><span class="pre">x()</span></code></a>'
        return f'<li class="toc-h{level} nav-item toc-entry">{link}{inner}</li>\n'

    def nested(entries: str) -> str:
        return f'<ul class="nav section-nav flex-column">\n{entries}</ul>\n'

    fields = nested(entry(4, "advnotes.threats.L1.norm") + entry(4, "advnotes.threats.L1.project"))
    heading = nested('<li class="toc-h4 nav-item toc-entry"><a href="#why">Why</a></li>')
    page = nested(entry(3, "advnotes.threats.L1", fields) + entry(3, "advnotes.threats.L2", heading))
    after = lean_page(page, frozenset())
    assert "advnotes.threats.L1.norm" not in after
    assert after.count("toc-h3") == 2
    assert "#why" in after
