/**
 * Which clocks a viewer's screen has: of teams one each, of one for all only that.
 *
 * Values in, values out.
 *
 * @module
 */

/** @import { SessionState } from '../../js/src/types.js' */
/** @import { Cast } from './cast.js' */

/**
 * @typedef {object} Slot
 * @property {string} face whose clock is shown
 * @property {string} name
 * @property {string} more who of a team it is
 * @property {boolean} isActive
 */

/**
 * @param {SessionState} state
 * @param {Cast} cast
 * @returns {Slot[]}
 */
export function slotsOf(state, cast) {
  const active = state.active_participant_id;
  if (state.sync_mode === 'global') {
    // Everybody has the same clock: whoever leads stands for all.
    const leads = active !== null && state.time_per_cycle_ms;
    const name = leads ? cast.nameOf(active) : cast.title || 'Time left';
    return [{ face: leads ? active : 'session', name, more: '', isActive: true }];
  }
  const people = [...cast.people.values()];
  if (state.sync_mode !== 'per_group') {
    return people.map(({ id, name }) => ({ face: id, name, more: '', isActive: id === active }));
  }
  /** @type {Map<string, Slot>} */
  const teams = new Map();
  for (const { id, name, team } of people) {
    const isActive = id === active;
    // All of a team have the same clock: whoever plays stands for it.
    if (isActive || !teams.has(team)) {
      teams.set(team, { face: id, name: team, more: isActive ? name : '', isActive });
    }
  }
  return [...teams.values()];
}
