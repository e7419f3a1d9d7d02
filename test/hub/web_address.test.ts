import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, expect, test, vi } from 'vitest';
import { loadInputs } from '../../lib/evaluation/inputs_file.js';
import { refuseWebAddress } from '../../lib/hub/web_address.js';
import { loadModel } from '../../lib/model/reading/load.js';
import { expandPaths } from '../../lib/model/reading/paths.js';
import { tensim } from '../cli/run.js';
import { rejection, temporaryFolder } from '../formats/safetensors/helpers.js';

const root = temporaryFolder();
const HUB = 'https://huggingface.co/me/runs';

beforeEach(() => vi.stubEnv('HF_ENDPOINT', 'http://hub.example:8080/hf/'));

test.each([
  [HUB, 'hf://me/runs'],
  [`${HUB}/`, 'hf://me/runs'],
  [`${HUB}/tree/main`, 'hf://me/runs@main'],
  [`${HUB}/tree/main/runs/a`, 'hf://me/runs@main/runs/a'],
  [`${HUB}/blob/main/a.safetensors`, 'hf://me/runs@main/a.safetensors'],
  [`${HUB}/resolve/v1.0/a/b.pt?download=true`, 'hf://me/runs@v1.0/a/b.pt'],
  [`${HUB}/raw/main/config.json#L3`, 'hf://me/runs@main/config.json'],
  [`${HUB}/blob/refs%2Fpr%2F1/a.pt`, 'hf://me/runs@refs%2Fpr%2F1/a.pt'],
  [`${HUB}/blob/refs/pr/1/a.pt`, 'hf://me/runs@refs%2Fpr%2F1/a.pt'],
  [`${HUB}/commit/${'a'.repeat(40)}`, `hf://me/runs@${'a'.repeat(40)}`],
  [`${HUB}/resolve/main/a%20b%3F.pt`, 'hf://me/runs@main/a b?.pt'],
  ['https://huggingface.co/datasets/me/digits/blob/main/x.npy', 'hf://datasets/me/digits@main/x.npy'],
  ['https://huggingface.co/api/models/me/runs/tree/main', 'hf://me/runs@main'],
  ['http://huggingface.co/me/runs/blob/main/a.pt', 'hf://me/runs@main/a.pt'],
  ['HTTPS://HuggingFace.co/me/runs/blob/main/a.pt', 'hf://me/runs@main/a.pt'],
  ['https://hf.co/me/runs/resolve/main/a.pt', 'hf://me/runs@main/a.pt'],
  ['https://www.huggingface.co/me/runs', 'hf://me/runs'],
  ['huggingface.co/me/runs/blob/main/a.pt', 'hf://me/runs@main/a.pt'],
  ['hf.co/me/runs', 'hf://me/runs'],
  ['http://hub.example:8080/hf/me/runs/resolve/main/a.pt', 'hf://me/runs@main/a.pt'],
])('%s is answered with %s', async (path, address) => {
  const error = await rejection(refuseWebAddress(path));
  expect(error).toMatchObject({ code: 'INVALID_ARGUMENT', hint: `On the Hugging Face Hub it is ${address}` });
});

test.each([
  'https://example.com/me/runs/resolve/main/a.pt',
  'http://hub.example:8080/me/runs/resolve/main/a.pt',
  'http://hub.example/hf/me/runs',
  'https://huggingface.co.evil.example/me/runs',
  'https://huggingface.co',
  'https://huggingface.co/spaces/me/app/blob/main/a.pt',
  `${HUB}/resolve/main/%2e%2e%2fa.pt`,
  `${HUB}/resolve/main/%`,
  `${HUB}/discussions/1`,
  'https://[',
])('%s is refused without one', async (path) => {
  const error = await rejection(refuseWebAddress(path));
  expect(error).toMatchObject({ code: 'INVALID_ARGUMENT', hint: expect.stringContaining('Download the file first') });
});

test('a folder that has the name of the Hub is one', async () => {
  const before = process.cwd();
  mkdirSync(join(root, 'hf.co', 'me'), { recursive: true });
  writeFileSync(join(root, 'hf.co', 'me', 'runs'), '');
  process.chdir(root);
  try {
    await refuseWebAddress('hf.co/me/runs');
  } finally {
    process.chdir(before);
  }
});

test('wherever files are named', async () => {
  const url = `${HUB}/blob/main/a.safetensors`;
  const hint = expect.stringContaining('hf://me/runs@main/a.safetensors');
  for (const asked of [loadModel(url), expandPaths([url]), loadInputs(url)])
    expect(await rejection(asked)).toMatchObject({ code: 'INVALID_ARGUMENT', hint });
  for (const command of [
    ['inspect', url],
    ['compare', url, url],
    ['matrix', url],
    ['convert', url, join(root, 'a.npz')],
    ['contract', 'ij->ji', `${url}:w`],
    ['compare', 'x.pt', 'y.pt', '--input', url],
  ]) {
    const { code, stderr } = await tensim(command);
    expect(code).toBe(2);
    expect(stderr, command.join(' ')).toEqual(hint);
  }
});
