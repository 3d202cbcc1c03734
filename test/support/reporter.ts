import { reporters, Runner, type MochaOptions, type Suite, type Test } from 'mocha';

/** Mocha's `spec`, then why suites were pending, then one last line that scripts can read: `N passed, N failed`. */
export default class SummaryReporter extends reporters.Spec {
  constructor(runner: Runner, options: MochaOptions) {
    super(runner, options);
    const reasons = new Set<string>();
    runner.on(Runner.constants.EVENT_TEST_PENDING, (test: Test) => {
      const suite = suiteWithReason(test.parent);
      if (suite) reasons.add(`${suite.fullTitle()}: ${suite.pendingReason}`);
    });
    runner.once(Runner.constants.EVENT_RUN_END, () => {
      const { passes, failures, pending } = this.stats;
      const lines = [...reasons].map((reason) => `  pending: ${reason}`);
      const skipped = pending > 0 ? `, ${pending} skipped` : '';
      console.log([...lines, `${passes} passed, ${failures} failed${skipped}`].join('\n'));
    });
  }
}

function suiteWithReason(suite: Suite | undefined): Suite | undefined {
  return suite === undefined || suite.pendingReason !== undefined ? suite : suiteWithReason(suite.parent);
}
