"""What has to agree across files: pins, versions, addresses, notebooks, public names."""

import ast
import importlib
import inspect
import json
import pkgutil
import re
import subprocess
import sys
import tomllib
import types
from importlib.metadata import distribution
from pathlib import Path
from types import ModuleType
from typing import Any

import nbformat
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

import advnotes
from advnotes.publish.chapters import chapters
from tests.scripts import load_script

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CITATION = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
CONFIG = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
CONDA = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
REPOSITORY, SITE = PROJECT["urls"]["Repository"], PROJECT["urls"]["Homepage"]
PINS = [
    Requirement(line)
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    if line and not line.startswith("#")
]
NOTEBOOKS = sorted(
    path for path in (ROOT / "book").rglob("*.ipynb") if ".ipynb_checkpoints" not in path.parts
)
MODULES = {
    "data",
    "decisions",
    "defences",
    "gan",
    "generators",
    "invariance",
    "messages",
    "metrics",
    "nets",
    "plots",
    "robust",
    "zoo",
}

PLATFORMS = {
    "Linux": dict(sys_platform="linux", platform_system="Linux", os_name="posix", platform_machine="x86_64"),
    "macOS": dict(sys_platform="darwin", platform_system="Darwin", os_name="posix", platform_machine="arm64"),
    "Windows": dict(sys_platform="win32", platform_system="Windows", os_name="nt", platform_machine="AMD64"),
}


def environment(python: str, platform: str) -> dict[str, str]:
    return {
        "python_version": python,
        "python_full_version": f"{python}.5",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
        **PLATFORMS[platform],
    }


def applies(requirement: Requirement, where: dict[str, str]) -> bool:
    return requirement.marker is None or requirement.marker.evaluate({"extra": "", **where})


def pinned(name: str, where: dict[str, str]) -> list[Version]:
    """The versions that constraints.txt gives to a package there."""
    found = [pin for pin in PINS if canonicalize_name(pin.name) == canonicalize_name(name)]
    return [Version(next(iter(pin.specifier)).version) for pin in found if applies(pin, where)]


# Pins


def test_every_pin_is_one_exact_version() -> None:
    for pin in PINS:
        assert [spec.operator for spec in pin.specifier] == ["=="], pin


def test_peers_that_no_extra_can_ask_for_are_installed_by_their_pins() -> None:
    lines = (ROOT / load_script("make").PEERS).read_text(encoding="utf-8").splitlines()
    peers = [Requirement(line) for line in lines if not line.startswith("#")]
    assert peers
    for peer in peers:
        assert str(peer.specifier) == f"=={distribution(peer.name).version}"
        assert not any(canonicalize_name(pin.name) == canonicalize_name(peer.name) for pin in PINS)


def test_constraints_name_the_script_that_makes_them() -> None:
    first = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()[0]
    (script,) = re.findall(r"tools/(\w+)\.py", first)
    assert load_script(script).HEADER.strip() == first


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13", "3.14"])
@pytest.mark.parametrize("platform", PLATFORMS)
def test_the_pins_satisfy_every_dependency_and_extra(python: str, platform: str) -> None:
    where = environment(python, platform)
    extras = PROJECT["optional-dependencies"]
    wanted = [*PROJECT["dependencies"], *(line for lines in extras.values() for line in lines)]
    for requirement in map(Requirement, wanted):
        if canonicalize_name(requirement.name) == PROJECT["name"]:
            assert requirement.extras <= set(extras)
        elif applies(requirement, where):
            versions = pinned(requirement.name, where)
            assert len(versions) == 1, f"{requirement} has the pins {versions}"
            assert versions[0] in requirement.specifier, f"{requirement} is pinned to {versions[0]}"


def test_everything_that_the_test_extra_pulls_in_is_pinned_and_fits_the_others() -> None:
    here: dict[str, str] = {}  # the markers' own values for this interpreter
    waiting, seen = [Requirement("advnotes[test]")], set()
    while waiting:
        requirement = waiting.pop()
        key = (canonicalize_name(requirement.name), frozenset(requirement.extras))
        if key[0] != "advnotes":
            versions = pinned(requirement.name, here)
            assert len(versions) == 1, f"{requirement} has the pins {versions}"
            assert requirement.specifier.contains(versions[0], prereleases=True), (
                f"{requirement}: {versions[0]}"
            )
        if key in seen:
            continue
        seen.add(key)
        for line in distribution(requirement.name).requires or []:
            needed = Requirement(line)
            # The CPU build of torch wants fewer packages than the one on PyPI; neither wants one that is unpinned.
            if any(applies(needed, {"extra": extra}) for extra in ("", *requirement.extras)):
                waiting.append(needed)
    assert len(seen) > 100


