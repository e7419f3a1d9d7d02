#!/usr/bin/env python3
"""Train a one-layer bilinear network on addition modulo 113 until it groks, and save checkpoints on the way.

The network is logits = P ((L x) * (R x)), without biases, where x holds the one-hot codes of both summands. It sees
30 % of all pairs. By step 1,400 it knows these by heart; between steps 5,000 and 17,000 it comes to add pairs that
it has never seen. Training goes on to step 100,000, 512 pairs a step.

Tensors: bi_linear.weight (128, 226), its first 64 rows L, the others R; projection.weight (113, 64).

The checkpoints in ../grokking are 16 of the 44 of a run with seed 1337; history.json has all 44. Another version
of PyTorch may draw other random numbers and so give other weights.

Needs: numpy, torch.
"""

import argparse
import json
from pathlib import Path

import torch
from safetensors_writer import save_checkpoint
from torch.nn.functional import cross_entropy

MODULUS = 113
HIDDEN = 64
LEARNING_RATE = 1e-3
WEIGHT_DECAY = 0.3
BATCH = 512
TRAINING_SHARE = 0.3


def uniform(rows, columns):
    """Uniform in +-1/sqrt(columns)."""
    return torch.nn.Parameter(torch.empty(rows, columns).uniform_(-1, 1) / columns**0.5)


def checkpoint_steps(steps, count):
    """`count` steps from 0 to `steps`, dense at the start: the fifth power of an even grid, without repetitions."""
    return sorted({int(steps * (i / (count - 1)) ** 5) for i in range(count)} | {0, steps})


class Addition:
    """All pairs of residues, their sums, and which of them are for training."""

    def __init__(self):
        self.pairs = torch.cartesian_prod(torch.arange(MODULUS), torch.arange(MODULUS))
        self.sums = (self.pairs[:, 0] + self.pairs[:, 1]) % MODULUS
        order = torch.randperm(len(self.pairs))
        training = int(TRAINING_SHARE * len(self.pairs))
        self.training, self.validation = order[:training], order[training:]


class Network:
    def __init__(self):
        self.bi_linear = uniform(2 * HIDDEN, 2 * MODULUS)
        self.projection = uniform(MODULUS, HIDDEN)

    def parameters(self):
        return {"bi_linear.weight": self.bi_linear, "projection.weight": self.projection}

    def logits(self, pairs):
        # The product with two one-hot codes is the sum of two columns.
        columns = self.bi_linear.t()
        hidden = columns[pairs[:, 0]] + columns[pairs[:, 1] + MODULUS]
        return (hidden[:, :HIDDEN] * hidden[:, HIDDEN:]) @ self.projection.t()


def evaluate(network, task, step):
    result = {"step": step}
    with torch.no_grad():
        for name, subset in (("train", task.training), ("val", task.validation)):
            logits = network.logits(task.pairs[subset])
            result[f"{name}_loss"] = cross_entropy(logits, task.sums[subset]).item()
            result[f"{name}_acc"] = (logits.argmax(1) == task.sums[subset]).float().mean().item()
    return result


def batches_forever(indices):
    while True:
        order = indices[torch.randperm(len(indices))]
        for start in range(0, len(order) - BATCH + 1, BATCH):
            yield order[start : start + BATCH]


def train(folder, seed, steps, checkpoints):
    task = Addition()
    network = Network()
    optimiser = torch.optim.AdamW(network.parameters().values(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    wanted = set(checkpoint_steps(steps, checkpoints))
    history = []

    def checkpoint(step):
        history.append(evaluate(network, task, step))
        metadata = {"step": step, "seed": seed, "task": f"modular-addition-{MODULUS}"}
        save_checkpoint(folder / f"step_{step:06d}.safetensors", network.parameters(), metadata)

    checkpoint(0)
    for step, batch in zip(range(1, steps + 1), batches_forever(task.training)):
        loss = cross_entropy(network.logits(task.pairs[batch]), task.sums[batch])
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        if step in wanted:
            checkpoint(step)
    return history


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where the checkpoints and history.json go")
    parser.add_argument("--seed", type=int, default=1337)
    parser.add_argument("--steps", type=int, default=100_000)
    parser.add_argument("--checkpoints", type=int, default=48, help="before repetitions are dropped")
    arguments = parser.parse_args()

    torch.set_num_threads(1)
    torch.manual_seed(arguments.seed)
    history = train(arguments.folder, arguments.seed, arguments.steps, arguments.checkpoints)
    record = {
        "task": "modular addition",
        "p": MODULUS,
        "hidden": HIDDEN,
        "lr": LEARNING_RATE,
        "weight_decay": WEIGHT_DECAY,
        "batch": BATCH,
        "train_fraction": TRAINING_SHARE,
        "seed": arguments.seed,
        "steps": arguments.steps,
        "history": history,
    }
    (arguments.folder / "history.json").write_text(json.dumps(record, indent=1))
    print(history[-1])


if __name__ == "__main__":
    main()
