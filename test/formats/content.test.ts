import { copyFileSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { openCheckpoint } from '../../lib/formats/checkpoint.js';
import { formatOf, withoutEnding } from '../../lib/formats/endings.js';
import { inspect } from '../../lib/model/reading/inspect.js';
import { expandPaths } from '../../lib/model/reading/paths.js';
import { bilinearShapes, writeCheckpoint } from '../model/helpers.js';
import { zip } from '../support/zip.js';
import { fileIn, rejection, temporaryFolder } from './safetensors/helpers.js';

const folder = temporaryFolder();
const at = (path: string) => join(import.meta.dirname, path);
const npy = Buffer.concat([
  Buffer.from('\x93NUMPY\x01\x00\x3b\x00', 'latin1'),
  Buffer.from(`${"{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }".padEnd(58)}\n`),
  Buffer.alloc(4),
]);
const contents = {
  pytorch: readFileSync(at('pytorch/fixtures/model.bin')),
  npz: readFileSync(at('numpy/fixtures/arrays.npz')),
  npy,
  safetensors: readFileSync(await writeCheckpoint(folder, 'x.safetensors', bilinearShapes(2, 2, 2))),
};

describe('content decides what a file is', () => {
  const endings = ['', '.ckpt', '.pt', '.pth.tar', '.bin', '.safetensors', '.npz', '.npy', '.weights'];
  test.each(Object.keys(contents) as (keyof typeof contents)[])('%s, under any ending', async (format) => {
    for (const ending of endings) {
      const path = fileIn(folder, `file${ending}`, contents[format]);
      const opened = await openCheckpoint(path);
      await opened.close();
      expect([ending, opened.format, opened.tensors.size > 0]).toEqual([ending, format, true]);
    }
  });

  test('inspect says so where the ending does not', async () => {
    const [lying, honest] = ['lying.pt', 'honest.safetensors'].map((name) =>
      fileIn(folder, name, contents.safetensors),
    );
    expect(await inspect(lying)).toMatchObject({ format: 'safetensors', family: 'bilinear', problems: [] });
    expect(await inspect(honest)).not.toHaveProperty('format');
  });

  test.each([
    ['a web page', Buffer.from('<!DOCTYPE html>'), '', 'web page'],
    ['a text', Buffer.from('tensim inspect FILE'), '', 'damaged'],
    ['an archive of other things', zip([{ name: 'readme.txt', data: npy }]), '.ckpt', 'without the one data.pkl'],
    ['an archive of nothing known, without an ending', zip([{ name: 'readme.txt', data: npy }]), '', 'archive'],
    ['a pickle without an archive', readFileSync(at('pytorch/fixtures/refused_plain.pt')), '', 'plain pickle'],
    ['nothing', Buffer.alloc(0), '.ckpt', 'is empty'],
  ])('%s stays what it is', async (_, bytes, ending, message) => {
    const path = fileIn(folder, `other${ending}`, bytes);
    const error = await rejection(openCheckpoint(path));
    expect(error).toMatchObject({ code: 'INVALID_FILE', file: path });
    expect(error.message).toContain(message);
  });
});

test('endings of checkpoints are known, and taken off for labels', () => {
  for (const name of ['a.ckpt', 'a.pth.tar', 'a.PT.TAR']) expect(formatOf(name)).toBe('pytorch');
  expect(['epoch=0-step=100.ckpt', 'checkpoint.pth.tar', 'model_best.pth'].map(withoutEnding)).toEqual([
    'epoch=0-step=100',
    'checkpoint',
    'model_best',
  ]);
  expect(formatOf('a.tar')).toBeUndefined();
});

test('folders and patterns find .ckpt, .pth.tar and files without an ending', async () => {
  const run = join(folder, 'run');
  mkdirSync(run);
  const names = ['checkpoint.pth.tar', 'epoch=2-step=300.ckpt', 'epoch=10-step=1100.ckpt', 'step_0.5', 'last'];
  for (const name of names) copyFileSync(at('pytorch/fixtures/model.bin'), join(run, name));
  fileIn(run, 'README', 'no model');
  fileIn(run, 'notes.txt', 'no model');
  const found = [names[0], names[1], names[2], names[4], names[3]].map((name) => join(run, name));
  expect(await expandPaths([run])).toEqual(found);
  expect(await expandPaths([join(run, '*')])).toEqual(found);
});
