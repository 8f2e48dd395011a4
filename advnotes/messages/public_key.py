"""The game with a public key, which Bob makes of a secret one and everybody sees (Abadi and Andersen 2016)."""

import itertools

import torch
from jaxtyping import Float
from torch import Tensor, nn

from advnotes.game import Turns
from advnotes.messages.cryptography import Cryptography
from advnotes.messages.parts.bits import check_bits, rows_of

__all__ = ["PublicKey"]

#: Messages are tried one by one up to this length: 65,536 of them.
LONGEST = 16


class PublicKey(Cryptography):
    r"""The asymmetric game of Abadi and Andersen 2016: the key to lock is public, the key to open is Bob's.

    A network of Bob's makes a public key of a secret one that is drawn at random. Alice encrypts with the public key,
    Bob decrypts with the secret one, and Eve sees what is public:

    .. math:: U = G(S), \qquad C = A(P, U), \qquad B(C, S), \qquad E(C, U)

    The losses are those of :class:`~advnotes.messages.Cryptography`. Three players move at once: key maker, Alice and
    Bob; then Eve moves twice.

    Where Bob can read, an Eve who takes her time can read too: she encrypts every message with the public key, and
    looks which of them gives what she overheard. :meth:`search` does it.

    A batch is ``(message, secret)``, with dimensions in front for games side by side.

    Args:
        key_maker: maps secret keys to public ones, one row of numbers for each.
        alice: maps message and public key, side by side in a row, to the ciphertext.
        bob: maps ciphertext and secret key, side by side, to N numbers in [-1, 1].
        eve: maps ciphertext and public key, side by side, to N numbers in [-1, 1].
        bits: N.
        key_bits: the length of the secret key; None: N.

    Raises:
        ValueError: as :class:`~advnotes.messages.Cryptography`; where the key maker does not give one row for each key.

    Differs from the paper: as :class:`~advnotes.messages.Cryptography`.
    """

    turns: Turns = (("key_maker", "alice", "bob"), "eve", "eve")

    def __init__(
        self,
        key_maker: nn.Module,
        alice: nn.Module,
        bob: nn.Module,
        eve: nn.Module,
        bits: int,
        *,
        key_bits: int | None = None,
    ) -> None:
        super().__init__(alice, bob, eve, bits, key_bits=key_bits)
        self.key_maker = key_maker

    def key_maker_loss(
        self, message: Float[Tensor, "*copies batch bits"], key: Float[Tensor, "*copies batch key"]
    ) -> Float[Tensor, ""]:
        """The loss that all three share: the key maker's part in it is Alice's."""
        return self.alice_loss(message, key)

    def transmit(
        self, message: Float[Tensor, "*copies batch bits"], key: Float[Tensor, "*copies batch key"]
    ) -> tuple[Float[Tensor, "*copies batch cipher"], Float[Tensor, "*copies batch heard"]]:
        """What Alice sends; and Eve's view of it, the ciphertext with the public key behind it."""
        public = self.publish(key)
        ciphertext = self.lock(message, public)
        return ciphertext, torch.cat([ciphertext, public], dim=-1)

    def publish(self, secret: Float[Tensor, "*copies batch key"]) -> Float[Tensor, "*copies batch public"]:
        """The public key of each secret one."""
        check_bits("secret keys", secret, self.key_bits)
        return rows_of("the key maker", self.key_maker, secret)

    def encrypt(
        self, message: Float[Tensor, "*copies batch bits"], key: Float[Tensor, "*copies batch key"]
    ) -> Float[Tensor, "*copies batch cipher"]:
        """What Alice sends, with the public key of a secret one."""
        return self.lock(message, self.publish(key))

    def lock(
        self, message: Float[Tensor, "*copies batch bits"], public: Float[Tensor, "*copies batch public"]
    ) -> Float[Tensor, "*copies batch cipher"]:
        """What Alice sends with a public key, which is all that she needs."""
        check_bits("messages", message, self.bits)
        if message.shape[:-1] != public.shape[:-1]:
            raise ValueError(
                f"each message wants a key of its own, got messages of shape {list(message.shape)} and keys of shape "
                f"{list(public.shape)}: draw as many of the one as of the other"
            )
        return rows_of("Alice", self.alice, torch.cat([message, public], dim=-1))

    @torch.no_grad()
    def search(
        self, ciphertext: Float[Tensor, "*copies batch cipher"], public: Float[Tensor, "*copies batch public"]
    ) -> Float[Tensor, "*copies batch bits"]:
        """The message whose ciphertext with this public key is nearest, of all that there are.

        It asks Alice's network for :math:`2^N` ciphertexts of each row.

        Raises:
            ValueError: where messages are longer than 16 bits, or the ciphertext is none of Alice's: not finite, or of
                another shape.
        """
        if self.bits > LONGEST:
            raise ValueError(
                f"there are 2^{self.bits} messages of {self.bits} bits, too many to try each: search wants at most "
                f"{LONGEST} bits"
            )
        if ciphertext.ndim < 2 or not bool(ciphertext.isfinite().all()):
            raise ValueError(
                f"ciphertexts are rows of finite numbers, got {ciphertext.dtype} of shape {list(ciphertext.shape)}, "
                f"{int((~ciphertext.isfinite()).sum())} of them NaN or infinite: x[None] for a single row"
            )
        nearest = ciphertext.new_full(ciphertext.shape[:-1], torch.inf)
        found = ciphertext.new_zeros(*ciphertext.shape[:-1], self.bits)
        for bits in itertools.product((-1.0, 1.0), repeat=self.bits):
            message = ciphertext.new_tensor(bits).expand_as(found)
            made = self.lock(message, public)
            if made.shape != ciphertext.shape:
                raise ValueError(
                    f"Alice makes ciphertexts of shape {list(made.shape)}, got {list(ciphertext.shape)}: give all of "
                    "what she sent, without the public key behind it"
                )
            apart = (made - ciphertext).square().sum(dim=-1)
            closer = apart < nearest
            nearest, found = (
                torch.where(closer, apart, nearest),
                torch.where(closer[..., None], message, found),
            )
        return found
