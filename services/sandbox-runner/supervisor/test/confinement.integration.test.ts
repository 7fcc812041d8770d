// As PID 1 of its own PID namespace with the three capabilities it has in a container, and nothing more.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { canRunUnder, runToEnd, type Supervised, startSupervised } from './supervised.ts';

const bounding = '--bounding-set=-all,+setuid,+setgid,+kill';
const wrapper = [
  ...['unshare', '--pid', '--mount', '--mount-proc', '--fork'],
  ...['setpriv', bounding, '--inh-caps=-all', '--no-new-privs', '--clear-groups'],
];

describe.runIf(canRunUnder(wrapper))('a supervisor as PID 1 with SETUID, SETGID and KILL', () => {
  let sandbox: Supervised;
  beforeAll(async () => {
    sandbox = await startSupervised({ wrapper, forks: true });
  });
  afterAll(() => sandbox.close());

  it('runs commands as uid 1000 without any capability, which can write to /dev/stdout', async () => {
    const script =
      'echo x > /dev/stdout; id -u; id -G; grep CapEff /proc/self/status; grep Cap /proc/1/status | tr -s "\\t" " "';
    const { stdout } = await runToEnd(sandbox, sandbox.bash(script));
    const [written, uid, groups, effective, ...supervisor] = stdout.trim().split('\n');
    expect([written, uid, groups]).toEqual(['x', '1000', '1000']);
    expect(effective).toMatch(/\t0{16}$/);
    const killSetgidSetuid = '00000000000000e0';
    expect(supervisor).toContain(`CapBnd: ${killSetgidSetuid}`);
    expect(supervisor).toContain(`CapEff: ${killSetgidSetuid}`);
  });

  it('cannot be signaled, traced or read by a command', async () => {
    const touch = 'for s in TERM KILL STOP; do kill -$s 1; done; ls /proc/1/fd; cat /proc/1/mem /proc/1/environ';
    const { stdout, stderr, end } = await runToEnd(sandbox, sandbox.bash(touch));
    expect([stdout, stderr.match(/not permitted|Permission denied/g)?.length]).toEqual(['', 6]);
    expect(end).toMatchObject({ outcome: 'exited', exitCode: 1 });
    expect((await runToEnd(sandbox, sandbox.bash('exec kill -9 -1'))).end.outcome).toMatch(/exited|signaled/);
    expect((await runToEnd(sandbox, sandbox.bash('echo fine'))).stdout).toBe('fine\n');
  });

  it('reaps what commands leave behind', async () => {
    await runToEnd(sandbox, sandbox.bash('for i in {1..50}; do (sleep 0.05 &) ; done'));
    // Each for a moment, until it is reaped.
    const zombies =
      'sleep 0.3; for i in {1..300}; do left=$(ps -eo stat=,comm= | grep -c "^Z"); [ "$left" = 0 ] && break; sleep 0.1; done; echo $left';
    expect((await runToEnd(sandbox, sandbox.bash(zombies))).stdout).toBe('0\n');
  });

  it('signals commands of the other user, and has the kernel end them before it', async () => {
    const { end } = await runToEnd(sandbox, sandbox.bash('trap "" TERM; sleep 60', { timeoutMs: 2_000, graceMs: 500 }));
    expect(end).toMatchObject({ outcome: 'timed_out', signal: 9 });
    const scores = await runToEnd(sandbox, sandbox.bash('cat /proc/self/oom_score_adj'));
    expect(Number(scores.stdout)).toBeGreaterThanOrEqual(500);
  });
});
