import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { withMeantImage } from '../../../src/cli/meant-image.js';
import { DeployerError } from '../../../src/lib/errors.js';
import { makeTempFolder, type TempFolder } from '../../support/temp-folder.js';

describe('What the name of an image that is not found may have been meant for', () => {
  let folder: TempFolder;
  before(async () => {
    folder = await makeTempFolder('meant');
    for (const name of ['lay', 'empty']) await mkdir(join(folder.path, name));
    await writeFile(join(folder.path, 'lay', 'oci-layout'), '{}');
    await writeFile(join(folder.path, 'a.tar'), '');
  });
  after(() => folder.remove());

  const meant = async (text: string, code: 'dns_failed' | 'reference_invalid' | 'usage' = 'dns_failed') => {
    const failed = new DeployerError(code, 'failed', { suggestions: ['its own'] });
    const { suggestions } = await withMeantImage(failed, [text], folder.path);
    expect(suggestions.at(-1)).to.equal('its own');
    return suggestions.length === 1 ? undefined : suggestions[0];
  };

  it('is a layout or an archive that lies here', async () => {
    expect(await meant('lay')).to.equal('for the OCI layout that lies here: oci:lay');
    expect(await meant('./lay', 'reference_invalid')).to.equal(
      'for the OCI layout that lies here: oci:./lay',
    );
    expect(await meant('lay:v1')).to.equal('for the OCI layout that lies here: oci:lay:v1');
    expect(await meant('a.tar:foo:v1')).to.equal(
      'for the archive that lies here: docker-archive:a.tar:foo:v1',
    );
  });

  it('is a registry whose repository is missing', async () => {
    for (const text of ['localhost:25001', '127.0.0.1:5000', '[::1]:5000'])
      expect(await meant(text)).to.equal(
        `${text} is a registry alone, without a repository: ${text}/NAME:TAG`,
      );
  });

  it('is nothing else', async () => {
    for (const text of ['empty', 'nothing', 'oci:lay', 'app:25', 'localhost:v1', 'a\0b', ''])
      expect(await meant(text), text).to.equal(undefined);
    expect(await meant('lay', 'usage')).to.equal(undefined);
  });
});
