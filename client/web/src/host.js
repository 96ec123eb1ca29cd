/**
 * The host's screen: every clock, every command, links to the other screens, the log.
 *
 * @module
 */

import { adjustable } from './adjusting.js';
import { ask } from './ask.js';
import { Clock } from './clock.js';
import { el, isTaken, mark, write } from './dom.js';
import { Links } from './links.js';
import { Log } from './log.js';
import { Roster } from './roster.js';
import { refusal } from './telling.js';
import { hostPress, isOver } from './turn.js';

/** @import { ClockFace, CommandName } from '../../js/src/index.js' */
/** @import { SessionState } from '../../js/src/types.js' */
/** @import { Room } from './room.js' */

/** @typedef {{element: HTMLElement, clock: Clock, less: HTMLButtonElement, more: HTMLButtonElement, give: HTMLButtonElement}} Tile */

const SEARCH_FROM = 13;
const STEPS_S = [10, 30, 60, 300];

const KEYS = [
  ['Space', 'Start, next, resume'],
  ['P', 'Pause, resume'],
  ['U', 'Undo the last switch'],
  ['+  −', 'Give or take time'],
  ['/', 'Search'],
];

export class Host {
  #room;
  #links;
  #log;
  /** @type {SessionState | null} */
  #state = null;
  #session = this.#tile('session');
  /** @type {Roster<Tile>} */
  #roster = new Roster((id) => this.#person(id));
  #search = el('input', {
    type: 'search',
    placeholder: 'Search participants',
    'aria-label': 'Search participants',
    hidden: true,
    oninput: () => this.#list(),
  });
  #none = el('p', { className: 'hint', hidden: true }, 'Nobody of that name.');
  #error = el('p', { className: 'error', role: 'alert' });
  #primary = this.#button('', () => this.#press(), 'primary');
  #pause = this.#button('Pause', () => this.#pausePress());
  #undo = this.#button('Undo', () => this.#send('undo'));
  #complete = this.#button('Complete', () => this.#end());
  #delete = this.#button('Delete', () => this.#remove(), 'danger');
  #step = el(
    'select',
    { 'aria-label': 'How much time + and − give and take' },
    ...STEPS_S.map(
      (step) => new Option(step < 60 ? `± ${step} s` : `± ${step / 60} min`, `${step}`),
    ),
  );

  /** @param {Room} room */
  constructor(room) {
    this.#room = room;
    this.#links = new Links(room.place, room.api);
    this.#log = new Log(room.api, room.place.session, () => room.cast);
    this.#session.element.classList.add('session');
    this.element = el(
      'main',
      { className: 'host' },
      el(
        'div',
        { className: 'stage' },
        this.#session.element,
        this.#search,
        this.#none,
        this.#roster.element,
        el(
          'div',
          { className: 'controls', role: 'group', 'aria-label': 'Controls' },
          this.#error,
          this.#primary,
          this.#pause,
          this.#undo,
          this.#complete,
          this.#step,
          this.#delete,
        ),
      ),
      el('div', { className: 'side' }, this.#links.element, this.#log.element, keyboard()),
    );
  }

  /** @param {SessionState} state */
  state(state) {
    const isNew = this.#state === null;
    this.#state = state;
    const { cast } = this.#room;
    if (!cast) return;
    this.#links.offer(cast);
    this.#session.element.hidden = state.session_remaining_ms === undefined;
    this.#session.clock.belongsTo('Time for all');
    // The one participant of a clock for all would show it a second time.
    this.#roster.element.hidden = !this.#session.element.hidden && cast.people.size === 1;
    this.#enable(this.#session, 'session');
    this.#search.hidden = cast.people.size < SEARCH_FROM;
    this.#list();
    for (const [id, tile] of this.#roster.tiles) this.#enable(tile, id);
    this.#offer();
    if (isNew) this.#log.refresh();
  }

  /** @param {ClockFace} face */
  face(face) {
    if (face.id === 'session') this.#session.clock.show(face);
    else this.#roster.tiles.get(face.id)?.clock.show(face);
  }

  events() {
    this.#log.refresh();
  }

  connection() {
    this.#offer();
    const { connection, snapshot: held } = this.#room.client;
    if (connection === 'live' && held) this.#log.refresh();
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    if (isTaken(event) || event.repeat || !this.#state) return;
    const active =
      this.#state.session_remaining_ms === undefined
        ? this.#state.active_participant_id
        : 'session';
    /** @type {Record<string, () => void>} */
    const keys = {
      ' ': () => this.#press(),
      p: () => this.#pausePress(),
      u: () => this.#send('undo'),
      '+': () => active && this.#adjust(active, 1),
      '-': () => active && this.#adjust(active, -1),
      '/': () => this.#search.focus(),
    };
    const does = keys[event.key.toLowerCase()];
    if (!does) return;
    event.preventDefault();
    does();
  }

  /** Those whose name has what is searched for. */
  #list() {
    const people = [...(this.#room.cast?.people.values() ?? [])];
    const wanted = this.#search.value.trim().toLowerCase();
    const found = people.filter(({ name, team }) =>
      `${name} ${team}`.toLowerCase().includes(wanted),
    );
    this.#none.hidden = found.length > 0;
    this.#roster.show(
      found.map(({ id }) => id),
      people.length,
    );
    mark(this.#roster.element, 'size', sizeOf(people.length));
  }

  #offer() {
    const state = this.#state;
    if (!state) return;
    const isLive = this.#room.client.connection === 'live';
    const does = hostPress(state);
    write(this.#primary, does.label);
    this.#primary.disabled = !isLive || does.command === null;
    const isEnded = isOver(state);
    this.#complete.hidden = this.#step.hidden = isEnded;
    this.#pause.hidden = isEnded || does.command === 'pause';
    write(this.#pause, state.status === 'paused' ? 'Resume' : 'Pause');
    this.#pause.disabled = !isLive || state.status !== 'running';
    this.#undo.hidden = isEnded || state.participants.length === 1;
    this.#undo.disabled = !isLive || state.status !== 'running';
    this.#complete.disabled = !isLive;
  }

  /**
   * @param {Tile} tile
   * @param {string} id
   */
  #enable(tile, id) {
    const state = this.#state;
    if (!state) return;
    const canAdjust = adjustable(state, id) !== null;
    tile.less.hidden = tile.more.hidden = !canAdjust;
    const isOthers = id !== 'session' && id !== state.active_participant_id;
    tile.give.hidden = !isOthers || state.status !== 'running';
  }

  /** @param {string} id */
  #person(id) {
    const tile = this.#tile(id);
    const person = this.#room.cast?.people.get(id);
    tile.clock.belongsTo(person?.name ?? '', person?.team);
    const face = this.#room.faces.get(id);
    if (face) tile.clock.show(face);
    this.#enable(tile, id);
    return tile;
  }

  /**
   * @param {string} id
   * @returns {Tile}
   */
  #tile(id) {
    const name = () => (id === 'session' ? 'the session' : this.#room.cast?.nameOf(id));
    const less = this.#button('−', () => this.#adjust(id, -1));
    const more = this.#button('+', () => this.#adjust(id, 1));
    const give = this.#button('Give turn', () => this.#send('switch', { next_participant_id: id }));
    const link = this.#button('Link', () => this.#links.choose(id));
    less.ariaLabel = `Take time from ${name()}`;
    more.ariaLabel = `Give time to ${name()}`;
    give.ariaLabel = `Give turn to ${name()}`;
    link.ariaLabel = `Link for ${name()}`;
    link.hidden = id === 'session';
    const clock = new Clock(el('div', { className: 'buttons' }, less, more, give, link));
    return { element: clock.element, clock, less, more, give };
  }

  /**
   * @param {string} label
   * @param {() => unknown} onclick
   * @param {string} [className]
   */
  #button(label, onclick, className = '') {
    return el('button', { type: 'button', className, onclick }, label);
  }

  #press() {
    const does = this.#state && hostPress(this.#state);
    if (does?.command) void this.#send(does.command, does.args);
  }

  #pausePress() {
    const status = this.#state?.status;
    if (status === 'running') void this.#send('pause');
    if (status === 'paused') void this.#send('resume');
  }

  /**
   * @param {string} id
   * @param {1 | -1} sign
   */
  #adjust(id, sign) {
    const clock = this.#state && adjustable(this.#state, id);
    if (clock)
      void this.#send('adjust', { ...clock, delta_ms: sign * Number(this.#step.value) * 1_000 });
  }

  async #end() {
    const isSure = await ask({
      headline: 'Complete the session?',
      text: 'All clocks stop where they are, for everybody, and can’t go on.',
      action: 'Complete',
    });
    if (isSure) await this.#send('complete');
  }

  async #remove() {
    const isSure = await ask({
      headline: 'Delete the session?',
      text: 'It disappears from every screen, with its log, and its links lead nowhere.',
      action: 'Delete',
    });
    if (isSure) await this.#tried(() => this.#room.api.delete(this.#room.place.session));
  }

  /**
   * @param {CommandName} command
   * @param {Record<string, unknown>} [args]
   */
  #send(command, args) {
    return this.#tried(() => this.#room.client.command(command, args));
  }

  /** @param {() => Promise<unknown>} work */
  async #tried(work) {
    try {
      await work();
      write(this.#error, '');
    } catch (error) {
      write(this.#error, refusal(error));
    }
  }
}

/** @param {number} count */
const sizeOf = (count) => (count <= 2 ? 'two' : count <= 4 ? 'four' : 'more');

function keyboard() {
  return el(
    'details',
    { className: 'panel keys' },
    el('summary', {}, 'Keyboard'),
    el(
      'dl',
      {},
      ...KEYS.flatMap(([key, does]) => [el('dt', {}, el('kbd', {}, key)), el('dd', {}, does)]),
    ),
  );
}
