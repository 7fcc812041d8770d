import fc from 'fast-check';
import { expect, test } from 'vitest';
import { checkResolvedTables, checkTokens, checkTree, QueryRefused, tokenize } from './confinement.ts';
import { isAllowedFunction } from './functions.ts';
import { viewNames } from './views.ts';

const views = viewNames;

test('text in literals is text, whatever it says', () => {
  const tokens = tokenize(`SELECT 'INTO OUTFILE \\' ; SETTINGS' AS a FROM events`);
  expect(() => checkTokens(tokens, views)).not.toThrow();
  expect(tokens.filter(({ kind }) => kind === 'string')).toHaveLength(1);
});

test('a literal that does not end is refused', () => {
  expect(() => checkTokens(tokenize(`SELECT 'abc`), views)).toThrow(QueryRefused);
  expect(() => checkTokens(tokenize('SELECT `abc'), views)).toThrow(QueryRefused);
});

test('names that WITH defines may be read; the views cannot be defined again', () => {
  expect([...checkTokens(tokenize('WITH a AS (SELECT 1), b AS (SELECT 2) SELECT * FROM a, b'), views)]).toEqual([
    'a',
    'b',
  ]);
  expect(() => checkTokens(tokenize('WITH events AS (SELECT 1) SELECT 1'), views)).toThrow(/is a view/);
});

test('a tree with a node that is not known is refused', () => {
  fc.assert(
    fc.property(
      fc.string({ minLength: 1 }).filter((kind) => !/^ *(SelectQuery|Literal|Asterisk)( |$)/.test(kind)),
      (kind) => {
        const tree = ['SelectWithUnionQuery (children 1)', ` ${kind.trim() || 'X'} x`];
        expect(() => checkTree(tree, views)).toThrow(QueryRefused);
      },
    ),
  );
});

test('a function is refused as a table even if it may be used as a value', () => {
  const tree = (child: string) => [
    'SelectWithUnionQuery (children 1)',
    ' ExpressionList (children 1)',
    '  SelectQuery (children 1)',
    '   TablesInSelectQuery (children 1)',
    '    TablesInSelectQueryElement (children 1)',
    '     TableExpression (children 1)',
    `      ${child}`,
  ];
  expect(() => checkTree(tree('Function format (children 1)'), views)).toThrow(/table function format/);
  expect(() => checkTree(tree('TableIdentifier events (alias e)'), views)).not.toThrow();
  expect(() => checkTree(tree('TableIdentifier other (alias events)'), views)).toThrow(QueryRefused);
});

test('only the views may be resolved to tables', () => {
  const physical = new Set(['default.events_v1']);
  const table = (name: string) => [`    TABLE id: 3, alias: __table1, table_name: ${name}`];
  expect(() => checkResolvedTables(table('default.events_v1'), physical)).not.toThrow();
  expect(() => checkResolvedTables(table('default.audit_v1'), physical)).toThrow(QueryRefused);
  expect(() => checkResolvedTables(['  TABLE_FUNCTION id: 2, table_function_name: file'], physical)).toThrow(
    QueryRefused,
  );
  expect(() => checkResolvedTables(['  TABLE with an unknown shape'], physical)).toThrow(QueryRefused);
});

test('aggregates take combinators, and nothing else becomes a function by them', () => {
  for (const name of ['countIf', 'sumDistinctIf', 'COUNT', 'quantilesExactIf', 'argMaxOrNull']) {
    expect(isAllowedFunction(name)).toBe(true);
  }
  for (const name of ['fileIf', 'sleep', 'ifIf', 'dictGetIf', 'getSettingArray', 'countState', '', 'merge']) {
    expect(isAllowedFunction(name)).toBe(false);
  }
});
