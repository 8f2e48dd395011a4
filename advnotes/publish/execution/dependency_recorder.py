"""What an execution has loaded and opened: observed in the kernel, not guessed from the code.

A kernel that the worker starts runs `START` before the first cell, which loads this file under another name, so that
the package itself is not loaded. From then on every file that Python opens is noted. After the last cell the kernel
runs `STOP`, whose output the worker takes out of the notebook again.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

MIME = "application/vnd.advnotes.record+json"
PACKAGE = "advnotes"
HERE = "_advnotes_record"
# Neither binds a name that a chapter could see.
START = f"""(lambda util, modules: [
    spec := util.spec_from_file_location({HERE!r}, {{file!r}}),
    modules.setdefault(spec.name, module := util.module_from_spec(spec)),
    spec.loader.exec_module(module),
    module.start(),
])(__import__("importlib.util").util, __import__("sys").modules)
"""
STOP = f"__import__('sys').modules[{HERE!r}].show()"

_opened: set[str] = set()
_before: set[str] = set()
_children: list[str] = []


def start() -> None:
    """From now on, note every file that is opened and every Python that is started."""
    _before.update(name.partition(".")[0] for name in sys.modules)
    sys.addaudithook(_hear)


def _hear(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "open":
        if isinstance(arguments[0], str):
            _opened.add(arguments[0])
    elif event == "subprocess.Popen" and "python" in f"{arguments[0]} {arguments[1]}".lower():
        _children.append("subprocess")


def taken() -> dict[str, Any]:
    """What has been loaded until now.

    Returns:
        ``modules`` and ``data``: files of the package, relative to its folder, that were loaded and opened;
        ``everything``: whether the chapter started other Python processes, whose files are not noted;
        ``versions``: of each distribution of which something was loaded since `start`, and of Python;
        ``environment``: the processor, threads and so on, where torch was loaded.
    """
    loaded = dict(sys.modules)  # before this function imports anything
    package = loaded.get(PACKAGE)
    modules, data = [], []
    if package is not None and package.__file__:
        folder = Path(package.__file__).resolve().parent
        files = [vars(module).get("__file__") for name, module in loaded.items() if _ours(name)]
        modules = _inside(folder, (file for file in files if file))
        code = {".py", ".pyi", ".pyc"}
        data = [name for name in _inside(folder, list(_opened)) if Path(name).suffix not in code]
    started = any(name.startswith("multiprocessing.popen_") for name in loaded)
    return {
        "modules": modules,
        "data": data,
        "everything": bool(_children) or started,
        "versions": _versions({name.partition(".")[0] for name in loaded} - _before),
        "environment": _environment() if "torch" in loaded else {},
    }


def _ours(name: str) -> bool:
    return name.partition(".")[0] == PACKAGE


def _inside(folder: Path, files: Any) -> list[str]:
    """Those of the files that lie in the folder, relative to it, in order."""
    found = set()
    for file in files:
        try:
            found.add(Path(file).resolve().relative_to(folder).as_posix())
        except (ValueError, OSError):
            continue
    return sorted(found)


def _versions(names: set[str]) -> dict[str, str]:
    import platform
    from importlib.metadata import packages_distributions, version

    owners = packages_distributions()
    wanted = {owner for name in names for owner in owners.get(name, ()) if owner != PACKAGE}
    return {"Python": platform.python_version()} | {name: version(name) for name in sorted(wanted)}


def _environment() -> dict[str, str]:
    from advnotes.environment import environment

    return environment()


def show() -> None:
    """Put `taken` into the output of the cell that calls this."""
    from IPython.display import display

    display({MIME: taken()}, raw=True)
