"""Adversarial training as games: attacks, robust training and GANs behind one small API.

The public names are listed, with their types, in ``__init__.pyi``; each is imported when it is first used, so that
``import advnotes`` costs nothing.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
