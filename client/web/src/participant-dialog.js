/**
 * The dialog of one participant: name, time factor, link, and withdrawal.
 *
 * @module
 */

import { el, setText } from './dom.js';
import { TableError, parseTable } from './participant-table.js';

/**
 * @typedef {object} ParticipantFields
 * @property {string} name
 * @property {number} [factor] only where clocks have one
 */

/**
 * @typedef {object} Choice what was chosen
 * @property {'save' | 'link' | 'withdraw'} action
 * @property {ParticipantFields} fields
 */

/**
 * @param {ParticipantFields & {canWithdraw: boolean}} participant
 * @returns {Promise<Choice | null>} null if it was cancelled
 */
export function editParticipant({ name, factor, canWithdraw }) {
  return new Promise((resolve) => {
    const inputs = participantInputs({ name, ...(factor !== undefined && { factor }) });
    /** @type {Choice | null} */
    let choice = null;
    /** @param {Choice['action']} action */
    const choose = (action) => () => {
      choice = { action, fields: { name } };
      dialog.close();
    };
    const save = (/** @type {SubmitEvent} */ event) => {
      event.preventDefault();
      const fields = inputs.read();
      if (!fields) return;
      choice = { action: 'save', fields };
      dialog.close();
    };
    const onClose = () => {
      dialog.remove();
      resolve(choice);
    };
    const withdraw = el(
      'button',
      { type: 'button', className: 'danger', onclick: choose('withdraw') },
      'Withdraw',
    );
    const dialog = el(
      'dialog',
      { className: 'dialog', 'aria-label': name, onclose: onClose },
      el('h2', { dir: 'auto' }, name),
      el(
        'form',
        { noValidate: true, onsubmit: save },
        inputs.element,
        el(
          'div',
          { className: 'buttons' },
          canWithdraw && withdraw,
          el('button', { type: 'button', onclick: choose('link') }, 'Show link'),
          el('button', { type: 'button', onclick: () => dialog.close() }, 'Cancel'),
          el('button', { type: 'submit', className: 'primary' }, 'Save'),
        ),
      ),
    );
    document.body.append(dialog);
    dialog.showModal();
  });
}

/**
 * Inputs of a participant's fields. `read` shows what is wrong, and is null then.
 *
 * @param {ParticipantFields} fields
 */
export function participantInputs({ name, factor }) {
  const hasFactor = factor !== undefined;
  const error = el('p', { className: 'error', role: 'alert' });
  const nameInput = el('input', { type: 'text', value: name, dir: 'auto', autocomplete: 'off' });
  const factorInput = el('input', {
    type: 'text',
    value: String(factor ?? ''),
    autocomplete: 'off',
  });
  const element = el(
    'div',
    { className: 'participant-inputs' },
    el('label', {}, 'Name', nameInput),
    hasFactor && el('label', {}, 'Time factor', factorInput),
    error,
  );
  return {
    element,
    /** @returns {ParticipantFields | null} */
    read() {
      setText(error, '');
      const typed = hasFactor ? factorInput.value.trim() : '';
      try {
        // As a line of the table, so that the same is understood, and the same is wrong.
        const [row] = parseTable(`"${nameInput.value.replaceAll('"', '""')}"\t${typed}`);
        if (!row) return null;
        return { name: row.name, ...(hasFactor && { factor: row.factor }) };
      } catch (problem) {
        if (!(problem instanceof TableError)) throw problem;
        setText(error, problem.message.replace(/^Line 1: /, ''));
        return null;
      }
    },
    clear() {
      nameInput.value = '';
      factorInput.value = '1';
    },
  };
}
