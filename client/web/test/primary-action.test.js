import assert from 'node:assert/strict';
import { test } from 'node:test';

import { hostAction, participantAction } from '../src/primary-action.js';
import { makeState } from './factories.js';

const single = { participants: [{ participant_id: 'a', group_id: null }] };
const passes = { takesTurns: false, hasToken: false };
const takes = { takesTurns: true, hasToken: false };

test('the host starts, passes the turn, pauses and resumes', () => {
  assert.equal(hostAction(makeState({ status: 'pending' })).command, 'start');
  assert.equal(hostAction(makeState()).command, 'switch');
  assert.equal(hostAction(makeState({ status: 'paused' })).command, 'resume');
  assert.equal(hostAction(makeState({ status: 'completed' })).command, null);
  assert.equal(hostAction(makeState(single)).command, 'pause');
});

test('a participant can only pass the own turn', () => {
  assert.equal(participantAction(makeState(), 'a', passes).command, 'switch');
  assert.equal(participantAction(makeState(), 'b', passes).command, null);
  assert.equal(participantAction(makeState({ status: 'paused' }), 'a', passes).command, null);
  assert.equal(participantAction(makeState({ status: 'expired' }), 'a', passes).command, null);
});

test('a participant who takes turns can take only the turn of another', () => {
  assert.deepEqual(participantAction(makeState(), 'b', takes).args, { next_participant_id: 'b' });
  assert.equal(participantAction(makeState(), 'a', takes).command, null);
});

test('a participant with a token is offered only what the token allows', () => {
  const hasToken = true;
  assert.equal(participantAction(makeState(), 'a', { ...passes, hasToken }).command, 'switch');
  assert.equal(participantAction(makeState(), 'b', { ...takes, hasToken }).command, null);
  for (const status of ['pending', 'running', 'paused', 'completed']) {
    const state = makeState({ ...single, status });
    assert.equal(participantAction(state, 'a', { ...passes, hasToken }).command, null);
  }
  assert.equal(participantAction(makeState(single), 'a', passes).command, 'pause');
});
