import assert from 'node:assert/strict';
import { test } from 'node:test';

import { hostAction, participantAction } from '../src/primary-action.js';
import { makeState } from './factories.js';

const single = { participants: [{ participant_id: 'a', group_id: null }] };
const open = { hasToken: false };
const withToken = { hasToken: true };

test('the host starts, passes the turn, pauses and resumes', () => {
  assert.equal(hostAction(makeState({ status: 'pending' })).command, 'start');
  assert.equal(hostAction(makeState()).command, 'switch');
  assert.equal(hostAction(makeState({ status: 'paused' })).command, 'resume');
  assert.equal(hostAction(makeState({ status: 'completed' })).command, null);
  assert.equal(hostAction(makeState(single)).command, 'pause');
});

test('a participant can only pass the own turn', () => {
  for (const options of [open, withToken]) {
    assert.equal(participantAction(makeState(), 'a', options).command, 'switch');
    assert.equal(participantAction(makeState(), 'b', options).command, null);
    for (const status of ['paused', 'expired']) {
      assert.equal(participantAction(makeState({ status }), 'a', options).command, null);
    }
  }
});

test('where turns are taken, a participant can take only the turn of another', () => {
  const state = makeState({ turn_taking: 'take' });
  for (const options of [open, withToken]) {
    assert.deepEqual(participantAction(state, 'b', options), {
      label: 'Bid',
      command: 'switch',
      args: { next_participant_id: 'b' },
    });
    assert.deepEqual(participantAction(state, 'a', options), { label: 'You lead', command: null });
  }
});

test('a participant with a token is offered only what the token allows', () => {
  for (const status of ['pending', 'running', 'paused', 'completed']) {
    const state = makeState({ ...single, status });
    assert.equal(participantAction(state, 'a', withToken).command, null);
  }
  assert.equal(participantAction(makeState(single), 'a', open).command, 'pause');
});
