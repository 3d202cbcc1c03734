import { expect } from 'chai';
import { lineOfBaseImage, registriesOf } from '../../../src/engine/build/base-images.js';
import { encodeLogins } from '../../../src/engine/login.js';

describe('the registries of a Dockerfile', () => {
  const registries = (text: string, args = {}): string[] => registriesOf(text, args);

  it('are those of its base images and of COPY --from, each once; a stage is none', () => {
    const text = `FROM --platform=linux/amd64 a.example/one AS Build
FROM build AS next
COPY --from=b.example/tools:1 /x /
COPY --from=build /x /
COPY --from=0 /x /
FROM a.example/two
FROM scratch
FROM alpine \\
  AS last
`;
    expect(registries(text)).to.deep.equal(['a.example', 'b.example', 'docker.io']);
  });

  it('are found through ARGs before the first FROM, as the build would set them', () => {
    const text =
      'ARG HOST=a.example\nARG TAG="1"\nARG BASE=${HOST}/app:$TAG\nFROM ${BASE}\nARG HOST=other.example\nFROM ${NONE:-c.example}/x${TAG:+:y}\n';
    expect(registries(text)).to.deep.equal(['a.example', 'c.example']);
    expect(registries(text, { HOST: 'b.example' })).to.deep.equal(['b.example', 'c.example']);
  });

  it('are left out where only the build can know them: no login goes there', () => {
    expect(registries('FROM $NONE\nFROM ${A:?x}/y\nFROM not//valid\n# FROM c.example/x\n')).to.deep.equal([]);
  });
});

describe('logins for an engine', () => {
  it('are in base64 for URLs, with the padding without which engines read none', () => {
    for (const password of ['a', 'ab', 'abc', '>>>???']) {
      const text = encodeLogins({ password });
      expect(text).to.match(/^[\w-]+=*$/);
      expect(text.length % 4).to.equal(0);
      expect(JSON.parse(Buffer.from(text, 'base64url').toString())).to.deep.equal({ password });
    }
  });
});

describe('the line that names a base image', () => {
  const DOCKERFILE = [
    ...[
      'ARG TAG=1',
      'FROM base AS one',
      '# a comment',
      'FROM --platform=linux/amd64 localhost:5001/absent:$TAG',
    ],
    ...['COPY --from=one /a /', 'COPY --from=docker.io/library/busybox /b /'],
  ].join('\n');
  const METADATA = '[internal] load metadata for ';

  it('is found by the name that the engine asks for, whole and with its tag', () => {
    for (const [name, line] of [
      ['docker.io/library/base:latest', 2],
      ['localhost:5001/absent:1', 4],
      ['docker.io/library/busybox:latest', 6],
      ['localhost:5001/absent:2', undefined],
      ['docker.io/library/one:latest', undefined],
      ['no name', undefined],
    ] as const)
      expect(lineOfBaseImage(DOCKERFILE, {}, METADATA + name), name).to.equal(line);
    expect(lineOfBaseImage(DOCKERFILE, { TAG: '2' }, `${METADATA}localhost:5001/absent:2`)).to.equal(4);
    expect(lineOfBaseImage(DOCKERFILE, {}, '[internal] load build context')).to.equal(undefined);
  });
});
