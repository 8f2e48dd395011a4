"""Claims as chapters make them, and chapters that are as if they had been executed."""

import json
from typing import Any

from advnotes.claim_bounds import Bound, at_least
from advnotes.claims import Claim
from advnotes.publish.chapters import select
from advnotes.publish.execution.run import keep
from advnotes.publish.execution.worker import Result
from advnotes.publish.staleness.plan import plan
from advnotes.publish.staleness.stamps import CLAIM

AMD = {
    "processor": "AMD EPYC",
    "instructions": "AVX2",
    "imitated": "",
    "threads": "1",
    "blas": "mkl",
    "device": "CPU",
    "system": "Linux x86_64",
    "python": "3.11.2",
    "torch": "2.13.0",
}
XEON = AMD | {"processor": "Intel Xeon", "instructions": "AVX512"}
GPU = AMD | {"device": "A GPU"}


def bound(low: float = 0.8) -> Bound:
    return at_least(low, by="book", on="2026-11-21")


def claim(id: str = "it-breaks", **changes: Any) -> Claim:
    settings: dict[str, Any] = dict(
        kind="paper",
        statement=f"Statement of {id}",
        paper="89.4% error",
        number=0.905,
        where="Goodfellow 2014, section 4",
        measured=(0.9, 0.91, 0.92),
        seeds=(0, 1, 2),
        n=None,
        format="{:.1%}",
        bound=bound(),
        reason=None,
        profile="laptop",
        environment=AMD,
    )
    return Claim(id=id, **settings | changes)


def fails(id: str, **changes: Any) -> Claim:
    return claim(id, measured=(0.5, 0.51, 0.52), **changes)


def executed(book: Any, name: str, *found: Claim, profile: str = "laptop") -> None:
    """As if the chapter had been executed and made these claims."""
    (p,) = plan(select(book.root, [name]), profile)
    notebook = json.loads(p.chapter.text)
    outputs = [
        {"output_type": "display_data", "metadata": {}, "data": {CLAIM: one.record(), "text/plain": str(one)}}
        for one in found
    ]
    notebook["cells"][1]["outputs"] = outputs
    keep(p, Result(name, notebook=json.dumps(notebook), seconds=1.0))
