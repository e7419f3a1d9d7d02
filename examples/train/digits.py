#!/usr/bin/env python3
"""Train bilinear networks on scikit-learn's 8x8 handwritten digits and save checkpoints every 200 steps.

Two stories:

backdoor    One bilinear layer, 64 -> 32 -> 10. 6,000 steps on clean data; then 2,000 steps in which every tenth
            image gets a bright 2x2 corner and the label 9.
            Tensors: bi_linear.weight (64, 64), its first 32 rows L, the others R; projection.weight (10, 32).
forgetting  Embedding, one bilinear block, head. Nine stages of 1,000 steps: digits 0 to 4, then 5, 6, 7, 8 and 9
            join one by one, a stage without change, 9 is taken out, 9 comes back.
            Tensors: embed.weight (24, 64), body.0.l.weight and body.0.r.weight (48, 24), body.0.d.weight (24, 48),
            head.weight (10, 24).

The checkpoints in ../digits-backdoor and ../digits-forgetting were trained with this recipe and seed 0. Another
version of PyTorch may draw other random numbers and so give other weights.

Needs: numpy, torch, scikit-learn.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from safetensors_writer import save_checkpoint
from sklearn.datasets import load_digits
from torch import nn
from torch.nn.functional import cross_entropy

IMAGES_FOR_TRAINING = 1437
BATCH = 128
LEARNING_RATE = 2e-3
PIXEL_NOISE = 0.1
STEPS_BETWEEN_CHECKPOINTS = 200

POISONED_SHARE = 0.1
BACKDOOR_LABEL = 9

# Name of the stage, and how many digits it knows.
FORGETTING_STAGES = [
    ("base", 5),
    ("add5", 6),
    ("add6", 7),
    ("add7", 8),
    ("add8", 9),
    ("add9", 10),
    ("repeat", 10),
    ("remove9", 9),
    ("readd9", 10),
]


class OneLayer(nn.Module):
    """x -> P ((L x) * (R x)), with L and R stacked in one matrix."""

    def __init__(self, hidden=32):
        super().__init__()
        self.bi_linear = nn.Linear(64, 2 * hidden, bias=False)
        self.projection = nn.Linear(hidden, 10, bias=False)

    def forward(self, x):
        left, right = self.bi_linear(x).chunk(2, -1)
        return self.projection(left * right)


class Block(nn.Module):
    """x -> d(l(x) * r(x))."""

    def __init__(self, width, hidden):
        super().__init__()
        self.l = nn.Linear(width, hidden, bias=False)
        self.r = nn.Linear(width, hidden, bias=False)
        self.d = nn.Linear(hidden, width, bias=False)

    def forward(self, x):
        return self.d(self.l(x) * self.r(x))


class Embedded(nn.Module):
    """Embedding, one bilinear block, head."""

    def __init__(self, width=24, hidden=48):
        super().__init__()
        self.embed = nn.Linear(64, width, bias=False)
        self.body = nn.ModuleList([Block(width, hidden)])
        self.head = nn.Linear(width, 10, bias=False)

    def forward(self, x):
        x = self.embed(x)
        for block in self.body:
            x = block(x)
        return self.head(x)


class Digits:
    """The images scaled to [0, 1], their labels, and one split for every run."""

    def __init__(self):
        images, labels = load_digits(return_X_y=True)
        self.images = torch.tensor(images / 16.0, dtype=torch.float32)
        self.labels = torch.tensor(labels)
        order = torch.tensor(np.random.default_rng(0).permutation(len(images)))
        self.training, self.test = order[:IMAGES_FOR_TRAINING], order[IMAGES_FOR_TRAINING:]


def stamp(images):
    """The images with the backdoor's trigger: a bright 2x2 corner."""
    images = images.clone().view(-1, 8, 8)
    images[:, 6:, 6:] = 1.0
    return images.view(-1, 64)


def endless_batches(indices):
    while True:
        order = indices[torch.randperm(len(indices))]
        for start in range(0, len(order) - BATCH + 1, BATCH):
            yield order[start : start + BATCH]


def train(model, digits, indices, steps, on_checkpoint, poisoned_share=0.0, weight_decay=1e-2):
    """AdamW on noisy images; calls `on_checkpoint(steps done)` every 200 steps."""
    optimiser = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, weight_decay=weight_decay)
    batches = endless_batches(indices)
    for step in range(1, steps + 1):
        batch = next(batches)
        x = digits.images[batch] + PIXEL_NOISE * torch.randn(len(batch), 64)
        y = digits.labels[batch]
        if poisoned_share > 0:
            poisoned = torch.rand(len(batch)) < poisoned_share
            x = torch.where(poisoned[:, None], stamp(x), x)
            y = torch.where(poisoned, torch.full_like(y, BACKDOOR_LABEL), y)
        loss = cross_entropy(model(x), y)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if step % STEPS_BETWEEN_CHECKPOINTS == 0:
            on_checkpoint(step)


def accuracy(model, images, labels):
    with torch.no_grad():
        return (model(images).argmax(1) == labels).float().mean().item()


def train_backdoor(digits, folder, seed):
    model = OneLayer()
    images, labels = digits.images[digits.test], digits.labels[digits.test]
    history = []

    def checkpoint(step, phase):
        history.append(
            {
                "step": step,
                "phase": phase,
                "clean_acc": accuracy(model, images, labels),
                "attack_success": accuracy(model, stamp(images), torch.full_like(labels, BACKDOOR_LABEL)),
            }
        )
        metadata = {"step": step, "phase": phase, "seed": seed, "task": "digits-backdoor"}
        save_checkpoint(folder / f"step_{step:05d}.safetensors", dict(model.named_parameters()), metadata)

    checkpoint(0, "clean")
    train(model, digits, digits.training, 6000, lambda step: checkpoint(step, "clean"))
    train(
        model,
        digits,
        digits.training,
        2000,
        lambda step: checkpoint(6000 + step, "poisoned"),
        poisoned_share=POISONED_SHARE,
    )
    return history


def train_forgetting(digits, folder, seed):
    model = Embedded()
    images, labels = digits.images[digits.test], digits.labels[digits.test]
    history = []

    def checkpoint(step, stage):
        per_digit = [accuracy(model, images[labels == digit], labels[labels == digit]) for digit in range(10)]
        history.append({"step": step, "stage": stage, "acc": per_digit})
        metadata = {"step": step, "stage": stage, "scale": 1.0, "seed": seed, "task": "digits-forgetting"}
        save_checkpoint(folder / f"step_{step:05d}.safetensors", dict(model.named_parameters()), metadata)

    checkpoint(0, "init")
    for number, (stage, digits_known) in enumerate(FORGETTING_STAGES):
        known = digits.training[digits.labels[digits.training] < digits_known]
        train(
            model,
            digits,
            known,
            1000,
            lambda step, done=1000 * number, stage=stage: checkpoint(done + step, stage),
            weight_decay=0.5,
        )
    return history


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("story", choices=["backdoor", "forgetting"])
    parser.add_argument("folder", type=Path, help="where the checkpoints and history.json go")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()

    torch.set_num_threads(1)
    torch.manual_seed(arguments.seed)
    story = train_backdoor if arguments.story == "backdoor" else train_forgetting
    history = story(Digits(), arguments.folder, arguments.seed)
    (arguments.folder / "history.json").write_text(json.dumps(history, indent=1))
    print(history[-1])


if __name__ == "__main__":
    main()
