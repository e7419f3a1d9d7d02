import { listed } from '../words/names.js';
import { amountText } from '../words/numbers.js';
import type { Findings } from './findings.js';
import type { LayoutChange, VerifyResult } from './terms.js';

/** What was found, in one sentence. */
export function summaryOf(
  { verdict, faults, layouts, notes, tensors }: Omit<VerifyResult, 'summary'>,
  found: readonly Findings[],
): string {
  const ways = layouts.filter(({ kind }) => kind !== 'container').map(({ text }) => text);
  const layout = ways.length === 0 ? '' : `, other layout (${ways.join('; ')})`;
  switch (verdict) {
    case 'same-bytes':
      return 'same bytes';
    case 'same-function':
      return `same function: every weight is equal${container(layouts)}`;
    case 'other-layout':
      return `same function${layout}`;
    case 'rounded': {
      const to = new Set(found.flatMap(({ all }) => all.flatMap(({ rounded }) => rounded ?? [])));
      return `same function but for one rounding of each weight (${listed([...to], 'and')})${layout}`;
    }
    case 'quantised': {
      const own = tensors.flatMap(({ quantised }) => quantised ?? []);
      const formats = [...new Set(own.map(({ format }) => format))];
      const most = own.reduce((a, b) => (b.error > a.error ? b : a));
      return `quantised (${listed(formats, 'and')}), as well as the format allows: errors up to ${amountText(100 * most.error, 2)} % of a tensor's norm, at best ${amountText(100 * most.best, 2)} %${layout}`;
    }
    case 'moved':
      return `same numbers in other places: not the same function (${faults[0].text})`;
    case 'unknown':
      return `what is compared is the same${layout}, and some of it cannot be compared: ${notes[0].replace(/^not compared: /, '')}`;
    case 'different':
      return faults.length === 1
        ? `different: ${faults[0].text}`
        : `different: ${faults[0].text}; ${faults.length - 1} more`;
  }
}

const container = (layouts: readonly LayoutChange[]): string => {
  const found = layouts.find(({ kind }) => kind === 'container');
  return found === undefined ? '' : ` (${found.text})`;
};
