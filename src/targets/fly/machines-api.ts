import * as v from 'valibot';
import type { Advice } from './advice.js';
import { isFromElsewhere, sentenceOf } from './api-error.js';
import type { ApiTransport, Nonce } from './api-transport.js';
import { AppRequests, unreadable } from './app-requests.js';
import { RATE } from './limiter.js';
import {
  App,
  IpAssignments,
  LeaseAnswer,
  Machine,
  MachineVersion,
  ProcessStat,
  WaitAnswer,
  type LeaseData,
  type ListenSocket,
  type MachineConfig,
} from './machine.js';

/** What a wait came to: the state was reached, time ran out, or the machine is not (yet) known. */
export type WaitResult = 'reached' | 'not-yet' | 'unknown-machine';

export type LeaseResult =
  | { readonly held: true; readonly nonce: string }
  /** Someone else holds it, or (`missing`) there is no such machine or lease; `said` is the API's sentence. */
  | { readonly held: false; readonly missing: boolean; readonly said: string };

export interface MachineUpdate {
  readonly config: MachineConfig;
  /** Leaves the machine stopped. */
  readonly skipLaunch: boolean;
}

export interface NewMachine {
  readonly config: MachineConfig;
  readonly region?: string | undefined;
  /** No two machines of an app can have the same. */
  readonly name?: string | undefined;
  /** It is created with a lease, whose nonce comes with the answer. */
  readonly leaseSeconds: number;
}

/** The API itself never waits longer; what is asked beyond is cut. */
export const LONGEST_WAIT_MS = 60_000;

/**
 * The Machines API, typed: https://docs.machines.dev. Every method throws `api_*` or the network's errors of
 * the HTTP port; reads are repeated over passing faults, writes only where the API said that nothing was done.
 */
export class MachinesApi {
  readonly app: string;
  readonly #transport: ApiTransport;
  readonly #requests: AppRequests;

  constructor(transport: ApiTransport, app: string) {
    this.app = app;
    this.#transport = transport;
    this.#requests = new AppRequests(transport, app);
  }

  /** What to try beside this program. */
  get advice(): Advice {
    return this.#transport.advice;
  }

  /** The same, whose every request ends with this signal, a write that is on its way too. */
  until(end: AbortSignal): MachinesApi {
    return new MachinesApi(this.#transport.until(end), this.app);
  }

  /** @returns undefined when there is no such app; what is no Machines API is refused */
  async getApp(signal?: AbortSignal): Promise<App | undefined> {
    const answer = await this.#requests.read('get-app', '', { signal });
    return answer.status === 404 && !isFromElsewhere(answer) ? undefined : this.#requests.parse(App, answer);
  }

  async createApp(organization: string, signal?: AbortSignal): Promise<void> {
    // The API's description calls it name, its documentation app_name.
    const body = { name: this.app, app_name: this.app, org_slug: organization };
    this.#requests.accept(await this.#requests.write('create-app', '', { path: '/apps', body, signal }));
  }

  /** @returns how many public addresses the app has; undefined when the API or the token has no say in addresses */
  async countAddresses(signal?: AbortSignal): Promise<number | undefined> {
    const answer = await this.#requests.read('list-addresses', '/ip_assignments', { signal });
    if ([403, 404, 501].includes(answer.status)) return undefined;
    return this.#requests.parse(IpAssignments, answer).ips?.length ?? 0;
  }

  async assignAddress(type: 'shared_v4' | 'v6', signal?: AbortSignal): Promise<void> {
    this.#requests.accept(
      await this.#requests.write('assign-address', '/ip_assignments', { body: { type }, signal }),
    );
  }

