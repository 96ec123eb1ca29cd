import assert from 'node:assert/strict';
import { test } from 'node:test';

import { cardActions, hostAction, participantAction } from '../src/primary-action.js';
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
    // The first participant is active from the start, without a bid.
    const label = (/** @type {number} */ cycle_count) =>
      participantAction(
        {
          ...state,
          participants: state.participants.map((one) => ({ ...one, cycle_count })),
        },
        'a',
        options,
      );
    assert.deepEqual(label(0), { label: 'No bids yet', command: null });
    assert.deepEqual(label(1), { label: 'You lead', command: null });
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

/** @param {any} one @param {any} [more] */
const cards = (one, more) =>
  cardActions(
    makeState({
      sync_mode: 'simultaneous',
      active_participant_id: null,
      action_on_timeout: { type: 'skip_cycle' },
      participants: [{ participant_id: 'a', group_id: null, ...one }],
      ...more,
    }),
    'a',
  ).map((action) => action?.label);

test('a card of simultaneous starts, finishes, pauses and resumes a clock', () => {
  assert.deepEqual(cards({ clock_state: 'waiting' }), ['Start', undefined]);
  assert.deepEqual(cards({ clock_state: 'running' }), ['Finish', 'Pause']);
  assert.deepEqual(cards({ clock_state: 'paused' }), ['Finish', 'Resume']);
  assert.deepEqual(cards({ clock_state: 'finished' }), ['Resume', undefined]);
  assert.deepEqual(cards({ clock_state: 'finished', has_expired: true }), [undefined, undefined]);
});

test('a card of simultaneous offers what its session’s status allows', () => {
  const pending = { status: 'pending' };
  assert.deepEqual(cards({ clock_state: 'waiting' }, pending), ['Start', undefined]);
  const paused = { status: 'paused' };
  assert.deepEqual(cards({ clock_state: 'waiting' }, paused), [undefined, undefined]);
  assert.deepEqual(cards({ clock_state: 'running' }, paused), ['Finish', undefined]);
  assert.deepEqual(cards({ clock_state: 'finished' }, paused), [undefined, undefined]);
  assert.deepEqual(cards({ clock_state: 'finished' }, { status: 'completed' }), [
    undefined,
    undefined,
  ]);
});

test('candidates hand in, and no large button stops a race', () => {
  const exam = { metadata: { use: 'exam' } };
  const race = { metadata: { use: 'race' }, sync_mode: 'simultaneous' };
  assert.deepEqual(cards({ clock_state: 'running' }, exam), ['Hand in', 'Pause']);
  assert.deepEqual(cards({ clock_state: 'running' }, race), ['Finish', undefined]);
  assert.equal(hostAction(makeState(race)).command, null);
  assert.equal(hostAction(makeState({ ...race, status: 'pending' })).command, 'start');
});

test('who has withdrawn can do nothing, and a host can bring them back', () => {
  const left = { participants: [{ participant_id: 'a', has_withdrawn: true }] };
  assert.deepEqual(participantAction(makeState(left), 'a', withToken), {
    label: 'Withdrawn',
    command: null,
  });
  assert.deepEqual(cardActions(makeState(left), 'a')[0], {
    label: 'Return',
    command: 'join',
    args: { participant_id: 'a' },
  });
  assert.deepEqual(cardActions(makeState({ ...left, status: 'expired' }), 'a'), [null, null]);
});

test('candidates and runners don’t start by themselves', () => {
  const waiting = { participants: [{ participant_id: 'a', clock_state: 'waiting' }] };
  /** @param {string} use @param {string[]} [participants_may] */
  const label = (use, participants_may) =>
    participantAction(
      makeState({ ...waiting, sync_mode: 'simultaneous', metadata: { use }, participants_may }),
      'a',
      open,
    ).label;
  assert.equal(label('exam'), 'Not started yet');
  assert.equal(label('race'), 'Not started yet');
  assert.equal(label('race', ['start']), 'Start');
  assert.equal(label(''), 'Start');
});

test('a card gives the turn', () => {
  assert.equal(cardActions(makeState(), 'b')[0]?.command, 'switch');
  assert.equal(cardActions(makeState({ status: 'paused' }), 'b')[0]?.command, 'set_turn');
  assert.deepEqual(cardActions(makeState(), 'a'), [null, null]);
  assert.deepEqual(cardActions(makeState(), 'session'), [null, null]);
});
