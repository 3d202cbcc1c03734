import { expect } from 'chai';
import { isFor, originOf, platformDue, platformOf } from '../../../../src/engine/build/built-platform.js';
import type { Engine } from '../../../../src/engine/engine.js';

const ARM64 = { os: 'linux', architecture: 'arm64' };
const HOST = 'linux/amd64';

describe('the platform that an image has to be for', () => {
  const due = (text: string, platforms: (typeof ARM64)[] = [], target?: string) =>
    platformDue(platforms, originOf(text, target), HOST);

  it('is the one that was asked for', () => {
    expect(due('FROM base\n', [ARM64])).to.deep.equal(ARM64);
    expect(due('FROM --platform=$TARGETPLATFORM base\n', [ARM64])).to.deep.equal(ARM64);
    expect(due('FROM --platform=linux/amd64 base AS tools\nFROM base\n', [ARM64])).to.deep.equal(ARM64);
  });

  it("is the engine's own of nothing at all, and else the base image's", () => {
    expect(due('FROM scratch AS one\nFROM one\n')).to.deep.equal({ os: 'linux', architecture: 'amd64' });
    expect(due('FROM base\n')).to.equal(undefined);
  });

  it('is what the Dockerfile says where it says it: of the stage that is built', () => {
    const text = 'FROM --platform=linux/amd64 base AS one\nFROM one AS two\nFROM base\n';
    expect(due(text, [ARM64])).to.deep.equal(ARM64);
    for (const target of ['one', 'Two', '0', '1']) {
      expect(due(text, [ARM64], target), target).to.equal(undefined);
      expect(originOf(text, target).pinned).to.deep.equal({ line: 1, platform: 'linux/amd64' });
    }
  });

  it('is met by the same, by a lower variant, and by one whose variant is not told', () => {
    const arm = { os: 'linux', architecture: 'arm' };
    expect(isFor(ARM64, { ...ARM64, variant: 'v8' })).to.equal(true);
    expect(isFor({ ...arm, variant: 'v7' }, { ...arm, variant: 'v6' })).to.equal(true);
    expect(isFor({ ...arm, variant: 'v6' }, arm)).to.equal(true);
    expect(isFor({ ...arm, variant: 'v6' }, { ...arm, variant: 'v7' })).to.equal(false);
    expect(isFor(ARM64, arm)).to.equal(false);
    expect(isFor(ARM64, { ...ARM64, os: 'windows' })).to.equal(false);
  });

  it('is unknown, not a bug, where an engine answers with no document, or with one of other types', async () => {
    for (const answer of [undefined, null, { Os: 7, Architecture: ['arm64'], Variant: {} }]) {
      const engine = { json: () => Promise.resolve(answer) } as unknown as Engine;
      const found = await platformOf('sha256:1', engine, new AbortController().signal);
      expect(found).to.deep.equal({ os: '', architecture: '' });
    }
  });
});
