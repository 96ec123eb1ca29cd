import assert from 'node:assert/strict';
import { test } from 'node:test';

import { layoutClocks } from '../src/layout.js';
import { SessionNames } from '../src/names.js';
import { makeState } from './factories.js';

/** @param {Record<string, unknown>} [changes] */
function layout(changes) {
  const state = makeState(changes);
  return layoutClocks(state, new SessionNames(state), 0);
}

test('the viewer sees a clock for each participant or team, or one for all', () => {
  assert.deepEqual(
    layout().map(({ id, isActive }) => [id, isActive]),
    [
      ['a', true],
      ['b', false],
      ['c', false],
    ],
  );
  assert.deepEqual(layout({ sync_mode: 'per_group', active_participant_id: 'c' }), [
    { id: 'c', name: 'Red', detail: 'Cleo', isActive: true },
    { id: 'b', name: 'Blue', detail: '', isActive: false },
  ]);
  assert.deepEqual(
    layout({ sync_mode: 'global' }).map(({ id }) => id),
    ['session'],
  );
  assert.deepEqual(
    layout({ sync_mode: 'global', time_per_cycle_ms: 20_000 }).map(({ name }) => name),
    ['Ada'],
  );
});

/** @param {Record<string, unknown>} metadata @param {Record<string, unknown>[]} participants */
const ownClocks = (metadata, participants) =>
  layout({
    sync_mode: 'simultaneous',
    active_participant_id: null,
    metadata: { names: ['Ada', 'Ben', 'Cleo', 'Dan'], ...metadata },
    participants: participants.map((one, index) => ({
      participant_id: 'abcd'[index],
      time_used_ms: 0,
      overtime_ms: 0,
      is_active: true,
      clock_state: 'running',
      ...one,
    })),
  }).map(({ id, name, detail, isActive }) => [id, name, detail, isActive]);

test('the viewer sees the ends of an exam and not who has extra time', () => {
  const soon = new Date(60_000).toISOString();
  const later = new Date(90 * 60_000).toISOString();
  const slots = ownClocks({ use: 'exam', title: 'Mathematics' }, [
    { deadline_at: later },
    { deadline_at: soon },
    { deadline_at: soon },
    { clock_state: 'finished', is_active: false, finished_at: soon, time_remaining_ms: 5 },
  ]);
  assert.deepEqual(
    slots.map(([id, , detail]) => [id, detail]),
    [
      ['b', '2 candidates'],
      ['a', '1 candidate'],
    ],
  );
  assert.ok(slots.every(([, name]) => /^Until \d/.test(`${name}`)));
  const waiting = { clock_state: 'waiting', is_active: false, time_remaining_ms: 60_000 };
  assert.deepEqual(ownClocks({ use: 'exam', title: 'Mathematics' }, [waiting, waiting]), [
    ['a', 'Mathematics', '', false],
  ]);
});

test('the viewer does not see who has withdrawn', () => {
  const away = { has_withdrawn: true, clock_state: 'withdrawn', is_active: false };
  assert.deepEqual(ownClocks({}, [{}, away]), [['a', 'Ada', '', true]]);
  assert.equal(
    ownClocks({ use: 'exam' }, [{ deadline_at: '2026-12-01T00:00:00Z' }, away]).length,
    1,
  );
});

test('the viewer sees the time of a race', () => {
  assert.deepEqual(ownClocks({ use: 'race' }, [{}, { time_used_ms: 5 }]), [
    ['b', 'Race time', '', true],
  ]);
});

test('the viewer sees the clocks of other sessions where all run, with names', () => {
  assert.deepEqual(ownClocks({}, [{}, { clock_state: 'finished', is_active: false }]), [
    ['a', 'Ada', '', true],
    ['b', 'Ben', '', false],
  ]);
});
