import { testSessionFiles } from '../../test/session-files-suite.ts';

testSessionFiles('a worker that replays each task', 0);
