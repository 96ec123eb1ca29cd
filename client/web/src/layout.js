/**
 * Which clocks the viewer's screen shows: one for each participant, team or end, or one for all.
 * Pure.
 *
 * @module
 */

import { pluralize } from './durations.js';
import { inOrderOfEnds, raceLeader, timeOfDay, useOf } from './own-clocks.js';

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
 * @param {number} nowMs the server's time
 * @returns {ClockSlot[]}
 */
export function layoutClocks(state, names, nowMs) {
  const use = useOf(state);
  if (use === 'race') {
    const name = names.title || 'Race time';
    return [{ id: raceLeader(state), name, detail: '', isActive: true }];
  }
  if (use === 'exam') return layoutEnds(state, names, nowMs);
  const active = state.active_participant_id;
  if (state.sync_mode === 'global') {
    // All participants have the same clock, so the active one's stands for all.
    const leader = state.time_per_cycle_ms ? active : null;
    const name = leader ? names.nameOf(leader) : names.title || 'Time left';
    return [{ id: leader ?? 'session', name, detail: '', isActive: true }];
  }
  const participants = [...names.participants.values()].filter(({ hasWithdrawn }) => !hasWithdrawn);
  if (state.sync_mode !== 'per_group') {
    const isOwn = state.sync_mode === 'simultaneous';
    const running = new Set(
      state.participants.flatMap((one) => (isOwn && one.is_active ? [one.participant_id] : [])),
    );
    return participants.map(({ id, name }) => ({
      id,
      name,
      detail: '',
      isActive: id === active || running.has(id),
    }));
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

/**
 * One clock for each end of an exam, instead of one for each candidate: the audience must not learn
 * who has extra time.
 *
 * @param {SessionState} state
 * @param {SessionNames} names
 * @param {number} nowMs
 * @returns {ClockSlot[]}
 */
function layoutEnds(state, names, nowMs) {
  const byId = new Map(state.participants.map((one) => [one.participant_id, one]));
  /** @type {Map<string, {slot: ClockSlot, count: number}>} */
  const groups = new Map();
  for (const id of inOrderOfEnds(state, nowMs)) {
    const one = byId.get(id);
    if (!one || one.clock_state === 'finished' || one.has_withdrawn) continue;
    const end = one.deadline_at && timeOfDay(one.deadline_at, nowMs);
    const key = end || `${one.clock_state} ${one.time_remaining_ms}`;
    const group = groups.get(key);
    if (group) group.count += 1;
    else {
      const idle = one.clock_state === 'paused' ? 'Paused' : names.title || 'Time left';
      const name = end ? `Until ${end}` : idle;
      groups.set(key, { slot: { id, name, detail: '', isActive: one.is_active }, count: 1 });
    }
  }
  const isSplit = groups.size > 1;
  return [...groups.values()].map(({ slot, count }) => ({
    ...slot,
    detail: isSplit ? pluralize(count, 'candidate') : '',
  }));
}
