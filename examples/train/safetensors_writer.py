"""Write named tensors as a safetensors file, in float32."""

import json
import struct
from pathlib import Path


def save_checkpoint(path: Path, tensors: dict, metadata: dict) -> None:
    """Write `tensors` (name -> torch tensor or NumPy array) in the given order; metadata values are stored as text.

    Layout: the header's length (8 bytes, little-endian), the header (JSON, padded with spaces to a multiple of
    8 bytes), then the values of the tensors one after the other.
    """
    header = {"__metadata__": {key: str(value) for key, value in metadata.items()}}
    blobs = []
    offset = 0
    for name, tensor in tensors.items():
        values = tensor.detach().numpy() if hasattr(tensor, "detach") else tensor
        blob = values.astype("<f4").tobytes()
        header[name] = {"dtype": "F32", "shape": list(values.shape), "data_offsets": [offset, offset + len(blob)]}
        blobs.append(blob)
        offset += len(blob)

    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(blobs))
