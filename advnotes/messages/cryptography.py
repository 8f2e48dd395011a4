"""Adversarial neural cryptography: Alice and Bob share a key, Eve reads along (Abadi and Andersen 2016)."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from advnotes.checks import call_model, check_count
from advnotes.game import Game, Turns
from advnotes.messages.parts.bits import bits_wrong, check_bits, mean_of_each, rows_of

__all__ = ["Cryptography"]


class Cryptography(Game):
    r"""The symmetric game of Abadi and Andersen 2016, section 2: who has the key shall read, who has not shall not.

    Alice makes a ciphertext :math:`C = A(P, K)` of a message :math:`P` and a key :math:`K`, both N bits of -1 and 1.
    Bob says :math:`B(C, K)`, Eve says :math:`E(C)`. Of :math:`d(P, Q) = \tfrac12 \lVert P - Q \rVert_1`, the number
    of bits that are wrong, are made

    .. math::
        L_E &= \mathbb E\, d(P, E(C)) \\
        L_{AB} &= \mathbb E \left[ \frac{d(P, B(C, K))}{N} + \frac{(N/2 - d(P, E(C)))^2}{(N/2)^2} \right]

    Alice and Bob want Eve to be as good as a coin, and no worse: who has all bits wrong has read the message. The
    square is taken of each message, as in the authors' code, so that only an Eve who commits herself to nothing, an
    answer of 0 to each bit, brings it to 0; the mean error of a coin is N/2 too, and its square costs 1/N.

    Alice and Bob move at once, then Eve twice. Bob's loss is the part of :math:`L_{AB}` that depends on Bob.
    A low :math:`L_{AB}` says that *this* Eve has lost, no more: :func:`~advnotes.invariance.fresh_adversary` judges.
    It makes no cipher: what it comes to must protect nothing.

    A batch is ``(message, key)``, with dimensions in front for games side by side, ``[copies, batch, N]``: their losses
    are added up, so each of them is played as if alone, where the optimizer takes every number by itself, as Adam
    does. :func:`random_bits` draws them.

    Args:
        alice: maps message and key, side by side in a row, to the ciphertext, ``[..., batch, any]``.
        bob: maps ciphertext and key, side by side, to N numbers in [-1, 1].
        eve: maps the ciphertext to N numbers in [-1, 1].
        bits: N.
        key_bits: the length of the key; None: N.

    Raises:
        ValueError: where a number of bits is less than 1; when called, where messages and keys are not bits of these
            lengths, as many of the one as of the other, or a network has an output of another shape.

    Differs from the paper: what one round shows to Alice, Bob and Eve is one batch, where Eve's there are new ones.
    """

    turns: Turns = (("alice", "bob"), "eve", "eve")

    def __init__(
        self, alice: nn.Module, bob: nn.Module, eve: nn.Module, bits: int, *, key_bits: int | None = None
    ) -> None:
        super().__init__()
        self.alice, self.bob, self.eve = alice, bob, eve
        self.bits = check_count("bits", bits)
        self.key_bits = self.bits if key_bits is None else check_count("key_bits", key_bits)

    def alice_loss(
        self, message: Float[Tensor, "*copies batch bits"], key: Float[Tensor, "*copies batch key"]
    ) -> Float[Tensor, ""]:
        """All of the loss that Alice and Bob share."""
        ciphertext, overheard = self.transmit(message, key)
        bob, eve = self.decrypt(ciphertext, key), self.guess(overheard)
        secrecy = (1 - 2 * self.wrong(message, eve) / self.bits).square()
        return mean_of_each(self.wrong(message, bob) / self.bits + secrecy)

    def bob_loss(
        self, message: Float[Tensor, "*copies batch bits"], key: Float[Tensor, "*copies batch key"]
    ) -> Float[Tensor, ""]:
        """The share of the bits that Bob has wrong."""
        with torch.no_grad():  # Alice does not move in this turn
            ciphertext, _ = self.transmit(message, key)
        return mean_of_each(self.wrong(message, self.decrypt(ciphertext, key)) / self.bits)

    def eve_loss(
        self, message: Float[Tensor, "*copies batch bits"], key: Float[Tensor, "*copies batch key"]
    ) -> Float[Tensor, ""]:
        """The bits that Eve has wrong."""
        with torch.no_grad():
            _, overheard = self.transmit(message, key)
        return mean_of_each(self.wrong(message, self.guess(overheard)))

    def transmit(
        self, message: Float[Tensor, "*copies batch bits"], key: Float[Tensor, "*copies batch key"]
    ) -> tuple[Float[Tensor, "*copies batch cipher"], Float[Tensor, "*copies batch heard"]]:
        """What Alice sends, and all that Eve overhears: here the same."""
        ciphertext = self.encrypt(message, key)
        return ciphertext, ciphertext

    def encrypt(
        self, message: Float[Tensor, "*copies batch bits"], key: Float[Tensor, "*copies batch key"]
    ) -> Float[Tensor, "*copies batch cipher"]:
        """What Alice sends, after a look at message and key."""
        check_bits("messages", message, self.bits)
        check_bits("keys", key, self.key_bits)
        if message.shape[:-1] != key.shape[:-1]:
            raise ValueError(
                f"each message wants a key of its own, got messages of shape {list(message.shape)} and keys of shape "
                f"{list(key.shape)}: draw as many of the one as of the other"
            )
        return rows_of("Alice", self.alice, torch.cat([message, key], dim=-1))

    def decrypt(
        self, ciphertext: Float[Tensor, "*copies batch cipher"], key: Float[Tensor, "*copies batch key"]
    ) -> Float[Tensor, "*copies batch bits"]:
        """What Bob reads; the key may be a guess, of any numbers."""
        if ciphertext.shape[:-1] != key.shape[:-1] or key.shape[-1] != self.key_bits:
            raise ValueError(
                f"each ciphertext wants a key of {self.key_bits} bits, got ciphertexts of shape "
                f"{list(ciphertext.shape)} and keys of shape {list(key.shape)}: take those that they were made with"
            )
        return call_model(self.bob, torch.cat([ciphertext, key], dim=-1))

    def guess(self, overheard: Float[Tensor, "*copies batch heard"]) -> Float[Tensor, "*copies batch bits"]:
        """What Eve reads."""
        return call_model(self.eve, overheard)

    def wrong(self, message: Tensor, answer: Tensor) -> Float[Tensor, "*copies batch"]:
        """The bits that are wrong in each message; raise ValueError for an answer of another shape."""
        if answer.shape != message.shape:
            raise ValueError(
                f"an answer to messages of shape {list(message.shape)} has the shape {list(answer.shape)}: let the "
                f"networks of Bob and Eve end with {self.bits} numbers, one for each bit"
            )
        return bits_wrong(message, answer)
