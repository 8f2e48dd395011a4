"""Adversarial training or a GAN on MNIST, on whatever is there. Start from this.

    python examples/train_distributed.py                                  # one process, GPU where there is one
    torchrun --nproc-per-node 2 examples/train_distributed.py             # two processes
    accelerate launch --mixed_precision bf16 examples/train_distributed.py --game gan

Interrupt it as you like: on Ctrl-C or SIGTERM it saves first, and started again with the same --checkpoint it goes on
from there. With another --batch-size or --size it says what differs.
"""

from __future__ import annotations

import argparse

import torch
from accelerate import PartialState

from advnotes import GAN, PGD, AdversarialTraining, Game, Linf, accuracy, play, robust_accuracy
from advnotes.data import batches, mnist
from advnotes.loop import State
from advnotes.nets import digit_discriminator, digit_generator, small_cnn


def adversarial_training() -> Game:
    """A small network against PGD, as Madry et al. 2017 trained theirs."""
    return AdversarialTraining(small_cnn(), PGD(Linf(0.3), steps=7), warmup=500)


def gan() -> Game:
    """A generator of digits against its discriminator."""
    return GAN(digit_generator(64), digit_discriminator(), latent_size=64)


def score(state: State) -> dict[str, float]:
    """What a callback measures: here the accuracies on digits held out of training."""
    if not isinstance(state.game, AdversarialTraining):
        return {}
    model = state.game.model
    x, y = (part.to(next(model.parameters()).device) for part in mnist("validation", size=500))
    attack = PGD(Linf(0.3), steps=20)
    return {"accuracy": float(accuracy(model, x, y)), "robust": float(robust_accuracy(model, attack, x, y))}


def main() -> None:
    """Play the game that the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--game", choices=["adversarial", "gan"], default="adversarial")
    parser.add_argument(
        "--steps", type=int, default=2000, help="rounds to play, those before an interruption too"
    )
    parser.add_argument("--size", type=int, default=None, help="how many digits to train on; default: all")
    parser.add_argument("--batch-size", type=int, default=128, help="digits in a batch of each process")
    parser.add_argument("--checkpoint", default=None, help="folder to save to and to go on from")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()

    torch.manual_seed(options.seed)
    game = gan() if options.game == "gan" else adversarial_training()
    optimizers = {
        name: torch.optim.Adam(player.parameters(), lr=1e-3) for name, player in game.players.items()
    }
    if options.game == "gan":
        optimizers = {
            name: torch.optim.Adam(player.parameters(), lr=2e-4, betas=(0.5, 0.999))
            for name, player in game.players.items()
        }
    # Every process names all of the data; play gives each its share.
    data = batches(*mnist("train", size=options.size), batch_size=options.batch_size)
    history = play(
        game,
        data,
        optimizers,
        steps=options.steps,
        ema={"generator": 0.999} if options.game == "gan" else None,
        callbacks=[score],
        checkpoint=options.checkpoint,
        checkpoint_every=200,
    )
    state = PartialState()
    last = {name: round(losses[-1], 4) for name, losses in history.losses.items()}
    state.print(
        f"{history.steps} steps in {state.num_processes} process(es) on {state.device.type}: losses {last}"
    )
    state.print(f"metrics {history.metrics[-1:]}")
    state.destroy_process_group()


if __name__ == "__main__":
    main()
