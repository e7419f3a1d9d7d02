import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import { OpenFiles } from '../../lib/adapters/open_files.js';
import { TensimError } from '../../lib/errors.js';
import { SourceFile } from '../../lib/formats/source_file.js';
import { rejection, temporaryFolder } from '../formats/safetensors/helpers.js';

const root = temporaryFolder();
const paths = Array.from({ length: 9 }, (_, i) => join(root, String(i)));
for (const [i, path] of paths.entries()) writeFileSync(path, String(i));

afterEach(() => vi.restoreAllMocks());

const contentOf = (files: OpenFiles, path: string) =>
  files.reading(path, async (source) => {
    const bytes = Buffer.alloc(1);
    await source.read(bytes, 0);
    return bytes.toString();
  });

test('files stay open, and are opened once', async () => {
  const open = vi.spyOn(SourceFile, 'open');
  const files = new OpenFiles();
  for (let turn = 0; turn < 3; turn++)
    for (const [i, path] of paths.entries()) expect(await contentOf(files, path)).toBe(String(i));
  expect(open).toHaveBeenCalledTimes(paths.length);
  await files.close();
});

test('where the system allows no more, some are opened for every part', async () => {
  const real = SourceFile.open.bind(SourceFile);
  let open = 0;
  vi.spyOn(SourceFile, 'open').mockImplementation(async (path) => {
    if (open === 4)
      throw new TensimError('FILE_NOT_FOUND', 'too many', { cause: Object.assign(new Error(), { code: 'EMFILE' }) });
    const source = await real(path);
    open++;
    const close = source.close.bind(source);
    source.close = async () => {
      await close();
      open--;
    };
    return source;
  });
  const files = new OpenFiles();
  for (let turn = 0; turn < 3; turn++)
    for (const [i, path] of paths.entries()) {
      expect(await contentOf(files, path)).toBe(String(i));
      expect(open).toBeLessThanOrEqual(4);
    }
  await files.close();
  expect(open).toBe(0);
  expect((await rejection(contentOf(files, join(root, 'gone')))).code).toBe('FILE_NOT_FOUND');
});
