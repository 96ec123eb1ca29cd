/**
 * The host's form for the message on every screen.
 *
 * @module
 */

import { el } from './dom.js';

/** @import { SessionState } from '../../js/src/types.js' */

const MAX_CHARACTERS = 500;

export class MessageForm {
  #text = el('input', {
    type: 'text',
    'aria-label': 'Message to every screen',
    placeholder: 'Message to every screen',
    maxLength: MAX_CHARACTERS,
    dir: 'auto',
    required: true,
  });
  #isAlert = el('input', { type: 'checkbox' });
  #clear;

  /** @param {(message: Record<string, unknown> | null) => unknown} send null removes it */
  constructor(send) {
    this.#clear = el('button', { type: 'button', onclick: () => send(null) }, 'Clear');
    this.element = el(
      'form',
      {
        className: 'message-form',
        onsubmit: (/** @type {SubmitEvent} */ event) => {
          event.preventDefault();
          const style = this.#isAlert.checked ? 'alert' : 'normal';
          send({ text: this.#text.value.trim(), style });
        },
      },
      this.#text,
      el('label', {}, this.#isAlert, ' Alert'),
      el('button', { type: 'submit' }, 'Show'),
      this.#clear,
    );
  }

  /** @param {SessionState} state */
  onState({ message }) {
    this.#clear.hidden = !message;
  }
}
