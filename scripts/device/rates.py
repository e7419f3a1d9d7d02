"""What cuBLAS multiplies at on the first device, by torch, and what copies move: the rates that those of the library are compared with."""

import torch

ROUNDS = 5


def best(work):
    work()
    torch.cuda.synchronize()
    least = float("inf")
    for _ in range(ROUNDS):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        work()
        end.record()
        torch.cuda.synchronize()
        least = min(least, start.elapsed_time(end) / 1e3)
    return least


def product(dtype, n, name):
    a, b = (torch.randn(n, n, dtype=dtype, device="cuda") for _ in range(2))
    out = torch.empty_like(a)
    seconds = best(lambda: torch.mm(a, b, out=out))
    print(f"cuBLAS, {name}, {n}: {2 * n**3 / seconds / 1e12:.1f} TFLOP/s", flush=True)


print(f"{torch.cuda.get_device_name(0)}, torch {torch.__version__}, CUDA {torch.version.cuda}")
torch.backends.cuda.matmul.allow_tf32 = False
for n in (4096, 8192):
    product(torch.float64, n, "float64")
    product(torch.float32, n, "float32")
torch.backends.cuda.matmul.allow_tf32 = True
product(torch.float32, 8192, "TF32")

source, target = (torch.empty(1 << 30, dtype=torch.uint8, device="cuda") for _ in range(2))
print(f"copies on the device: {2 * (1 << 30) / best(lambda: target.copy_(source)) / 1e12:.2f} TB/s, read and written")
pinned = torch.empty(1 << 28, dtype=torch.uint8).pin_memory()
part = target[: 1 << 28]
print(f"from pinned memory: {(1 << 28) / best(lambda: part.copy_(pinned, non_blocking=True)) / 1e9:.1f} GB/s")
