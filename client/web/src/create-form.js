/**
 * The form that creates a session, from a preset or with own settings.
 *
 * @module
 */

import { Api, ApiError } from './api.js';
import {
  FormError,
  MAX_PARTICIPANTS,
  buildCreateRequest,
  describeField,
  describeTimes,
  fieldsOf,
} from './create-request.js';
import { newId } from './device.js';
import { el, setText } from './dom.js';
import { PRESETS } from './presets.js';
import { formatRoute } from './route.js';

/** @import { Endpoints } from './endpoints.js' */
/** @import { Field, Form } from './create-request.js' */
/** @typedef {HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement} Control */

const MODES = [
  ['per_participant', 'Per participant'],
  ['per_group', 'Per team'],
  ['per_cycle', 'Per turn'],
  ['global', 'One shared clock'],
  ['count_up', 'Stopwatch'],
  ['simultaneous', 'One each, all at once'],
];
const USES = [
  ['', 'Anything'],
  ['exam', 'Exam'],
  ['race', 'Race'],
];
/** Hints of the names, where they aren't the usual. @type {Record<string, string>} */
const NAME_HINTS = {
  per_group: 'One per line, as “Red: Ada”',
  simultaneous:
    'One per line, or pasted from a spreadsheet; with a time factor as “Ada; 1.25”, “Ada; +25 %”',
};
const TIMEOUT_ACTIONS = [
  ['notify', 'Notify'],
  ['skip_cycle', 'Skip to the next turn'],
  ['end_session', 'End the session'],
];
const TURN_ACTIONS = [
  ['give', 'Passes the turn'],
  ['take', 'Takes the turn (bids)'],
];

/** Field, label and hint. @type {[Field, string, string][]} */
const TIME_FIELDS = [
  [
    'control',
    'Time control',
    'Minutes, then seconds: 5, 3+2, 15 | 10, 40/90+30:30+30, 10+5x30s, 10+20/5m, 25 d5 or *5',
  ],
  ['total', 'Session time', '90, 90s, 1h30m, 7d or 2:30; a plain number is minutes'],
  ['cycle', 'Time per turn', '30s, 2 or 2:30; a plain number is minutes'],
  ['extend', 'Soft close', 'The time left after each turn at least, as 2m; empty for none'],
  ['max', 'Maximum', 'Empty for no limit'],
  ['warnings', 'Warnings', 'For example 1m, 15s; empty for none'],
];

/** The server token of this tab; never stored. */
let serverToken = '';

/**
 * @param {HTMLElement} root
 * @param {Endpoints} endpoints
 */
export function showCreateForm(root, endpoints) {
  document.title = 'Tickless';
  root.replaceChildren(new CreateForm(endpoints.api).element);
}

