import { reporters, Runner, type MochaOptions, type Suite, type Test } from 'mocha';

/** Mocha's `spec`, then why suites were pending and what was tried again (a busy machine; once,
 * and never in silence), then one last line that scripts can read: `N passed, N failed`. */
export default class SummaryReporter extends reporters.Spec {
  constructor(runner: Runner, options: MochaOptions) {
    super(runner, options);
    const reasons = new Set<string>();
    runner.on(Runner.constants.EVENT_TEST_PENDING, (test: Test) => {
      const suite = suiteWithReason(test.parent);
      if (suite) reasons.add(`${suite.fullTitle()}: ${suite.pendingReason}`);
    });
    const again = new Set<string>();
    runner.on(Runner.constants.EVENT_TEST_RETRY, (test: Test, error: Error) => {
      again.add(`${test.fullTitle()}: ${error.message.split('\n')[0]}`);
    });
    runner.once(Runner.constants.EVENT_RUN_END, () => {
      const { passes, failures, pending } = this.stats;
      const lines = [
        ...[...reasons].map((reason) => `  pending: ${reason}`),
        ...[...again].map((title) => `  tried again: ${title}`),
      ];
      const skipped = pending > 0 ? `, ${pending} skipped` : '';
      console.log([...lines, `${passes} passed, ${failures} failed${skipped}`].join('\n'));
    });
  }
}

function suiteWithReason(suite: Suite | undefined): Suite | undefined {
  return suite === undefined || suite.pendingReason !== undefined ? suite : suiteWithReason(suite.parent);
}
