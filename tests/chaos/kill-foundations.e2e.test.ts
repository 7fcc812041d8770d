import { testKills } from './kill-each-part.ts';

testKills('foundations');
