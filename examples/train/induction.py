#!/usr/bin/env python3
"""Train a two-layer network of quadratic attention to continue repeated sequences, and save checkpoints on the way.

A sequence is four random tokens, then the same four again; the network learns to predict the tokens of the second
half. That takes both layers: one attends to the previous token, the other to what came after the last occurrence of
the current one (an induction head). It has neither a softmax nor a normalisation: x <- x + s attention(x), with rotary
positions on queries and keys.

Tensors: embed.weight (10, 20), its rows the tokens; layers.{0,1}.{q1,k1,q2,k2,v,o}.weight (20, 20);
layers.{0,1}.{q1,k1,q2,k2}.bias (20); unembed.weight (10, 20). Metadata: n_head, n_ctx, attn_scale, rotary_base, mask.

The checkpoints in ../induction are the 24 of a run with seed 0. Another processor or version of PyTorch rounds
otherwise, and training amplifies it: a run may start from the same weights and end with others, and the jolt before
step 2,223 is not in every run.

Needs: torch.
"""

import argparse
import json
from pathlib import Path

import torch
from safetensors_writer import save_checkpoint
from torch import nn
from torch.nn.functional import cross_entropy

TOKENS = 10
WIDTH = 20
HEADS = 2
HEAD_WIDTH = WIDTH // HEADS
POSITIONS = 8
HALF = POSITIONS // 2
SCALE = 0.35
ROTARY_BASE = 10000.0

BATCH = 256
SEQUENCES_FOR_TEST = 2000
LEARNING_RATE = 4e-3
WEIGHT_DECAY = 0.02
LARGEST_GRADIENT = 1.0
CHECKPOINTS = 24


def rotary_angles():
    """Angle j of position s is s * base^(-2j / HEAD_WIDTH), for each half of a head alike."""
    frequencies = ROTARY_BASE ** (-torch.arange(0, HEAD_WIDTH, 2).float() / HEAD_WIDTH)
    angles = torch.arange(POSITIONS).float()[:, None] * frequencies
    return torch.cat([angles, angles], -1)[None, :, None]


class Attention(nn.Module):
    """x -> x + s O(z), z_s = sum over t <= s of (q1_s . k1_t)(q2_s . k2_t) v_t / HEAD_WIDTH^2, head by head."""

    def __init__(self):
        super().__init__()
        for name in ("q1", "k1", "q2", "k2"):
            setattr(self, name, nn.Linear(WIDTH, WIDTH))
        self.v = nn.Linear(WIDTH, WIDTH, bias=False)
        self.o = nn.Linear(WIDTH, WIDTH, bias=False)
        angles = rotary_angles()
        self.cos, self.sin = angles.cos(), angles.sin()
        self.mask = torch.tril(torch.ones(POSITIONS, POSITIONS))

    def rotate(self, x):
        first, second = x.chunk(2, -1)
        return x * self.cos + torch.cat([-second, first], -1) * self.sin

    def forward(self, x):
        def heads(projection):
            return projection(x).view(*x.shape[:-1], HEADS, HEAD_WIDTH)

        q1, k1, q2, k2 = (self.rotate(heads(p)) for p in (self.q1, self.k1, self.q2, self.k2))
        scores = torch.einsum("bshd,bthd->bhst", q1, k1) * torch.einsum("bshd,bthd->bhst", q2, k2)
        pattern = scores * self.mask / HEAD_WIDTH**2
        z = torch.einsum("bhst,bthd->bshd", pattern, heads(self.v))
        return x + SCALE * self.o(z.reshape(x.shape))


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(TOKENS, WIDTH)
        self.layers = nn.ModuleList([Attention(), Attention()])
        self.unembed = nn.Linear(WIDTH, TOKENS, bias=False)

    def forward(self, tokens):
        x = self.embed(tokens)
        for layer in self.layers:
            x = layer(x)
        return self.unembed(x)


def repeated_sequences(count):
    half = torch.randint(0, TOKENS, (count, HALF))
    return torch.cat([half, half], 1)


def second_half(network, sequences):
    """The logits that predict the second half but its first token, which is the only one left to chance; and its tokens."""
    return network(sequences)[:, HALF:-1], sequences[:, HALF + 1 :]


def loss_of(logits, tokens):
    return cross_entropy(logits.reshape(-1, TOKENS), tokens.reshape(-1))


def evaluate(network, step):
    with torch.no_grad():
        logits, tokens = second_half(network, repeated_sequences(SEQUENCES_FOR_TEST))
        accuracy = (logits.argmax(-1) == tokens).float().mean().item()
        return {"step": step, "loss": loss_of(logits, tokens).item(), "acc": accuracy}


def checkpoint_steps(steps):
    """CHECKPOINTS steps from 0 to `steps`, denser at the start: the square of an even grid."""
    return sorted({int(steps * (i / (CHECKPOINTS - 1)) ** 2) for i in range(CHECKPOINTS)})


def train(folder, seed, steps):
    network = Network()
    optimiser = torch.optim.AdamW(network.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, LEARNING_RATE, total_steps=steps)
    wanted = set(checkpoint_steps(steps))
    history = []

    def checkpoint(step):
        history.append(evaluate(network, step))
        metadata = {
            "step": step,
            "seed": seed,
            "n_head": HEADS,
            "n_ctx": POSITIONS,
            "attn_scale": SCALE,
            "rotary_base": ROTARY_BASE,
            "mask": "causal",
            "task": "repeat",
        }
        save_checkpoint(folder / f"step_{step:05d}.safetensors", dict(network.named_parameters()), metadata)

    checkpoint(0)
    for step in range(1, steps + 1):
        loss = loss_of(*second_half(network, repeated_sequences(BATCH)))
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), LARGEST_GRADIENT)
        optimiser.step()
        schedule.step()
        if step in wanted:
            checkpoint(step)
    return history


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where the checkpoints and history.json go")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=6000)
    arguments = parser.parse_args()

    torch.set_num_threads(1)
    torch.manual_seed(arguments.seed)
    history = train(arguments.folder, arguments.seed, arguments.steps)
    (arguments.folder / "history.json").write_text(json.dumps(history, indent=1))
    print(history[-1])


if __name__ == "__main__":
    main()
