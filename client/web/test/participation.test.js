import assert from 'node:assert/strict';
import { test } from 'node:test';

import { changeArgs, joinArgs } from '../src/participation.js';
import { makeState } from './factories.js';

const own = makeState({
  sync_mode: 'simultaneous',
  total_time_ms: 60_000,
  participants: [
    { participant_id: 'a', name: 'Ada', time_factor: 1.25, total_time_ms: 75_000 },
    { participant_id: 'b', time_factor: 1, total_time_ms: 60_000 },
  ],
});

test('who joins has the session’s time, and a factor where clocks have one', () => {
  assert.deepEqual(joinArgs(own, 'x', { name: 'Eve', factor: 1.5 }), {
    participant_id: 'x',
    name: 'Eve',
    time_factor: 1.5,
  });
  assert.deepEqual(joinArgs(own, 'x', { name: 'Eve', factor: 1 }), {
    participant_id: 'x',
    name: 'Eve',
  });
  const teams = makeState({ sync_mode: 'per_group', total_time_ms: 9_000 });
  assert.deepEqual(joinArgs(teams, 'x', { name: 'Eve', group: 'red' }), {
    participant_id: 'x',
    name: 'Eve',
    total_time_ms: 9_000,
    group_id: 'red',
  });
});

test('only what was changed is sent', () => {
  assert.equal(changeArgs(own, 'a', { name: 'Ada', factor: 1.25 }, 'Ada'), null);
  assert.deepEqual(changeArgs(own, 'a', { name: 'Eve', factor: 1.5 }, 'Ada'), {
    participant_id: 'a',
    name: 'Eve',
    time_factor: 1.5,
  });
  // A number is no name.
  assert.equal(changeArgs(own, 'b', { name: 'Participant 2' }, 'Participant 2'), null);
});
