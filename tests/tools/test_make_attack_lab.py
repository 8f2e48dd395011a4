"""The attack lab's scripts hold what the package holds: they were made after its networks."""

import importlib.util
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


def tool() -> Any:
    spec = importlib.util.spec_from_file_location("make_attack_lab", ROOT / "tools" / "make_attack_lab.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["natural.js", "robust.js", "digits.js"])
def test_a_script_is_what_the_tool_makes_of_the_package(name: str) -> None:
    made = tool()
    written = (made.FOLDER / name).read_text(encoding="utf-8")
    same = (
        written == made.scripts()[name]
    )  # not in the assert, which would show the difference of two lines of 0.5 MB
    assert same, "the package has changed: run tools/make_attack_lab.py"


def test_the_tool_writes_the_scripts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = tool()
    monkeypatch.setattr(made, "FOLDER", tmp_path / "new")
    monkeypatch.setattr(made, "scripts", lambda: {"digits.js": "AdvnotesLab.digits = [];\n"})
    made.main()
    assert (tmp_path / "new" / "digits.js").read_text(encoding="utf-8") == "AdvnotesLab.digits = [];\n"
