"""Data: digits, mail and things without a download, three sets of images with one, toys in closed form, and batches.

The names are listed in ``__init__.pyi``; each is imported when it is first used, so that a chapter depends on the sets
that it uses and on no other.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
