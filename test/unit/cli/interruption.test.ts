import { EventEmitter } from 'node:events';
import { expect } from 'chai';
import { Interruption } from '../../../src/cli/interruption.js';

describe('signals', () => {
  let at = 0;
  let heard: string[] = [];
  let source: EventEmitter;
  let interruption: Interruption;
  const send = (signal: NodeJS.Signals, atMs: number): boolean => {
    at = atMs;
    return source.emit(signal, signal);
  };

  beforeEach(() => {
    heard = [];
    source = new EventEmitter();
    const say = (what: string) => (): unknown => heard.push(what);
    interruption = new Interruption(source, say('undo'), say('stop at once'), { now: () => at });
  });

  it('of one wish are one: those that follow, and the echo of a Ctrl-C, stop nothing at once', () => {
    send('SIGINT', 1000);
    send('SIGINT', 1001);
    send('SIGINT', 1299);
    send('SIGTERM', 5000);
    send('SIGHUP', 5000);
    expect(heard).to.deep.equal(['undo']);
    expect(interruption.signal.reason).to.include({ code: 'interrupted', message: 'interrupted by SIGINT' });
  });

  it('of a second wish stop at once: a Ctrl-C, whatever the first was', () => {
    send('SIGTERM', 1000);
    send('SIGINT', 1300);
    expect(heard).to.deep.equal(['undo', 'stop at once']);
  });

  it('of a second wish may be of more kinds, for a command that has nothing to undo', () => {
    const ends = ['SIGINT', 'SIGTERM'] as const;
    const say = (what: string) => (): unknown => heard.push(what);
    source = new EventEmitter();
    interruption = new Interruption(source, say('undo'), say('stop at once'), { now: () => at }, ends);
    send('SIGTERM', 1000);
    send('SIGTERM', 1299);
    send('SIGHUP', 5000);
    expect(heard).to.deep.equal(['undo']);
    send('SIGTERM', 5000);
    expect(heard).to.deep.equal(['undo', 'stop at once']);
  });

  it('are left alone by a command that has ended', () => {
    interruption.dispose();
    expect(send('SIGINT', 0)).to.equal(false);
    expect(interruption.signal.aborted).to.equal(false);
  });
});
