/**
 * The host's view: every clock, every command, share links and the activity log.
 *
 * @module
 */

import { onPress } from '../../js/src/index.js';
import { ActivityLog } from './activity-log.js';
import { adjustTarget } from './adjustments.js';
import { ClockView } from './clock-view.js';
import { confirm } from './confirm.js';
import { belongsToFocus, el, setData, setText, shortcutOf } from './dom.js';
import { errorText } from './event-text.js';
import { MessageForm } from './message-form.js';
import { ParticipantList } from './participant-list.js';
import { cardAction, hostAction, isFinished } from './primary-action.js';
import { ShareLinks } from './share-links.js';

/** @import { ClockFace, CommandName } from '../../js/src/index.js' */
/** @import { SessionState } from '../../js/src/types.js' */
/** @import { SessionScreen } from './session-screen.js' */

/** @typedef {HTMLButtonElement & {press: (event: UIEvent) => unknown}} Button */

/**
 * A clock with its buttons.
 *
 * @typedef {object} Card
 * @property {HTMLElement} element
 * @property {ClockView} clock
 * @property {Button} less
 * @property {Button} more
 * @property {Button} act gives the turn, or finishes or starts the participant's clock
 */

const MIN_PARTICIPANTS_FOR_SEARCH = 13;
const ADJUSTMENTS_S = [10, 30, 60, 300];

const SHORTCUTS = [
  ['Space', 'Start, pass turn, resume'],
  ['P', 'Pause, resume'],
  ['U', 'Undo the last switch'],
  ['+  −', 'Add or remove time'],
  ['/', 'Search'],
];

