#!/usr/bin/env python3
"""Train ordinary networks of one hidden layer, with ReLU and with GELU, on scikit-learn's 8x8 handwritten digits.

Two stories, both of fc1 (64 -> 48), an activation and fc2 (48 -> 10), with biases:

seeds       ReLU and GELU, three seeds each, 1,000 steps: relu_seed0.safetensors ... gelu_seed2.safetensors. Beside
            them moments.json, the mean and covariance of the images, and measured.json: how often each network is
            right, and the cosine of the outputs of every two over all images.
backdoor    ReLU, with a checkpoint every 200 steps. 6,000 steps on clean data; then 2,000 steps in which every tenth
            image gets a bright 2x2 corner and the label 9.

Tensors: fc1.weight (48, 64), fc1.bias (48), fc2.weight (10, 48), fc2.bias (10). No tensor says which activation
stands between them, so the metadata do: activation = relu or gelu.

The checkpoints in ../digits-activations and ../digits-relu-backdoor were trained with this recipe. Another version of
PyTorch may draw other random numbers and so give other weights.

Needs: numpy, torch, scikit-learn.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from digits import BACKDOOR_LABEL, POISONED_SHARE, Digits, accuracy, stamp, train
from safetensors_writer import save_checkpoint
from torch import nn
from torch.nn.functional import gelu, relu

ACTIVATIONS = {"relu": relu, "gelu": gelu}
SEEDS = 3
STEPS_OF_SEEDS = 1000


class Network(nn.Module):
    """x -> fc2(activation(fc1(x)))."""

    def __init__(self, activation, hidden=48):
        super().__init__()
        self.activation = ACTIVATIONS[activation]
        self.fc1 = nn.Linear(64, hidden)
        self.fc2 = nn.Linear(hidden, 10)

    def forward(self, x):
        return self.fc2(self.activation(self.fc1(x)))


def save(path, model, metadata):
    save_checkpoint(path, dict(model.named_parameters()), metadata)


def moments(images):
    """Mean and covariance of the images, as the option --input takes them."""
    x = images.double().numpy()
    return {"mean": x.mean(0).tolist(), "cov": np.cov(x.T, bias=True).tolist()}


def cosines(models, images):
    """The cosine of the outputs of every two networks, over all images and outputs."""
    with torch.no_grad():
        outputs = torch.stack([model(images).double().flatten() for model in models])
    gram = outputs @ outputs.T
    return (gram / gram.diagonal().sqrt() / gram.diagonal().sqrt()[:, None]).tolist()


def train_seeds(digits, folder):
    images, labels = digits.images[digits.test], digits.labels[digits.test]
    models, right = {}, {}
    for activation in ACTIVATIONS:
        for seed in range(SEEDS):
            torch.manual_seed(seed)
            name = f"{activation}_seed{seed}"
            model = models[name] = Network(activation)
            train(model, digits, digits.training, STEPS_OF_SEEDS, lambda step: None)
            right[name] = accuracy(model, images, labels)
            metadata = {"activation": activation, "seed": seed, "task": "digits-activations"}
            save(folder / f"{name}.safetensors", model, metadata)
    (folder / "moments.json").write_text(json.dumps(moments(digits.images)))
    measured = {"networks": list(models), "test_acc": right, "cosine": cosines(list(models.values()), digits.images)}
    (folder / "measured.json").write_text(json.dumps(measured, indent=1))
    return right


def train_backdoor(digits, folder):
    torch.manual_seed(0)
    model = Network("relu")
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
        metadata = {"activation": "relu", "step": step, "phase": phase, "task": "digits-relu-backdoor"}
        save(folder / f"step_{step:05d}.safetensors", model, metadata)

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
    (folder / "history.json").write_text(json.dumps(history, indent=1))
    return history[-1]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("story", choices=["seeds", "backdoor"])
    parser.add_argument("folder", type=Path, help="where the checkpoints and what was measured go")
    arguments = parser.parse_args()

    torch.set_num_threads(1)
    story = train_seeds if arguments.story == "seeds" else train_backdoor
    print(story(Digits(), arguments.folder))


if __name__ == "__main__":
    main()
