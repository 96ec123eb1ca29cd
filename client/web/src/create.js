/**
 * The form that makes a session: a preset, or by hand.
 *
 * @module
 */

import { Api, ApiError } from './api.js';
import { newId } from './device.js';
import { el, write } from './dom.js';
import { fragmentOf } from './place.js';
import { PRESETS } from './presets.js';
import { FIELDS, FormError, MOST_PARTICIPANTS, explain, requestOf } from './setup.js';

/** @import { Addresses } from './addresses.js' */
/** @import { Field, Form } from './setup.js' */
/** @typedef {HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement} Control */

const MODES = [
  ['per_participant', 'Everybody has a clock'],
  ['per_group', 'Every team has a clock'],
  ['per_cycle', 'Every turn has a clock'],
  ['global', 'One clock for all'],
  ['count_up', 'Stopwatches'],
];
const ACTIONS = [
  ['notify', 'Say so, and go on'],
  ['skip_cycle', 'Begin the next turn'],
  ['end_session', 'End the session'],
];
const TURNS = [
  ['pass', 'Ends their turn'],
  ['take', 'Takes the turn (bids)'],
];

/** @type {[Field, string, string][]} */
const WRITTEN = [
  [
    'control',
    'Time control',
    'Minutes and seconds as players write them: 5, 3+2, 10+5x30s, 10+20/5m, 25 d5, *5',
  ],
  ['total', 'Time for all', 'As 90, 90s, 1h30m or 2:30; a number alone is minutes'],
  ['cycle', 'Time for a turn', 'As 30s, 2 or 2:30; a number alone is minutes'],
  ['most', 'Stops at', 'Left empty, it never does'],
  ['warnings', 'Warn at', 'As 1m, 15s; left empty, nobody is warned'],
];

/** What lets this tab make sessions, where the server asks for it; written down nowhere. */
let serverToken = '';

/**
 * @param {HTMLElement} root
 * @param {Addresses} addresses
 */
export function showForm(root, addresses) {
  document.title = 'Tickless';
  root.replaceChildren(new CreateForm(addresses.api).element);
}

