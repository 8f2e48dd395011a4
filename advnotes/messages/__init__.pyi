from .cryptography import Cryptography
from .parts.bits import bits_wrong, random_bits
from .parts.mix_transform import MixTransform
from .public_key import PublicKey
from .selective_protection import SelectiveProtection, blind_error

__all__ = [
    "Cryptography",
    "MixTransform",
    "PublicKey",
    "SelectiveProtection",
    "bits_wrong",
    "blind_error",
    "random_bits",
]
