import assert from 'node:assert/strict';
import { test } from 'node:test';

import { layoutClocks } from '../src/layout.js';
import { SessionNames } from '../src/names.js';
import { makeState } from './factories.js';

/** @param {Record<string, unknown>} [changes] */
function layout(changes) {
  const state = makeState(changes);
  return layoutClocks(state, new SessionNames(state));
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
