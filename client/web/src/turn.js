/**
 * What the big buttons do, by the state of the session.
 *
 * Values in, values out.
 *
 * @module
 */

/** @import { CommandName, SessionState } from '../../js/src/types.js' */

/**
 * @typedef {object} Press
 * @property {string} label
 * @property {CommandName | null} command what a press does now, if anything
 * @property {Record<string, unknown>} [args]
 */

/** @type {Record<string, string>} */
export const STATUS = {
  pending: 'Ready',
  running: 'Running',
  paused: 'Paused',
  expired: 'Time is up',
  completed: 'Completed',
  cancelled: 'Cancelled',
};

/** @param {SessionState} state */
export const isOver = ({ status }) => !['pending', 'running', 'paused'].includes(status);

/**
 * The host's.
 *
 * @param {SessionState} state
 * @returns {Press}
 */
export function hostPress(state) {
  if (state.status === 'pending') return { label: 'Start', command: 'start' };
  if (state.status === 'paused') return { label: 'Resume', command: 'resume' };
  if (state.status !== 'running') return { label: STATUS[state.status] ?? '', command: null };
  if (state.participants.length === 1) return { label: 'Pause', command: 'pause' };
  return { label: 'Next', command: 'switch' };
}

/**
 * A participant's.
 *
 * @param {SessionState} state
 * @param {string} id
 * @param {{takesTurns: boolean, isGuest: boolean}} how of a guest nothing is taken but the end of
 *   the own turn, as the server sees to where it asks for tokens
 * @returns {Press}
 */
export function participantPress(state, id, { takesTurns, isGuest }) {
  const isMine = state.active_participant_id === id;
  if (state.participants.length === 1 && isMine !== isOver(state)) {
    const { label, command } = hostPress(state);
    if (!isGuest) return { label, command };
    return { label: STATUS[state.status] ?? '', command: null };
  }
  if (state.status === 'pending') return { label: 'Not started yet', command: null };
  if (state.status !== 'running') return { label: STATUS[state.status] ?? '', command: null };
  if (takesTurns) {
    if (isMine) return { label: 'You lead', command: null };
    if (isGuest) return { label: 'Bid aloud', command: null };
    return { label: 'Bid', command: 'switch', args: { next_participant_id: id } };
  }
  return isMine ? { label: 'Done', command: 'switch' } : { label: 'Wait', command: null };
}
