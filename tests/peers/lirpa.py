"""auto_LiRPA 0.3, of 2022, with what it misses in the NumPy and torch of today."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch


@contextmanager
def auto_lirpa(folder: Path) -> Iterator[Any]:
    """The library; its files would lie in ``folder``.

    It imports what NumPy and torch have renamed since, and a package that says where files may lie: they are put back
    under their old names meanwhile. Nothing of the library is changed but one argument that torch passes it now.

    Raises:
        ImportError: where it is not installed, or torch has moved what it needs.
    """
    exporter = "torch.onnx._internal.torchscript_exporter"
    inside, helper = (importlib.import_module(f"{exporter}.{name}") for name in ("utils", "symbolic_helper"))
    settings = importlib.import_module(f"{exporter}._globals").GLOBALS
    sets, folders = ModuleType("numpy.lib.arraysetops"), ModuleType("appdirs")
    sets.isin, folders.user_data_dir = np.isin, lambda name: str(folder)  # type: ignore[attr-defined]

    def set_version(version: int) -> None:
        settings.export_onnx_opset_version = version

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "numpy.lib.arraysetops", sets)
        patch.setitem(sys.modules, "appdirs", folders)
        patch.setattr(settings, "export_onnx_opset_version", settings.export_onnx_opset_version)
        old_helper, old_utils = map(
            importlib.import_module, ("torch.onnx.symbolic_helper", "torch.onnx.utils")
        )
        patch.setattr(old_helper, "_set_opset_version", set_version, raising=False)
        patch.setattr(old_utils, "_optimize_graph", inside._optimize_graph, raising=False)
        patch.setattr(
            torch._C.Node, "__getitem__", lambda node, key: helper._node_get(node, key), raising=False
        )
        library = importlib.import_module("auto_LiRPA")
        members = library.BoundedModule._named_members

        def named_members(self: Any, *args: Any, remove_duplicate: bool = True, **more: Any) -> Any:
            return members(self, *args, **more)

        patch.setattr(library.BoundedModule, "_named_members", named_members)
        yield library
