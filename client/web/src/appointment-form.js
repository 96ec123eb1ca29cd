/**
 * The host's form for when the session starts and ends by itself.
 *
 * @module
 */

import { AppointmentError, localOf, parseAppointments } from './appointments.js';
import { el, setText } from './dom.js';
import { isFinished } from './primary-action.js';

/** @import { SessionState } from '../../js/src/types.js' */

export class AppointmentForm {
  #starts = el('input', { type: 'datetime-local' });
  #ends = el('input', { type: 'datetime-local' });
  #startsLabel = el('label', {}, 'Starts at', this.#starts);
  #error = el('p', { className: 'error', role: 'alert' });
  #update;
  #drawn = '';
  #status = '';
  element;

  /** @param {(appointments: Record<string, string | null>) => unknown} update */
  constructor(update) {
    this.#update = update;
    const onSubmit = (/** @type {SubmitEvent} */ event) => {
      event.preventDefault();
      this.#submit();
    };
    this.element = el(
      'details',
      { className: 'panel side-form' },
      el('summary', {}, 'Start and end times'),
      el(
        'form',
        { noValidate: true, onsubmit: onSubmit },
        this.#startsLabel,
        el('label', {}, 'Ends at', this.#ends),
        this.#error,
        el('button', { type: 'submit' }, 'Save'),
      ),
    );
  }

  /** @param {SessionState} state */
  onState(state) {
    const { status, starts_at, ends_at } = state;
    this.element.hidden = isFinished(state);
    this.#status = status;
    this.#startsLabel.hidden = status !== 'pending';
    // Another change of the session must not undo what is being typed.
    const drawn = [starts_at, ends_at].join();
    if (drawn === this.#drawn) return;
    this.#drawn = drawn;
    this.#starts.value = localOf(starts_at);
    this.#ends.value = localOf(ends_at);
  }

  #submit() {
    setText(this.#error, '');
    const isPending = this.#status === 'pending';
    const starts = isPending ? this.#starts.value : '';
    try {
      const { starts_at, ends_at } = parseAppointments(
        { starts, ends: this.#ends.value },
        Date.now(),
      );
      this.#update({ ...(isPending && { starts_at }), ends_at });
    } catch (error) {
      if (!(error instanceof AppointmentError)) throw error;
      setText(this.#error, `${error.field === 'starts' ? 'Start' : 'End'}: ${error.message}`);
    }
  }
}
