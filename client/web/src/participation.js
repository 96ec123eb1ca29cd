/**
 * What the commands of joining and changing need to say of a participant. Pure.
 *
 * @module
 */

/** @import { SessionState } from '../../js/src/types.js' */
/** @import { ParticipantFields } from './participant-dialog.js' */

/**
 * @param {SessionState} state
 * @param {string} id
 * @param {ParticipantFields & {group?: string}} fields
 * @returns {Record<string, unknown>} the arguments of `join`
 */
export function joinArgs(state, id, { name, factor = 1, group }) {
  return {
    participant_id: id,
    name,
    ...(state.sync_mode !== 'simultaneous' && { total_time_ms: state.total_time_ms }),
    ...(factor !== 1 && { time_factor: factor }),
    ...(group && { group_id: group }),
  };
}

/**
 * The arguments of `update_participant`; null if nothing has changed.
 *
 * @param {SessionState} state
 * @param {string} id
 * @param {ParticipantFields} fields
 * @param {string} shownName which may be a number instead of a name
 */
export function changeArgs(state, id, { name, factor }, shownName) {
  const one = state.participants.find(({ participant_id }) => participant_id === id);
  const changes = {
    ...(name !== shownName && { name }),
    ...(factor !== undefined && factor !== one?.time_factor && { time_factor: factor }),
  };
  return Object.keys(changes).length ? { participant_id: id, ...changes } : null;
}
