"""``python -m advnotes.zoo NAME ...`` trains networks again, all of them without a name, and prints their cards."""

import json
import sys

from advnotes.zoo import diffusion, digits, portraits

TRAIN = {name: part.train for part in (digits, portraits, diffusion) for name in part.RECIPES}

if __name__ == "__main__":
    wanted = sys.argv[1:] or list(TRAIN)
    if unknown := set(wanted) - TRAIN.keys():
        sys.exit(f"the zoo has {', '.join(TRAIN)}; got {', '.join(sorted(unknown))}")
    for name in wanted:
        print(json.dumps(TRAIN[name](name).card, indent=2))
