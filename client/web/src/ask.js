/**
 * Asks before what can't be undone.
 *
 * @module
 */

import { el } from './dom.js';

/**
 * @param {{headline: string, text: string, action: string}} question
 * @returns {Promise<boolean>}
 */
export function ask({ headline, text, action }) {
  return new Promise((resolve) => {
    /** @param {string} answer */
    const answer = (answer) => () => dialog.close(answer);
    const dialog = el(
      'dialog',
      { className: 'ask', 'aria-label': headline, onclose: () => done() },
      el('h2', {}, headline),
      el('p', {}, text),
      el(
        'div',
        { className: 'buttons' },
        el('button', { type: 'button', onclick: answer('') }, 'Keep it'),
        el('button', { type: 'button', className: 'danger', onclick: answer('yes') }, action),
      ),
    );
    const done = () => {
      dialog.remove();
      resolve(dialog.returnValue === 'yes');
    };
    document.body.append(dialog);
    dialog.showModal();
  });
}
