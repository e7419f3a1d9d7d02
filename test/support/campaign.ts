import fc from 'fast-check';

/**
 * Ordinary runs draw as many random cases as a test has time for. A campaign (`npm run campaign -- random`) goes
 * through many times as many, from a seed of its own, which it prints: the variables TENSIM_CAMPAIGN_RUNS (times as
 * many) and TENSIM_CAMPAIGN_SEED.
 */
const times = Number(process.env.TENSIM_CAMPAIGN_RUNS ?? 1);
export const campaignSeed = Number(process.env.TENSIM_CAMPAIGN_SEED ?? 0);
export const inCampaign = process.env.TENSIM_CAMPAIGN_RUNS !== undefined;

/** How many random cases to go through where an ordinary run takes `ordinary`. */
export function runs(ordinary: number): number {
  return Math.ceil(ordinary * times);
}

// What a property does not say for itself. Without a campaign every run draws anew, and a failure tells its seed.
if (inCampaign) fc.configureGlobal({ numRuns: runs(100), seed: campaignSeed });
