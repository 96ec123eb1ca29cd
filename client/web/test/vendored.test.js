import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';

import { vendored } from './vendored.js';

test('the vendored QR encoder equals the pinned version of the npm package', async () => {
  assert.equal(await readFile(new URL('../src/uqr.js', import.meta.url), 'utf8'), await vendored());
});
