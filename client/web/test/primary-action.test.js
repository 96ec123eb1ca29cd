import assert from 'node:assert/strict';
import { test } from 'node:test';

import { cardAction, hostAction, participantAction } from '../src/primary-action.js';
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

test('in simultaneous, a participant finishes, and does what the session lets them', () => {
  /** @param {any} one @param {any} [more] */
  const state = (one, more) =>
    makeState({
      sync_mode: 'simultaneous',
      active_participant_id: null,
      participants: [{ participant_id: 'a', group_id: null, ...one }],
      ...more,
    });
  /** @param {any} one @param {any} [more] */
  const action = (one, more) => participantAction(state(one, more), 'a', { hasToken: true });
  const args = { participant_id: 'a' };

  assert.deepEqual(action({ clock_state: 'running' }), {
    label: 'Finish',
    command: 'finish',
    args,
  });
  assert.equal(action({ clock_state: 'waiting' }).command, null);
  assert.equal(
    action({ clock_state: 'waiting' }, { participants_may: ['start'] }).command,
    'start',
  );
  assert.equal(action({ clock_state: 'paused' }).command, null);
  assert.equal(
    action({ clock_state: 'paused' }, { participants_may: ['pause'] }).command,
    'resume',
  );
  assert.deepEqual(action({ clock_state: 'finished' }), { label: 'Finished', command: null });
  assert.equal(action({ clock_state: 'running' }, { status: 'paused' }).label, 'Paused');
  assert.equal(hostAction(state({ clock_state: 'running' })).command, 'pause');
});

test('a card of simultaneous starts, finishes and resumes a clock', () => {
  /** @param {any} one */
  const command = (one) =>
    cardAction(
      makeState({
        sync_mode: 'simultaneous',
        active_participant_id: null,
        action_on_timeout: { type: 'skip_cycle' },
        participants: [{ participant_id: 'a', group_id: null, ...one }],
      }),
      'a',
    )?.command;

  assert.equal(command({ clock_state: 'waiting' }), 'start');
  assert.equal(command({ clock_state: 'running' }), 'finish');
  assert.equal(command({ clock_state: 'paused' }), 'resume');
  assert.equal(command({ clock_state: 'finished', has_expired: false }), 'resume');
  assert.equal(command({ clock_state: 'finished', has_expired: true }), undefined);
  assert.equal(cardAction(makeState(), 'b')?.command, 'switch');
  assert.equal(cardAction(makeState(), 'a'), null);
});
