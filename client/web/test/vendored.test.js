import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';

import { vendored } from './vendored.js';

test('the code that draws QR codes is what npm has under the version that is pinned', async () => {
  assert.equal(await readFile(new URL('../src/uqr.js', import.meta.url), 'utf8'), await vendored());
});
