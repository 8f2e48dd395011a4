"""A few small trained networks, so that a chapter need not train what another one teaches.

``model = zoo.mnist_robust()`` is a network in eval mode; ``model.card`` says how it was trained and what was measured.
``python -m advnotes.zoo`` trains all of them again (``python -m advnotes.zoo mnist_natural`` one of them) and says
what the new ones reach; on the same machine and versions the bits come out the same.

The names are listed in ``__init__.pyi``; each is imported when it is first used.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
