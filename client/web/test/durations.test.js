import assert from 'node:assert/strict';
import { test } from 'node:test';

import { formatDuration, parseDuration } from '../src/durations.js';

test('durations are parsed; a plain number is minutes', () => {
  assert.equal(parseDuration('5'), 300_000);
  assert.equal(parseDuration(' 90 s'), 90_000);
  assert.equal(parseDuration('1h30m'), 5_400_000);
  assert.equal(parseDuration('2:30'), 150_000);
  assert.equal(parseDuration('1:00:00'), 3_600_000);
  assert.equal(parseDuration('1.5'), 90_000);
  assert.equal(parseDuration('1,5h'), 5_400_000);
  assert.equal(parseDuration('1½'), 90_000);
  assert.equal(parseDuration('7d'), 604_800_000);
  assert.equal(parseDuration('1d 2h 3m 4s'), 93_784_000);
  assert.equal(parseDuration('٢:٣٠'), 150_000);
  assert.equal(parseDuration('９０ｓ'), 90_000);
  for (const text of ['', 'soon', '1.', '.5.', '-3', '5 apples', '½½', '2h1d', '5d3']) {
    assert.equal(parseDuration(text), null, text);
  }
});

test('durations are formatted in words', () => {
  assert.equal(formatDuration(5_401_000), '1 hour 30 minutes 1 second');
  assert.equal(formatDuration(86_400_000), '1 day');
  assert.equal(formatDuration(176_461_000), '2 days 1 hour 1 minute 1 second');
  assert.equal(formatDuration(0), '0 seconds');
  assert.equal(formatDuration(2_500), '2.5 seconds');
  assert.equal(formatDuration(1_000), '1 second');
  assert.equal(formatDuration(40), '0.1 seconds');
  assert.equal(formatDuration(9_960), '10 seconds');
  assert.equal(formatDuration(12_400), '12 seconds');
});
