import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Cast } from '../src/cast.js';
import { inWords, readDuration } from '../src/durations.js';
import { PRESETS } from '../src/presets.js';
import { FormError, explain, requestOf } from '../src/setup.js';
import { readControl } from '../src/time-controls.js';

/** @import { Form } from '../src/setup.js' */

function ids() {
  let last = 0;
  return () => `id-${(last += 1)}`;
}

/**
 * @param {string} id
 * @param {Partial<Form>} [changes]
 * @returns {Form}
 */
function form(id, changes) {
  const preset = PRESETS.find((one) => one.id === id);
  assert.ok(preset);
  return { ...preset.form, ...changes };
}

/** @param {Form} filled */
function fault(filled) {
  try {
    requestOf(filled, ids());
  } catch (error) {
    assert.ok(error instanceof FormError);
    return error.field;
  }
  return null;
}

test('times are read as people write them; a number alone is minutes', () => {
  assert.equal(readDuration('5'), 300_000);
  assert.equal(readDuration(' 90 s'), 90_000);
  assert.equal(readDuration('1h30m'), 5_400_000);
  assert.equal(readDuration('2:30'), 150_000);
  assert.equal(readDuration('1:00:00'), 3_600_000);
  for (const text of ['', 'soon', '1.5', '-3', '5 apples']) assert.equal(readDuration(text), null);
});

test('times are said in words', () => {
  assert.equal(inWords(5_401_000), '1 hour 30 minutes 1 second');
  assert.equal(inWords(0), '0 seconds');
});

test('a time control is sent as the server reads it, minutes said as such', () => {
  for (const [written, text, words] of [
    ['5', '5m', '5 minutes each'],
    ['3 + 2', '3m+2', '3 minutes each, 2 seconds added after every turn'],
    ['10+5x30s', '10m+5x30s', '10 minutes each, then 5 periods of 30 seconds'],
    ['10+20/5m', '10m+20/5m', '10 minutes each, then 20 turns every 5 minutes'],
    ['25 d5', '25m d5', '25 minutes each, running only after 5 seconds of a turn'],
    ['5 b3', '5m b3', '5 minutes each, up to 3 seconds of a turn given back'],
    ['*5', '*5m', '5 minutes each, and what one uses the other gains'],
    ['90s+1', '90s+1', '1 minute 30 seconds each, 1 second added after every turn'],
  ]) {
    assert.deepEqual(readControl(String(written)), { text, words });
  }
  for (const text of ['', '5+', 'blitz', '0', '3+2+1']) assert.equal(readControl(text), null);
});

test('what is written for a team sorts its members into it', () => {
  const request = requestOf(form('team'), ids());
  const people = /** @type {{group_id: string}[]} */ (request['participants']);

  assert.deepEqual(request['metadata'], {
    names: ['Ada', 'Ben', 'Cleo', 'Dan'],
    teams: ['Red', 'Blue'],
  });
  assert.equal(people[0]?.group_id, people[2]?.group_id);
  assert.notEqual(people[0]?.group_id, people[1]?.group_id);
  assert.equal(request['time_control'], '15m');
});

test('there are as many participants as names, or as are wanted, if those are more', () => {
  const names = 'Ada\n\nCleo\n\n';
  const request = requestOf(form('quiz', { names, count: 2 }), ids());

  assert.equal(/** @type {unknown[]} */ (request['participants']).length, 3);
  assert.deepEqual(request['metadata'], { names: ['Ada', '', 'Cleo'] });
  const many = requestOf(form('quiz', { count: 1_000 }), ids());
  assert.equal(/** @type {unknown[]} */ (many['participants']).length, 1_000);
});

test('what can’t be understood is named by its field', () => {
  assert.equal(fault(form('blitz', { control: 'fast' })), 'control');
  assert.equal(fault(form('quiz', { cycle: '' })), 'cycle');
  assert.equal(fault(form('exam', { total: '25h' })), 'total');
  assert.equal(fault(form('stopwatch', { most: 'never' })), 'most');
  assert.equal(fault(form('blitz', { warnings: '1m, soon' })), 'warnings');
  assert.equal(
    fault(form('blitz', { warnings: '1s,2s,3s,4s,5s,6s,7s,8s,9s,10s,11s' })),
    'warnings',
  );
  assert.equal(fault(form('quiz', { count: 1_001 })), 'count');
  assert.equal(fault(form('quiz', { count: NaN })), 'count');
  assert.equal(fault(form('team', { names: 'Ada\nBen' })), 'names');
  assert.equal(fault(form('quiz', { names: 'Wolfeschlegelsteinhausen\n'.repeat(200) })), 'names');
});

test('each preset says in words what it means', () => {
  assert.equal(
    explain(form('blitz'), 'control'),
    '3 minutes each, 2 seconds added after every turn',
  );
  assert.equal(explain(form('exam'), 'warnings'), '15 minutes, 5 minutes');
  assert.equal(explain(form('stopwatch'), 'most'), '');
});

test('names that nobody gave are numbers, and what isn’t a name counts as none', () => {
  const participants = /** @type {any[]} */ (
    ['a', 'b', 'c'].map((participant_id) => ({ participant_id, group_id: null }))
  );
  /** @param {any} metadata */
  const cast = (metadata) => new Cast(/** @type {any} */ ({ metadata, participants }));
  const names = (/** @type {any} */ metadata) =>
    [...cast(metadata).people.values()].map(({ name }) => name);

  assert.deepEqual(names({ names: ['Ada', 5] }), ['Ada', 'Participant 2', 'Participant 3']);
  assert.deepEqual(names(null), ['Participant 1', 'Participant 2', 'Participant 3']);
  assert.equal(cast({ title: 7 }).title, '');
  assert.equal(cast({}).nameOf('nobody'), 'Somebody');
});
