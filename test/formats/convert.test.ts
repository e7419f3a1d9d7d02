import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { openCheckpoint } from '../../lib/formats/checkpoint.js';
import { convert } from '../../lib/formats/convert.js';
import { tensim } from '../cli/run.js';
import { fileIn, rejection, temporaryFolder } from './safetensors/helpers.js';

const folder = temporaryFolder();
const pytorch = (name: string) => `test/formats/pytorch/fixtures/${name}`;

/** Names, types, shapes and elements of everything in a file. */
async function contents(path: string) {
  const checkpoint = await openCheckpoint(path);
  try {
    const tensors = [];
    for (const { name, dtype, shape } of checkpoint.tensors.values())
      tensors.push({ name, dtype, shape: [...shape], bytes: [...(await checkpoint.readBytes(name))] });
    return tensors;
  } finally {
    await checkpoint.close();
  }
}

describe('convert', () => {
  test.each(['strides.pt', 'shared.pt', 'training.pt', 'bigendian.pt'])(
    '%s keeps every bit, to and fro',
    async (file) => {
      const original = await contents(pytorch(file));
      const [safetensors, npz, again] = ['1.safetensors', '2.npz', '3.safetensors'].map((name) => join(folder, name));
      await convert(pytorch(file), safetensors);
      await convert(safetensors, npz);
      await convert(npz, again);
      for (const path of [safetensors, npz, again]) expect(await contents(path)).toEqual(original);
    },
  );

  test('the numbers beside a state dict become metadata of safetensors', async () => {
    const output = join(folder, 'metadata.safetensors');
    expect(await convert(pytorch('training.pt'), output)).toEqual({ tensors: 2, metadataLost: 0 });
    const checkpoint = await openCheckpoint(output);
    await checkpoint.close();
    expect(checkpoint.metadata).toMatchObject({ step: '700', lr: '0.001' });
  });

  test('bfloat16 becomes float32 in NumPy formats, exactly, and stays in safetensors', async () => {
    const chosen = { tensors: ['bfloat16'] };
    const [safetensors, npz] = [join(folder, 'b.safetensors'), join(folder, 'b.npz')];
    await convert(pytorch('dtypes.pt'), safetensors, chosen);
    await convert(pytorch('dtypes.pt'), npz, chosen);
    const [kept, widened] = [await openCheckpoint(safetensors), await openCheckpoint(npz)];
    expect([kept, widened].map(({ tensors }) => tensors.get('bfloat16')?.dtype)).toEqual(['BF16', 'F32']);
    expect(await widened.read('bfloat16')).toEqual(await kept.read('bfloat16'));
    await Promise.all([kept.close(), widened.close()]);
  });

  test('an .npy file is one tensor', async () => {
    const output = join(folder, 'one.npy');
    await convert(pytorch('strides.pt'), output, { tensors: ['transposed'] });
    const [{ shape, bytes }] = await contents(output);
    const original = (await contents(pytorch('strides.pt'))).find(({ name }) => name === 'transposed');
    expect({ shape, bytes }).toEqual({ shape: original?.shape, bytes: original?.bytes });
    expect(await rejection(convert(pytorch('strides.pt'), output))).toMatchObject({
      code: 'INVALID_ARGUMENT',
      file: output,
    });
  });

  test('the same input gives the same bytes', async () => {
    const [first, second] = [join(folder, 'same1.npz'), join(folder, 'same2.npz')];
    await convert(pytorch('strides.pt'), first);
    await convert(pytorch('strides.pt'), second);
    expect(readFileSync(first).equals(readFileSync(second))).toBe(true);
  });

  test('what cannot be is refused, and leaves nothing behind', async () => {
    const before = readdirSync(folder);
    const refused = async (input: string, output: string, code: string, options = {}) =>
      expect(await rejection(convert(input, join(folder, output), options))).toMatchObject({ code });
    await refused(pytorch('model.bin'), 'x.pt', 'INVALID_ARGUMENT');
    await refused(pytorch('model.bin'), 'x.safetensors.index.json', 'INVALID_ARGUMENT');
    await refused(pytorch('model.bin'), 'x', 'INVALID_ARGUMENT');
    await refused(pytorch('model.bin'), join('gone', 'x.npz'), 'INVALID_ARGUMENT');
    await refused(pytorch('model.bin'), 'x.npz', 'INVALID_ARGUMENT', { tensors: ['gone'] });
    await refused(pytorch('dtypes.pt'), 'x.safetensors', 'UNSUPPORTED_DTYPE', { tensors: ['complex128'] });
    await refused('test/formats/numpy/fixtures/others.npz', 'x.npz', 'UNSUPPORTED_DTYPE');
    await refused(
      fileIn(folder, 'cut.pt', readFileSync(pytorch('model.bin')).subarray(0, 900)),
      'x.npz',
      'INVALID_FILE',
    );
    const reason = new Error('enough');
    await expect(
      convert(pytorch('model.bin'), join(folder, 'x.npz'), { signal: AbortSignal.abort(reason) }),
    ).rejects.toBe(reason);
    expect(readdirSync(folder).filter((name) => name !== 'cut.pt')).toEqual(before);
  });
});

describe('tensim convert', () => {
  test('writes, and says what', async () => {
    const output = join(folder, 'cli.npz');
    const { code, stdout, stderr } = await tensim(['convert', pytorch('training.pt'), output]);
    expect({ code, stdout }).toEqual({ code: 0, stdout: '' });
    expect(stderr).toBe(
      `note: the metadata of ${pytorch('training.pt')} is left out: this format has no place for it\nwrote ${output}: 2 tensors\n`,
    );
    expect(await contents(output)).toEqual(await contents(pytorch('training.pt')));
  });

  test('chooses tensors', async () => {
    const output = join(folder, 'cli.npy');
    const { code, stderr } = await tensim(['convert', pytorch('training.pt'), output, '--tensor', 'projection.weight']);
    expect(code).toBe(0);
    expect(stderr).toContain('1 tensor\n');
  });

  test('refuses an ending before it reads anything', async () => {
    const { code, stderr } = await tensim(['convert', 'gone.pt', join(folder, 'x.h5')]);
    expect(code).toBe(2);
    expect(stderr).toContain('Endings are .safetensors, .npz and, for one tensor, .npy');
  });

  test('results of contractions can be NumPy files, but for those with an exponent', async () => {
    const output = join(folder, 'product.npy');
    const operand = `${pytorch('strides.pt')}:matrix.T`;
    expect((await tensim(['contract', 'ij,kj->ik', operand, operand, '--out', output])).code).toBe(0);
    expect((await contents(output))[0].shape).toEqual([4, 4]);
    const stripped = await tensim(['contract', 'ij,kj->ik', operand, operand, '--out', output, '--strip-exponent']);
    expect(stripped).toMatchObject({ code: 2 });
    expect(stripped.stderr).toContain('exponent');
  });
});
