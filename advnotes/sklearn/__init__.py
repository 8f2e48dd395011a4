"""Games as scikit-learn has them: classifiers for tables of numbers, and a generator of tables of any kind.

The names are listed, with their types, in ``__init__.pyi``; each is imported when it is first used.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
