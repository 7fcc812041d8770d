import { expect, test } from 'vitest';
import { takeApart } from './client-text.ts';
import { shownBy } from './show.ts';

const statement = (text: string) => takeApart(text, {}).statement;

test('a column may be named with its table, also where that has another name', () => {
  expect(
    statement(
      'SELECT t.name FROM system.tables AS t INNER JOIN system.databases AS d ON system.tables.database = system.databases.name',
    ),
  ).toBe('SELECT t.name FROM system_tables AS t INNER JOIN system_databases AS d ON t.database = d.name');
  expect(
    statement("SELECT 1, system.columns.type FROM system.columns WHERE system.columns.name = 'system.columns'"),
  ).toBe("SELECT 1, system_columns.type FROM system_columns WHERE system_columns.name = 'system.columns'");
  expect(
    statement('SELECT 1 FROM worktrail.events, worktrail.sessions AS s WHERE worktrail.sessions.title = s.branch'),
  ).toBe('SELECT 1 FROM events, sessions AS s WHERE s.title = s.branch');
  for (const text of ['SELECT 1 FROM system.users', 'SELECT system.users.name', 'SELECT 1 FROM other.events']) {
    expect(statement(text)).toBe(text);
  }
});

test('rows that stand in a statement become a list of them', () => {
  expect(statement("SELECT c1 FROM VALUES(('a, (b', 2, [1, 2]), ('c', 3, [])) AS v")).toBe(
    "SELECT c1 FROM (SELECT tupleElement(r, 1) AS c1, tupleElement(r, 2) AS c2, tupleElement(r, 3) AS c3 FROM (SELECT arrayJoin([('a, (b', 2, [1, 2]), ('c', 3, [])]) AS r)) AS v",
  );
  for (const text of ["SELECT * FROM VALUES('a UInt8', 1)", 'SELECT VALUES', 'SELECT * FROM VALUES((1, 2)']) {
    expect(statement(text)).toBe(text);
  }
});

test('what clients ask about tables in their own statements is a SELECT of what is shown', () => {
  expect(shownBy('SHOW DATABASES')).toBe('SELECT name FROM system.databases ORDER BY name');
  expect(shownBy('SHOW TABLES FROM `worktrail` FORMAT JSON')).toBe(
    "SELECT name FROM system.tables WHERE database = 'worktrail' ORDER BY name FORMAT JSON",
  );
  expect(shownBy('SHOW TABLES')).toContain("database = 'worktrail'");
  expect(shownBy('DESCRIBE TABLE worktrail.events')).toContain("table = 'events'");
  expect(shownBy('SHOW CREATE TABLE `sessions`')).toMatch(/^SELECT 'CREATE VIEW worktrail\.sessions/);
  for (const text of [
    'DESCRIBE TABLE events_v1',
    'SHOW CREATE TABLE system.tables',
    'SHOW PROCESSLIST',
    'SHOW TABLES FROM a.b',
  ]) {
    expect(shownBy(text)).toBe(text);
  }
});
