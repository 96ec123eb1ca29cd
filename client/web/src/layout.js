/**
 * Which clocks the viewer's screen shows: one for each participant or team, or one for all. Pure.
 *
 * @module
 */

/** @import { SessionState } from '../../js/src/types.js' */
/** @import { SessionNames } from './names.js' */

/**
 * @typedef {object} ClockSlot
 * @property {string} id of the clock face
 * @property {string} name
 * @property {string} detail the active member of a team
 * @property {boolean} isActive
 */

/**
 * @param {SessionState} state
 * @param {SessionNames} names
 * @returns {ClockSlot[]}
 */
export function layoutClocks(state, names) {
  const active = state.active_participant_id;
  if (state.sync_mode === 'global') {
    // All participants have the same clock, so the active one's stands for all.
    const leader = state.time_per_cycle_ms ? active : null;
    const name = leader ? names.nameOf(leader) : names.title || 'Time left';
    return [{ id: leader ?? 'session', name, detail: '', isActive: true }];
  }
  const participants = [...names.participants.values()];
  if (state.sync_mode !== 'per_group') {
    return participants.map(({ id, name }) => ({ id, name, detail: '', isActive: id === active }));
  }
  /** @type {Map<string, ClockSlot>} */
  const teams = new Map();
  for (const { id, name, team } of participants) {
    const isActive = id === active;
    // All members have the same clock, so any of them stands for the team.
    if (isActive || !teams.has(team)) {
      teams.set(team, { id, name: team, detail: isActive ? name : '', isActive });
    }
  }
  return [...teams.values()];
}
