import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { openCheckpoint } from '../../../lib/formats/checkpoint.js';
import { encodeSafetensors } from '../../../lib/formats/safetensors/write.js';
import { INDEX_LIMITS } from '../../../lib/formats/shards.js';
import { tensor } from '../../../lib/tensor/tensor.js';
import { fileIn, readAll, rejection, temporaryFolder, withCheckpoint } from './helpers.js';

const folder = temporaryFolder();
const first = 'model-00001-of-00002.safetensors';
const second = 'model-00002-of-00002.safetensors';
fileIn(
  folder,
  first,
  encodeSafetensors({ b: tensor([1, 2], [2]), a: tensor([3], []) }, { format: 'pt', total_size: 'x' }),
);
fileIn(folder, second, encodeSafetensors({ c: tensor(Float32Array.of(4), [1, 1]) }, { format: 'pt', scale: '0.5' }));
const weightMap = { c: second, a: first, b: first };

let files = 0;
function index(json: unknown): string {
  const text = typeof json === 'string' || json instanceof Buffer ? json : JSON.stringify(json);
  return fileIn(folder, `${files++}.safetensors.index.json`, text);
}

describe('a sharded checkpoint', () => {
  it('is read as one, in the order of its shards and of the data in them', async () => {
    const path = index(
      `\n{ "metadata": {"total_size": 28.0, "ok": true, "none": null, "by": "me"},\n"weight_map": ${JSON.stringify(weightMap)} }\n`,
    );
    await withCheckpoint(path, async (checkpoint) => {
      expect(checkpoint.path).toBe(path);
      expect(checkpoint.files).toEqual([path, join(folder, first), join(folder, second)]);
      expect([...checkpoint.tensors.values()].map(({ name, file }) => [name, file])).toEqual([
        ['b', join(folder, first)],
        ['a', join(folder, first)],
        ['c', join(folder, second)],
      ]);
      expect({ ...checkpoint.metadata }).toEqual({
        format: 'pt',
        scale: '0.5',
        total_size: '28.0',
        ok: 'true',
        none: 'null',
        by: 'me',
      });
    });
    expect([...(await readAll(path)).values()]).toEqual([
      { data: Float64Array.of(1, 2), shape: [2] },
      { data: Float64Array.of(3), shape: [] },
      { data: Float32Array.of(4), shape: [1, 1] },
    ]);
  });

  it.each([
    ['metadata are null', { metadata: null, weight_map: weightMap }, {}],
    [
      'a value of the metadata is nested',
      { metadata: { a: { b: [1, null, 'x'] } }, weight_map: weightMap },
      { a: '{"b":[1,null,"x"]}' },
    ],
    [
      'there are fields of other programs',
      { format: 'pt', other: [{}, [], { a: [1.5e3, true] }], weight_map: weightMap },
      {},
    ],
  ])('is read where %s', async (_, json, metadata) => {
    await withCheckpoint(index(json), async (checkpoint) => {
      expect([...checkpoint.tensors.keys()]).toEqual(['b', 'a', 'c']);
      expect({ ...checkpoint.metadata }).toEqual({ format: 'pt', scale: '0.5', total_size: 'x', ...metadata });
    });
  });

  it('can be a variant', async () => {
    const path = fileIn(folder, 'model.safetensors.index.fp16.json', JSON.stringify({ weight_map: weightMap }));
    expect((await readAll(path)).size).toBe(3);
  });

  it('has the SHA-256 of its index and its shards in order of name', async () => {
    const path = index({ weight_map: weightMap });
    const hash = createHash('sha256');
    for (const file of [path, join(folder, first), join(folder, second)]) hash.update(readFileSync(file));
    expect(await withCheckpoint(path, (checkpoint) => checkpoint.sha256())).toBe(hash.digest('hex'));
  });

  it('may be empty', async () => {
    expect(await readAll(index({ weight_map: {} }))).toEqual(new Map());
  });

  it('is refused if a shard is missing, with what needs it', async () => {
    const path = index({ weight_map: { ...weightMap, d: 'model-00003.safetensors' } });
    const error = await rejection(openCheckpoint(path));
    expect(error).toMatchObject({ code: 'FILE_NOT_FOUND', file: join(folder, 'model-00003.safetensors') });
    expect(error.message).toContain(`the index ${path} needs it. Put all shards`);
  });

  it('is refused if a shard is damaged, by the name of the shard', async () => {
    const bad = fileIn(folder, 'bad.safetensors', readFileSync(join(folder, first)).subarray(0, -1));
    const error = await rejection(
      openCheckpoint(index({ weight_map: { a: 'bad.safetensors', b: 'bad.safetensors' } })),
    );
    expect(error).toMatchObject({ code: 'INVALID_FILE', file: bad });
    expect(error.message).toContain('cut short');
  });

  it('is refused if a shard is a folder', async () => {
    mkdirSync(join(folder, 'dir.safetensors'));
    const error = await rejection(openCheckpoint(index({ weight_map: { a: 'dir.safetensors' } })));
    expect(error.message).toContain('this is a directory');
  });

  it('is refused if index and shards disagree about a tensor', async () => {
    const cases: [object, string, string, string][] = [
      [{ ...weightMap, d: second }, second, 'd', 'lists a tensor that is not here'],
      [{ a: first, c: second }, first, 'b', 'does not list this tensor'],
      [{ ...weightMap, a: second }, first, 'a', `says that this tensor is in ${second}`],
    ];
    for (const [map, file, name, message] of cases) {
      const error = await rejection(openCheckpoint(index({ weight_map: map })));
      expect(error).toMatchObject({ code: 'INVALID_FILE', file: join(folder, file), tensor: name });
      expect(error.message).toContain(message);
    }
  });

  it('is refused if its shards contradict each other in metadata that the index does not decide', async () => {
    fileIn(folder, 'half.safetensors', encodeSafetensors({ x: tensor([1], [1]) }, { scale: '0.5' }));
    fileIn(folder, 'whole.safetensors', encodeSafetensors({ y: tensor([1], [1]) }, { scale: '1' }));
    const map = { x: 'half.safetensors', y: 'whole.safetensors' };
    const error = await rejection(openCheckpoint(index({ weight_map: map })));
    expect(error).toMatchObject({ code: 'INVALID_FILE', file: join(folder, 'whole.safetensors') });
    expect(error.message).toContain('its metadata has "1" for "scale", an earlier shard has "0.5"');
    const decided = index({ metadata: { scale: 0.25 }, weight_map: map });
    await withCheckpoint(decided, async (checkpoint) => expect(checkpoint.metadata.scale).toBe('0.25'));
  });

  it.skipIf(process.platform === 'win32')('may be linked together, as download caches do', async () => {
    mkdirSync(join(folder, 'linked'));
    for (const name of [first, second]) symlinkSync(join(folder, name), join(folder, 'linked', name));
    const path = fileIn(folder, 'linked/m.safetensors.index.json', JSON.stringify({ weight_map: weightMap }));
    expect((await readAll(path)).size).toBe(3);
  });
});

