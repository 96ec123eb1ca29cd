import assert from 'node:assert/strict';
import { test } from 'node:test';

import { parseTimeControl } from '../src/time-controls.js';

test('a time control is sent with explicit minutes, and described in words', () => {
  for (const [input, text, words] of [
    ['5', '5m', '5 minutes each'],
    ['3 + 2', '3m+2', '3 minutes each, 2 seconds added after each turn'],
    ['10+5x30s', '10m+5x30s', '10 minutes each, then 5 periods of 30 seconds'],
    ['10+20/5m', '10m+20/5m', '10 minutes each, then 20 turns every 5 minutes'],
    ['25 d5', '25m d5', '25 minutes each, with a delay of 5 seconds per turn'],
    ['5 b3', '5m b3', '5 minutes each, up to 3 seconds returned per turn'],
    ['*5', '*5m', '5 minutes each, time used by one is added to the other'],
    ['90s+1', '90s+1', '1 minute 30 seconds each, 1 second added after each turn'],
  ]) {
    assert.deepEqual(parseTimeControl(String(input)), { text, words });
  }
  for (const text of ['', '5+', 'blitz', '0', '3+2+1']) assert.equal(parseTimeControl(text), null);
});
