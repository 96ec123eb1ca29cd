import assert from 'node:assert/strict';
import { test } from 'node:test';

import { parseTimeControl } from '../src/time-controls.js';

test('a time control is sent with explicit units, and described in words', () => {
  for (const [input, text, words] of [
    ['5', '5m', '5 minutes each'],
    ['3 + 2', '3m+2s', '3 minutes each, plus 2 seconds per move'],
    ['15+10', '15m+10s', '15 minutes each, plus 10 seconds per move'],
    ['10+5x30s', '10m+5x30s', '10 minutes each, then 5 periods of 30 seconds'],
    ['10+20/5m', '10m+20/5m', '10 minutes each, then 20 turns every 5 minutes'],
    ['25 d5', '25m d5s', '25 minutes each, with a delay of 5 seconds per move'],
    ['5 b3', '5m b3s', '5 minutes each, up to 3 seconds returned per move'],
    ['*5', '*5m', '5 minutes each, time used by one is added to the other'],
    ['90s+1', '1m30s+1s', '1 minute 30 seconds each, plus 1 second per move'],
    ['1:30:00 + 30', '1h30m+30s', '1 hour 30 minutes each, plus 30 seconds per move'],
  ]) {
    assert.deepEqual(parseTimeControl(String(input)), { text, words });
  }
  for (const text of ['', '5+', 'blitz', '0', '0+3', '3+2+1', 'G/', '15 | ', '1.5.2', '5x30s']) {
    assert.equal(parseTimeControl(text), null, text);
  }
});

test('notations of clubs and sites are read in their minutes', () => {
  for (const [input, same] of [
    ['15 | 10', '15+10'],
    ['15|10', '15+10'],
    ['G/60;d5', '60 d5'],
    ['g/60; d5', '60 d5'],
    ['G/60;+5', '60+5'],
    ['G/60;inc5', '60+5'],
    ['G/90', '90'],
    ['10 + 5×30s', '10+5x30s'],
  ]) {
    assert.deepEqual(parseTimeControl(String(input)), parseTimeControl(String(same)), input);
  }
});

test('fractions, and periods without a main time', () => {
  for (const [input, text, words] of [
    ['2.5', '2m30s', '2 minutes 30 seconds each'],
    ['2.5m+1', '2m30s+1s', '2 minutes 30 seconds each, plus 1 second per move'],
    ['½+0.5', '30s+0.5s', '30 seconds each, plus 0.5 seconds per move'],
    ['2½', '2m30s', '2 minutes 30 seconds each'],
    ['0+5x30s', '0+5x30s', 'No main time, 5 periods of 30 seconds'],
    ['0+20/5m', '0+20/5m', 'No main time, 20 turns every 5 minutes'],
  ]) {
    assert.deepEqual(parseTimeControl(String(input)), { text, words }, input);
  }
});

test('digits and signs of other scripts are read as those of this one', () => {
  const expected = parseTimeControl('15+10');
  for (const text of ['١٥+١٠', '۱۵+۱۰', '१५+१०', '১৫+১০', '１５＋１０', '๑๕+๑๐', '𝟏𝟓+𝟏𝟎']) {
    assert.deepEqual(parseTimeControl(text), expected, text);
  }
  assert.deepEqual(parseTimeControl('٢٫٥'), parseTimeControl('2.5'));
});