describe('a shard must be a plain file name', () => {
  it.each([
    '',
    '.',
    '..',
    '../a.safetensors',
    'a/b.safetensors',
    '/etc/a.safetensors',
    '..\\a.safetensors',
    'C:a.safetensors',
    'C:\\a.safetensors',
    'a\0.safetensors',
    'a\u202e.safetensors',
    '.safetensors',
    'a.bin',
    'a.safetensors/',
    `${'n'.repeat(300)}.safetensors`,
  ])('not %j', async (shard) => {
    const error = await rejection(openCheckpoint(index({ weight_map: { w: shard } })));
    expect(error).toMatchObject({ code: 'INVALID_FILE', tensor: 'w' });
    expect(error.message).toContain('is not the name of a .safetensors file in the folder of the index');
  });

  it('and whatever it is, nothing outside the folder is opened', async () => {
    fileIn(folder, 'outside.safetensors', encodeSafetensors({}));
    mkdirSync(join(folder, 'inside'));
    const part = fc.constantFrom('..', '.', '/', '\\', 'outside.safetensors', '%2e', folder, 'a', ':', ' ');
    await fc.assert(
      fc.asyncProperty(fc.array(part, { maxLength: 6 }), async (parts) => {
        const path = fileIn(folder, 'inside/x.index.json', JSON.stringify({ weight_map: { w: parts.join('') } }));
        const error = await rejection(openCheckpoint(path));
        if (error.code === 'FILE_NOT_FOUND') expect(error.file).toBe(join(folder, 'inside', parts.join('')));
        else expect(error.file).toBe(path);
      }),
    );
  });
});

