import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  FormError,
  buildCreateRequest,
  describeField,
  describeTimes,
} from '../src/create-request.js';
import { PRESETS } from '../src/presets.js';

/** @import { Form } from '../src/create-request.js' */

function ids() {
  let last = 0;
  return () => `id-${(last += 1)}`;
}

/**
 * The form of a preset.
 *
 * @param {string} id
 * @param {Partial<Form>} [changes]
 * @returns {Form}
 */
function form(id, changes) {
  const preset = PRESETS.find((one) => one.id === id);
  assert.ok(preset);
  return { ...preset.form, ...changes };
}

/**
 * The field that is invalid, or null.
 *
 * @param {Form} values
 */
function invalidField(values) {
  try {
    buildCreateRequest(values, ids());
  } catch (error) {
    assert.ok(error instanceof FormError);
    return error.field;
  }
  return null;
}

/** @param {Record<string, unknown>} request */
const namesIn = (request) =>
  /** @type {{name?: string}[]} */ (request['participants']).map(({ name }) => name);

test('participants are assigned to the teams in front of their names', () => {
  const request = buildCreateRequest(form('team'), ids());
  const participants = /** @type {{group_id: string}[]} */ (request['participants']);

  assert.deepEqual(namesIn(request), ['Ada', 'Ben', 'Cleo', 'Dan']);
  assert.deepEqual(request['metadata'], { teams: ['Red', 'Blue'] });
  assert.equal(participants[0]?.group_id, participants[2]?.group_id);
  assert.notEqual(participants[0]?.group_id, participants[1]?.group_id);
  assert.equal(request['time_control'], '15m');
});

test('the number of participants is the number of names or the count, whichever is larger', () => {
  const names = 'Ada\n\nCleo\n\n';
  const request = buildCreateRequest(form('quiz', { names, count: 2 }), ids());

  assert.equal(/** @type {unknown[]} */ (request['participants']).length, 3);
  assert.deepEqual(namesIn(request), ['Ada', undefined, 'Cleo']);
  assert.deepEqual(request['metadata'], {});
  const many = buildCreateRequest(form('quiz', { count: 1_000 }), ids());
  assert.equal(/** @type {unknown[]} */ (many['participants']).length, 1_000);
});

test('an invalid value is reported with its field', () => {
  assert.equal(invalidField(form('blitz', { control: 'fast' })), 'control');
  assert.equal(invalidField(form('blitz', { control: '5+601' })), 'control');
  assert.equal(invalidField(form('quiz', { cycle: '' })), 'cycle');
  assert.equal(invalidField(form('exam', { total: '745h' })), 'total');
  assert.equal(invalidField(form('stopwatch', { max: 'never' })), 'max');
  assert.equal(invalidField(form('exam', { warnings: '25h' })), 'warnings');
  assert.equal(invalidField(form('blitz', { warnings: '1m, soon' })), 'warnings');
  assert.equal(
    invalidField(form('blitz', { warnings: '1s,2s,3s,4s,5s,6s,7s,8s,9s,10s,11s' })),
    'warnings',
  );
  assert.equal(invalidField(form('quiz', { count: 1_001 })), 'count');
  assert.equal(invalidField(form('quiz', { count: NaN })), 'count');
  assert.equal(invalidField(form('team', { names: 'Ada\nBen' })), 'names');
  assert.equal(invalidField(form('quiz', { names: '♟'.repeat(80) })), null);
  assert.equal(invalidField(form('quiz', { names: '♟'.repeat(81) })), 'names');
  const teams = Array.from({ length: 300 }, (_, team) => `Wolfeschlegel ${team}: Ada`);
  assert.equal(invalidField(form('team', { names: teams.join('\n') })), 'names');
});

test('at an auction turns are taken, and a soft close is optional', () => {
  const silent = buildCreateRequest(form('silent-auction'), ids());
  assert.equal(silent['turn_taking'], 'take');
  assert.deepEqual(silent['soft_close'], { extend_to_ms: 120_000 });
  assert.deepEqual(silent['metadata'], {});
  const auction = buildCreateRequest(form('auction'), ids());
  assert.equal(auction['turn_taking'], 'take');
  assert.ok(!('soft_close' in auction));
  assert.ok(!('turn_taking' in buildCreateRequest(form('exam'), ids())));
  assert.equal(invalidField(form('silent-auction', { extend: '61m' })), 'extend');
  assert.equal(invalidField(form('silent-auction', { extend: '0.9s' })), 'extend');
  assert.equal(invalidField(form('silent-auction', { extend: '1h' })), null);
});

test('the fields of a preset are described in words', () => {
  assert.equal(describeField(form('blitz'), 'control'), '3 minutes each, plus 2 seconds per move');
  assert.equal(describeField(form('exam'), 'warnings'), '15 minutes, 5 minutes');
  assert.equal(describeField(form('stopwatch'), 'max'), '');
});

