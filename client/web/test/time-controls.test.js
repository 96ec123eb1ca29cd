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
    ['14d+30', '336h+30s', '14 days each, plus 30 seconds per move'],
    ['90s+1', '1m30s+1s', '1 minute 30 seconds each, plus 1 second per move'],
    ['5+2,5', '5m+2.5s', '5 minutes each, plus 2.5 seconds per move'],
    ['5+0.04', '5m+0.04s', '5 minutes each, plus 0.04 seconds per move'],
    ['5+72.25', '5m+72.25s', '5 minutes each, plus 1 minute 12.25 seconds per move'],
    ['5+0', '5m+0', '5 minutes each, plus 0 seconds per move'],
    [
      '90+30!',
      '1h30m+30s!',
      '1 hour 30 minutes each, plus 30 seconds per move, one more before the first move',
    ],
    ['5+007x30', '5m+7x30s', '5 minutes each, then 7 periods of 30 seconds'],
    ['1:30:00 + 30', '1h30m+30s', '1 hour 30 minutes each, plus 30 seconds per move'],
  ]) {
    assert.deepEqual(parseTimeControl(String(input)), { text, words });
  }
  for (const text of ['', '5+', 'blitz', '3+2+1', 'G/', '15 | ', '1.5.2', '5x30s', '5!', '5 d5!']) {
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
    ['G/60;d0', '60'],
    ['G/60 d0', '60'],
    ['15 | 10!', '15+10!'],
    ['15 + 10 !', '15+10!'],
    ['２,５+3', '2.5+3'],
    ['2,5+3', '2.5+3'],
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

test('stages are sent with explicit units, and described in words', () => {
  for (const [input, text, words] of [
    [
      '40/90+30:30+30',
      '40/1h30m+30s:30m+30s',
      '40 moves in 1 hour 30 minutes, plus 30 seconds per move; then 30 minutes, plus 30 seconds per move',
    ],
    ['40/90:30', '40/1h30m:30m', '40 moves in 1 hour 30 minutes; then 30 minutes'],
    ['40 / 120', '40/2h', '40 moves in 2 hours, repeated'],
    ['1/5d', '1/120h', '1 move in 5 days, repeated'],
    [
      '40/90 d5 : 20/60 b5:15m',
      '40/1h30m d5s:20/1h b5s:15m',
      '40 moves in 1 hour 30 minutes, with a delay of 5 seconds per move; then 20 moves in 1 hour, up to 5 seconds returned per move; then 15 minutes',
    ],
    [
      '040/90+30!:020/60+0',
      '40/1h30m+30s!:20/1h+0',
      '40 moves in 1 hour 30 minutes, plus 30 seconds per move, one more before the first move; then 20 moves in 1 hour, plus 0 seconds per move, repeated',
    ],
  ]) {
    assert.deepEqual(parseTimeControl(String(input)), { text, words });
  }
  for (const text of [
    ...['40/', '40/90:', ':40/90', '/90', '40/90::30', '40/*3', '40/90+5x30s:30', '40/10+20/5m'],
    ...['40/90!:30', '40/20/90'],
  ]) {
    assert.equal(parseTimeControl(text), null, text);
  }
});

test('stages that the server would refuse are refused with the reason', () => {
  const time = 'The time of each stage must be 1 second to 31 days';
  const moves = 'The number of moves must be 1 to 500';
  const missing = 'Each stage but the last must have a number of moves, as 40/90';
  const first = 'Only the first stage can have an increment before the first move (!)';
  const sum = 'All stages together must be at most 31 days';
  for (const [text, problem] of [
    ['40/0:30', time],
    ['40/0.9s', time],
    ['40/90:745h', time],
    ['0/90:30', moves],
    ['501/90', moves],
    ['40/90:30:30', missing],
    ['40/90+30:20/30+30!', first],
    ['40/90+601:30', 'The increment must be 0, or 1 millisecond to 10 minutes'],
    ['40/90 d601', 'The delay must be 1 millisecond to 10 minutes'],
    [`${'1/5:'.repeat(10)}5`, 'There can be at most 10 stages'],
    ['40/16d:16d', sum],
    ['40/16d:20/15d:1s', sum],
  ]) {
    assert.deepEqual(parseTimeControl(String(text)), { problem }, text);
  }
  for (const text of ['1/1s', '500/31d', `${'1/5:'.repeat(9)}5`, '40/16d:15d', '40/31d:20/31d']) {
    assert.ok('words' in Object(parseTimeControl(text)), text);
  }
});

test('what the server would refuse is refused with its range', () => {
  const main = 'The main time must be 1 second to 31 days';
  const mainOrZero = 'The main time must be 0, or 1 second to 31 days';
  const increment = 'The increment must be 0, or 1 millisecond to 10 minutes';
  const period = 'The period must be 1 second to 1 hour';
  const periods = 'The number of periods must be 1 to 100';
  const turns = 'The number of turns must be 1 to 500';
  const delay = 'The delay must be 1 millisecond to 10 minutes';
  const returned = 'The time returned must be 1 millisecond to 10 minutes';
  for (const [text, problem] of [
    ['0', main],
    ['0+3', main],
    ['0 d5', main],
    ['*0', main],
    ['44641', main],
    ['*44641', main],
    ['0.001', main],
    ['0.999s+3', main],
    ['99999999999999999999', main],
    [`${'9'.repeat(400)}`, main],
    ['0.5s+5x30s', mainOrZero],
    ['0.000001+5x30s', mainOrZero],
    ['44641+20/5m', mainOrZero],
    ['5+601', increment],
    ['5+600.001', increment],
    ['5+0.0001', increment],
    ['5+5x0', period],
    ['5+5x0.9', period],
    ['5+5x61m', period],
    ['5+20/3601', period],
    ['5+0x30s', periods],
    ['5+101x30s', periods],
    ['5+200x30', periods],
    ['5+0/5m', turns],
    ['5+501/5m', turns],
    ['25 d0', delay],
    ['25 d0.0001', delay],
    ['25 d601', delay],
    ['G/60;d00', delay],
    ['25 b0', returned],
    ['25 b601', returned],
  ]) {
    assert.deepEqual(parseTimeControl(String(text)), { problem }, text);
  }
  for (const text of [
    '744h',
    '31d',
    '44640+3',
    '1s',
    '5+600',
    '5+100x1h',
    '0+1x1s',
    '5+500/1h',
    '5 d0.001',
    '5 b600',
  ]) {
    assert.ok('words' in Object(parseTimeControl(text)), text);
  }
});
