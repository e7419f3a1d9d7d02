"""numpy on the exact product of two networks of one block of activations, and on Monte Carlo: a peer of bench/python.ts.

Requests: `models` with the weights of two models behind it; `formulas` and `sampling`, which answer with the processor time
of a call, repeated for at least `seconds` of it, and with what was found: the product of the two, or their cosine.
"""

import json
import sys
import time

import numpy as np
from scipy.special import expit, ndtr

TERMS = 48
# 95 % within 0.005
TOLERANCE, QUANTILE = 0.005, 1.96

PHI = {
    "relu": lambda x: np.maximum(x, 0),
    "gelu": lambda x: x * ndtr(x),
    "silu": lambda x: x * expit(x),
}


def nodes(terms):
    """Nodes of a trapezoidal rule, and the orthonormal Hermite polynomials at them with its weights."""
    step = 2 * np.pi / (np.sqrt(terms) + 9 + 33)
    z = np.arange(-round(12.5 / step), round(12.5 / step) + 1) * step
    rows = np.empty((terms + 1, len(z)))
    rows[0] = np.exp(-z * z / 4)
    rows[1] = z * rows[0]
    for n in range(1, terms):
        rows[n + 1] = (z * rows[n] - np.sqrt(n) * rows[n - 1]) / np.sqrt(n + 1)
    return z, rows * np.exp(-z * z / 4) * step / np.sqrt(2 * np.pi)


def coefficients(activation, m, s, terms):
    if activation != "relu":
        z, rows = nodes(terms)
        return PHI[activation](m[:, None] + s[:, None] * z) @ rows.T
    a = m / s
    density = np.exp(-a * a / 2) / np.sqrt(2 * np.pi)
    found = np.empty((len(m), terms + 1))
    found[:, 0] = m * ndtr(a) + s * density
    found[:, 1] = s * ndtr(a)
    before, h = np.zeros_like(a), np.ones_like(a)
    for n in range(2, terms + 1):
        # h is h_(n-2)
        found[:, n] = s * density * (-1) ** n * h / np.sqrt(n * (n - 1))
        before, h = h, (a * h - np.sqrt(n - 2) * before) / np.sqrt(n - 1)
    return found


def prepared(model, task):
    """What is made once per model."""
    s = np.linalg.norm(model["weight"], axis=1)
    made = {"W": model["weight"] / s[:, None], "D": model["down"]}
    q = coefficients(task["activation"], model["bias"], s, TERMS + 2)
    if task["type"] == "hidden":
        made["p"] = q[:, : TERMS + 1]
        return made
    n = np.arange(TERMS + 2)
    beta = np.sum(made["W"] * model["up"], axis=1)[:, None]
    made["U"] = model["up"] - beta * made["W"]
    p = beta * np.sqrt(n + 1) * q[:, 1:]
    p[:, 1:] += beta * np.sqrt(n[1:]) * q[:, : TERMS + 1]
    made["p"], made["q"] = p[:, : TERMS + 1], q[:, : TERMS + 1]
    made["dp"], made["dq"] = np.sqrt(n[1:]) * p[:, 1:], np.sqrt(n[1:]) * q[:, 1 : TERMS + 2]
    return made


def series(a, b, rho):
    total = np.outer(a[:, TERMS], b[:, TERMS])
    for n in range(TERMS - 1, -1, -1):
        total *= rho
        total += np.outer(a[:, n], b[:, n])
    return total


def product(f, g):
    rho = np.clip(f["W"] @ g["W"].T, -1, 1)
    kernel = series(f["p"], g["p"], rho)
    if "U" in f:
        kappa, other = f["U"] @ g["W"].T, f["W"] @ g["U"].T
        kernel += kappa * series(f["q"], g["dp"], rho) + other * series(f["dp"], g["q"], rho)
        kernel += f["U"] @ g["U"].T * series(f["q"], g["q"], rho) + kappa * other * series(f["dq"], g["dq"], rho)
    return np.sum((f["D"].T @ g["D"]) * kernel)


def outputs(model, task, x):
    hidden = PHI[task["activation"]](x @ model["weight"].T + model["bias"])
    if task["type"] == "gated":
        hidden *= x @ model["up"].T
    return hidden @ model["down"].T


def sampled(models, task, random, count):
    """The cosine of `count` inputs, and how far one input is off it."""
    sums, squares, done = np.zeros(3), 0.0, 0
    while done < count:
        x = random.standard_normal((min(1024, count - done), task["d"]))
        f, g = (outputs(model, task, x) for model in models)
        parts = np.array([np.sum(f * g, 1), np.sum(f * f, 1), np.sum(g * g, 1)])
        sums += parts.sum(1)
        done += len(x)
        cosine = sums[0] / np.sqrt(sums[1] * sums[2])
        scale = np.sqrt(sums[1] * sums[2]) / done
        off = parts[0] / scale - cosine / 2 * (parts[1] / (sums[1] / done) + parts[2] / (sums[2] / done))
        squares += np.sum(off * off)
    return cosine, np.sqrt(squares / done)


def main():
    print(json.dumps({"numpy": np.__version__}), flush=True)
    read, models, task, made, random = sys.stdin.buffer, [], {}, [], np.random.default_rng(1)
    inputs = 0
    while line := read.readline():
        request = json.loads(line)
        try:
            if request["task"] == "models":
                task = request
                shapes = {"weight": (task["h"], task["d"]), "up": (task["h"], task["d"]), "down": (task["o"], task["h"])}
                models = [
                    {
                        name: np.frombuffer(read.read(8 * size)).reshape(shapes.get(name, (-1,)))
                        for name, size in zip(task["names"], task["sizes"])
                    }
                    for _ in range(2)
                ]
                made = [prepared(model, task) for model in models]
                deviation = sampled(models, task, random, 1024)[1]
                inputs = int(np.ceil((QUANTILE * deviation / TOLERANCE) ** 2))
                answer = {}
            else:
                exact = request["task"] == "formulas"
                calls, start = 0, time.process_time()
                while True:
                    found = product(*made) if exact else sampled(models, task, random, inputs)[0]
                    calls += 1
                    seconds = time.process_time() - start
                    if seconds >= request["seconds"]:
                        break
                answer = {"seconds": seconds / calls, "found": float(found)}
        except Exception as error:  # told to whoever asked
            answer = {"error": repr(error)}
        print(json.dumps(answer), flush=True)


main()
