"""How robust is a model, really? The worst case over many attacks, with what makes the answer doubtful.

The names are listed, with their types, in ``__init__.pyi``; each is imported when it is first used.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
