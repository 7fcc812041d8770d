import { create } from '@bufbuild/protobuf';
import { CommandRecordSchema, GetCommandResponseSchema } from '@worktrail/proto/trace';
import { expect, test } from 'vitest';
import { createCommandReader } from './command-reader.ts';

const scope = { partition: 0, organizationId: 'org_1', sessionId: 'ses_1' };
const unused = () => Promise.reject(new Error('is not asked here'));

function reader(records: (string | null)[]) {
  const getCommand = () => {
    const commandId = records.shift();
    return Promise.resolve(
      create(GetCommandResponseSchema, commandId ? { command: create(CommandRecordSchema, { commandId }) } : {}),
    );
  };
  const query = <Result>() => Promise.resolve(null as Result);
  return createCommandReader({ getCommand, listCommands: unused, readOutput: unused }, { query });
}

test('a command that is recorded while it is looked for is found', async () => {
  expect(await reader([null, 'cmd_1']).find(scope, 'cmd_1')).toMatchObject({ id: 'cmd_1' });
});

test('one that neither knows is not', async () => {
  expect(await reader([null, null]).find(scope, 'cmd_1')).toBeUndefined();
});
