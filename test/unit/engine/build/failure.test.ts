import { expect } from 'chai';
import { buildFailed } from '../../../../src/engine/build/failure.js';

const ARM64 = { os: 'linux', architecture: 'arm64' };
const TEXT = 'FROM base AS build\nRUN make\nFROM base\nCOPY --from=build /made /\n';
const dockerfile = { name: 'Dockerfile', text: TEXT };

describe('why a build failed', () => {
  it('is told once where the engine says no more than that', () => {
    const message = 'failed to solve: the Dockerfile cannot be empty';
    const error = buildFailed({ message, step: undefined, dockerfile });
    expect(error.message).to.equal('the build failed: the Dockerfile cannot be empty');
    expect(error.evidence).to.deep.equal([]);
    const more = { name: '[2/2] RUN make', error: '', lines: ['oops'] };
    const ofStep = buildFailed({ message: 'process ended: exit code: 3', step: more, dockerfile });
    expect(ofStep.evidence).to.deep.equal([
      'Dockerfile:2: [2/2] RUN make',
      '| oops',
      'process ended: exit code: 3',
    ]);
  });

  describe("of a base image's registry", () => {
    const robot = {
      kind: 'password',
      username: 'robot',
      password: 'secret',
      source: '/home/me/config.json',
    } as const;
    const logins = new Map([
      ['example.test', robot],
      ['eu.example.test', { ...robot, source: 'DOCKER_AUTH_CONFIG' }],
      ['open.test', undefined],
    ]);
    const name = 'check the name in the FROM line';
    const failed = (message: string, step?: string) =>
      buildFailed({
        message,
        dockerfile,
        logins,
        step: step === undefined ? undefined : { name: step, error: '', lines: [] },
      });

    it('names the login that was not accepted, and what mends it where it lies', () => {
      const asked = failed('pull access denied', '[internal] load metadata for example.test/app:1');
      expect(asked).to.include({ code: 'registry_denied', exit: 4 });
      expect(asked.evidence.at(-1)).to.equal('asked as robot, with the login of /home/me/config.json');
      expect(asked.suggestions).to.deep.equal([
        'give the account or token read access (pull) to the base image, or log in as another: docker login example.test',
        name,
      ]);
      const named = failed('Head "https://eu.example.test/v2/app": 401 Unauthorized');
      expect(named).to.include({ code: 'registry_unauthorized', exit: 4 });
      expect(named.suggestions[0]).to.match(/^mend or unset DOCKER_AUTH_CONFIG/);
    });

    it('asks nobody to give rights to who is not logged in', () => {
      const { evidence, suggestions } = failed('pull access denied for open.test/app');
      expect(evidence.join()).not.to.contain('login of');
      expect(suggestions.slice(0, 2)).to.deep.equal(['log in: docker login open.test', name]);
    });

    it('takes it from the step, from the line that it comes from, or from the only base image there is', () => {
      const text = 'FROM one.test/a AS one\nFROM two.test/b\nCOPY --from=three.test/c /x /\n';
      const mended = (message: string, step: string | undefined, dockerfileText = text): unknown =>
        buildFailed({
          ...{ message, dockerfile: { name: 'Dockerfile', text: dockerfileText }, logins },
          step: step === undefined ? undefined : { name: step, error: '', lines: [] },
        }).suggestions[0];
      const denied = 'pull access denied';
      expect(mended(denied, '[2/3] FROM two.test/b')).to.equal('log in: docker login two.test');
      expect(mended(denied, '[1/1] FROM four.test/b:1')).to.equal('log in: docker login four.test');
      expect(mended(denied, '[stage-1 2/2] COPY --from=three.test/c /x /')).to.equal(
        'log in: docker login three.test',
      );
      expect(mended('401 Unauthorized: two.test', undefined)).to.equal('log in: docker login two.test');
      expect(mended(denied, undefined, 'ARG H=h.test\nFROM $H/a\n')).to.equal('log in: docker login h.test');
    });

    it('is no base image where it is the cache', () => {
      const cache = 'exporting cache to registry';
      const denied = failed('error writing layer blob: https://example.test/v2/c: 403 Forbidden', cache);
      expect(denied.suggestions).to.deep.equal([
        'give the account or token write access (push) to the cache, or log in as another: docker login example.test',
        'check the name in --cache-to',
      ]);
    });

    it('guesses at none of several registries', () => {
      const { evidence, suggestions } = buildFailed({
        ...{ message: 'pull access denied', step: undefined, logins },
        dockerfile: { name: 'Dockerfile', text: 'FROM one.test/a AS one\nFROM two.test/b\n' },
      });
      expect(evidence.join()).not.to.contain('login of');
      expect(suggestions[0]).to.contain('docker login HOST');
    });
  });

  it("is the engine's own where it could not start the step, and not where it was asked for what is not there", () => {
    const step = (...lines: string[]) => ({ name: '[2/2] RUN make', error: '', lines });
    const failed = (message: string, ...lines: string[]) =>
      buildFailed({ message, step: step(...lines), dockerfile });
    const ended = 'executor failed running [/bin/sh -c make]: exit code: 1';
    const noProgram =
      'unable to start container process: exec: "/nope": stat /nope: no such file or directory';
    const cgroup = 'runc run failed: unable to start container process: unable to apply cgroup configuration';
    for (const error of [
      failed(ended, cgroup),
      failed('failed to create shim task: OCI runtime create failed: runc create failed: cgroup: unknown'),
      failed('failed to create endpoint x on network bridge: could not find bridge'),
    ]) {
      expect(error.message).to.equal(
        'the build failed: the engine could not start the step of Dockerfile:2: RUN make',
      );
      expect(error.suggestions.join()).to.contain('look at the engine').and.not.contain('mend Dockerfile');
    }
    for (const error of [
      failed(ended, `runc run failed: ${noProgram}`),
      failed(`OCI runtime create failed: runc create failed: ${noProgram}`),
      failed(ended, 'begun', cgroup),
      failed(ended, 'failed to create endpoint'),
    ]) {
      expect(error.suggestions).to.deep.equal(['mend Dockerfile:2 or what it works on, and build again']);
    }
  });

  it('is, of a stage that is not there, where it is named, and those that are there', () => {
    const target = { stage: 'final', from: 'fly.toml:6: build.build-target' };
    for (const message of [
      'failed to solve with frontend dockerfile.v0: failed to create LLB definition: target stage final could not be found',
      'failed to solve: target stage "final" could not be found',
      'failed to reach build target final in Dockerfile',
      'the target "final" was not found in the provided Dockerfile',
    ]) {
      const error = buildFailed({ message, step: undefined, dockerfile, target });
      expect(error.code).to.equal('build_failed');
      expect(error.message).to.equal('fly.toml:6: build.build-target: Dockerfile has no stage "final"');
      expect(error.evidence[0]).to.equal('there: build');
    }
    const other = buildFailed({ message: 'make: no target "all"', step: undefined, dockerfile, target });
    expect(other.message).to.equal('the build failed: make: no target "all"');
  });

  const foreign = (name: string, asked: readonly (typeof ARM64)[], host = 'linux/amd64') =>
    buildFailed({
      message: 'process "/bin/sh -c make" did not complete successfully: exit code: 255',
      step: { name, error: '', lines: ['exec /bin/sh: exec format error'] },
      dockerfile,
      platforms: { asked, host },
    });

  it("is, of a program for another processor, the host's, with what lets it run there", () => {
    for (const error of [
      foreign('[build 2/2] RUN make', [ARM64]),
      foreign('[linux/arm64 build 2/2] RUN make', [{ os: 'linux', architecture: 'amd64' }, ARM64]),
    ]) {
      expect(error.message).to.contain('Dockerfile:2');
      expect(error.evidence).to.include(
        "the step is for linux/arm64; the engine's host is linux/amd64, and runs no programs of others",
      );
      expect(error.suggestions).to.deep.equal([
        'let it run them: docker run --privileged --rm tonistiigi/binfmt --install arm64',
        'or build for its own platform: --platform linux/amd64',
      ]);
    }
  });

  it("is not the platform where the step is for the host's own, or nothing is known of it", () => {
    for (const error of [
      foreign('[build 2/2] RUN make', [ARM64], 'linux/arm64'),
      foreign('[build 2/2] RUN make', []),
    ]) {
      expect(error.suggestions).to.deep.equal(['mend Dockerfile:2 or what it works on, and build again']);
    }
  });

  const withSecrets = (step: string, given: readonly string[] | undefined, message = 'exit code: 1') => {
    const text = `FROM base\n${step}\n`;
    return buildFailed({
      message,
      step: { name: `[2/2] ${step}`, error: '', lines: ["cat: can't open '/run/secrets/tok'"] },
      dockerfile: { name: 'Dockerfile', text },
      ...(given === undefined ? {} : { secrets: given }),
    });
  };
  const GIVE = 'give the step its secret: --build-secret id=tok,src=FILE';
  const MEND = 'mend Dockerfile:2 or what it works on, and build again';

  it('is, of a step that mounts a secret which was not given, most likely that', () => {
    for (const step of [
      'RUN --mount=type=secret,id=tok cat /run/secrets/tok',
      'RUN --network=none --mount=id=tok,type=secret,required=true make',
      'RUN --mount=type=cache,target=/c --mount=type=secret,target=/etc/tok make',
      'RUN --mount=type=secret,id=given --mount=type=secret,id=tok make',
    ]) {
      const error = withSecrets(step, ['given']);
      expect(error.evidence, step).to.include('Dockerfile:2 mounts the secret "tok", which was not given');
      expect(error.suggestions, step).to.deep.equal([GIVE, MEND]);
    }
    const required = withSecrets('RUN --mount=type=secret,id=tok,required make', [], 'secret tok: not found');
    expect(required.message).to.equal('the build failed: Dockerfile:2: secret tok: not found');
    expect(required.suggestions).to.deep.equal([GIVE, MEND]);
    const two = withSecrets('RUN --mount=type=secret,id=a --mount=type=secret,id=b make', []);
    expect(two.suggestions[0]).to.equal(
      'give the step its secrets: --build-secret id=a,src=FILE --build-secret id=b,src=FILE',
    );
  });

  it('is no secret where each was given, the id is not known before, or the builder takes none', () => {
    for (const error of [
      withSecrets('RUN --mount=type=secret,id=tok cat /run/secrets/tok', ['tok']),
      withSecrets('RUN --mount=type=secret,id=tok cat /run/secrets/tok', undefined),
      withSecrets('RUN --mount=type=secret,id=$WHICH make', []),
      withSecrets('RUN --mount=type=cache,target=/tok make', []),
      withSecrets('RUN echo --mount=type=secret,id=tok', []),
    ])
      expect(error.suggestions).to.deep.equal([MEND]);
  });

  describe('of what the engine does not reach', () => {
    const unreached = (step: string, message: string) =>
      buildFailed({ message, step: { name: step, error: '', lines: [] }, dockerfile });
    const refused = (url: string) =>
      `failed to do request: Head "${url}": dial tcp [::1]:5999: connect: connection refused`;

    it('names whose registry that is: of the cache, of the syntax, of a base image', () => {
      const url = 'https://localhost:5999/v2/x/blobs/sha256:33';
      for (const [step, whose] of [
        ['exporting cache to registry', 'the registry of the cache, localhost:5999'],
        ['importing cache manifest from localhost:5999/x', 'the registry of the cache, localhost:5999'],
        [
          'resolve image config for docker-image://localhost:5999/x:1',
          'the registry of the image that "# syntax=" names, localhost:5999',
        ],
        ['[internal] load metadata for localhost:5999/x:1', 'the registry of the base image'],
      ] as const) {
        expect(unreached(step, `error writing layer blob: ${refused(url)}`).suggestions[0]).to.equal(
          `check that the engine reaches ${whose}: its DNS and proxy are its own`,
        );
      }
      const file = 'Get "http://files.test/y": dial tcp: lookup files.test: no such host';
      expect(unreached('http://files.test/y', file).suggestions[0]).to.equal(
        'check that the engine reaches files.test: its DNS and proxy are its own',
      );
    });

    it('is not the Dockerfile where it is the cache, which a build can do without', () => {
      const { message, suggestions } = unreached(
        'exporting cache to registry',
        refused('https://c.test/v2/'),
      );
      expect(message).to.match(/^the build failed: exporting cache to registry: failed to do request/);
      expect(suggestions[1]).to.equal(
        'or let the build go on without it: --cache-to type=registry,ref=REF,ignore-error=true',
      );
    });
  });

  it('is, of a step that mounts an ssh agent which was not given, most likely that', () => {
    const failed = (step: string, agents: readonly string[] | undefined) =>
      buildFailed({
        message: 'no SSH key "a" forwarded from the client',
        step: { name: `[2/2] ${step}`, error: '', lines: [] },
        dockerfile: { name: 'Dockerfile', text: `FROM base\n${step}\n` },
        ...(agents && { sshAgents: agents }),
      });
    const byName = failed('RUN --mount=type=ssh,id=a,required git clone x', ['default']);
    expect(byName.evidence).to.include('Dockerfile:2 mounts the ssh agent "a", which was not given');
    expect(byName.suggestions).to.deep.equal(['lend the step its ssh agent: --ssh a=SOCKET', MEND]);
    expect(failed('RUN --mount=type=ssh git clone x', []).suggestions[0]).to.equal(
      'lend the step its ssh agent: --ssh default',
    );
    expect(failed('RUN --mount=type=ssh git clone x', ['default']).suggestions).to.deep.equal([MEND]);
    expect(failed('RUN --mount=type=ssh git clone x', undefined).suggestions).to.deep.equal([MEND]);
  });

  it('is, of a source above the context, that COPY does not reach it', () => {
    const failed = (step: string, message: string) =>
      buildFailed({
        message,
        step: { name: `[2/2] ${step}`, error: '', lines: [] },
        dockerfile: { name: 'Dockerfile', text: `FROM base\n${step}\n` },
      });
    for (const message of [
      '"/x" not found: not found',
      'COPY failed: forbidden path outside the build context: ../x ()',
    ]) {
      const { evidence, suggestions } = failed('COPY ../x sub/../../y in /z/', message);
      expect(evidence).to.include(
        '../x, sub/../../y: outside of the context, which is all that COPY reads from',
      );
      expect(suggestions).to.deep.equal([
        'put it into the context, or build with a folder above as the context, and name the Dockerfile: --dockerfile FILE',
      ]);
    }
    expect(failed('COPY sub/../x /z/', '"/x" not found').suggestions).to.deep.equal([MEND]);
    expect(failed('COPY --from=build ../x /z/', '"/x" not found').suggestions).to.deep.equal([MEND]);
  });
});
