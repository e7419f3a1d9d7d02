import type { Behaviour, ResultInfo } from '../similarity/terms/types.js';
import { count } from '../words/counts.js';
import { errorText, similarityText } from '../words/numbers.js';
import { oneLine } from '../words/quoting.js';
import { timeText } from '../words/times.js';

/** "output 9", or "tensor body.0.l.weight" for the `weights` measure, whose slices are tensors. */
export function sliceName({ measure }: ResultInfo, name: string): string {
  return `${sliceNoun({ measure })} ${oneLine(name)}`;
}

export function sliceNoun({ measure }: Pick<ResultInfo, 'measure'>): 'output' | 'tensor' {
  return measure === 'weights' ? 'tensor' : 'output';
}

/** What is measured on given inputs beside the cosine, in words. */
export function behaviourRows({ agreement, cka }: Behaviour): [name: string, value: string][] {
  return [
    ['same largest output', agreement === null ? 'undefined (one output)' : similarityText(agreement, 6)],
    ['linear CKA', cka === null ? 'undefined (constant outputs)' : similarityText(cka, 6)],
  ];
}

/** How a result was obtained, as rows of name and value. */
export function provenance(info: ResultInfo): [name: string, value: string][] {
  const rows: [string, string][] = [
    ['measure', info.measure],
    ['method', methodText(info)],
  ];
  if (info.sampling !== null) rows.push(['95 % interval', `± ${errorText(info.sampling.interval)}`]);
  if (info.weighed !== undefined) {
    const [exact, sampled] = [info.weighed.exactSeconds, info.weighed.sampledSeconds].map((seconds) =>
      seconds < 100 ? timeText(seconds) : `${count(Math.round(seconds))} s`,
    );
    rows.push(['weighed by auto', `exact ${exact} of one thread, sampled ${sampled}`]);
  }
  if (info.input !== null) rows.push(inputRow(info.measure, info.input));
  rows.push(
    ['dtype', info.tf32 ? `${info.dtype}, products in TF32` : info.dtype],
    ['backend', info.mixed === undefined ? info.backend : info.mixed.map(oneLine).join(', ')],
  );
  return rows;
}

function inputRow(measure: ResultInfo['measure'], input: string): [name: string, value: string] {
  if (measure === 'behavioural') return ['inputs', oneLine(input)];
  return ['input law', input === 'standard' ? 'standard, N(0, I)' : oneLine(input)];
}

/** What is not exact says so, and how far it can be trusted. */
function methodText({ method, exact, certified, sampling }: ResultInfo): string {
  if (certified !== undefined) return `exact, proven to ${certified}`;
  if (exact) return method === 'exact' ? 'exact' : `${method}, exact here`;
  if (sampling !== null) {
    const beside = sampling.surrogate === undefined ? '' : ', beside surrogates of one block';
    return `sampled on ${count(sampling.samples)} inputs (seed ${sampling.seed})${beside}`;
  }
  return 'closure, an approximation of unknown error';
}