def test_conda_installs_the_same() -> None:
    *conda, pip = CONDA["dependencies"]
    (torch,) = [pin for pin in PINS if pin.name == "torch"]
    cpu, *lines = pip["pip"]
    assert cpu == "--extra-index-url https://download.pytorch.org/whl/cpu"  # what Binder has room for
    assert lines == ["-c constraints.txt", str(torch), "-e .[test]"]
    assert "pip" in conda
    (python,) = [line.removeprefix("python=") for line in conda if line.startswith("python=")]
    assert Version(python) in SpecifierSet(PROJECT["requires-python"])
    assert str(torch) == load_script("pin").TORCH


# Version, addresses, licences


def test_the_version_agrees_everywhere() -> None:
    version = PROJECT["version"]
    assert CITATION["version"] == version
    assert CONFIG["repository"]["branch"] == f"v{version}"
    assert distribution("advnotes").version == version
    for path in texts():
        found = set(re.findall(r"advnotes(?:\.git)?@v([\w.]+\w)", path.read_text(encoding="utf-8")))
        assert found <= {version}, path


def test_the_addresses_agree_everywhere() -> None:  # what stands in sentences: tests/tools/test_address.py
    assert {place.startswith((REPOSITORY, SITE)) for place in PROJECT["urls"].values()} == {True}
    assert (CITATION["repository-code"], CITATION["url"]) == (REPOSITORY, SITE)
    assert (CONFIG["repository"]["url"], CONFIG["html"]["baseurl"]) == (REPOSITORY, SITE)


def test_licences_name_what_they_cover() -> None:
    card = json.loads((ROOT / "advnotes" / "data" / "mnist.json").read_text(encoding="utf-8"))
    text = (ROOT / "LICENSE-text").read_text(encoding="utf-8")
    assert "https://creativecommons.org/licenses/by/4.0/legalcode" in text
    assert card["licence"].startswith("CC BY-SA 3.0")
    assert "advnotes/data/mnist.npz" in text
    assert "CC BY-SA 3.0" in text
    assert PROJECT["license"].split(" AND ") == [
        CITATION["license"],
        "CC-BY-SA-3.0",
        "Apache-2.0",
        "CC-BY-4.0",
    ]
    assert (ROOT / "LICENSE").read_text(encoding="utf-8").startswith("MIT License")


# Where things are


def test_contributing_leads_to_places_that_are_there() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    section = re.search(r"^## Where things are\n(.*?)^## ", text, re.MULTILINE | re.DOTALL)
    assert section is not None
    found = [place for place in re.findall(r"`([\w./-]+)`", section[1]) if "/" in place.rstrip("/")]
    assert len(found) > 15
    assert [place for place in found if not (ROOT / place).exists()] == []


# Notebooks


def test_the_table_of_contents_lists_every_notebook() -> None:
    assert sorted(chapter.source for chapter in chapters(ROOT)) == NOTEBOOKS


def test_notebooks_are_stripped() -> None:
    command = [sys.executable, "-m", "nbstripout", "--verify", "--keep-id", *NOTEBOOKS]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + "\nstrip them: nbstripout --keep-id book/*/*.ipynb"


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.relative_to(ROOT / "book").with_suffix("").as_posix())
def notebook(request: pytest.FixtureRequest) -> Any:
    return nbformat.read(request.param, as_version=nbformat.NO_CONVERT)


def code(notebook: Any, tag: str | None = None) -> list[str]:
    return [
        cell.source
        for cell in notebook.cells
        if cell.cell_type == "code" and (tag is None or tag in cell.metadata.get("tags", []))
    ]


def test_a_notebook_is_valid_and_its_cells_keep_their_names(notebook: Any) -> None:
    nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
    assert len({cell.id for cell in notebook.cells}) == len(notebook.cells)