  async listMachines(signal?: AbortSignal): Promise<readonly Machine[]> {
    return this.#requests.parse(
      v.array(Machine),
      await this.#requests.read('list-machines', '/machines', { signal }),
    );
  }

  /** @returns undefined when there is no such machine (or not yet: a new one may take a moment to show) */
  async getMachine(id: string, signal?: AbortSignal): Promise<Machine | undefined> {
    const answer = await this.#requests.read('get-machine', machinePath(id), {
      subject: id,
      rate: RATE.getMachine,
      signal,
    });
    return answer.status === 404 ? undefined : this.#requests.parse(Machine, answer);
  }

  async createMachine(
    { config, region, name, leaseSeconds }: NewMachine,
    signal?: AbortSignal,
  ): Promise<Machine> {
    const body = { config, region, name, lease_ttl: leaseSeconds };
    const answer = await this.#requests.write('create-machine', '/machines', { body, signal });
    return this.#requests.parse(Machine, answer);
  }

  /** @param present the machine as it was read: if it has another version by now, the API refuses (409) */
  async updateMachine(
    present: Machine,
    update: MachineUpdate,
    nonce: Nonce,
    signal?: AbortSignal,
  ): Promise<Machine> {
    const { id, instance_id: version } = present;
    const body = {
      config: update.config,
      ...(version ? { current_version: version } : {}),
      ...(update.skipLaunch ? { skip_launch: true } : {}),
    };
    const answer = await this.#requests.write('update-machine', machinePath(id), {
      subject: id,
      body,
      nonce,
      signal,
    });
    return this.#requests.parse(Machine, answer);
  }

  async stopMachine(id: string, nonce: Nonce, signal?: AbortSignal): Promise<void> {
    const path = `${machinePath(id)}/stop`;
    this.#requests.accept(
      await this.#requests.write('stop-machine', path, { subject: id, body: {}, nonce, signal }),
    );
  }

  /** Kills and removes it; one that is gone already is fine. */
  async destroyMachine(id: string, nonce: Nonce): Promise<void> {
    const answer = await this.#requests.write('destroy-machine', machinePath(id), {
      method: 'DELETE',
      // The API's description calls it force, flyctl sends kill.
      query: new URLSearchParams({ force: 'true', kill: 'true' }),
      subject: id,
      nonce,
      repeatable: true,
    });
    if (answer.status !== 404) this.#requests.accept(answer);
  }

  /** A long poll of at most a minute: comes back the moment the machine's version is in one of the states. */
  async wait(
    id: string,
    until: {
      readonly states: readonly string[];
      readonly version: string | undefined;
      readonly timeoutMs: number;
    },
    signal?: AbortSignal,
  ): Promise<WaitResult> {
    const timeoutMs = Math.max(1000, Math.min(until.timeoutMs, LONGEST_WAIT_MS));
    const query = new URLSearchParams();
    for (const state of until.states) query.append('state', state);
    query.set('timeout', String(Math.floor(timeoutMs / 1000)));
    if (until.version !== undefined) query.set('version', until.version);
    const answer = await this.#requests.read('wait-machine', `${machinePath(id)}/wait`, {
      subject: id,
      query,
      headersTimeoutMs: timeoutMs + 15_000,
      signal,
    });
    if (answer.status === 404) return 'unknown-machine';
    if (answer.status === 408 || answer.status === 400 || answer.status === 412) return 'not-yet';
    return (this.#requests.parse(WaitAnswer, answer).ok ?? true) ? 'reached' : 'not-yet';
  }

  /** Changes one entry of a machine's metadata; its version stays, and nothing is restarted. */
  async setMetadata(id: string, key: string, value: string, nonce: Nonce): Promise<void> {
    const answer = await this.#requests.write('set-metadata', `${machinePath(id)}/metadata/${key}`, {
      subject: id,
      body: { value },
      nonce,
      repeatable: true,
    });
    this.#requests.accept(answer);
  }

  /** @returns what the machine's processes listen on; undefined when the API can't tell */
  async listenSockets(id: string, signal?: AbortSignal): Promise<readonly ListenSocket[] | undefined> {
    const answer = await this.#requests.read('list-processes', `${machinePath(id)}/ps`, {
      subject: id,
      signal,
    });
    if (answer.status >= 400) return undefined;
    return this.#requests
      .parse(v.array(ProcessStat), answer)
      .flatMap((process) => process.listen_sockets ?? []);
  }

  async versions(id: string, signal?: AbortSignal): Promise<readonly MachineVersion[]> {
    const answer = await this.#requests.read('list-versions', `${machinePath(id)}/versions`, {
      subject: id,
      signal,
    });
    return answer.status === 404 ? [] : this.#requests.parse(v.array(MachineVersion), answer);
  }

  /** Takes a lease on the machine, or refreshes the one whose nonce is given. */
  async lease(
    id: string,
    request: { readonly ttlSeconds: number; readonly description: string; readonly nonce?: string },
    signal?: AbortSignal,
  ): Promise<LeaseResult> {
    const { nonce, ttlSeconds, description } = request;
    const answer = await this.#requests.write('lease-machine', `${machinePath(id)}/lease`, {
      subject: id,
      body: { ttl: ttlSeconds, description },
      nonce: () => nonce,
      // After a lost answer the lease may be there already: its description tells whose it is.
      repeatable: true,
      signal,
    });
    if (answer.status === 409 || answer.status === 404)
      return { held: false, missing: answer.status === 404, said: sentenceOf(answer) };
    const granted = this.#requests.parse(LeaseAnswer, answer).nonce ?? nonce;
    if (granted === undefined) throw unreadable(answer);
    return { held: true, nonce: granted };
  }

  /** Who holds the machine's lease; undefined when nobody does. */
  async readLease(id: string, signal?: AbortSignal): Promise<LeaseData | undefined> {
    const answer = await this.#requests.read('read-lease', `${machinePath(id)}/lease`, {
      subject: id,
      signal,
    });
    return answer.status === 404 ? undefined : this.#requests.parse(LeaseAnswer, answer);
  }

  /** A lease that has ended already is fine. */
  async releaseLease(id: string, nonce: string): Promise<void> {
    const answer = await this.#requests.write('release-lease', `${machinePath(id)}/lease`, {
      method: 'DELETE',
      subject: id,
      nonce: () => nonce,
      repeatable: true,
    });
    if (answer.status !== 404 && answer.status !== 409) this.#requests.accept(answer);
  }
}

function machinePath(id: string): string {
  return `/machines/${encodeURIComponent(id)}`;
}
