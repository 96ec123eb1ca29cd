/**
 * A confirmation dialog, for actions that can't be undone.
 *
 * @module
 */

import { el } from './dom.js';

/**
 * @param {{title: string, text: string, action: string}} options
 * @returns {Promise<boolean>}
 */
export function confirm({ title, text, action }) {
  return new Promise((resolve) => {
    /** @param {string} value */
    const closeWith = (value) => () => dialog.close(value);
    const dialog = el(
      'dialog',
      { className: 'dialog', 'aria-label': title, onclose: () => onClose() },
      el('h2', {}, title),
      el('p', {}, text),
      el(
        'div',
        { className: 'buttons' },
        el('button', { type: 'button', onclick: closeWith('') }, 'Cancel'),
        el('button', { type: 'button', className: 'danger', onclick: closeWith('yes') }, action),
      ),
    );
    const onClose = () => {
      dialog.remove();
      resolve(dialog.returnValue === 'yes');
    };
    document.body.append(dialog);
    dialog.showModal();
  });
}
