"""Which of the package's files does a piece of code depend on? Read from the code, without running it.

A chapter must be executed again when a module that it uses has changed, and must not when another one has.
Importing the notebook to find out would cost as much as running it, so the answer comes from the syntax trees
of its code cells and, from there, of the package's own modules.

Lazy packages (``lazy_loader.attach_stub``) are followed name by name through their ``__init__.pyi``: a chapter
that says ``from advnotes import PGD`` depends on ``advnotes.attacks.pgd`` and not on everything public. Where
the code does what cannot be read off (a package object passed to a function, a cell that does not parse), the
answer errs towards too many files.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

EVERYTHING = "*"
_CODE = {".py", ".pyi", ".pyc", ".pyo", ".typed"}


class Package:
    """The modules of one package folder, and what each of them imports from the same package."""

    def __init__(self, folder: Path) -> None:
        if not (folder / "__init__.py").is_file():
            raise ValueError(f"expected a package folder with an __init__.py, got {folder}")
        self.folder = folder
        self.name = folder.name
        self._file = cache(self._find)
        self._stub = cache(self._read_stub)
        self._imports = cache(self._read_imports)

    def _find(self, module: str) -> Path | None:
        """The file of a dotted module name, or None where there is no such module."""
        path = self.folder.joinpath(*module.split(".")[1:])
        if (path / "__init__.py").is_file():
            return path / "__init__.py"
        file = path.with_name(path.name + ".py")
        return file if module != self.name and file.is_file() else None

    def _read_stub(self, module: str) -> dict[str, str]:
        """Public names of a lazy package, each with the dotted place that it is loaded from."""
        file = self._file(module)
        stub = file.with_suffix(".pyi") if file is not None and file.name == "__init__.py" else None
        if stub is None or not stub.is_file():
            return {}
        names: dict[str, str] = {}
        for node in ast.walk(ast.parse(stub.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                base = self._absolute(node, module, is_package=True)
                names |= {alias.asname or alias.name: f"{base}.{alias.name}" for alias in node.names}
        return names

    def _absolute(self, node: ast.ImportFrom, module: str, *, is_package: bool) -> str:
        if not node.level:
            return node.module or ""
        parts = module.split(".")
        kept = parts[: len(parts) - node.level + is_package]
        return ".".join([*kept, *([node.module] if node.module else [])])

    def resolve(self, dotted: str) -> set[str]:
        """Modules that using ``dotted`` loads: ``advnotes.PGD`` -> advnotes, advnotes.attacks, advnotes.attacks.pgd."""
        first, *rest = dotted.split(".")
        if first != self.name:
            return set()
        loaded, place = {first}, first
        for name in rest:
            if name == EVERYTHING:
                for public in self._stub(place).values():
                    loaded |= self.resolve(public)
                return loaded
            if self._file(f"{place}.{name}"):
                place = f"{place}.{name}"
                loaded.add(place)
                continue
            target = self._stub(place).get(name)
            if target is None or target == f"{place}.{name}":
                break
            loaded |= self.resolve(target)
            if not self._file(target):
                break
            place = target
        return loaded

    def used(self, trees: Iterable[ast.AST], module: str = "", *, is_package: bool = False) -> set[str]:
        """Modules of this package that the code itself names (not yet what those import in turn)."""
        trees = list(trees)
        bound: dict[str, set[str]] = {}
        found: set[str] = set()
        for node in (node for tree in trees for node in ast.walk(tree)):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    found.add(alias.name)
                    bound.setdefault(alias.asname or alias.name.split(".")[0], set()).add(
                        alias.name if alias.asname else alias.name.split(".")[0]
                    )
            elif isinstance(node, ast.ImportFrom):
                base = self._absolute(node, module, is_package=is_package)
                for alias in node.names:
                    found.add(f"{base}.{alias.name}")
                    bound.setdefault(alias.asname or alias.name, set()).add(f"{base}.{alias.name}")
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                # importlib.import_module("advnotes.x"), python -m advnotes.x
                found |= set(re.findall(rf"^{re.escape(self.name)}(?:\.\w+)+$", node.value))
        for tree in trees:
            found |= {f"{place}{rest}" for name, rest in _uses(tree) for place in bound.get(name, ())}
        return {loaded for dotted in found for loaded in self.resolve(dotted)}

    def _read_imports(self, module: str) -> set[str]:
        file = self._file(module)
        assert file is not None
        tree = ast.parse(file.read_text(encoding="utf-8"), filename=str(file))
        return self.used([tree], module, is_package=file.name == "__init__.py")

    def modules(self) -> set[str]:
        """Every module of the package."""
        found = set()
        for file in self.folder.rglob("*.py"):
            parts = file.relative_to(self.folder.parent).with_suffix("").parts
            found.add(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
        return {module for module in found if self._file(module)}

    def closure(self, modules: Iterable[str]) -> set[str]:
        """The modules, what they import, what those import, and so on."""
        seen: set[str] = set()
        waiting = list(modules)
        while waiting:
            module = waiting.pop()
            if module not in seen:
                seen.add(module)
                waiting += self._imports(module)
        return seen

    def files(self, modules: Iterable[str]) -> set[Path]:
        """Source files of the modules, and the data files (weights, arrays) of the folders they live in."""
        found = set()
        for module in modules:
            file = self._file(module)
            assert file is not None
            found.add(file)
            found |= set(_data(file.parent))
        return found


def _data(folder: Path) -> Iterator[Path]:
    """Data files that belong to a package folder: in it, and in its folders that are no packages themselves."""
    for path in folder.iterdir():
        if path.is_dir():
            if path.name != "__pycache__" and not (path / "__init__.py").exists():
                yield from _data(path)
        elif path.suffix not in _CODE:
            yield path


def _uses(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Names that the code reads, each with the attributes taken from it: ``a.b.c`` -> ("a", ".b.c").

    A name read bare may be a package handed to something that looks inside it: ("a", ".*").
    """
    inner: set[ast.AST] = set()
    for node in ast.walk(tree):  # parents come before their children
        if isinstance(node, ast.Attribute) and node not in inner:
            names, value = [node.attr], node.value
            while isinstance(value, ast.Attribute):
                inner.add(value)
                names.append(value.attr)
                value = value.value
            if isinstance(value, ast.Name):
                inner.add(value)
                yield value.id, "." + ".".join(reversed(names))
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node not in inner:
            yield node.id, f".{EVERYTHING}"


def notebook_modules(package: Package, cells: Iterable[str]) -> set[str]:
    """Modules of the package that a notebook's code cells load, directly and through other modules."""
    from IPython.core.inputtransformer2 import TransformerManager

    try:
        # A fresh transformer per cell: magics and shell lines become calls, which parse as Python.
        trees = [ast.parse(TransformerManager().transform_cell(cell)) for cell in cells]
    except SyntaxError:  # running it will show where; until then it may use anything
        return package.modules()
    return package.closure(package.used(trees))
