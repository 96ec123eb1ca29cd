/**
 * What the large buttons do in each state of the session. Pure.
 *
 * @module
 */

/** @import { CommandName, SessionState } from '../../js/src/types.js' */

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
  if (state.sync_mode === 'simultaneous') return ownClockAction(state, id, hasToken);
  const isActive = state.active_participant_id === id;
  if (state.participants.length === 1 && isActive !== isFinished(state)) {
    return hasToken ? disabled(state) : hostAction(state);
  }
  if (state.status === 'pending') return { label: 'Not started yet', command: null };
  if (state.status !== 'running') return disabled(state);
  if (state.turn_taking === 'take') {
    if (isActive) return { label: 'You lead', command: null };
    return { label: 'Bid', command: 'switch', args: { next_participant_id: id } };
  }
  return isActive
    ? { label: 'Pass turn', command: 'switch' }
    : { label: 'Not your turn', command: null };
}

/**
 * What a host can do with one participant: end or begin what only they do.
 *
 * @param {SessionState} state
 * @param {string} id of a participant, or `session`
 * @returns {Action | null}
 */
export function cardAction(state, id) {
  const isPaused = state.status === 'paused';
  if (!(isPaused || state.status === 'running') || id === 'session') return null;
  if (state.sync_mode !== 'simultaneous') {
    if (id === state.active_participant_id) return null;
    // In a pause, nothing runs afterwards either.
    if (isPaused) return { label: 'Give turn', command: 'set_turn', args: { participant_id: id } };
    return { label: 'Give turn', command: 'switch', args: { next_participant_id: id } };
  }
  if (isPaused) return null;
  const one = state.participants.find(({ participant_id }) => participant_id === id);
  const args = { participant_id: id };
  switch (one?.clock_state) {
    case 'waiting':
      return { label: 'Start', command: 'start', args };
    case 'running':
      return { label: 'Finish', command: 'finish', args };
    case 'paused':
      return { label: 'Resume', command: 'resume', args };
    case 'finished':
      // A clock that its timeout finished can't be resumed.
      return one.has_expired && state.action_on_timeout?.type !== 'notify'
        ? null
        : { label: 'Resume', command: 'resume', args };
  }
  return null;
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
  const may = (/** @type {string} */ what) => !hasToken || state.participants_may?.includes(what);
  const args = { participant_id: id };
  const isOpen = state.status === 'pending' || state.status === 'running';
  switch (isOpen && one?.clock_state) {
    case 'waiting':
      return may('start')
        ? { label: 'Start', command: 'start', args }
        : { label: 'Not started yet', command: null };
    case 'running':
      return { label: 'Finish', command: 'finish', args };
    case 'paused':
      return may('pause')
        ? { label: 'Resume', command: 'resume', args }
        : { label: 'Paused', command: null };
    case 'finished':
      return { label: 'Finished', command: null };
  }
  return disabled(state);
}

/** @type {(state: SessionState) => Action} */
const disabled = ({ status }) => ({ label: STATUS_LABELS[status] ?? '', command: null });
