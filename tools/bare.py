"""Open chapters in bare environments: one process and one fresh virtual environment each.

`.venv/bin/python tools/bare.py [CHAPTER]...` installs into each environment what a notebook needs to run at all
(ipykernel), torch, as on Colab, and the package without its extras; the newest versions, not the pins. With
`--package release` the package is left out too, so that the notebook's own first cell has to install it.
The runner itself stays outside, so that none of its dependencies can stand in for a missing one.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

from advnotes.publish.chapters import Chapter, find_root, select
from advnotes.publish.parameters import all_parameters

ROOT = find_root(Path(__file__).parent)
KERNEL = "advnotes-bare"
EXECUTE = """
import json, sys
import papermill
notebook, output, parameters, kernel = sys.argv[1:]
papermill.execute_notebook(
    notebook, output, json.loads(parameters), kernel_name=kernel, language="python", progress_bar=False
)
"""


def open_bare(chapter: Chapter, parameters: dict[str, object], package: str) -> bool:
    """Execute one chapter in a new environment; True where that worked."""
    with tempfile.TemporaryDirectory(prefix="advnotes-bare-") as name:
        home = Path(name)
        venv.create(home / "venv", with_pip=True)
        python = home / "venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
        pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        index = os.environ.get("TORCH_INDEX")
        torch = os.environ.get("TORCH", "torch")
        subprocess.run([*pip, torch, *(["--index-url", index] if index else [])], check=True)
        subprocess.run([*pip, "ipykernel", *([str(ROOT)] if package == "checkout" else [])], check=True)

        spec = home / "kernels" / KERNEL / "kernel.json"
        spec.parent.mkdir(parents=True)
        command = [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        spec.write_text(json.dumps({"argv": command, "display_name": KERNEL, "language": "python"}))
        # In a folder of its own: from the clone, Python would import the package that lies there.
        done = subprocess.run(
            [
                sys.executable,
                "-c",
                EXECUTE,
                chapter.source,
                home / "out.ipynb",
                json.dumps(parameters),
                KERNEL,
            ],
            cwd=home,
            env={**os.environ, "JUPYTER_PATH": name, "IPYTHONDIR": str(home / "ipython")},
        )
        return done.returncode == 0


def main() -> None:
    """Open each chapter; exit with 1 where one did not run."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "chapters", nargs="*", metavar="CHAPTER", help="such as attacks/fgsm; all where none is named"
    )
    parser.add_argument("--package", choices=["checkout", "release"], default="checkout")
    options = parser.parse_args()
    wanted = select(ROOT, options.chapters)
    parameters = all_parameters(wanted, "smoke")
    failed = [c.name for c in wanted if not open_bare(c, parameters[c.name], options.package)]
    for chapter in wanted:
        print(f"{'failed' if chapter.name in failed else 'opened'}  {chapter.name}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