class CreateForm {
  #api;
  /** @type {Map<Field, Control>} */
  #controls = new Map();
  /** @type {Map<Field, HTMLElement>} */
  #hints = new Map();
  /** @type {Map<Field, HTMLElement>} */
  #rows = new Map();
  #error = el('p', { className: 'error', role: 'alert' });
  /** What was understood, before it is created. */
  #times = el('output', { className: 'times' });
  #button = el('button', { className: 'primary', type: 'submit' }, 'Create session');
  #token = el('input', {
    id: 'server-token',
    type: 'password',
    autocomplete: 'off',
    spellcheck: false,
    value: serverToken,
    'aria-describedby': 'hint-server-token',
  });
  #tokenRow;
  element;

  /** @param {string} api */
  constructor(api) {
    this.#api = api;
    this.#tokenRow = el(
      'p',
      { className: 'field', hidden: true },
      el('label', { for: 'server-token' }, 'Server token'),
      this.#token,
      el(
        'span',
        { className: 'hint', id: 'hint-server-token' },
        `From the operator of ${new URL(api).host}. It is not saved.`,
      ),
    );
    const form = el(
      'form',
      { noValidate: true, onsubmit: (/** @type {Event} */ event) => void this.#submit(event) },
      el('fieldset', { className: 'presets' }, el('legend', {}, 'Preset'), ...this.#presets()),
      el(
        'fieldset',
        { className: 'settings' },
        el('legend', {}, 'Settings'),
        this.#row(
          'title',
          'Title',
          el('input', { autocomplete: 'off', maxLength: 120 }),
          'Shown on every screen',
        ),
        this.#row('mode', 'Clocks', select(MODES)),
        ...TIME_FIELDS.map(([field, label, hint]) =>
          this.#row(field, label, el('input', { autocomplete: 'off', spellcheck: false }), hint),
        ),
        this.#row(
          'starts',
          'Starts at',
          el('input', { type: 'datetime-local' }),
          'Local time; empty to start it by hand',
        ),
        this.#row(
          'ends',
          'Ends at',
          el('input', { type: 'datetime-local' }),
          'Whatever the clocks show; empty for none',
        ),
        this.#row('use', 'Used for', select(USES)),
        this.#row('action', 'When time runs out', select(TIMEOUT_ACTIONS)),
        this.#row('turn', 'Participant button', select(TURN_ACTIONS)),
        this.#row(
          'count',
          'Participants',
          el('input', { type: 'number', min: '1', max: `${MAX_PARTICIPANTS}` }),
          `1 to ${MAX_PARTICIPANTS}; those without a name get a number`,
        ),
        this.#row(
          'names',
          'Names',
          el('textarea', { rows: 4, dir: 'auto', spellcheck: false }),
          'One per line',
        ),
      ),
      el(
        'div',
        { className: 'submit-bar' },
        this.#tokenRow,
        this.#error,
        el('div', { className: 'submit-row' }, this.#button, this.#times),
      ),
    );
    form.addEventListener('input', () => this.#describeFields());
    this.element = el(
      'main',
      { className: 'create-form' },
      el(
        'header',
        { className: 'intro' },
        el('p', { className: 'brand' }, 'Tickless'),
        el('h1', {}, 'One clock, on every screen'),
        el('p', {}, 'Choose a preset, share the links, and press Start.'),
      ),
      form,
    );
    const [first] = PRESETS;
    if (first) this.#fill(first.form);
  }

  #presets() {
    return PRESETS.map(({ id, name, time, description, form }, index) =>
      el(
        'label',
        { className: 'preset' },
        el('input', {
          type: 'radio',
          name: 'preset',
          value: id,
          checked: index === 0,
          onchange: () => this.#fill(form),
        }),
        el('span', { className: 'time', 'aria-hidden': 'true' }, time),
        el('span', { className: 'name' }, name),
        el('span', { className: 'description' }, description),
      ),
    );
  }

  /**
   * @param {Field} field
   * @param {string} label
   * @param {Control} control
   * @param {string} [text]
   */
  #row(field, label, control, text = '') {
    control.id = `field-${field}`;
    control.name = field;
    const hint = el('span', { className: 'hint', id: `hint-${field}` }, text);
    hint.dataset['hint'] = text;
    control.setAttribute('aria-describedby', hint.id);
    const row = el(
      'p',
      { className: `field ${field}` },
      el('label', { for: control.id }, label),
      control,
      hint,
    );
    this.#controls.set(field, control);
    this.#hints.set(field, hint);
    this.#rows.set(field, row);
    return row;
  }

  /** @param {Form} form */
  #fill(form) {
    for (const [field, control] of this.#controls) control.value = String(form[field]);
    setText(this.#error, '');
    this.#describeFields();
  }

  /** @returns {Form} */
  #form() {
    const values = Object.fromEntries(
      [...this.#controls].map(([field, control]) => [field, control.value]),
    );
    return /** @type {any} */ ({ ...values, count: Number(values['count']) });
  }

  /** Show the fields of the mode, and below each its value in words. */
  #describeFields() {
    const form = this.#form();
    const fields = fieldsOf(form);
    for (const [field] of TIME_FIELDS) {
      const row = this.#rows.get(field);
      if (row) row.hidden = field !== 'warnings' && !fields.includes(field);
      this.#setHint(field, '', false);
      try {
        if (row && !row.hidden) this.#setHint(field, describeField(form, field), false);
      } catch (error) {
        // While typing, the hint is more helpful than an error.
        if (!(error instanceof FormError)) throw error;
      }
    }
    const hasTurns = form.mode !== 'simultaneous' && form.mode !== 'count_up';
    for (const [field, isShown] of /** @type {const} */ ([
      ['use', fields.includes('use')],
      ['turn', hasTurns],
    ])) {
      const row = this.#rows.get(field);
      if (row) row.hidden = !isShown;
    }
    const names = this.#hints.get('names');
    if (names) {
      const hint = form.use === 'race' ? undefined : NAME_HINTS[form.mode];
      names.dataset['hint'] = hint ?? 'One per line';
    }
    setText(this.#times, describeTimes(form));
    for (const field of /** @type {const} */ (['names', 'count', 'starts', 'ends']))
      this.#setHint(field, '', false);
  }

  /**
   * @param {Field} field
   * @param {string} text replaces the hint unless empty
   * @param {boolean} isInvalid
   */
  #setHint(field, text, isInvalid) {
    const hint = this.#hints.get(field);
    if (hint) setText(hint, text || hint.dataset['hint'] || '');
    this.#controls.get(field)?.setAttribute('aria-invalid', String(isInvalid));
    this.#rows.get(field)?.classList.toggle('invalid', isInvalid);
  }

  /** @param {Event} event */
  async #submit(event) {
    event.preventDefault();
    setText(this.#error, '');
    this.#button.disabled = true;
    try {
      const request = buildCreateRequest(this.#form(), newId);
      serverToken = this.#token.value.trim();
      const { data, links } = await new Api(this.#api, serverToken).createSession(request);
      const token = links?.host.token;
      const route = { session: data.session_id, ...(token && { token }) };
      location.hash = formatRoute({ ...route, as: 'host' });
    } catch (error) {
      this.#showError(error);
    } finally {
      this.#button.disabled = false;
    }
  }

  /** @param {unknown} error */
  #showError(error) {
    if (error instanceof FormError) {
      this.#setHint(error.field, error.message, true);
      this.#controls.get(error.field)?.focus();
      return;
    }
    if (!(error instanceof ApiError)) throw error;
    // Without a token, a 403 comes from a proxy and not from the server.
    if (error.code === 'UNAUTHENTICATED' || (serverToken && error.code === 'FORBIDDEN')) {
      this.#askForToken();
      return;
    }
    const details = error.details.map(({ field, message }) => `${field}: ${message}`);
    setText(this.#error, [error.message, ...details].join(' · '));
  }

  #askForToken() {
    this.#tokenRow.hidden = false;
    this.#token.setAttribute('aria-invalid', String(serverToken !== ''));
    this.#tokenRow.classList.toggle('invalid', serverToken !== '');
    setText(
      this.#error,
      serverToken ? 'This token can’t create sessions.' : 'This server requires a token.',
    );
    this.#token.focus();
  }
}

/** @param {string[][]} options */
function select(options) {
  return el('select', {}, ...options.map(([value, text]) => new Option(text, value)));
}
