import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  formatRemaining,
  remainingChangesInMs,
  formatElapsed,
  elapsedChangesInMs,
} from '../src/format.js';

test('remaining time is rounded up, so that 0:00 means expired', () => {
  const shown = Object.fromEntries(
    [
      0, 1, 99, 100, 101, 9_899, 9_900, 9_901, 9_999, 10_000, 10_001, 11_000, 59_001, 60_000,
      60_001, 3_599_000,
    ].map((ms) => [ms, formatRemaining(ms)]),
  );

  assert.deepEqual(shown, {
    0: '0:00',
    1: '0.1',
    99: '0.1',
    100: '0.1',
    101: '0.2',
    9_899: '9.9',
    9_900: '9.9',
    9_901: '10.0',
    9_999: '10.0',
    10_000: '0:10',
    10_001: '0:11',
    11_000: '0:11',
    59_001: '1:00',
    60_000: '1:00',
    60_001: '1:01',
    3_599_000: '59:59',
  });
});

test('hours are shown from one hour on, after rounding up', () => {
  assert.equal(formatRemaining(3_599_001), '1:00:00');
  assert.equal(formatRemaining(3_661_000), '1:01:01');
  assert.equal(formatRemaining(36_000_000), '10:00:00');
  assert.equal(formatRemaining(2_678_400_000), '744:00:00');
});

test('tenths can be turned off, or start at another time', () => {
  assert.equal(formatRemaining(1, 0), '0:01');
  assert.equal(formatRemaining(19_950, 20_000), '20.0');
});

test('elapsed time counts whole seconds', () => {
  assert.deepEqual([0, 999, 1_000, 3_599_999, 3_600_000].map(formatElapsed), [
    '0:00',
    '0:00',
    '0:01',
    '59:59',
    '1:00:00',
  ]);
});

for (const tenthsBelowMs of [0, 5_000, 10_000, 12_345]) {
  test(`the text changes exactly when predicted: tenths below ${tenthsBelowMs} ms`, () => {
    for (let ms = 25_000.25; ms > 0; ms -= 7.5) {
      const changesIn = remainingChangesInMs(ms, tenthsBelowMs);
      const text = formatRemaining(ms, tenthsBelowMs);

      assert.ok(changesIn > 0 && changesIn <= 1_000, `${ms}: ${changesIn}`);
      assert.equal(
        formatRemaining(ms - changesIn + 0.01, tenthsBelowMs),
        text,
        `too late after ${ms}`,
      );
      // If tenths start on a full second, that second itself is shown for an instant.
      assert.notEqual(
        formatRemaining(Math.max(0, ms - changesIn - 0.01), tenthsBelowMs),
        text,
        `too early after ${ms}`,
      );
    }
    assert.equal(remainingChangesInMs(0, tenthsBelowMs), Infinity);
  });
}

test('a stopwatch changes on the second', () => {
  assert.equal(elapsedChangesInMs(0), 1_000);
  assert.equal(elapsedChangesInMs(1_250.5), 749.5);
});
