"""The script of icons, cut to those that are shown."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

import pytest

from advnotes.publish.site.lean.icons import ICON, SCRIPT, keep_icons, shown

SMALL = """/*! A licence */
(()=>{var p={monero:[496,512,[],"f3d0","M1"],"trash-can":[4,5,[61460,"bin"],"f2ed",["M2","M3"]],0:[3,5,[],"30","M4"]};
use(p);var q={sun:[512,512,[9728],"f185","M5"],moon:[3,5,[],"f186","M6"]}})();
"""


def names(script: str) -> list[str]:
    return [icon["name"].strip('"') for icon in ICON.finditer(script)]


def test_only_what_is_shown_stays_also_under_its_other_name() -> None:
    assert names(SMALL) == ["monero", "trash-can", "0", "sun", "moon"]
    lean = keep_icons(SMALL, {"bin", "sun", "solid"})
    assert names(lean) == ["trash-can", "sun"]
    assert '"trash-can":[4,5,[61460,"bin"],"f2ed",["M2","M3"]],};' in lean  # JavaScript allows the comma
    assert lean.startswith("/*! A licence */\n")
    assert re.sub(ICON, "", lean).replace("/* Only the icons that this site shows. */\n", "") == re.sub(
        ICON, "", SMALL
    )


def test_names_are_read_from_pages_and_scripts() -> None:
    page = '<i class="fa-solid fa-arrow-up fa-lg"></i><i class="fab fa-github"></i>'
    script = 'icon.className = "fa-solid fa-xmark"; const alfa-beta = 1'
    assert shown([page, script]) == {"solid", "arrow-up", "lg", "github", "xmark"}


def test_another_theme_is_noticed() -> None:
    with pytest.raises(ValueError, match="expected icons as in Font Awesome 6"):
        keep_icons("(()=>{})()", {"sun"})


def test_the_themes_own_script_is_read_whole() -> None:
    found_at = find_spec("pydata_sphinx_theme")
    assert found_at is not None
    theme = Path(str(found_at.origin)).parent / "theme/pydata_sphinx_theme/static"
    script = (theme / SCRIPT.removeprefix("_static/")).read_text(encoding="utf8")
    found = names(script)
    assert len(found) > 1500
    assert {"magnifying-glass", "sun", "github", "bars"} <= set(found)
    lean = keep_icons(script, {"search", "sun", "github"})
    assert set(names(lean)) == {"magnifying-glass", "sun", "github"}
    assert len(lean) < 0.1 * len(script)
    assert not re.search(r"\[\d+,\d+,\[", ICON.sub("", lean))  # no icon has another form