def test_a_notebook_follows_the_pattern(notebook: Any) -> None:
    assert notebook.cells[0].cell_type == "markdown"
    opening = notebook.cells[0].source
    assert opening.startswith("# ")
    details = re.search(r"^\*[^*].*?\*$", opening, re.MULTILINE | re.DOTALL)
    assert details, "no paragraph in italics with paper, run time and hardware"
    assert "laptop" in details[0]
    assert "GPU" in details[0]
    assert code(notebook)[0] == (
        "import importlib.util\n\n"
        'if importlib.util.find_spec("advnotes") is None:'
        "  # on Colab, say: fetch the release that this page belongs to\n"
        f'    %pip install -q "advnotes @ git+{REPOSITORY}@v{PROJECT["version"]}"'
    )
    (parameters,) = code(notebook, "parameters")
    assert parameters.startswith('profile = "laptop"\n')
    assert len(code(notebook, "solution")) >= 2
    assert all("hide-cell" in cell.metadata.tags for cell in notebook.cells if "solution" in tags(cell))


def tags(cell: Any) -> list[str]:
    return list(cell.metadata.get("tags", []))


def calls(notebook: Any, *names: str) -> list[ast.Call]:
    """Calls of these functions in a notebook's code."""
    source = "\n".join(
        line for cell in code(notebook)[1:] for line in cell.splitlines() if line[:1] not in "%!"
    )
    found = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    return [call for call in found if isinstance(call.func, ast.Name) and call.func.id in names]


def test_a_notebook_states_claims_with_names_of_their_own(notebook: Any) -> None:
    claims = calls(notebook, "claim")
    assert len(claims) >= 3
    ids = [word.value for call in claims for word in call.keywords if word.arg == "id"]
    assert len(ids) == len(claims)
    plain = [id.value for id in ids if isinstance(id, ast.Constant)]
    assert len(plain) == len(set(plain))
    kinds = [word.value.value for call in claims for word in call.keywords if word.arg == "kind"]
    assert kinds.count("paper") + len(claims) - len(kinds) >= 1  # at least one of a paper, the ordinary kind


def test_bounds_say_who_set_them_and_when(notebook: Any) -> None:
    bounds = calls(notebook, "at_least", "at_most", "between")
    assert bounds
    for call in bounds:
        assert {word.arg for word in call.keywords} >= {"by", "on"}, ast.unparse(call)


def test_seeds_are_three_or_more_from_0_on(notebook: Any) -> None:
    (parameters,) = code(notebook, "parameters")
    for node in ast.parse(parameters).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]).endswith("seeds"):
            seeds = ast.literal_eval(node.value)
            assert seeds == list(range(len(seeds))), ast.unparse(node)
            assert len(seeds) >= 3, ast.unparse(node)


def test_a_notebook_has_no_absolute_paths(notebook: Any) -> None:
    absolute = r"(?<![\w.:/~-])/(?:home|root|tmp|work|Users|usr|mnt|content|opt|var)\b|\b[A-Z]:\\"
    for cell in notebook.cells:
        assert not re.search(absolute, cell.source), cell.source


# Public names


def test_importing_the_package_imports_nothing_heavy() -> None:
    heavy = {"torch", "numpy", "pandas", "matplotlib", "scipy", "sklearn", "accelerate"}
    script = f"import advnotes, sys; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_public_names_are_those_of_the_stub() -> None:
    stub = ast.parse((ROOT / "advnotes" / "__init__.pyi").read_text(encoding="utf-8"))
    imported = [a.name for node in stub.body if isinstance(node, ast.ImportFrom) for a in node.names]
    assert sorted(imported) == sorted(advnotes.__all__)
    assert set(advnotes.__all__) <= set(dir(advnotes))


@pytest.mark.parametrize("name", advnotes.__all__)
def test_a_public_name_is_there_and_documented(name: str) -> None:
    thing = getattr(advnotes, name)
    assert isinstance(thing, ModuleType) == (name in MODULES)
    doc = inspect.cleandoc(thing.__doc__ or "")
    assert doc
    assert not doc.startswith(f"{name}("), "a dataclass without a docstring of its own"


@pytest.mark.parametrize("name", sorted(set(advnotes.__all__) - MODULES))
def test_a_public_name_is_in_the_api_page(name: str) -> None:
    page = (ROOT / "book" / "api.md").read_text(encoding="utf-8")
    modules = set(re.findall(r"^\.\. automodule:: ([\w.]+)", page, re.MULTILINE))
    thing = getattr(advnotes, name)
    shown = [m for m in modules if getattr(importlib.import_module(m), name, None) is thing]
    assert shown, f"book/api.md shows no module with {name}, which is defined in {thing.__module__}"