describe('an index is refused if', () => {
  const map = JSON.stringify(weightMap);
  it.each([
    ['it is empty', '', 'the index must be an object, found the end of the index'],
    ['it is a list', '[]', 'the index must be an object, found a list'],
    ['it has no weight_map', '{"metadata":{}}', 'has no "weight_map"'],
    ['it describes a model instead', '{"family":"deep"}', 'has no "weight_map"'],
    ['weight_map appears twice', `{"weight_map":${map},"weight_map":${map}}`, '"weight_map" twice'],
    ['metadata appears twice', `{"metadata":{},"metadata":{},"weight_map":${map}}`, '"metadata" twice'],
    ['a key is __proto__', `{"__proto__":{},"weight_map":${map}}`, 'forbidden key "__proto__"'],
    ['a tensor is __proto__', '{"weight_map":{"__proto__":"a.safetensors"}}', 'forbidden key "__proto__"'],
    ['a tensor is __metadata__', '{"weight_map":{"__metadata__":"a.safetensors"}}', '"__metadata__" is reserved'],
    [
      'a tensor appears twice',
      '{"weight_map":{"a":"a.safetensors","\\u0061":"a.safetensors"}}',
      'twice in "weight_map"',
    ],
    [
      'a shard is no string',
      '{"weight_map":{"a":["a.safetensors"]}}',
      'the shard of a tensor must be a string, found a list',
    ],
    ['weight_map is a list', '{"weight_map":[]}', '"weight_map" must be an object, found a list'],
    ['metadata is a text', `{"metadata":"a","weight_map":${map}}`, '"metadata" must be an object, found a string'],
    [
      'a field is damaged',
      `{"more":{"a":[1,]},"weight_map":${map}}`,
      'must be a string, a number, true, false or null',
    ],
    ['a field is nested deeply', `{"more":${'['.repeat(500_000)}`, 'is nested more than 32 deep'],
    ['metadata are nested deeply', `{"metadata":{"a":${'{"a":'.repeat(500_000)}`, 'is nested more than 32 deep'],
    ['metadata has a bad number', `{"metadata":{"a":01},"weight_map":${map}}`, 'must be a string, a number'],
    ['metadata has a bad word', `{"metadata":{"a":nulls},"weight_map":${map}}`, 'must be a string, a number'],
    ['a metadata key appears twice', `{"metadata":{"a":1,"a":1},"weight_map":${map}}`, 'has the key "a" twice'],
    ['more follows', `{"weight_map":${map}}]`, 'nothing after the closing "}", found "]"'],
    ['it is not UTF-8', Buffer.from([0x7b, 0xff, 0x7d]), 'the index is not valid UTF-8'],
    [
      'it is nested deeply',
      `{"weight_map":${'{"a":'.repeat(500_000)}`,
      'the shard of a tensor must be a string, found an object',
    ],
  ])('%s', async (_, text, message) => {
    const path = index(text);
    const error = await rejection(openCheckpoint(path));
    expect(error).toMatchObject({ code: 'INVALID_FILE', file: path });
    expect(error.message).toContain(message);
  });

  it('it is larger than the limit', async () => {
    const error = await rejection(openCheckpoint(index(Buffer.alloc(INDEX_LIMITS.bytes + 1))));
    expect(error.message).toContain('the index has 67,108,865 bytes, at most 67,108,864 bytes are read');
  });

  it('it names more shards than the limit', async () => {
    const entries = Array.from({ length: INDEX_LIMITS.shards + 1 }, (_, i) => [`t${i}`, `${i}.safetensors`]);
    const error = await rejection(openCheckpoint(index({ weight_map: Object.fromEntries(entries) })));
    expect(error.message).toContain('names 4,097 shards');
  });
});
