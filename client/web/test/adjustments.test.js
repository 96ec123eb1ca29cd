import assert from 'node:assert/strict';
import { test } from 'node:test';

import { adjustTarget } from '../src/adjustments.js';
import { makeState } from './factories.js';

test('each mode has its own clocks that can be adjusted', () => {
  assert.deepEqual(adjustTarget(makeState(), 'b'), { participant_id: 'b' });
  assert.deepEqual(adjustTarget(makeState({ sync_mode: 'per_group' }), 'b'), { group_id: 'blue' });
  assert.deepEqual(adjustTarget(makeState({ sync_mode: 'per_cycle' }), 'a'), {});
  assert.equal(adjustTarget(makeState({ sync_mode: 'per_cycle' }), 'b'), null);
  assert.deepEqual(adjustTarget(makeState({ sync_mode: 'global' }), 'session'), {});
  assert.equal(adjustTarget(makeState({ sync_mode: 'global' }), 'a'), null);
  assert.equal(adjustTarget(makeState({ sync_mode: 'count_up' }), 'a'), null);
  const own = makeState({
    sync_mode: 'simultaneous',
    participants: ['running', 'finished', 'withdrawn'].map((clock_state, index) => ({
      participant_id: 'abc'[index],
      clock_state,
      has_withdrawn: clock_state === 'withdrawn',
    })),
  });
  assert.deepEqual(
    ['session', 'a', 'b', 'c'].map((id) => adjustTarget(own, id)),
    [{}, { participant_id: 'a' }, null, null],
  );
  assert.equal(adjustTarget(makeState({ status: 'completed' }), 'a'), null);
});
