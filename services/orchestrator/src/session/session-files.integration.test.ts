import { testSessionFiles } from '../../test/session-files-suite.ts';

testSessionFiles('a worker that keeps workflows in memory', 1_000);
