"""numpy's part of the contraction benchmark: a request per line of JSON on standard input, an answer per line on standard output.

    {"do": "load", "equation", "shapes", "dtype"}   then the raw bytes of the operands and of the expected result
        -> {"methods": [{"name", "reason"}]}        reason: why it is out of reach, or null
    {"do": "check", "method"}                       -> {"difference"}: from the expected result, relative to its largest magnitude
    {"do": "time", "method", "seconds"}             -> {"seconds"}: a call takes, over at least so many seconds

Before the first request it says which numpy this is: {"numpy", "python", "blas"}. A request that fails is answered by {"error"}.
"""

import ctypes
import json
import platform
import re
import sys
import time

import numpy

MOST_OPERANDS_OPTIMAL = 8
# Without BLAS, which few steps of a bad path get, this is some ten seconds.
MOST_OPERATIONS = 1e10
NO_LIMIT = 10**18


def main():
    answer({"numpy": numpy.__version__, "python": platform.python_version(), "blas": blas()})
    methods = {}
    expected = None
    while line := sys.stdin.buffer.readline():
        request = json.loads(line)
        try:
            if request["do"] == "load":
                methods.clear()
                operands = [receive(shape, request["dtype"]) for shape in request["shapes"]]
                expected = receive(request["result"], request["dtype"])
                methods.update(methods_for(request["equation"], operands))
                answer({"methods": [{"name": name, "reason": reason} for name, (_, reason) in methods.items()]})
            elif request["do"] == "check":
                answer({"difference": relative_difference(methods[request["method"]][0](), expected)})
            else:
                answer({"seconds": seconds_per_call(methods[request["method"]][0], request["seconds"])})
        except Exception as error:
            answer({"error": f"{type(error).__name__}: {error}"})


def methods_for(equation, operands):
    """What numpy offers for the equation: name -> (call, why it is out of reach)."""
    found = {
        "einsum": (
            lambda: numpy.einsum(equation, *operands, optimize=True),
            too_much(numpy.einsum_path(equation, *operands, optimize=True)),
        )
    }
    if found["einsum"][1] is None and not found["einsum"][0]().flags.c_contiguous:
        # What einsum gives is a transposed view: the values are not where the equation asks for them. This puts them there.
        found["einsum ordered"] = (
            lambda: numpy.ascontiguousarray(numpy.einsum(equation, *operands, optimize=True)),
            None,
        )
    if len(operands) > 2:
        # optimize=True searches anew in every call, and lets no intermediate grow beyond the largest operand.
        search = "optimal" if len(operands) <= MOST_OPERANDS_OPTIMAL else "greedy"
        found_path = numpy.einsum_path(equation, *operands, optimize=(search, NO_LIMIT))
        path = found_path[0]
        found["einsum path"] = (lambda: numpy.einsum(equation, *operands, optimize=path), too_much(found_path))
    views = matmul_views(equation, operands)
    if views is not None:
        found["matmul"] = (lambda: numpy.matmul(*views), None)
    return found


def too_much(found_path):
    operations = float(re.search(r"Optimized FLOP count:\s*(\S+)", found_path[1]).group(1))
    return None if operations <= MOST_OPERATIONS else f"the path takes {operations:.0e} operations"


def matmul_views(equation, operands):
    """Both operands as (stacks of) matrices, copying nothing, or None where matmul does not give the output as it is asked for."""
    inputs, output = equation.split("->")
    terms = inputs.split(",")
    if len(terms) != 2 or any(len(set(term)) != len(term) for term in terms):
        return None
    a, b = terms
    batch = "".join(label for label in output if label in a and label in b)
    left = "".join(label for label in output if label in a and label not in b)
    right = "".join(label for label in output if label in b and label not in a)
    summed = "".join(label for label in a if label in b and label not in output)
    matrices = len(left) == len(right) == len(summed) == 1
    vector = len(left) == len(summed) == 1 and right == batch == ""
    if not (matrices or vector) or output != batch + left + right or set(a + b) != set(output + summed):
        return None

    def view(operand, term, order):
        return operand.transpose([term.index(label) for label in order])

    return view(operands[0], a, batch + left + summed), view(operands[1], b, batch + summed + right)


def relative_difference(result, expected):
    if numpy.shape(result) != expected.shape or not numpy.isfinite(result).all():
        raise ValueError(f"a result of shape {numpy.shape(result)}, or not finite, where {expected.shape} is expected")
    return float(numpy.abs(result - expected).max()) / (float(numpy.abs(expected).max()) or 1.0)


def seconds_per_call(call, seconds):
    calls = 0
    start = time.perf_counter()
    while True:
        call()
        calls += 1
        elapsed = time.perf_counter() - start
        if elapsed >= seconds:
            return elapsed / calls


def receive(shape, dtype):
    array = numpy.empty(shape, dtype)
    sys.stdin.buffer.readinto(memoryview(array.reshape(-1)).cast("B"))
    return array


def answer(value):
    print(json.dumps(value), flush=True)


def blas():
    """The library that does the products, as exactly as can be told: OpenBLAS chooses kernels by the processor when it loads."""
    try:
        with open("/proc/self/maps") as maps:
            libraries = sorted({line.split()[-1] for line in maps if re.search(r"(blas|mkl|blis)[^/]*\.so", line)})
    except OSError:
        return "unknown"
    for library in libraries:
        if "openblas" in library.rsplit("/", 1)[-1]:
            return f"OpenBLAS, kernels for {openblas_core(ctypes.CDLL(library))}"
    names = ", ".join(library.rsplit("/", 1)[-1] for library in libraries)
    return f"{names or 'none found'} (not OpenBLAS: if it is the reference BLAS, numpy is slower than it could be)"


def openblas_core(library):
    for prefix in ("scipy_openblas", "openblas"):
        for suffix in ("64_", "_64", ""):
            function = getattr(library, f"{prefix}_get_corename{suffix}", None)
            if function is not None:
                function.restype = ctypes.c_char_p
                return function().decode()
    return "an unknown core"


if __name__ == "__main__":
    main()
