"""Make what the attack lab computes with, book/_static/attack-lab/{natural,robust,digits}.js, from the package.

    python tools/make_attack_lab.py        after a network of the zoo was trained again

Scripts, since a page that is opened from the disk may not fetch a file, but may load a script. The numbers are base64:
float32 where an error would show, 16-bit integers with a scale for each row in the hidden layer, which has 94% of the
parameters. The logits then agree with the package's to better than 0.001. With all layers in 16 bits the robust
network's gradient changes its sign in one pixel of 15, because most weights of its first layer are tiny but not zero.
"""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from advnotes import data, zoo

FOLDER = Path(__file__).resolve().parents[1] / "book" / "_static" / "attack-lab"
NETWORKS = {"natural": zoo.mnist_natural, "robust": zoo.mnist_robust}
# Of the test digits the first of each class, and two that one of the networks reads with a small margin.
DIGITS = [3, 2, 1, 18, 4, 8, 11, 0, 61, 7, 447, 844]


def encoded(values: NDArray[Any], kind: str) -> str:
    """The bytes of an array, little-endian as JavaScript's typed arrays are on every common processor, in base64."""
    return base64.b64encode(np.ascontiguousarray(values).astype(f"<{kind}").tobytes()).decode()


def layer(weight: NDArray[Any], bias: NDArray[Any], short: bool = False) -> dict[str, str]:
    """A layer's parameters; ``short`` stores the weights as 16-bit integers with a scale for each output."""
    if not short:
        return {"weight": encoded(weight, "f4"), "bias": encoded(bias, "f4")}
    scale = (np.abs(weight).max(axis=1) / (2**15 - 1)).astype(np.float32)
    steps = np.rint(weight / scale[:, None].astype(np.float64))
    return {"scale": encoded(scale, "f4"), "steps": encoded(steps, "i2"), "bias": encoded(bias, "f4")}


def network_script(name: str) -> str:
    """A script that hands one network to the lab."""
    made_by = "// Made by tools/make_attack_lab.py from the weights in advnotes/weights: change those.\n"
    state = {key: value.double().numpy() for key, value in NETWORKS[name]().network.state_dict().items()}
    packed: dict[str, Any] = {"mean": state["0.mean"].item(), "std": state["0.std"].item()}
    for part, number in (("first", 1), ("second", 3), ("hidden", 6), ("output", 8)):
        packed[part] = layer(state[f"{number}.weight"], state[f"{number}.bias"], short=part == "hidden")
    return f'{made_by}AdvnotesLab.receive("{name}", {json.dumps(packed)});\n'


def digits_script() -> str:
    """A script that hands the stored digits to the lab."""
    made_by = (
        "// Made by tools/make_attack_lab.py: test digits of MNIST (Yann LeCun, Corinna Cortes, Christopher J. C. "
        "Burges), CC BY-SA 3.0.\n"
    )
    x, y = data.mnist("test", size=max(DIGITS) + 1)
    stored = [
        {"index": i, "label": int(y[i]), "pixels": encoded((255 * x[i].double()).round().numpy(), "u1")}
        for i in DIGITS
    ]
    lines = ",\n".join(json.dumps(digit) for digit in stored)
    return f"{made_by}AdvnotesLab.digits = [\n{lines}\n];\n"


def scripts() -> dict[str, str]:
    """The name of each script, and its text."""
    return {f"{name}.js": network_script(name) for name in NETWORKS} | {"digits.js": digits_script()}


def main() -> None:
    """Write the scripts, and say how large they are."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, text in scripts().items():
        (FOLDER / name).write_text(text, encoding="utf-8", newline="\n")
        print(f"{name}: {len(text):,} bytes")


if __name__ == "__main__":
    sys.exit(main())
