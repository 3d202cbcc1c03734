import { expect } from 'chai';
import {
  choosePlatform,
  formatPlatform,
  normalisePlatform,
  parsePlatform,
  parsePlatforms,
  samePlatform,
} from '../../../src/oci/platform.js';
import type { Platform } from '../../../src/oci/descriptor.js';
import { thrownBy } from '../../support/failure.js';

function platform(text: string): Platform {
  const [os = '', architecture = '', variant] = text.split('/');
  return { os, architecture, ...(variant === undefined ? {} : { variant }) };
}

describe('A platform', () => {
  // containerd/platforms: Normalize.
  const NORMAL: Readonly<Record<string, string>> = {
    'linux/amd64': 'linux/amd64',
    'linux/amd64/v1': 'linux/amd64',
    'linux/amd64/v3': 'linux/amd64/v3',
    'linux/x86_64': 'linux/amd64',
    'linux/x86-64': 'linux/amd64',
    'Linux/AMD64': 'linux/amd64',
    'linux/i386': 'linux/386',
    'linux/arm64': 'linux/arm64',
    'linux/arm64/v8': 'linux/arm64',
    'linux/arm64/8': 'linux/arm64',
    'linux/arm64/v9': 'linux/arm64/v9',
    'linux/aarch64': 'linux/arm64',
    'linux/arm': 'linux/arm/v7',
    'linux/arm/7': 'linux/arm/v7',
    'linux/arm/v7': 'linux/arm/v7',
    'linux/arm/6': 'linux/arm/v6',
    'linux/arm/v5': 'linux/arm/v5',
    'linux/armhf': 'linux/arm/v7',
    'linux/armel': 'linux/arm/v6',
    'macos/arm64': 'darwin/arm64',
    'windows/amd64': 'windows/amd64',
    'unknown/unknown': 'unknown/unknown',
    'linux/constructor': 'linux/constructor',
  };
  for (const [written, normal] of Object.entries(NORMAL)) {
    it(`written ${written} is ${normal}, also when normalised again`, () => {
      const once = normalisePlatform(platform(written));
      expect(formatPlatform(once)).to.equal(normal);
      expect(normalisePlatform(once)).to.deep.equal(once);
      expect(samePlatform(platform(written), platform(normal))).to.equal(true);
    });
  }

  it('keeps the Windows version', () => {
    const windows = { os: 'windows', architecture: 'amd64', 'os.version': '10.0.20348.2402' };
    expect(normalisePlatform(windows)).to.deep.equal(windows);
  });

  it('is read from a flag, and refused with the flag and the form', () => {
    expect(parsePlatform('linux/aarch64/v8', '--platform')).to.deep.equal(platform('linux/arm64'));
    expect(parsePlatforms(['linux/arm64, linux/amd64', 'linux/x86_64'], '--platform')).to.deep.equal([
      platform('linux/arm64'),
      platform('linux/amd64'),
    ]);
    for (const wrong of [
      '',
      'linux',
      'linux/',
      '/amd64',
      'linux/arm/v7/x',
      'linux/am d64',
      'linux/\u001b[31m',
    ]) {
      const error = thrownBy(() => parsePlatform(wrong, '--platform'));
      expect([error.code, error.exit], wrong).to.deep.equal(['usage', 2]);
      expect(error.message)
        .to.match(/^--platform: /)
        .and.not.contain('\u001b');
      expect(error.suggestions.join()).to.contain('linux/amd64');
    }
  });
});

describe('The platform chosen', () => {
  const choose = (wanted: string, ...there: string[]): string | undefined =>
    choosePlatform(platform(wanted), there, platform);

  it('is the one asked for, however it is written', () => {
    expect(choose('linux/amd64', 'linux/arm64', 'linux/amd64')).to.equal('linux/amd64');
    expect(choose('linux/arm64/v8', 'linux/amd64', 'linux/aarch64')).to.equal('linux/aarch64');
    expect(choose('linux/arm', 'linux/arm/v6', 'linux/armhf')).to.equal('linux/armhf');
    expect(choose('linux/arm/v7', 'linux/arm')).to.equal('linux/arm');
  });

  it('else the best lower variant, never a higher one', () => {
    const arms = ['linux/arm/v5', 'linux/arm/v7', 'linux/arm/v6'];
    expect(choose('linux/arm', ...arms)).to.equal('linux/arm/v7');
    expect(choose('linux/arm/v6', ...arms)).to.equal('linux/arm/v6');
    expect(choose('linux/arm/v6', 'linux/arm/v5', 'linux/arm/v7')).to.equal('linux/arm/v5');
    expect(choose('linux/arm/v6', 'linux/arm/v7')).to.equal(undefined);
    expect(choose('linux/amd64/v3', 'linux/amd64', 'linux/amd64/v2', 'linux/amd64/v4')).to.equal(
      'linux/amd64/v2',
    );
    expect(choose('linux/amd64', 'linux/amd64/v2')).to.equal(undefined);
    expect(choose('linux/arm64/v9', 'linux/arm64')).to.equal('linux/arm64');
  });

  it('is never of another architecture or system, and of equals the first', () => {
    expect(choose('linux/arm64', 'linux/arm/v7', 'linux/amd64')).to.equal(undefined);
    expect(choose('linux/amd64', 'windows/amd64', 'unknown/unknown')).to.equal(undefined);
    expect(choose('linux/amd64', 'linux/amd64', 'linux/x86_64')).to.equal('linux/amd64');
    expect(choosePlatform(platform('linux/amd64'), ['a', 'b'], () => undefined)).to.equal(undefined);
  });
});