def test_a_public_method_has_a_docstring_or_inherits_one() -> None:
    missing = []
    for found in pkgutil.walk_packages(advnotes.__path__, "advnotes."):
        module = importlib.import_module(found.name)
        classes = [c for c in vars(module).values() if inspect.isclass(c) and c.__module__ == module.__name__]
        for cls in classes:
            members = {name: value for name, value in vars(cls).items() if not name.startswith("_")}
            functions = (types.FunctionType, classmethod, staticmethod, property)
            methods = [name for name, value in members.items() if isinstance(value, functions)]
            missing += [
                f"{found.name}.{cls.__name__}.{name}"
                for name in methods
                if not inspect.getdoc(getattr(cls, name))
            ]
    assert [name for name in missing if "._" not in name] == []


def test_no_module_hides_a_public_name() -> None:
    script = f"""
import importlib, pkgutil, types, advnotes
for module in pkgutil.walk_packages(advnotes.__path__, "advnotes."):
    importlib.import_module(module.name)
modules = {{name for name in advnotes.__all__ if isinstance(getattr(advnotes, name), types.ModuleType)}}
assert modules == {MODULES}, modules
"""
    subprocess.run([sys.executable, "-c", script], check=True)


def texts() -> list[Path]:
    """Every text file of the project in which a version or an address may stand."""
    suffixes = {
        ".py",
        ".pyi",
        ".md",
        ".yml",
        ".toml",
        ".ipynb",
        ".html",
        ".js",
        ".css",
        ".cff",
        ".json",
        ".bib",
    }
    folders = ("advnotes", "book", "benchmarks", "examples", "tools", ".github")
    inside = [path for folder in folders for path in (ROOT / folder).rglob("*")]
    return [path for path in [*ROOT.glob("*"), *inside] if path.is_file() and path.suffix in suffixes]


def python(code: str, folder: Path) -> str:
    """What a program prints that is run in a folder."""
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd=folder).stdout


def test_the_readmes_lines_do_what_they_say(tmp_path: Path) -> None:
    code, evaluation, tables, rows, own = re.findall(
        r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL
    )
    assert "size=200" in evaluation
    assert "robust accuracy" in python(evaluation.replace("size=200", "size=2"), tmp_path)
    assert (tmp_path / "report.html").is_file()
    table = "from sklearn.datasets import make_moons\nX, y = make_moons(200, random_state=0)\nnuisance = X[:, 0]\n"
    assert python(f"{table}{tables}print(model.predict_proba(X).shape)", tmp_path) == "(200, 2)\n"
    frame = "from advnotes.data import census\nframe = census(size=300)[['age', 'income']]\n"
    few = rows.replace("TableGenerator()", "TableGenerator(steps=20, hidden=(16,), random_state=0)")
    printed = "print(more.shape, more.income.unique().tolist(), list(more.dtypes) == list(frame.dtypes))"
    assert python(f"{frame}{few}{printed}", tmp_path) == "(500, 2) ['>50K'] True\n"
    classes = """import torch
from advnotes import FGSM as MyAttack, AdversarialTraining, Linf
MyGame = lambda model: AdversarialTraining(model, attack=None, share=0)
small_network = lambda: torch.nn.Linear(3, 2)
x, y = torch.rand(8, 3), torch.arange(8) % 2
"""
    assert python(classes + own, tmp_path) == ""
    # The same lines at a size for a test: a few batches instead of four epochs over all digits.
    for full, small in (
        ('mnist("train")', 'mnist("train", size=512)'),
        ("epochs=4", "epochs=1"),
        ("size=1000", "size=50"),
    ):
        assert full in code
        code = code.replace(full, small)
    assert re.fullmatch(r"[\d.]+% \[[\d.]+%, [\d.]+%\]\n", python(code, tmp_path))


def test_the_readme_says_what_the_bundled_networks_do() -> None:
    text = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    said = re.search(
        r"read (\d+) of 100 .* by ([\d.]+) .* in (\d+) steps, .* reads none; .* reads (\d+)\.", text
    )
    assert said is not None
    clean, eps, steps, robust = map(float, said.groups())
    x, y = advnotes.data.mnist("test", size=300)
    attack = advnotes.PGD(advnotes.Linf(eps), steps=int(steps))
    natural, trained = advnotes.zoo.mnist_natural(), advnotes.zoo.mnist_robust()
    for model in (natural, trained):
        assert abs(float(advnotes.accuracy(model, x, y)) - clean / 100) < 0.02
    assert float(advnotes.robust_accuracy(natural, attack, x, y)) < 0.01
    assert abs(float(advnotes.robust_accuracy(trained, attack, x, y)) - robust / 100) < 0.05
