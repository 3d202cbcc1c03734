import type { CopyProgress } from '../image/copy-tally.js';
import type { Clock } from '../lib/clock.js';
import { formatSize } from '../lib/size.js';
import type { DeployView } from './deploy-view.js';
import { say, type Io } from './io.js';
import { SpinnerLine } from './spinner.js';

/** Shows how far a copy is, while it goes on. */
export interface CopyView extends Pick<DeployView, 'interject' | 'endsWithFailure'> {
  readonly show: (progress: CopyProgress) => void;
  close(): Promise<void>;
}

/** A line that is drawn over on a terminal, a line now and then in a log, nothing under `--quiet`. */
export function chooseCopyView(io: Io, clock: Pick<Clock, 'now'>): CopyView {
  if (io.quiet) return new CopyLines(io, clock, Infinity);
  return io.interactive ? new CopyLine(io, clock) : new CopyLines(io, clock, LOG_EVERY_MS);
}

const LOG_EVERY_MS = 10_000;
const SAMPLE_EVERY_MS = 100;
const BAR_WIDTH = 24;

class CopyLines implements CopyView {
  readonly endsWithFailure = false;
  readonly #io: Io;
  readonly #rate: Rate;
  readonly #everyMs: number;
  #last: number;

  constructor(io: Io, clock: Pick<Clock, 'now'>, everyMs: number) {
    this.#io = io;
    this.#rate = new Rate(clock);
    this.#everyMs = everyMs;
    this.#last = clock.now();
  }

  readonly show = (progress: CopyProgress): void => {
    const { now, perSecond } = this.#rate.at(progress.bytesSent);
    if (now - this.#last < this.#everyMs) return;
    this.#last = now;
    this.interject(describe(progress, perSecond));
  };

  interject(line: string): void {
    say(this.#io, `${line}\n`);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

class CopyLine extends SpinnerLine implements CopyView {
  readonly endsWithFailure = false;
  readonly #rate: Rate;

  constructor(io: Io, clock: Pick<Clock, 'now'>) {
    super(io, 'Copying');
    this.#rate = new Rate(clock);
  }

  readonly show = (progress: CopyProgress): void => {
    const { perSecond } = this.#rate.at(progress.bytesSent);
    this.redraw(() => `${bar(progress)} ${describe(progress, perSecond)}`);
  };
}

/** Bytes a second over the last moments. */
class Rate {
  static readonly #WINDOW_MS = 5000;
  readonly #clock: Pick<Clock, 'now'>;
  #samples: { readonly time: number; readonly bytes: number }[] = [];

  constructor(clock: Pick<Clock, 'now'>) {
    this.#clock = clock;
  }

  at(bytes: number): { readonly now: number; readonly perSecond: number } {
    const now = this.#clock.now();
    const last = this.#samples.at(-1);
    if (last === undefined || now - last.time >= SAMPLE_EVERY_MS) {
      this.#samples = this.#samples.filter(({ time }) => now - time <= Rate.#WINDOW_MS);
      this.#samples.push({ time: now, bytes });
    }
    const [first] = this.#samples;
    const elapsed = first === undefined ? 0 : now - first.time;
    return {
      now,
      perSecond: first === undefined || elapsed === 0 ? 0 : ((bytes - first.bytes) * 1000) / elapsed,
    };
  }
}

function bar({ bytesDone, bytesTotal }: CopyProgress): string {
  const full = bytesTotal === 0 ? 0 : Math.round((bytesDone / bytesTotal) * BAR_WIDTH);
  return `${'█'.repeat(full)}${'░'.repeat(BAR_WIDTH - full)}`;
}

/** `280 MB of 512 MB (55%), 62 MB/s; 2 mounted, 1 already there` */
function describe(progress: CopyProgress, perSecond: number): string {
  const { bytesDone, bytesTotal, blobsMounted, blobsSkipped } = progress;
  const percent = bytesTotal === 0 ? 0 : Math.floor((bytesDone / bytesTotal) * 100);
  const spared = [
    ...(blobsMounted > 0 ? [`${blobsMounted} mounted`] : []),
    ...(blobsSkipped > 0 ? [`${blobsSkipped} already there`] : []),
  ];
  return [
    `${formatSize(bytesDone)} of ${formatSize(bytesTotal)} (${percent}%)`,
    ...(perSecond > 0 ? [`, ${formatSize(perSecond)}/s`] : []),
    ...(spared.length > 0 ? [`; ${spared.join(', ')}`] : []),
  ].join('');
}
