import { spawn } from 'node:child_process';

describe('a test that forgets', () => {
  it('its child process', () => {
    spawn('sleep', ['600'], { stdio: 'ignore' }).unref();
  });
});
