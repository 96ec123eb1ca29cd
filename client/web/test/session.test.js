import assert from 'node:assert/strict';
import { test } from 'node:test';

import { adjustable } from '../src/adjusting.js';
import { Cast } from '../src/cast.js';
import { linkWords, noticeOf } from '../src/condition.js';
import { slotsOf } from '../src/slots.js';
import { refusal, sentence } from '../src/telling.js';
import { hostPress, participantPress } from '../src/turn.js';

/** @import { SessionState } from '../../js/src/types.js' */

/**
 * @param {Record<string, unknown>} [changes]
 * @returns {SessionState}
 */
function state(changes) {
  return /** @type {any} */ ({
    sync_mode: 'per_participant',
    status: 'running',
    active_participant_id: 'a',
    time_per_cycle_ms: null,
    metadata: { names: ['Ada', 'Ben', 'Cleo'], teams: ['Red', 'Blue'] },
    participants: ['a', 'b', 'c'].map((participant_id, index) => ({
      participant_id,
      group_id: ['red', 'blue', 'red'][index],
    })),
    ...changes,
  });
}

const alone = { participants: [{ participant_id: 'a', group_id: null }] };

test('the host’s button starts, goes on to the next, and resumes', () => {
  assert.equal(hostPress(state({ status: 'pending' })).command, 'start');
  assert.equal(hostPress(state()).command, 'switch');
  assert.equal(hostPress(state({ status: 'paused' })).command, 'resume');
  assert.equal(hostPress(state({ status: 'completed' })).command, null);
  assert.equal(hostPress(state(alone)).command, 'pause');
});

const pass = { takesTurns: false, isGuest: false };
const take = { takesTurns: true, isGuest: false };

test('a participant’s button is for the own turn alone', () => {
  assert.equal(participantPress(state(), 'a', pass).command, 'switch');
  assert.equal(participantPress(state(), 'b', pass).command, null);
  assert.equal(participantPress(state({ status: 'paused' }), 'a', pass).command, null);
  assert.equal(participantPress(state({ status: 'expired' }), 'a', pass).command, null);
});

test('where turns are taken, it is for everybody else’s', () => {
  assert.deepEqual(participantPress(state(), 'b', take).args, { next_participant_id: 'b' });
  assert.equal(participantPress(state(), 'a', take).command, null);
});

test('a guest is offered only what the server takes from a guest', () => {
  const isGuest = true;
  assert.equal(participantPress(state(), 'a', { ...pass, isGuest }).command, 'switch');
  assert.equal(participantPress(state(), 'b', { ...take, isGuest }).command, null);
  for (const status of ['pending', 'running', 'paused', 'completed']) {
    const single = state({ ...alone, status });
    assert.equal(participantPress(single, 'a', { ...pass, isGuest }).command, null);
  }
  assert.equal(participantPress(state(alone), 'a', pass).command, 'pause');
});

test('each mode has other clocks that can be given time', () => {
  assert.deepEqual(adjustable(state(), 'b'), { participant_id: 'b' });
  assert.deepEqual(adjustable(state({ sync_mode: 'per_group' }), 'b'), { group_id: 'blue' });
  assert.deepEqual(adjustable(state({ sync_mode: 'per_cycle' }), 'a'), {});
  assert.equal(adjustable(state({ sync_mode: 'per_cycle' }), 'b'), null);
  assert.deepEqual(adjustable(state({ sync_mode: 'global' }), 'session'), {});
  assert.equal(adjustable(state({ sync_mode: 'global' }), 'a'), null);
  assert.equal(adjustable(state({ sync_mode: 'count_up' }), 'a'), null);
  assert.equal(adjustable(state({ status: 'completed' }), 'a'), null);
});

/** @param {SessionState} shown */
const slots = (shown) => slotsOf(shown, new Cast(shown));

test('a viewer sees each participant, one clock for a team, or the one for all', () => {
  assert.deepEqual(
    slots(state()).map(({ face, isActive }) => [face, isActive]),
    [
      ['a', true],
      ['b', false],
      ['c', false],
    ],
  );
  assert.deepEqual(slots(state({ sync_mode: 'per_group', active_participant_id: 'c' })), [
    { face: 'c', name: 'Red', more: 'Cleo', isActive: true },
    { face: 'b', name: 'Blue', more: '', isActive: false },
  ]);
  assert.deepEqual(
    slots(state({ sync_mode: 'global' })).map(({ face }) => face),
    ['session'],
  );
  assert.deepEqual(
    slots(state({ sync_mode: 'global', time_per_cycle_ms: 20_000 })).map(({ name }) => name),
    ['Ada'],
  );
});

test('what happens is told in sentences, and what nobody knows by its name', () => {
  const cast = new Cast(state());
  /** @param {Record<string, unknown>} event */
  const told = (event) => sentence(/** @type {any} */ (event), cast);

  assert.equal(told({ type: 'cycle_switched', active_participant_id: 'b' }), 'Ben’s turn');
  assert.equal(
    told({ type: 'time_adjusted', participant_id: 'a', delta_ms: -10_000 }),
    '10 seconds less for Ada',
  );
  assert.equal(
    told({ type: 'time_warning', participant_id: null, remaining_ms: 60_000 }),
    '1 minute left',
  );
  assert.equal(told({ type: 'moon_rose' }), 'moon rose');
});

test('a refusal says what to make of it', () => {
  assert.equal(refusal({ code: 'STALE_CYCLE' }), 'Somebody else was faster.');
  assert.equal(refusal({ code: 'NEW', message: 'As the server says' }), 'As the server says');
});

test('what is the matter is said plainly, once it is certain', () => {
  /** @param {Partial<import('../src/condition.js').Facts>} [changes] */
  const headline = (changes) =>
    noticeOf({
      connection: 'live',
      isShutOut: false,
      isThere: false,
      wasThere: false,
      isPatient: false,
      ...changes,
    })?.headline;

  assert.equal(headline({ isThere: true }), undefined);
  assert.equal(headline(), 'There is no such session');
  assert.equal(headline({ isPatient: true }), 'Connecting');
  assert.equal(headline({ wasThere: true, connection: 'reconnecting' }), 'This session is gone');
  assert.equal(headline({ connection: 'connecting' }), 'The server can’t be reached');
  const shutOut = headline({ isShutOut: true, isThere: true, connection: 'closed' });
  assert.equal(shutOut, 'This link doesn’t open the session');
});

test('the indicator says how far off the clocks may be', () => {
  assert.equal(linkWords('live', 2.1), 'Live ±3 ms');
  assert.equal(linkWords('live', Infinity), 'Live');
  assert.equal(linkWords('reconnecting', 2), 'Reconnecting');
  assert.equal(linkWords('closed', 2), 'Not connected');
});
