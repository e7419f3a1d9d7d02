"""numpy's and torch's part of the matrix benchmark: a request per line of JSON on standard input, an answer per line on standard output.

    {"do": "load", "count", "d", "h", "o", "dtype"}  then the raw bytes of L (count, h, d), R (count, h, d) and D (count, o, h)
        -> {"methods": [name]}
    {"do": "check", "method"}                        -> {"gram"}: of the first models, row by row
    {"do": "time", "method", "seconds"}              -> {"seconds", "pairs"}: taken by so many pairs, at least for so long or for all

Before the first request it says what there is: {"numpy", "torch", "python"}; the number of threads is its argument. Inner products
are those of the measure `gaussian` for one bilinear block under N(0, I).
"""

import json
import platform
import sys
import time

import numpy

try:
    import torch
except ImportError:
    torch = None

CHECKED = 4


def main():
    if torch is not None:
        torch.set_num_threads(int(sys.argv[1]))
    answer(
        {
            "numpy": numpy.__version__,
            "torch": torch and torch.__version__,
            "python": platform.python_version(),
        }
    )
    methods = {}
    while line := sys.stdin.buffer.readline():
        request = json.loads(line)
        try:
            if request["do"] == "load":
                methods.clear()
                methods.update(methods_for(*receive_models(request)))
                answer({"methods": list(methods)})
            elif request["do"] == "check":
                answer({"gram": methods[request["method"]].gram(CHECKED)})
            else:
                answer(methods[request["method"]].time(request["seconds"]))
        except Exception as error:
            answer({"error": f"{type(error).__name__}: {error}"})


def methods_for(left, right, down):
    found = {"numpy loop": Loop(left, right, down), "numpy stacked": Stacked(left, right, down)}
    if torch is not None:
        found["torch loop"] = Loop(*(torch.from_numpy(array) for array in (left, right, down)))
    return found


class Loop:
    """The published way: every similarity by itself, four h×h products for each of its three inner products."""

    def __init__(self, left, right, down):
        self.models = [(left[i], right[i], down[i]) for i in range(len(left))]

    def inner(self, a, b):
        (l1, r1, d1), (l2, r2, d2) = a, b
        core = (l1 @ l2.T) * (r1 @ r2.T) + (l1 @ r2.T) * (r1 @ l2.T)
        trace1, trace2 = d1 @ (l1 * r1).sum(1), d2 @ (l2 * r2).sum(1)
        return ((d1.T @ d2) * core).sum() + trace1 @ trace2

    def similarity(self, a, b):
        ab, aa, bb = self.inner(a, b), self.inner(a, a), self.inner(b, b)
        return ab / (aa**0.5 * bb**0.5)

    def gram(self, count):
        return [[float(self.inner(a, b)) for b in self.models[:count]] for a in self.models[:count]]

    def time(self, seconds):
        pairs = 0
        start = time.perf_counter()
        for i, a in enumerate(self.models):
            for b in self.models[i + 1 :]:
                self.similarity(a, b)
                pairs += 1
                elapsed = time.perf_counter() - start
                if elapsed >= seconds:
                    return {"seconds": elapsed, "pairs": pairs}
        return {"seconds": time.perf_counter() - start, "pairs": pairs}


class Stacked:
    """One model against all later ones stacked: four large products per row of the matrix."""

    def __init__(self, left, right, down):
        self.count, self.hidden, _ = left.shape
        self.left, self.right, self.down = left, right, down
        self.all_left = left.reshape(-1, left.shape[2])
        self.all_right = right.reshape(-1, right.shape[2])
        self.all_down = down.transpose(1, 0, 2).reshape(down.shape[1], -1)
        self.means = (self.all_down * (self.all_left * self.all_right).sum(1)).reshape(down.shape[1], self.count, -1).sum(2)

    def row(self, i):
        """Inner products of model i with models i, i + 1, …"""
        first = i * self.hidden
        left, right = self.all_left[first:].T, self.all_right[first:].T
        core = (self.left[i] @ left) * (self.right[i] @ right) + (self.left[i] @ right) * (self.right[i] @ left)
        weighted = (self.down[i] @ core) * self.all_down[:, first:]
        quadratic = weighted.sum(0).reshape(self.count - i, self.hidden).sum(1)
        return quadratic + self.means[:, i] @ self.means[:, i:]

    def gram(self, count):
        rows = [self.row(i) for i in range(min(count, self.count))]
        return [[float(rows[min(i, j)][abs(i - j)]) for j in range(len(rows))] for i in range(len(rows))]

    def time(self, seconds):
        pairs = 0
        start = time.perf_counter()
        # From the middle outwards, so that the rows that are reached are of the mean length.
        for i in sorted(range(self.count), key=lambda row: abs(2 * row - self.count)):
            self.row(i)
            pairs += self.count - i
            elapsed = time.perf_counter() - start
            if elapsed >= seconds:
                break
        return {"seconds": time.perf_counter() - start, "pairs": pairs}


def receive_models(request):
    count, d, h, o = (request[name] for name in ("count", "d", "h", "o"))
    return tuple(receive(shape, request["dtype"]) for shape in ((count, h, d), (count, h, d), (count, o, h)))


def receive(shape, dtype):
    array = numpy.empty(shape, dtype)
    sys.stdin.buffer.readinto(memoryview(array.reshape(-1)).cast("B"))
    return array


def answer(value):
    print(json.dumps(value), flush=True)


if __name__ == "__main__":
    main()
