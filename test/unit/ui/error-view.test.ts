import { expect } from 'chai';
import { DeployerError } from '../../../src/lib/errors.js';
import { backgroundOf, renderError } from '../../../src/ui/error-view.js';

const ERROR = new DeployerError(
  'tag_not_found',
  'Could not find image "a:1"\nthe registry knows no such tag',
  {
    evidence: ['Tags there: \u001b[31mmain\u001b[0m\u202e, latest'],
    suggestions: ['deployer deploy --image a:latest'],
    cause: new Error('first', { cause: 'second' }),
  },
);

describe('An error on a terminal', () => {
  it('is a marked line, then evidence and mends under it, with nothing in it that moves the cursor', () => {
    expect(renderError(ERROR.toDocument(), { color: false })).to.equal(
      [
        '✖ Could not find image "a:1"',
        '  the registry knows no such tag',
        '  Tags there: [31mmain[0m, latest',
        '  Try: deployer deploy --image a:latest',
        '',
      ].join('\n'),
    );
  });

  it('goes wholly under the line of the step that failed', () => {
    const text = renderError(ERROR.toDocument(), { color: false, underStep: true });
    expect(text)
      .to.match(/^ {2}Could not find image/)
      .and.not.include('✖');
  });

  it('has its mark and its background coloured, if colours are wanted, and nothing else', () => {
    const text = renderError(ERROR.toDocument(), { color: true, background: backgroundOf(ERROR) });
    expect(text)
      .to.include('\u001b[31m✖\u001b[39m Could')
      .and.include('\u001b[2m  caused by: Error: first\u001b[22m');
    expect(text.match(/\u001b\[/g)).to.have.length(6);
  });

  it('has every cause once, even if they go in circles', () => {
    expect(backgroundOf(ERROR)).to.deep.equal(['caused by: Error: first', "caused by: 'second'"]);
    const circle = new Error('circle');
    circle.cause = circle;
    expect(backgroundOf(circle)).to.deep.equal([]);
  });
});
