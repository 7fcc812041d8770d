// No room for another process, because of what ended commands left behind. The limit is the user's here (RLIMIT_NPROC), which fork
// answers as it does the one of a container.

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { canRunUnder, runToEnd, type Supervised, startSupervised, waitForOutput } from './supervised.ts';

const processesMax = 40;
// The kernel lets root have any number. The capability is for the run directory, which root made.
const wrapper = [
  ...['unshare', '--pid', '--mount', '--mount-proc', '--fork'],
  ...['setpriv', '--reuid=54321', '--inh-caps=+dac_override', '--ambient-caps=+dac_override'],
  ...['prlimit', `--nproc=${processesMax}`],
];

describe.runIf(canRunUnder(wrapper))('where there is no room for another process', () => {
  let sandbox: Supervised;
  beforeEach(async () => {
    sandbox = await startSupervised({ wrapper, forks: true, args: ['--keep-user'] });
  });
  afterEach(() => sandbox.close());

  it('a start ends what belongs to no live command, and nothing else', async () => {
    const live = sandbox.bash('setsid sleep 600 & sleep 600 & echo up; wait');
    await sandbox.link.start(live);
    await waitForOutput(sandbox.link, live.id, 'up');
    const [supervisor, ofLive, leader] = [1, 3, 1];
    const leftBehind = processesMax - supervisor - ofLive - leader;
    const { end } = await runToEnd(sandbox, sandbox.bash(`for i in {1..${leftBehind}}; do sleep 500 & done`));
    expect(end).toMatchObject({ outcome: 'exited', exitCode: 0, stderrBytes: 0 });
    await sandbox.link.start(sandbox.bash('exec sleep 600'));

    const { stdout } = await runToEnd(sandbox, sandbox.bash('ps -eo args= | grep "^sleep" | sort | uniq -c'));
    expect(stdout.trim()).toBe('3 sleep 600');
  });

  it('a start that nothing can make room for is refused', async () => {
    for (let used = 1; used < processesMax; used++) await sandbox.link.start(sandbox.bash('exec sleep 600'));
    const { end } = await runToEnd(sandbox, sandbox.bash('echo no'));
    expect(end).toMatchObject({
      outcome: 'failed_to_start',
      reason: expect.stringMatching(/^cannot start a process: /),
    });
  });

  it.each([
    ['', 'bomb() { bomb & bomb & wait; }'],
    [' in sessions of its own', 'bomb() { setsid bash -c bomb & setsid bash -c bomb & wait; }; export -f bomb'],
  ])('what forks for ever%s is ended too', async (_, bomb) => {
    const untilNoneForks = 'bomb 2> noise & until [ -s noise ]; do :; done';
    expect((await runToEnd(sandbox, sandbox.bash(`${bomb}; ${untilNoneForks}`))).end.outcome).toBe('exited');
    // A try may find one place, its own, and none for what it starts. A plain `sh` does not wait for one, and bash does so for 31 s.
    const pipeline = async () => {
      const argv = ['/bin/sh', '-c', '(echo it; echo runs) | cat'];
      return (await runToEnd(sandbox, sandbox.bash('', { argv }))).stdout;
    };
    await expect.poll(pipeline).toBe('it\nruns\n');
  });
});
