/**
 * The host's form that adds a participant to the session.
 *
 * @module
 */

import { el } from './dom.js';
import { useOf } from './own-clocks.js';
import { participantInputs } from './participant-dialog.js';
import { isFinished } from './primary-action.js';

/** @import { SessionState } from '../../js/src/types.js' */
/** @import { SessionNames } from './names.js' */
/** @import { ParticipantFields } from './participant-dialog.js' */

export class JoinForm {
  #content = el('div', { className: 'content' });
  #join;
  #drawn = '';
  element = el(
    'details',
    { className: 'panel side-form join-form' },
    el('summary', {}, 'Add a participant'),
    this.#content,
  );

  /** @param {(fields: ParticipantFields & {group?: string}) => unknown} join */
  constructor(join) {
    this.#join = join;
  }

  /**
   * @param {SessionState} state
   * @param {SessionNames} names
   */
  onState(state, names) {
    // An hourglass takes no third.
    const isHourglass = state.time_control?.type === 'hourglass';
    this.element.hidden = isFinished(state) || isHourglass;
    const hasFactor = state.sync_mode === 'simultaneous' && useOf(state) !== 'race';
    const teams = state.sync_mode === 'per_group' ? [...names.teams] : [];
    const drawn = JSON.stringify([hasFactor, teams]);
    if (drawn === this.#drawn) return;
    this.#drawn = drawn;
    const inputs = participantInputs({ name: '', ...(hasFactor && { factor: 1 }) });
    const team = el('select', {}, ...teams.map(([group, name]) => new Option(name, String(group))));
    const onSubmit = async (/** @type {SubmitEvent} */ event) => {
      event.preventDefault();
      const fields = inputs.read();
      if (!fields) return;
      const isDone = await this.#join({ ...fields, ...(teams.length && { group: team.value }) });
      if (isDone) inputs.clear();
    };
    this.#content.replaceChildren(
      el(
        'form',
        { noValidate: true, onsubmit: onSubmit },
        inputs.element,
        teams.length > 0 && el('label', {}, 'Team', team),
        el('button', { type: 'submit' }, 'Add'),
      ),
    );
  }
}