test('the times of a form are described in words before anything is created', () => {
  for (const [id, changes, words] of /** @type {[string, Partial<Form>, string][]} */ ([
    ['blitz', { control: '15+10' }, '15 minutes each, plus 10 seconds per move'],
    [
      'classical',
      {},
      '40 moves in 1 hour 30 minutes, plus 30 seconds per move; then 30 minutes, plus 30 seconds per move',
    ],
    ['exam', { total: '31d' }, '31 days for all'],
    ['team', {}, '15 minutes each'],
    ['quiz', {}, '30 seconds per turn'],
    ['exam', {}, '1 hour 30 minutes for all'],
    ['auction', {}, '1 hour for all, 20 seconds per turn'],
    ['silent-auction', {}, '1 hour for all, each turn leaves at least 2 minutes'],
    [
      'silent-auction',
      { cycle: '5m' },
      '1 hour for all, 5 minutes per turn, each turn leaves at least 2 minutes',
    ],
    ['stopwatch', {}, 'Counts up without a limit'],
    ['stopwatch', { max: '90s' }, 'Counts up to 1 minute 30 seconds'],
    ['blitz', { control: 'fast' }, ''],
    ['blitz', { control: '5+601' }, ''],
  ])) {
    assert.equal(describeTimes(form(id, changes)), words);
  }
});

test('warnings are separated by commas of any script', () => {
  const request = buildCreateRequest(form('blitz', { warnings: '١m، 15s；5s' }), ids());
  assert.deepEqual(request['warn_at_ms'], [60_000, 15_000, 5_000]);
});

test('candidates have the factors of their lines', () => {
  const request = buildCreateRequest(form('extra-time'), ids());

  assert.equal(request['sync_mode'], 'simultaneous');
  assert.equal(request['total_time_ms'], 90 * 60_000);
  assert.deepEqual(
    /** @type {any[]} */ (request['participants']).map(({ participant_id, ...rest }) => rest),
    [{ name: 'Ada' }, { name: 'Ben', time_factor: 1.25 }, { name: 'Cleo', time_factor: 1.5 }],
  );
  assert.deepEqual(request['metadata'], { use: 'exam' });
  assert.equal(
    describeTimes(form('extra-time', { names: 'Ada\nBen;1.5\nCleo', count: 4 })),
    '4 participants: 3 × 1 hour 30 minutes, 1 × 2 hours 15 minutes',
  );
  assert.equal(describeTimes(form('extra-time', { names: 'Ada;2' })), '1 participant: 3 hours');
});

test('a table with a bad line, too many lines or too long a time is not created', () => {
  assert.equal(invalidField(form('extra-time', { names: 'Ada\nBen\t11' })), 'names');
  assert.equal(invalidField(form('extra-time', { names: 'Ada\n'.repeat(1_001) })), 'names');
  assert.equal(invalidField(form('extra-time', { total: '20d', names: 'Ada\t1.55' })), null);
  assert.equal(invalidField(form('extra-time', { total: '20d', names: 'Ada\t1.551' })), 'total');
});

test('a race has no limit unless it is given one, and its names no factors', () => {
  const request = buildCreateRequest(form('race', { names: '7\tAda\n12 Ben, 1.5' }), ids());

  assert.equal(request['total_time_ms'], 31 * 86_400_000);
  assert.equal(/** @type {unknown[]} */ (request['participants']).length, 8);
  assert.deepEqual(namesIn(request).slice(0, 3), ['7 Ada', '12 Ben, 1.5', undefined]);
  assert.deepEqual(request['metadata'], { use: 'race' });
  const limited = form('race', { max: '2h', turn: 'take' });
  assert.equal(buildCreateRequest(limited, ids())['total_time_ms'], 7_200_000);
  assert.equal('turn_taking' in buildCreateRequest(limited, ids()), false);
  assert.equal(describeTimes(limited), '8 participants, at most 2 hours');
});

test('a session starts and ends at the local times of the form', () => {
  const now = new Date('2026-12-01T08:00').getTime();
  const local = { starts: '2026-12-01T09:00', ends: '2026-12-01T11:00' };
  const request = buildCreateRequest(form('exam', local), ids(), now);
  assert.equal(request['starts_at'], new Date(local.starts).toISOString());
  assert.equal(request['ends_at'], new Date(local.ends).toISOString());
  assert.equal('starts_at' in buildCreateRequest(form('exam'), ids(), now), false);
  assert.equal(invalidField(form('exam', { starts: '2001-01-01T00:00' })), 'starts');
  assert.equal(invalidField(form('exam', { ends: '2001-01-01T00:00' })), 'ends');
});
