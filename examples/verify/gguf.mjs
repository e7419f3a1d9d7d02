// As much of GGUF, the files of llama.cpp, as the stories of make.mjs need.

export const GGUF_F32 = 0;
export const GGUF_Q4_0 = 2;
const ALIGNMENT = 32;

export const float32 = (data) => Buffer.from(data.buffer, data.byteOffset, data.byteLength);

/** A file: settings are texts, whole numbers, or `{ float }`; tensors have their shape as it is written in code, rows first. */
export function ggufFile(settings, tensors) {
  const head = [Buffer.from('GGUF'), u32(3), u64(tensors.length), u64(Object.keys(settings).length)];
  for (const [key, value] of Object.entries(settings)) {
    head.push(text(key));
    if (typeof value === 'string') head.push(u32(8), text(value));
    else if (typeof value === 'number') head.push(u32(4), u32(value));
    else head.push(u32(6), float32(Float32Array.of(value.float)));
  }
  let at = 0;
  const data = [];
  for (const { name, shape, type, bytes } of tensors) {
    head.push(text(name), u32(shape.length), ...shape.toReversed().map(u64), u32(type), u64(at));
    const filled = padded(bytes);
    data.push(filled);
    at += filled.length;
  }
  return Buffer.concat([padded(Buffer.concat(head)), ...data]);
}

/** 32 numbers in 18 bytes: a scale in half precision, and a level from −8 to 7 each, rounded to the nearest. */
export function toQ4(data) {
  const bytes = Buffer.alloc((data.length / 32) * 18);
  for (let block = 0; block < data.length / 32; block++) {
    const values = data.subarray(32 * block, 32 * (block + 1));
    const largest = values.reduce((most, value) => (Math.abs(value) > Math.abs(most) ? value : most), 0);
    const scale = half(largest / -8);
    bytes.writeUInt16LE(scale.bits, 18 * block);
    const level = (value) => (scale.value === 0 ? 8 : Math.min(15, Math.max(0, Math.round(value / scale.value) + 8)));
    for (let i = 0; i < 16; i++) bytes[18 * block + 2 + i] = level(values[i]) | (level(values[i + 16]) << 4);
  }
  return bytes;
}

/** The nearest number of half precision; those too small for it become zero. */
function half(value) {
  const exponent = Math.floor(Math.log2(Math.abs(value)));
  if (value === 0 || exponent < -14) return { value: 0, bits: 0 };
  const steps = Math.round((Math.abs(value) / 2 ** exponent) * 1024);
  const bits = (value < 0 ? 0x8000 : 0) + ((exponent + 15) << 10) + (steps - 1024);
  return { value: Math.sign(value) * steps * 2 ** (exponent - 10), bits };
}

function u32(value) {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function u64(value) {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}

const text = (value) => Buffer.concat([u64(Buffer.byteLength(value)), Buffer.from(value)]);

const padded = (bytes) => Buffer.concat([bytes, Buffer.alloc((ALIGNMENT - (bytes.length % ALIGNMENT)) % ALIGNMENT)]);