class CreateForm {
  #root;
  /** @type {Map<Field, Control>} */
  #controls = new Map();
  /** @type {Map<Field, HTMLElement>} what is said below them */
  #said = new Map();
  /** @type {Map<Field, HTMLElement>} */
  #rows = new Map();
  #error = el('p', { className: 'error', role: 'alert' });
  #button = el('button', { className: 'primary', type: 'submit' }, 'Make the session');
  #token = el('input', {
    id: 'server-token',
    type: 'password',
    autocomplete: 'off',
    spellcheck: false,
    value: serverToken,
    'aria-describedby': 'said-server-token',
  });
  #tokenRow;
  element;

  /** @param {string} root of the API */
  constructor(root) {
    this.#root = root;
    this.#tokenRow = el(
      'p',
      { className: 'field', hidden: true },
      el('label', { for: 'server-token' }, 'Server token'),
      this.#token,
      el(
        'span',
        { className: 'hint', id: 'said-server-token' },
        `Whoever runs ${new URL(root).host} has it. It is forgotten when this page is closed.`,
      ),
    );
    const form = el(
      'form',
      { noValidate: true, onsubmit: (/** @type {Event} */ event) => void this.#submit(event) },
      el(
        'fieldset',
        { className: 'presets' },
        el('legend', {}, 'What is it for?'),
        ...this.#cards(),
      ),
      el(
        'fieldset',
        { className: 'details' },
        el('legend', {}, 'The details'),
        this.#row(
          'title',
          'Title',
          el('input', { autocomplete: 'off', maxLength: 120 }),
          'Shown on every screen',
        ),
        this.#row('mode', 'Clocks', choice(MODES)),
        ...WRITTEN.map(([field, label, hint]) =>
          this.#row(field, label, el('input', { autocomplete: 'off', spellcheck: false }), hint),
        ),
        this.#row('action', 'When a clock runs out', choice(ACTIONS)),
        this.#row('turn', 'A participant’s button', choice(TURNS)),
        this.#row(
          'count',
          'Participants',
          el('input', { type: 'number', min: '1', max: `${MOST_PARTICIPANTS}` }),
          `Up to ${MOST_PARTICIPANTS}; whoever has no name has a number`,
        ),
        this.#row(
          'names',
          'Names',
          el('textarea', { rows: 4, dir: 'auto', spellcheck: false }),
          'One a line; in teams with the team in front, “Red: Ada”',
        ),
      ),
      el('div', { className: 'submit' }, this.#tokenRow, this.#error, this.#button),
    );
    form.addEventListener('input', () => this.#explain());
    this.element = el(
      'main',
      { className: 'create' },
      el(
        'header',
        { className: 'hero' },
        el('p', { className: 'brand' }, 'Tickless'),
        el('h1', {}, 'One clock, on every screen'),
        el('p', {}, 'Choose what you are timing, hand out the links, and press start.'),
      ),
      form,
    );
    const [first] = PRESETS;
    if (first) this.#fill(first.form);
  }

  #cards() {
    return PRESETS.map(({ id, name, face, about, form }, at) =>
      el(
        'label',
        { className: 'card' },
        el('input', {
          type: 'radio',
          name: 'preset',
          value: id,
          checked: at === 0,
          onchange: () => this.#fill(form),
        }),
        el('span', { className: 'figure', 'aria-hidden': 'true' }, face),
        el('span', { className: 'name' }, name),
        el('span', { className: 'about' }, about),
      ),
    );
  }

  /**
   * @param {Field} field
   * @param {string} label
   * @param {Control} control
   * @param {string} [hint]
   */
  #row(field, label, control, hint = '') {
    control.id = `field-${field}`;
    control.name = field;
    const said = el('span', { className: 'hint', id: `said-${field}` }, hint);
    said.dataset['hint'] = hint;
    control.setAttribute('aria-describedby', said.id);
    const row = el(
      'p',
      { className: `field ${field}` },
      el('label', { for: control.id }, label),
      control,
      said,
    );
    this.#controls.set(field, control);
    this.#said.set(field, said);
    this.#rows.set(field, row);
    return row;
  }

  /** @param {Form} form */
  #fill(form) {
    for (const [field, control] of this.#controls) control.value = String(form[field]);
    write(this.#error, '');
    this.#explain();
  }

  /** @returns {Form} */
  #form() {
    const given = Object.fromEntries(
      [...this.#controls].map(([field, control]) => [field, control.value]),
    );
    return /** @type {any} */ ({ ...given, count: Number(given['count']) });
  }

  /** Show the fields that the mode has, and what is in them in words. */
  #explain() {
    const form = this.#form();
    const of = /** @type {readonly Field[]} */ (FIELDS[form.mode]);
    for (const [field] of WRITTEN) {
      const row = this.#rows.get(field);
      if (row) row.hidden = field !== 'warnings' && !of.includes(field);
      this.#say(field, '', false);
      try {
        if (row && !row.hidden) this.#say(field, explain(form, field), false);
      } catch (error) {
        // Whoever is still writing is told how, and not that it is wrong.
        if (!(error instanceof FormError)) throw error;
      }
    }
    for (const field of /** @type {const} */ (['names', 'count'])) this.#say(field, '', false);
  }

  /**
   * @param {Field} field
   * @param {string} text in place of its hint
   * @param {boolean} isWrong
   */
  #say(field, text, isWrong) {
    const said = this.#said.get(field);
    if (said) write(said, text || said.dataset['hint'] || '');
    this.#controls.get(field)?.setAttribute('aria-invalid', String(isWrong));
    this.#rows.get(field)?.classList.toggle('wrong', isWrong);
  }

  /** @param {Event} event */
  async #submit(event) {
    event.preventDefault();
    write(this.#error, '');
    this.#button.disabled = true;
    try {
      const request = requestOf(this.#form(), newId);
      serverToken = this.#token.value.trim();
      const { data, links } = await new Api(this.#root, serverToken).create(request);
      const token = links?.host.token;
      location.hash = fragmentOf({ session: data.session_id, as: 'host', ...(token && { token }) });
    } catch (error) {
      this.#refused(error);
    } finally {
      this.#button.disabled = false;
    }
  }

  /** @param {unknown} error */
  #refused(error) {
    if (error instanceof FormError) {
      this.#say(error.field, error.message, true);
      this.#controls.get(error.field)?.focus();
      return;
    }
    if (!(error instanceof ApiError)) throw error;
    // Where no token was given, 403 is somebody else's in between.
    if (error.code === 'UNAUTHENTICATED' || (serverToken && error.code === 'FORBIDDEN')) {
      this.#askForToken();
      return;
    }
    const details = error.details.map(({ field, message }) => `${field}: ${message}`);
    write(this.#error, [error.message, ...details].join(' · '));
  }

  #askForToken() {
    this.#tokenRow.hidden = false;
    this.#token.setAttribute('aria-invalid', String(serverToken !== ''));
    this.#tokenRow.classList.toggle('wrong', serverToken !== '');
    write(
      this.#error,
      serverToken
        ? 'With this token no session can be made here.'
        : 'This server asks for a token.',
    );
    this.#token.focus();
  }
}

/** @param {string[][]} options */
function choice(options) {
  return el('select', {}, ...options.map(([value, text]) => new Option(text, value)));
}
