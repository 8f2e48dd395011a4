"""Where a number was measured, and the name of that machine."""

import os
import subprocess
import sys

import torch

from advnotes.environment import environment, machine

XEON = {
    "processor": "Intel Xeon",
    "instructions": "AVX512",
    "imitated": "",
    "threads": "1",
    "blas": "mkl 2024.2",
    "device": "CPU",
    "system": "Linux x86_64",
    "python": "3.11.7",
    "torch": "2.13.0",
}


def test_a_machine_is_named_by_what_changes_the_last_bits() -> None:
    assert machine(XEON) == "Intel Xeon, AVX512, 1 thread"
    assert machine(XEON | {"threads": "2"}) == "Intel Xeon, AVX512, 2 threads"
    assert machine(XEON | {"device": "NVIDIA H200"}) == "NVIDIA H200"


def test_a_machine_imitates_another_where_torch_is_restricted_and_not_where_numpy_alone_is() -> None:
    older = {"imitated": "ATEN_CPU_CAPABILITY=avx2 OPENBLAS_CORETYPE=Haswell", "instructions": "AVX2"}
    assert machine(XEON | older) == "Intel Xeon, imitating AVX2, 1 thread"
    assert machine(XEON | {"imitated": "OPENBLAS_CORETYPE=Haswell"}) == "Intel Xeon, AVX512, 1 thread"


def test_the_environment_is_of_strings_and_tells_the_versions_and_threads_that_are_loaded() -> None:
    found = environment()
    assert set(found) == set(XEON)
    assert all(isinstance(value, str) for value in found.values())
    assert found["torch"] == torch.__version__
    assert found["threads"] == str(torch.get_num_threads())
    assert found["instructions"] == torch.backends.cpu.get_cpu_capability()
    assert found["processor"]
    assert "GHz" not in found["processor"]


def test_an_imitation_is_seen_from_inside() -> None:
    code = "from advnotes.environment import environment, machine; print(machine(environment()))"
    imitating = os.environ | {"ATEN_CPU_CAPABILITY": "default", "OMP_NUM_THREADS": "1"}
    said = subprocess.run(
        [sys.executable, "-c", code], env=imitating, capture_output=True, text=True, check=True
    )
    assert said.stdout.endswith(", imitating DEFAULT, 1 thread\n")
