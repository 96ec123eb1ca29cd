/**
 * The names of a session, its participants and teams.
 *
 * Pure. Names are in the session's metadata, which any client may have written: whatever does not
 * have the expected type is ignored.
 *
 * @module
 */

/** @import { SessionState } from '../../js/src/types.js' */

/** @typedef {{id: string, name: string, team: string}} Participant */

export const UNKNOWN = 'Unknown participant';

export class SessionNames {
  /** @type {Map<string, Participant>} in rotation order */
  participants = new Map();
  title;
  /** Whether the participant button takes the turn instead of passing it. */
  takesTurns;

  /** @param {SessionState} state */
  constructor({ metadata, participants }) {
    const { title, names, teams, turn } = metadata ?? {};
    this.title = text(title);
    this.takesTurns = turn === 'take';
    const groups = [...new Set(participants.map((one) => one.group_id).filter(Boolean))];
    participants.forEach(({ participant_id: id, group_id }, index) => {
      const name = (Array.isArray(names) && text(names[index])) || `Participant ${index + 1}`;
      const group = groups.indexOf(group_id);
      const team = Array.isArray(teams) && text(teams[group]);
      this.participants.set(id, { id, name, team: group < 0 ? '' : team || `Team ${group + 1}` });
    });
  }

  /** Bound, so that it can be passed as a function. @param {unknown} id */
  nameOf = (id) => this.participants.get(String(id))?.name ?? UNKNOWN;
}

/** @param {unknown} value */
const text = (value) => (typeof value === 'string' ? value.trim() : '');
