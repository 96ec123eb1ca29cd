/**
 * The names of a session, its participants and teams.
 *
 * Pure. A participant has a name of their own, or one in the session's metadata, which any client may
 * have written: whatever does not have the expected type is ignored.
 *
 * @module
 */

/** @import { SessionState } from '../../js/src/types.js' */

/** @typedef {{id: string, name: string, team: string, hasWithdrawn: boolean}} Participant */

export const UNKNOWN = 'Unknown participant';

export class SessionNames {
  /** @type {Map<string, Participant>} in rotation order */
  participants = new Map();
  /** Names by the id of the group. @type {Map<unknown, string>} */
  teams = new Map();
  #sharesClocks;
  title;

  /** @param {SessionState} state */
  constructor({ metadata, participants, sync_mode }) {
    this.#sharesClocks = sync_mode === 'per_group';
    const { title, names, teams } = metadata ?? {};
    this.title = text(title);
    participants.forEach(({ group_id }) => {
      const number = this.teams.size;
      if (!group_id || this.teams.has(group_id)) return;
      const name = Array.isArray(teams) && text(teams[number]);
      this.teams.set(group_id, name || `Team ${number + 1}`);
    });
    participants.forEach(({ participant_id: id, group_id, name: own, has_withdrawn }, index) => {
      const listed = Array.isArray(names) ? text(names[index]) : '';
      const name = text(own) || listed || `Participant ${index + 1}`;
      const team = this.teams.get(group_id) ?? '';
      this.participants.set(id, { id, name, team, hasWithdrawn: has_withdrawn === true });
    });
  }

  /** Bound, so that it can be passed as a function. @param {unknown} id */
  nameOf = (id) => this.participants.get(String(id))?.name ?? UNKNOWN;

  /**
   * Whose clock an event is about: a team's, a participant's, or, if it names neither, empty for
   * the clock that all share. Bound.
   *
   * @param {{participant_id?: unknown, group_id?: unknown}} event
   */
  ownerOf = ({ participant_id, group_id }) =>
    (this.#sharesClocks && this.teams.get(group_id)) ||
    (participant_id ? this.nameOf(participant_id) : '');
}

/** @param {unknown} value */
const text = (value) => (typeof value === 'string' ? value.trim() : '');
