// Makes an embedded store from its backup: `restore-main.ts CLICKHOUSE_DIRECTORY BACKUP`, where BACKUP is below the directory that backups of
// this store are in. Prints how many events it has. A process of its own, because the engine has one directory a process.

import { openClickHouse } from './clickhouse/store.ts';
import { createLifetime } from '@worktrail/runtime/lifetime';
import { createLogger } from '@worktrail/runtime/log';
import { restoreFrom } from './backup/embedded-backup.ts';

const [path, directory] = process.argv.slice(2);
if (!path || !directory) throw new Error('usage: restore-main.ts CLICKHOUSE_DIRECTORY BACKUP');
const lifetime = createLifetime(createLogger({ service: 'restore', level: 'silent' }));
const clickhouse = await openClickHouse({ kind: 'embedded', path }, lifetime);
const events = await restoreFrom(clickhouse, directory);
await lifetime.close();
process.stdout.write(`${events}\n`, () => process.exit(0));
