import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { whyNotInstalled } from '../../lib/machines/installed.js';
import { hearWarnings } from '../../lib/words/warning.js';

const place = vi.hoisted(() => ({ root: '' }));
vi.mock('../../lib/machines/locate.js', () => ({ packageRoot: () => place.root }));

describe('why there is no addon', () => {
  let heard: string[];
  let deaf: () => void;
  beforeEach(() => {
    place.root = mkdtempSync(join(tmpdir(), 'tensim-note-'));
    mkdirSync(join(place.root, 'build'));
    heard = [];
    deaf = hearWarnings((text) => heard.push(text));
  });
  afterEach(() => {
    deaf();
    vi.unstubAllEnvs();
    rmSync(place.root, { recursive: true });
  });
  const leave = (text: string) => writeFileSync(join(place.root, 'build', 'install.json'), text);

  it('is what the installation found out, said at the first use with what mends it', () => {
    leave(JSON.stringify({ reason: 'no C++ compiler was found', remedy: 'npm rebuild tensim', wanted: true }));
    expect(whyNotInstalled('other')).toMatch(/no C\+\+ compiler was found\. To build it: npm rebuild tensim$/);
    expect(heard).toHaveLength(1);
    expect(heard[0]).toMatch(/no C\+\+ compiler.*npm rebuild tensim.*fallback computes.*TENSIM_QUIET=1/);
  });

  it('is said to nobody who did not want it, or wants quiet', () => {
    leave(JSON.stringify({ reason: 'TENSIM_SKIP_BUILD is set', remedy: 'npm rebuild tensim', wanted: false }));
    expect(whyNotInstalled('other')).toContain('TENSIM_SKIP_BUILD');
    vi.stubEnv('TENSIM_QUIET', '1');
    leave(JSON.stringify({ reason: 'no cmake', remedy: 'npm rebuild tensim', wanted: true }));
    expect(whyNotInstalled('other')).toContain('no cmake');
    expect(heard).toEqual([]);
  });

  it('is what loading says where the installation left no word, or nothing that can be read', () => {
    expect(whyNotInstalled('no native build was found')).toBe('no native build was found');
    for (const text of ['', '{', '{}', '{"reason":1,"remedy":2}', 'null']) {
      leave(text);
      expect(whyNotInstalled('no native build was found')).toBe('no native build was found');
    }
    expect(heard).toEqual([]);
  });
});