export class HostView {
  #screen;
  #links;
  #log;
  /** @type {SessionState | null} */
  #state = null;
  #session = this.#card('session');
  /** @type {ParticipantList<Card>} */
  #list = new ParticipantList((id) => this.#participantCard(id));
  #search = el('input', {
    type: 'search',
    placeholder: 'Search participants',
    'aria-label': 'Search participants',
    hidden: true,
    oninput: () => this.#updateList(),
  });
  #noMatch = el('p', { className: 'hint', hidden: true }, 'No participant has this name.');
  #error = el('p', { className: 'error', role: 'alert' });
  #primary = this.#button('', () => this.#runPrimaryAction(), 'primary');
  #pause = this.#button('Pause', () => this.#send('pause'));
  #undo = this.#button('Undo', () => this.#send('undo'));
  // Not on the page: the card of the active participant may not be drawn.
  #moreForActive = this.#button('+', () => this.#adjustActive(1), '', true);
  #lessForActive = this.#button('−', () => this.#adjustActive(-1), '', true);
  #complete = this.#button('Complete', () => this.#confirmComplete());
  #reopen = this.#button('Reopen', () => this.#send('reopen'));
  #reset = this.#button('Start over', () => this.#confirmReset());
  #delete = this.#button('Delete', () => this.#confirmDelete(), 'danger');
  #message = new MessageForm((message) => this.#send('update', { message }));
  #adjustment = el(
    'select',
    { 'aria-label': 'Time added or removed by + and −' },
    ...ADJUSTMENTS_S.map(
      (step) => new Option(step < 60 ? `± ${step} s` : `± ${step / 60} min`, `${step}`),
    ),
  );

  /** @param {SessionScreen} screen */
  constructor(screen) {
    this.#screen = screen;
    this.#links = new ShareLinks(screen.route, screen.api);
    this.#log = new ActivityLog(screen.api, screen.route.session, () => screen.names);
    this.#session.element.classList.add('session');
    this.element = el(
      'main',
      { className: 'host' },
      el(
        'div',
        { className: 'clocks' },
        this.#session.element,
        this.#search,
        this.#noMatch,
        this.#list.element,
        el(
          'div',
          { className: 'controls', role: 'group', 'aria-label': 'Controls' },
          this.#error,
          this.#primary,
          this.#pause,
          this.#undo,
          this.#complete,
          this.#reopen,
          this.#reset,
          this.#adjustment,
          this.#delete,
        ),
        this.#message.element,
      ),
      el('div', { className: 'sidebar' }, this.#links.element, this.#log.element, shortcuts()),
    );
  }

  /** @param {SessionState} state */
  onState(state) {
    const isFirst = this.#state === null;
    this.#state = state;
    const { names } = this.#screen;
    if (!names) return;
    this.#links.setNames(names);
    this.#session.element.hidden = state.session_remaining_ms == null;
    this.#session.clock.setName('Session time');
    // A single participant of a global session would show the same clock twice.
    this.#list.element.hidden = !this.#session.element.hidden && names.participants.size === 1;
    this.#updateCard(this.#session, 'session');
    this.#search.hidden = names.participants.size < MIN_PARTICIPANTS_FOR_SEARCH;
    this.#updateList();
    for (const [id, card] of this.#list.cards) this.#updateCard(card, id);
    this.#message.onState(state);
    this.#updateControls();
    if (isFirst) void this.#log.refresh();
  }

  /** @param {ClockFace} face */
  onFace(face) {
    if (face.id === 'session') this.#session.clock.show(face);
    else this.#list.cards.get(face.id)?.clock.show(face);
  }

  onEvents() {
    void this.#log.refresh();
  }

  onConnection() {
    this.#updateControls();
    const { connection, snapshot } = this.#screen.client;
    if (connection === 'live' && snapshot) void this.#log.refresh();
  }

  /** @param {KeyboardEvent} event */
  onKey(event) {
    if (belongsToFocus(event) || !this.#state) return;
    const { status } = this.#state;
    const pauses = status === 'running' && !this.#pause.hidden ? this.#pause : this.#primary;
    /** @type {Record<string, Button>} */
    const buttons = {
      ' ': this.#primary,
      ...(status !== 'pending' && { p: pauses }),
      u: this.#undo,
      '+': this.#moreForActive,
      '-': this.#lessForActive,
    };
    const key = shortcutOf(event);
    if (key === '/') this.#search.focus();
    else if (buttons[key]) void buttons[key].press(event);
    else return;
    event.preventDefault();
  }

  /** Show the participants that match the search. */
  #updateList() {
    const participants = [...(this.#screen.names?.participants.values() ?? [])];
    const query = this.#search.value.trim().toLowerCase();
    const matches = participants.filter(({ name, team }) =>
      `${name} ${team}`.toLowerCase().includes(query),
    );
    this.#noMatch.hidden = matches.length > 0;
    this.#list.show(
      matches.map(({ id }) => id),
      participants.length,
    );
    setData(this.#list.element, 'size', sizeOf(participants.length));
  }

  #updateControls() {
    const state = this.#state;
    if (!state) return;
    const isLive = this.#screen.client.connection === 'live';
    const action = hostAction(state);
    setText(this.#primary, action.label);
    this.#primary.disabled = !isLive || action.command === null;
    const isOver = isFinished(state);
    this.#complete.hidden = this.#adjustment.hidden = isOver;
    this.#pause.hidden = isOver || action.command === 'pause';
    setText(this.#pause, state.status === 'paused' ? 'Resume' : 'Pause');
    this.#pause.disabled = !isLive || state.status !== 'running';
    const hasTurns = state.participants.length > 1 && state.sync_mode !== 'simultaneous';
    this.#undo.hidden = isOver || !hasTurns;
    this.#undo.disabled = !isLive || state.status !== 'running';
    this.#complete.disabled = !isLive;
    this.#reopen.hidden = this.#reset.hidden = !isOver;
    this.#reopen.disabled = this.#reset.disabled = !isLive;
  }

  /**
   * @param {Card} card
   * @param {string} id
   */
  #updateCard(card, id) {
    const state = this.#state;
    if (!state) return;
    const canAdjust = adjustTarget(state, id) !== null;
    card.less.hidden = card.more.hidden = !canAdjust;
    const action = cardAction(state, id);
    card.act.hidden = action === null;
    if (action) {
      setText(card.act, action.label);
      card.act.ariaLabel = `${action.label}${/^(switch|set_turn)$/.test(action.command ?? '') ? ' to' : ''} ${this.#screen.names?.nameOf(id)}`;
    }
  }

  /** @param {string} id */
  #participantCard(id) {
    const card = this.#card(id);
    const participant = this.#screen.names?.participants.get(id);
    card.clock.setName(participant?.name ?? '', participant?.team);
    const face = this.#screen.faces.get(id);
    if (face) card.clock.show(face);
    this.#updateCard(card, id);
    return card;
  }

  /**
   * @param {string} id
   * @returns {Card}
   */
  #card(id) {
    const name = id === 'session' ? 'the session' : this.#screen.names?.nameOf(id);
    const less = this.#button('−', () => this.#adjust(id, -1), '', true);
    const more = this.#button('+', () => this.#adjust(id, 1), '', true);
    const act = this.#button('', () => this.#runCardAction(id));
    const link = this.#button('Link', () => this.#links.select(id));
    less.ariaLabel = `Remove time from ${name}`;
    more.ariaLabel = `Add time to ${name}`;
    link.ariaLabel = `Link for ${name}`;
    link.hidden = id === 'session';
    const clock = new ClockView(el('div', { className: 'buttons' }, less, more, act, link));
    return { element: clock.element, clock, less, more, act };
  }

  /**
   * @param {string} label
   * @param {() => unknown} action
   * @param {string} [className]
   * @param {boolean} [inSuccession] whether several clicks in a row are meant as such
   * @returns {Button}
   */
  #button(label, action, className = '', inSuccession = false) {
    const button = el('button', { type: 'button', className }, label);
    return Object.assign(button, { press: onPress(button, action, { inSuccession }) });
  }

  #runPrimaryAction() {
    const action = this.#state && hostAction(this.#state);
    return action?.command && this.#send(action.command, action.args);
  }

  /** @param {string} id */
  #runCardAction(id) {
    const action = this.#state && cardAction(this.#state, id);
    return action?.command && this.#send(action.command, action.args);
  }

  /**
   * @param {string} id
   * @param {1 | -1} sign
   */
  #adjust(id, sign) {
    const target = this.#state && adjustTarget(this.#state, id);
    const delta_ms = sign * Number(this.#adjustment.value) * 1_000;
    return target && this.#send('adjust', { ...target, delta_ms });
  }

  /** @param {1 | -1} sign */
  #adjustActive(sign) {
    const { session_remaining_ms, active_participant_id } = this.#state ?? {};
    const active = session_remaining_ms == null ? active_participant_id : 'session';
    return active && this.#adjust(active, sign);
  }

  async #confirmComplete() {
    const isConfirmed = await confirm({
      title: 'Complete the session?',
      text: 'All clocks stop for every participant. You can reopen it later.',
      action: 'Complete',
    });
    if (isConfirmed) await this.#send('complete');
  }

  async #confirmReset() {
    const isConfirmed = await confirm({
      title: 'Start over?',
      text: 'All clocks are full again, and nothing is used, under the same links. This can’t be undone.',
      action: 'Start over',
    });
    if (isConfirmed) await this.#send('reset');
  }

  async #confirmDelete() {
    const isConfirmed = await confirm({
      title: 'Delete the session?',
      text: 'It disappears from every screen, and its links stop working. This can’t be undone.',
      action: 'Delete',
    });
    if (isConfirmed) {
      await this.#try(() => this.#screen.api.deleteSession(this.#screen.route.session));
    }
  }

  /**
   * @param {CommandName} command
   * @param {Record<string, unknown>} [args]
   */
  #send(command, args) {
    return this.#try(() => this.#screen.client.command(command, args));
  }

  /** Show the error of `action`, if it fails. @param {() => Promise<unknown>} action */
  async #try(action) {
    try {
      await action();
      setText(this.#error, '');
    } catch (error) {
      setText(this.#error, errorText(error));
    }
  }
}

/** @param {number} count */
const sizeOf = (count) => (count <= 2 ? 'two' : count <= 4 ? 'four' : 'more');

function shortcuts() {
  return el(
    'details',
    { className: 'panel shortcuts' },
    el('summary', {}, 'Keyboard shortcuts'),
    el(
      'dl',
      {},
      ...SHORTCUTS.flatMap(([key, text]) => [el('dt', {}, el('kbd', {}, key)), el('dd', {}, text)]),
    ),
  );
}
