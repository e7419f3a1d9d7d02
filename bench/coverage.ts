/**
 * Whether sampled intervals cover: random networks of many kinds whose similarity is known exactly (by quadrature in
 * one to three dimensions, by the formulas for one and two blocks, on a grid, or by evaluating all sequences of
 * tokens), estimated by sampling with default options.
 *
 *     npm run bench:coverage -- [--filter NAME]… [--count N] [--seed N] [--seconds N] [--max-samples N] [--tolerance T] [--backend native|fallback] [--json FILE] [--check]
 *
 * NAME is a part of the name of a kind; N networks of each. A row per kind, and one for all. With --check it fails
 * where more lie outside than chance explains, or a gate passes wrongly.
 */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';

import type { BackendName } from '../lib/backend/backend.js';
import { campaign } from './coverage/campaign.js';
import { ALL_KINDS } from './coverage/kinds.js';
import { coverageTable, covers, LEGEND, summarise } from './coverage/results.js';

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      filter: { type: 'string', multiple: true, default: [] as string[] },
      count: { type: 'string', default: '80' },
      seed: { type: 'string', default: '0' },
      seconds: { type: 'string' },
      'max-samples': { type: 'string' },
      tolerance: { type: 'string' },
      backend: { type: 'string' },
      json: { type: 'string' },
      check: { type: 'boolean', default: false },
    },
  });
  const { filter } = values;
  const kinds = ALL_KINDS.filter(({ name }) => filter.length === 0 || filter.some((part) => name.includes(part)));
  if (kinds.length === 0) throw new Error(`no kind is called ${filter.join(' or ')}`);
  const number = (text: string | undefined) => (text === undefined ? undefined : Number(text));
  let done = 0;
  const trials = await campaign({
    kinds,
    count: Number(values.count),
    seed: Number(values.seed),
    seconds: number(values.seconds),
    maxSamples: number(values['max-samples']),
    tolerance: number(values.tolerance),
    backend: values.backend as BackendName | undefined,
    onTrial: () => {
      if (++done % 100 === 0) console.error(`${done} networks`);
    },
  });
  console.log(`${coverageTable(trials)}\n\n${LEGEND}`);
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(trials, null, 1)}\n`);
  if (values.check && !covers(summarise(trials))) throw new Error('the intervals do not cover at their rate');
}

try {
  await main();
} catch (error) {
  console.error(`bench:coverage: ${(error as Error).message}`);
  process.exitCode = 1;
}
