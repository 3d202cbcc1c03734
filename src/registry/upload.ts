import type { StreamBody } from '../http/client.js';
import { pauseAfter } from '../http/retry.js';
import { DeployerError } from '../lib/errors.js';
import type { Descriptor } from '../oci/descriptor.js';
import type { BlobContent } from './blob-content.js';
import { WORTHWHILE, type RegistryRequests } from './requests.js';
import type { Setback, UploadAnswer, UploadPlace, UploadSession } from './upload-session.js';

export interface UploadPorts {
  readonly session: UploadSession;
  readonly requests: RegistryRequests;
  /** Whether the repository has the blob: the answer to an upload's last request may get lost. */
  readonly isThere: () => Promise<boolean>;
  /** Told how many bytes of the blob are on their way or there; less than before when some must go again. */
  readonly onPosition: (position: number) => void;
  readonly signal?: AbortSignal;
}

/** Small enough for the limits of most proxies, large enough to cost little. */
const CHUNK = 16 * 1024 * 1024;

/**
 * Brings a blob's bytes into a repository: the whole in one PUT. When that breaks, the registry is asked how far it
 * came and gets the rest in chunks; when it has forgotten (docker's registry 2.8 does), all begins again. A whole that
 * is too large for what stands before the registry (413) goes in chunks as well.
 */
export class Upload {
  readonly #ports: UploadPorts;
  readonly #blob: Descriptor;
  readonly #content: BlobContent;
  #place: UploadPlace | undefined;
  /** The bytes that the registry is known to have. */
  #offset = 0;
  #inChunks = false;
  #lost = false;

  /** @param place of an upload that was begun already, by a mount that was refused */
  constructor(blob: Descriptor, content: BlobContent, ports: UploadPorts, place?: UploadPlace) {
    this.#ports = ports;
    this.#blob = blob;
    this.#content = content;
    this.#place = place;
  }

  /** @throws DeployerError `push_failed`, `registry_denied`, ...; what the content throws when it is damaged */
  async run(): Promise<void> {
    try {
      await this.#try();
    } catch (error) {
      // The registry hashed what it got. If the content is to blame, reading it whole says so.
      if (error instanceof DeployerError && error.code === 'push_failed')
        for await (const _chunk of this.#content.open(0, 'here')) continue;
      throw error;
    }
  }

  async #try(): Promise<void> {
    const { requests, signal } = this.#ports;
    const { retry } = requests;
    for (let attempt = 1; ; attempt += 1) {
      const before = this.#offset;
      const setback = await this.#goOn();
      if (setback === undefined) return;
      if (this.#offset - before >= WORTHWHILE) attempt = 1;
      const pause = pauseAfter(retry, attempt, setback.retryAfter);
      if (attempt >= retry.tries || pause === undefined) throw setback.error;
      requests.retrying(setback.error.message, pause);
      await retry.clock.sleep(pause, signal);
    }
  }

  /** As far as it goes. @returns what stopped it */
  async #goOn(): Promise<Setback | undefined> {
    for (;;) {
      const answer = await (this.#lost ? this.#findPlace() : this.#step());
      if (answer === 'stored') return undefined;
      if ('setback' in answer) {
        const tooLarge = answer.setback.status === 413 && !this.#inChunks && this.#blob.size > CHUNK;
        if (!tooLarge) {
          this.#lost = true;
          return answer.setback;
        }
        this.#beginAnew();
        this.#inChunks = true;
      }
    }
  }

  async #step(): Promise<UploadAnswer> {
    const { session } = this.#ports;
    if (this.#place === undefined) return this.#keep(await session.start());
    if (!this.#inChunks) return this.#end(await session.put(this.#place, this.#body(0, this.#blob.size)));
    if (this.#offset === this.#blob.size) return this.#end(await session.put(this.#place, undefined));
    return this.#sendChunk(this.#place);
  }

  async #sendChunk(place: UploadPlace): Promise<UploadAnswer> {
    const start = this.#offset;
    const end = Math.min(this.#blob.size, start + Math.max(CHUNK, place.leastChunk));
    const answer = await this.#ports.session.patch(place, start, this.#body(start, end));
    if (answer === 'stored' || 'setback' in answer) return answer;
    this.#offset = Math.min(answer.received ?? end, end);
    return this.#offset > start ? this.#keep(answer) : this.#nonsense('took nothing of a chunk');
  }

  /** After a break: how far the registry came, or a new beginning if it does not have the whole by now. */
  async #findPlace(): Promise<UploadAnswer> {
    const { session, requests, isThere } = this.#ports;
    if (this.#place !== undefined) {
      const answer = await session.status(this.#place);
      if (answer === 'stored') return answer;
      if ('setback' in answer) {
        const { status } = answer.setback;
        if (status === 0 || requests.retry.statuses.has(status)) return answer;
      } else if (answer.received !== undefined && answer.received > 0) {
        this.#offset = Math.min(answer.received, this.#blob.size);
        this.#inChunks = true;
        this.#lost = false;
        this.#ports.onPosition(this.#offset);
        return this.#keep(answer);
      }
    }
    if (await isThere()) return 'stored';
    this.#beginAnew();
    return this.#step();
  }

  #beginAnew(): void {
    this.#place = undefined;
    this.#offset = 0;
    this.#lost = false;
    this.#ports.onPosition(0);
  }

  #keep(answer: UploadAnswer): UploadAnswer {
    if (answer !== 'stored' && 'url' in answer) this.#place = answer;
    return answer;
  }

  /** 201 ends an upload; a registry that accepts it only (202) would be asked for ever. */
  #end(answer: UploadAnswer): UploadAnswer {
    return answer === 'stored' || 'setback' in answer
      ? answer
      : this.#nonsense('did not say that it stored an upload');
  }

  #nonsense(what: string): UploadAnswer {
    const error = new DeployerError('push_failed', `the registry ${what} (blob ${this.#blob.digest})`);
    return { setback: { status: 0, error } };
  }

  #body(start: number, end: number): StreamBody {
    const content = this.#content;
    const { onPosition } = this.#ports;
    return {
      length: end - start,
      async *open() {
        let position = start;
        for await (const chunk of content.open(start, 'by the registry')) {
          const part = chunk.subarray(0, end - position);
          position += part.length;
          onPosition(position);
          yield part;
          if (position === end) return;
        }
      },
    };
  }
}
