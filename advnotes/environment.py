"""Where a number was measured: the processor, what it was told to imitate, threads, libraries, device."""

import os
import platform
import re
from functools import cache
from pathlib import Path

__all__ = ["environment", "imitates", "machine"]

#: Variables that make a processor use fewer instructions than it has; each changes the last bits of sums.
IMITATIONS = ("ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA", "MKL_ENABLE_INSTRUCTIONS", "OPENBLAS_CORETYPE")


def environment() -> dict[str, str]:
    """What the bits of a result depend on beside the code.

    Returns:
        ``processor`` (its model's name), ``instructions`` (the widest that torch uses, such as ``AVX512``),
        ``imitated`` (the variables that restrict them, or nothing), ``threads``, ``blas``, ``device``, ``system``,
        ``python``, ``torch``: each a string.
    """
    import torch  # here, since those who only read where a number was measured need not wait for it

    return {
        "processor": _processor(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "imitated": " ".join(f"{name}={os.environ[name]}" for name in IMITATIONS if os.environ.get(name)),
        "threads": str(torch.get_num_threads()),
        "blas": _blas(),
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU",
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "torch": torch.__version__,
    }


def imitates(where: dict[str, str]) -> bool:
    """Whether torch ran with the instructions of an older processor, as :func:`environment` tells it.

    ``OPENBLAS_CORETYPE`` restricts NumPy alone: torch keeps the processor's instructions.
    """
    return any(not part.startswith("OPENBLAS") for part in where["imitated"].split())


def machine(where: dict[str, str]) -> str:
    """One line that tells one kind of machine from another: ``AMD EPYC, AVX2, 2 threads``."""
    if where["device"] != "CPU":
        return where["device"]
    instructions = f"imitating {where['instructions']}" if imitates(where) else where["instructions"]
    threads = f"{where['threads']} thread{'s' if where['threads'] != '1' else ''}"
    return f"{where['processor']}, {instructions}, {threads}"


@cache
def _processor() -> str:
    """The processor's name as its maker gives it, without marks and frequencies."""
    name = ""
    if (info := Path("/proc/cpuinfo")).is_file():
        found = re.search(r"^model name\s*:\s*(.+)$", info.read_text(encoding="utf-8"), re.MULTILINE)
        name = found[1] if found else ""
    name = name or platform.processor() or platform.machine()
    return " ".join(re.sub(r"\((?:R|TM|r|tm)\)|CPU|Processor|@.*", " ", name).split())


def _blas() -> str:
    """The library of linear algebra that torch was built with: ``mkl 2024.2``."""
    import torch

    shown = torch.__config__.show()
    name = re.search(r"BLAS_INFO=(\w+)", shown)
    found = re.search(r"oneAPI Math Kernel Library Version ([\d.]+)", shown)
    return f"{name[1] if name else 'unknown'}{' ' + found[1] if found else ''}"
