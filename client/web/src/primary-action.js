/**
 * What the large buttons do in each state of the session. Pure.
 *
 * @module
 */

import { useOf } from './own-clocks.js';

/** @import { CommandName, SessionState } from '../../js/src/types.js' */
/** @import { Use } from './own-clocks.js' */

/**
 * @typedef {object} Action
 * @property {string} label
 * @property {CommandName | null} command null if the button is disabled
 * @property {Record<string, unknown>} [args]
 */

/** @type {Record<string, string>} */
export const STATUS_LABELS = {
  pending: 'Ready',
  running: 'Running',
  paused: 'Paused',
  expired: 'Time is up',
  completed: 'Completed',
  cancelled: 'Cancelled',
};

/**
 * How a use of `simultaneous` calls the end of a clock.
 *
 * @param {Use} use
 */
export const wordsOf = (use) =>
  use === 'exam'
    ? { finish: 'Hand in', finished: 'Handed in' }
    : { finish: 'Finish', finished: 'Finished' };

/** @param {SessionState} state */
export const isFinished = ({ status }) => !['pending', 'running', 'paused'].includes(status);

/**
 * @param {SessionState} state
 * @returns {Action}
 */
export function hostAction(state) {
  if (state.status === 'pending') return { label: 'Start', command: 'start' };
  if (state.status === 'paused') return { label: 'Resume', command: 'resume' };
  if (state.status !== 'running') return disabled(state);
  // The largest button must not stop a race.
  if (useOf(state) === 'race') return disabled(state);
  if (state.participants.length === 1 || state.sync_mode === 'simultaneous') {
    return { label: 'Pause', command: 'pause' };
  }
  return { label: 'Pass turn', command: 'switch' };
}

/**
 * @param {SessionState} state
 * @param {string} id
 * @param {{hasToken: boolean}} options a participant's token allows only to pass the own turn, or
 *   to take another's
 * @returns {Action}
 */
export function participantAction(state, id, { hasToken }) {
  const own = state.participants.find(({ participant_id }) => participant_id === id);
  if (own?.has_withdrawn) return { label: 'Withdrawn', command: null };
  if (state.sync_mode === 'simultaneous') return ownClockAction(state, id, hasToken);
  const isActive = state.active_participant_id === id;
  if (state.participants.length === 1 && isActive !== isFinished(state)) {
    return hasToken ? disabled(state) : hostAction(state);
  }
  if (state.status === 'pending') return { label: 'Not started yet', command: null };
  if (state.status !== 'running') return disabled(state);
  if (state.turn_taking === 'take') {
    if (isActive) {
      // Who is active from the start has not bid.
      const hasBids = state.participants.some(({ cycle_count: count }) => count > 0);
      return { label: hasBids ? 'You lead' : 'No bids yet', command: null };
    }
    return { label: 'Bid', command: 'switch', args: { next_participant_id: id } };
  }
  return isActive
    ? { label: 'Pass turn', command: 'switch' }
    : { label: 'Not your turn', command: null };
}

/**
 * What a host can do with one participant: give the turn; or else end or begin what only they do,
 * and hold it.
 *
 * @param {SessionState} state
 * @param {string} id of a participant, or `session`
 * @returns {[Action | null, Action | null]}
 */
export function cardActions(state, id) {
  if (id === 'session' || isFinished(state)) return [null, null];
  const one = state.participants.find(({ participant_id }) => participant_id === id);
  if (one?.has_withdrawn) {
    return [{ label: 'Return', command: 'join', args: { participant_id: id } }, null];
  }
  if (state.sync_mode === 'simultaneous') return ownCardActions(state, id);
  if (id === state.active_participant_id || state.status === 'pending') return [null, null];
  if (state.status === 'running') {
    return [{ label: 'Give turn', command: 'switch', args: { next_participant_id: id } }, null];
  }
  // In a pause, nothing runs afterwards either.
  return [{ label: 'Give turn', command: 'set_turn', args: { participant_id: id } }, null];
}

/**
 * @param {SessionState} state
 * @param {string} id
 * @returns {[Action | null, Action | null]}
 */
function ownCardActions(state, id) {
  const use = useOf(state);
  const one = state.participants.find(({ participant_id }) => participant_id === id);
  const args = { participant_id: id };
  /** @type {Action} */
  const finish = { label: wordsOf(use).finish, command: 'finish', args };
  /** @type {Action} */
  const resume = { label: 'Resume', command: 'resume', args };
  const isRunning = state.status === 'running';
  // A race has no pauses of one, and a finisher who was tapped by mistake goes on.
  const hasPauses = isRunning && use !== 'race';
  switch (one?.clock_state) {
    case 'waiting':
      return [state.status === 'paused' ? null : { label: 'Start', command: 'start', args }, null];
    case 'running':
      return [finish, hasPauses ? { label: 'Pause', command: 'pause', args } : null];
    case 'paused':
      return [finish, hasPauses ? resume : null];
    case 'finished': {
      // A clock that its timeout finished can't be resumed.
      const isTimeout = one.has_expired && state.action_on_timeout?.type !== 'notify';
      return [isRunning && !isTimeout ? resume : null, null];
    }
  }
  return [null, null];
}

/**
 * In `simultaneous`, a participant finishes their own clock.
 *
 * @param {SessionState} state
 * @param {string} id
 * @param {boolean} hasToken which allows only what the session lets participants do
 * @returns {Action}
 */
function ownClockAction(state, id, hasToken) {
  const one = state.participants.find(({ participant_id }) => participant_id === id);
  // An exam or a race starts for all at once, with tokens or without.
  const isOpenToAll = !hasToken && !useOf(state);
  const may = (/** @type {string} */ what) => isOpenToAll || state.participants_may?.includes(what);
  const args = { participant_id: id };
  const words = wordsOf(useOf(state));
  const isOpen = state.status === 'pending' || state.status === 'running';
  switch (isOpen && one?.clock_state) {
    case 'waiting':
      return may('start')
        ? { label: 'Start', command: 'start', args }
        : { label: 'Not started yet', command: null };
    case 'running':
      return { label: words.finish, command: 'finish', args };
    case 'paused':
      return may('pause')
        ? { label: 'Resume', command: 'resume', args }
        : { label: 'Paused', command: null };
    case 'finished':
      return { label: words.finished, command: null };
  }
  return disabled(state);
}

/** @type {(state: SessionState) => Action} */
const disabled = ({ status }) => ({ label: STATUS_LABELS[status] ?? '', command: null });
