"""Marks of a page that change nothing: colours that the text has anyway, lists that are never shown, indents."""

from __future__ import annotations

import re

CODE = re.compile(r"<pre\b.*?</pre>", re.DOTALL)
ARTICLE = re.compile(r"<article\b.*</article>", re.DOTALL)
SIGNATURE = re.compile(r'<dt class="sig\b.*?</dt>', re.DOTALL)
#: A word that is kept on one line, and that has no place where a line could break.
UNBROKEN = re.compile(r"""<span class="pre">(\[?[\w.,*=:"']*(?:\(\)|\])?|.)</span>""")
#: In a signature the theme colours names and defaults, and none of these.
PLAIN_IN_SIGNATURES = re.compile(r'<span class="[npw]">([^<]*)</span>')
#: A rule of ``pygments.css``: theme, class or nothing, declarations.
RULE = re.compile(r'html\[data-theme="(\w+)"\] \.highlight(?: \.(\w+))? \{([^}]*)\}')
COLOUR = re.compile(r"(?<![\w-])color: *([^;\s]+)")
#: The contents that only paper shows; of them, the theme shows the first level.
ON_PAPER = re.compile(r'(?<=<div id="jb-print-toc">).*?(?=</div>\s*</div>\s*</div>)', re.DOTALL)
LIST = re.compile(r"<ul\b[^>]*>|</ul>")
#: In the list beside a page: the fields and methods of a class of the package, whose name stands there too. They are
#: most of that list on the API page, and half of what a check of the page has to look at.
FIELDS = re.compile(
    r'<ul class="nav section-nav flex-column">\s*(?:<li class="toc-h4 nav-item toc-entry"><a class="reference internal '
    r'nav-link" href="#advnotes\.[^"]*"><code[^>]*>(?:(?!</code>).)*</code></a></li>\s*)+</ul>'
)
#: Text whose spaces count; all others are between two elements, and look like one space.
VERBATIM = re.compile(r"(<(pre|textarea|script|style)\b.*?</\2>)", re.DOTALL)
INDENT = re.compile(r"(?<=>)\s*\n\s*(?=<)")


def plain_classes(style: str) -> frozenset[str]:
    """The classes of code that have the colour of the text around them, and nothing else, in every theme.

    That text has the colour of ``.highlight``: ``advnotes.css`` sees to it.
    """
    themes: dict[str, dict[str, str]] = {}
    for theme, name, declared in RULE.findall(style):
        themes.setdefault(theme, {})[name] = declared.strip()
    plain = []
    for rules in themes.values():
        colour = COLOUR.search(rules.get("", ""))
        like_text = f"color: {colour[1]}" if colour else None
        plain.append({name for name, declared in rules.items() if declared.rstrip(" ;") == like_text})
    return frozenset.intersection(*map(frozenset, plain)) if plain else frozenset()


def lean_page(page: str, plain: frozenset[str]) -> str:
    """A page that looks the same in fewer bytes.

    Args:
        page: HTML, as Sphinx wrote it.
        plain: what `plain_classes` has found.
    """
    if plain:
        colourless = re.compile(rf'<span class="(?:{"|".join(sorted(plain))})">([^<]*)</span>')
        page = CODE.sub(lambda code: colourless.sub(r"\1", code[0]), page)
    page = ARTICLE.sub(lambda article: SIGNATURE.sub(_lean_signature, UNBROKEN.sub(r"\1", article[0])), page)
    page = FIELDS.sub("", page)
    page = ON_PAPER.sub(lambda contents: without_inner_lists(contents[0]), page)
    parts = VERBATIM.split(page)  # a text, then in turn: an element that is verbatim, its name, a text
    return "".join(
        INDENT.sub("\n", part) if kind == 0 else part
        for position, part in enumerate(parts)
        if (kind := position % 3) != 2
    )


def _lean_signature(signature: re.Match[str]) -> str:
    return PLAIN_IN_SIGNATURES.sub(r"\1", signature[0])


def without_inner_lists(contents: str) -> str:
    """A list without the lists in it."""
    kept, depth, position = [], 0, 0
    for tag in LIST.finditer(contents):
        if depth < 2:
            kept.append(contents[position : tag.start()])
        opens = tag[0] != "</ul>"
        depth += 1 if opens else -1
        if depth == (1 if opens else 0):
            kept.append(tag[0])
        position = tag.end()
    return "".join(kept) + contents[position:]
