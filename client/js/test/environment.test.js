import assert from 'node:assert/strict';
import { test } from 'node:test';

import { browserEnvironment } from '../src/environment.js';

const LONGEST_MS = 2 ** 31 - 1;
const DAYS_31_MS = 31 * 86_400_000;

test('a timer that is too long for a browser wakes early instead of at once', (t) => {
  const asked = /** @type {number[]} */ ([]);
  t.mock.method(
    globalThis,
    'setTimeout',
    (/** @type {() => void} */ _, /** @type {number} */ delayMs) => asked.push(delayMs),
  );
  for (const delayMs of [0, 1_000, LONGEST_MS, LONGEST_MS + 1, DAYS_31_MS]) {
    browserEnvironment.setTimer(() => {}, delayMs);
  }
  assert.deepEqual(asked, [0, 1_000, LONGEST_MS, LONGEST_MS, LONGEST_MS]);
});
