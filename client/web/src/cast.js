/**
 * Who takes part: names of the session, its participants and teams.
 *
 * Values in, values out. Names are in the session's metadata, which anybody may
 * have written: what isn't as this page writes it counts as not there.
 *
 * @module
 */

/** @import { SessionState } from '../../js/src/types.js' */

/** @typedef {{id: string, name: string, team: string}} Person */

export class Cast {
  /** @type {Map<string, Person>} in rotation order */
  people = new Map();
  title;
  /** Whether a participant's button begins the own turn instead of ending it. */
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
      const given = Array.isArray(teams) && text(teams[group]);
      this.people.set(id, { id, name, team: group < 0 ? '' : given || `Team ${group + 1}` });
    });
  }

  /** Bound, so that it can be handed on. @param {unknown} id */
  nameOf = (id) => this.people.get(String(id))?.name ?? 'Somebody';
}

/** @param {unknown} value */
const text = (value) => (typeof value === 'string' ? value.trim() : '');
