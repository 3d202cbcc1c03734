import { expect } from 'chai';
import { lineOfStep } from '../../../src/engine/build/dockerfile-lines.js';

describe("a step's line in the Dockerfile", () => {
  it('is where its instruction begins, continued or not, whatever its blanks', () => {
    const dockerfile = 'FROM a\n# RUN two\nRUN one && \\\n  # in between\n  two\n\nrun   three\n';
    expect(lineOfStep(dockerfile, '[2/3] RUN one && two')).to.equal(3);
    expect(lineOfStep(dockerfile, '[stage 3/3] RUN three')).to.equal(7);
    expect(lineOfStep(dockerfile, '[internal] load metadata')).to.equal(undefined);
  });

  it('is found after and of here-documents, whose lines are no instructions', () => {
    const dockerfile = [
      ...['FROM a', 'RUN <<EOF', '# a comment of the script', 'RUN false', 'EOF'],
      ...['COPY <<"one" <<-two /to/', 'RUN false', 'one', 'RUN false', '\t\ttwo'],
      ...['RUN --mount=type=tmpfs,target=/t <<-END', '\tmake', '\tEND', 'RUN cat <<X > /x', 'x', 'X'],
      ...['RUN <<EOF', 'make', 'make test', 'EOF', 'RUN false', 'RUN echo 1<<2', 'RUN after'],
    ].join('\n');
    const lines = [
      ['[2/9] RUN <<EOF (# a comment of the script...)', 2],
      ['[3/9] COPY <<"one" <<-two /to/', 6],
      ['[4/9] RUN --mount=type=tmpfs,target=/t <<-END (make)', 11],
      ['[5/9] RUN cat <<X > /x', 14],
      ['[6/9] RUN <<EOF (make...)', 17],
      ['[7/9] RUN false', 21],
      ['[8/9] RUN echo 1<<2', 22],
      ['[9/9] RUN after', 23],
    ] as const;
    for (const [step, line] of lines) expect(lineOfStep(dockerfile, step), step).to.equal(line);
  });

  it('is found with a here-document that has no end, which old frontends do not know', () => {
    expect(lineOfStep('FROM a\nRUN cat <<EOF\nRUN false\n', '[3/3] RUN false')).to.equal(3);
  });

  it('is found by its number where several have the same words, or none has', () => {
    const dockerfile = [
      ...['FROM a', 'ENV FILE=a.txt', 'RUN <<EOF', 'set -e', 'make', 'EOF'],
      ...['COPY $FILE /', 'RUN <<EOF', 'set -e', 'make test', 'EOF'],
    ];
    const alone = dockerfile.join('\n');
    expect(lineOfStep(alone, '[2/4] RUN <<EOF (set -e...)')).to.equal(3);
    expect(lineOfStep(alone, '[ 4/4] RUN <<EOF (set -e...)')).to.equal(8);
    expect(lineOfStep(alone, '[3/4] COPY a.txt /')).to.equal(7);
    expect(lineOfStep(alone, '[internal] RUN <<EOF (set -e...)')).to.equal(undefined);
    expect(lineOfStep(alone, '[1/3] RUN <<EOF (set -e...)'), 'of scratch or a stage').to.equal(3);
    // The classic builder counts ENV too; or its base runs one of its own before.
    expect(lineOfStep(alone, '[4/5] RUN <<EOF (set -e...)')).to.equal(undefined);

    const three = ['from b as First', 'RUN <<EOF', 'set -e', 'EOF', ...dockerfile, ...dockerfile].join('\n');
    expect(lineOfStep(three, '[first 2/2] RUN <<EOF (set -e...)'), 'it has one line').to.equal(undefined);
    expect(lineOfStep(three, '[stage-1 2/4] RUN <<EOF (set -e...)')).to.equal(7);
    expect(lineOfStep(three, '[linux/amd64 stage-2 4/4] RUN <<EOF (set -e...)')).to.equal(23);
    for (const nowhere of [
      '[2/4]',
      '[other 2/4]',
      '[stage-1 3/4]',
      '[stage-1 1/9]',
      '[linux/amd64 2/4]',
      '[x]',
      '',
    ])
      expect(lineOfStep(three, `${nowhere} RUN <<EOF (set -e...)`), nowhere).to.equal(undefined);
  });
});
