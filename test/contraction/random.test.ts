import { describe, it } from 'vitest';
import { campaignSeed, runs } from '../support/campaign.js';
import { checkRandomEquations } from './support/agreement.js';

const GROUPS = 10;
const PER_GROUP = runs(300);

describe('random equations agree with a naive evaluation', () => {
  for (let group = 0; group < GROUPS; group++) {
    it(`${PER_GROUP} equations from seed ${campaignSeed + group}`, () =>
      checkRandomEquations(campaignSeed + group, PER_GROUP));
  }
});
