/**
 * What the commands of joining, changing and returning need to say of a participant. Pure.
 *
 * @module
 */

/** @import { SessionState } from '../../js/src/types.js' */
/** @import { ParticipantFields } from './participant-dialog.js' */

/** @typedef {{name?: string | undefined, factor?: number}} FirstFields */

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
 * The arguments of `join` for a participant who comes back: the fields first given.
 *
 * @param {SessionState} state
 * @param {string} id
 * @param {FirstFields} [first] what is known to have been different at first
 * @returns {Record<string, unknown>}
 */
export function returnArgs(state, id, first = {}) {
  const one = state.participants.find(({ participant_id }) => participant_id === id);
  const name = 'name' in first ? first.name : one?.name;
  const factor = first.factor ?? one?.time_factor ?? 1;
  // Where each has a bank, adjustments have changed the allocation.
  const hasBank = state.sync_mode === 'per_participant';
  const totalMs = hasBank ? state.total_time_ms : one?.total_time_ms;
  return {
    participant_id: id,
    ...(name !== undefined && { name }),
    ...(state.sync_mode !== 'simultaneous' && { total_time_ms: totalMs }),
    ...(factor !== 1 && { time_factor: factor }),
    ...(one?.group_id && { group_id: one.group_id }),
    ...(one?.time_control && { time_control: one.time_control }),
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
