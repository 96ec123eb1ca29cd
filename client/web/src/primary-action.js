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
  if (state.participants.length === 1) return { label: 'Pause', command: 'pause' };
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

/** @type {(state: SessionState) => Action} */
const disabled = ({ status }) => ({ label: STATUS_LABELS[status] ?? '', command: null });
