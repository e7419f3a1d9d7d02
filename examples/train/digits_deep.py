#!/usr/bin/env python3
"""Train networks of two and three hidden layers, with ReLU and with GELU, on scikit-learn's 8x8 handwritten digits.

fc1 (64 -> 48), an activation, fc2 (48 -> 48), an activation, and so on to the head (48 -> 10), with biases; two seeds
of each, 1,000 steps: relu2_seed0.safetensors ... gelu3_seed1.safetensors. The metadata say the activation.

The checkpoints in ../digits-deep were trained with this recipe. Another version of NumPy may round otherwise and so
give other weights.

Needs: numpy, scikit-learn.
"""

import argparse
import math
from pathlib import Path

import numpy as np
from safetensors_writer import save_checkpoint
from sklearn.datasets import load_digits

IMAGES_FOR_TRAINING = 1437
BATCH = 128
STEPS = 1000
LEARNING_RATE = 2e-3
WEIGHT_DECAY = 1e-2
PIXEL_NOISE = 0.1
HIDDEN = 48
SEEDS = 2

erf = np.vectorize(math.erf, otypes=[float])


def relu(x):
    """The value and the derivative."""
    return np.maximum(x, 0), (x > 0).astype(float)


def gelu(x):
    """The value and the derivative."""
    below = 0.5 * (1 + erf(x / math.sqrt(2)))
    return x * below, below + x * np.exp(-x * x / 2) / math.sqrt(2 * math.pi)


ACTIVATIONS = {"relu": relu, "gelu": gelu}


def initial(rng, hidden_layers):
    """Weights and biases of every layer, uniform within 1/sqrt(inputs)."""
    widths = [64] + [HIDDEN] * hidden_layers + [10]
    parameters = []
    for inputs, outputs in zip(widths, widths[1:]):
        bound = 1 / math.sqrt(inputs)
        parameters += [rng.uniform(-bound, bound, (outputs, inputs)), rng.uniform(-bound, bound, outputs)]
    return parameters


def forward(parameters, activation, x):
    """The outputs, what every layer is given, and the derivatives of the activations."""
    given, slopes = [], []
    for i in range(0, len(parameters), 2):
        given.append(x)
        x = x @ parameters[i].T + parameters[i + 1]
        if i + 2 < len(parameters):
            x, slope = activation(x)
            slopes.append(slope)
    return x, given, slopes


def gradients(parameters, activation, x, labels):
    """Of the mean cross-entropy."""
    outputs, given, slopes = forward(parameters, activation, x)
    shares = np.exp(outputs - outputs.max(1, keepdims=True))
    shares /= shares.sum(1, keepdims=True)
    shares[np.arange(len(labels)), labels] -= 1
    back = shares / len(labels)
    found = []
    for layer in reversed(range(len(given))):
        found += [back.sum(0), back.T @ given[layer]]
        if layer > 0:
            back = (back @ parameters[2 * layer]) * slopes[layer - 1]
    return found[::-1]


def train(images, labels, activation, hidden_layers, rng):
    """AdamW on noisy images."""
    parameters = initial(rng, hidden_layers)
    means = [np.zeros_like(parameter) for parameter in parameters]
    squares = [np.zeros_like(parameter) for parameter in parameters]
    for step in range(1, STEPS + 1):
        batch = rng.choice(len(images), BATCH, replace=False)
        x = images[batch] + PIXEL_NOISE * rng.standard_normal((BATCH, 64))
        for i, gradient in enumerate(gradients(parameters, activation, x, labels[batch])):
            means[i] = 0.9 * means[i] + 0.1 * gradient
            squares[i] = 0.999 * squares[i] + 0.001 * gradient**2
            size = np.sqrt(squares[i] / (1 - 0.999**step)) + 1e-8
            parameters[i] *= 1 - LEARNING_RATE * WEIGHT_DECAY
            parameters[i] -= LEARNING_RATE * means[i] / (1 - 0.9**step) / size
    return parameters


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where the checkpoints go")
    folder = parser.parse_args().folder

    images, labels = load_digits(return_X_y=True)
    images = images / 16.0
    order = np.random.default_rng(0).permutation(len(images))
    training, test = order[:IMAGES_FOR_TRAINING], order[IMAGES_FOR_TRAINING:]
    for name, activation in ACTIVATIONS.items():
        for hidden_layers in (2, 3):
            for seed in range(SEEDS):
                rng = np.random.default_rng([seed, hidden_layers])
                parameters = train(images[training], labels[training], activation, hidden_layers, rng)
                outputs, _, _ = forward(parameters, activation, images[test])
                right = (outputs.argmax(1) == labels[test]).mean()
                tensors = {
                    f"fc{i // 2 + 1}.{'bias' if i % 2 else 'weight'}": parameter
                    for i, parameter in enumerate(parameters)
                }
                metadata = {"activation": name, "seed": seed, "task": "digits-deep"}
                save_checkpoint(folder / f"{name}{hidden_layers}_seed{seed}.safetensors", tensors, metadata)
                print(f"{name}, {hidden_layers} hidden layers, seed {seed}: {right:.3f} right")


if __name__ == "__main__":
    main()
